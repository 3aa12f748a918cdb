"""What random loop programs are made with: choices, tensors of known quality, memory, and a verdict.

Results that must come out bit for bit are told from those that may not: a reduction of floats is made
only of values on a grid so coarse that every partial sum is exact, in whatever order; what went through
an elementary function is ``near`` and compared with a tolerance; and where the sign of a zero is free
(after min, max or a sum) the two zeros are equal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from chainrule import loops
from chainrule.dtypes import DType, bool_, float32, float64, int32, int64, is_float, uint32
from chainrule.loops import Axis, Buffer, Memory, Program, Scalar, Step, format_program, index, interpret

T = TypeVar("T")

EXTENTS = (1, 2, 3, 4, 5, 7, 8, 9, 13, 15, 16, 17, 24, 31, 32, 33, 48, 50, 63, 64, 65, 70)
FLOATS = (float32, float64)
INTEGERS = (int32, int64, uint32)
WILD = (0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 1e-40, -1e-45, 3e38, -3e38, 0.5, 2.5, -1.5, 1e-3)
WILD_WHOLE = (0, 1, -1, 7, -3, 1 << 31, (1 << 31) - 1, -(1 << 31), 1 << 62, 12345)


# ── what a value is known to be ───────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Expr:
    """A scalar, and how exactly its value is determined."""

    value: Scalar
    step: float = 0.0
    """Values are multiples of this; 0: no grid."""
    bound: float = math.inf
    """No absolute value is greater."""
    near: bool = False
    """Elementary functions took part: equal only within a tolerance."""
    signed: bool = True
    """The sign of a zero is determined."""

    @property
    def dtype(self) -> DType:
        return self.value.dtype

    def like(self, value: Scalar) -> Expr:
        return replace(self, value=value)

    def sums_exactly(self, count: int) -> bool:
        """Whether every partial sum of ``count`` such values is a float."""
        digits = 23 if self.dtype is float32 else 52
        return not is_float(self.dtype) or (bool(self.step) and self.bound * count <= self.step * 2**digits)


@dataclass
class Tensor:
    """A buffer with a shape, and what is known of its elements."""

    buffer: Buffer
    shape: tuple[int, ...]
    known: Expr

    def load(self, place: Sequence[Scalar] | Scalar, where: Scalar | None = None) -> Expr:
        offset = place if isinstance(place, Scalar) else index.ravel(place, self.shape)
        return self.known.like(loops.load(self.buffer, offset, where))

    def written(self, what: Expr, whole: bool) -> None:
        """The elements (all of them, or some) now hold ``what``."""
        old = self.known
        if whole:
            self.known = replace(what, value=old.value)
        else:
            grid = min(old.step, what.step)
            near, signed = old.near or what.near, old.signed and what.signed
            self.known = Expr(old.value, grid, max(old.bound, what.bound), near, signed)


@dataclass
class Case:
    """A program, the memory it starts from, and what must come out."""

    program: Program
    start: Memory
    tensors: dict[Buffer, Tensor]
    passed: bool = True
    expected: Memory = field(default_factory=dict)

    def memory(self) -> Memory:
        """A fresh copy of the inputs and variables."""
        return {buffer: array.copy() for buffer, array in self.start.items()}

    def check(self, memory: Memory, passed: bool = True, also: str = "") -> None:
        """Fail unless ``memory``, after a run, holds what the interpreter leaves in its own."""
        assert passed == self.passed, f"checks hold: {passed}, not {self.passed}\n{self}"
        for buffer, wanted in self.expected.items():
            if self.passed or buffer.role in ("variable", "input"):
                self.compare(buffer, memory[buffer], wanted, also)

    def compare(self, buffer: Buffer, got: Any, wanted: Any, also: str) -> None:
        known = self.tensors[buffer].known
        if not is_float(buffer.dtype):
            wrong = got != wanted
        elif known.near:
            close = 4e-5 if buffer.dtype is float32 else 1e-11
            wrong = ~np.isclose(got, wanted, rtol=close, atol=close, equal_nan=True)
        else:
            wrong = ~((got == wanted) | (np.isnan(got) & np.isnan(wanted)))
            if known.signed:
                wrong |= (np.signbit(got) != np.signbit(wanted)) & ~np.isnan(wanted)
        if wrong.any():
            first = int(np.argmax(wrong))
            raise AssertionError(
                f"{buffer.name}[{first}] is {got[first]!r}, not {wanted[first]!r} "
                f"({int(wrong.sum())} of {buffer.size} are wrong)\n{self}\n{also}"
            )

    def __repr__(self) -> str:
        return format_program(self.program)


# ── making programs ───────────────────────────────────────────────────────────────────────────────


class Maker:
    """A program in the making: where choices come from, and what has been made."""

    def __init__(self, integer: Callable[[int, int], int], largest: int) -> None:
        self.integer, self.largest = integer, largest
        self.rng = np.random.default_rng(integer(0, 2**16))
        self.checks: list[Step] = []
        self.steps: list[Step] = []
        self.tensors: dict[Buffer, Tensor] = {}
        self.start: Memory = {}
        self.unwritten: list[Tensor] = []  # by the kernel in the making: nobody else may read them yet
        self.passed = True
        self.pool = [self.choice([e for e in EXTENTS if e <= largest]) for _ in range(3)]
        self.floats = self.choice(FLOATS)

    # choices

    def choice(self, options: Sequence[T]) -> T:
        return options[self.integer(0, len(options) - 1)]

    def chance(self, one_in: int) -> bool:
        return self.integer(1, one_in) == one_in

    def extent(self, most: int = 1 << 30) -> int:
        """One of the program's few extents, so that shapes meet; or 1 where none is small enough."""
        return self.choice([e for e in self.pool if e <= most] or [1])

    def shape(self, rank: int, most: int = 4000) -> tuple[int, ...]:
        sizes: list[int] = []
        for _ in range(rank):
            sizes.append(self.extent(most // math.prod(sizes)))
        return tuple(sizes)

    def axes(self, shape: Sequence[int], names: str = "ijkl") -> list[Axis]:
        return [Axis(name, extent) for name, extent in zip(names, shape, strict=False)]

    # tensors

    def tensor(self, role: str, shape: Sequence[int], dtype: DType, **more: Any) -> Tensor:
        name = f"{role[0]}{len(self.tensors)}"
        known = Expr(loops.constant(0, dtype), **more)
        buffer = Buffer(name, math.prod(shape), dtype, role)
        made = self.tensors[buffer] = Tensor(buffer, tuple(shape), known)
        if role != "input":
            self.unwritten.append(made)
        return made

    def given(self, shape: Sequence[int], dtype: DType, tame: bool = False, role: str = "input") -> Tensor:
        """An input or variable with values: on a grid and small, or with all that floats can be."""
        size = math.prod(shape)
        if dtype is bool_:
            made, values = self.tensor(role, shape, dtype), self.rng.integers(0, 2, size)
        elif not is_float(dtype):
            made = self.tensor(role, shape, dtype)
            values = self.rng.integers(-9, 10, size, np.int64)
            if not tame and self.chance(2):
                values = np.where(self.rng.random(size) < 0.3, self.rng.choice(WILD_WHOLE, size), values)
        elif tame or self.chance(2):
            made = self.tensor(role, shape, dtype, step=0.125, bound=2.0)
            values = self.rng.integers(-16, 17, size) / 8
        else:
            made = self.tensor(role, shape, dtype)
            values = np.where(
                self.rng.random(size) < 0.25, self.rng.choice(WILD, size), self.rng.normal(size=size)
            )
        with np.errstate(all="ignore"):
            self.start[made.buffer] = values.astype(dtype)
        return made

    def source(self, shape: Sequence[int], dtype: DType, tame: bool = False) -> Tensor:
        """Something of this shape to read: often what an earlier kernel wrote."""
        fits = [
            t
            for t in self.tensors.values()
            if t.shape == tuple(shape) and t.buffer.dtype is dtype and not t.known.near
            if t.buffer.role != "kept"
            and t not in self.unwritten
            and (not tame or t.known.bound <= 2 or not is_float(dtype))
        ]
        if fits and not self.chance(3):
            return self.choice(fits)
        return self.given(shape, dtype, tame)

    def result(self, shape: Sequence[int], what: Expr) -> Tensor:
        """Where a kernel puts all of its values."""
        made = self.tensor(self.choice(("output", "scratch")), shape, what.dtype)
        made.written(what, whole=True)
        return made

    def kernel(self, name: str, axis: Axis | None, body: Iterable[loops.Statement]) -> None:
        self.steps.append(loops.kernel(name, axis, tuple(body)))
        self.unwritten.clear()

    def finish(self) -> Case:
        case = Case(Program((*self.checks, *self.steps)), self.start, self.tensors, self.passed)
        memory = case.memory()
        case.passed = interpret(case.program, memory)
        assert case.passed == self.passed, case
        case.expected = {b: a for b, a in memory.items() if b.role in ("output", "variable", "kept", "input")}
        return case
