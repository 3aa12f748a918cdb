"""Windows over ids: the previous words of a language model, the surrounding words of a tagger."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike

from chainrule.data.ragged import Array, Ragged, as_ragged
from chainrule.errors import ArgumentError


def context_windows(
    ids: ArrayLike | Ragged | Sequence[ArrayLike], size: int, padding: int = 0
) -> tuple[Array, Array]:
    """The ``size`` previous ids of every id, and the id itself: what a language model learns from.

    ``contexts[t] = (w_{t-size}, …, w_{t-1})``, ``targets[t] = w_t``

    ``ids`` is one stream (a 1-D array) or a list of sentences or documents; a context never reaches
    over the beginning of its own sentence, where ``padding`` stands instead.  Every id is the target once.
    To have the end of a sentence predicted, let each sentence end in its end symbol.

    Shapes: contexts (N, size), targets (N,), N the number of ids; the dtype of the ids.
    Errors: ArgumentError for a negative size, DTypeError for ids that are no integers.
    Source: Bengio et al. 2003, "A Neural Probabilistic Language Model".

    >>> contexts, targets = context_windows([[5, 6, 7], [8, 9]], size=2, padding=0)
    >>> for context, target in zip(contexts.tolist(), targets.tolist()):
    ...     print(context, "->", target)
    [0, 0] -> 5
    [0, 5] -> 6
    [5, 6] -> 7
    [0, 0] -> 8
    [0, 8] -> 9
    """
    if size < 0:
        raise ArgumentError(f"a context of {size} words", mend="give a size of at least 0")
    sequences = as_ragged(ids)
    stream, positions = sequences.surrounded(size, 0, padding)
    return _rows(stream, positions - size, size), stream[positions]


def centered_windows(ids: ArrayLike | Ragged | Sequence[ArrayLike], radius: int, padding: int = 0) -> Array:
    """Every id with ``radius`` neighbours on either side: what a window classifier sees of each word.

    ``windows[t] = (w_{t-radius}, …, w_t, …, w_{t+radius})``

    ``ids`` is one stream or a list of sentences; ``padding`` stands where a window reaches outside
    its own sentence.

    Shapes: (N, 2·radius + 1), N the number of ids; the dtype of the ids.
    Errors: ArgumentError for a negative radius, DTypeError for ids that are no integers.
    Source: Collobert et al. 2011, section 3.3.1.

    >>> centered_windows([[5, 6, 7], [8]], radius=1, padding=0).tolist()
    [[0, 5, 6], [5, 6, 7], [6, 7, 0], [0, 8, 0]]
    """
    if radius < 0:
        raise ArgumentError(f"a window of radius {radius}", mend="give a radius of at least 0")
    sequences = as_ragged(ids)
    stream, positions = sequences.surrounded(radius, radius, padding)
    return _rows(stream, positions - radius, 2 * radius + 1)


def _rows(stream: Array, starts: Array, width: int) -> Array:
    """``stream[starts[i] : starts[i] + width]`` for every i, as one new array."""
    if width == 0 or starts.size == 0:
        return np.zeros((starts.size, width), dtype=stream.dtype)
    rows: Array = sliding_window_view(stream, width)[starts]
    return rows
