"""The functions of ``chainrule.namespace`` for jax.numpy.

Shapes are static and nothing can be raised from within a compiled function: what must hold of values is
noted (:func:`noting`), carried out of the function as one flag, and told by the stepper afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from .setting import jax

Array = Any
Place = tuple[int, int, int, int]

_faults: ContextVar[list[Array] | None] = ContextVar("chainrule_xla_faults", default=None)


@contextmanager
def noting() -> Iterator[list[Array]]:
    """A list that gets booleans of any shape, true where something must not be, of the ops traced inside."""
    faults: list[Array] = []
    token = _faults.set(faults)
    try:
        yield faults
    finally:
        _faults.reset(token)


def note(fault: Array) -> None:
    """``fault`` is true where something must not be."""
    faults = _faults.get()
    if faults is not None:
        faults.append(fault)


def require_range(indices: Array, count: int, fail: Callable[[Any], None]) -> None:
    if indices.size:
        note((indices < 0) | (indices >= count))


def checked_index(indices: Array, length: int, what: str) -> Array:
    jnp = jax().numpy
    wide = indices.astype(np.int64)
    if not indices.size:
        return wide
    note((wide < -length) | (wide >= length))
    return jnp.where(wide < 0, wide + length, wide)


def any_of(faults: Sequence[Array]) -> Array:
    """Whether any of what was noted holds: those of one size are laid over each other and looked at once."""
    jnp = jax().numpy
    layers: dict[int, Array] = {}
    for fault in faults:
        flat = fault.reshape(-1)
        layers[flat.size] = layers[flat.size] | flat if flat.size in layers else flat
    found = jnp.zeros((), bool)
    for layer in layers.values():
        found = found | layer.any()
    return found


def take(x: Array, places: Array, axis: int) -> Array:
    # Unless told otherwise JAX would write NaN where a place is out of range: a pass over all that is taken.
    return jax().numpy.take(x, places, axis=axis, mode="clip" if x.shape[axis] else None)


def take_along_axis(x: Array, places: Array, axis: int) -> Array:
    return jax().numpy.take_along_axis(x, places, axis=axis, mode="clip" if x.shape[axis] else None)


def erf(x: Array) -> Array:
    return jax().scipy.special.erf(x)


def place(x: Array, slices: tuple[slice, ...], shape: tuple[int, ...]) -> Array:
    jnp = jax().numpy
    return jnp.zeros(shape, x.dtype).at[slices].set(x)


def scatter_rows(x: Array, rows: Array, count: int, *, distinct: bool = False) -> Array:
    jnp = jax().numpy
    return jnp.zeros((count, x.shape[1]), x.dtype).at[rows].add(x, mode="drop", unique_indices=distinct)


def add_rows(x: Array, values: Array, rows: Array) -> Array:
    return x.at[rows].add(values.reshape(rows.size, *x.shape[1:]), mode="drop")


def add_along_axis(x: Array, values: Array, places: Array, axis: int) -> Array:
    jnp = jax().numpy
    grid: list[Array] = list(jnp.indices(places.shape, sparse=True))
    grid[axis] = places
    return x.at[tuple(grid)].add(values, mode="drop")


def put_rows(x: Array, values: Array, rows: Array, counts: Array) -> Array:
    jnp = jax().numpy
    return x.at[jnp.where(counts, rows, x.shape[0])].set(values, mode="drop")


def first_places(rows: Array) -> Array:
    jnp = jax().numpy
    if not rows.size:
        return jnp.zeros(rows.shape, np.int64)
    order = jnp.argsort(rows, stable=True)
    ascending = rows[order]
    begins = jnp.concatenate([jnp.ones(1, bool), ascending[1:] != ascending[:-1]])
    start = jax().lax.cummax(jnp.where(begins, jnp.arange(rows.size), 0))
    return jnp.zeros(rows.shape, np.int64).at[order].set(order[start].astype(np.int64), unique_indices=True)


def windows(x: Array, places: tuple[Place, ...]) -> Array:
    jnp = jax().numpy
    sizes = [size for _, size, _, _ in places]
    counts = {
        axis: (x.shape[axis] - (size - 1) * dilation - 1) // stride + 1
        for axis, size, stride, dilation in places
    }
    found = [x[window(x.ndim, places, counts, offsets)] for offsets in np.ndindex(*sizes)]
    shape = [counts.get(axis, length) for axis, length in enumerate(x.shape)]
    return jnp.stack(found, axis=-1).reshape(*shape, *sizes)


def add_windows(x: Array, places: tuple[Place, ...], lengths: tuple[int, ...]) -> Array:
    jnp = jax().numpy
    lead = x.ndim - len(places)
    shape = list(x.shape[:lead])
    for (axis, *_), length in zip(places, lengths, strict=True):
        shape[axis] = length
    result = jnp.zeros(shape, x.dtype)
    for offsets in np.ndindex(*x.shape[lead:]):
        result = result + put_window(x[(..., *offsets)], places, tuple(shape), offsets)
    return result


def window(
    ndim: int, places: tuple[Place, ...], counts: dict[int, int], offsets: tuple[int, ...]
) -> tuple[slice, ...]:
    """Where the elements lie that stand at ``offsets`` in their windows."""
    found = [slice(None)] * ndim
    for (axis, _, stride, dilation), offset in zip(places, offsets, strict=True):
        start = offset * dilation
        found[axis] = slice(start, start + (counts[axis] - 1) * stride + 1, stride)
    return tuple(found)


def put_window(
    x: Array, places: tuple[Place, ...], shape: tuple[int, ...], offsets: tuple[int, ...]
) -> Array:
    """Zeros of ``shape`` with ``x`` where :func:`window` reads it: padding, which is fused into a sum."""
    edges = [(0, 0, 0)] * x.ndim
    for (axis, _, stride, dilation), offset in zip(places, offsets, strict=True):
        start, span = offset * dilation, (x.shape[axis] - 1) * stride + 1
        edges[axis] = (start, shape[axis] - start - span, stride - 1)
    return jax().lax.pad(x, np.zeros((), x.dtype), edges)


_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)


def threefry2x32(key: Array, x0: Array, x1: Array) -> tuple[Array, Array]:
    keys = (key[0], key[1], key[0] ^ key[1] ^ _PARITY)
    x0, x1 = x0 + keys[0], x1 + keys[1]
    for group in range(1, 6):
        for rotation in _ROTATIONS[(group - 1) % 2]:
            x0 = x0 + x1
            x1 = ((x1 << np.uint32(rotation)) | (x1 >> np.uint32(32 - rotation))) ^ x0
        x0 = x0 + keys[group % 3]
        x1 = x1 + keys[(group + 1) % 3] + np.uint32(group)
    return x0, x1


def threefry_stream(key: Array, count: int) -> Array:
    jnp = jax().numpy
    counters = jnp.arange(math.ceil(count / 2), dtype=np.uint32)
    words = jnp.stack(threefry2x32(key, counters, jnp.zeros_like(counters)), axis=-1)
    return words.reshape(-1)[:count]
