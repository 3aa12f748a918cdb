"""The nest of a matrix product: rows, columns, and a sum over what both factors share.

A factor is read where it lies, transposed or as sliding windows, if its elements are at affine places;
anything more is computed beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ... import loops
from ...graph import Node
from ...loops import Axis, Buffer, Scalar, Statement, index
from ...ops.movement import PermuteDims, Reshape
from .elements import Indices
from .nesting import axes_of, nested

if TYPE_CHECKING:
    from .lowering import Lowering


def matmul(lowering: Lowering, node: Node, buffer: Buffer) -> None:
    x, y = node.inputs
    if not node.size:
        return
    if not x.shape[-1]:
        zero = loops.constant(0, node.dtype)
        lowering.nest(buffer.name, (node.size,), lambda i: [loops.store(buffer, i[0], zero)])
        return
    rows, columns, inner = x.shape[-2:-1], y.shape[1:] if y.ndim == 1 else y.shape[-1:], x.shape[-1:]
    batch = node.shape[: node.ndim - len(rows) - len(columns)]
    x_rows: tuple[int, ...]
    if batch and y.ndim == 2 and _reads(lowering, x, (math.prod(x.shape[:-1]),), inner):
        x_rows, batch, lead = (math.prod(x.shape[:-1]),), (), x.ndim - 1
    else:
        x_rows, lead = rows, 1
    # Windows seen as the rows of a matrix are no even steps in memory: their own axes are.
    m_sizes, k_sizes = _factors(lowering, x, x_rows, inner) if x.ndim > 1 else ((), inner)
    if y.ndim > 1 and k_sizes == inner:
        k_sizes, n_sizes = _factors(lowering, y, inner, columns)
    else:
        n_sizes = columns
    outer, m_axes, n_axes, k_axes = (
        axes_of(batch),
        _named("m", m_sizes),
        _named("n", n_sizes),
        _named("k", k_sizes),
    )
    front = [loops.axis(a) for a in outer]
    i, j, p = [_place_of(axes) for axes in (m_axes, n_axes, k_axes)]
    for operand, places in ((x, (i, p)), (y, (p, j))):
        if not _plain(_operand(lowering, operand, front, places, lead)):
            lowering.materialise(operand)
    left, right = _operand(lowering, x, front, (i, p), lead), _operand(lowering, y, front, (p, j), 1)
    statements: list[Statement] = []
    total = loops.mul(left, right)
    long = [axis for axis in k_axes if axis.extent > 1]
    if long:
        statement, total = loops.reduce("sum", total, *long)
        statements.append(statement)
    place = index.ravel([*front, i, j], [*batch, math.prod(x_rows), math.prod(columns)])
    axes = [*outer, *m_axes, *n_axes]
    lowering.steps.append(nested(buffer.name, axes, [*statements, loops.store(buffer, place, total)]))


def _named(name: str, sizes: Sequence[int]) -> list[Axis]:
    return [Axis(name if len(sizes) == 1 else f"{name}{number}", size) for number, size in enumerate(sizes)]


def _place_of(axes: Sequence[Axis]) -> Scalar:
    return index.ravel([loops.axis(a) for a in axes], [a.extent for a in axes])


def _operand(lowering: Lowering, node: Node, front: Indices, last: Indices, lead: int) -> Scalar:
    """An element of a factor; its first ``lead`` axes are one row number, or it is a vector."""
    if node.ndim == 1:
        return lowering.at(node, [last[0] if last[1].op == "constant" else last[1]])
    if lead > 1:
        return lowering.at(node, [*index.unravel(last[0], node.shape[:-1]), last[1]])
    shared = node.shape[:-2]
    used = front[len(front) - len(shared) :]
    batch = [index.number(0) if size == 1 else a for size, a in zip(shared, used, strict=True)]
    return lowering.at(node, [*batch, *last])


def _factors(
    lowering: Lowering, node: Node, rows: Sequence[int], columns: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The sizes into which a matrix's rows and columns are cut so that reading it is affine."""
    if (
        node.ndim == 2
        and isinstance(node.op, Reshape | PermuteDims)
        and not _reads(lowering, node, rows, columns)
    ):
        if isinstance(node.op, PermuteDims):
            cut = _factors(lowering, node.inputs[0], columns, rows)
            return cut[1], cut[0]
        shape = node.inputs[0].shape
        for at in range(1, len(shape)):
            if math.prod(shape[:at]) == rows[0] and _reads(lowering, node, shape[:at], shape[at:]):
                return shape[:at], shape[at:]
            if math.prod(shape[:at]) == rows[0] and _reads(lowering, node, shape[:at], columns):
                return shape[:at], tuple(columns)
    return tuple(rows), tuple(columns)


def _reads(lowering: Lowering, node: Node, rows: Sequence[int], columns: Sequence[int]) -> bool:
    """Whether reading a matrix by these axes is a load at an affine place."""
    row, column = _place_of(_named("m", rows)), _place_of(_named("n", columns))
    if node.ndim == 2:
        return _plain(lowering.at(node, [row, column]))
    return _plain(lowering.at(node, [*index.unravel(row, node.shape[:-1]), column]))


def _plain(element: Scalar) -> bool:
    """Whether an element is a load at an affine place: what is more is computed beforehand."""
    return element.op == "load" and all(term.op == "axis" for term in index.terms(element.args[0])[1])
