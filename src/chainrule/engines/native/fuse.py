"""Fusion: kernels, and the loops within them, become one where nothing they share crosses their places.

Two loops of equal extent are merged if whatever one writes and the other touches is touched by both at
one place of the loop (``accesses.py``), and if no third step must run between them.  A loop of M·N
places that meets one of M is first cut into M stretches of N, so that an elementwise kernel over a whole
array joins the rows that feed it.  Afterwards stored values are handed on within a body (``forward.py``)
and stores that nobody reads disappear.  The numbers computed are the same bits.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ...loops import index
from ...loops.ir import Axis, Buffer, Call, Kernel, Loop, Program, Reduce, Statement, Step, statements
from .accesses import FAILURE, Access, Touch, Touches, depends, may_meet, same_place
from .costs import MEETING, cost
from .forward import eliminate, forward, loads
from .renaming import Renaming, apart

MOST_STATEMENTS = 240
"""A kernel does not grow beyond so many: the time to compile one is not linear in its length."""

SMALL = MEETING // 2
"""Scalar operations below which a kernel is not worth sharing out."""

Keep = Callable[[Kernel], bool]


def fuse(program: Program, keep: Keep | None = None, small: float = SMALL) -> Program:
    """The same program in fewer kernels.

    ``keep`` tells which kernels are matrix products with code of their own: those take in elementwise
    work over their own places, and nothing else.  Kernels of less than ``small`` scalar operations are
    run by one thread.
    """
    program = apart(Program(tuple([_unwrapped(step) for step in program.steps])))
    touches = Touches()
    kept = set() if keep is None else {s for s in program.steps if isinstance(s, Kernel) and keep(s)}
    units = [Unit.of_step(step, touches, step in kept) for step in program.steps]
    grouping = Grouping(units, frozenset(), touches)
    grouping.join_small(small)
    steps = [_step(group, touches) for group in grouping.groups()]
    return eliminate(Program(tuple([forward(s) if isinstance(s, Kernel) else s for s in steps])))


def _unwrapped(step: Step) -> Step:
    """A kernel of one place runs the loop within it in parallel, if that is all it does."""
    while isinstance(step, Kernel) and step.axis is not None and step.axis.extent == 1:
        match step.body:
            case (Loop(axis=Axis(limit=None) as axis, body=body, ordered=False),):
                step = Kernel(step.name, axis, body)
            case _:
                step = Kernel(step.name, None, step.body)
    return step


# ── what is grouped ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Shape:
    """What a loop's body looks like from outside."""

    size: int = 1
    """How many statements there are."""
    rows: bool = False
    """Whether it holds loops: a place is a row of something."""
    columns: bool = False
    """Whether it only folds what lies in columns: neighbouring places read neighbouring elements."""
    product: bool = False
    """Whether there is a sum of products in it."""


def shape_of(axis: Axis | None, body: Sequence[Statement]) -> Shape:
    inner = list(statements(body))
    folds = [s for s in inner if isinstance(s, Reduce)]
    rows = any(isinstance(s, Loop) for s in inner)
    columns = axis is not None and not rows and any(_in_columns(fold, axis) for fold in folds)
    return Shape(len(inner), rows, columns, any(is_product(fold) for fold in folds))


def _in_columns(fold: Reduce, axis: Axis) -> bool:
    """Whether the fold reads along the axis in steps of 1, and along its own in longer ones."""
    along, across = index.of(axis), index.of(fold.axes[-1])
    for load in loads([part.value for part in fold.parts]):
        _, terms = index.terms(load.args[0])
        if abs(terms.get(along, 0)) == 1 and abs(terms.get(across, 1)) != 1:
            return True
    return False


def is_product(fold: Reduce) -> bool:
    """Whether the fold sums products of what it loads."""
    return any(
        part.kind == "sum" and part.value.op == "mul" and all(loads([x]) for x in part.value.args)
        for part in fold.parts
    )


