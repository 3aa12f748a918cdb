"""THE table of ops: one row an op, from which every check of ``test_table.py`` is driven.

A row gives the function, where its operands may lie (away from kinks and poles), an independent
reference in NumPy or SciPy, the shapes and attributes to try, the dtypes it takes, and what its result
is.  A new op is a class in ``chainrule.ops`` and a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special

import chainrule as cr

from . import threefry

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


ARITHMETIC = [
    elementwise("add", np.add, REAL, REAL, dtypes=ALL),
    elementwise("subtract", np.subtract, Operand(whole=(3, 6)), Operand(whole=(0, 3)), dtypes=NUMBERS),
    elementwise("multiply", np.multiply, REAL, REAL, dtypes=ALL),
    elementwise("divide", np.divide, REAL, NONZERO, result="float"),
    step("floor_divide", np.floor_divide, REAL, NONZERO, nonfinite=False),
    elementwise("remainder", np.remainder, REAL, NONZERO, nonfinite=False),
    elementwise("negative", np.negative, dtypes=SIGNED),
    elementwise("abs", np.abs, NONZERO),
    step("sign", np.sign, NONZERO),
    elementwise("pow", np.power, POSITIVE, Operand(whole=(0, 3))),
    elementwise("maximum", np.maximum, REAL, REAL, dtypes=ALL),
    elementwise("minimum", np.minimum, REAL, REAL, dtypes=ALL),
    transcendental("reciprocal", lambda x: 1 / np.asarray(x), NONZERO),
    elementwise("square", np.square),
    transcendental("sqrt", np.sqrt, POSITIVE),
    transcendental("rsqrt", lambda x: 1 / np.sqrt(x), POSITIVE),
]

COMPARISON = [
    *[
        question(name, getattr(np, name), TIED, TIED)
        for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
    ],
    *[
        question(name, getattr(np, name), TRUTH, TRUTH, dtypes=("bool",), nonfinite=False)
        for name in ("logical_and", "logical_or", "logical_xor")
    ],
    question("logical_not", np.logical_not, TRUTH, dtypes=("bool",), nonfinite=False),
    question("isfinite", np.isfinite),
    question("isnan", np.isnan),
    elementwise("where", np.where, TRUTH, REAL, REAL, dtypes=ALL, wrong=(([True] * 2, np.ones(3), 0.0),)),
]

INSIDE = Operand(-0.9, 0.9, whole=(0, 0))
TRANSCENDENTAL = [
    transcendental("exp", np.exp),
    transcendental("expm1", np.expm1),
    transcendental("log", np.log, POSITIVE),
    transcendental("log1p", np.log1p, POSITIVE),
    transcendental("log2", np.log2, POSITIVE),
    transcendental("sin", np.sin),
    transcendental("cos", np.cos),
    transcendental("tan", np.tan, Operand(-1.2, 1.2, whole=(0, 1))),
    transcendental("sinh", np.sinh),
    transcendental("cosh", np.cosh),
    transcendental("tanh", np.tanh),
    transcendental("arcsin", np.arcsin, INSIDE),
    transcendental("arccos", np.arccos, INSIDE),
    transcendental("arctan", np.arctan),
    transcendental("arctan2", np.arctan2, NONZERO, NONZERO),
    transcendental("arcsinh", np.arcsinh),
    transcendental("arccosh", np.arccosh, Operand(1.2, 4.0, whole=(1, 6)), tolerance=4),
    transcendental("arctanh", np.arctanh, INSIDE),
    transcendental("erf", scipy.special.erf),
    transcendental("sigmoid", scipy.special.expit),
]

ROUNDING = [
    step("floor", np.floor),
    step("ceil", np.ceil),
    step("round", np.round),
    Row(
        "clip", cr.clip, lambda x, min=None, max=None: np.clip(x, min, max),
        cases=cases(
            ([(5, 4)], [{"min": -1, "max": 1}, {"min": -0.5}, {"max": 0.5}]),
            ([()], [{"min": -1, "max": 1}]), ([(0, 2)], [{"max": 1}]),
        ),
        dtypes=FLOATS,
    ),
]  # fmt: skip


def _casting(reference: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's reduction, counting booleans and int32 in int64 as the array API standard has it."""

    def reduced(x: Any, **attributes: Any) -> Any:
        wide = np.int64 if x.dtype in (np.bool_, np.int32) else x.dtype
        return reference(x, dtype=wide, **attributes)

    return reduced


