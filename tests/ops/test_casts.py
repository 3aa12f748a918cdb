"""Casts where the machine would do as it likes: floats that an integer type does not hold."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.engines.native import Native

INTEGERS = ("int32", "int64", "uint32")


def nearest(value: float, dtype: str) -> int:
    """The integer of the type that is nearest to the value cut towards zero; 0 for NaN."""
    info = np.iinfo(dtype)
    if np.isnan(value):
        return 0
    if np.isinf(value):
        return info.max if value > 0 else info.min
    return min(max(int(Fraction(float(value))), info.min), info.max)


@settings(deadline=None, max_examples=60)
@given(
    values=st.lists(st.floats(width=32) | st.integers(-(2**33), 2**33).map(float), min_size=1, max_size=9),
    dtype=st.sampled_from(INTEGERS),
    wide=st.booleans(),
)
def test_a_float_becomes_the_nearest_integer_of_the_type(values: list[float], dtype: str, wide: bool) -> None:
    x = np.array(values, np.float64 if wide else np.float32)
    wanted = [nearest(value, dtype) for value in x]
    assert cr.astype(cr.variable(x), dtype).value.tolist() == wanted
    assert cr.astype(cr.constant(x), dtype).value.tolist() == wanted, "a constant is converted at once"


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("source", ["float32", "float64"])
def test_on_the_native_engine_too(source: str, dtype: str) -> None:
    info = np.iinfo(dtype)
    edges = [info.min, np.nextafter(np.float32(info.max), np.float32(0)), info.max + 1, -0.5, -1.0, 2.9]
    values = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 3e9, -3e9, *edges] * 5, source)
    x = cr.variable(values)
    (found,) = Native([cr.astype(x, dtype)]).run({})
    assert found.tolist() == [nearest(value, dtype) for value in values]
