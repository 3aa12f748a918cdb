"""Axes for the sizes of a shape, and loops over them around a body."""

from __future__ import annotations

from collections.abc import Sequence

from ... import loops
from ...loops import Axis, Kernel, Statement

AXES = "ijklmnopq"


def axes_of(shape: Sequence[int], first: int = 0) -> list[Axis]:
    """An axis for each size."""
    return [Axis(AXES[(first + n) % len(AXES)], size) for n, size in enumerate(shape)]


def nested(name: str, axes: Sequence[Axis], body: Sequence[Statement]) -> Kernel:
    """A kernel over the first axis of more than one place, with a loop for each further one."""
    long = [axis for axis in axes if axis.extent > 1]
    return loops.kernel(name, long[0] if long else None, looped(long[1:], body))


def looped(axes: Sequence[Axis], body: Sequence[Statement], ordered: bool = False) -> tuple[Statement, ...]:
    """Loops over ``axes``, outermost first, around ``body``."""
    inner = tuple(body)
    for axis in reversed(axes):
        if axis.extent > 1 or axis.limit is not None:
            inner = (loops.loop(axis, inner, ordered),)
    return inner
