"""Contractions: products summed over shared axes.  One primitive, :func:`matmul`; see also ``einsum.py``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..dtypes import DType, bool_
from ..errors import ChainruleError, DTypeError, ShapeError
from ..graph import Node, NodeLike, Op, Shape, apply, register, user_place
from .axes import one_axis
from .casts import cast
from .elementwise import broadcast_shapes, promote_inputs
from .movement import expand_dims, matrix_transpose, reshape
from .reduction import sum as sum_


def _refuse_booleans(inputs: Sequence[Node]) -> None:
    if any(x.dtype is bool_ for x in inputs):
        raise DTypeError("operands of bool are not taken", mend="convert first: x.astype('float32')")


class MatMul(Op):
    """The matrix product of the last two axes; axes in front of them are a batch, and broadcast."""

    name = "matmul"
    formula = "{x} @ {y}"

    def prepare(self, inputs: Sequence[Any]) -> Sequence[Any]:
        return promote_inputs(inputs)

    def infer(self, x: Node, y: Node) -> tuple[Shape, DType]:
        _refuse_booleans((x, y))
        if not x.shape or not y.shape:
            raise ShapeError(
                f"shapes {x.shape} and {y.shape}: a scalar has no axis to sum over", mend="use x * y"
            )
        inner, other = x.shape[-1], y.shape[-2:][0]
        if inner != other:
            raise ShapeError(
                f"shapes {x.shape} and {y.shape}: the last axis of the first has length {inner}, "
                f"the {'first' if y.ndim == 1 else 'last but one'} axis of the second has {other}",
                mend=_transposition(x.shape, y.shape),
                clash=((0, -1), (1, -1 if y.ndim == 1 else -2)),
            )
        try:
            batch = broadcast_shapes(x.shape[:-2], y.shape[:-2])
        except ShapeError as error:
            clash = tuple([(number, axis - 2) for number, axis in error.clash])
            raise ShapeError(f"the batch axes, {error.what}", mend=error.mend, clash=clash) from None
        return batch + x.shape[-2:-1] + (y.shape[-1:] if y.ndim > 1 else ()), x.dtype

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        if x.ndim > 2 and y.ndim == 2:  # one product of all rows, not one for each matrix of the batch
            rows = xp.reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))
            return xp.reshape(xp.matmul(rows, y), (*x.shape[:-1], y.shape[-1]))
        return xp.matmul(x, y)

    def vjp(self, ct: Node, out: Node, x: Node, y: Node) -> tuple[Node | None, ...]:
        if x.ndim == 1 and y.ndim == 1:
            return ct * y, ct * x
        if y.ndim == 1:
            rows = _rows(x)
            return expand_dims(ct, -1) * y, matmul(matrix_transpose(rows), reshape(ct, rows.shape[0]))
        if x.ndim == 1:
            by_x = matmul(y, expand_dims(ct, -1))
            return reshape(by_x, by_x.shape[:-1]), expand_dims(x, -1) * expand_dims(ct, -2)
        by_y = (_rows(x), _rows(ct)) if y.ndim == 2 else (x, ct)
        return matmul(ct, matrix_transpose(y)), matmul(matrix_transpose(by_y[0]), by_y[1])


def _rows(x: Node) -> Node:
    """All vectors along the last axis as the rows of one matrix."""
    return reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


def _transposition(x: Shape, y: Shape) -> str:
    """Which transpose makes the inner lengths agree, if one does."""
    if len(y) > 1 and x[-1] == y[-1]:
        return "transpose the second: x @ y.mT"
    if len(x) > 1 and x[-2] == y[-2:][0]:
        return "transpose the first: x.mT @ y"
    if len(x) > 1 and len(y) > 1 and x[-2] == y[-1]:
        return "exchange them, or transpose both: y @ x, or x.mT @ y.mT"
    return "the two lengths must be equal, and to transpose either operand does not make them so"


_MATMUL = MatMul()


def matmul(x: NodeLike, y: NodeLike) -> Node:
    """The matrix product ``x @ y``: (…, n, k) by (…, k, m) gives (…, n, m), Σₖ x[…, i, k]·y[…, k, j].

    A vector stands for a row on the left and for a column on the right, and its axis is gone from the
    result; axes in front of the last two are a batch and broadcast.  With the upstream gradient δ,
    ∂L/∂x = δ·yᵀ and ∂L/∂y = xᵀ·δ.

    Raises ``ShapeError`` where the inner lengths differ, ``DTypeError`` for booleans.

    >>> import chainrule as cr
    >>> cr.matmul([[1.0, 2.0], [3.0, 4.0]], [10.0, 1.0]).value
    array([12., 34.], dtype=float32)
    """
    return apply(_MATMUL, x, y)


def outer(x: NodeLike, y: NodeLike) -> Node:
    """The outer product of two vectors, ``x·yᵀ``: (n,) and (m,) give (n, m), x[i]·y[j].

    Raises ``ShapeError`` for anything but vectors.

    >>> import chainrule as cr
    >>> cr.outer([1.0, 2.0], [10.0, 1.0]).value
    array([[10.,  1.],
           [20.,  2.]], dtype=float32)
    """
    a, b = operands_of("outer", (x, y))
    if a.ndim != 1 or b.ndim != 1:
        raise ShapeError(
            f"outer: shapes {a.shape} and {b.shape} are not those of two vectors",
            where=user_place(),
            mend="flatten first: cr.reshape(x, -1)",
        )
    return expand_dims(a, 1) * expand_dims(b, 0)


def vecdot(x: NodeLike, y: NodeLike, axis: int = -1) -> Node:
    """The scalar products Σ x·y along ``axis``, which must be equally long in both; the rest broadcasts.

    Raises ``ShapeError`` where the lengths differ, ``DTypeError`` for booleans.

    >>> import chainrule as cr
    >>> cr.vecdot([[1.0, 2.0], [3.0, 4.0]], [10.0, 1.0]).value
    array([12., 34.], dtype=float32)
    """
    a, b = operands_of("vecdot", (x, y))
    fewer = min(a.ndim, b.ndim)  # axes are counted from the last, so that both mean the same one
    number = one_axis(axis, fewer, "vecdot") - fewer
    if a.shape[number] != b.shape[number]:
        raise ShapeError(
            f"vecdot: axis {axis} has length {a.shape[number]} in shape {a.shape} "
            f"and {b.shape[number]} in shape {b.shape}",
            where=user_place(),
            mend="the axis summed over must be equally long in both (transpose one of them?)",
        )
    return cast(sum_(a * b, axis=number), a.dtype)


def operands_of(what: str, values: Sequence[NodeLike]) -> list[Node]:
    """The operands as nodes of one dtype that is not bool; errors say which function was called."""
    try:
        nodes = promote_inputs(values)
        _refuse_booleans(nodes)
    except ChainruleError as error:
        raise type(error)(f"{what}: {error.what}", where=user_place(), mend=error.mend) from None
    return nodes


for _function in (matmul, outer, vecdot):
    register(_function.__name__, _function)
