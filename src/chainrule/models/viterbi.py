"""The best sequence of tags, exactly, by dynamic programming (Viterbi, 1967), in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ArgumentError, ShapeError

Floats = NDArray[np.float64]

_AT_ONCE = 1 << 18
"""Numbers in a table of scores; sentences are taken together up to it."""


def viterbi(
    scores: ArrayLike,
    lengths: ArrayLike,
    transitions: ArrayLike,
    start: ArrayLike | None = None,
    end: ArrayLike | None = None,
) -> NDArray[np.int32]:
    """The tags of all words that score most, sentence by sentence, shape (words,).

        argmax_y  a[y₁] + Σₜ fₜ[yₜ] + Σₜ A[yₜ, yₜ₊₁] + b[y_T]

    ``scores`` f (words, K), the sentences end to end; ``lengths`` (sentences,), of which some may be 0;
    ``transitions`` A (K, K), row before column; ``start`` a and ``end`` b (K,), by default zeros.  -∞
    forbids.  Of sequences that score the same, the one with the smaller tags from behind is taken.

    It takes T·K² steps for a sentence of T words; sentences run side by side, the longest first.

    Raises ``ShapeError`` for shapes that do not fit, ``ArgumentError`` where no sequence is allowed or a
    score is NaN.

    >>> viterbi([[1.0, 0], [0, 3], [2, 0]], [2, 1], [[0, -9], [0, 0]])
    array([1, 1, 0], dtype=int32)
    """
    f, own = np.asarray(scores, np.float64), np.asarray(lengths, np.int64)
    a, first, last = _checked(f, own, transitions, start, end)
    starts = np.cumsum(own) - own
    order = np.argsort(-own, kind="stable")
    order = order[own[order] > 0]
    found = np.zeros(len(f), np.int32)
    size = max(1, _AT_ONCE // max(a.size, 1))
    for begin in range(0, len(order), size):
        some = order[begin : begin + size]
        _side_by_side(f, starts[some], own[some], a, first, last, found)
    return found


def _side_by_side(
    f: Floats,
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    a: Floats,
    first: Floats,
    last: Floats,
    found: NDArray[np.int32],
) -> None:
    """Write the best tags of some sentences, the longest first, to their places in ``found``."""
    best = first + f[starts]
    back: list[NDArray[np.int32]] = []
    going = [int(np.searchsorted(-lengths, -t)) for t in range(int(lengths[0]))]  # longer than t words
    for t in range(1, len(going)):
        here = best[: going[t], :, None] + a
        before = here.argmax(axis=1)
        back.append(before.astype(np.int32))
        best[: going[t]] = np.take_along_axis(here, before[:, None], axis=1)[:, 0] + f[starts[: going[t]] + t]
    best += last
    tags = best.argmax(axis=1).astype(np.int32)
    reached = np.take_along_axis(best, tags[:, None].astype(np.int64), axis=1)
    if not (reached > -np.inf).all():  # NaN is not, either
        raise ArgumentError(
            "viterbi: a sentence has no sequence of tags that is allowed",
            mend="leave at least one way through the transitions, and no score NaN",
        )
    for t in range(len(going) - 1, 0, -1):
        some = tags[: going[t]]
        found[starts[: going[t]] + t] = some
        tags[: going[t]] = back[t - 1][np.arange(going[t]), some]
    found[starts] = tags


def _checked(
    f: Floats,
    lengths: NDArray[np.int64],
    transitions: ArrayLike,
    start: ArrayLike | None,
    end: ArrayLike | None,
) -> tuple[Floats, Floats, Floats]:
    if f.ndim != 2 or lengths.ndim != 1 or int(lengths.sum()) != len(f):
        raise ShapeError(
            f"viterbi: scores of shape {f.shape} for sentences of {int(lengths.sum())} words",
            mend="give (words, tags), the sentences end to end",
        )
    classes = f.shape[1]
    given: list[tuple[str, Any, tuple[int, ...]]] = [
        ("transitions", transitions, (classes, classes)),
        ("start", start, (classes,)),
        ("end", end, (classes,)),
    ]
    parts = []
    for name, value, shape in given:
        array = np.zeros(shape) if value is None else np.asarray(value, np.float64)
        if array.shape != shape:
            raise ShapeError(f"viterbi: {name} of shape {array.shape}", mend=f"its shape is {shape}")
        parts.append(array)
    return parts[0], parts[1], parts[2]
