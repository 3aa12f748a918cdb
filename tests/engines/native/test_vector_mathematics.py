"""The elementary functions as machine code, against a wider format: within 2 ulp everywhere."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from scipy import special

from chainrule import loops
from chainrule.dtypes import DType, float32, float64
from chainrule.engines.native.emit import emit_kernel
from chainrule.engines.native.target import Target
from chainrule.engines.native.vector_mathematics import expand
from chainrule.loops import Axis, Buffer, Kernel, Program, Scalar, interpret, walk
from chainrule.loops.ir import ELEMENTARY

from .emission import run_kernel, runnable

Array = np.ndarray[Any, Any]

TARGETS = runnable()
LIMIT = 2.0

#: Each function of one operand, in whatever format its operand has.
REFERENCES: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": lambda x: np.where(x < 0, np.exp(x), 1.0) / (1 + np.exp(-np.abs(x))),
    "erf": special.erf,
    "sin": np.sin,
    "cos": np.cos,
}
REFERENCES_OF_TWO: dict[str, Callable[[Array, Array], Array]] = {"pow": np.power, "atan2": np.arctan2}

SPECIAL = np.array(
    [0.0, 1.0, 0.5, 1.5, 2.0, 3.0, 3.5, 1e-45, 1.1754942e-38, 1.1754944e-38, 3.4028235e38, np.inf, np.nan,
     0.99999994, 1.0000001, 8388607.5, 8388608.0, 16777215.0, 16777216.0, 88.72283, 88.72284, 87.33655,
     103.97207, 103.97208, 104.0, 17.328678, 9.010913, 3.9192059, 1.5707964, 3.1415927, 0.70710677,
     0.34657359, 6.1035156e-05, 5.9604645e-08],
    np.float32,
)  # fmt: skip
SPECIAL = np.concatenate([SPECIAL, -SPECIAL])


def of_bits(start: int, stop: int) -> Array:
    return np.arange(start, stop, dtype=np.uint32).view(np.float32)


def sample(seed: int, count: int) -> Array:
    """Float32 of every exponent and sign, dense where functions bend, and all that is special."""
    rng = np.random.default_rng(seed)
    anything = rng.integers(0, 1 << 32, count, dtype=np.uint32).view(np.float32)
    ordinary = rng.normal(size=count).astype(np.float32) * rng.choice(np.float32([0.1, 1, 10, 60]), count)
    with np.errstate(over="ignore"):
        edges = np.concatenate([np.nextafter(SPECIAL, np.float32(end)) for end in (-np.inf, np.inf)])
    return np.concatenate([SPECIAL, edges, anything, ordinary])


def kernel_of(
    build: Callable[..., Scalar], size: int, operands: int, dtype: DType = float32
) -> tuple[Kernel, list[Buffer]]:
    """``out[i] = build(x[i], …)`` for each place of an axis."""
    place, buffers = Axis("i", size), [Buffer(f"x{k}", size, dtype, "input") for k in range(operands)]
    out = Buffer("out", size, dtype, "output")
    i = loops.axis(place)
    value = build(*[loops.load(buffer, i) for buffer in buffers])
    return loops.kernel("map", place, [loops.store(out, i, value)]), [*buffers, out]


class Machine:
    """A function as code for one target, for arrays of one size."""

    def __init__(self, name: str, target: Target, size: int, dtype: DType = float32) -> None:
        function, operands = function_of(name), 2 if name in REFERENCES_OF_TWO else 1
        self.target = target
        self.kernel, self.buffers = kernel_of(
            lambda *x: expand(function(*x), fused=target.has_fma), size, operands, dtype
        )

    def __call__(self, *operands: Array) -> Array:
        memory = dict(zip(self.buffers, [*operands, np.empty_like(operands[0])], strict=True))
        assert run_kernel(self.kernel, memory, self.target)
        return memory[self.buffers[-1]]


def function_of(name: str) -> Callable[..., Scalar]:
    found: Callable[..., Scalar] = getattr(loops, name + "_" * (name == "pow"))
    return found


def errors(got: Array, exact: Array) -> Array:
    """|got - exact| in units of the last place of ``got``'s dtype where ``exact`` lies.

    Infinite where one is NaN and the other is not, where infinities differ, and where a zero that is
    exact comes out as something else or with the other sign.
    """
    format = np.finfo(got.dtype)
    with np.errstate(all="ignore"):
        rounded = exact.astype(got.dtype)
        _, exponent = np.frexp(exact)
        unit = np.ldexp(exact.dtype.type(1), np.maximum(exponent, format.minexp + 1) - format.nmant - 1)
        error = np.abs(got.astype(exact.dtype) - exact) / unit
        beyond = np.isinf(got) & (np.abs(exact) > format.max * (1 - format.epsneg))  # next to overflow
    infinite = np.isinf(rounded) | np.isinf(got)
    error[infinite] = np.where((got == rounded) | beyond, 0.0, np.inf)[infinite]
    zero = exact == 0
    error[zero] = np.where((got == 0) & (np.signbit(got) == np.signbit(exact)), 0.0, np.inf)[zero]
    both, either = np.isnan(exact) & np.isnan(got), np.isnan(exact) | np.isnan(got)
    error[either] = np.where(both, 0.0, np.inf)[either]
    return error


def assert_close(name: str, got: Array, *operands: Array, limit: float = LIMIT) -> float:
    reference = (REFERENCES | REFERENCES_OF_TWO)[name]
    wider = np.float64 if got.dtype == np.float32 else np.longdouble
    with np.errstate(all="ignore"):
        exact = np.asarray(reference(*[x.astype(wider) for x in operands]))
        differs = exact.astype(got.dtype).view(f"u{got.itemsize}") != got.view(f"u{got.itemsize}")
    if not differs.any():  # what has the bits of the rounded reference is as right as can be
        return 0.5
    got, operands = got[differs], tuple(x[differs] for x in operands)
    error = errors(got, exact[differs])
    worst = int(np.argmax(error))
    where = ", ".join(str(x[worst]) for x in operands)
    assert error[worst] <= limit, f"{name}({where}) is {got[worst]}: {error[worst]} ulp"
    return float(error[worst])


def test_the_references_cover_every_elementary_function() -> None:
    assert {*REFERENCES, *REFERENCES_OF_TWO} == set(ELEMENTARY)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", REFERENCES)
def test_within_two_ulp(name: str, target: str) -> None:
    x = sample(1, 1 << 18)
    got = Machine(name, TARGETS[target], x.size)(x)
    assert_close(name, got, x)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p", "tanh", "sigmoid"])
def test_float64_within_two_and_a_half_ulp(name: str, target: str) -> None:
    rng = np.random.default_rng(9)
    anything = rng.integers(0, 1 << 64, 1 << 16, dtype=np.uint64).view(np.float64)
    ordinary = [rng.normal(size=1 << 15) * scale for scale in (1e-3, 0.1, 1, 10, 300)]
    edges = np.array([709.782712893384, 709.7827128933841, -708.3964, -745.1332, -745.1333, -746.0, 19.06,
                      36.74, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308])  # fmt: skip
    x = np.concatenate([SPECIAL.astype(np.float64), edges, -edges, anything, *ordinary])
    got = Machine(name, TARGETS[target], x.size, float64)(x)
    slack = 0.0 if np.finfo(np.longdouble).nmant > 52 else 1.0  # the reference's own error
    assert_close(name, got, x, limit=2.5 + slack)


def pairs(name: str) -> Iterator[tuple[Array, Array]]:
    yield tuple(np.array([*itertools.product(SPECIAL, SPECIAL)], np.float32).T.copy())  # type: ignore[misc]
    yield sample(2, 1 << 15), sample(3, 1 << 15)
    rng = np.random.default_rng(4)
    if name == "pow":  # results over all of the range, from bases far from 1 and close to it
        for base in (np.exp(rng.uniform(-80, 80, 1 << 16)), 1 + rng.normal(size=1 << 16) * 1e-4):
            x = base.astype(np.float32)
            with np.errstate(divide="ignore"):
                y = rng.uniform(-150, 128, x.size) / np.log2(x.astype(np.float64))
            yield x, y.astype(np.float32)
        yield (
            -np.exp(rng.uniform(-3, 3, 1 << 14)).astype(np.float32),
            rng.integers(-40, 40, 1 << 14).astype(np.float32),
        )


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", REFERENCES_OF_TWO)
def test_of_two_operands_within_two_ulp(name: str, target: str) -> None:
    for x, y in pairs(name):
        assert_close(name, Machine(name, TARGETS[target], x.size)(x, y), x, y)


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0, 3.0, -1.0, 0.5, -0.5, 2.5])
def test_a_power_to_a_number_within_two_ulp(power: float) -> None:
    x = sample(5, 1 << 14)
    kernel, (source, out) = kernel_of(lambda x: expand(loops.pow_(x, power)), x.size, 1)
    memory = {source: x, out: np.empty_like(x)}
    run_kernel(kernel, memory, TARGETS["host"])
    assert_close("pow", memory[out], x, np.full_like(x, power))


@pytest.mark.parametrize("name", ["exp", "tanh", "sigmoid", "erf"])
def test_monotonic_where_rounding_lets_one_see(name: str) -> None:
    """A loss must not rise because an activation fell: never by more than the two errors, nor past 1."""
    x = np.linspace(-20, 20, 1 << 16, dtype=np.float32)
    got = Machine(name, TARGETS["host"], x.size)(x)
    steps = np.diff(got.astype(np.float64))
    assert (steps >= -2 * LIMIT * np.spacing(np.abs(got[1:]))).all()
    if name != "exp":
        assert got.max() == 1
        assert got.min() >= -1


def test_what_must_be_exact() -> None:
    for name, argument, value in [
        ("exp", 0, 1), ("exp", -np.inf, 0), ("expm1", -np.inf, -1), ("log", 1, 0), ("sigmoid", 0, 0.5),
        ("sigmoid", np.inf, 1), ("tanh", np.inf, 1), ("tanh", -np.inf, -1), ("cos", 0, 1),
        ("erf", -np.inf, -1), ("erf", np.inf, 1),
    ]:  # fmt: skip
        x = np.full(5, argument, np.float32)
        assert (Machine(name, TARGETS["host"], 5)(x) == value).all(), name


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["exp", "log", "tanh", "sin", "pow"])
def test_an_element_alone_has_the_bits_it_has_in_a_vector(name: str, target: str) -> None:
    operands = [sample(10 + k, 64)[-59:] for k in range(2 if name in REFERENCES_OF_TWO else 1)]
    together = Machine(name, TARGETS[target], 59)(*operands)
    alone = Machine(name, TARGETS[target], 1)
    for place, value in enumerate(together):
        single = alone(*[x[place : place + 1].copy() for x in operands])
        assert single.tobytes() == value.tobytes() or (np.isnan(single[0]) and np.isnan(value))


@pytest.mark.parametrize("name", ELEMENTARY)
def test_the_interpreter_gives_the_same_bits(name: str) -> None:
    """The arithmetic is the definition's, down to the last bit: nothing hangs on what a compiler does."""
    rng = np.random.default_rng(6)
    operands = [rng.choice(sample(7 + k, 512), 300) for k in range(2 if name in REFERENCES_OF_TWO else 1)]
    if not TARGETS["host"].has_fma:
        return
    got = Machine(name, TARGETS["host"], 300)(*operands)
    kernel, buffers = kernel_of(lambda *x: expand(function_of(name)(*x)), 300, len(operands))
    memory = dict(zip(buffers, [*operands, np.empty_like(got)], strict=True))
    interpret(Program((kernel,)), memory)
    number = ~np.isnan(got)
    np.testing.assert_array_equal(memory[buffers[-1]][number].view(np.int32), got[number].view(np.int32))