_AXES = [
    {},
    {"axis": 0},
    {"axis": -1, "keepdims": True},
    {"axis": (0, 2)},
    {"axis": (2, 1), "keepdims": True},
]
REDUCED = cases(([(2, 3, 4)], _AXES), ([()], [{}]), ([(1,)], [{}]), ([(1, 1)], [{"axis": 1}]))
EMPTY = cases(([(0,)], [{}]), ([(3, 0)], [{"axis": 1}, {"axis": 0}]))
ONE_AXIS = cases(
    ([(3, 4)], [{}, {"axis": 0}, {"axis": -1, "keepdims": True}]), ([(1,)], [{}]), ([(3, 0)], [{"axis": 0}])
)
NO_AXIS = ((np.ones((2, 3)), 2), (np.ones(3), (0, 0)))


REDUCTION = [
    Row("sum", cr.sum, _casting(np.sum), cases=REDUCED + EMPTY, dtypes=ALL, result="counted", wrong=NO_AXIS),
    Row(
        "prod", cr.prod, _casting(np.prod), cases=REDUCED + EMPTY, dtypes=ALL, result="counted",
        wrong=NO_AXIS, nonfinite=False,
    ),
    Row("mean", cr.mean, np.mean, cases=REDUCED + EMPTY[-1:], result="float", wrong=NO_AXIS),
    Row(
        "var", cr.var, lambda x, axis=None, correction=0, keepdims=False: np.var(
            x, axis=axis, ddof=correction, keepdims=keepdims
        ),
        cases=REDUCED + cases(([(4, 3)], [{"correction": 1}, {"axis": 0, "correction": 1.5}])),
        result="float", wrong=NO_AXIS, tolerance=4,
    ),
    Row(
        "std", cr.std, lambda x, axis=None, correction=0, keepdims=False: np.std(
            x, axis=axis, ddof=correction, keepdims=keepdims
        ),
        cases=cases(([(2, 3, 4)], _AXES), ([(4, 3)], [{"axis": 0, "correction": 1}])),
        result="float", wrong=NO_AXIS, tolerance=4,
    ),
    Row("max", cr.max, np.max, cases=REDUCED + cases(([(3, 0)], [{"axis": 0}])), wrong=NO_AXIS),
    Row("min", cr.min, np.min, cases=REDUCED + cases(([(3, 0)], [{"axis": 0}])), wrong=NO_AXIS),
    Row(
        "argmax", cr.argmax, np.argmax, (TIED,), cases=ONE_AXIS, result="int64",
        differentiable=False, wrong=((np.ones(3), 1), (np.ones((2, 0)), 1)),
    ),
    Row(
        "argmin", cr.argmin, np.argmin, (TIED,), cases=ONE_AXIS, result="int64",
        differentiable=False, wrong=((np.ones(3), 1), (np.ones((2, 0)), 1)),
    ),
    Row(
        "any", cr.any, np.any, (TRUTH,), cases=REDUCED + EMPTY, dtypes=("bool",), result="bool",
        differentiable=False, nonfinite=False, wrong=(([True], 1),),
    ),
    Row(
        "all", cr.all, np.all, (TRUTH,), cases=REDUCED + EMPTY, dtypes=("bool",), result="bool",
        differentiable=False, nonfinite=False, wrong=(([True], 1),),
    ),
    Row(
        "cumulative_sum", cr.cumulative_sum,
        lambda x, axis=None, include_initial=False: np.cumulative_sum(
            x, axis=axis, include_initial=include_initial, dtype=np.int64 if x.dtype == np.int32 else x.dtype
        ),
        cases=cases(
            ([(5,)], [{}, {"include_initial": True}]), ([(3, 4)], [{"axis": 0}, {"axis": -1}]),
            ([(0,)], [{}]),
            ([(1,)], [{}]),
        ),
        result="counted", wrong=((np.ones((2, 2)),), (np.ones(2), 1)),
    ),
]  # fmt: skip


def moved(name: str, reference: Callable[..., Any], *groups: Any, **options: Any) -> Row:
    """A row of an op that moves elements: any dtype, the same elements after."""
    options = {"dtypes": ALL} | options
    return Row(name, getattr(cr, name), reference, cases=cases(*groups), **options)