@dataclass(eq=False, slots=True)
class Unit:
    """A step, or a statement of a body: what stands at one place of an enclosing loop."""

    statement: Step | Statement
    renaming: Renaming
    touch: Touch
    axis: Axis | None
    """The axis of a loop that may be merged with others."""
    serial: bool = False
    product: tuple[int, int] | None = None
    """The places of a product that is kept for a library."""
    shape: Shape = Shape()

    @staticmethod
    def of_step(step: Step, touches: Touches, kept: bool) -> Unit:
        touch, none = touches.of(step), Renaming()
        if isinstance(step, Call):
            return Unit(step, none, touch, None)
        inner = [s for s in step.body if isinstance(s, Loop)]
        product = (step.axis.extent, inner[0].axis.extent) if kept and step.axis and inner else None
        return Unit(step, none, touch, step.axis, step.axis is None, product, shape_of(step.axis, step.body))

    @staticmethod
    def of_statement(statement: Statement, renaming: Renaming, touches: Touches) -> Unit:
        touch = touches.of(statement).renamed(renaming)
        if isinstance(statement, Loop) and not statement.ordered and statement.axis.limit is None:
            shape = shape_of(statement.axis, statement.body)
            return Unit(statement, renaming, touch, statement.axis, shape=shape)
        return Unit(statement, renaming, touch, None)

    @property
    def body(self) -> tuple[Statement, ...]:
        assert isinstance(self.statement, Kernel | Loop)
        return self.statement.body

    def keep_to_one_thread(self) -> None:
        """Turn a kernel over an axis into one that runs once and loops."""
        kernel = self.statement
        if isinstance(kernel, Kernel) and kernel.axis is not None:
            self.statement = Kernel(kernel.name, None, (Loop(kernel.axis, kernel.body),))
            self.axis, self.serial = None, True


@dataclass(eq=False, slots=True)
class Group:
    """Units that become one loop of ``extent`` places (or stay the single unit they are)."""

    units: list[Unit]
    extent: int
    accesses: dict[Buffer, list[tuple[Access, Unit]]] = field(default_factory=dict)
    written: set[Buffer] = field(default_factory=set)

    @staticmethod
    def of(unit: Unit) -> Group:
        accesses = {b: [(a, unit) for a in found] for b, found in unit.touch.accesses.items()}
        return Group([unit], unit.axis.extent if unit.axis else 0, accesses, set(unit.touch.written))

    @property
    def first(self) -> Unit:
        return self.units[0]

    @property
    def size(self) -> int:
        return sum(unit.shape.size for unit in self.units)

    def cost(self) -> float:
        return sum([cost(unit.statement) for unit in self.units if isinstance(unit.statement, Kernel | Call)])

    def take(self, other: Group, extent: int) -> None:
        self.units += other.units
        self.extent = extent
        for buffer, accesses in other.accesses.items():
            self.accesses.setdefault(buffer, []).extend(accesses)
        self.written |= other.written


