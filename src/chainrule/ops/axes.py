"""Axes as arguments: negative numbers resolved, ranges and repetitions checked."""

from __future__ import annotations

import operator
from collections.abc import Sequence

from ..errors import ShapeError
from ..graph import Axis, Shape, user_place


def one_axis(axis: int, ndim: int, what: str) -> int:
    """``axis`` as a number in ``[0, ndim)``."""
    number = operator.index(axis)
    if not -ndim <= number < ndim:
        raise ShapeError(
            f"{what}: axis {number} does not exist in an array of {ndim} axes",
            where=user_place(),
            mend=f"axes run from {-ndim} to {ndim - 1}" if ndim else "a scalar has no axes",
        )
    return number % ndim


def many_axes(axis: Axis | Sequence[int], ndim: int, what: str) -> tuple[int, ...]:
    """``axis`` as a sorted tuple of distinct numbers; None stands for all."""
    if axis is None:
        return tuple(range(ndim))
    numbers = list(axis) if isinstance(axis, Sequence) else [axis]
    axes = sorted(one_axis(number, ndim, what) for number in numbers)
    if len(set(axes)) != len(axes):
        raise ShapeError(f"{what}: an axis is given twice in {tuple(numbers)}", where=user_place())
    return tuple(axes)


def without(shape: Shape, axes: Sequence[int], keepdims: bool) -> Shape:
    """The shape that is left when ``axes`` are reduced."""
    if keepdims:
        return tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    return tuple(size for axis, size in enumerate(shape) if axis not in axes)
