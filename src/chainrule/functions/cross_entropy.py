"""Cross-entropy and negative log-likelihood: the losses of classifiers and language models.

Neither writes a derivative of its own: that of the parts is ``softmax - onehot`` already, from the very
exponentials of the forward pass, in as many passes over memory as a rule by hand would take.
"""

from __future__ import annotations

from typing import NamedTuple

from ..dtypes import bool_, is_float, promote
from ..errors import ArgumentError, DTypeError, ShapeError
from ..graph import Node, NodeLike, apply, as_node, differing, shape_error, user_place
from ..ops import (
    Composite,
    astype,
    log,
    matmul,
    mean,
    not_equal,
    permute_dims,
    pick,
    squeeze,
    sum,
    take,
    where,
)
from ..ops.axes import one_axis
from .softmax import as_float, exponentials, shifted
from .targets import Reduction, as_targets, check_reduction, class_indices, in_range


class _Labels(NamedTuple):
    """Index targets, made safe to read with."""

    classes: Node
    """The class of each example, in range."""
    keep: Node | None
    """Which examples count; None where all do."""
    weight: Node | None
    """The weight of each example's class; None where all are 1."""


def _labels(
    targets: Node, weights: Node | None, classes: int, ignore_index: int | None, what: str
) -> _Labels:
    keep, index = None, targets
    if ignore_index is not None:
        keep = not_equal(targets, ignore_index)
        index = where(keep, targets, 0)
    index = in_range(index, classes, what)
    return _Labels(index, keep, None if weights is None else take(weights, index, axis=0))


def _divisor(labels: _Labels, like: Node) -> Node | int:
    """What the mean divides by: the total weight of the examples that count."""
    if labels.weight is not None:
        return sum(labels.weight if labels.keep is None else where(labels.keep, labels.weight, 0))
    return labels.classes.size if labels.keep is None else sum(astype(labels.keep, like.dtype))


def _reduce(losses: Node, labels: _Labels | None, reduction: str) -> Node:
    if labels is not None and labels.keep is not None:
        losses = where(labels.keep, losses, 0)
    if reduction == "none":
        return losses
    if reduction == "sum":
        return sum(losses)
    return sum(losses) / (losses.size if labels is None else _divisor(labels, losses))


def _smoothed(targets: Node, smoothing: float) -> Node:
    return targets * (1 - smoothing) + smoothing / targets.shape[-1] if smoothing else targets


class CrossEntropy(Composite):
    """Inputs: logits (…, C); targets (…) of integers or (…, C) of probabilities; class weights (C,)."""

    def build(
        self,
        logits: Node,
        targets: Node,
        *weights: Node,
        ignore_index: int | None,
        label_smoothing: float,
        reduction: str,
    ) -> Node:
        # Shifted scores are at most 0 and log_total at least 0, so no difference below cancels.
        last = (logits.ndim - 1,)
        scores = shifted(logits, last)
        log_total = log(exponentials(logits, last)[1])
        weight = weights[0] if weights else None
        if is_float(targets.dtype):
            wanted = _smoothed(targets, label_smoothing)
            wanted = wanted if weight is None else wanted * weight
            losses = squeeze(log_total, -1) * sum(wanted, axis=-1) - sum(wanted * scores, axis=-1)
            return _reduce(losses, None, reduction)
        labels = _labels(targets, weight, logits.shape[-1], ignore_index, self.name)
        log_total = squeeze(log_total, -1)
        losses = log_total - pick(scores, labels.classes)
        if labels.weight is not None:
            losses = losses * labels.weight
        if label_smoothing:
            losses = (1 - label_smoothing) * losses + label_smoothing * _even(scores, log_total, weight)
        return _reduce(losses, labels, reduction)


def _even(scores: Node, log_total: Node, weight: Node | None) -> Node:
    """The loss against all classes alike, each with its weight."""
    if weight is None:
        return log_total - mean(scores, axis=-1)
    return log_total * mean(weight) - matmul(scores, weight) / scores.shape[-1]


class NllLoss(Composite):
    """Inputs: log-probabilities (…, C), targets (…) of integers, class weights (C,)."""

    def build(
        self, scores: Node, targets: Node, *weights: Node, ignore_index: int | None, reduction: str
    ) -> Node:
        labels = _labels(targets, weights[0] if weights else None, scores.shape[-1], ignore_index, self.name)
        losses = -pick(scores, labels.classes)
        return _reduce(losses if labels.weight is None else losses * labels.weight, labels, reduction)


_CROSS_ENTROPY, _NLL_LOSS = CrossEntropy(), NllLoss()


