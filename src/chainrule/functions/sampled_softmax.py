"""The cross-entropy of a softmax over very many classes, estimated from a few of them."""

from __future__ import annotations

import math

from ..errors import ShapeError
from ..graph import Node, NodeLike, user_place
from ..ops import concat, expand_dims, matmul, matrix_transpose, take, vecdot
from .linear import embedding
from .softmax import as_float, logsumexp
from .targets import Reduction, as_targets, class_indices, in_range, reduced


def sampled_cross_entropy(
    features: NodeLike,
    table: NodeLike,
    targets: NodeLike,
    negatives: NodeLike,
    log_q: NodeLike,
    *,
    bias: NodeLike | None = None,
    reduction: Reduction = "mean",
) -> Node:
    """An estimate of ``cross_entropy(features·tableᵀ + bias, targets)`` that scores S + 1 classes.

    With scores ``s_c = x·T_c + b_c``, the right class t, and classes n₁ … n_S drawn from q::

        L = log Ẑ - s_t      Ẑ = (exp(s_t)/q_t + Σₖ exp(s_nₖ)/q_nₖ) / (S + 1)

    Ẑ tends to the softmax's own sum as S grows.  At any S the loss is, but for log((S + 1)·q_t), the
    cross-entropy of telling which of the S + 1 classes the data gave and not q; it is least where the
    softmax of s is the data's distribution (Bengio and Senécal, 2008; Ma and Collins, 2018).

    ``features`` is (…, d), ``table`` (C, d), ``bias`` (C,), ``targets`` (…) integers, ``negatives`` (S,)
    integers, one draw for all examples, in which a class may stand more than once, and ``log_q`` (C,) the
    logarithms of what each class is drawn with, above -∞ for every target.  Gradients reach those rows of
    the table alone that are named.

    Raises ``ShapeError`` where shapes do not fit, ``IndexRangeError`` for an index that is no class.

    >>> import chainrule as cr
    >>> import numpy as np
    >>> x, table = cr.constant([[1.0, 0.0]]), cr.constant([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    >>> drawn = cr.constant(np.arange(30_000) % 3)  # each as often as the others
    >>> sampled = cr.sampled_cross_entropy(x, table, [2], drawn, np.log([1 / 3] * 3))
    >>> round(float(sampled), 3), round(float(cr.cross_entropy(x @ table.T, [2])), 3)
    (0.408, 0.408)
    """
    what = "sampled_cross_entropy"
    x, rows, log_chance = as_float(features), as_float(table), as_float(log_q)
    if rows.ndim != 2 or not x.ndim or x.shape[-1] != rows.shape[1]:
        raise ShapeError(
            f"{what}: features of shape {x.shape} and a table of shape {rows.shape}; "
            "(…, d) and (classes, d) are needed",
            where=user_place(),
        )
    classes = rows.shape[0]
    offset = None if bias is None else as_float(bias)
    for name, numbers in (("log_q", log_chance), ("bias", offset)):
        if numbers is not None and numbers.shape != (classes,):
            raise ShapeError(
                f"{what}: {name} has the shape {numbers.shape}, not ({classes},)", where=user_place()
            )
    wanted = in_range(class_indices(as_targets(targets, what), classes, what), classes, what)
    drawn = in_range(class_indices(as_targets(negatives, what), classes, what), classes, what)
    if wanted.shape != x.shape[:-1] or drawn.ndim != 1 or not drawn.size:
        raise ShapeError(
            f"{what}: targets of shape {wanted.shape} and negatives of shape {drawn.shape} for features of "
            f"shape {x.shape}",
            where=user_place(),
            mend=f"targets need the shape {x.shape[:-1]}, negatives one axis, of 1 or more",
        )
    right = vecdot(x, embedding(wanted, rows))
    others = matmul(x, matrix_transpose(take(rows, drawn, axis=0)))
    correction = -take(log_chance, drawn, axis=0)
    if offset is not None:
        right = right + take(offset, wanted, axis=0)
        correction = correction + take(offset, drawn, axis=0)
    first = right - take(log_chance, wanted, axis=0)
    scores = concat([expand_dims(first, first.ndim), others + correction], axis=-1)
    losses = logsumexp(scores, axis=-1) - math.log(drawn.size + 1) - right
    return reduced(losses, reduction, what)