def _several(what: str) -> Callable[..., cr.Node]:
    return lambda *arrays, **attributes: getattr(cr, what)(arrays, **attributes)


MOVEMENT = [
    moved(
        "reshape", np.reshape,
        ([(3, 4)], [{"shape": (2, 6)}, {"shape": (-1,)}, {"shape": (2, -1, 3)}]), ([()], [{"shape": (1, 1)}]),
        ([(1,)], [{"shape": ()}]), ([(0, 2)], [{"shape": (4, 0)}]),
        wrong=((np.ones(6), (4, 2)), (np.ones(6), (4, -1)), (np.ones(6), (-1, -1))),
    ),
    moved(
        "permute_dims", np.permute_dims,
        ([(2, 3, 4)], [{"axes": (2, 0, 1)}, {"axes": (0, 2, 1)}, {"axes": (-1, 1, 0)}]),
        ([()], [{"axes": ()}]),
        ([(0, 2)], [{"axes": (1, 0)}]), wrong=((np.ones((2, 3)), (0, 0)), (np.ones((2, 3)), (0,))),
    ),
    moved(
        "matrix_transpose", np.matrix_transpose, ([(2, 3)], [{}]), ([(4, 2, 3)], [{}]), ([(0, 3)], [{}]),
        wrong=((np.ones(3),),),
    ),
    moved(
        "broadcast_to", np.broadcast_to,
        ([(3, 1)], [{"shape": (3, 4)}, {"shape": (2, 3, 1)}]), ([()], [{"shape": (2, 2)}]),
        ([(1,)], [{"shape": (0,)}]), wrong=((np.ones(3), (4,)), (np.ones((2, 3)), (3,))),
    ),
    moved(
        "expand_dims", np.expand_dims, ([(2, 3)], [{"axis": 0}, {"axis": -1}, {"axis": (0, 3)}]),
        ([()], [{"axis": 0}]), wrong=((np.ones(3), 3), (np.ones(3), (0, 0))),
    ),
    moved(
        "squeeze", lambda x, axis=None: np.squeeze(x, axis),
        ([(1, 3, 1)], [{}, {"axis": 0}, {"axis": (0, -1)}]), ([(1,)], [{}]), ([()], [{}]),
        wrong=((np.ones(3), 0), (np.ones(3), 1)),
    ),
    moved(
        "flip", lambda x, axis=None: np.flip(x, axis), ([(3, 4)], [{}, {"axis": 1}, {"axis": (0, 1)}]),
        ([()], [{}]), ([(0,)], [{}]), wrong=((np.ones(3), 1),),
    ),
    moved(
        "roll", lambda x, shift, axis=None: np.roll(x, shift, axis),
        ([(3, 4)], [{"shift": 2}, {"shift": -1, "axis": 0}, {"shift": (1, 2), "axis": (0, 1)}]),
        ([(0,)], [{"shift": 1}]), ([()], [{"shift": 1}]), wrong=((np.ones(3), 1, 1), (np.ones(3), (1, 2), 0)),
    ),
    moved(
        "pad", lambda x, widths, value=0: np.pad(x, widths, constant_values=value),
        ([(2, 3)], [{"widths": 1}, {"widths": ((0, 2), (1, 0))}, {"widths": (2, 1), "value": -1.5}]),
        ([(0, 2)], [{"widths": 1}]), dtypes=FLOATS, wrong=((np.ones(3), -1),),
    ),
    Row(
        "concat", _several("concat"), lambda *arrays, axis=0: np.concatenate(arrays, axis), (REAL,) * 3,
        cases(
            ([(2, 3), (1, 3), (4, 3)], [{}]), ([(2, 3), (2, 0), (2, 1)], [{"axis": -1}]),
            ([(2,), (1, 3), ()], [{"axis": None}]),
        ),
        ALL, wrong=((np.ones((2, 3)), np.ones((2, 4))), (np.ones(3), np.ones((1, 3)))),
    ),
    Row(
        "stack", _several("stack"), lambda *arrays, axis=0: np.stack(arrays, axis), (REAL, REAL),
        cases(([(2, 3)] * 2, [{}, {"axis": 1}, {"axis": -1}]), ([()] * 2, [{}]), ([(0,)] * 2, [{}])),
        ALL, wrong=((np.ones((2, 3)), np.ones((3, 2))),),
    ),
    Row(
        "split", lambda x, parts, axis=0: cr.split(x, parts, axis)[1],
        lambda x, parts, axis=0: np.split(x, parts, axis)[1],
        cases=cases(([(6, 2)], [{"parts": 3}, {"parts": [1, 4]}, {"parts": 2, "axis": -1}])),
        dtypes=ALL, wrong=((np.ones(5), 2),),
    ),
    moved(
        "tile", lambda x, repetitions: np.tile(x, repetitions),
        ([(2, 3)], [{"repetitions": 2}, {"repetitions": (2, 1, 3)}, {"repetitions": (2, 0)}]),
        ([()], [{"repetitions": 3}]), ([(1,)], [{"repetitions": (2, 2)}]), wrong=((np.ones(3), -1),),
    ),
    moved(
        "repeat", lambda x, repeats, axis=None: np.repeat(x, repeats, axis),
        ([(2, 3)], [{"repeats": 2}, {"repeats": 3, "axis": 0}, {"repeats": [1, 0, 2], "axis": 1}]),
        ([()], [{"repeats": 2}]), ([(0,)], [{"repeats": 2}]), wrong=((np.ones(3), -1), (np.ones(3), 2, 1)),
    ),
]  # fmt: skip