def cross_entropy(
    logits: NodeLike,
    targets: NodeLike,
    *,
    axis: int = -1,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    class_weights: NodeLike | None = None,
    reduction: Reduction = "mean",
) -> Node:
    """The cross-entropy of the softmax of ``logits`` against the right class, or a distribution.

    ``L = -log softmax(z)[t] = log Σⱼ exp(zⱼ) - z[t]`` for a class t, and ``-Σᵢ pᵢ·log softmax(z)[i]``
    for probabilities p.  Its gradient is ``softmax(z) - onehot(t)``, times upstream.

    ``logits`` has C classes along ``axis``.  ``targets`` are integers (int32 or int64) of the shape of
    ``logits`` without that axis, or probabilities of its whole shape.  Options:

    - ``ignore_index``: examples with this target count for nothing (indices only);
    - ``label_smoothing`` ε: targets become (1 - ε)·target + ε/C (Szegedy et al., 2016);
    - ``class_weights`` of shape (C,): each class's loss times its weight; the mean over index targets
      then divides by the total weight of the targets;
    - ``reduction``: ``"mean"`` over the examples that count (NaN if there are none), ``"sum"``, or
      ``"none"`` for one loss an example.

    Raises ``ShapeError`` where targets do not fit, ``IndexRangeError`` for an index that is no class.

    >>> import chainrule as cr
    >>> z = cr.variable([[2.0, 0.0], [0.0, 0.0]])
    >>> loss = cr.cross_entropy(z, [0, 1])
    >>> round(float(loss), 4), cr.gradients(loss, z).value.round(4)
    (0.41, array([[-0.0596,  0.0596],
           [ 0.25  , -0.25  ]], dtype=float32))
    """
    what = "cross_entropy"
    scores, wanted = as_float(logits), as_targets(targets, what)
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError(
            f"{what}: label_smoothing={label_smoothing} is outside [0, 1]", where=user_place()
        )
    scores, position = _classes_last(scores, axis, what)
    classes = scores.shape[-1]
    if is_float(wanted.dtype):
        if ignore_index is not None:
            raise ArgumentError(
                f"{what}: ignore_index is for class indices, and the targets are {wanted.dtype}",
                where=user_place(),
                mend="give rows of zeros to the examples that do not count",
            )
        wanted = _probabilities(wanted, as_node(logits), position)
        common = promote(scores.dtype, wanted.dtype)
        scores, wanted = astype(scores, common), astype(wanted, common)
    else:
        wanted = _indices(wanted, scores, ignore_index, what)
    return apply(
        _CROSS_ENTROPY,
        scores,
        wanted,
        *_weights(class_weights, classes, scores, what),
        ignore_index=None if ignore_index is None else int(ignore_index),
        label_smoothing=float(label_smoothing),
        reduction=check_reduction(reduction, what),
    )


def nll_loss(
    log_probabilities: NodeLike,
    targets: NodeLike,
    *,
    axis: int = -1,
    ignore_index: int | None = None,
    class_weights: NodeLike | None = None,
    reduction: Reduction = "mean",
) -> Node:
    """The negative log-likelihood ``-log p[t]`` of the right classes, from log-probabilities.

    :func:`cross_entropy` is this of :func:`log_softmax`; shapes, options and errors are the same.

    >>> import chainrule as cr
    >>> float(cr.nll_loss(cr.log([[0.25, 0.75]]), [0]))
    1.386294...
    """
    what = "nll_loss"
    scores, _ = _classes_last(as_float(log_probabilities), axis, what)
    wanted = _indices(as_targets(targets, what), scores, ignore_index, what)
    return apply(
        _NLL_LOSS,
        scores,
        wanted,
        *_weights(class_weights, scores.shape[-1], scores, what),
        ignore_index=None if ignore_index is None else int(ignore_index),
        reduction=check_reduction(reduction, what),
    )


def _classes_last(scores: Node, axis: int, what: str) -> tuple[Node, int]:
    position = one_axis(axis, scores.ndim, what)
    order = [number for number in range(scores.ndim) if number != position]
    return permute_dims(scores, (*order, position)), position


def _indices(targets: Node, scores: Node, ignore_index: int | None, what: str) -> Node:
    if targets.dtype is bool_ or is_float(targets.dtype):
        raise DTypeError(
            f"{what}: class indices are integers, not {targets.dtype}",
            where=user_place(),
            mend="convert first: targets.astype('int64')",
        )
    if targets.shape != scores.shape[:-1]:
        mend = f"targets need the shape {scores.shape[:-1]}: one class for each row of the logits"
        if targets.shape == (*scores.shape[:-1], 1):
            mend = "take the axis of length 1 away: cr.squeeze(targets, axis=-1)"
        elif targets.shape == scores.shape:
            mend = "one-hot rows are probabilities: targets.astype('float32')"
        raise shape_error(
            what,
            f"targets of shape {targets.shape} do not name one of {scores.shape[-1]} classes for "
            f"each of the {scores.shape[:-1]} examples",
            (scores, targets),
            mend=mend,
        )
    return class_indices(targets, scores.shape[-1], what, ignore=ignore_index)


def _probabilities(targets: Node, logits: Node, position: int) -> Node:
    if targets.shape != logits.shape:
        raise shape_error(
            "cross_entropy",
            f"probabilities of shape {targets.shape} for logits of shape {logits.shape}",
            (logits, targets),
            differing(logits, targets),
            mend="probabilities need the logits' shape; class indices need an integer type: "
            "targets.astype('int64')",
        )
    order = [number for number in range(targets.ndim) if number != position]
    return permute_dims(targets, (*order, position))


def _weights(weights: NodeLike | None, classes: int, scores: Node, what: str) -> tuple[Node, ...]:
    if weights is None:
        return ()
    node = as_node(weights)
    if node.shape != (classes,):
        raise ShapeError(
            f"{what}: class_weights of shape {node.shape} for {classes} classes",
            where=user_place(),
            mend=f"one weight a class: shape ({classes},)",
        )
    return (astype(node, scores.dtype),)
