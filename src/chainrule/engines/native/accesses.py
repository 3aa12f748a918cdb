"""What statements read and write, and when two accesses can meet at one element: the passes' one analysis.

An access's offset is ``stride · place + rest`` for the axis along which loops are to be merged or work
is to be shared out.  If two accesses have the same stride and their rests lie within one stride of each
other, then whatever both touch, they touch at one *place* of the axis: they stay ordered when the loops
become one, and when the places go to different threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import gcd

from ...dtypes import bool_
from ...loops import index
from ...loops.ir import (
    INDEX,
    Accumulate,
    Axis,
    Buffer,
    Call,
    Check,
    Kernel,
    Let,
    Local,
    Loop,
    Reduce,
    Scalar,
    Statement,
    Step,
    Store,
    roots,
)
from .costs import cost
from .renaming import Renaming

FAILURE = Buffer("failure", 1, bool_, "kept")
"""Stands for the failure flag: a ``Check`` writes it, and what must not happen after one reads it."""

LASTING = frozenset({"variable", "kept"})
"""Roles of the buffers that a refused run leaves as they were."""


class Access:
    """One offset at which a buffer is read or written; an ``offset`` of None is anywhere in it."""

    __slots__ = ("_places", "buffer", "offset", "where", "write")

    def __init__(
        self, buffer: Buffer, offset: Scalar | None, write: bool, where: Scalar | None = None
    ) -> None:
        self.buffer, self.offset, self.write, self.where = buffer, offset, write, where
        self._places: dict[tuple[Axis, int, int, frozenset[Axis]], Place] = {}

    def renamed(self, renaming: Renaming) -> Access:
        offset = None if self.offset is None else renaming(self.offset)
        return Access(self.buffer, offset, self.write, None if self.where is None else renaming(self.where))

    def place(self, axis: Axis, split: int, extent: int, outer: frozenset[Axis]) -> Place:
        """Where the access falls along ``axis``, cut into ``extent`` stretches of ``split``."""
        key = (axis, split, extent, outer)
        found = self._places.get(key)
        if found is None:
            limits = {} if self.where is None else limits_of(self.where)
            found = self._places[key] = _place(self.offset, axis, split, extent, outer, limits)
        return found


@dataclass(frozen=True, slots=True)
class Place:
    """An offset as ``stride · place + rest``, low ≤ rest ≤ high, give or take multiples of ``period``.

    ``fixed`` is what enclosing loops add to it.  A stride of 0 says that nothing is known.
    """

    stride: int
    low: int
    high: int
    period: int
    fixed: frozenset[tuple[Scalar, int]]


_NOWHERE = Place(0, 0, 0, 0, frozenset())


def same_place(a: Place, b: Place, extent: int) -> bool:
    """Whether an element that both touch is touched at one place of an axis of ``extent``."""
    return one_place([a, b], extent)


def one_place(places: Sequence[Place], extent: int) -> bool:
    """Whether each element that they touch is touched at one place of an axis of ``extent``."""
    stride, fixed = places[0].stride, places[0].fixed
    if stride == 0 or any(p.stride != stride or p.fixed != fixed for p in places):
        return False
    period = gcd(*[p.period for p in places])
    apart = period == 0 or period >= stride * extent
    return apart and max([p.high for p in places]) - min([p.low for p in places]) < stride


def _place(
    offset: Scalar | None, axis: Axis, split: int, extent: int, outer: frozenset[Axis], limits: Limits
) -> Place:
    if offset is None:
        return _NOWHERE
    constant, terms = index.terms(offset)
    leaf = index.of(axis)
    stride = terms.get(leaf, 0) * split
    if split > 1 and any(term.args and leaf in leaves(term) for term in terms):
        # divisions and remainders of the axis: cut it for good and look again
        stretch, within = Axis("stretch", extent), Axis("within", split)
        cut = index.add(index.scale(index.of(stretch), split), index.of(within))
        return _place(Renaming({leaf: cut})(offset), stretch, 1, extent, outer, limits)
    if stride <= 0:
        return _NOWHERE
    low, high, period = constant, constant + stride - stride // split, 0
    fixed = []
    for term, c in terms.items():
        if term is leaf:
            continue
        if outer and _made_of(term, outer):
            fixed.append((term, c))
        elif abs(c) >= stride * extent:
            period = gcd(period, c)
        else:
            a, b = index.bounds(term)
            if term in limits:
                a, b = max(a, limits[term][0]), min(b, limits[term][1])
            low, high = low + min(a * c, b * c), high + max(a * c, b * c)
    return Place(stride, low, high, period, frozenset(fixed))


Limits = dict[Scalar, tuple[int, int]]
"""The least and the greatest value that each of some indices has where a condition holds."""


def limits_of(condition: Scalar) -> Limits:
    """What a conjunction of comparisons of indices with numbers says about the terms of each.

    >>> from chainrule import loops
    >>> j = loops.axis(Axis("j", 300))
    >>> limits_of(loops.and_(loops.ge(j, 100), loops.lt(j, 200)))[j]
    (100, 199)
    """
    found: Limits = {}
    stack = [condition]
    while stack:
        top = stack.pop()
        if top.op == "and":
            stack.extend(top.args)
        elif top.op in _SIDES and top.args[0].dtype == INDEX and top.args[1].op == "constant":
            constant, terms = index.terms(top.args[0])
            if len(terms) != 1:
                continue
            ((term, c),) = terms.items()
            low, high = found.get(term, (-index.INFINITE, index.INFINITE))
            below, above = _SIDES[top.op](int(top.args[1].payload) - constant)
            if c < 0:
                below, above = -above, -below
            found[term] = max(low, -(-below // abs(c))), min(high, above // abs(c))
    return found


_SIDES: dict[str, Callable[[int], tuple[int, int]]] = {
    "lt": lambda n: (-index.INFINITE, n - 1),
    "le": lambda n: (-index.INFINITE, n),
    "gt": lambda n: (n + 1, index.INFINITE),
    "ge": lambda n: (n, index.INFINITE),
    "eq": lambda n: (n, n),
}


def _made_of(term: Scalar, axes: frozenset[Axis]) -> bool:
    """Whether the index is computed from these axes alone."""
    if term.op == "axis":
        return term.payload in axes
    return all(
        leaf.op == "constant" or (leaf.op == "axis" and leaf.payload in axes) for leaf in leaves(term)
    ) and not _reads(term)


def _reads(term: Scalar) -> bool:
    return term.op == "load" or any(_reads(argument) for argument in term.args)


def leaves(value: Scalar) -> set[Scalar]:
    """The axes, locals and constants under ``value``."""
    found: set[Scalar] = set()
    seen: set[Scalar] = set()
    stack = [value]
    while stack:
        top = stack.pop()
        if top in seen:
            continue
        seen.add(top)
        if top.args:
            stack.extend(top.args)
        else:
            found.add(top)
    return found


def may_meet(a: Access, b: Access, outer: frozenset[Axis]) -> bool:
    """Whether the two can touch one element at one place of the ``outer`` loops."""
    if a.offset is None or b.offset is None:
        return True
    if a.offset is b.offset:
        return True
    low_a, high_a, fixed_a = _span(a.offset, outer)
    low_b, high_b, fixed_b = _span(b.offset, outer)
    if fixed_a != fixed_b:
        (low_a, high_a), (low_b, high_b) = index.bounds(a.offset), index.bounds(b.offset)
    return low_a <= high_b and low_b <= high_a


def _span(offset: Scalar, outer: frozenset[Axis]) -> tuple[int, int, dict[Scalar, int]]:
    """The bounds of what is added to the fixed part of an offset, and that part."""
    if not outer:
        return *index.bounds(offset), {}
    low, terms = index.terms(offset)
    high, fixed = low, {}
    for term, c in terms.items():
        if _made_of(term, outer):
            fixed[term] = c
        else:
            a, b = index.bounds(term)
            low, high = low + min(a * c, b * c), high + max(a * c, b * c)
    return low, high, fixed


# ── what a statement touches ──────────────────────────────────────────────────────────────────────


class Touch:
    """What some statements read, write, define and use."""

    __slots__ = ("_known", "accesses", "defined", "used", "written")

    def __init__(self) -> None:
        self.accesses: dict[Buffer, list[Access]] = {}
        self._known: set[tuple[Buffer, Scalar | None, bool, Scalar | None]] = set()
        self.written: set[Buffer] = set()
        self.defined: set[Local] = set()
        self.used: set[Local] = set()

    def add(self, buffer: Buffer, offset: Scalar | None, write: bool, where: Scalar | None = None) -> None:
        key = (buffer, offset, write, where)
        if key not in self._known:
            self._known.add(key)
            self.accesses.setdefault(buffer, []).append(Access(*key))
        if write:
            self.written.add(buffer)

    def include(self, other: Touch) -> None:
        for buffer, accesses in other.accesses.items():
            for access in accesses:
                key = (buffer, access.offset, access.write, access.where)
                if key not in self._known:
                    self._known.add(key)
                    self.accesses.setdefault(buffer, []).append(access)
        self.written |= other.written
        self.defined |= other.defined
        self.used |= other.used

    def renamed(self, renaming: Renaming) -> Touch:
        """The same, its offsets renamed."""
        if not renaming.leaves:
            return self
        new = Touch()
        new.defined, new.used, new.written = self.defined, self.used, self.written
        for buffer, accesses in self.accesses.items():
            new.accesses[buffer] = [access.renamed(renaming) for access in accesses]
        return new


class Touches:
    """What each statement touches, and what each step costs, found once."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[object, Touch]] = {}
        self._costs: dict[int, tuple[object, float]] = {}

    def of(self, statement: Statement | Step) -> Touch:
        found = self._found.get(id(statement))
        if found is None:
            found = self._found[id(statement)] = (statement, self._touch(statement))
        return found[1]

    def cost(self, step: Step) -> float:
        """The scalar operations of a step."""
        found = self._costs.get(id(step))
        if found is None:
            found = self._costs[id(step)] = (step, cost(step))
        return found[1]

    def _touch(self, statement: Statement | Step) -> Touch:
        touch = Touch()
        if isinstance(statement, Call):
            for buffer in statement.inputs:
                touch.add(buffer, None, False)
            touch.add(statement.output, None, True)
            return touch
        if isinstance(statement, Kernel | Loop):
            if isinstance(statement, Loop):
                _read(touch, roots(statement))
            for inner in statement.body:
                touch.include(self.of(inner))
            return touch
        _read(touch, roots(statement))
        match statement:
            case Let(local=local):
                touch.defined.add(local)
            case Reduce(parts=parts):
                touch.defined.update([part.local for part in parts])
            case Store(buffer=buffer, offset=offset) | Accumulate(buffer=buffer, offset=offset):
                touch.add(buffer, offset, True)
                if buffer.role in LASTING:
                    touch.add(FAILURE, None, False)
            case Check():
                touch.add(FAILURE, None, True)
        return touch