_MATMUL = [
    [(2, 3), (3, 4)], [(3,), (3,)], [(2, 3), (3,)], [(3,), (3, 4)], [(5, 2, 3), (3, 4)], [(2, 3), (5, 3, 4)],
    [(5, 2, 3), (5, 3, 4)], [(2, 1, 2, 3), (4, 3, 2)], [(5, 2, 3), (3,)], [(3,), (5, 3, 2)], [(1, 1), (1, 1)],
    [(0, 3), (3, 2)], [(2, 0), (0, 3)], [(0, 2, 3), (3, 4)], [(3,), (0, 3, 2)],
]  # fmt: skip


def einsum_row(spec: str, *shapes: Shape) -> Row:
    return Row(
        f"einsum {spec}", lambda *arrays: cr.einsum(spec, *arrays), lambda *arrays: np.einsum(spec, *arrays),
        (REAL,) * len(shapes), cases((shapes, [{}])), NUMBERS,
    )  # fmt: skip


CONTRACTION = [
    Row(
        "matmul", cr.matmul, np.matmul, (REAL, REAL), cases(*[(shapes, [{}]) for shapes in _MATMUL]),
        NUMBERS, wrong=(
            (np.ones((2, 3)), np.ones((2, 3))), (np.ones(3), np.ones(4)), (2.0, np.ones(3)),
            (np.ones((2, 2, 3)), np.ones((3, 3, 2))),
        ),
    ),
    Row(
        "tensordot", cr.tensordot, np.tensordot, (REAL, REAL),
        cases(
            ([(2, 3, 4), (3, 4, 2)], [{}, {"axes": ((1, 2), (0, 1))}, {"axes": ((0, -1), (2, 1))}]),
            ([(2, 3), (3, 4)], [{"axes": 1}, {"axes": (1, 0)}]), ([(2,), (3,)], [{"axes": 0}]),
            ([(2, 0), (0, 3)], [{"axes": 1}]),
        ),
        NUMBERS, wrong=(
            (np.ones((2, 3)), np.ones((2, 3)), 1), (np.ones(3), np.ones(3), 2),
            (np.ones((2, 3)), np.ones((3, 4)), ((0, 1), (0,))),
        ),
    ),
    Row(
        "outer", cr.outer, np.outer, (REAL, REAL),
        cases(([(3,), (4,)], [{}]), ([(0,), (4,)], [{}]), ([(1,), (1,)], [{}])), NUMBERS,
        wrong=((np.ones((2, 3)), np.ones(3)),),
    ),
    Row(
        "vecdot", cr.vecdot,
        lambda x, y, axis=-1: np.sum(x * y, axis=axis, dtype=x.dtype), (REAL, REAL),
        cases(
            ([(2, 3), (2, 3)], [{}, {"axis": -2}]), ([(4, 2, 3), (3,)], [{}]), ([(3,), (3,)], [{}]),
            ([(2, 0), (2, 0)], [{}]),
        ),
        NUMBERS, wrong=((np.ones(3), np.ones(4)), (np.ones(3), 2.0)),
    ),
    einsum_row("ij,jk->ik", (2, 3), (3, 4)),
    einsum_row("ij,jk", (2, 3), (3, 4)),
    einsum_row("ji,kj", (3, 2), (4, 3)),
    einsum_row("ii", (3, 3)),
    einsum_row("ii->i", (3, 3)),
    einsum_row("iii->i", (2, 2, 2)),
    einsum_row("iji->j", (3, 2, 3)),
    einsum_row("ijij->", (2, 3, 2, 3)),
    einsum_row("ij->", (2, 3)),
    einsum_row("ijk->ki", (2, 3, 4)),
    einsum_row("ij,k->ki", (2, 3), (4,)),
    einsum_row("ij,i->", (2, 3), (2,)),
    einsum_row("ii,ij->j", (2, 2), (2, 3)),
    einsum_row("bij,bj->bi", (4, 2, 3), (4, 3)),
    einsum_row("bi,bj,bk->ijk", (3, 2), (3, 4), (3, 2)),
    einsum_row("ij,jk,kl,lm->im", (2, 3), (3, 4), (4, 2), (2, 3)),
    einsum_row("i,i,i->", (3,), (3,), (3,)),
    einsum_row("...ij,...jk->...ik", (4, 2, 3), (1, 3, 2)),
    einsum_row("...ij,jk->...ik", (4, 5, 2, 3), (3, 2)),
    einsum_row("...,...", (2, 1), (3,)),
    einsum_row("i...->...", (2, 3, 4)),
    einsum_row("...i->...", (3,)),
    einsum_row(",ij->ji", (), (2, 3)),
    einsum_row("ij,jk->ik", (2, 0), (0, 4)),
    einsum_row("ij,ij->ij", (1, 1), (1, 1)),
]  # fmt: skip


