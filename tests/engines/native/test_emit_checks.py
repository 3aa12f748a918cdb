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
def test_what_is_not_zero_is_found_wherever_it_is(target: str, dtype: DType, place: Scalar) -> None:
    x = Buffer("x", ROWS * WIDTH, dtype, "input")
    plain = kernel(x, loops.eq(loops.load(x, place), loops.constant(0.0, dtype)), copies=9)
    zeros = np.where(np.arange(x.size) % 3, 0.0, -0.0)
    assert passes(plain, x, zeros, TARGETS[target])
    for wrong in (*range(WIDTH), x.size - 1):
        for bad in (np.nan, np.inf, -1.0, np.finfo(dtype).smallest_subnormal):
            assert not passes(plain, x, np.where(np.arange(x.size) == wrong, bad, zeros), TARGETS[target])


@pytest.mark.parametrize("target", TARGETS)
def test_any_other_condition_is_found_wherever_it_fails(target: str) -> None:
    for dtype, condition in (
        (float32, lambda v: loops.lt(v, 5.0)),
        (float64, lambda v: loops.and_(loops.ge(v, 0.0), loops.lt(v, 5.0))),
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
