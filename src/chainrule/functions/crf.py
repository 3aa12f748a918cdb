"""The linear-chain conditional random field: the score of a whole sequence of tags, and its log-likelihood.

A sequence y of T tags has the score

    s(y) = a[y₁] + Σₜ fₜ[yₜ] + Σₜ A[yₜ, yₜ₊₁] + b[y_T]

of the words' scores f, transitions A, and what it is worth to begin (a) and to end (b) with a tag.  Its
probability is exp(s(y) - log Z), with Z the sum of exp(s) over all K^T sequences (Lafferty et al., 2001;
Collobert et al., 2011, section 3.3.2).  All sequences of a batch are padded to one length, with a mask.

The recursion over time is written out, one set of nodes a word: it costs B·K² exponentials a word, and each
length is a graph of its own.  Cut data into buckets of few lengths
(``chainrule.data.SentenceBatches``).  Gradients are those of the parts; that of log Z by f is the
probability of each tag at each word, so forward-backward needs no code of its own.
"""

from __future__ import annotations

import numpy as np

from ..dtypes import bool_
from ..errors import DTypeError, ShapeError
from ..graph import Node, NodeLike, Shape, apply, as_node, user_place
from ..ops import Composite, astype, expand_dims, logical_and, logical_not, pad, permute_dims, take, where
from ..ops import pick as pick_
from ..ops import sum as sum_
from .softmax import as_float, logsumexp
from .targets import Reduction, as_targets, class_indices, in_range, reduced


class CrfLogPartition(Composite):
    """Inputs: scores (B, T, K), transitions (K, K), start (K,), end (K,), mask (B, T)."""

    def build(self, scores: Node, transitions: Node, start: Node, end: Node, mask: Node) -> Node:
        words = permute_dims(scores, (1, 0, 2))
        present = expand_dims(permute_dims(mask, (1, 0)), 2)
        # alpha[b, k]: log of the sum over all beginnings of sequence b that end with tag k.
        alpha = start + words[0]
        for t in range(1, scores.shape[1]):
            onward = logsumexp(expand_dims(alpha, 2) + transitions, axis=1) + words[t]
            alpha = where(present[t], onward, alpha)
        return where(mask[:, 0], logsumexp(alpha + end, axis=1), 0)


class CrfPathScore(Composite):
    """Inputs: scores (B, T, K), tags (B, T), transitions (K, K), start (K,), end (K,), mask (B, T)."""

    def build(self, scores: Node, tags: Node, transitions: Node, start: Node, end: Node, mask: Node) -> Node:
        classes = scores.shape[2]
        tags = in_range(tags, classes, "crf_path_score")
        steps = tags[:, :-1] * classes + tags[:, 1:]
        last = logical_and(mask, logical_not(pad(mask[:, 1:], ((0, 0), (0, 1)), False)))
        own = where(mask, pick_(scores, tags) + where(last, take(end, tags, axis=0), 0), 0)
        between = where(mask[:, 1:], take(transitions.reshape(-1), steps, axis=0), 0)
        first = where(mask[:, 0], take(start, tags[:, 0], axis=0), 0)
        return first + sum_(own, axis=1) + sum_(between, axis=1)


_LOG_PARTITION, _PATH_SCORE = CrfLogPartition(), CrfPathScore()


def crf_log_partition(
    scores: NodeLike,
    transitions: NodeLike,
    *,
    start: NodeLike | None = None,
    end: NodeLike | None = None,
    mask: NodeLike | None = None,
) -> Node:
    """``log Z = log Σ_y exp(s(y))`` of each sequence, shape (B,), over all sequences y of tags.

    ``scores`` (B, T, K); ``transitions`` (K, K), row before column; ``start`` and ``end`` (K,), by default
    zeros; ``mask`` (B, T) holds at the real words, which come first; where there is none, log Z is 0.  A
    transition of -∞ forbids a step.

    Its gradient by ``scores`` is the probability of each tag at each word, and sums to 1 over the tags.

    Raises ``ShapeError`` for shapes that do not fit, ``DTypeError`` for a mask that is not boolean.

    >>> log_z = crf_log_partition(np.zeros((1, 3, 2), "f"), np.zeros((2, 2), "f"))  # of 2·2·2 sequences
    >>> round(float(np.exp(log_z.value[0])), 4)
    8.0
    """
    parts = _checked("crf_log_partition", scores, transitions, start, end, mask)
    return apply(_LOG_PARTITION, *parts)


