"""The dtype policy: one table.

The graph knows six element types.  A Python scalar takes the other operand's type; an integer that
meets a float becomes that float; integer divided by integer gives float32.  Casts are nodes, inserted
by the graph, so no engine promotes anything by itself.

>>> promote(int32, float32).name, promote(float32, float64).name, promote(uint32, int32).name
('float32', 'float64', 'int64')
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import DTypeError

DType = np.dtype[Any]

bool_: DType = np.dtype("bool")
uint32: DType = np.dtype("uint32")
int32: DType = np.dtype("int32")
int64: DType = np.dtype("int64")
float32: DType = np.dtype("float32")
float64: DType = np.dtype("float64")

DEFAULT_FLOAT = float32
DEFAULT_INTEGER = int64

#: The lattice in order of generality; the table below is read off it once.
_RANK = {bool_: 0, uint32: 1, int32: 1, int64: 2, float32: 3, float64: 4}
_BY_NAME = {dtype.name: dtype for dtype in _RANK}
_SCALARS: dict[type, DType] = {bool: bool_, int: DEFAULT_INTEGER, float: DEFAULT_FLOAT}
_KNOWN: dict[Any, DType] = {dtype: dtype for dtype in _RANK} | _SCALARS


def _join(a: DType, b: DType) -> DType:
    if a is b:
        return a
    if _RANK[a] == _RANK[b]:  # uint32 and int32: the smallest type that holds both
        return int64
    return a if _RANK[a] > _RANK[b] else b


_PROMOTE = {(a, b): _join(a, b) for a in _RANK for b in _RANK}


def promote(*dtypes: DType) -> DType:
    """The element type in which operands of these types meet."""
    result = dtypes[0]
    for other in dtypes[1:]:
        if other is not result:
            result = _PROMOTE[result, other]
    return result


def as_dtype(dtype: Any) -> DType:
    """The library's own dtype object for a name, a NumPy type or a Python type.

    >>> as_dtype("float32"), as_dtype(float), as_dtype(np.int64)
    (dtype('float32'), dtype('float32'), dtype('int64'))
    """
    try:
        return _KNOWN[dtype]
    except (KeyError, TypeError):  # another spelling, or something that cannot be a key
        pass
    try:
        return _BY_NAME[np.dtype(dtype).name]
    except (KeyError, TypeError, ValueError):
        raise DTypeError(f"element type {dtype!r} is not supported", mend=_mend(dtype)) from None


def _mend(dtype: Any) -> str:
    if "complex" in str(dtype):
        return "derivatives here are of real functions; pass the real and the imaginary part separately"
    return f"convert to one of {', '.join(_BY_NAME)}"


def as_array(value: Any) -> np.ndarray[Any, Any]:
    """``value`` as an array, without a copy where it is one; hidden elements are refused, not shown."""
    kind = type(value)
    if kind is np.ndarray or not issubclass(kind, np.ndarray):  # NumPy loads its masked arrays when named
        return np.asarray(value)
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise DTypeError(
            "a masked array hides elements, and the mask would be lost",
            mend="give array.filled(0), and weigh the elements with the mask",
        )
    return np.asarray(value)


def of_scalar(value: bool | int | float) -> DType:
    """The type of a Python scalar that meets no other operand."""
    return _SCALARS[type(value)]


def of_weak_scalar(value: bool | int | float, other: DType) -> DType:
    """The type that a Python scalar takes beside an operand of type ``other``."""
    if isinstance(value, bool):
        return bool_ if other is bool_ else other
    if isinstance(value, int):
        return DEFAULT_INTEGER if other is bool_ else other
    return other if is_float(other) else DEFAULT_FLOAT


def is_float(dtype: DType) -> bool:
    """Whether derivatives flow through values of this type."""
    return dtype is float32 or dtype is float64


def is_integer(dtype: DType) -> bool:
    """Whether this is one of the integer types."""
    return dtype is int64 or dtype is int32 or dtype is uint32


def to_float(dtype: DType) -> DType:
    """The float type in which true division and transcendental functions of ``dtype`` are computed."""
    return dtype if is_float(dtype) else DEFAULT_FLOAT
