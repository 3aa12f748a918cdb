"""Arrays that start at a multiple of 64 bytes, and an error that tells how much was asked for."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import OutOfMemoryError

ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector of any machine so far."""


def aligned_empty(shape: int | tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """An array of ``shape`` whose first element lies at a multiple of :data:`ALIGNMENT` bytes.

    Raises ``OutOfMemoryError``, naming the size, where the machine does not have so much.

    >>> array = aligned_empty((3, 5), np.float32)
    >>> array.shape, array.dtype.name, is_aligned(array)
    ((3, 5), 'float32', True)
    """
    kind = np.dtype(dtype)
    size = prod((shape,) if isinstance(shape, int) else shape) * kind.itemsize
    try:
        room = np.empty(size + ALIGNMENT, np.uint8)
    except (MemoryError, ValueError):  # ValueError: more bytes than an address can count
        raise OutOfMemoryError(
            f"no memory for {format_bytes(size)}",
            mend="use smaller batches or a smaller model, or a machine with more memory",
        ) from None
    start = -room.ctypes.data % ALIGNMENT
    array: NDArray[Any] = room[start : start + size].view(kind).reshape(shape)
    return array


def aligned_copy(array: NDArray[Any], dtype: Any = None) -> NDArray[Any]:
    """A copy of ``array``, of ``dtype`` or its own, that starts where :func:`aligned_empty` would put it."""
    copy = aligned_empty(array.shape, dtype or array.dtype)
    copy[...] = array
    return copy


def is_aligned(array: NDArray[Any]) -> bool:
    """True if ``array`` is contiguous and starts where :func:`aligned_empty` would put it."""
    return bool(array.flags.c_contiguous and (not array.size or array.ctypes.data % ALIGNMENT == 0))


def format_bytes(size: int) -> str:
    """A size as a person reads it.

    >>> format_bytes(1000), format_bytes(5 << 30)
    ('1000 bytes', '5.0 GiB (5368709120 bytes)')
    """
    for power, unit in ((50, "PiB"), (40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size >> power:
            return f"{size / (1 << power):.1f} {unit} ({size} bytes)"
    return f"{size} bytes"
