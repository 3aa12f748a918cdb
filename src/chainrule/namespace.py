"""The few places where array libraries differ, behind one function each.

An op's ``forward(xp, …)`` calls ``xp`` for everything that the array API standard names, and these
functions for the rest.  Each takes ``xp`` first.  What stands here is for NumPy; an engine that brings
another array module says in :data:`ELSEWHERE` who does the same for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from .errors import IndexRangeError
from .special import erf as _erf

ELSEWHERE: dict[str, Any] = {}
"""By the name of an array module: what has functions of the names here, without ``xp``."""

P = ParamSpec("P")
T = TypeVar("T")


def _portable(function: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[Any, P], T]:
    """The function where ``xp`` is NumPy, and the one of the same name elsewhere."""

    @wraps(function)
    def chosen(xp: Any, /, *args: P.args, **more: P.kwargs) -> T:
        if xp is np:
            return function(xp, *args, **more)
        found: T = getattr(ELSEWHERE[xp.__name__], function.__name__)(*args, **more)
        return found

    return chosen


@_portable
def erf(xp: Any, x: NDArray[Any]) -> NDArray[Any]:
    """The error function 2/√π ∫₀ˣ exp(-t²) dt."""
    return _erf(x)


@_portable
def place(xp: Any, x: NDArray[Any], slices: tuple[slice, ...], shape: tuple[int, ...]) -> NDArray[Any]:
    """Zeros of ``shape`` with ``x`` at ``slices``."""
    result = np.zeros(shape, x.dtype)
    result[slices] = x
    return result


@_portable
def checked_index(xp: Any, indices: NDArray[Any], length: int, what: str) -> NDArray[Any]:
    """Indices of an axis of ``length`` places with negative ones resolved; raises ``IndexRangeError``."""
    if not indices.size:
        return indices.astype(np.intp)
    low, high = indices.min(), indices.max()
    if low < -length or high >= length:
        at = np.argmax((indices < -length) | (indices >= length))
        place = np.unravel_index(at, indices.shape)
        where = f" (at {', '.join(str(i) for i in place)} of the indices)" if place else ""
        raise IndexRangeError(
            f"{what} has length {length}; the index {indices[place]}{where} is outside it",
            mend=f"indices run from {-length} to {length - 1}" if length else "an empty axis has no places",
        )
    found = indices.astype(np.intp, copy=False)
    return found if low >= 0 else np.where(found < 0, found + length, found)


@_portable
def require_range(xp: Any, indices: NDArray[Any], count: int, fail: Callable[[NDArray[Any]], None]) -> None:
    """Call ``fail``, which raises, with the indices unless all of them are in ``0 … count-1``."""
    if indices.size and (indices.min() < 0 or indices.max() >= count):
        fail(indices)


@_portable
def take(xp: Any, x: NDArray[Any], places: NDArray[Any], axis: int) -> NDArray[Any]:
    """The slabs of one axis at these places, which are in range."""
    return np.take(x, places, axis=axis)


@_portable
def take_along_axis(xp: Any, x: NDArray[Any], places: NDArray[Any], axis: int) -> NDArray[Any]:
    """Elements of one axis, each line with places of its own, which are in range."""
    return np.take_along_axis(x, places, axis=axis)


_CHUNK = 1 << 14  # elements whose places are spelled out at a time: they stay in the cache


@_portable
def scatter_rows(
    xp: Any, x: NDArray[Any], rows: NDArray[Any], count: int, *, distinct: bool = False
) -> NDArray[Any]:
    """Zeros of shape (count, d), with row i of ``x`` added to row ``rows[i]``, in the order of i.

    ``rows`` are in range; ``distinct`` promises that no two are equal.
    """
    result = np.zeros((count, x.shape[1]), x.dtype)
    if distinct:
        result[rows] = x
    else:
        _add_to(result, x, rows)
    return result


def _add_to(table: NDArray[Any], x: NDArray[Any], rows: NDArray[Any]) -> None:
    """Add row i of ``x`` to row ``rows[i]`` of the table, which is one stretch of memory, in place."""
    length, width = x.shape
    result = table.reshape(-1)
    flat, columns, starts = x.reshape(-1), np.arange(width), rows * width
    step = max(1, _CHUNK // max(width, 1))
    for first in range(0, length, step):  # single elements are NumPy's fast case, whole rows are not
        places = (starts[first : first + step, None] + columns).reshape(-1)
        np.add.at(result, places, flat[first * width : (first + step) * width])


@_portable
def add_rows(xp: Any, x: NDArray[Any], values: NDArray[Any], rows: NDArray[Any]) -> NDArray[Any]:
    """A copy of ``x`` with ``values[i]`` added to ``x[rows[i]]``, in the order of i."""
    result = np.array(x, order="C")
    width = math.prod(x.shape[1:])
    _add_to(result.reshape(x.shape[0], width), values.reshape(rows.size, width), rows)
    return result


@_portable
def add_along_axis(
    xp: Any, x: NDArray[Any], values: NDArray[Any], places: NDArray[Any], axis: int
) -> NDArray[Any]:
    """A copy of ``x`` with each value added at its place along ``axis``, in the order of the places."""
    result = np.array(x, order="C")
    grid: list[NDArray[Any]] = list(np.indices(places.shape, sparse=True))
    grid[axis] = places
    np.add.at(result, tuple(grid), values)
    return result


@_portable
def put_rows(
    xp: Any, x: NDArray[Any], values: NDArray[Any], rows: NDArray[Any], counts: NDArray[Any]
) -> NDArray[Any]:
    """A copy of ``x`` with ``values[i]`` in the place of ``x[rows[i]]``, for those i that count."""
    result = np.array(x, order="C")
    result[rows[counts]] = values[counts]
    return result


@_portable
def first_places(xp: Any, rows: NDArray[Any]) -> NDArray[Any]:
    """For each row the place at which it occurs first, int64."""
    _, first, which = np.unique(rows, return_index=True, return_inverse=True)
    return first[which].astype(np.int64)


@_portable
def windows(xp: Any, x: NDArray[Any], places: tuple[tuple[int, int, int, int], ...]) -> NDArray[Any]:
    """The windows of ``x`` as last axes, for each place (axis, size, stride, dilation): a view, no copy."""
    shape, steps = list(x.shape), list(x.strides)
    for axis, size, stride, dilation in places:
        step = x.strides[axis]
        shape[axis] = (x.shape[axis] - (size - 1) * dilation - 1) // stride + 1
        steps[axis] = step * stride
        shape.append(size)
        steps.append(step * dilation)
    return np.lib.stride_tricks.as_strided(x, shape, steps, writeable=False)


@_portable
def add_windows(
    xp: Any, x: NDArray[Any], places: tuple[tuple[int, int, int, int], ...], lengths: tuple[int, ...]
) -> NDArray[Any]:
    """The adjoint of :func:`windows`: one addition of all windows' elements for each offset in a window."""
    lead = x.ndim - len(places)
    shape = list(x.shape[:lead])
    for (axis, *_), length in zip(places, lengths, strict=True):
        shape[axis] = length
    result = np.zeros(shape, x.dtype)
    for offsets in np.ndindex(*x.shape[lead:]):
        target = [slice(None)] * lead
        for (axis, _, stride, dilation), offset in zip(places, offsets, strict=True):
            start = offset * dilation
            target[axis] = slice(start, start + (x.shape[axis] - 1) * stride + 1, stride)
        result[tuple(target)] += x[(..., *offsets)]
    return result


