"""The definition, held to NumPy, to exact fractions and to results worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import loops
from chainrule.dtypes import DType, bool_, float32, float64, int32, int64, is_float, uint32
from chainrule.errors import LoopError
from chainrule.loops import Axis, Buffer, Call, Memory, Program, Scalar, Statement, index, interpret

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


# ── statements ────────────────────────────────────────────────────────────────────────────────────

i, j, k = Axis("i", 3), Axis("j", 4), Axis("k", 2)
at_i, at_j, at_k = map(loops.axis, (i, j, k))
x12 = Buffer("x", 12, float32, "input")
flags = Buffer("flags", 12, bool_, "input")


def reduced(kind: str, array: np.ndarray, *axes: Axis) -> object:
    source = flags if array.dtype == bool_ else Buffer("x", array.size, array.dtype, "input")
    offset = index.ravel([loops.axis(a) for a in axes], [a.extent for a in axes])
    statement, result = loops.reduce(kind, loops.load(source, offset), *axes)
    out = Buffer("out", 1, result.dtype, "output")
    kernel = loops.kernel("k", None, [statement, loops.store(out, 0, result)])
    return ran([kernel], {source: array.reshape(-1)})[out][0]


@pytest.mark.parametrize("kind", ["sum", "prod", "max", "min", "argmax", "argmin", "any", "all"])
def test_reductions_over_two_axes_are_numpys(kind: str) -> None:
    rng = np.random.default_rng(2)
    for dtype in (bool_,) if kind in ("any", "all") else (*FLOATS, *WHOLE):
        array = rng.integers(0, 4 if dtype != bool_ else 2, (3, 4)).astype(dtype)
        assert reduced(kind, array, i, j) == getattr(np, kind)(array)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_a_nan_is_the_extreme_and_the_first_one_counts(dtype: DType) -> None:
    array = np.array([[1, 9, 9, -9], [np.nan, 20, np.nan, -20], [0, 0, 0, 0]], dtype)
    assert np.isnan(reduced("max", array, i, j))  # type: ignore[call-overload]
    assert np.isnan(reduced("min", array, i, j))  # type: ignore[call-overload]
    assert reduced("argmax", array, i, j) == reduced("argmin", array, i, j) == 4
    assert reduced("argmax", array[0], j) == 1
    assert reduced("argmin", np.array([3, -1, -1, 5], dtype), j) == 1


@pytest.mark.parametrize(
    ("kind", "dtype", "wanted"),
    [
        ("sum", float32, 0), ("prod", int64, 1), ("max", float32, -math.inf), ("min", float64, math.inf),
        ("max", int32, -(2**31)), ("min", uint32, 2**32 - 1), ("max", uint32, 0), ("argmax", float32, 0),
        ("any", bool_, False), ("all", bool_, True),
    ],
)  # fmt: skip
def test_a_reduction_over_nothing(kind: str, dtype: DType, wanted: float) -> None:
    source, nothing = Buffer("x", 1, dtype, "input"), Axis("n", 1, limit=index.number(-3))
    statement, result = loops.reduce(kind, loops.load(source, loops.axis(nothing)), nothing)
    out = Buffer("out", 1, result.dtype, "output")
    kernel = loops.kernel("k", None, [statement, loops.store(out, 0, result)])
    assert ran([kernel], {source: np.ones(1, dtype)})[out][0] == wanted


def test_an_inner_limit_may_depend_on_an_outer_axis() -> None:
    inner = Axis("j", 4, limit=index.shift(at_i, 1))
    value = loops.load(x12, index.add(index.scale(at_i, 4), loops.axis(inner)))
    statement, total = loops.reduce("sum", value, i, inner)
    out = Buffer("out", 1, float32, "output")
    array = np.arange(12, dtype=np.float32)
    memory = ran([loops.kernel("k", None, [statement, loops.store(out, 0, total)])], {x12: array})
    assert memory[out][0] == np.tril(array.reshape(3, 4)).sum()


def test_places_are_counted_over_the_extents_even_where_a_limit_stops_short() -> None:
    inner = Axis("j", 4, limit=index.number(2))
    value = loops.load(x12, index.add(index.scale(at_i, 4), loops.axis(inner)))
    statement, best = loops.reduce("argmax", value, i, inner)
    out = Buffer("out", 1, int64, "output")
    array = np.array([0, 1, 9, 9, 0, 5, 9, 9, 0, 3, 9, 9], np.float32)
    memory = ran([loops.kernel("k", None, [statement, loops.store(out, 0, best)])], {x12: array})
    assert memory[out][0] == 5


def test_a_guarded_load_is_nought_and_touches_nothing() -> None:
    far = index.shift(at_j, 9)
    source = Buffer("x", 12, float32, "input")
    value = loops.load(source, far, loops.lt(far, 12))
    # The promise is broken wherever the guard rules the access out.
    wild = loops.load(source, loops.within(index.scale(at_j, 99), 0, 12), loops.lt(at_j, 1))
    out = Buffer("out", 8, float32, "output")
    body = [loops.store(out, at_j, value), loops.store(out, index.shift(at_j, 4), wild)]
    memory = ran([loops.kernel("k", j, body)], {source: np.arange(1, 13, dtype=np.float32)})
    assert memory[out].tolist() == [10, 11, 12, 0, 1, 0, 0, 0]


def test_a_let_keeps_what_a_later_store_overwrites() -> None:
    v, out = Buffer("v", 1, int32, "variable"), Buffer("out", 2, int32, "output")
    let, before = loops.let(loops.load(v, 0))
    body: list[Statement] = [
        let,
        loops.store(v, 0, loops.add(loops.load(v, 0), 1)),
        loops.store(out, 0, before),
        loops.store(out, 1, loops.load(v, 0)),
    ]
    assert ran([loops.kernel("k", None, body)], {v: np.array([7], np.int32)})[out].tolist() == [7, 8]


def test_accumulation_meets_in_one_element_and_in_order() -> None:
    out = Buffer("out", 2, float32, "variable")
    source = Buffer("x", 4, float32, "input")
    half = loops.floordiv(at_j, 2)
    add = loops.accumulate(out, half, loops.load(source, at_j), loops.ne(at_j, 3))
    kernel = loops.kernel("k", None, [loops.loop(j, [add])])
    array = np.array([1e8, 1.0, -1e8, 5.0], np.float32)
    for order in (range, lambda n: reversed(range(n))):
        memory = {source: array, out: np.array([1.0, 1.0], np.float32)}
        assert interpret(Program((kernel,)), memory, order)
        first = np.float32(np.float32(1.0 + 1e8) + np.float32(1.0))
        assert memory[out].tolist() == [first, np.float32(1.0 - 1e8)]


def test_free_axes_follow_the_order_asked_for_and_ordered_ones_do_not() -> None:
    seen: list[int] = []

    def order(n: int) -> Iterable[int]:
        seen.append(n)
        return reversed(range(n))

    last, where = Buffer("last", 1, int64, "output"), Buffer("where", 1, int64, "output")
    free = loops.kernel("free", i, [loops.store(last, 0, at_i)])  # illegal, but it shows the order
    bound = loops.kernel("bound", None, [loops.loop(j, [loops.store(where, 0, at_j)], ordered=True)])
    memory: Memory = {}
    assert interpret(Program((free, bound)), memory, order)
    assert seen == [3]
    assert (memory[last][0], memory[where][0]) == (0, 3)


def test_a_failed_check_ends_the_run_after_its_kernel_and_clears_what_is_kept() -> None:
    kept, out = Buffer("kept", 2, int32, "kept", fill=-1), Buffer("v", 1, float32, "variable")
    touch = loops.kernel("touch", None, [loops.store(kept, 1, 5)])
    fail = loops.kernel("check", i, [loops.check(loops.ne(at_i, 1)), loops.store(kept, 0, 3)])
    write = loops.kernel("write", None, [loops.store(out, 0, 9.0)])
    memory = ran([touch, fail, write], {out: np.zeros(1, np.float32)}, passed=False)
    assert memory[out][0] == 0
    assert memory[kept].tolist() == [-1, -1]


def test_memory_that_nobody_wrote_shows() -> None:
    made = [Buffer(str(dtype), 1, dtype) for dtype in (float32, int32, uint32, int64)]
    out = Buffer("out", 4, float64, "output")
    stores = [loops.store(out, n, loops.cast(loops.load(b, 0), float64)) for n, b in enumerate(made)]
    values = ran([loops.kernel("k", None, stores)], {})[out]
    assert np.isnan(values[0])
    assert (np.abs(values[1:]) > 1e8).all()


def test_constants_and_kept_buffers_are_there_from_the_start() -> None:
    three = Buffer("three", 3, float32, "constant", np.array([1, 2, 3]))
    slots = Buffer("slots", 2, int32, "kept", fill=-1)
    out = Buffer("out", 3, float32, "output")
    total = loops.mul(loops.load(three, at_i), loops.cast(loops.load(slots, 1), float32))
    assert ran([loops.kernel("k", i, [loops.store(out, at_i, total)])], {})[out].tolist() == [-1, -2, -3]


def test_a_call_gets_arrays_it_cannot_write_and_must_keep_its_word() -> None:
    source, out = Buffer("x", 6, float32, "input"), Buffer("y", 3, float32, "output")

    def total(x: np.ndarray) -> np.ndarray:
        with pytest.raises(ValueError, match="read-only"):
            x[0] = 1
        return x.sum(axis=1)

    call = Call("total", total, (source,), ((3, 2),), out, (3,))
    array = np.arange(6, dtype=np.float32)
    assert ran([call], {source: array})[out].tolist() == [1, 5, 9]
    assert array.flags.writeable
    wrong = Call("total", lambda x: x.sum(axis=0), (source,), ((3, 2),), out, (3,))
    with pytest.raises(LoopError, match=r"total returned float32 of shape \(2,\)"):
        interpret(Program((wrong,)), {source: array})


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (loops.store(Buffer("y", 3, float32), index.shift(at_i, 1), 0.0), "store at 3 of y, which has 3"),
        (loops.store(Buffer("y", 3, float32), index.shift(at_i, -1), 0.0), "store at -1 of y"),
        (
            loops.store(Buffer("y", 3, float32), at_i, loops.load(Buffer("z", 2, float32), at_i)),
            "the kernel k does a load at 2 of z",
        ),
    ],
)
def test_an_access_that_misses_is_refused(statement: Statement, message: str) -> None:
    with pytest.raises(LoopError, match=message):
        interpret(Program((loops.kernel("k", i, [statement]),)), {})


def test_a_broken_promise_is_refused_where_it_is_relied_on() -> None:
    ids, source, out = Buffer("ids", 1, int64, "input"), Buffer("x", 9, float32), Buffer("y", 1, float32)
    value = loops.load(source, loops.within(loops.load(ids, 0), 0, 3))
    kernel = loops.kernel("k", None, [loops.store(out, 0, value)])
    with pytest.raises(LoopError, match="of x, which has 9"):
        interpret(Program((kernel,)), {ids: np.array([5])})


def test_memory_that_does_not_fit_is_refused() -> None:
    kernel = loops.kernel("k", i, [loops.store(Buffer("y", 3, float32), at_i, loops.load(x12, at_i))])
    with pytest.raises(LoopError, match="nothing was given for the input x"):
        interpret(Program((kernel,)), {})
    for array in (np.zeros(11, np.float32), np.zeros(12)):
        with pytest.raises(LoopError, match="the buffer x is 12 of float32"):
            interpret(Program((kernel,)), {x12: array})