def _windows(x: Any, size: Any, axis: Any, stride: Any = 1, dilation: Any = 1, padding: Any = 0) -> Any:
    """Windows by NumPy's own view, every element of a dilated window, then the strides."""
    axes = [axis] if isinstance(axis, int) else list(axis)

    def each(value: Any) -> list[Any]:
        return list(value) if isinstance(value, tuple) else [value] * len(axes)

    sizes, strides, dilations = each(size), each(stride), each(dilation)
    pairs = [padding] if len(axes) == 1 and isinstance(padding, tuple) else each(padding)
    widths = [(0, 0)] * x.ndim
    for number, pair in zip(axes, pairs, strict=True):
        widths[number] = pair if isinstance(pair, tuple) else (pair, pair)
    spans = tuple((n - 1) * d + 1 for n, d in zip(sizes, dilations, strict=True))
    found = np.lib.stride_tricks.sliding_window_view(np.pad(x, widths), spans, tuple(axes))
    keys = [slice(None)] * found.ndim
    for place, number in enumerate(axes):
        keys[number % x.ndim] = slice(None, None, strides[place])
        keys[x.ndim + place] = slice(None, None, dilations[place])
    return found[tuple(keys)]


def _added(x: Any, length: Any, axis: Any, stride: Any = 1, dilation: Any = 1) -> Any:
    """Windows added up one element at a time, at the places that the windows of 0, 1, 2, … read."""
    axes = [axis] if isinstance(axis, int) else list(axis)
    shape = list(x.shape[: x.ndim - len(axes)])
    lengths = [length] * len(axes) if isinstance(length, int) else length
    for number, size in zip(axes, lengths, strict=True):
        shape[number] = size
    size = x.shape[x.ndim - len(axes) :]
    places = _windows(np.arange(np.prod(shape)).reshape(shape), size, tuple(axes), stride, dilation)
    found = np.zeros(int(np.prod(shape)), x.dtype)
    np.add.at(found, places.reshape(-1), x.reshape(-1))
    return found.reshape(shape)