Words = NDArray[np.uint32]
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)
_BLOCKS = 1 << 15  # blocks made at a time: their words stay in the cache through all rounds


@_portable
def threefry2x32(xp: Any, key: Words, x0: Words, x1: Words) -> tuple[Words, Words]:
    """The block cipher threefry2x32-20 of the counters (x0, x1) under a key of two words."""
    y0, y1 = np.atleast_1d(x0).copy(), np.atleast_1d(x1).copy()
    _encipher(key, y0, y1, np.empty_like(y0))
    return y0.reshape(x0.shape), y1.reshape(x1.shape)


@_portable
def threefry_stream(xp: Any, key: Words, count: int) -> Words:
    """The first words of a key's stream: the blocks of the counters (0, 0), (1, 0), … one after another."""
    blocks = (count + 1) // 2
    words = np.empty((blocks, 2), np.uint32)
    counters = np.arange(min(blocks, _BLOCKS), dtype=np.uint32)
    y0, y1, spare = (np.empty_like(counters) for _ in range(3))
    for first in range(0, blocks, _BLOCKS):
        size = min(blocks - first, _BLOCKS)
        np.add(counters, np.uint32(first), out=y0)
        y1.fill(0)
        _encipher(key, y0, y1, spare)
        words[first : first + size, 0] = y0[:size]
        words[first : first + size, 1] = y1[:size]
    return words.reshape(-1)[:count]


def _encipher(key: Words, x0: Words, x1: Words, spare: Words) -> None:
    """Twenty rounds of add, rotate and exclusive or, in place; the key enters after every fourth."""
    with np.errstate(over="ignore"):  # sums of words are modulo 2³²
        keys = (key[0], key[1], key[0] ^ key[1] ^ _PARITY)
        x0 += keys[0]
        x1 += keys[1]
        for group in range(1, 6):
            for rotation in _ROTATIONS[(group - 1) % 2]:
                x0 += x1
                np.left_shift(x1, np.uint32(rotation), out=spare)
                np.right_shift(x1, np.uint32(32 - rotation), out=x1)
                x1 |= spare
                x1 ^= x0
            x0 += keys[group % 3]
            x1 += keys[(group + 1) % 3] + np.uint32(group)
