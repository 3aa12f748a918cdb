"""Values of every dtype, and how the interpreter computes on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from chainrule import loops
from chainrule.dtypes import DType, bool_, float32, float64, int32, int64, is_float, uint32
from chainrule.loops import Axis, Buffer, Memory, Program, Scalar, interpret

FLOATS = (float32, float64)
WHOLE = (int32, int64, uint32)

STRANGE = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.7, -3.7, 1e-40, -1e-45, 1e30, -3e38]
STRANGE += [math.inf, -math.inf, math.nan, 0.1, 88.0, -90.0, 1e-3]
EDGES = [0, 1, -1, 2, -3, 7, 31, 32, 33, 2**31 - 1, -(2**31), 2**32 - 1, 2**62, -(2**63), 2**63 - 1, 12345]


def values_of(dtype: DType) -> np.ndarray:
    if dtype == bool_:
        return np.array([False, True])
    with np.errstate(all="ignore"):
        return np.array(STRANGE if is_float(dtype) else EDGES).astype(dtype)


def computed(make: Callable[..., Scalar], *arrays: np.ndarray) -> np.ndarray:
    """One kernel that stores ``make`` of the arrays' elements."""
    i = Axis("i", arrays[0].size)
    buffers = [Buffer(f"x{n}", a.size, a.dtype, "input") for n, a in enumerate(arrays)]
    value = make(*[loops.load(b, loops.axis(i)) for b in buffers])
    out = Buffer("out", i.extent, value.dtype, "output")
    kernel = loops.kernel("k", i, [loops.store(out, loops.axis(i), value)])
    return ran([kernel], dict(zip(buffers, arrays, strict=True)))[out]


def ran(steps: Sequence[loops.Step], memory: Memory, passed: bool = True) -> Memory:
    assert interpret(Program(tuple(steps)), memory) == passed
    return memory


def pairs(dtype: DType) -> tuple[np.ndarray, np.ndarray]:
    values = values_of(dtype)
    first, second = np.meshgrid(values, values)
    return first.reshape(-1), second.reshape(-1)


def same(a: np.ndarray, b: np.ndarray, zeros: bool = True) -> None:
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a, b)
    if zeros and a.dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(a)[~np.isnan(a)], np.signbit(b)[~np.isnan(b)])
