"""Elementary functions as machine code: within 4 units in the last place, in vectors and tails alike."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from chainrule import loops
from chainrule.dtypes import DType, float32, float64
from chainrule.loops import Axis, Buffer, Kernel, Memory, index

from .emission import run_kernel, runnable

TARGETS = runnable()
COUNT = 2003

#: function, its reference in more digits, and from where to where it is asked
FUNCTIONS = {
    "exp": (np.exp, -110, 95),
    "expm1": (np.expm1, -30, 90),
    "log": (np.log, 0, 1e6),
    "log1p": (np.log1p, -1, 1e4),
    "tanh": (np.tanh, -12, 12),
    "sigmoid": (lambda x: special.expit(x), -95, 95),
    "erf": (lambda x: special.erf(x), -5, 5),
    "sin": (np.sin, -300, 300),
    "cos": (np.cos, -300, 300),
    "sqrt": (np.sqrt, 0, 1e9),
}
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-42, -1e-42, 1e-30, 1.0, -1.0, 88.9, -104.5, 3e38]


def arguments(name: str, dtype: DType) -> np.ndarray:
    _, low, high = FUNCTIONS[name]
    rng = np.random.default_rng(5)
    wide = rng.uniform(low, high, COUNT - len(SPECIAL) - 500)
    near = rng.choice([-1.0, 1.0], 500) * np.exp(rng.uniform(-60, 2, 500))
    return np.concatenate([SPECIAL, wide, near]).astype(dtype)


def kernel_of(name: str, dtype: DType, count: int) -> tuple[Kernel, Buffer, Buffer]:
    i = Axis("i", count)
    x, y = Buffer("x", count, dtype, "input"), Buffer("y", count, dtype, "output")
    value = getattr(loops, name)(loops.load(x, index.of(i)))
    return loops.kernel(name, i, [loops.store(y, index.of(i), value)]), x, y


def run(name: str, x: np.ndarray, target: str, shares: int = 1) -> np.ndarray:
    dtype = float32 if x.dtype == np.float32 else float64
    kernel, source, result = kernel_of(name, dtype, x.size)
    memory: Memory = {source: x, result: np.empty_like(x)}
    assert run_kernel(kernel, memory, TARGETS[target], shares)
    return memory[result]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_within_four_units(name: str, dtype: DType, target: str) -> None:
    x = arguments(name, dtype)
    with np.errstate(all="ignore"):
        exact = FUNCTIONS[name][0](
            x.astype(np.longdouble if dtype is float64 and name not in ("erf", "sigmoid") else float)
        )
        rounded = exact.astype(dtype)
        got = run(name, x, target)
        unit = np.spacing(np.abs(np.where(np.isfinite(rounded), rounded, 1)))
        off = np.abs((got.astype(exact.dtype) - exact) / unit)
    finite = np.isfinite(rounded)
    assert np.array_equal(np.isnan(got), np.isnan(rounded))
    assert np.array_equal(got[~finite & ~np.isnan(rounded)], rounded[~finite & ~np.isnan(rounded)])
    worst = np.argmax(np.where(finite, off, 0))
    assert off[worst] <= 4, f"{name}({x[worst]!r}) is {got[worst]!r}, off by {off[worst]:.2f} units"
    zeros = rounded == 0
    small = (np.abs(x) < 1e-3) & zeros  # the sign of a zero that was no underflow
    assert np.array_equal(np.signbit(got[small]), np.signbit(rounded[small]))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_lanes_and_tails_give_the_same_bits(name: str, target: str) -> None:
    x = arguments(name, float32)
    whole = run(name, x, target)
    assert run(name, x, target, shares=301).tobytes() == whole.tobytes()