class Grouping:
    """Groups of units that stand in one body, found by merging two at a time.

    Groups are bits of a mask: ``before[g]`` are the groups that ``g`` must directly follow, ``above[g]``
    all that must come before it.  A unit's group is found through ``home``.
    """

    def __init__(self, units: Sequence[Unit], outer: frozenset[Axis], touches: Touches) -> None:
        self.outer, self.touches = outer, touches
        self.group: list[Group | None] = []
        self.home: list[int] = []
        self.before: list[int] = []
        self.above: list[int] = []
        self.users: dict[Buffer, tuple[list[int], list[int]]] = {}
        self.units: list[Unit] = []
        for unit in units:
            self._enter(unit)

    # ── building ──────────────────────────────────────────────────────────────────────────────────

    def _enter(self, unit: Unit) -> None:
        """Add a unit after all others, then merge its group with those it shares data with."""
        number, before = len(self.units), 0
        flow, linked, shared = set[int](), set[int](), set[int]()
        for buffer in unit.touch.accesses:
            readers, writers = self.users.setdefault(buffer, ([], []))
            linked.update(writers)
            if buffer in unit.touch.written:
                linked.update(readers)
                writers.append(number)
            elif buffer.size > 1:
                shared.update(readers)
                readers.append(number)
            else:
                readers.append(number)
        for other in range(number) if unit.touch.used else sorted(linked):
            if depends(self.units[other].touch, unit.touch, self.outer):
                before |= 1 << self.home[other]
                flow.add(other)
        self.units.append(unit)
        self.group.append(Group.of(unit))
        self.home.append(number)
        self.before.append(before)
        above = before
        for g in _bits(before):
            above |= self.above[g]
        self.above.append(above)
        if unit.axis is not None:
            for other in sorted(flow, reverse=True):
                self._join(other, number, True)
            for other in sorted(shared - linked, reverse=True):
                self._join(other, number, False)

    def join_small(self, small: float) -> None:
        """Give kernels that are not worth sharing to one thread, and merge all that one thread runs.

        Two are merged wherever that makes nothing wait longer: a group may run in any of the *phases*
        between the last that it depends on and the first that depends on it; threads meet after each.
        """
        for group in self.group:
            if group is not None and group.cost() < small:
                for unit in group.units:
                    unit.keep_to_one_thread()
        serial = [g for g, group in enumerate(self.group) if group is not None and group.first.serial]
        soonest, latest = self._phases()
        for place, h in enumerate(serial):
            for g in serial[:place]:
                if self.group[g] is None or max(soonest[g], soonest[h]) > min(latest[g], latest[h]):
                    continue
                self._join(g, h, True)
                if self.group[h] is None:
                    soonest, latest = self._phases()
                    break

    def _phases(self) -> tuple[dict[int, int], dict[int, int]]:
        """The first and the last phase in which each group can run without there being more of them."""
        order = self._order()
        soonest: dict[int, int] = {}
        for g in order:
            soonest[g] = max((soonest[b] + self._waits(b, g) for b in _bits(self.before[g])), default=0)
        latest = dict.fromkeys(order, max(soonest.values(), default=0))
        for g in reversed(order):
            for b in _bits(self.before[g]):
                latest[b] = min(latest[b], latest[g] - self._waits(b, g))
        return soonest, latest

    def _waits(self, g: int, h: int) -> int:
        """Whether threads must meet between two groups: one thread runs all that is serial."""
        first, second = self.group[g], self.group[h]
        assert first is not None
        assert second is not None
        return int(not (first.first.serial and second.first.serial) or _checked(first, second))

    def _join(self, a: int, b: int, flow: bool) -> None:
        g, h = self.home[a], self.home[b]
        if g == h or self._between(g, h) or self._between(h, g):
            return
        first, second = self.group[g], self.group[h]
        assert first is not None
        assert second is not None
        extent = self._common(first, second, flow)
        if extent is None:
            return
        first.take(second, extent)
        self.group[h] = None
        self.home = [g if home == h else home for home in self.home]
        both = (1 << g) | (1 << h)
        self.before[g] = (self.before[g] | self.before[h]) & ~both
        self.above[g] = above = (self.above[g] | self.above[h]) & ~both
        for k in range(len(self.before)):
            if k != g and self.before[k] & both:
                self.before[k] = self.before[k] & ~(1 << h) | (1 << g)
            if k != g and self.above[k] & both:
                self.above[k] = self.above[k] & ~(1 << h) | (1 << g) | above

    def _between(self, g: int, h: int) -> bool:
        """Whether something must run after ``g`` and before ``h``."""
        return any(self.above[k] >> g & 1 for k in _bits(self.before[h] & ~(1 << g)))

    # ── whether two may be merged ─────────────────────────────────────────────────────────────────

    def _common(self, a: Group, b: Group, flow: bool) -> int | None:
        """The extent of the loop that both become, or None."""
        if a.first.serial or b.first.serial:
            return 0 if a.first.serial and b.first.serial and not _checked(a, b) else None
        if a.first.axis is None or b.first.axis is None or a.size + b.size > MOST_STATEMENTS:
            return None
        extent = min(a.extent, b.extent)
        if extent < 2 or a.extent % extent or b.extent % extent:
            return None
        if not flow and (a.extent != b.extent or all(any(u.shape.product for u in g.units) for g in (a, b))):
            return None
        if _mixed(a, b):
            return None
        product = _product(a) or _product(b)
        if product is not None and not self._is_epilogue(a, b, product):
            return None
        return extent if self._agree(a, b, extent, self.outer) else None

    def _agree(self, a: Group, b: Group, extent: int, outer: frozenset[Axis]) -> bool:
        """Whether all that one group writes and the other touches is met at one place."""
        if len(b.accesses) < len(a.accesses):
            a, b = b, a
        for buffer, accesses in a.accesses.items():
            others = b.accesses.get(buffer)
            if others is None or (buffer not in a.written and buffer not in b.written):
                continue
            if buffer is FAILURE:
                if (FAILURE in a.written) != (FAILURE in b.written):
                    return False
                continue
            for x, u in accesses:
                for y, v in others:
                    if not (x.write or y.write):
                        continue
                    assert u.axis is not None
                    assert v.axis is not None
                    p = x.place(u.axis, u.axis.extent // extent, extent, outer)
                    q = y.place(v.axis, v.axis.extent // extent, extent, outer)
                    if not same_place(p, q, extent) and may_meet(x, y, outer):
                        return False
        return True

    def _is_epilogue(self, a: Group, b: Group, product: tuple[int, int]) -> bool:
        """Whether one is a product kept for a library, and the other elementwise over its places."""
        if _product(a) and _product(b):
            return False
        rest = b if _product(a) else a
        return all(_covers(unit, product) for unit in rest.units) and self._agree_exactly(a, b, product)

    def _agree_exactly(self, a: Group, b: Group, product: tuple[int, int]) -> bool:
        """Whether both touch what they share at equal places of the product."""
        for buffer in a.accesses.keys() & b.accesses.keys():
            if buffer not in a.written and buffer not in b.written:
                continue
            offsets = {_exact(x, u, product) for x, u in [*a.accesses[buffer], *b.accesses[buffer]]}
            if len(offsets) != 1 or None in offsets:
                return False
        return True

    # ── the result ────────────────────────────────────────────────────────────────────────────────

    def groups(self) -> list[Group]:
        """The groups in an order that respects what depends on what, the earliest unit's first."""
        position = {unit: k for k, unit in enumerate(self.units)}
        found = []
        for g in self._order():
            group = self.group[g]
            assert group is not None
            group.units.sort(key=position.__getitem__)
            found.append(group)
        return found

    def _order(self) -> list[int]:
        alive = [g for g, group in enumerate(self.group) if group is not None]
        after: dict[int, list[int]] = {g: [] for g in alive}
        waiting = {}
        for g in alive:
            before = _bits(self.before[g])
            waiting[g] = len(before)
            for k in before:
                after[k].append(g)
        ready = [g for g in alive if not waiting[g]]  # in ascending order: a heap
        order = []
        while ready:
            order.append(g := heapq.heappop(ready))
            for k in after[g]:
                waiting[k] -= 1
                if not waiting[k]:
                    heapq.heappush(ready, k)
        return order


def _bits(mask: int) -> list[int]:
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


def _checked(a: Group, b: Group) -> bool:
    """Whether one makes a check, and the other writes what a refused run must leave alone."""
    both = FAILURE in a.accesses and FAILURE in b.accesses
    return both and (FAILURE in a.written) != (FAILURE in b.written)


def _mixed(a: Group, b: Group) -> bool:
    """Whether vectors would run along the loop in one, and along loops within it in the other."""
    shapes = [unit.shape for group in (a, b) for unit in group.units]
    return any(shape.columns for shape in shapes) and any(shape.rows for shape in shapes)


def _product(group: Group) -> tuple[int, int] | None:
    return next((unit.product for unit in group.units if unit.product), None)


def _covers(unit: Unit, product: tuple[int, int]) -> bool:
    """Whether the unit is elementwise over M·N places, in one loop or in two."""
    if unit.axis is None or any(isinstance(s, Reduce) for s in statements(unit.body)):
        return False
    if unit.axis.extent == product[0] * product[1]:
        return not any(isinstance(s, Loop) for s in unit.body)
    match unit.body:
        case (Loop(axis=axis, body=body),) if unit.axis.extent == product[0] and axis.extent == product[1]:
            return axis.limit is None and not any(isinstance(s, Loop) for s in body)
    return False


def _exact(access: Access, unit: Unit, product: tuple[int, int]) -> tuple[int, int, int] | None:
    """An offset as (constant, stride of m, stride of n) and nothing else."""
    if access.offset is None or unit.axis is None:
        return None
    constant, terms = index.terms(access.offset)
    terms = dict(terms)
    step = terms.pop(index.of(unit.axis), 0)
    if unit.axis.extent == product[0] * product[1] and unit.axis.extent != product[0]:
        return None if terms else (constant, step * product[1], step)
    (loop,) = [s for s in unit.body if isinstance(s, Loop)]
    inner = terms.pop(index.of(loop.axis), 0)
    return None if terms else (constant, step, inner)


# ── the merged bodies ─────────────────────────────────────────────────────────────────────────────


def _step(group: Group, touches: Touches) -> Step:
    first = group.first
    if isinstance(first.statement, Call):
        return first.statement
    name = _joined([unit.statement.name for unit in group.units if isinstance(unit.statement, Kernel)])
    if first.serial:
        units = [Unit.of_statement(s, unit.renaming, touches) for unit in group.units for s in unit.body]
        return Kernel(name, None, _body(units, frozenset(), touches))
    axis, inner = _opened(group, touches)
    body = _body(inner, frozenset([axis]), touches)
    if len(group.units) == 1 and body is first.body:
        assert isinstance(first.statement, Kernel)
        return first.statement
    return Kernel(name, axis, body)


def _opened(group: Group, touches: Touches) -> tuple[Axis, list[Unit]]:
    """The axis of the group's loop, and what stands within it, of all its units one after the other."""
    whole = [unit.axis for unit in group.units if unit.axis is not None and unit.axis.extent == group.extent]
    first = group.first.axis
    assert first is not None
    axis = whole[0] if whole else Axis(first.name, group.extent)
    place, inner = index.of(axis), list[Unit]()
    for unit in group.units:
        assert unit.axis is not None
        split = unit.axis.extent // group.extent
        if split == 1:
            renaming = unit.renaming.through(unit.axis, place)
            inner += [Unit.of_statement(s, renaming, touches) for s in unit.body]
            continue
        within = Axis(f"{unit.axis.name}'", split)
        cut = index.add(index.scale(place, split), index.of(within))
        renaming = unit.renaming.through(unit.axis, cut)
        inner.append(Unit.of_statement(Loop(within, unit.body), renaming, touches))
    return axis, inner


def _body(units: list[Unit], outer: frozenset[Axis], touches: Touches) -> tuple[Statement, ...]:
    """The statements that the units become, their loops merged in turn."""
    loops = sum(unit.axis is not None for unit in units)
    groups = Grouping(units, outer, touches).groups() if loops > 1 else [Group.of(unit) for unit in units]
    out: list[Statement] = []
    for group in groups:
        first = group.first
        assert not isinstance(first.statement, Kernel | Call)
        if first.axis is None or (len(group.units) == 1 and not _nested(first.body)):
            out.append(first.renaming.statement(first.statement))
            continue
        axis, inner = _opened(group, touches)
        out.append(Loop(axis, _body(inner, outer | {axis}, touches)))
    return tuple(out)


def _nested(body: Sequence[Statement]) -> bool:
    """Whether a body holds two loops side by side, at any depth."""
    inner = [s for s in body if isinstance(s, Loop)]
    return len(inner) > 1 or any(_nested(loop.body) for loop in inner)


def _joined(names: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(part for name in names for part in name.split("+")))
    return "+".join(distinct[:4]) + (f"+{len(distinct) - 4} more" if len(distinct) > 4 else "")