def test_nothing_but_arithmetic_is_left() -> None:
    x = loops.load(Buffer("x", 8, float32), 0)
    wide = loops.load(Buffer("wide", 8, float64), 0)
    for name in ELEMENTARY:
        operands = (x, loops.load(Buffer("y", 8, float32), 0)) if name in REFERENCES_OF_TWO else (x,)
        for fused in (True, False):
            assert not {value.op for value in walk([expand(function_of(name)(*operands), fused)])} & {
                *ELEMENTARY
            }
    for other in (loops.sin(wide), loops.sqrt(x), x):
        assert expand(other) is other
    inner = loops.tanh(x)
    assert inner in walk([expand(loops.exp(inner))])  # operands are left alone


@pytest.mark.parametrize("dtype", [float32, float64])
@pytest.mark.parametrize("target", TARGETS)
def test_the_emitter_expands_nested_functions(target: str, dtype: DType) -> None:
    with np.errstate(invalid="ignore"):  # among the NaN are some that say so when they are read
        x = sample(8, 1000).astype(dtype)
    kernel, (source, out) = kernel_of(
        lambda x: loops.log1p(loops.exp(loops.neg(loops.abs_(x)))), x.size, 1, dtype
    )
    memory = {source: x, out: np.empty_like(x)}
    assert run_kernel(kernel, memory, TARGETS[target])
    with np.errstate(all="ignore"):
        exact = np.log1p(np.exp(-np.abs(x.astype(np.longdouble))))
    assert (errors(memory[out], exact) <= 3 * LIMIT).all()
    calls = re.findall(r"call [^@]*@([\w.]+)", emit_kernel(kernel, TARGETS[target]))
    assert all(name.startswith("llvm.") for name in calls)


@pytest.mark.long
@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("target", ["host", *(["sse2"] if "sse2" in TARGETS else [])])
def test_all_arguments_there_are(name: str, target: str) -> None:
    chunk = 1 << 22
    machine = Machine(name, TARGETS[target], chunk)
    worst = 0.0
    for start in range(0, 1 << 32, chunk):
        x = of_bits(start, start + chunk)
        worst = max(worst, assert_close(name, machine(x), x))
    assert worst > 0.5  # or the comparison sees nothing
