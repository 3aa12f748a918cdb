"""Window taggers: what a word is, told by its window (Collobert et al., 2011, section 3.3.1; lectures M, B).

A window holds the word and ``radius`` neighbours on either side; each word comes as ids in several channels
(the word, its suffix, its shape, …; see ``chainrule.data.features``).  Both models here are functions

    (windows of channel 1, …, windows of channel C) → scores of the classes

of windows (…, W), or (…, W, k) for channels with k ids a word, to scores (…, classes); any leading axes
will do, so a batch may be of words as well as of padded sentences.  What is made of the scores (softmax,
a margin, a sentence-level score with transitions) is not their business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .. import nn
from ..errors import ArgumentError, ShapeError
from ..functions import max_over_time, relu, tanh
from ..graph import Node, constant, variable
from ..nn import EVALUATE, Mode, Module
from ..nn.initialisers import Seeds, from_array, uniform, zeros
from ..ops import astype, concat, expand_dims, maximum, not_equal, reshape, take, where
from ..ops import sum as sum_
from ..ops.random import bernoulli

UNKNOWN = 1
"""The id of what was never seen; 0 is that of the padding."""


@dataclass(frozen=True)
class Lookup:
    """How one channel becomes numbers: a table of ``rows`` vectors of ``width``.

    ``reading``: ``one`` id is one row; several ids are the ``mean`` of their rows, or go through a
    ``convolution`` of windows of three with as many filters as ``width``, and the maximum over the word.
    ``given`` are vectors made elsewhere, (rows, width), that are not trained.  ``forgotten`` (rows,) are the
    probabilities with which ids are taken for unknown in training.
    """

    rows: int
    width: int
    reading: Literal["one", "mean", "convolution"] = "one"
    given: NDArray[np.float32] | None = None
    forgotten: NDArray[np.float32] | None = None


class Forget(Module):
    """In training an id is replaced by that of the unknown, with a probability of its own.

    So there is something to learn about unknown words.  With probability α/(α + n) for a word seen n
    times: Kiperwasser and Goldberg, 2016, section 3.2.
    """

    depends_on_mode = True

    def __init__(self, probabilities: NDArray[np.float32]) -> None:
        self.probabilities = probabilities

    def forward(self, ids: Node, mode: Mode = EVALUATE) -> Node:
        if not mode.training:
            return ids
        chance = take(constant(self.probabilities), ids, axis=0)
        return where(bernoulli(mode.key_here(), chance, ids.shape), UNKNOWN, ids)

    def describe(self) -> str:
        return f"{len(self.probabilities)} symbols"


class ChannelTable(Module):
    """One channel's vectors: ids (…, W) or (…, W, k) to (…, W, width)."""

    def __init__(self, lookup: Lookup, *, seed: int | Seeds) -> None:
        seeds = Seeds(seed)
        self.reading = lookup.reading
        self.forget = Forget(lookup.forgotten) if lookup.forgotten is not None else None
        given = lookup.given
        self.table = nn.Embedding(
            lookup.rows,
            lookup.width,
            seed=seeds,
            # Of several ids the padding is none.
            padding=None if lookup.reading == "one" else 0,
            frozen=given is not None,
            initial=uniform(-0.25, 0.25) if given is None else from_array(given),
        )
        self.convolution = (
            nn.Conv1d(lookup.width, lookup.width, 3, padding=1, seed=seeds)
            if lookup.reading == "convolution"
            else None
        )

    def forward(self, ids: Node, mode: Mode = EVALUATE) -> Node:
        if self.forget is not None:
            ids = self.forget(ids, mode=mode)
        found: Node = self.table(ids)
        if self.reading == "one":
            return found
        present = not_equal(ids, 0)
        if self.convolution is None:
            weights = astype(present, found.dtype)
            total = maximum(sum_(weights, axis=-1, keepdims=True), 1.0)
            return sum_(found * expand_dims(weights, weights.ndim), axis=-2) / total
        *lead, length, width = found.shape
        words = reshape(found, (-1, length, width))
        # A word beyond the sentence has no character: the largest of none would be -∞, of a filter it is 0.
        excited = relu(self.convolution(words)) * astype(reshape(present, (-1, length, 1)), found.dtype)
        return reshape(max_over_time(excited, axis=1), (*lead, width))

    def describe(self) -> str:
        return self.reading


class ChannelEmbeddings(Module):
    """The vectors of all channels side by side: ids (…, W) or (…, W, k) each, to (…, W, total width).

    >>> import chainrule as cr
    >>> vectors = ChannelEmbeddings([Lookup(100, 8), Lookup(30, 4, "mean")], seed=0)
    >>> windows = cr.placeholder((2, 5), "int32"), cr.placeholder((2, 5, 3), "int32")
    >>> vectors(*windows).shape
    (2, 5, 12)
    """

    def __init__(self, lookups: Sequence[Lookup], *, seed: int | Seeds) -> None:
        if not lookups:
            raise ArgumentError("a tagger without channels", mend="give at least one")
        seeds = Seeds(seed)
        self.channels = [ChannelTable(lookup, seed=seeds) for lookup in lookups]
        self.width = sum(lookup.width for lookup in lookups)

    def forward(self, *windows: Node, mode: Mode = EVALUATE) -> Node:
        if len(windows) != len(self.channels):
            raise ShapeError(f"ids of {len(windows)} channels; the model has {len(self.channels)}")
        parts = [channel(ids, mode=mode) for channel, ids in zip(self.channels, windows, strict=True)]
        return concat(parts, axis=-1) if len(parts) > 1 else parts[0]


