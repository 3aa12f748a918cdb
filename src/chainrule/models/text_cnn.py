"""Convolutions over the words of a sentence, the largest of each filter, classes (Kim, 2014)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from .. import nn, ops
from ..errors import ArgumentError, ShapeError
from ..functions import identity, k_max_over_time, mean_over_time, relu
from ..graph import Array, Node, constant, user_place
from ..nn import EVALUATE, Mode, Module
from ..nn.initialisers import Seeds, from_array, uniform
from ..ops import concat, expand_dims, where

Channel = Literal["tuned", "static", "both"]
Pooling = Literal["max", "average", "k-max"]

PADDING = 0
"""The id that stands where there is no word."""

# All of them rise, so that the largest response is the same place before and after.
RISING = {"relu": relu, "tanh": ops.tanh, "sigmoid": ops.sigmoid, "identity": identity}
"""The activations that may stand behind a convolution."""


class TextCNN(Module):
    """Filters over windows of words; of each filter what pooling leaves; dropout; one score a class.

    With x the vectors of a sentence's words, ``padding`` zero vectors before and behind them::

        response[t, f] = Σₖ x[t·stride + k]·W[k, f] + b[f]        for windows of each width
        feature[f]     = g(maxₜ response[t, f])                   (g rises, so this is maxₜ g(…))
        scores         = dropout(features)·U + c

    ``input_dropout`` drops numbers of the word vectors, too.
    ``pooling="average"`` takes meanₜ g(…) instead, ``"k-max"`` the ``k`` largest in their order.  Windows
    that lie behind the sentence's own padding take no part, so the scores do not depend on how long a
    batch is; of a sentence too short for a window the first one counts.

    ``vectors`` (words, width) are where word vectors begin.  ``channel`` says whether they are trained
    (``tuned``), not (``static``), or there twice, side by side, one of each (``both``).  ``features`` are
    (count, width) of further tables of embeddings, for other ids of the same words.  ``padding`` is that
    of the widest window but one word unless given, so that every word stands in every place of a window.

    Input: ids (batch, words), 0 behind the last word, and as many such arrays of features; output
    (batch, classes).  Errors: ``ArgumentError`` for sizes that make no network, ``ShapeError`` for vectors
    or inputs that do not fit.

    >>> import chainrule as cr
    >>> net = TextCNN(20_000, 300, 2, seed=0)
    >>> net(cr.placeholder((50, 56), "int32")).shape, net.parameter_count()
    ((50, 2), 6360902)
    """

    def __init__(
        self,
        words: int,
        width: int,
        classes: int,
        *,
        seed: int | Seeds,
        windows: Sequence[int] = (3, 4, 5),
        filters: int = 100,
        stride: int = 1,
        padding: int | None = None,
        activation: str = "relu",
        pooling: Pooling = "max",
        k: int = 2,
        channel: Channel = "tuned",
        vectors: Array | None = None,
        features: Sequence[tuple[int, int]] = (),
        input_dropout: float = 0.0,
        dropout: float = 0.5,
    ) -> None:
        sizes = (*windows, filters, stride, k)
        if not windows or min(sizes) < 1 or (padding or 0) < 0 or activation not in RISING:
            raise ArgumentError(
                f"windows {list(windows)}, {filters} filters, stride {stride}, padding {padding}, "
                f"k={k}, activation {activation!r}",
                where=user_place(),
                mend="at least one window, numbers of at least 1, padding of at least 0, "
                f"and an activation of: {', '.join(RISING)}",
            )
        seeds = Seeds(seed)
        # As spread out as vectors that were made elsewhere (Kim's choice for words that have none).
        initial = uniform(-0.25, 0.25) if vectors is None else from_array(vectors)
        tables = {"tuned": [False], "static": [True], "both": [False, True]}[channel]
        self.embeddings = [
            nn.Embedding(words, width, seed=seeds, padding=PADDING, frozen=frozen, initial=initial)
            for frozen in tables
        ]
        for table in self.embeddings[1:]:
            table.weight.assign(self.embeddings[0].weight.array)
        self.features = [
            nn.Embedding(count, size, seed=seeds, padding=PADDING, initial=uniform(-0.25, 0.25))
            for count, size in features
        ]
        depth = width * len(tables) + sum(size for _, size in features)
        self.convolutions = [nn.Conv1d(depth, filters, size, seed=seeds, stride=stride) for size in windows]
        self.windows, self.stride = tuple(windows), stride
        self.padding = max(windows) - 1 if padding is None else padding
        self.activation, self.pooling, self.k = activation, pooling, k
        self.input_dropout, self.dropout = nn.Dropout(input_dropout), nn.Dropout(dropout)
        kept = k if pooling == "k-max" else 1
        self.output = nn.Linear(kept * filters * len(windows), classes, seed=seeds)

    def forward(self, words: Node, *features: Node, mode: Mode = EVALUATE) -> Node:
        pooled = [self._pooled(*found) for found in self._responses(words, features, mode)]
        scores: Node = self.output(self.dropout(concat(pooled, axis=1), mode=mode))
        return scores

    def strongest(self, words: Node, *features: Node) -> tuple[Node, Node]:
        """Each filter's largest response in each sentence, and the word that its window begins at.

        Both are (batch, filters of all widths); a window that begins in the padding has a negative word.
        """
        values, places = [], []
        for response, real in self._responses(words, features, EVALUATE):
            response = response + _never(real)
            values.append(ops.max(response, axis=1))
            places.append(ops.argmax(response, axis=1) * self.stride - self.padding)
        return concat(values, axis=1), concat(places, axis=1)

    def _responses(self, words: Node, features: Sequence[Node], mode: Mode) -> list[tuple[Node, Node]]:
        """Of each width: responses (batch, windows, filters), and which windows count (batch, windows)."""
        if words.ndim != 2 or any(other.shape != words.shape for other in features):
            shapes = ", ".join(str(ids.shape) for ids in (words, *features))
            raise ShapeError(f"ids of shapes {shapes}", where=user_place(), mend="each (batch, words)")
        if len(features) != len(self.features):
            raise ArgumentError(
                f"{len(features)} arrays of features; the network was made with {len(self.features)}",
                where=user_place(),
            )
        length = words.shape[1] + 2 * self.padding
        least = max(self.windows) + (self.k - 1) * self.stride * (self.pooling == "k-max")
        around = [(0, 0), (self.padding, self.padding + max(0, least - length))]
        tables = [(table, words) for table in self.embeddings]
        tables += list(zip(self.features, features, strict=True))
        found = [table(ops.pad(ids, around, PADDING)) for table, ids in tables]
        x = self.input_dropout(found[0] if len(found) == 1 else concat(found, axis=2), mode=mode)
        ends = ops.sum(ops.not_equal(words, PADDING), axis=1, keepdims=True) + 2 * self.padding
        both = []
        for size, convolution in zip(self.windows, self.convolutions, strict=True):
            response = convolution(x)
            starts = constant(np.arange(response.shape[1])[None, :] * self.stride)
            both.append((response, starts <= ops.maximum(ends - size, 0)))
        return both

    def _pooled(self, response: Node, real: Node) -> Node:
        """One row a sentence: (batch, filters), or (batch, k·filters)."""
        g = RISING[self.activation]
        if self.pooling == "average":
            return mean_over_time(g(response), mask=real)
        if self.pooling == "k-max":
            best = g(k_max_over_time(response, self.k, mask=real))
            return ops.reshape(best, (best.shape[0], -1))
        # An addition instead of a mask: the gradient of the maximum reaches the convolution as one place
        # for each filter, which is what makes its backward products cheap.
        return g(ops.max(response + _never(real), axis=1))

    def describe(self) -> str:
        size = "·".join(map(str, self.windows))
        return f"windows {size} × {self.convolutions[0].weight.shape[-1]}, {self.pooling} over time"


def _never(real: Node) -> Node:
    """What makes windows that do not count lose every comparison."""
    return expand_dims(where(real, constant(0.0), constant(-math.inf)), 2)
