"""Rows that are named first: how it is known that places of a loop reach rows that differ.

One form of loop, run in order, tells of each place i where its row r(i) was named first:

    slot = slots[r(i)];   slots[r(i)] = i if slot < 0;   first[i] = slot < 0 ? i : slot

If first[i] = i and first[j] = j for i before j, then r(i) ≠ r(j): else ``slots[r(j)]`` would hold a place
that is not j when j is looked at, whatever it held at the beginning (an old number g ≥ 0 stays, and only
the place g finds itself there; a negative one gives way to i).  This holds as long as nobody writes
``first`` or what r reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import index
from .ir import Axis, Buffer, Let, Loop, Scalar, Store, scalar, walk


@dataclass(frozen=True, eq=False)
class Naming:
    """That first[i] = i and first[j] = j for different i, j only where the rows of i and j differ."""

    first: Buffer
    row: Scalar
    axis: Axis

    @property
    def buffers(self) -> set[Buffer]:
        """What nobody may write if this is to hold."""
        return {self.first, *[s.payload for s in walk([self.row]) if s.op == "load"]}

    def named(self, condition: Scalar) -> tuple[Scalar, Scalar] | None:
        """The place i and its row, if the condition is that first[i] = i."""
        if condition.op != "eq":
            return None
        for side, place in (condition.args, condition.args[::-1]):
            found = _plain(side)
            if found.op == "load" and found.payload is self.first and found.args == (place,):
                return place, _put(self.row, self.axis, place)
        return None


def naming(loop: Loop) -> Naming | None:
    """What a loop of the form above shows."""
    if not loop.ordered or loop.axis.limit is not None:
        return None
    match loop.body:
        case (
            Let(local, Scalar(op="load", args=(row,), payload=slots)),
            Store(buffer=kept, offset=at, value=mark, where=where),
            Store(buffer=first, offset=place, value=value, where=None),
        ):
            pass
        case _:
            return None
    here = index.of(loop.axis)
    value = _plain(value)
    if value.op != "where" or where is None or slots in (first, *_read(row)) or first in _read(row):
        return None
    condition, new, old = value.args
    empty = condition.op == "lt" and condition.args[0] is old and condition.args[1] is _zero(old)
    held = old.op == "local" and old.payload is local
    marked = kept is slots and at is row and mark is here and where is condition
    if not (empty and held and marked and new is here and place is here):
        return None
    leaves = [s for s in walk([row]) if not s.args]
    if any(s.op == "local" or (s.op == "axis" and s is not here) for s in leaves):
        return None
    return Naming(first, row, loop.axis)


def _zero(like: Scalar) -> Scalar:
    return scalar("constant", (), like.dtype, 0)


def _read(value: Scalar) -> list[Buffer]:
    return [s.payload for s in walk([value]) if s.op == "load"]


def _plain(value: Scalar) -> Scalar:
    """A scalar without promises about it."""
    while value.op == "within":
        (value,) = value.args
    return value


def _put(value: Scalar, axis: Axis, place: Scalar) -> Scalar:
    """The scalar with ``place`` for the axis."""
    made: dict[Scalar, Scalar] = {}
    for s in walk([value]):
        args: Sequence[Scalar] = [made[a] for a in s.args]
        if s.op == "axis" and s.payload is axis:
            made[s] = place
        elif s.op == "affine":
            constant, factors = s.payload
            terms = [index.scale(a, c) for a, c in zip(args, factors, strict=True)]
            made[s] = index.add(index.number(constant), *terms)
        else:
            made[s] = scalar(s.op, args, s.dtype, s.payload) if s.args else s
    return made[value]
