"""Affine maps, look-ups and similarities: the parameters of a network meet its inputs here."""

from __future__ import annotations

import math

from ..errors import ArgumentError, ShapeError
from ..graph import Node, NodeLike, as_node, shape_error, user_place
from ..ops import expand_dims, matmul, maximum, not_equal, reshape, rsqrt, stop_gradient, sum, take, where
from ..ops.axes import one_axis
from ..ops.elementwise import promote_inputs
from .softmax import as_float
from .targets import class_indices, in_range


def with_bias(what: str, result: Node, bias: NodeLike | None) -> Node:
    """``result`` plus one number for each place of its last axis; raises ``ShapeError`` for another shape."""
    if bias is None:
        return result
    node = as_node(bias)
    if node.shape != result.shape[-1:]:
        raise shape_error(
            what,
            f"a bias of shape {node.shape} for {result.shape[-1]} outputs",
            (result, node),
            ((0, -1), (1, -1)) if node.ndim else (),
            mend=f"one number for each output: shape {result.shape[-1:]}",
        )
    return result + node


def linear(x: NodeLike, weight: NodeLike, bias: NodeLike | None = None) -> Node:
    """The affine map ``x·W + b``: one row of ``x`` for each example, one column of W for each output.

    ``x`` is (…, in), ``weight`` (in, out), ``bias`` (out,), the result (…, out).  With upstream δ,
    ∂L/∂W = xᵀδ, ∂L/∂b = Σ δ over examples and ∂L/∂x = δWᵀ.

    Raises ``ShapeError`` where the lengths do not agree.

    >>> import chainrule as cr
    >>> cr.linear([[1.0, 2.0]], [[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]], [0.5, 0.5, 0.5]).value
    array([[1.5, 2.5, 3.5]], dtype=float32)
    """
    rows, matrix = as_float(x), as_float(weight)
    if matrix.ndim != 2 or not rows.ndim or rows.shape[-1] != matrix.shape[0]:
        turned = matrix.ndim == 2 and rows.ndim > 0 and rows.shape[-1] == matrix.shape[1]
        raise shape_error(
            "linear",
            f"inputs of shape {rows.shape} and a weight of shape {matrix.shape}; "
            "(…, in) and (in, out) are needed",
            (rows, matrix),
            ((0, -1), (1, -2)) if rows.ndim and matrix.ndim == 2 else (),
            mend="transpose the weight: weight.T"
            if turned
            else "the last axis of x is what the weight reads",
        )
    return with_bias("linear", matmul(rows, matrix), bias)


def bilinear(x: NodeLike, y: NodeLike, weight: NodeLike, bias: NodeLike | None = None) -> Node:
    """The bilinear form ``out[o] = Σᵢⱼ x[i]·W[i, j, o]·y[j] + b[o]``, as scores of pairs are made.

    ``x`` is (…, I), ``y`` (…, J) with the same axes in front, ``weight`` (I, J, out), ``bias`` (out,),
    the result (…, out).  Raises ``ShapeError`` where the lengths do not agree.

    >>> import chainrule as cr
    >>> cr.bilinear([1.0, 2.0], [3.0, 4.0], [[[1.0], [0.0]], [[0.0], [1.0]]]).value
    array([11.], dtype=float32)
    """
    a, b, tensor = promote_inputs((x, y, weight), to_float=True)
    fits = tensor.ndim == 3 and a.ndim and b.ndim and (a.shape[-1], b.shape[-1]) == tensor.shape[:2]
    if not fits or a.shape[:-1] != b.shape[:-1]:
        raise ShapeError(
            f"bilinear: shapes {a.shape} and {b.shape} with a weight of shape {tensor.shape}; "
            "(…, I), (…, J) and (I, J, out) are needed",
            where=user_place(),
        )
    first, second, outputs = tensor.shape
    by_x = matmul(a, reshape(tensor, (first, second * outputs)))
    pairs = reshape(by_x, (*a.shape[:-1], second, outputs)) * expand_dims(b, b.ndim)
    return with_bias("bilinear", sum(pairs, axis=-2), bias)


def embedding(indices: NodeLike, table: NodeLike, padding_index: int | None = None) -> Node:
    """The rows of ``table`` that ``indices`` name: word vectors looked up.

    ``indices`` is an array of integers of any shape (…), ``table`` (words, d), the result (…, d).  It
    equals ``one_hot(indices)·table`` without the product.  Each row receives the sum of the gradients of
    its occurrences; the row ``padding_index`` receives none.

    Raises ``IndexRangeError`` for an index that is no row, a negative one too.

    >>> import chainrule as cr
    >>> table = cr.variable([[0.0, 0.0], [1.0, 2.0], [3.0, 4.0]])
    >>> rows = cr.embedding([[1, 2, 0]], table, padding_index=0)
    >>> rows.value
    array([[[1., 2.],
            [3., 4.],
            [0., 0.]]], dtype=float32)
    >>> cr.gradients(rows.sum(), table).value
    array([[0., 0.],
           [1., 1.],
           [1., 1.]], dtype=float32)
    """
    rows = as_float(table)
    if rows.ndim != 2:
        raise ShapeError(
            f"embedding: a table of shape {rows.shape}; (words, dimensions) is needed", where=user_place()
        )
    count = rows.shape[0]
    places = in_range(class_indices(indices, count, "embedding", "rows"), count, "embedding", "rows")
    found = take(rows, places, axis=0)
    if padding_index is None:
        return found
    if not 0 <= padding_index < count:
        raise ArgumentError(
            f"embedding: padding_index={padding_index} is not a row of a table of {count}",
            where=user_place(),
        )
    real = expand_dims(not_equal(places, int(padding_index)), places.ndim)
    return where(real, found, stop_gradient(found))


def cosine_similarity(x: NodeLike, y: NodeLike, axis: int = -1, eps: float = 1e-8) -> Node:
    """The cosine of the angle between vectors along ``axis``: ``x·y / (max(|x|, ε)·max(|y|, ε))``.

    Shapes broadcast, and ``axis`` is gone from the result.  A vector of zeros has similarity 0 and a
    finite gradient.

    >>> import chainrule as cr
    >>> cr.cosine_similarity([[1.0, 0.0], [1.0, 1.0]], [1.0, 0.0]).value.round(4)
    array([1.    , 0.7071], dtype=float32)
    """
    if not (eps > 0 and math.isfinite(eps)):
        raise ArgumentError(f"cosine_similarity: eps={eps} is not a positive number", where=user_place())
    a, b = promote_inputs((x, y), to_float=True)
    products = a * b
    number = one_axis(axis, products.ndim, "cosine_similarity") - products.ndim
    for operand, node in (("x", a), ("y", b)):
        if node.ndim < -number or node.shape[number] != products.shape[number]:
            raise ShapeError(
                f"cosine_similarity: {operand} of shape {node.shape} has no whole vector along axis {axis}",
                where=user_place(),
                mend="both operands need that axis, at the same length",
            )
    lengths = [rsqrt(maximum(sum(node * node, axis=number), eps * eps)) for node in (a, b)]
    return sum(products, axis=number) * lengths[0] * lengths[1]
