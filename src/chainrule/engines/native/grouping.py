"""Which units may become one loop, and the groups that they form: the heart of fusion."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from ...loops import index
from ...loops.ir import Axis, Buffer, Loop, Reduce, statements
from .accesses import FAILURE, Access, Touches, depends, may_meet, same_place
from .units import FEW, Group, Unit

MOST_STATEMENTS = 240
"""A kernel does not grow beyond so many: the time to compile one is not linear in its length."""


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
        if not flow and (a.extent != b.extent or not self._gains(a, b)):
            return None
        if _mixed(a, b):
            return None
        product = _product(a) or _product(b)
        if product is not None and not self._is_epilogue(a, b, product):
            return None
        return extent if self._agree(a, b, extent, self.outer) else None

    def _gains(self, a: Group, b: Group) -> bool:
        """Whether two that only read the same are better one: not if few threads could share that."""
        products = all(any(unit.shape.product for unit in group.units) for group in (a, b))
        return not products and (bool(self.outer) or a.extent >= FEW)

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