WINDOWS = [
    Row(
        "sliding_windows", cr.sliding_windows, _windows,
        cases=cases(
            ([(8,)], [
                {"size": 3, "axis": 0}, {"size": 3, "axis": 0, "stride": 2},
                {"size": 3, "axis": -1, "dilation": 2, "padding": 1},
                {"size": 2, "axis": 0, "stride": 3, "padding": (0, 2)},
            ]),
            ([(7, 5)], [{"size": (2, 5), "axis": (0, 1), "stride": (2, 1)}]),
            ([(2, 6, 5)], [
                {"size": (3, 2), "axis": (1, 2), "stride": (2, 1), "dilation": (1, 3)},
                {"size": 2, "axis": (1, 2), "padding": ((1, 0), 2)}, {"size": 2, "axis": 1},
            ]),
            ([(0, 4)], [{"size": 2, "axis": 1}]), ([(1,)], [{"size": 1, "axis": 0}]),
        ),
        dtypes=ALL,
        wrong=(),
    ),
    Row(
        "overlap_add", cr.overlap_add, _added,
        cases=cases(
            ([(6, 3)], [{"length": 8, "axis": 0}]), ([(3, 3)], [{"length": 8, "axis": 0, "stride": 2}]),
            ([(2, 4, 3)], [{"length": 8, "axis": 1, "dilation": 2}]),
            ([(2, 2, 2, 3, 2)], [{"length": (6, 5), "axis": (1, 2), "stride": (2, 1), "dilation": (1, 3)}]),
            ([(0, 3, 2)], [{"length": 4, "axis": 1}]),
        ),
    ),
]  # fmt: skip


def _scattered(updates: Any, indices: Any, axis: int, length: int) -> Any:
    updates, indices = np.broadcast_arrays(updates, indices)
    shape = list(updates.shape)
    shape[axis] = length
    found = np.zeros(shape, updates.dtype)
    for place in np.ndindex(updates.shape):
        target = list(place)
        target[axis] = indices[place]
        found[tuple(target)] += updates[place]
    return found


def _scatter_added(x: Any, indices: Any, updates: Any, axis: int = 0) -> Any:
    found = np.moveaxis(np.array(x), axis, 0)
    np.add.at(found, indices, updates)
    return np.moveaxis(found, 0, axis)


def _added_rows(x: Any, values: Any, indices: Any) -> Any:
    found = np.array(x)
    for place, row in enumerate(indices):
        found[row] += np.broadcast_to(values, (len(indices), *x.shape[1:]))[place]
    return found


def _added_along(x: Any, values: Any, indices: Any, axis: int = -1) -> Any:
    return x + _scattered(
        values, np.where(indices < 0, indices + x.shape[axis], indices), axis, x.shape[axis]
    )


def _first(indices: Any, length: int) -> Any:
    rows = [int(i) % length for i in indices]
    return np.array([rows.index(row) for row in rows], np.int64)


def _put(x: Any, rows: Any, indices: Any) -> Any:
    found = np.array(x)
    for place in reversed(range(len(indices))):
        found[indices[place]] = np.broadcast_to(rows, (len(indices), *x.shape[1:]))[place]
    return found


ROWS = [
    Row(
        "first_places", cr.first_places, _first, (index(3, -3),),
        cases(([(7,)], [{"length": 3}]), ([(1,)], [{"length": 5}]), ([(0,)], [{"length": 3}])),
        ("int64",), result="int64", differentiable=False, nonfinite=False, wrong=(([[0]], 3),),
    ),
    Row(
        "put_rows", cr.put_rows, _put, (REAL, REAL, index(3, -3)),
        cases(
            ([(3,), (5,), (5,)], [{}]), ([(3, 2), (4, 2), (4,)], [{}]), ([(3, 2, 2), (2,), (4,)], [{}]),
            ([(3, 2), (0, 2), (0,)], [{}]),
        ),
        ALL, wrong=((np.ones(3), np.ones(3), [0, 1]), (1.0, 1.0, [0]), (np.ones((2, 2)), 1.0, [[0]])),
    ),
    Row(
        "add_rows", cr.add_rows, _added_rows, (REAL, REAL, index(3, -3)),
        cases(
            ([(3,), (5,), (5,)], [{}]), ([(3, 2), (4, 2), (4,)], [{}]), ([(3, 2, 2), (2,), (4,)], [{}]),
            ([(3, 2), (0, 2), (0,)], [{}]),
        ),
        NUMBERS, wrong=((np.ones(3), np.ones(3), [0, 1]), (1.0, 1.0, [0]), (np.ones((2, 2)), 1.0, [[0]])),
    ),
    Row(
        "add_along_axis", cr.add_along_axis, _added_along, (REAL, REAL, index(3, -3)),
        cases(
            ([(2, 3), (2, 5), (2, 5)], [{}]), ([(3, 4), (1, 4), (1, 4)], [{"axis": 0}]),
            ([(2, 3, 2), (2, 2, 2), (2, 2, 2)], [{"axis": 1}]), ([(0, 3), (0, 2), (0, 2)], [{}]),
        ),
        NUMBERS, wrong=((np.ones((2, 2)), np.ones(2), [0, 1]), (np.ones((2, 2)), np.ones((1, 1)), [[0]])),
    ),
]  # fmt: skip