class WindowTagger(Module):
    """The vectors of a window, laid end to end, through hidden layers to scores.

        x = (x₋ᵣ, …, x₀, …, xᵣ)      h = f(W x + b)      s = U h + c

    with x ∈ R^{(2r+1)·d} as in lecture M, dropout on x and on h.  No hidden layer leaves a linear
    classifier of the concatenated vectors.

    >>> import chainrule as cr
    >>> model = WindowTagger([Lookup(100, 8), Lookup(9, 2)], radius=2, classes=17, hidden=[16], seed=0)
    >>> windows = cr.placeholder((4, 5), "int32"), cr.placeholder((4, 5), "int32")
    >>> model(*windows).shape, model.parameter_count()
    ((4, 17), 1923)
    """

    def __init__(
        self,
        lookups: Sequence[Lookup],
        *,
        radius: int,
        classes: int,
        hidden: Sequence[int] = (128,),
        activation: Callable[[Node], Node] = tanh,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        seed: int | Seeds,
    ) -> None:
        seeds = Seeds(seed)
        self.window, self.classes = 2 * radius + 1, classes
        self.embeddings = ChannelEmbeddings(lookups, seed=seeds)
        self.input_dropout = nn.Dropout(input_dropout)
        widths = [self.window * self.embeddings.width, *hidden]
        self.hidden = [nn.Linear(inputs, outputs, seed=seeds) for inputs, outputs in pairwise(widths)]
        self.activation = nn.Function(activation)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(widths[-1], classes, seed=seeds, initial=zeros)

    def forward(self, *windows: Node, mode: Mode = EVALUATE) -> Node:
        _check(windows, [channel.reading for channel in self.embeddings.channels], self.window)
        e = self.embeddings(*windows, mode=mode)
        h = self.input_dropout(reshape(e, (*e.shape[:-2], e.shape[-2] * e.shape[-1])), mode=mode)
        for layer in self.hidden:
            h = self.dropout(self.activation(layer(h)), mode=mode)
        return self.output(h)  # type: ignore[no-any-return]  # a module may return anything


class LinearTagger(Module):
    """Logistic regression on one-hot features: which symbol stands in which channel at which place.

        s = b + Σ over channels c and places p of  T_c[p, id(c, p)]

    A sum of rows, since a product with a one-hot vector chooses one; where a word has several ids, the sum
    of theirs.  With ``cross_entropy`` it is the linear model of lecture M, over the same windows as
    :class:`WindowTagger`.  It starts from zero: the loss is convex.

    >>> import chainrule as cr
    >>> model = LinearTagger([Lookup(100, 8), Lookup(9, 2)], radius=1, classes=17)
    >>> windows = cr.placeholder((4, 3), "int32"), cr.placeholder((4, 3), "int32")
    >>> model(*windows).shape, model.parameter_count() == (100 + 9) * 3 * 17 + 17
    ((4, 17), True)
    """

    def __init__(self, lookups: Sequence[Lookup], *, radius: int, classes: int) -> None:
        self.window, self.classes = 2 * radius + 1, classes
        self.lookups = tuple(lookups)
        self.tables = [
            variable(np.zeros((self.window * lookup.rows, classes), np.float32)) for lookup in lookups
        ]
        self.bias = variable(np.zeros(classes, np.float32))

    def forward(self, *windows: Node, mode: Mode = EVALUATE) -> Node:
        _check(windows, [lookup.reading for lookup in self.lookups], self.window)
        scores: Node = self.bias
        for ids, table, lookup in zip(windows, self.tables, self.lookups, strict=True):
            places = np.arange(self.window, dtype=np.int32) * lookup.rows
            if lookup.reading == "one":
                scores = scores + sum_(take(table, ids + places, axis=0), axis=-2)
            else:
                present = expand_dims(astype(not_equal(ids, 0), table.dtype), ids.ndim)
                found = take(table, ids + places[:, None], axis=0) * present
                scores = scores + sum_(found, axis=(-3, -2))
        return scores

    def describe(self) -> str:
        symbols = sum(lookup.rows for lookup in self.lookups)
        return f"{symbols} symbols at {self.window} places → {self.classes}"


def _check(windows: Sequence[Node], readings: Sequence[str], window: int) -> None:
    """Raise ``ShapeError`` unless there is one window of each channel, of the right length."""
    if len(windows) != len(readings):
        raise ShapeError(f"windows of {len(windows)} channels; the model has {len(readings)}")
    axes = [-1 if reading == "one" else -2 for reading in readings]
    if any(ids.ndim < -axis or ids.shape[axis] != window for ids, axis in zip(windows, axes, strict=True)):
        shapes = ", ".join(str(ids.shape) for ids in windows)
        raise ShapeError(
            f"the model sees {window} words and was given windows of shape {shapes}",
            mend="(…, words), or (…, words, ids) for channels with several ids a word",
        )
