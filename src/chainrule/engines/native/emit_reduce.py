"""Reductions: running values in registers, one for each copy of what is reduced.

Where the lanes belong to a loop around, or to nothing, the reduced axes are loops.  Otherwise the last
reduced axis is the lanes: several vectors of running values, added up at the end in a fixed order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import numpy as np

from ...dtypes import DType, bool_, float32, float64, int64, uint32
from ...loops import index
from ...loops.ir import Axis, Part, Reduce
from .emit_loops import Loops
from .emit_operations import Put, Type, literal, type_of
from .emit_plan import Plan
from .emit_writer import Copy, LocalValue

NO_PLACE = (1 << 63) - 1
"""The place of an argmax that has met no value yet."""

_COMBINE = {"sum": "add", "prod": "mul", "any": "or", "all": "and"}

Sums = list[str]
"""The running values of all parts and copies, in one flat order."""


@dataclass(slots=True)
class Running:
    """One running value: of which part and copy, its type; of an argmax the place comes right after."""

    part: Part
    copy: Copy
    type: Type
    is_place: bool = False


class InTurn(Loops):
    """Reductions one place after the other; in each lane, where the lanes belong to a loop around."""

    plan: Plan
    compact = False
    """Whether code is for the few places that a tile leaves over: short rather than fast."""
    reduced_lanes = False
    """Whether the lanes are the reduced axis's, so that lanes outside it must not count."""

    def running(self, reduction: Reduce, masks: list[int], lanes: int) -> list[Running]:
        found = []
        for part, mask in zip(reduction.parts, masks, strict=True):
            width = lanes or self.lanes_of(mask)
            for copy in self.copies(mask):
                found.append(Running(part, copy, type_of(part.value.dtype, width)))
                if part.kind.startswith("arg"):
                    found.append(Running(part, copy, type_of(int64, width), True))
        return found

    def name(self, reduction: Reduce, masks: list[int], running: list[Running], names: Sums | None) -> None:
        """Give the results to the reduction's locals."""
        if names is None:
            names = [start(r) for r in running]
        for part, mask in zip(reduction.parts, masks, strict=True):
            wanted = [(r, name) for r, name in zip(running, names, strict=True) if r.part is part]
            if part.kind.startswith("arg"):
                wanted = [(r, self._known_place(r, name)) for r, name in wanted if r.is_place]
            found = {self.key(mask, r.copy): name for r, name in wanted}
            self.locals[part.local] = LocalValue(self.depth, mask, self.lanes_of(mask), found)

    def _known_place(self, r: Running, name: str) -> str:
        number, text = self.operations.number, r.type.text
        if name == number(r.type, NO_PLACE):
            return number(r.type, 0)
        met = self.here(f"icmp ne {text} {name}, {number(r.type, NO_PLACE)}")
        return self.operations.select(self.here, r.type, met, name, number(r.type, 0))

    # ── one value after the other ─────────────────────────────────────────────────────────────────

    def in_turn(self, reduction: Reduce, masks: list[int]) -> None:
        running = self.running(reduction, masks, 0)

        def innermost(axis: Axis, sums: Sums) -> Sums:
            return self._last_axis(reduction, axis, running, sums)

        names = self.outer_axes(reduction, running, [start(r) for r in running], innermost)
        self.name(reduction, masks, running, names)

    def outer_axes(
        self, reduction: Reduce, running: list[Running], sums: Sums, innermost: Callable[[Axis, Sums], Sums]
    ) -> Sums:
        """All axes but the last as loops that carry the running values."""

        def nest(axes: tuple[Axis, ...], sums: Sums) -> Sums:
            axis, *rest = axes
            if not rest:
                return innermost(axis, sums)
            stop = self.limit(axis)
            types = [r.type.text for r in running]
            carried = list(zip(types, sums, strict=True))
            guarded = stop is not None
            loop = self.open_loop(
                "0", stop or str(axis.extent), carried=carried, guarded=guarded, unsure=guarded
            )
            self.place(axis, loop.index)
            return self.close_loop(loop, nest(tuple(rest), [name for _, _, name in loop.carried]))

        return nest(reduction.axes, sums)

    def _last_axis(self, reduction: Reduce, axis: Axis, running: list[Running], sums: Sums) -> Sums:
        stop = self.limit(axis)
        types = [r.type.text for r in running]
        if stop is not None:
            carried = list(zip(types, sums, strict=True))
            loop = self.open_loop("0", stop, carried=carried, guarded=True, unsure=True)
            self.place(axis, loop.index)
            return self.close_loop(
                loop, self.take(reduction, running, [name for _, _, name in loop.carried], None)
            )
        count = axis.extent
        unroll, sets = self._unrolling(reduction, running, count)
        if sets == 1:
            return self.strip(reduction, axis, running, sums, 0, count, unroll, [0] * unroll)
        more = [start(r) for _ in range(sets - 1) for r in running]
        wide = self.strip(
            reduction, axis, running * sets, [*sums, *more], 0, count, unroll, list(range(sets))
        )
        size = len(running)
        return self.fold(running, [wide[i * size : (i + 1) * size] for i in range(sets)])

    def _unrolling(self, reduction: Reduce, running: list[Running], count: int) -> tuple[int, int]:
        """How many turns at once, and over how many sets of running values.

        The sets are the plan's: they say in which order a sum is added up, which must be one and the same
        in a tile and in its tail.
        """
        sets = self.plan.sets.get(reduction, 1)
        if sets > 1 or self.compact:
            return sets, sets
        size = len(running) * sum(len(self.facts.order(part.value)) for part in reduction.parts)
        if count <= 4 and size * count <= 160:
            return count, 1
        wide = self.target.registers >= 32
        return (2 if size <= 160 and count >= 128 and wide else 1), 1

    def strip(
        self, reduction: Reduce, axis: Axis, running: list[Running], sums: Sums,
        begin: int, end: int, unroll: int, which: list[int],
    ) -> Sums:  # fmt: skip
        """An axis in strips of ``unroll`` turns; turn ``i`` of a strip goes to the set ``which[i]``."""
        whole, rest = divmod(end - begin, unroll)
        if whole > 1:
            carried = [(r.type.text, name) for r, name in zip(running, sums, strict=True)]
            loop = self.open_loop(str(begin), str(begin + whole * unroll), unroll, carried=carried)
            sums = [name for _, _, name in loop.carried]
            sums = self._turns(reduction, axis, running, sums, loop.index, unroll, which)
            sums = self.close_loop(loop, sums)
        elif whole:
            self.open_scope()
            sums = self._turns(reduction, axis, running, sums, str(begin), unroll, which)
            self.close_scope_with(sums)
        if rest:
            self.open_scope()
            sums = self._turns(reduction, axis, running, sums, str(begin + whole * unroll), rest, which)
            self.close_scope_with(sums)
        return sums

    def close_scope_with(self, names: Sums) -> None:
        self.close_scope()
        for name in names:
            self.homes[name] = self.depth

    def _turns(
        self,
        reduction: Reduce,
        axis: Axis,
        running: list[Running],
        sums: Sums,
        base: str,
        count: int,
        which: list[int],
    ) -> Sums:
        if count == 1:
            self.place(axis, base)
            size = len(running) // (max(which) + 1)
            return [*self.take(reduction, running[:size], sums[:size], None), *sums[size:]]
        self.push(axis, base, count)
        size = len(running) // (max(which) + 1)
        sums = list(sums)
        for turn in range(count):
            at = which[turn] * size
            sums[at : at + size] = self.take(reduction, running[at : at + size], sums[at : at + size], turn)
        self.pop()
        return sums

    def take(self, reduction: Reduce, running: list[Running], sums: Sums, turn: int | None) -> Sums:
        """One more value for each running value."""
        result: Sums = []
        for number, r in enumerate(running):
            if r.is_place:
                continue
            copy = (*r.copy, turn) if turn is not None else r.copy
            if r.part.kind.startswith("arg"):
                result += self._further(reduction, r, sums[number], sums[number + 1], copy)
            else:
                result.append(self._more(r, sums[number], copy))
        return result

    def _more(self, r: Running, total: str, copy: Copy) -> str:
        value, lanes = r.part.value, r.type.lanes
        mask = self.lane_mask(copy) if self.reduced_lanes else None
        if r.part.kind == "sum" and r.type.is_float and value.op == "mul":
            a, b = [self.operand(x, copy, lanes) for x in value.args]
            found = self.operations.fma(self.here, r.type, a, b, total)
        else:
            found = self.combine(self.here, r.part.kind, r.type, total, self.operand(value, copy, lanes))
        return found if mask is None else self.operations.select(self.here, r.type, mask, found, total)

    def combine(self, put: Put, kind: str, type: Type, total: str, value: str) -> str:
        if kind in ("max", "min"):
            return self.operations.extreme(put, kind, type, total, value)
        return self.operations.binary(put, _COMBINE[kind], type, total, value)

    def _further(self, reduction: Reduce, r: Running, best: str, place: str, copy: Copy) -> Sums:
        lanes = r.type.lanes
        flat = index.ravel(
            [index.of(axis) for axis in reduction.axes], [axis.extent for axis in reduction.axes]
        )
        value, number = self.operand(r.part.value, copy, lanes), self.operand(flat, copy, lanes)
        take = self._is_further(r.part.kind, r.type, value, best)
        places, flags = type_of(int64, lanes), type_of(bool_, lanes)
        first = self.here(f"icmp eq {places.text} {place}, {self.operations.number(places, NO_PLACE)}")
        take = self.here(f"or {flags.text} {take}, {first}")
        mask = self.lane_mask(copy) if self.reduced_lanes else None
        if mask is not None:
            take = self.here(f"and {flags.text} {take}, {mask}")
        select = self.operations.select
        return [select(self.here, r.type, take, value, best), select(self.here, places, take, number, place)]

    def _is_further(self, kind: str, type: Type, value: str, best: str) -> str:
        order = "gt" if kind == "argmax" else "lt"
        if not type.is_float:
            sign = "u" if type.dtype is uint32 else "s"
            return self.here(f"icmp {sign}{order} {type.text} {value}, {best}")
        beyond = self.here(f"fcmp u{order} {type.text} {value}, {best}")  # or either is a NaN
        number = self.here(f"fcmp ord {type.text} {best}, {best}")
        return self.here(f"and {type_of(bool_, type.lanes).text} {beyond}, {number}")

    def fold(self, running: list[Running], sets: list[Sums]) -> Sums:
        """Several sets of running values into one, neighbours first."""
        while len(sets) > 1:
            pairs = [
                self.join(running, sets[i], sets[i + 1]) if i + 1 < len(sets) else sets[i]
                for i in range(0, len(sets), 2)
            ]
            sets = pairs
        return sets[0]

    def join(self, running: list[Running], left: Sums, right: Sums) -> Sums:
        result: Sums = []
        for number, r in enumerate(running):
            if r.is_place:
                continue
            if r.part.kind.startswith("arg"):
                a, b = (left[number], left[number + 1]), (right[number], right[number + 1])
                result += self._join_places(r.part.kind, r.type, a, b)
            else:
                result.append(self.combine(self.here, r.part.kind, r.type, left[number], right[number]))
        return result

    def _join_places(self, kind: str, type: Type, a: tuple[str, str], b: tuple[str, str]) -> Sums:
        """The further of two values with places, of equals the one with the smaller place."""
        places, flags = type_of(int64, type.lanes), type_of(bool_, type.lanes).text
        further = self._is_further(kind, type, b[0], a[0])
        behind = self._is_further(kind, type, a[0], b[0])
        smaller = self.here(f"icmp slt {places.text} {b[1]}, {a[1]}")
        level = self.here(f"xor {flags} {behind}, {'splat (i1 true)' if type.lanes else 'true'}")
        take = self.here(f"or {flags} {further}, {self.here(f'and {flags} {level}, {smaller}')}")
        # A side that has met nothing never wins.
        none = self.operations.number(places, NO_PLACE)
        take = self.here(f"and {flags} {take}, {self.here(f'icmp ne {places.text} {b[1]}, {none}')}")
        take = self.here(f"or {flags} {take}, {self.here(f'icmp eq {places.text} {a[1]}, {none}')}")
        select = self.operations.select
        return [select(self.here, type, take, b[0], a[0]), select(self.here, places, take, b[1], a[1])]


def start(r: Running) -> str:
    """The running value before any value has been met."""
    if r.is_place:
        return literal(NO_PLACE, int64, r.type.lanes)
    return literal(start_value(r.part.kind, r.type.dtype), r.type.dtype, r.type.lanes)


def start_value(kind: str, dtype: DType) -> float:
    if kind in ("sum", "prod", "any", "all"):
        return {"sum": 0, "prod": 1, "any": 0, "all": 1}[kind]
    upper = kind in ("max", "argmax")
    if dtype is float32 or dtype is float64:
        return -inf if upper else inf
    limits = np.iinfo(dtype)
    return int(limits.min if upper else limits.max)