def _read(touch: Touch, values: Iterable[Scalar]) -> None:
    stack = list(values)
    seen: set[Scalar] = set()
    while stack:
        top = stack.pop()
        if top in seen:
            continue
        seen.add(top)
        if top.op == "load":
            touch.add(top.payload, top.args[0], False, top.args[1] if len(top.args) > 1 else None)
        elif top.op == "local":
            touch.used.add(top.payload)
        if top.args:
            stack += top.args


def conflicts(a: Touch, b: Touch) -> list[Buffer]:
    """The buffers of which one writes what the other touches."""
    if len(b.accesses) < len(a.accesses):
        a, b = b, a
    shared = [buffer for buffer in a.accesses if buffer in b.accesses]
    return [
        buffer
        for buffer in shared
        if (buffer in a.written) != (buffer in b.written) or (buffer in a.written and buffer is not FAILURE)
    ]


def depends(a: Touch, b: Touch, outer: frozenset[Axis] = frozenset()) -> bool:
    """Whether the later of two must see, or must not disturb, what the earlier does."""
    if a.defined and not a.defined.isdisjoint(b.used):
        return True
    for buffer in conflicts(a, b):
        if buffer is FAILURE:
            return True
        for x in a.accesses[buffer]:
            for y in b.accesses[buffer]:
                if (x.write or y.write) and may_meet(x, y, outer):
                    return True
    return False


def order_of(touches: Sequence[Touch]) -> list[list[int]]:
    """For each step the earlier ones that it must follow, by what they touch."""
    users: dict[Buffer, list[int]] = {}
    result: list[list[int]] = []
    for k, touch in enumerate(touches):
        earlier = set[int]()
        for buffer in touch.accesses:
            earlier.update(users.setdefault(buffer, []))
            users[buffer].append(k)
        result.append([e for e in sorted(earlier) if depends(touches[e], touch)])
    return result
