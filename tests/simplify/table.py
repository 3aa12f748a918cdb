"""One row a rule of algebra, movement and stability: what it is shown, and what must come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import chainrule as cr


@dataclass(frozen=True)
class Leaves:
    """What the rows are written in."""

    x: cr.Node
    y: cr.Node
    z: cr.Node
    row: cr.Node
    """(4,)"""
    column: cr.Node
    """(3, 1)"""
    one: cr.Node
    """(1,)"""
    c: cr.Node
    i: cr.Node
    t: cr.Node
    """(2, 3, 4)"""


def leaves(dtype: str = "float64") -> Leaves:
    def leaf(name: str, shape: tuple[int, ...], kind: str = dtype) -> cr.Node:
        return cr.placeholder(shape, kind, name=name)

    whole = {name: leaf(name, (3, 4)) for name in "xyz"}
    return Leaves(
        **whole,
        row=leaf("row", (4,)),
        column=leaf("column", (3, 1)),
        one=leaf("one", (1,)),
        c=leaf("c", (3, 4), "bool"),
        i=leaf("i", (3, 4), "int32"),
        t=leaf("t", (2, 3, 4)),
    )


@dataclass(frozen=True)
class Row:
    rule: str
    build: Callable[[Leaves], cr.Node]
    expected: str
    """The result as the journal would show it."""

    def __str__(self) -> str:
        return self.rule


EXACT = [
    Row("x * 1 = x", lambda v: v.x * 1, "x"),
    Row("x * 1 = x", lambda v: 1 * v.row + v.x * np.ones((3, 1)), "add(row, x)"),
    Row("x * 1 = x", lambda v: v.row * np.ones((3, 4)), "broadcast_to(row, shape=(3, 4))"),
    Row("x / 1 = x", lambda v: v.x / 1, "x"),
    Row("x - 0 = x", lambda v: v.x - 0, "x"),
    Row("x - 0 = x", lambda v: v.i - 0, "i"),
    Row("x + (-0) = x", lambda v: v.x + -0.0, "x"),
    Row("x + (-0) = x", lambda v: 0 + v.i, "i"),
    Row("x ** 1 = x", lambda v: v.x**1, "x"),
    Row("x ** 0 = 1", lambda v: v.x**0, "broadcast_to(1.0, shape=(3, 4))"),
    Row("-(-x) = x", lambda v: cr.negative(-v.x), "x"),
    Row("-1 * x = -x", lambda v: -1 * v.x, "negative(x)"),
    Row("x + (-y) = x - y", lambda v: v.x + (-v.y), "subtract(x, y)"),
    Row("x + (-y) = x - y", lambda v: (-v.x) + v.y, "subtract(y, x)"),
    Row("x - (-y) = x + y", lambda v: v.x - (-v.y), "add(x, y)"),
    Row("(-x) * (-y) = x * y", lambda v: (-v.x) * (-v.y), "multiply(x, y)"),
    Row("(-x) / (-y) = x / y", lambda v: (-v.x) / (-v.y), "divide(x, y)"),
    Row("(-x) * c = x * (-c)", lambda v: (-v.x) * 3, "multiply(x, -3.0)"),
    Row("-(x * c) = x * (-c)", lambda v: -(3 * v.x), "multiply(x, -3.0)"),
    Row("(-x) * y = -(x * y)", lambda v: v.x * (-v.y), "negative(multiply(y, x))"),
    Row("(-x) / y = -(x / y)", lambda v: (-v.x) / v.y, "negative(divide(x, y))"),
    Row("x / (-y) = -(x / y)", lambda v: v.x / (-v.y), "negative(divide(x, y))"),
    Row(
        "-(x * y) = x * (-y), y of few elements",
        lambda v: -(v.one * v.x),
        "multiply(x, negative(one))",
    ),
    Row(
        "-(x / y) = x / (-y), y of few elements",
        lambda v: -(v.x / v.one),
        "divide(x, negative(one))",
    ),
    Row("(-x)² = x²", lambda v: cr.square(-v.x), "square(x)"),
    Row("|x|² = x²", lambda v: cr.square(abs(v.x)), "square(x)"),
    Row("|-x| = |x|", lambda v: abs(-v.x), "abs(x)"),
    Row("||x|| = |x|", lambda v: abs(abs(v.x)), "abs(x)"),
    Row("x / 2ⁿ = x * 2⁻ⁿ", lambda v: v.x / -8, "multiply(x, -0.125)"),
    Row("max(x, x) = x", lambda v: cr.maximum(v.x, v.x), "x"),
    Row("min(x, x) = x", lambda v: cr.minimum(v.x, v.x), "x"),
    Row("max(max(x, y), y) = max(x, y)", lambda v: cr.maximum(v.y, cr.maximum(v.x, v.y)), "maximum(x, y)"),
    Row("min(min(x, y), y) = min(x, y)", lambda v: cr.minimum(cr.minimum(v.x, v.y), v.x), "minimum(x, y)"),
    Row("max(x, -∞) = x", lambda v: cr.maximum(v.x, -np.inf), "x"),
    Row("min(x, ∞) = x", lambda v: cr.minimum(np.inf, v.x), "x"),
    Row("where(c, x, x) = x", lambda v: cr.where(v.c, v.x, v.x), "x"),
    Row("where(c, x, x) = x", lambda v: cr.where(v.c, v.row, v.row), "broadcast_to(row, shape=(3, 4))"),
    Row("where(true, x, y) = x", lambda v: cr.where(True, v.x, v.y), "x"),
    Row("where(false, x, y) = y", lambda v: cr.where(np.zeros((3, 1), bool), v.x, v.y), "y"),
    Row(
        "where(not c, x, y) = where(c, y, x)",
        lambda v: cr.where(cr.logical_not(v.c), v.x, v.y),
        "where(c, y, x)",
    ),
    Row(
        "where(c, where(c, x, y), z) = where(c, x, z)",
        lambda v: cr.where(v.c, cr.where(v.c, v.x, v.y), v.z),
        "where(c, x, z)",
    ),
    Row(
        "where(c, x, where(c, y, z)) = where(c, x, z)",
        lambda v: cr.where(v.c, v.x, cr.where(v.c, v.y, v.z)),
        "where(c, x, z)",
    ),
    Row("not not x = x", lambda v: cr.logical_not(cr.logical_not(v.c)), "c"),
    Row("x and true = x", lambda v: v.c & True, "c"),
    Row("x or false = x", lambda v: cr.logical_or(False, v.c), "c"),
    Row("stop_gradient(x) = x, once differentiated", lambda v: cr.stop_gradient(v.x) * v.y, "multiply(x, y)"),
    Row("cast(cast(x)) = cast(x)", lambda v: v.i.astype("int64").astype("float32"), "cast(i, dtype=float32)"),
    Row("cast(cast(x)) = cast(x)", lambda v: v.c.astype("float32").astype("bool"), "c"),
    Row("constants are computed", lambda v: v.x * cr.exp(cr.constant(0.0)), "x"),
    Row("constants are computed", lambda v: v.x * (cr.constant([2.0, 4.0]).sum()), "multiply(x, 6.0)"),
]

MOVEMENT = [
    Row(
        "reshape(reshape(x)) = reshape(x)",
        lambda v: v.x.reshape(2, 6).reshape(12),
        "reshape(x, shape=(12,))",
    ),
    Row("reshape(reshape(x)) = reshape(x)", lambda v: v.x.reshape(2, 6).reshape(3, 4), "x"),
    Row(
        "a permutation of a permutation is one",
        lambda v: cr.permute_dims(cr.permute_dims(v.t, (2, 0, 1)), (0, 2, 1)),
        "permute_dims(t, axes=(2, 1, 0))",
    ),
    Row("a permutation of a permutation is one", lambda v: v.x.T.T, "x"),
    Row(
        "a permutation of axes of length 1 is a reshape",
        lambda v: v.column.T,
        "reshape(column, shape=(1, 3))",
    ),
    Row(
        "broadcast(broadcast(x)) = broadcast(x)",
        lambda v: cr.broadcast_to(cr.broadcast_to(v.row, (3, 4)), (2, 3, 4)),
        "broadcast_to(row, shape=(2, 3, 4))",
    ),
    Row(
        "broadcasting adds leading axes by itself",
        lambda v: cr.broadcast_to(v.row[None], (3, 4)),
        "broadcast_to(row, shape=(3, 4))",
    ),
    Row(
        "one number, copied and moved, is one number, copied",
        lambda v: cr.broadcast_to(v.one, (3, 4)).reshape(2, 6),
        "broadcast_to(reshape(one, shape=()), shape=(2, 6))",
    ),
    Row(
        "f(broadcast(x), y) = broadcast(f(x, y))",
        lambda v: cr.broadcast_to(v.row, (3, 4)) * v.x,
        "multiply(row, x)",
    ),
    Row(
        "f(broadcast(x), y) = broadcast(f(x, y))",
        lambda v: cr.exp(cr.broadcast_to(v.row, (3, 4))),
        "broadcast_to(exp(row), shape=(3, 4))",
    ),
    Row(
        "f(broadcast(x), y) = broadcast(f(x, y))",
        lambda v: cr.broadcast_to(v.row, (3, 4)) + cr.broadcast_to(v.column, (3, 4)),
        "add(row, column)",
    ),
    Row(
        "f(broadcast(x), y) = broadcast(f(x, y))",
        lambda v: v.x * np.array([[3.0]]),
        "multiply(x, 3.0)",
    ),
    Row(
        "slice(slice(x)) = slice(x)",
        lambda v: v.x[:, 1:][::-2, 1:],
        "slice(x, slices=((2, 2, -2), (2, 2, 1)))",
    ),
    Row(
        "slice(concat(…, x, …)) = slice(x)",
        lambda v: cr.concat([v.x, v.y, v.z], axis=1)[:, 4:8],
        "y",
    ),
    Row(
        "slice(concat(…, x, …)) = slice(x)",
        lambda v: cr.concat([v.x, v.y], axis=0)[5:3:-1],
        "slice(y, slices=((2, 2, -1), (0, 4, 1)))",
    ),
    Row(
        "slice(broadcast(c)) = broadcast(c)",
        lambda v: cr.broadcast_to(v.one, (3, 4))[1:],
        "broadcast_to(one, shape=(2, 4))",
    ),
    Row(
        "concat(concat(x, y), z) = concat(x, y, z)",
        lambda v: cr.concat([cr.concat([v.x, v.y]), v.z]),
        "concat(x, y, z, axis=0)",
    ),
    Row("adjoining slices are one slice", lambda v: cr.concat([v.x[:1], v.x[1:]]), "x"),
    Row(
        "adjoining slices are one slice",
        lambda v: cr.concat([v.x[:, :1], v.x[:, 1:3]], axis=1),
        "slice(x, slices=((0, 3, 1), (0, 3, 1)))",
    ),
    Row(
        "windows of one element are the elements",
        lambda v: cr.sliding_windows(v.x, 1, axis=0),
        "reshape(x, shape=(3, 4, 1))",
    ),
    Row(
        "windows of one element are the elements",
        lambda v: cr.overlap_add(v.column, 3, axis=0),
        "reshape(column, shape=(3,))",
    ),
    Row(
        "a sum over axes of length 1 is a reshape",
        lambda v: v.column.sum(axis=1),
        "reshape(column, shape=(3,))",
    ),
    Row(
        "axes kept and taken away again",
        lambda v: cr.squeeze(cr.max(v.x, axis=1, keepdims=True), 1),
        "max(x, axis=1)",
    ),
    Row(
        "the largest of copies is the one copied",
        lambda v: cr.max(cr.broadcast_to(v.column, (3, 4)), axis=1),
        "reshape(column, shape=(3,))",
    ),
    Row(
        "axes merged, exchanged and taken apart are axes exchanged",
        lambda v: v.t.reshape(2, 12).T.reshape(3, 4, 2),
        "permute_dims(t, axes=(1, 2, 0))",
    ),
]

SUMS_OF_INTEGERS = [
    Row(
        "Σ of n copies of an integer = n · x",
        lambda v: cr.sum(cr.broadcast_to(v.i.astype("int64"), (5, 3, 4)), axis=0),
        "multiply(cast(i, dtype=int64), 5)",
    ),
]

SIGNED_ZEROS = [
    Row("x + 0 = x", lambda v: 0 + v.x, "x"),
    Row("0 - x = -x", lambda v: 0 - v.x, "negative(x)"),
    Row("-(x - y) = y - x", lambda v: -(v.x - v.y), "subtract(y, x)"),
]

ROUNDING = [
    Row("(x * c) * d = x * (c·d)", lambda v: 3 * (v.x * 0.5), "multiply(x, 1.5)"),
    Row("(x * c) / d = x * (c/d)", lambda v: v.x * 3 / 7, "multiply(x, 0.42857142857142855)"),
    Row("(x / c) * d = x * (d/c)", lambda v: v.x / 7 * 3, "multiply(x, 0.42857142857142855)"),
    Row("(x + c) + d = x + (c+d)", lambda v: 3 + (v.x + 0.5), "add(x, 3.5)"),
    Row("(x + c) - d = x + (c-d)", lambda v: 0.5 + v.x - 3, "add(x, -2.5)"),
    Row("(x - c) + d = x + (d-c)", lambda v: v.x - 3 + 0.5, "add(x, -2.5)"),
    Row("(x - c) - d = x - (c+d)", lambda v: v.x - 3 - 0.5, "add(x, -3.5)"),
    Row(
        "(x @ y)ᵀ = yᵀ @ xᵀ",
        lambda v: (v.x @ v.y.T).T,
        "matmul(y, permute_dims(x, axes=(1, 0)))",
    ),
    Row(
        "x / y = x * (1 / y), y of few elements",
        lambda v: v.x / v.x.sum(),
        "multiply(x, reciprocal(sum(x, axis=(0, 1))))",
    ),
    Row("x / y = x * (1 / y), y of few elements", lambda v: v.x / 5.0, "multiply(x, 0.2)"),
    Row(
        "Σ of n copies of x = n · x",
        lambda v: cr.sum(cr.broadcast_to(v.column, (2, 3, 4)), axis=(0, 2)),
        "multiply(reshape(column, shape=(3,)), 8.0)",
    ),
    Row(
        "Σ of n copies of x = n · x",
        lambda v: cr.sum(cr.broadcast_to(v.row, (3, 4)), axis=0, keepdims=True),
        "multiply(reshape(row, shape=(1, 4)), 3.0)",
    ),
    Row("ΣΣ x is one sum", lambda v: v.t.sum(axis=1).sum(axis=1), "sum(t, axis=(1, 2))"),
    Row("ΣΣ x is one sum", lambda v: v.t.sum(axis=(0, 2)).sum(), "sum(t, axis=(0, 1, 2))"),
    Row("x ** n = x * x * …", lambda v: v.x**2, "multiply(x, x)"),
    Row("x ** n = x * x * …", lambda v: v.x**3, "multiply(multiply(x, x), x)"),
    Row("x ** n = x * x * …", lambda v: v.x**-1, "reciprocal(x)"),
]
