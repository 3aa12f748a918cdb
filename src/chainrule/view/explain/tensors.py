"""Arrays in a record: each once, whole where it is small, else its two ends, with exact statistics."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...graph import Array

_LIMITS = (16384, 4096, 1024, 256)
"""Entries up to which an array is kept whole: the first that lets all of them fit."""
_BYTES = 1_200_000
_KEPT = {16384: 32, 4096: 16, 1024: 8, 256: 4}
"""Rows and columns kept at each end of one that is cut."""


class Tensors:
    """The arrays of a record; equal ones are one."""

    def __init__(self) -> None:
        self._arrays: list[Array] = []
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._by_identity: dict[int, int] = {}

    def add(self, array: Array) -> int:
        """The number under which the record keeps the array."""
        known = self._by_identity.get(id(array))
        if known is not None and self._arrays[known] is array:
            return known
        content = np.ascontiguousarray(array)
        key = (array.dtype.name, array.shape, content.tobytes() if content.nbytes <= 4096 else id(array))
        number = self._numbers.setdefault(key, len(self._arrays))
        if number == len(self._arrays):
            self._arrays.append(array)
            self._by_identity[id(array)] = number
        return number

    def __getitem__(self, number: int) -> Array:
        return self._arrays[number]

    def encoded(self, most_bytes: int = _BYTES) -> list[dict[str, Any]]:
        """The arrays as the page reads them, cut as little as lets their data fit ``most_bytes``."""
        for limit in _LIMITS:
            if sum(_kept_bytes(array, limit) for array in self._arrays) <= most_bytes:
                break
        return [_encode(array, limit) for array in self._arrays]


def _kept_bytes(array: Array, limit: int) -> int:
    rows, columns = _block(array.shape, limit)
    height, width = _plane(array.shape)
    return (
        (height if rows is None else len(rows))
        * (width if columns is None else len(columns))
        * (array.dtype.itemsize)
    )


def _plane(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of an array seen as a matrix: the last axis is across, all others are down."""
    if not shape:
        return 1, 1
    return math.prod(shape[:-1]), shape[-1]


def _block(shape: tuple[int, ...], limit: int) -> tuple[list[int] | None, list[int] | None]:
    height, width = _plane(shape)
    if height * width <= limit:
        return None, None
    ends = _KEPT[limit]
    return _ends(height, ends), _ends(width, ends if height > 1 else limit // 2)


def _ends(count: int, ends: int) -> list[int] | None:
    if count <= 2 * ends:
        return None
    return [*range(ends), *range(count - ends, count)]


def _encode(array: Array, limit: int) -> dict[str, Any]:
    rows, columns = _block(array.shape, limit)
    data = array.reshape(_plane(array.shape))
    if rows is not None:
        data = data[rows]
    if columns is not None:
        data = data[:, columns]
    little = np.ascontiguousarray(data, data.dtype.newbyteorder("<"))
    return {
        "shape": list(array.shape),
        "dtype": array.dtype.name,
        "data": base64.b64encode(little.tobytes()).decode("ascii"),
        "rows": rows,
        "columns": columns,
        **_statistics(array),
    }


def _statistics(array: Array) -> dict[str, Any]:
    """Of the whole array: least, greatest and norm of its finite entries, and how many are not finite."""
    nan = inf = 0
    finite = array
    if array.dtype.kind == "f":
        good = np.isfinite(array)
        if not good.all():
            nan = int(np.isnan(array).sum())
            inf = int(array.size - good.sum()) - nan
            finite = array[good]
    wide = finite.astype(np.float64)
    scale = float(np.abs(wide).max(initial=0.0))
    return {
        "min": float(wide.min()) if wide.size else None,
        "max": float(wide.max()) if wide.size else None,
        # Scaled first: squares of large doubles would overflow.
        "norm": scale * float(np.linalg.norm(np.ravel(wide) / scale)) if scale else 0.0,
        "nonfinite": {"nan": nan, "inf": inf},
        "zeros": int((array == 0).sum()),
    }


def decode(tensor: Mapping[str, Any]) -> tuple[Array, Sequence[int] | None, Sequence[int] | None]:
    """The entries that a record keeps of an array, and of which rows and columns they are.

    A whole array comes in its own shape, with None and None; of a cut one the block of its kept rows
    (all axes but the last, counted as one) and columns.

    >>> store = Tensors()
    >>> number = store.add(np.array([[1.0, 2.0], [3.0, 4.0]], np.float32))
    >>> decode(store.encoded()[number])[0]
    array([[1., 2.],
           [3., 4.]], dtype=float32)
    """
    dtype = np.dtype(tensor["dtype"])
    flat = np.frombuffer(base64.b64decode(tensor["data"]), dtype.newbyteorder("<")).astype(dtype)
    rows, columns = tensor["rows"], tensor["columns"]
    shape = tuple(tensor["shape"])
    if rows is None and columns is None:
        return flat.reshape(shape), None, None
    height, width = _plane(shape)
    kept = (height if rows is None else len(rows), width if columns is None else len(columns))
    return flat.reshape(kept), rows, columns
