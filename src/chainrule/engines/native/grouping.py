"""Which units may become one loop, and the groups that they form: the heart of fusion."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from math import prod

from ...loops import index
from ...loops.ir import Axis, Buffer, Local, Loop, Reduce, statements
from .accesses import FAILURE, Access, Touches, depends, may_meet, same_place
from .units import FEW, Group, Unit, nest_of

MOST_STATEMENTS = 240
"""A kernel does not grow beyond so many: the time to compile one is not linear in its length."""


class Grouping:
    """Groups of units that stand in one body, found by merging two at a time.

    Groups are bits of a mask: ``before[g]`` are the groups that ``g`` must directly follow, ``above[g]``
    all that must come before it.  A group is known by its first unit's number; ``parent`` leads there.
    """

    def __init__(self, units: Sequence[Unit], outer: frozenset[Axis], touches: Touches) -> None:
        self.outer, self.touches = outer, touches
        self.units: list[Unit] = []
        self.group: dict[int, Group] = {}
        self.parent: list[int] = []
        self.before: dict[int, int] = {}
        self.above: dict[int, int] = {}
        self.users: dict[Buffer, tuple[list[int], list[int]]] = {}
        self.definer: dict[Local, int] = {}
        for unit in units:
            self._enter(unit)

    # ── building ──────────────────────────────────────────────────────────────────────────────────

    def _enter(self, unit: Unit) -> None:
        """Add a unit after all others, then merge its group with those it shares data with."""
        number, touch = len(self.units), unit.touch
        linked = {self.definer[local] for local in touch.used if local in self.definer}
        shared = set[int]()
        for buffer in touch.accesses:
            readers, writers = self.users.setdefault(buffer, ([], []))
            linked.update(writers)
            if buffer in touch.written:
                linked.update(readers)
                writers.append(number)
            else:
                if buffer.size > 1:
                    shared.update(readers)
                readers.append(number)
        self.definer.update(dict.fromkeys(touch.defined, number))
        flow = [e for e in sorted(linked, reverse=True) if depends(self.units[e].touch, touch, self.outer)]
        if unit.axis is not None and any(self._misfits(unit, e) for e in flow):
            unit.flatten(self.touches)
        self.units.append(unit)
        self.parent.append(number)
        self.group[number] = Group.of(unit)
        before = above = 0
        for g in {self._home(e) for e in flow}:
            before |= 1 << g
            above |= 1 << g | self.above[g]
        self.before[number], self.above[number] = before, above
        if unit.axis is not None:
            self._join_any(flow, number, True)
            self._join_any(sorted(shared - linked, reverse=True), number, False)

    def _misfits(self, unit: Unit, other: int) -> bool:
        """Whether not a unit's places, but perhaps its elements are the places of the group of another."""
        group = self.group[self._home(other)]
        if unit.axis is None or group.first.axis is None:
            return False
        product = _product(group)
        if product is not None:
            return not _covers(unit, product)
        if unit.axis.extent == group.extent or not unit.shape.rows:
            return False
        axes, _ = nest_of(unit.loop)
        every = prod([axis.extent for axis in axes])
        return every == group.extent or (unit.axis.extent % group.extent != 0 and every % group.extent == 0)

    def _home(self, unit: int) -> int:
        """The group of a unit."""
        parent = self.parent
        while parent[unit] != unit:
            parent[unit] = unit = parent[parent[unit]]
        return unit

    def _join_any(self, others: Sequence[int], number: int, flow: bool) -> None:
        tried = set[int]()
        for other in others:
            g, h = self._home(other), self._home(number)
            if g != h and g not in tried and not self._join(g, h, flow):
                tried.add(g)

    def join_small(self, small: float) -> None:
        """Give kernels that are not worth sharing to one thread, and merge all that one thread runs.

        Threads meet between *phases*.  What one thread runs in one phase becomes one kernel, and it is
        put into as few phases as leave nothing waiting longer than it must.
        """
        for group in self.group.values():
            if group.cost() < small:
                for unit in group.units:
                    unit.keep_to_one_thread()
        phases = self._phases()
        first: dict[int, int] = {}
        for g in [g for g, group in self.group.items() if group.first.serial]:
            if not self._join(first.setdefault(phases[g], g), g, True):
                first[phases[g]] = g

    def _phases(self) -> dict[int, int]:
        """A phase for each group: as early as can be, or with other groups that one thread runs."""
        order = self._order()
        before = {g: [(b, self._waits(b, g)) for b in _bits(self.before[g])] for g in order}
        soonest: dict[int, int] = {}
        for g in order:
            soonest[g] = max([soonest[b] + wait for b, wait in before[g]], default=0)
        latest = dict.fromkeys(order, max(soonest.values(), default=0))
        for g in reversed(order):
            for b, wait in before[g]:
                latest[b] = min(latest[b], latest[g] - wait)
        chosen: dict[int, int] = {}
        taken = -1  # the last phase in which one thread has work of its own
        for g in sorted(order, key=latest.__getitem__):  # what must come before comes before
            chosen[g] = max([chosen[b] + wait for b, wait in before[g]], default=0)
            if self.group[g].first.serial:
                taken = chosen[g] = taken if taken >= chosen[g] else latest[g]
        return chosen

    def _waits(self, g: int, h: int) -> int:
        """Whether threads must meet between two groups: one thread runs all that is serial."""
        a, b = self.group[g], self.group[h]
        return int(not (a.first.serial and b.first.serial) or _checked(a, b))

    def _join(self, g: int, h: int, flow: bool) -> bool:
        """Make two groups one, if they may be."""
        if g == h or self._between(g, h) or self._between(h, g):
            return g == h
        g, h = min(g, h), max(g, h)
        extent = self._common(self.group[g], self.group[h], flow)
        if extent is None:
            return False
        self.group[g].take(self.group.pop(h), extent)
        self.parent[h] = g
        keep, gone = 1 << g, 1 << h
        both = keep | gone
        before, above = self.before, self.above
        before[g] = (before[g] | before.pop(h)) & ~both
        above[g] = ahead = (above[g] | above.pop(h)) & ~both
        for k in self.group:
            if above[k] & both and k != g:
                above[k] = above[k] & ~gone | keep | ahead
                if before[k] & gone:
                    before[k] = before[k] & ~gone | keep
        return True

    def _between(self, g: int, h: int) -> bool:
        """Whether something must run after ``g`` and before ``h``."""
        if not self.above[h] >> g & 1:
            return False
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
        found = [self.group[g] for g in self._order()]
        for group in found:
            group.units.sort(key=position.__getitem__)
        return found

    def _order(self) -> list[int]:
        after: dict[int, list[int]] = {g: [] for g in self.group}
        waiting = {}
        for g in self.group:
            before = _bits(self.before[g])
            waiting[g] = len(before)
            for k in before:
                after[k].append(g)
        ready = sorted([g for g in self.group if not waiting[g]])
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
