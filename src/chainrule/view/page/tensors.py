"""Arrays in a record: each once, whole where it is small, else its two ends, with exact statistics."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...graph import Array

_LIMITS = (16384, 8192, 4096, 2048, 1024, 512, 256, 64, 16)
"""Entries up to which an array is kept whole: the first that lets all of them fit."""
_BYTES = 1_600_000


class Tensors:
    """The arrays of a record; equal ones are one."""

    def __init__(self) -> None:
        self._arrays: list[Array] = []
        self._rows: dict[int, Array] = {}
        self._numbers: dict[tuple[Any, ...], int] = {}

    def add(self, array: Array, rows: Array | None = None) -> int:
        """The number under which the record keeps the array.

        ``rows`` are those that matter: of a table that is cut they are kept rather than its first and last.
        """
        # What is held here keeps its id.
        content = array.tobytes() if array.nbytes <= _COMPARED else id(array)
        number = self._numbers.setdefault((array.dtype.name, array.shape, content), len(self._arrays))
        if number == len(self._arrays):
            self._arrays.append(array)
        if rows is not None and array.ndim > 1:
            self._rows[number] = rows
        return number

    def __getitem__(self, number: int) -> Array:
        return self._arrays[number]

    def encoded(self, most_bytes: int = _BYTES) -> list[dict[str, Any]]:
        """The arrays as the page reads them, cut as little as lets their data fit ``most_bytes``."""
        for limit in _LIMITS:
            blocks = [self._block(number, limit) for number in range(len(self._arrays))]
            if sum(map(_kept_bytes, self._arrays, blocks)) <= most_bytes:
                break
        return list(map(_encode, self._arrays, blocks))

    def _block(self, number: int, limit: int) -> Block:
        height, width = _plane(self._arrays[number].shape)
        if height * width <= limit:
            return None, None
        ends = math.isqrt(limit) // 4  # rows and columns kept on each side of one that is cut
        rows, wanted = _ends(height, ends), self._rows.get(number)
        if rows is not None and wanted is not None:
            rows = sorted({0, height - 1, *wanted[: 2 * ends - 2].tolist()})
        return rows, _ends(width, ends if height > 1 else limit // 2)


Block = tuple[list[int] | None, list[int] | None]
_COMPARED = 1 << 16
"""Bytes up to which arrays are compared by content."""


def _kept_bytes(array: Array, block: Block) -> int:
    height, width = _plane(array.shape)
    rows, columns = block
    kept = (height if rows is None else len(rows)) * (width if columns is None else len(columns))
    return kept * array.dtype.itemsize


def _plane(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of an array seen as a matrix: the last axis is across, all others are down."""
    if not shape:
        return 1, 1
    return math.prod(shape[:-1]), shape[-1]


def _ends(count: int, ends: int) -> list[int] | None:
    if count <= 2 * ends:
        return None
    return [*range(ends), *range(count - ends, count)]


def _encode(array: Array, block: Block) -> dict[str, Any]:
    rows, columns = block
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
