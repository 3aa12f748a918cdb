"""What emission asks of a kernel again and again: what depends on which axis, and who writes what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...dtypes import DType
from ...loops import index
from ...loops.ir import (
    INDEX,
    Accumulate,
    Axis,
    Buffer,
    Let,
    Local,
    Loop,
    Reduce,
    Scalar,
    Statement,
    Store,
    roots,
    statements,
    walk,
)

NOWHERE: frozenset[Axis] = frozenset()


class Facts:
    """Dependences in a body: through its locals, too."""

    def __init__(self, body: Sequence[Statement]) -> None:
        self._axes: dict[Scalar, frozenset[Axis]] = {}
        self._orders: dict[Scalar, list[Scalar]] = {}
        self._locals: dict[Local, frozenset[Axis]] = {}
        self._dtypes: dict[Local, DType] = {}
        self._reads: dict[Scalar, frozenset[Local]] = {}
        for statement in statements(body):
            if isinstance(statement, Let):
                self._locals[statement.local] = self.axes(statement.value)
                self._dtypes[statement.local] = statement.value.dtype
            elif isinstance(statement, Reduce):
                for part in statement.parts:
                    limits = [axis.limit for axis in statement.axes if axis.limit is not None]
                    inner = frozenset(statement.axes)
                    self._locals[part.local] = self.axes_of_all([part.value, *limits]) - inner
                    self._dtypes[part.local] = INDEX if part.kind.startswith("arg") else part.value.dtype

    def dtype_of(self, local: Local) -> DType:
        """The dtype of what a local names."""
        return self._dtypes[local]

    def order(self, s: Scalar) -> list[Scalar]:
        """Everything under a scalar, operands first."""
        found = self._orders.get(s)
        if found is None:
            found = self._orders[s] = walk([s])
        return found

    def axes(self, s: Scalar) -> frozenset[Axis]:
        """The axes that a scalar's value depends on."""
        found = self._axes.get(s)
        if found is None:
            for x in self.order(s):
                if x not in self._axes:
                    self._axes[x] = self._of_one(x)
            found = self._axes[s]
        return found

    def _of_one(self, s: Scalar) -> frozenset[Axis]:
        if s.op == "axis":
            return frozenset((s.payload,))
        if s.op == "local":
            return self._locals.get(s.payload, NOWHERE)
        if len(s.args) == 1:
            return self._axes[s.args[0]]
        return NOWHERE.union(*[self._axes[argument] for argument in s.args])

    def axes_of_all(self, values: Iterable[Scalar]) -> frozenset[Axis]:
        return NOWHERE.union(*[self.axes(value) for value in values])

    def reads_any(self, s: Scalar, names: set[Local]) -> bool:
        """Whether a scalar is made of one of some locals."""
        found = self._reads.get(s)
        if found is None:
            found = self._reads[s] = frozenset(x.payload for x in self.order(s) if x.op == "local")
        return not found.isdisjoint(names)

    def is_plain(self, offset: Scalar) -> bool:
        """Whether an offset is made of axes alone, so that it is in bounds wherever the axes are."""
        return all(x.op in ("axis", "affine", "constant") for x in self.order(offset))

    def direct_stride(self, s: Scalar, axis: Axis) -> int:
        """The coefficient of the axis itself."""
        for term, c in index.terms(s)[1].items():
            if term.op == "axis" and term.payload is axis:
                return c
        return 0

    def stride(self, s: Scalar, axis: Axis) -> int | None:
        """How far apart neighbours along an axis lie; None where that is not one number."""
        direct = 0
        for term, c in index.terms(s)[1].items():
            if term.op == "axis":
                direct += c if term.payload is axis else 0
            elif axis in self.axes(term):
                return None
        return direct


def written(body: Iterable[Statement]) -> frozenset[Buffer]:
    """The buffers that statements write."""
    return frozenset(s.buffer for s in statements(tuple(body)) if isinstance(s, Store | Accumulate))


def locals_read(statement: Statement) -> set[Local]:
    """The locals that a statement, or one within it, reads."""
    within = statements(statement.body) if isinstance(statement, Loop) else ()
    values = [value for s in (statement, *within) for value in roots(s)]
    return {s.payload for s in walk(values) if s.op == "local"}


def locals_named(statement: Statement) -> list[Local]:
    """The locals that a statement itself names for those after it."""
    if isinstance(statement, Let):
        return [statement.local]
    if isinstance(statement, Reduce):
        return [part.local for part in statement.parts]
    return []
