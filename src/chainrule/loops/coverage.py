"""Which elements of a buffer have been written: exactly where that can be counted, else from first to last.

An access whose offset depends on axes alone is followed to every place, up to ``MOST`` of them.  Of the
others only the range is known: as a store it counts as writing all of its range, as a load it is asked
only whether its range lies between the first and the last element written, or, if something that follows
in a loop that runs in order stores what it reads, whether it is guarded or the buffer has been begun.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .accesses import Access, Scopes
from .ir import Axis, Buffer, Scalar, walk

MOST = 1 << 14
"""How many places of an access are followed, and how many elements of a buffer are kept count of."""


class Written:
    """What has been written of each buffer so far."""

    def __init__(self) -> None:
        self.ranges: dict[Buffer, tuple[int, int]] = {}
        self.marks: dict[Buffer, NDArray[np.bool_]] = {}

    def __contains__(self, buffer: Buffer) -> bool:
        return buffer in self.ranges

    def add(self, buffer: Buffer, low: int, high: int, exact: NDArray[np.int64] | None = None) -> None:
        """Elements ``exact``, or all from ``low`` to ``high``, are written now."""
        first, last = self.ranges.get(buffer, (low, high))
        self.ranges[buffer] = min(first, low), max(last, high)
        if buffer.size <= MOST:
            marks = self.marks.setdefault(buffer, np.zeros(buffer.size, np.bool_))
            marks[slice(max(low, 0), high + 1) if exact is None else exact] = True

    def covers(self, buffer: Buffer, low: int, high: int, exact: NDArray[np.int64] | None = None) -> bool:
        """Whether those elements have been written, as far as is known."""
        first, last = self.ranges.get(buffer, (0, -1))
        if not first <= low <= high <= last:
            return False
        return exact is None or buffer not in self.marks or bool(self.marks[buffer][exact].all())


def elements(access: Access, scopes: Scopes) -> NDArray[np.int64] | None:
    """The offsets of an access at all its places; None where they depend on more than a few axes."""
    found = moments(access, (), scopes)
    return None if found is None else found[0]


def moments(
    access: Access, order: Sequence[Axis], scopes: Scopes
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """The offsets of an access, and for each the number of its place along the axes of ``order``."""
    needed = [access.offset, *access.guards]
    axes = [a.axis for a in access.around if a.axis in order or _uses(needed, a.axis, scopes)]
    limits = [axis.limit for axis in axes if axis.limit is not None]
    axes += [a.axis for a in access.around if a.axis not in axes and _uses(limits, a.axis, scopes)]
    if prod(axis.extent for axis in axes) > MOST:
        return None
    grid = dict(zip(axes, np.ix_(*[np.arange(axis.extent) for axis in axes]), strict=True))
    shape = tuple([axis.extent for axis in axes])
    time: Any = 0
    for axis in order:
        time = time * axis.extent + grid[axis]
    try:
        happens = np.ones(shape, np.bool_)
        for axis in axes:
            if axis.limit is not None:
                happens &= grid[axis] < _evaluated(axis.limit, grid, scopes)
        for guard in access.guards:
            happens &= _evaluated(guard, grid, scopes)
        offsets = np.broadcast_to(_evaluated(access.offset, grid, scopes), shape)
    except _Unknown:
        return None
    happens &= (offsets >= 0) & (offsets < access.buffer.size)
    return offsets[happens], np.broadcast_to(time, shape)[happens]


def stored_in_time(load: Access, later: Sequence[Access], written: Written, scopes: Scopes) -> bool:
    """Whether a load in a loop that runs in order finds what was written before, or what statements
    that follow it in the loop stored at an earlier place."""
    order = [a for a in load.around if a.kind == "ordered" and all(a in store.around for store in later)]
    axes = [a.axis for a in order]
    found = [moments(access, axes, scopes) for access in (load, *later)]
    known = [moment for moment in found if moment is not None]
    marks = written.marks.get(load.buffer, np.zeros(load.buffer.size, np.bool_))
    if load.buffer.size > MOST or len(known) < len(found):
        return bool(load.guards) or load.buffer in written
    first = np.where(marks, -1, np.iinfo(np.int64).max)
    for offsets, times in known[1:]:
        np.minimum.at(first, offsets, times)
    offsets, times = known[0]
    return bool((first[offsets] < times).all())


def _uses(values: list[Scalar], axis: Axis, scopes: Scopes) -> bool:
    found = [scopes.axes_of(value) for value in values]
    return any(axes is not None and axis in axes for axes in found)


class _Unknown(Exception):
    """A scalar that depends on data."""


def _evaluated(value: Scalar, grid: dict[Axis, Any], scopes: Scopes) -> Any:
    """A scalar at all places of a grid."""
    found: dict[Scalar, Any] = {}
    for part in walk([value]):
        args = [found[a] for a in part.args]
        if part.op == "axis" and part.payload in grid:
            found[part] = grid[part.payload]
        elif part.op == "constant":
            found[part] = part.payload
        elif part.op == "affine":
            constant, coefficients = part.payload
            found[part] = constant + sum(c * a for c, a in zip(coefficients, args, strict=True))
        elif part.op == "local" and part.payload in scopes.values:
            found[part] = _evaluated(scopes.values[part.payload], grid, scopes)
        elif part.op in _FUNCTIONS:
            found[part] = _FUNCTIONS[part.op](*args)
        else:
            raise _Unknown
    return found[value]


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "within": lambda x: x,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
    "min": np.minimum,
    "max": np.maximum,
    "where": np.where,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