INDEXING = [
    Row(
        "take", cr.take, lambda x, indices, axis=None: np.take(x, indices, axis), (REAL, index(3, -3)),
        cases(
            ([(3,), (5,)], [{}]), ([(3, 4), (2, 2)], [{"axis": 0}]), ([(4, 3), ()], [{"axis": 1}]),
            ([(2, 3, 2), (0,)], [{"axis": -2}]),
        ),
        ALL, wrong=((np.ones((2, 2)), [0]), (np.ones(2), [0], 1)),
    ),
    Row(
        "take_along_axis", cr.take_along_axis,
        lambda x, indices, axis=-1: np.take_along_axis(x, indices, axis), (REAL, index(3, -3)),
        cases(
            ([(2, 3), (2, 5)], [{}]), ([(3, 4), (2, 4)], [{"axis": 0}]), ([(2, 3), (1, 2)], [{}]),
            ([(0, 3), (0, 2)], [{}]),
        ),
        ALL, wrong=((np.ones((2, 2)), [0]),),
    ),
    Row(
        "scatter_along_axis", cr.scatter_along_axis, _scattered, (REAL, index(4)),
        cases(
            ([(2, 3), (2, 3)], [{"axis": -1, "length": 4}]), ([(5, 2), (5, 1)], [{"axis": 0, "length": 4}]),
            ([(0, 3), (0, 3)], [{"axis": 1, "length": 4}]),
        ),
        NUMBERS, wrong=((np.ones((2, 2)), np.zeros((3, 2), int), 1, 2),),
    ),
    Row(
        "scatter_add", cr.scatter_add, _scatter_added, (REAL, index(3), REAL),
        cases(([(3,), (5,), (5,)], [{}]), ([(3, 2), (4,), (4, 2)], [{}]), ([(3, 2), (0,), (0, 2)], [{}])),
        NUMBERS, wrong=((np.ones(3), [0, 1], np.ones(3)),),
    ),
    Row(
        "pick", cr.pick, lambda x, i: np.take_along_axis(x, np.asarray(i)[..., None], -1)[..., 0],
        (REAL, index(3, -3)),
        cases(([(3,), ()], [{}]), ([(4, 3), (4,)], [{}]), ([(2, 2, 3), (2, 2)], [{}]),
              ([(0, 3), (0,)], [{}])),
        ALL, wrong=((np.ones((2, 3)), [0, 1, 2]), (1.0, 0)),
    ),
    Row(
        "one_hot", cr.one_hot,
        lambda i, depth, dtype="float32": np.eye(depth, dtype=dtype)[i],
        (index(3, -3),),
        cases(([(4,)], [{"depth": 3}, {"depth": 5, "dtype": "int64"}]), ([()], [{"depth": 3}]),
              ([(0,)], [{"depth": 3}])),
        ("int64",), result="asked", differentiable=False, nonfinite=False, wrong=(([0], -1),),
    ),
    Row(
        "getitem", lambda x, key: cr.variable(x)[key] if isinstance(x, np.ndarray) else x[key],
        lambda x, key: x[key],
        cases=cases(([(4, 5)], [
            {"key": 1}, {"key": (slice(None, None, -2), slice(1, 4))}, {"key": (..., None, 2)},
            {"key": ([0, 3, 0], [1, -1, 1])}, {"key": (slice(None), [4, 0, 4])},
            {"key": np.eye(4, 5) > 0}, {"key": slice(2, 2)},
        ])),
        dtypes=ALL, wrong=((np.ones(3), (0, 0)), (np.ones((2, 3)), (slice(None), slice(None), 0))),
    ),
    Row(
        "sort", cr.sort,
        lambda x, axis=-1, descending=False: (
            np.flip(np.sort(x, axis), axis) if descending else np.sort(x, axis)
        ),
        cases=cases(([(3, 4)], [{}, {"axis": 0}, {"descending": True}]), ([(0,)], [{}]), ([(1,)], [{}])),
        wrong=((np.ones(3), 1),),
    ),
    Row(
        "argsort", cr.argsort, lambda x, axis=-1: np.argsort(x, axis, stable=True), (TIED,),
        cases(([(3, 4)], [{}, {"axis": 0}]), ([(0,)], [{}]), ([(1,)], [{}])),
        result="int64", differentiable=False, wrong=((np.ones(3), 1),),
    ),
    Row(
        "top_k", lambda x, k, axis=-1: cr.top_k(x, k, axis)[0],
        lambda x, k, axis=-1: np.take(np.flip(np.sort(x, axis), axis), np.arange(k), axis),
        cases=cases(([(3, 4)], [{"k": 2}, {"k": 3, "axis": 0}, {"k": 0}])), wrong=((np.ones(3), 4),),
    ),
]  # fmt: skip

