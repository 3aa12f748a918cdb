"""Losses element by element, of margins, and between distributions.  None of them broadcasts."""

from __future__ import annotations

import math

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..graph import Constant, Node, NodeLike, apply, as_node, user_place
from ..ops import Composite, abs, astype, exp, greater, less_equal, log, log1p, maximum, sigmoid, sum, where
from ..ops.axes import one_axis
from ..ops.elementwise import broadcast_shapes
from .activations import relu
from .targets import Reduction, reduced, same_shape


class BinaryCrossEntropy(Composite):
    """Inputs: logits and targets of one shape, and a positive weight that broadcasts to it."""

    name = "binary_cross_entropy"

    def build(self, logits: Node, targets: Node, *weight: Node) -> Node:
        missed, raised = _surprises(logits)
        positive = targets * weight[0] if weight else targets
        return positive * missed + (1 - targets) * raised

    def vjp(self, ct: Node, out: Node, logits: Node, targets: Node, *weight: Node) -> tuple[Node | None, ...]:
        # σ(z) - t would cancel where the answer is right; this form is exact in both tails.
        missed, raised = _surprises(logits)
        positive = targets * weight[0] if weight else targets
        by_logits = (1 - targets) * sigmoid(logits) - positive * sigmoid(-logits)
        by_targets = (weight[0] * missed if weight else missed) - raised
        return ct * by_logits, ct * by_targets, *(None for _ in weight)


def _surprises(logits: Node) -> tuple[Node, Node]:
    """-log σ(z) and -log(1 - σ(z)), of one exponential."""
    tail = log1p(exp(-abs(logits)))
    return maximum(-logits, 0) + tail, maximum(logits, 0) + tail


_BINARY_CROSS_ENTROPY = BinaryCrossEntropy()


def binary_cross_entropy_with_logits(
    logits: NodeLike,
    targets: NodeLike,
    *,
    pos_weight: NodeLike | None = None,
    reduction: Reduction = "mean",
) -> Node:
    """The binary logistic loss of scores z against labels t in [0, 1], stable for every z.

    ``L = -[w·t·log σ(z) + (1 - t)·log(1 - σ(z))]``, with gradient ``σ(z) - t`` where w = 1.

    ``logits`` and ``targets`` have one shape; ``pos_weight`` w broadcasts to it and multiplies the loss
    of the positive examples (no gradient flows to it).

    Raises ``ShapeError`` for shapes that differ: ``(N, 1)`` against ``(N,)`` is refused, not broadcast.

    >>> import chainrule as cr
    >>> z = cr.variable([0.0, 100.0])
    >>> cr.binary_cross_entropy_with_logits(z, [1.0, 0.0], reduction="none").value.round(4)
    array([  0.6931, 100.    ], dtype=float32)
    """
    what = "binary_cross_entropy_with_logits"
    z, t = same_shape(what, logits=logits, targets=targets)
    if pos_weight is None:
        return reduced(apply(_BINARY_CROSS_ENTROPY, z, t), reduction, what)
    weight = as_node(pos_weight)
    try:
        fits = broadcast_shapes(weight.shape, z.shape) == z.shape
    except ShapeError:
        fits = False
    if not fits:
        raise ShapeError(
            f"{what}: pos_weight of shape {weight.shape} does not broadcast to {z.shape}",
            where=user_place(),
            mend="one number, or one for each label along the last axis",
        )
    return reduced(apply(_BINARY_CROSS_ENTROPY, z, t, astype(weight, z.dtype)), reduction, what)


def hinge_loss(
    scores: NodeLike, targets: NodeLike, *, margin: float = 1.0, reduction: Reduction = "mean"
) -> Node:
    """The hinge loss ``max(0, Δ - t·s)`` of scores s against labels t = ±1, with margin Δ.

    Scores and targets have one shape.  Raises ``ShapeError`` where they differ, ``ArgumentError`` for
    constant targets other than -1 and 1.

    >>> import chainrule as cr
    >>> cr.hinge_loss([0.5, -2.0, 3.0], [1, -1, -1], reduction="none").value
    array([0.5, 0. , 4. ], dtype=float32)
    """
    s, t = same_shape("hinge_loss", scores=scores, targets=targets)
    if isinstance(t, Constant) and not np.isin(t.array, (-1, 1)).all():
        wrong = t.array[~np.isin(t.array, (-1, 1))][0]
        raise ArgumentError(
            f"hinge_loss: the targets are -1 and 1, and {wrong:g} is among them",
            where=user_place(),
            mend="from labels 0 and 1: 2 * targets - 1",
        )
    return reduced(relu(margin - t * s), reduction, "hinge_loss")


