"""Which loops become lanes, which rows are done side by side, and how many: decided before emission.

Lanes: of all ways to run a body, each loop in turn or one of them along the lanes of a vector, the
cheapest by a count of instructions.  Rows: where a sum's vector operand does not change along an outer
loop, several places of that loop share each load of it (a register tile of ``rows`` times ``vectors``
running sums).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, inf, prod

from ...dtypes import bool_, int64
from ...loops.ir import Accumulate, Axis, Loop, Reduce, Scalar, Statement, Store, roots, statements
from .emit_facts import Facts
from .emit_functions import FUNCTIONS
from .target import Target

_FREE = frozenset(("constant", "axis", "affine", "local", "within", "bitcast"))
_UNITS = {"div": 8.0, "sqrt": 10.0, "mod": 6.0, "floordiv": 6.0}
GATHERED = 2.0
"""Cost of one lane that has to be fetched on its own, in vector instructions."""
TILED = 0.35
"""What is left of the cost of a sum of products, where tiles share loads and two are done at once."""
CHAINS = 8
"""Running sums needed to keep the multipliers busy: two a cycle, four cycles each."""
LEAST_GAIN = 0.25
"""The part of a body that must gain from a tile of rows."""
LONGEST_TILE = 16
NEAR = 32 << 10
"""Bytes that stay in the cache next to the core; from further away a vector takes a cycle and a half."""


@dataclass(slots=True)
class Plan:
    """``lanes`` of loops and reductions run as vectors; ``rows`` of loops done side by side;
    ``vectors`` of a lane loop's tile; ``tiled``: for a reduction, the loops whose rows it uses; ``sets``
    of running values, which take turns."""

    lanes: dict[Loop | Reduce, int] = field(default_factory=dict)
    rows: dict[Loop, int] = field(default_factory=dict)
    vectors: dict[Loop, int] = field(default_factory=dict)
    tiled: dict[Reduce, list[Loop]] = field(default_factory=dict)
    sets: dict[Reduce, int] = field(default_factory=dict)


class Planner:
    """Makes the plan of one body."""

    def __init__(self, target: Target, facts: Facts, outer: Loop | None = None) -> None:
        self.target = target
        self.outer = outer
        self._longest = LONGEST_TILE if target.registers >= 32 else 6  # beyond, values go to memory and back
        self.facts = facts
        self.plan = Plan()

    def make(self, body: Sequence[Statement]) -> Plan:
        for statement in body:
            self._place_lanes(statement, None)
        sums = self._sums(body, [])
        for reduction, loops in sums:
            self._assign_rows(reduction, loops)
        for loop in dict.fromkeys(j for js in self.plan.tiled.values() for j in js):
            if not self._pays(loop):
                self.plan.tiled = {r: [j for j in js if j is not loop] for r, js in self.plan.tiled.items()}
        for loop in dict.fromkeys(j for js in self.plan.tiled.values() for j in js):
            self.plan.rows[loop] = self._count_rows(loop, sums)
        for reduction, loops in sums:
            self._count_vectors(reduction, loops)
        for reduction, loops in sums:
            self.plan.sets[reduction] = self._count_sets(reduction, loops)
        return self.plan

    # ── lanes ─────────────────────────────────────────────────────────────────────────────────────

    def width(self, statement: Loop | Reduce, axis: Axis) -> int:
        """How many places of an axis make a vector of what depends on them."""
        within = statements(statement.body) if isinstance(statement, Loop) else [statement]
        sizes: set[int] = set()
        for inner in within:
            for value in roots(inner):
                for s in self.facts.order(value):
                    if s.dtype is not bool_ and s.op not in _FREE and axis in self.facts.axes(s):
                        sizes.add(s.dtype.itemsize)
        return self.target.vector_bytes // min(sizes, default=4)

    def may_be_lanes(self, loop: Loop) -> bool:
        axis = loop.axis
        if loop.ordered or axis.extent < 2 or (axis.limit is not None and not self.target.masked):
            return False
        for inner in statements(loop.body):
            if isinstance(inner, Accumulate) and not self.facts.stride(inner.offset, axis):
                return False
        return self._limits_are_free_of(loop)

    def _limits_are_free_of(self, loop: Loop) -> bool:
        for inner in statements(loop.body):
            axes = (
                [inner.axis] if isinstance(inner, Loop) else inner.axes if isinstance(inner, Reduce) else ()
            )
            for a in axes:
                if a.limit is not None and loop.axis in self.facts.axes(a.limit):
                    return False
        return True

    def _place_lanes(self, statement: Statement, current: Axis | None) -> float:
        """Choose the lanes within a statement that has none yet; returns its cost for one place."""
        if isinstance(statement, Loop):
            axis = statement.axis
            serial = axis.extent * (1 + sum([self._place_lanes(s, axis) for s in statement.body]))
            width = self.width(statement, axis)
            vector = self._as_lanes(statement, width) if width > 1 and self.may_be_lanes(statement) else inf
            if vector >= serial:
                return serial
            for inner in statements(statement.body):
                if isinstance(inner, Loop | Reduce):
                    self.plan.lanes.pop(inner, None)
            self.plan.lanes[statement] = width
            return vector
        if isinstance(statement, Reduce):
            axis = statement.axes[-1]
            width = self.width(statement, axis)
            serial = self.cost(statement, axis, None, 1)
            if width < 2 or axis.extent < 2 or (axis.limit is not None and not self.target.masked):
                return serial
            blocks = self._blocks(axis.extent, width)
            outer = prod(a.extent for a in statement.axes[:-1])
            vector = outer * blocks * self._units(roots(statement), axis, axis, width) + 6 * len(
                statement.parts
            )
            if vector < serial:
                self.plan.lanes[statement] = width
            return min(vector, serial)
        return self.cost(statement, current, None, 1)

    def _along(self, reduction: Reduce, width: int) -> float:
        """The cost of a reduction whose last axis is the lanes."""
        axis = reduction.axes[-1]
        outer = prod(a.extent for a in reduction.axes[:-1])
        each = self._units(roots(reduction), axis, axis, width)
        each *= TILED if is_product(reduction) else 1.0
        return outer * self._blocks(axis.extent, width) * each + 6 * len(reduction.parts)

    def _planned(self, statement: Statement, current: Axis) -> float:
        """The cost of one place of ``current``, with the lanes as chosen."""
        width = self.plan.lanes.get(statement) if isinstance(statement, Loop | Reduce) else None
        if isinstance(statement, Loop):
            if width is not None:
                return self._as_lanes(statement, width)
            return statement.axis.extent * (1 + sum(self._planned(s, statement.axis) for s in statement.body))
        if isinstance(statement, Reduce) and width is not None:
            return self._along(statement, width)
        return self.cost(statement, current, None, 1)

    def _pays(self, loop: Loop) -> bool:
        """Whether enough of a body gains from a tile of rows: all of it is written out twice."""
        gaining = whole = 0.0
        for statement in loop.body:
            cost = self._planned(statement, loop.axis)
            inner = statements(statement.body) if isinstance(statement, Loop) else [statement]
            gains = any(isinstance(s, Reduce) and loop in self.plan.tiled.get(s, ()) for s in inner)
            whole, gaining = whole + cost, gaining + (cost if gains else 0.0)
        return gaining > LEAST_GAIN * whole

    def _blocks(self, extent: int, width: int) -> float:
        """Vectors along an axis; where they have no masks, the rest takes halves, quarters, …, of one."""
        whole, rest = divmod(extent, width)
        return whole + ((1 if rest else 0) if self.target.masked else rest.bit_count())

    def _as_lanes(self, loop: Loop, width: int) -> float:
        inner = 1 + sum(self.cost(s, loop.axis, loop.axis, width) for s in loop.body)
        return self._blocks(loop.axis.extent, width) * inner

    def cost(self, statement: Statement, current: Axis | None, lane: Axis | None, width: int) -> float:
        """Instructions for one place of ``current``, the innermost axis, with ``lane`` as lanes."""
        if isinstance(statement, Loop):
            inner = sum(self.cost(s, statement.axis, lane, width) for s in statement.body)
            return statement.axis.extent * (1 + inner)
        values = roots(statement)
        if isinstance(statement, Reduce):
            places = prod(a.extent for a in statement.axes)
            each = len(statement.parts) + self._units(values, statement.axes[-1], lane, width)
            return places * each * (TILED if lane is not None and is_product(statement) else 1.0)
        units = self._units(values, current, lane, width)
        if isinstance(statement, Store | Accumulate):
            units += self._access(statement.offset, lane, width)
        return units

    def _access(self, offset: Scalar, lane: Axis | None, width: int) -> float:
        if lane is None or lane not in self.facts.axes(offset) or self.facts.stride(offset, lane) == 1:
            return 1.0
        return GATHERED * width

    def _units(self, values: Sequence[Scalar], current: Axis | None, lane: Axis | None, width: int) -> float:
        total = 0.0
        for s in {x: None for value in values for x in self.facts.order(value)}:
            if s.op in _FREE:
                continue
            axes = self.facts.axes(s)
            if current is not None and current not in axes:
                continue
            wide = lane in axes
            if s.op == "load":
                total += self._access(s.args[0], lane, width)
            elif s.op in FUNCTIONS:
                total += 24.0 * (width if wide else 1)  # a call for each lane
            elif s.op in ("mod", "floordiv") and wide:
                total += 12.0 * width
            else:
                total += _UNITS.get(s.op, 2.0 if wide and s.dtype is int64 else 1.0)
        return total

    # ── rows ──────────────────────────────────────────────────────────────────────────────────────

    def _sums(self, body: Sequence[Statement], outer: list[Loop]) -> list[tuple[Reduce, list[Loop]]]:
        """Every reduction with the loops around it, outermost first."""
        found = []
        for statement in body:
            if isinstance(statement, Loop):
                found += self._sums(statement.body, [*outer, statement])
            elif isinstance(statement, Reduce):
                found.append((statement, outer))
        return found

    def _assign_rows(self, reduction: Reduce, loops: list[Loop]) -> None:
        lane_loop = next((loop for loop in loops if loop in self.plan.lanes), None)
        own = reduction in self.plan.lanes
        if (lane_loop is None and not own) or any(part.kind != "sum" for part in reduction.parts):
            return
        if own and any(part.value.op != "mul" for part in reduction.parts):
            return  # it loads little, and adds up the lanes of every row
        lane = reduction.axes[-1] if lane_loop is None else lane_loop.axis
        current = reduction.axes[-1]
        loads = [
            self.facts.axes(s.args[0])
            for part in reduction.parts
            for s in self.facts.order(part.value)
            if s.op == "load" and lane in self.facts.axes(s.args[0]) and current in self.facts.axes(s.args[0])
        ]
        depends = self.facts.axes_of_all([part.value for part in reduction.parts])
        fit = []
        for depth, loop in enumerate(loops):
            if (
                loop.ordered
                or loop is lane_loop
                or loop.axis.extent < 2
                or not self._limits_are_free_of(loop)
            ):
                continue
            if loop.axis in depends and any(loop.axis not in axes for axes in loads):
                fit.append((min(loop.axis.extent, self._longest), depth, loop))
        if not fit:
            return
        fit.sort(key=lambda item: item[:2], reverse=True)
        chosen = [loop for _, _, loop in fit[: 2 if lane_loop is None else 1]]
        self.plan.tiled[reduction] = [loop for loop in loops if loop in chosen]

    def _count_rows(self, loop: Loop, sums: list[tuple[Reduce, list[Loop]]]) -> int:
        """The number of rows whose tiles take the fewest cycles, over all the sums that use them."""
        extent = loop.axis.extent
        users = [(r, around) for r, around in sums if loop in self.plan.tiled.get(r, ())]
        if all(r in self.plan.lanes for r, _ in users):  # dot products: 4 by 4 running sums
            pair = any(len(self.plan.tiled[r]) > 1 for r, _ in users)
            best = 4 if pair else 8
            if self.target.registers < 32:
                best //= 2
            return min(best, extent)

        def total(rows: int, extent: int) -> float:
            cycles = 0.0
            for reduction, around in users:
                if reduction in self.plan.lanes:
                    continue
                vectors, cost = self._best_vectors(rows, reduction, around)
                if not vectors:
                    return inf
                blocks, rest = divmod(extent, rows)
                cycles += blocks * cost
                if rest and loop is self.outer:  # of a share, known only when it is run: one by one
                    cycles += rest * self._best_vectors(1, reduction, around)[1]
                elif rest:
                    cycles += self._best_vectors(rest, reduction, around)[1] + 8
            return cycles

        # The kernel's own axis is shared out among threads: as a whole and in halves, say.
        shares = (1, 2) if loop is self.outer else (1,)

        def shared(rows: int) -> tuple[float, int]:
            return sum(s * total(rows, ceil(extent / s)) for s in shares), rows

        return min(range(1, min(extent, self._longest) + 1), key=shared)

    def _best_vectors(self, rows: int, reduction: Reduce, around: list[Loop]) -> tuple[int, float]:
        """The width of the tile in vectors that suits a number of rows, and cycles for all columns."""
        lane_loop = next(loop for loop in around if loop in self.plan.lanes)
        width = self.plan.lanes[lane_loop]
        parts = len(reduction.parts) * (2 if self._is_double(reduction, width) else 1)
        columns = ceil(lane_loop.axis.extent / width)
        places = prod(a.extent for a in reduction.axes)
        stream = 0.0 if places * columns * self.target.vector_bytes <= NEAR else 1.5
        best = (0, inf)
        for vectors in range(1, min(columns, self._longest) + 1):
            needed = rows * vectors * parts + vectors * parts + (1 if self.target.has_fma else 3)
            if needed > self.target.registers and rows * vectors > 1:
                break
            cycles = 0.0
            whole, rest = divmod(columns, vectors)
            for count, wide in ((whole, vectors), (1 if rest else 0, rest)):
                busy = max(
                    rows * wide / 2, (rows + wide) / 2, 4 if rows * wide < CHAINS else 0, stream * wide
                )
                each = busy + 0.35 * wide
                cycles += count * (each * places + 10)
            turns = lane_loop.axis.extent // width // vectors
            cycles *= 1.03 if turns and turns * vectors < columns else 1.0  # a tile of its own for the rest
            if cycles < best[1]:
                best = (vectors, cycles)
        return best

    def _is_double(self, reduction: Reduce, width: int) -> bool:
        """Whether the running sums take two registers each: eight bytes in lanes counted for four."""
        sizes = [part.value.dtype.itemsize for part in reduction.parts]
        return max(sizes) * width > self.target.vector_bytes

    def _count_vectors(self, reduction: Reduce, around: list[Loop]) -> None:
        lane_loop = next((loop for loop in around if loop in self.plan.lanes), None)
        if lane_loop is None:
            return
        tiled = self.plan.tiled.get(reduction, [])
        rows = prod(self.plan.rows[loop] for loop in tiled)
        vectors = max(1, self._best_vectors(rows, reduction, around)[0])
        if not tiled:  # nothing is loaded less often for it
            vectors = min(vectors, 8 if is_product(reduction) else 4)
            if not any(part.kind.startswith("arg") for part in reduction.parts):  # others can have more sets
                columns = ceil(lane_loop.axis.extent / self.plan.lanes[lane_loop])
                vectors = max(v for v in range(1, vectors + 1) if columns % v == 0 or is_product(reduction))
        known = self.plan.vectors.get(lane_loop)
        self.plan.vectors[lane_loop] = vectors if known is None else min(known, vectors)

    def _count_sets(self, reduction: Reduce, around: list[Loop]) -> int:
        """Few running values wait for each other: then several sets of them, by the shapes alone."""
        axis = reduction.axes[-1]
        chains = len(reduction.parts) * prod(
            self.plan.rows[loop] for loop in self.plan.tiled.get(reduction, [])
        )
        wanted = ceil(CHAINS / chains)
        width = self.plan.lanes.get(reduction)
        if axis.limit is not None:
            return 1
        if width is not None:
            whole, rest = divmod(axis.extent, width)
            return max(1, min(wanted, whole + (1 if rest and self.target.masked else 0)))
        if any(part.kind.startswith("arg") for part in reduction.parts):
            return 1
        lane_loop = next((loop for loop in around if loop in self.plan.lanes), None)
        if lane_loop is not None:
            wanted = ceil(wanted / self.plan.vectors.get(lane_loop, 1))
        size = sum(len(self.facts.order(part.value)) for part in reduction.parts)
        wanted = min(4, wanted, axis.extent)
        while wanted > 1 and wanted * size * chains > 160:
            wanted //= 2
        return max(1, wanted)


def is_product(reduction: Reduce) -> bool:
    """Whether a reduction only sums products."""
    return all(part.kind == "sum" and part.value.op == "mul" for part in reduction.parts)
