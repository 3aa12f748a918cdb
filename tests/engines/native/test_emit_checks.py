"""Checks in machine code: one failing element, in any lane, tail or row, is told of; none is made up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule import loops
from chainrule.dtypes import DType, float32, float64, int64
from chainrule.engines.native.target import Target
from chainrule.loops import Axis, Buffer, Kernel, Scalar, index

from .emission import run_kernel, runnable

ROWS, WIDTH = 3, 37
i, j = Axis("i", ROWS), Axis("j", WIDTH)
at = index.add(index.scale(loops.axis(i), WIDTH), loops.axis(j))
TARGETS = runnable()


def kernel(x: Buffer, condition: Scalar, copies: int = 1) -> Kernel:
    y = Buffer("y", x.size, x.dtype)
    checks = [loops.check(condition)] * copies
    return Kernel("k", i, (loops.loop(j, [*checks, loops.store(y, at, loops.load(x, at))]),))


def passes(made: Kernel, x: Buffer, values: np.ndarray[Any, Any], target: Target) -> bool:
    (other,) = [s.buffer for s in loops.statements(made.body) if isinstance(s, loops.Store)]
    return run_kernel(made, {x: values.astype(x.dtype), other: np.zeros(x.size, x.dtype)}, target, 2)


turned = index.add(index.scale(loops.axis(j), ROWS), loops.axis(i))


@pytest.mark.parametrize("place", [at, turned], ids=["in turn", "gathered"])
@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
@pytest.mark.parametrize("target", TARGETS)
def test_what_is_not_finite_is_found_wherever_it_is(target: str, dtype: DType, place: Scalar) -> None:
    x = Buffer("x", ROWS * WIDTH, dtype, "input")
    plain = kernel(x, loops.isfinite(loops.load(x, place)), copies=9)
    info = np.finfo(dtype)
    good = np.resize([0.0, -0.0, info.max, info.min, info.smallest_subnormal], x.size)
    assert passes(plain, x, good, TARGETS[target])
    for wrong in (*range(WIDTH), x.size - 1):
        for bad in (np.nan, np.inf, -np.inf):
            assert not passes(plain, x, np.where(np.arange(x.size) == wrong, bad, good), TARGETS[target])


@pytest.mark.parametrize("target", TARGETS)
def test_only_what_there_is_has_to_be_finite(target: str) -> None:
    """Lanes behind the end of a row read zeros, whose inverses are infinite."""
    x = Buffer("x", ROWS * WIDTH, float32, "input")
    inverse = loops.div(loops.constant(1.0, float32), loops.load(x, at))
    made = kernel(x, loops.isfinite(inverse))
    assert passes(made, x, np.ones(x.size), TARGETS[target])
    for wrong in (WIDTH - 1, x.size - 1):
        assert not passes(made, x, np.arange(x.size) != wrong, TARGETS[target])


LENGTH = 150


@pytest.mark.parametrize("count", [0, 1, 16, 33, LENGTH])
@pytest.mark.parametrize("target", TARGETS)
def test_finite_up_to_a_limit(target: str, count: int) -> None:
    """Numbers of two widths, and one that is the same for a whole row, as far as they are counted."""
    size = Buffer("size", 1, int64, "input")
    x, z, w = (
        Buffer("x", LENGTH, float32, "input"),
        Buffer("z", LENGTH, float64, "input"),
        Buffer("w", 2, float32, "input"),
    )
    y, v = Buffer("y", LENGTH, float32), Buffer("v", 2, float32)
    r, k = Axis("r", 2), Axis("k", LENGTH, loops.load(size, loops.constant(0, int64)))
    number, row = loops.axis(k), loops.axis(r)
    finite = loops.and_(
        loops.isfinite(loops.load(x, number)),
        loops.and_(loops.isfinite(loops.load(z, number)), loops.isfinite(loops.load(w, row))),
    )
    inner = loops.loop(k, [loops.check(finite), loops.store(y, number, loops.load(x, number))])
    made = Kernel("k", None, (loops.loop(r, [inner, loops.store(v, row, loops.load(w, row))]),))
    for buffer in (x, z, w):
        for wrong in (None, *range(0, buffer.size, 7), buffer.size - 1):
            memory = {b: np.ones(b.size, b.dtype) for b in (x, z, w, y, v)} | {size: np.array([count])}
            if wrong is not None:
                memory[buffer][wrong] = np.inf
            reached = wrong is not None and (count > 0 if buffer is w else wrong < count)
            assert run_kernel(made, memory, TARGETS[target]) is not reached


@pytest.mark.parametrize("shares", [1, 2, 7])
@pytest.mark.parametrize("target", TARGETS)
def test_finite_in_any_share_of_an_axis(target: str, shares: int) -> None:
    x, y = Buffer("x", LENGTH, float32, "input"), Buffer("y", LENGTH, float32)
    n = Axis("n", LENGTH)
    value = loops.load(x, loops.axis(n))
    made = Kernel("n", n, (loops.check(loops.isfinite(value)), loops.store(y, loops.axis(n), value)))
    for wrong in range(-1, LENGTH):
        values = np.where(np.arange(LENGTH) == wrong, np.nan, 1).astype(np.float32)
        passed = run_kernel(made, {x: values, y: np.zeros(LENGTH, np.float32)}, TARGETS[target], shares)
        assert passed is (wrong < 0)


@pytest.mark.parametrize("target", TARGETS)
def test_any_other_condition_is_found_wherever_it_fails(target: str) -> None:
    for dtype, condition in (
        (float32, lambda v: loops.lt(v, 5.0)),
        (float64, lambda v: loops.and_(loops.ge(v, 0.0), loops.lt(v, 5.0))),
        (float32, lambda v: loops.eq(loops.mul(loops.sub(v, 1.0), 1.0), 0.0)),
        (float64, lambda v: loops.and_(loops.isfinite(v), loops.lt(v, 5.0))),
        (int64, lambda v: loops.ne(v, 7)),
        (int64, lambda v: loops.eq(loops.mul(v, 0), 0)),
    ):
        x = Buffer("x", ROWS * WIDTH, dtype, "input")
        made = kernel(x, condition(loops.load(x, at)))
        assert passes(made, x, np.ones(x.size), TARGETS[target])
        for place in (0, 15, 16, 31, WIDTH - 1, WIDTH, x.size - 1):
            values = np.where(np.arange(x.size) == place, 7, 1)
            always = made.body[0].body[0].condition.op == "constant"
            assert passes(made, x, values, TARGETS[target]) == always