CASTS = [
    Row(
        "astype", cr.astype, lambda x, dtype: np.asarray(x).astype(dtype), (Operand(0.5, 3.0),),
        cases(([(3, 4)], [{"dtype": "float64"}, {"dtype": "float32"}]), ([(0,)], [{"dtype": "float64"}])),
        ALL, result="asked", wrong=((np.ones(3), "complex64"), (np.ones(3), ["x"])),
    ),
    Row(
        "stop_gradient", cr.stop_gradient, lambda x: x, dtypes=ALL, differentiable=False,
    ),
]  # fmt: skip

KEY = (7, 11)


def drawn(function: Callable[..., cr.Node]) -> Callable[..., cr.Node]:
    """``function`` on a fixed key, in float64."""
    return lambda *parameters, shape=(3,): function(
        np.array(KEY, np.uint32), shape, *parameters, dtype="float64"
    )


def reference_of(sample: Callable[..., Any]) -> Callable[..., Any]:
    """The numbers that ``sample`` draws, of the given shape; float32's coarser grid is in test_random.py."""
    return lambda first, shape: sample(KEY, int(np.prod(shape)), first.dtype.name).reshape(shape)


_UNIT, _NORMAL = reference_of(threefry.unit), reference_of(threefry.standard_normal)
_DRAWS = cases(
    *[([a, b], [{"shape": shape}]) for a, b, shape in [
        ((), (), (3, 4)), ((3, 1), (4,), (3, 4)), ((2,), (), (2,)), ((), (), ()), ((0,), (), (0,)),
        ((1,), (1,), (5,)),
    ]]
)  # fmt: skip

RANDOM = [
    Row(
        "uniform", drawn(cr.random.uniform),
        lambda low, high, shape: low + (high - low) * _UNIT(low, shape),
        (Operand(-2, 1), Operand(2, 4)), _DRAWS, ("float64",), nonfinite=False,
    ),
    Row(
        "normal", drawn(cr.random.normal),
        lambda mean, std, shape: mean + std * _NORMAL(mean, shape),
        (REAL, POSITIVE), _DRAWS, ("float64",), nonfinite=False, tolerance=4,
    ),
    Row(
        "bernoulli", lambda p, shape=(3,): cr.random.bernoulli(np.array(KEY, np.uint32), p, shape),
        lambda p, shape: threefry.unit(KEY, int(np.prod(shape)), "float32").reshape(shape) < p,
        (Operand(0.1, 0.9),), cases(([()], [{"shape": (3, 4)}]), ([(4,)], [{"shape": (3, 4)}])), FLOATS,
        result="bool", differentiable=False, nonfinite=False,
    ),
    Row(
        "permutation", lambda x: cr.random.permutation(np.array(KEY, np.uint32), x),
        lambda x: x[np.argsort(threefry.unit(KEY, len(x), "float64"))],
        cases=cases(*[([shape], [{}]) for shape in [(5,), (4, 2), (1,), (0,)]]), wrong=((1.0,),),
    ),
]  # fmt: skip

TABLE: list[Row] = [
    *ARITHMETIC, *COMPARISON, *TRANSCENDENTAL, *ROUNDING, *REDUCTION, *MOVEMENT, *CONTRACTION, *WINDOWS,
    *INDEXING, *ROWS, *CASTS, *RANDOM,
]  # fmt: skip

#: What needs no row, and why.
ELSEWHERE = {
    "slice_axis": "the slice of getitem, along one axis",
    "random": "a module: its functions have rows; the published vectors are in test_random.py",
    "Elementwise": "a family, not an op",
    "Composite": "a family, not an op",
    "broadcast_shapes": "computes shapes, not nodes",
    "expand": "rewrites graphs",
    "parts": "rewrites graphs",
    "define_op": "makes functions of ops",
}