def max_margin(
    true_scores: NodeLike,
    corrupted_scores: NodeLike,
    *,
    margin: float = 1.0,
    reduction: Reduction = "mean",
) -> Node:
    """The max-margin loss ``max(0, Δ + s_c - s)``: a true window should score Δ above a corrupted one.

    ∂L/∂s = -1 and ∂L/∂s_c = 1 where the margin is violated, 0 elsewhere (the NER lecture; Collobert and
    Weston, 2008).  Both scores have one shape; raises ``ShapeError`` where they differ.

    >>> import chainrule as cr
    >>> cr.max_margin([3.0, 0.5], [1.0, 0.0], reduction="none").value
    array([0. , 0.5], dtype=float32)
    """
    s, corrupted = same_shape("max_margin", true_scores=true_scores, corrupted_scores=corrupted_scores)
    return reduced(relu(margin + corrupted - s), reduction, "max_margin")


def mse_loss(predictions: NodeLike, targets: NodeLike, *, reduction: Reduction = "mean") -> Node:
    """The squared error ``(x - t)²``, by default its mean over all elements.

    Predictions and targets have one shape; raises ``ShapeError`` where they differ.

    >>> import chainrule as cr
    >>> float(cr.mse_loss([1.0, 3.0], [0.0, 1.0]))
    2.5
    """
    x, t = same_shape("mse_loss", predictions=predictions, targets=targets)
    difference = x - t
    return reduced(difference * difference, reduction, "mse_loss")


def l1_loss(predictions: NodeLike, targets: NodeLike, *, reduction: Reduction = "mean") -> Node:
    """The absolute error ``|x - t|``, by default its mean over all elements; its derivative at 0 is 0.

    Predictions and targets have one shape; raises ``ShapeError`` where they differ.

    >>> import chainrule as cr
    >>> float(cr.l1_loss([1.0, 3.0], [0.0, 1.0]))
    1.5
    """
    x, t = same_shape("l1_loss", predictions=predictions, targets=targets)
    return reduced(abs(x - t), reduction, "l1_loss")


def huber_loss(
    predictions: NodeLike, targets: NodeLike, *, delta: float = 1.0, reduction: Reduction = "mean"
) -> Node:
    """The Huber loss: ``d²/2`` for |d| ≤ δ and ``δ·(|d| - δ/2)`` beyond, with d = x - t (Huber, 1964).

    Predictions and targets have one shape; raises ``ShapeError`` where they differ, ``ArgumentError``
    unless δ is positive.

    >>> import chainrule as cr
    >>> cr.huber_loss([0.5, 3.0], [0.0, 0.0], reduction="none").value
    array([0.125, 2.5  ], dtype=float32)
    """
    if not (delta > 0 and math.isfinite(delta)):
        raise ArgumentError(f"huber_loss: delta={delta} is not a positive number", where=user_place())
    x, t = same_shape("huber_loss", predictions=predictions, targets=targets)
    difference = x - t
    size = abs(difference)
    inner = 0.5 * (difference * difference)
    return reduced(
        where(less_equal(size, delta), inner, delta * (size - 0.5 * delta)), reduction, "huber_loss"
    )


def kl_divergence(
    log_probabilities: NodeLike, targets: NodeLike, *, axis: int = -1, reduction: Reduction = "mean"
) -> Node:
    """The Kullback-Leibler divergence ``Σᵢ pᵢ·(log pᵢ - log qᵢ)`` of targets p from log-probabilities log q.

    Both have one shape; the sum runs over ``axis``, and the mean over what is left (which PyTorch calls
    ``batchmean``).  A target of 0 contributes 0, whatever log q is.

    Raises ``ShapeError`` where shapes differ.

    >>> import chainrule as cr
    >>> float(cr.kl_divergence(cr.log([[0.5, 0.5]]), [[1.0, 0.0]]))
    0.6931...
    """
    q, p = same_shape("kl_divergence", log_probabilities=log_probabilities, targets=targets)
    number = one_axis(axis, p.ndim, "kl_divergence")
    present = greater(p, 0)
    terms = where(present, p * (log(where(present, p, 1)) - where(present, q, 0)), 0)
    return reduced(sum(terms, axis=number), reduction, "kl_divergence")
