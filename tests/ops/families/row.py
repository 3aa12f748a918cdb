"""What a row of the op table is: where operands lie, the shapes to try, a reference, and what to expect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import chainrule as cr

Shape = tuple[int, ...]

FLOATS = ("float64", "float32")
NUMBERS = (*FLOATS, "int64", "int32", "uint32")
SIGNED = (*FLOATS, "int64", "int32")
ALL = (*NUMBERS, "bool")


@dataclass(frozen=True)
class Operand:
    """Where the elements of one operand lie."""

    low: float = -2.0
    high: float = 2.0
    gap: float = 0.0
    """Elements keep this distance from 0."""
    whole: tuple[int, int] = (0, 6)
    """The range of integers, both ends included."""
    kind: str = "float"
    """``float`` operands take the dtype under test; ``index`` and ``bool`` operands keep their own."""
    ties: bool = False
    """Elements repeat: what comparisons need, and derivatives do not want."""

    def sample(self, rng: np.random.Generator, shape: Shape, dtype: str) -> Any:
        if self.kind == "index":
            return np.asarray(rng.integers(*self.whole, shape, endpoint=True))
        if self.kind == "bool" or dtype == "bool":
            return np.asarray(rng.integers(0, 2, shape)).astype(bool)
        if "int" in dtype:
            low = max(self.whole[0], 0) if dtype == "uint32" else self.whole[0]
            return np.asarray(rng.integers(low, self.whole[1], shape, endpoint=True)).astype(dtype)
        if self.ties:
            return np.asarray(rng.integers(-1, 2, shape)).astype(dtype)
        values = rng.uniform(self.low, self.high, shape)
        values = np.where(np.abs(values) < self.gap, np.copysign(self.gap, values) + values, values)
        return np.asarray(values).astype(dtype)


REAL = Operand()
POSITIVE = Operand(0.3, 3.0, whole=(1, 9))
NONZERO = Operand(gap=0.3, whole=(1, 6))
TIED = Operand(ties=True, whole=(0, 2))
TRUTH = Operand(kind="bool")


def index(count: int, low: int = 0) -> Operand:
    """Indices into an axis of ``count``, counted from ``low``."""
    return Operand(kind="index", whole=(low, count - 1))


@dataclass(frozen=True)
class Case:
    """One combination of shapes and attributes."""

    shapes: tuple[Shape, ...]
    attributes: dict[str, Any]

    def __str__(self) -> str:
        shown = [*map(str, self.shapes), *(f"{key}={value}" for key, value in self.attributes.items())]
        return " ".join(shown)


def cases(*groups: tuple[Sequence[Shape], Sequence[dict[str, Any]]]) -> tuple[Case, ...]:
    """Every attribute set of a group with that group's shapes."""
    return tuple(Case(tuple(shapes), attributes) for shapes, sets in groups for attributes in sets)


UNARY = cases(*[([shape], [{}]) for shape in [(3, 4), (), (1,), (1, 1), (0,), (2, 0, 3)]])
BINARY = cases(
    *[
        (shapes, [{}])
        for shapes in [
            [(3, 4), (3, 4)], [(3, 4), (4,)], [(2, 1, 3), (4, 1)], [(), (3,)], [(), ()], [(0, 3), (3,)],
            [(1,), (1,)], [(2, 3), (1, 1)],
        ]
    ]
)  # fmt: skip
TERNARY = cases(
    *[(shapes, [{}]) for shapes in [[(3, 4)] * 3, [(3, 1), (4,), ()], [()] * 3, [(0,), (1,), ()]]]
)


@dataclass(frozen=True)
class Row:
    name: str
    function: Callable[..., cr.Node]
    reference: Callable[..., Any]
    operands: tuple[Operand, ...] = (REAL,)
    cases: tuple[Case, ...] = UNARY
    dtypes: tuple[str, ...] = NUMBERS
    result: str = "same"
    """The result's dtype: ``same``, ``float`` (integers become float32), or a dtype's name."""
    differentiable: bool = True
    nonfinite: bool = True
    """Whether infinities and NaNs must propagate as the reference does."""
    wrong: tuple[tuple[Any, ...], ...] = ()
    """Arguments whose shapes do not fit; binary elementwise rows have theirs in common."""
    tolerance: float = 1.0
    """Multiplies the tolerance of values in float32."""


def elementwise(name: str, reference: Callable[..., Any], *operands: Operand, **options: Any) -> Row:
    count = len(operands) or 1
    shapes = (UNARY, BINARY, TERNARY)[count - 1]
    wrong = ((np.ones((2, 3)), np.ones(4)),) if count == 2 else ()
    options = {"cases": shapes, "wrong": wrong} | options
    return Row(name, getattr(cr, name), reference, operands or (REAL,), **options)


def transcendental(name: str, reference: Callable[..., Any], *operands: Operand, **options: Any) -> Row:
    return elementwise(name, reference, *operands, result="float", **options)


def step(name: str, reference: Callable[..., Any], *operands: Operand, **options: Any) -> Row:
    """An elementwise function that nothing flows back through."""
    return elementwise(name, reference, *operands, differentiable=False, **options)


def question(name: str, reference: Callable[..., Any], *operands: Operand, **options: Any) -> Row:
    return step(name, reference, *operands, **({"result": "bool", "dtypes": ALL} | options))
