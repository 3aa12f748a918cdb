"""Where a kernel touches memory: every load, store and accumulation with the loops and guards around it.

>>> from chainrule import loops
>>> from chainrule.dtypes import float32
>>> i = loops.Axis("i", 3)
>>> x, y = loops.Buffer("x", 3, float32), loops.Buffer("y", 3, float32)
>>> copy = loops.store(y, loops.axis(i), loops.load(x, loops.axis(i)))
>>> [(a.kind, a.buffer.name) for a in Scopes(loops.kernel("copy", i, [copy])).accesses]
[('load', 'x'), ('store', 'y')]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from .index import bounds
from .ir import (
    Accumulate,
    Axis,
    Buffer,
    Check,
    Kernel,
    Let,
    Local,
    Loop,
    Reduce,
    Scalar,
    Statement,
    Store,
    walk,
)
from .naming import Naming, naming


@dataclass(frozen=True, slots=True)
class Around:
    """One axis around an access: of an ordered loop, an unordered one (or the kernel), or a reduction."""

    axis: Axis
    kind: str
    entered: int
    """The number of the statement that opens it: two loops may share an axis."""


@dataclass(frozen=True, slots=True)
class Access:
    """One place in the text of a kernel where a buffer is read or written."""

    kind: str
    """``load``, ``store`` or ``accumulate``."""
    buffer: Buffer
    offset: Scalar
    guards: tuple[Scalar, ...]
    """What holds whenever the access happens."""
    around: tuple[Around, ...]
    """From the kernel's own axis inwards."""
    position: int
    """The number of its statement, in the order of the text."""
    statement: Statement

    @property
    def writes(self) -> bool:
        return self.kind != "load"

    @property
    def conditions(self) -> list[Scalar]:
        """What holds whenever the access happens: its guards, and those of loops of one place or none."""
        found = list(self.guards)
        for around in self.around:
            limit = around.axis.limit
            if limit is not None and limit.op == "where":
                condition, then, otherwise = limit.args
                if then.op == otherwise.op == "constant" and otherwise.payload <= 0:
                    found.append(condition)
        return found


class Scopes:
    """A kernel taken apart: its accesses, and where each local comes from."""

    def __init__(self, kernel: Kernel) -> None:
        self.accesses: list[Access] = []
        self.values: dict[Local, Scalar] = {}
        """What a ``Let`` put into a local."""
        self.ranges: dict[Local, tuple[int, int]] = {}
        """What is known of a local that a reduction made."""
        self.varies: dict[Local, frozenset[Axis]] = {}
        """The axes around a local's definition."""
        self.written: set[Buffer] = set()
        self.namings: dict[Naming, int] = {}
        """What is known of rows that are named first, and after which statement."""
        self.count = 0
        own = () if kernel.axis is None else (Around(kernel.axis, "unordered", -1),)
        self.visit(kernel.body, own)
        self.written.update(a.buffer for a in self.accesses if a.writes)
        later = {a.buffer: a.position for a in self.accesses if a.writes}
        self.namings = {
            found: end
            for found, end in self.namings.items()
            if all(later.get(buffer, -1) <= end for buffer in found.buffers)
        }

    def visit(self, body: Sequence[Statement], around: tuple[Around, ...]) -> None:
        for statement in body:
            self.count += 1
            match statement:
                case Let(local, value):
                    self.loads([value], around, statement)
                    self.values[local] = value
                    self.varies[local] = frozenset(a.axis for a in around)
                case Store(buffer, offset, value, where) | Accumulate(buffer, offset, value, where):
                    guards = () if where is None else (where,)
                    self.loads([value, *guards], around, statement)
                    self.loads([offset], around, statement)
                    kind = "store" if isinstance(statement, Store) else "accumulate"
                    self.accesses.append(Access(kind, buffer, offset, guards, around, self.count, statement))
                case Reduce():
                    self.reduce(statement, around)
                case Loop(axis, inner, ordered):
                    if axis.limit is not None:
                        self.loads([axis.limit], around, statement)
                    kind = "ordered" if ordered else "unordered"
                    self.visit(inner, (*around, Around(axis, kind, self.count)))
                    found = None if around else naming(statement)
                    if found is not None:
                        self.namings[found] = self.count
                case Check(condition):
                    self.loads([condition], around, statement)

    def reduce(self, statement: Reduce, around: tuple[Around, ...]) -> None:
        within = around
        for axis in statement.axes:
            if axis.limit is not None:
                self.loads([axis.limit], within, statement)
            within = (*within, Around(axis, "reduce", self.count))
        self.loads([part.value for part in statement.parts], within, statement)
        places = prod(axis.extent for axis in statement.axes)
        for part in statement.parts:
            self.varies[part.local] = frozenset(a.axis for a in around)
            if part.kind in ("argmax", "argmin"):
                self.ranges[part.local] = 0, max(places - 1, 0)

    def loads(self, values: Sequence[Scalar], around: tuple[Around, ...], statement: Statement) -> None:
        for value in walk(values):
            if value.op == "load":
                offset, *guards = value.args
                self.accesses.append(
                    Access("load", value.payload, offset, tuple(guards), around, self.count, statement)
                )

    # ── what is known of a scalar ─────────────────────────────────────────────────────────────────

    def known(self, value: Scalar) -> tuple[int, int] | None:
        """The bounds of a local."""
        if value.op != "local":
            return None
        if value.payload in self.ranges:
            return self.ranges[value.payload]
        if value.payload in self.values:
            return bounds(self.values[value.payload], self.known)
        return None

    def bounds(self, value: Scalar) -> tuple[int, int]:
        return bounds(value, self.known)

    def axes_of(self, value: Scalar) -> frozenset[Axis] | None:
        """The axes on whose place a scalar depends; None where it may change without any of them."""
        found: set[Axis] = set()
        for part in walk([value]):
            if part.op == "axis":
                found.add(part.payload)
            elif part.op == "local":
                found |= self.varies.get(part.payload, frozenset())
            elif part.op == "load" and part.payload in self.written:
                return None
        return frozenset(found)
