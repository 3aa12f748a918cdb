"""Attention: every query reads a mixture of values, weighted by how well the keys match it."""

from __future__ import annotations

import math

import numpy as np

from ..dtypes import bool_, is_float
from ..errors import ArgumentError, ChainruleError, DTypeError, ShapeError
from ..graph import Node, NodeLike, apply, as_node, constant, shape_error, user_place
from ..ops import Composite, astype, greater_equal, logical_and, matmul, matrix_transpose, not_equal
from ..ops.elementwise import broadcast_shapes, promote_inputs
from .softmax import masked_softmax, softmax


class ScaledDotProductAttention(Composite):
    """Inputs: queries, keys, values, and a mask, boolean or added."""

    name = "attention"

    def build(self, q: Node, k: Node, v: Node, *mask: Node, causal: bool, scale: float) -> Node:
        scores = matmul(q * scale, matrix_transpose(k))
        allowed = _not_later(q.shape[-2], k.shape[-2]) if causal else None
        if mask and is_float(mask[0].dtype):
            scores = scores + mask[0]
            open_ = not_equal(scores, -math.inf)
            allowed = open_ if allowed is None else logical_and(allowed, open_)
        elif mask:
            allowed = mask[0] if allowed is None else logical_and(allowed, mask[0])
        weights = softmax(scores) if allowed is None else masked_softmax(scores, allowed)
        return matmul(weights, v)


def _not_later(queries: int, keys: int) -> Node:
    """Which keys each query may read: those that do not come after it."""
    return greater_equal(constant(np.arange(queries)[:, None]), constant(np.arange(keys)))


_ATTENTION = ScaledDotProductAttention()


def scaled_dot_product_attention(
    q: NodeLike,
    k: NodeLike,
    v: NodeLike,
    mask: NodeLike | None = None,
    *,
    causal: bool = False,
    scale: float | None = None,
) -> Node:
    """``softmax(q·kᵀ·scale + mask)·v``, with scale 1/√d where none is given (Vaswani et al., 2017).

    ``q`` is (…, T, d), ``k`` (…, S, d), ``v`` (…, S, e), the result (…, T, e); the axes in front
    broadcast.  ``mask`` broadcasts to (…, T, S): booleans say where a query may look, floats are added
    to the scores.  ``causal`` lets query t look at keys 0 … t only, also beside a mask.  A query that
    may look nowhere gets zeros, and its gradient is zero.

    Raises ``ShapeError`` where shapes do not fit, ``DTypeError`` for an integer mask.

    >>> import chainrule as cr
    >>> x = cr.constant([[1.0, 0.0], [0.0, 1.0]])
    >>> cr.scaled_dot_product_attention(x, x, x, causal=True).value.round(4)
    array([[1.    , 0.    ],
           [0.3302, 0.6698]], dtype=float32)
    """
    what = "scaled_dot_product_attention"
    queries, keys, values = promote_inputs((q, k, v), to_float=True)
    shapes = f"q {queries.shape}, k {keys.shape}, v {values.shape}"
    if min(queries.ndim, keys.ndim, values.ndim) < 2:
        raise ShapeError(
            f"{what}: {shapes}; (…, T, d), (…, S, d) and (…, S, e) are needed", where=user_place()
        )
    if queries.shape[-1] != keys.shape[-1]:
        raise shape_error(
            what, f"queries and keys differ in length: {shapes}", (queries, keys), ((0, -1), (1, -1))
        )
    if keys.shape[-2] != values.shape[-2]:
        raise shape_error(
            what, f"there are not as many values as keys: {shapes}", (keys, values), ((0, -2), (1, -2))
        )
    if scale is None:
        scale = 1 / math.sqrt(queries.shape[-1]) if queries.shape[-1] else 1.0
    elif not math.isfinite(scale):
        raise ArgumentError(f"{what}: scale={scale} is not a finite number", where=user_place())
    masks = [] if mask is None else [_checked_mask(what, as_node(mask), queries, keys)]
    return apply(_ATTENTION, queries, keys, values, *masks, causal=bool(causal), scale=float(scale))


def _checked_mask(what: str, mask: Node, q: Node, k: Node) -> Node:
    if mask.dtype is not bool_ and not is_float(mask.dtype):
        raise DTypeError(
            f"{what}: a mask of {mask.dtype} is neither boolean nor added",
            where=user_place(),
            mend="mask != 0 says where a query may look",
        )
    try:
        scores = (*broadcast_shapes(q.shape[:-2], k.shape[:-2]), q.shape[-2], k.shape[-2])
        fits = broadcast_shapes(mask.shape, scores) == scores
    except ChainruleError as error:
        raise ShapeError(
            f"{what}: q {q.shape}, k {k.shape}, mask {mask.shape}: {error.what}", where=user_place()
        ) from None
    if not fits:
        raise ShapeError(
            f"{what}: a mask of shape {mask.shape} does not broadcast to the scores' shape {scores}",
            where=user_place(),
        )
    return mask if mask.dtype is bool_ else astype(mask, q.dtype)
