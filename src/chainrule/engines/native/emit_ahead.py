"""Rows of large tables that a loop will touch a few places further on: asked for before they are needed.

A row whose number is read from an index array lies anywhere, so no processor fetches it by itself.  What
is asked for is only a hint: it changes no value, and its address need not exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...loops import index
from ...loops.ir import (
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
from .emit_facts import locals_named, written
from .renaming import Renaming

FAR = 4 << 20
"""Bytes that a table has if its rows are mostly not in a cache of the core's own."""
LINE = 64
MOST = 80
"""Lines that are asked for at a place, at most."""
FLIGHT = 6 << 10
"""Bytes that should be on their way at a time."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """Elements of a buffer from ``offset`` on, at a place further on."""

    buffer: Buffer
    offset: Scalar
    lines: int
    write: bool


def rows_ahead(loop: Loop) -> tuple[Axis, int, list[Ahead]]:
    """What to ask for at each place of a loop, how many places ahead, and the axis that it is written in."""
    ahead = Axis("ahead", max(loop.axis.extent, 2))
    found: dict[tuple[Buffer, Scalar], Ahead] = {}
    inside = list(statements(loop.body))
    values = {s.local: s.value for s in inside if isinstance(s, Let)}
    made = {local for s in inside for local in locals_named(s)}
    touched = written(loop.body)
    renaming = Renaming({index.of(loop.axis): index.of(ahead)})
    inner = {axis for s in inside for axis in _axes(s)}
    for buffer, offset, write in _accesses(loop.body):
        offset = _resolved(offset, values)
        rows = _row(buffer, offset, loop.axis, inner)
        leaves = walk([offset])
        unknown = any(
            (s.op == "local" and s.payload in made) or (s.op == "load" and s.payload in touched)
            for s in leaves
        )
        if rows is None or unknown:
            continue
        start, lines = rows
        moved = renaming(start)
        old = found.get((buffer, moved))
        write, lines = write or (old is not None and old.write), max(lines, 0 if old is None else old.lines)
        found[buffer, moved] = Ahead(buffer, moved, lines, write)
    total = sum(row.lines for row in found.values())
    if not total or total > MOST:
        return ahead, 0, []
    return ahead, max(2, min(16, FLIGHT // (total * LINE))), list(found.values())


def _axes(statement: Statement) -> Sequence[Axis]:
    if isinstance(statement, Loop):
        return (statement.axis,)
    return statement.axes if isinstance(statement, Reduce) else ()


def _accesses(body: Sequence[Statement]) -> Iterator[tuple[Buffer, Scalar, bool]]:
    for statement in statements(tuple(body)):
        for value in walk(roots(statement)):
            if value.op == "load":
                yield value.payload, value.args[0], False
        if isinstance(statement, Store | Accumulate):
            yield statement.buffer, statement.offset, True


def _resolved(offset: Scalar, values: dict[Local, Scalar]) -> Scalar:
    """An offset in which the values stand for what ``Let`` has named."""
    for _ in range(8):
        known = {s: values[s.payload] for s in walk([offset]) if s.op == "local" and s.payload in values}
        if not known:
            break
        offset = Renaming(known)(offset)
    return offset


def _row(buffer: Buffer, offset: Scalar, axis: Axis, inner: set[Axis]) -> tuple[Scalar, int] | None:
    """Where the row begins that a loop's place touches, and over how many lines it goes, if it is far."""
    constant, terms = index.terms(offset)
    start: dict[Scalar, int] = {}
    elements, reach = 1, 0
    for term, c in terms.items():
        if term.op == "axis" and term.payload in inner:
            elements += abs(c) * (term.payload.extent - 1)
            constant += min(c, 0) * (term.payload.extent - 1)
            continue
        start[term] = c
        leaves = walk([term])
        used = {s.payload for s in leaves if s.op == "axis"}
        if used & inner:
            return None
        if axis in used and any(s.op == "load" for s in leaves):
            low, high = index.bounds(term)
            reach += abs(c) * (high - low)
    size = buffer.dtype.itemsize
    if not FAR <= reach * size < index.INFINITE:
        return None
    return index.from_terms(constant, start), -(-elements * size // LINE) + 1
