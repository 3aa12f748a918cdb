"""The definition, held to NumPy, to exact fractions and to results worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest

from chainrule import loops
from chainrule.dtypes import DType, bool_, float32, float64, int32, int64, uint32
from chainrule.errors import LoopError
from chainrule.loops import Axis, Buffer, Call, Memory, Program, Statement, index, interpret

from .computing import FLOATS, WHOLE, ran

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