def crf_path_score(
    scores: NodeLike,
    tags: NodeLike,
    transitions: NodeLike,
    *,
    start: NodeLike | None = None,
    end: NodeLike | None = None,
    mask: NodeLike | None = None,
) -> Node:
    """The score ``s(y)`` of one sequence of tags each, shape (B,).

    ``tags`` (B, T) are integers in 0 … K-1, also where the mask says that there is no word; all else is as
    in :func:`crf_log_partition`.

    >>> scores = np.float32([[[1, 0], [2, 0], [9, 9]]])
    >>> transitions = np.float32([[0, 10], [0, 0]])
    >>> crf_path_score(scores, [[0, 1, 0]], transitions, mask=[[True, True, False]]).value
    array([11.], dtype=float32)
    """
    what = "crf_path_score"
    f, *parts = _checked(what, scores, transitions, start, end, mask)
    wanted = class_indices(as_targets(tags, what), f.shape[2], what)
    if wanted.shape != f.shape[:2]:
        raise ShapeError(
            f"{what}: tags of shape {wanted.shape} for scores of shape {f.shape}",
            where=user_place(),
            mend=f"give one tag a word: shape {f.shape[:2]}",
        )
    return apply(_PATH_SCORE, f, wanted, *parts)


def crf_nll(
    scores: NodeLike,
    tags: NodeLike,
    transitions: NodeLike,
    *,
    start: NodeLike | None = None,
    end: NodeLike | None = None,
    mask: NodeLike | None = None,
    reduction: Reduction = "mean",
) -> Node:
    """The negative log-likelihood ``log Z - s(y)`` of the right tags: the sentence-level loss.

    Arguments are those of :func:`crf_path_score`; ``reduction`` is over the sequences: ``"mean"``,
    ``"sum"``, or ``"none"`` for one number each.  Without transitions it is the cross-entropy of each word,
    summed over the words of a sequence.

    Source: R. Collobert et al., Natural language processing (almost) from scratch, 2011, equation 12.

    >>> loss = crf_nll(np.zeros((1, 3, 2), "f"), [[0, 1, 1]], np.zeros((2, 2), "f"))
    >>> round(float(loss), 4) == round(float(np.log(8)), 4)
    True
    """
    more = {"start": start, "end": end, "mask": mask}
    losses = crf_log_partition(scores, transitions, **more) - crf_path_score(
        scores, tags, transitions, **more
    )
    return reduced(losses, reduction, "crf_nll")


def _checked(
    what: str,
    scores: NodeLike,
    transitions: NodeLike,
    start: NodeLike | None,
    end: NodeLike | None,
    mask: NodeLike | None,
) -> tuple[Node, Node, Node, Node, Node]:
    """All of them as nodes that fit together; what is not given is filled in."""
    f = as_float(scores)
    if f.ndim != 3 or not f.shape[1]:
        raise ShapeError(
            f"{what}: scores of shape {f.shape}",
            where=user_place(),
            mend="give (sequences, words, tags), with one word at least",
        )
    batch, length, classes = f.shape
    zeros = np.zeros(classes, np.float32)
    found: list[tuple[str, Node, Shape]] = [
        ("transitions", as_float(transitions), (classes, classes)),
        ("start", as_float(zeros if start is None else start), (classes,)),
        ("end", as_float(zeros if end is None else end), (classes,)),
    ]
    present = as_node(np.ones((batch, length), np.bool_) if mask is None else mask)
    for name, node, shape in [*found, ("mask", present, (batch, length))]:
        if node.shape != shape:
            raise ShapeError(
                f"{what}: {name} of shape {node.shape} for scores of shape {f.shape}",
                where=user_place(),
                mend=f"its shape is {shape}",
            )
    if present.dtype is not bool_:
        raise DTypeError(
            f"{what}: a mask of {present.dtype}", where=user_place(), mend="give booleans: words != 0, say"
        )
    a, first, last = [astype(node, f.dtype) for _, node, _ in found]
    return f, a, first, last, present
