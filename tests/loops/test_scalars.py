"""The interpreter on scalars: operations, functions and casts, as NumPy and exact fractions have them."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import loops
from chainrule.dtypes import DType, bool_, float32, float64, int32, int64, is_float, uint32

from .computing import FLOATS, WHOLE, computed, pairs, same, values_of

UNARY = {
    "neg": np.negative,
    "abs_": np.abs,
    "sign": np.sign,
    "sqrt": np.sqrt,
    "floor": np.floor,
    "ceil": np.ceil,
    "round_": np.rint,
    "trunc": np.trunc,
    "isfinite": np.isfinite,
    "isnan": np.isnan,
}
BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
    "min_": np.minimum,
    "max_": np.maximum,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", UNARY)
def test_exact_functions_of_floats_are_numpys(name: str, dtype: DType) -> None:
    x = values_of(dtype)
    with np.errstate(all="ignore"):
        same(computed(getattr(loops, name), x), UNARY[name](x))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", BINARY)
def test_operations_on_two_floats_are_numpys(name: str, dtype: DType) -> None:
    x, y = pairs(dtype)
    with np.errstate(all="ignore"):
        same(computed(getattr(loops, name), x, y), BINARY[name](x, y), zeros=name not in ("min_", "max_"))


@pytest.mark.parametrize("dtype", WHOLE, ids=str)
@pytest.mark.parametrize("name", [*BINARY, "and_", "or_", "xor"])
def test_operations_on_two_integers_wrap_around_as_numpys(name: str, dtype: DType) -> None:
    if name == "div":
        return
    x, y = pairs(dtype)
    reference = {"and_": np.bitwise_and, "or_": np.bitwise_or, "xor": np.bitwise_xor, **BINARY}[name]
    with np.errstate(all="ignore"):  # NumPy's quotient and remainder by zero are 0, as ours
        same(computed(getattr(loops, name), x, y), reference(x, y))


@pytest.mark.parametrize("dtype", WHOLE, ids=str)
def test_functions_of_integers_wrap_around_as_numpys(dtype: DType) -> None:
    x = values_of(dtype)
    for name, reference in (("neg", np.negative), ("abs_", np.abs), ("sign", np.sign), ("not_", np.invert)):
        same(computed(getattr(loops, name), x), reference(x))


@pytest.mark.parametrize("dtype", WHOLE, ids=str)
def test_shifts_are_numpys_beyond_the_width_too(dtype: DType) -> None:
    x, count = pairs(dtype)
    same(computed(loops.shl, x, count), np.left_shift(x, count))
    same(computed(loops.shr, x, count), np.right_shift(x, count))


def test_operations_on_truth_values_are_numpys() -> None:
    x, y = pairs(bool_)
    for name, reference in (("and_", np.logical_and), ("or_", np.logical_or), ("xor", np.logical_xor)):
        same(computed(getattr(loops, name), x, y), reference(x, y))
    for name in ("eq", "ne", "lt", "le", "gt", "ge", "add", "mul", "min_", "max_"):
        same(computed(getattr(loops, name), x, y), BINARY[name](x, y))
    same(computed(loops.not_, x), ~x)


ELEMENTARY: dict[str, Callable[..., object]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": scipy.special.expit,
    "erf": scipy.special.erf,
    "sin": np.sin,
    "cos": np.cos,
}


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", ELEMENTARY)
def test_elementary_functions_are_the_wider_type_rounded(name: str, dtype: DType) -> None:
    x = np.concatenate([values_of(dtype), np.linspace(-5, 5, 41).astype(dtype)])
    if dtype == float64:
        x = x[~(np.abs(x) > 1e6)]  # where two libraries may reduce a huge argument differently
    with np.errstate(all="ignore"):
        wanted = np.asarray(ELEMENTARY[name](x.astype(np.float64))).astype(dtype)
    got = computed(getattr(loops, name), x)
    np.testing.assert_allclose(got, wanted, rtol=2 * np.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(("name", "reference"), [("pow_", np.power), ("atan2", np.arctan2)])
def test_powers_and_angles(name: str, reference: Callable[..., np.ndarray], dtype: DType) -> None:
    x, y = pairs(dtype)
    with np.errstate(all="ignore"):
        wanted = reference(x.astype(np.float64), y.astype(np.float64)).astype(dtype)
    np.testing.assert_allclose(computed(getattr(loops, name), x, y), wanted, rtol=2 * np.finfo(dtype).eps)


def nearest(exact: Fraction, dtype: DType) -> float:
    """The float of ``dtype`` nearest to a fraction, ties to even: by comparing neighbours."""
    with np.errstate(all="ignore"):
        start = dtype.type(float(exact))
    around = [np.nextafter(start, dtype.type(-np.inf)), start, np.nextafter(start, dtype.type(np.inf))]
    distances = [abs(Fraction(float(x)) - exact) for x in around]
    best = [x for x, distance in zip(around, distances, strict=True) if distance == min(distances)]
    even = [x for x in best if not int(x.view(f"i{dtype.itemsize}")) & 1]
    return float((even if len(best) > 1 else best)[0])


@settings(deadline=None, max_examples=300)
@given(data=st.data(), dtype=st.sampled_from(FLOATS))
def test_fma_rounds_once(data: st.DataObject, dtype: DType) -> None:
    limit = 2.0**40
    floats = st.floats(-limit, limit, width=8 * dtype.itemsize)
    a, b = data.draw(floats), data.draw(floats)
    with np.errstate(all="ignore"):
        product = float(dtype.type(a) * dtype.type(b))
    c = data.draw(st.one_of(floats, st.just(-product), st.just(product / 3)))
    a, b, c = (dtype.type(v) for v in (a, b, c))
    got = computed(loops.fma, *[np.array([v]) for v in (a, b, c)])[0]
    exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
    assert float(got) == nearest(exact, dtype)


def test_fma_beyond_numbers() -> None:
    rows = [  # a, b, c and the result
        (math.inf, 0.0, 1.0, math.nan),
        (math.inf, 1.0, -math.inf, math.nan),
        (2.0, 3.0, math.inf, math.inf),
        (-0.0, 1.0, -0.0, -0.0),
        (1.0, 1.0, -1.0, 0.0),
        (3e38, 3e38, 0.0, math.inf),
    ]
    a, b, c, wanted = (np.array(column, np.float32) for column in zip(*rows, strict=True))
    same(computed(loops.fma, a, b, c), wanted)
    big = np.array([1e308])
    same(computed(loops.fma, big, -big, big), np.array([-np.inf]))


@pytest.mark.parametrize("target", [bool_, *WHOLE, *FLOATS], ids=str)
@pytest.mark.parametrize("source", [bool_, *WHOLE, *FLOATS], ids=str)
def test_casts_are_numpys(source: DType, target: DType) -> None:
    x = values_of(source)
    if is_float(source) and target not in (bool_, *FLOATS):
        x = x[np.isfinite(x) & (np.abs(x) < 1e9) & ((x > -1) | (target != uint32))]
    with np.errstate(all="ignore"):
        same(computed(lambda v: loops.cast(v, target), x), x.astype(target))


@pytest.mark.parametrize(
    ("one", "other"), [(float32, int32), (float32, uint32), (float64, int64), (int32, uint32)], ids=str
)
def test_bits_read_as_another_dtype(one: DType, other: DType) -> None:
    x = values_of(one)
    same(computed(lambda v: loops.bitcast(v, other), x), x.view(other))
    same(computed(lambda v: loops.bitcast(loops.bitcast(v, other), one), x), x)
