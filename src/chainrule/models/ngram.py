"""The n-gram language model that a neural one has to beat: interpolated modified Kneser–Ney.

Every n-gram of the training text is a row of a sorted table of its order.  Its key is
``(row of its first n - 1 words in the table of order n - 1) · symbols + last word``, so that keys stay
small integers at any order, a look-up is a chain of binary searches, and nothing is done word by word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.ragged import Ragged, as_ragged
from chainrule.data.windows import context_windows
from chainrule.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MOST_ORDER = 10


@dataclass(frozen=True, eq=False)
class _Counts:
    """The n-grams of one order: sorted keys, how often each occurs, where it first occurs, and which
    row the n-gram that begins at each place of the text has (-1 where the document is too short)."""

    keys: Ints
    counts: Ints
    first: Ints
    rows: Ints


@dataclass(frozen=True, eq=False)
class _Table:
    """The n-grams ``h w`` of one order: sorted keys, p(w | h) of each, and ``weights[row of h] = γ(h)``.

    γ is 1 where ``h`` occurs only at the end of documents, so that p(w | h) is then p(w | h').
    """

    keys: Ints
    probabilities: Floats
    weights: Floats


class KneserNey:
    """An interpolated modified Kneser–Ney model over ids 0 … vocabulary_size - 1.

    With c the counts, h the previous n - 1 words and h' the previous n - 2::

        p(w | h) = (c(h w) - D(c(h w))) / c(h •)  +  γ(h) · p(w | h')
        γ(h)     = (D₁ N₁(h •) + D₂ N₂(h •) + D₃ N₃₊(h •)) / c(h •)

    down to the uniform 1 / vocabulary_size, so every word has a probability above 0.  Below the
    highest order, c(g) is the number of different words seen before g (for g that begins a document,
    before which nothing can stand, the number of times it was seen).  From the counts of counts n₁ … n₄
    of each order, with Y = n₁ / (n₁ + 2 n₂)::

        D₁ = 1 - 2 Y n₂/n₁,   D₂ = 2 - 3 Y n₃/n₂,   D₃ = 3 - 4 Y n₄/n₃

    Where a small text has no n-grams seen 3 or 4 times, or a D comes out beyond 0 … its count, Y is
    taken for all three; where it has none seen once or twice, 1/2.  ``discounts[n - 1]`` has the three
    of order n.

    Source: S. F. Chen and J. Goodman 1998, "An Empirical Study of Smoothing Techniques for Language
    Modeling", equations 17 and 26, in its interpolated form.

    >>> model = KneserNey(order=2, vocabulary_size=4).fit([[1, 2, 3], [1, 2, 1]], bos=0)
    >>> model.distribution([1]).argmax(), round(float(model.distribution([1]).sum()), 12)
    (np.int64(2), 1.0)
    """

    def __init__(self, order: int, vocabulary_size: int) -> None:
        if not 1 <= order <= _MOST_ORDER:
            raise ArgumentError(f"order {order}", mend=f"give an order of 1 … {_MOST_ORDER}")
        if vocabulary_size < 1:
            raise ArgumentError(f"a vocabulary of {vocabulary_size} words")
        self.order, self.vocabulary_size = order, vocabulary_size
        self.discounts: list[tuple[float, float, float]] = []
        self.bos = 0
        self._tables: list[_Table] = []

    def fit(self, documents: Sequence[ArrayLike] | Ragged | ArrayLike, *, bos: int) -> KneserNey:
        """Count the documents or sentences (arrays of ids); contexts do not cross from one into the next.

        ``bos`` stands before the first word of each: one of the ids, or ``vocabulary_size`` for a symbol
        of its own.  To have ends predicted, let each document end in its end symbol.

        Errors: IndexRangeError for an id outside the vocabulary; ArgumentError where there is no word.
        """
        sequences = as_ragged(documents)
        _require_ids(sequences.values, self.vocabulary_size, "a word")
        _require_ids(np.asarray([bos]), self.vocabulary_size + 1, "bos")
        if sequences.values.size == 0:
            raise ArgumentError("no words to count", mend="give documents that are not empty")
        self.bos = int(bos)
        # int64 before anything is multiplied: row · symbols needs more than 32 bits.
        sequences = Ragged.from_flat(sequences.values.astype(np.int64), sequences.lengths)
        stream, _ = sequences.surrounded(1, 0, self.bos)
        levels = _count(stream, sequences.lengths + 1, self.order, self.vocabulary_size + 1)
        self.discounts, self._tables = [], []
        for n, level in enumerate(levels, start=1):
            counts = level.counts
            if n < self.order:
                longer = levels[n]  # order n + 1
                before = np.bincount(level.rows[longer.first + 1], minlength=len(counts))
                # Nothing stands before the beginning; a single word, though, always has one before it.
                counts = before if n == 1 else np.where(stream[level.first] == self.bos, counts, before)
            self.discounts.append(_discounts(counts))
            taken = np.array([0.0, *self.discounts[-1]])[np.minimum(counts, 3)]
            if n == 1:
                self._tables.append(self._unigram(level, counts, taken))
            else:
                self._tables.append(_interpolated(level, counts, taken, levels[n - 2], self._tables[-1]))
        return self

    def _unigram(self, level: _Counts, counts: Ints, taken: Floats) -> _Table:
        total = counts.sum()
        uniform = np.full(len(counts), 1.0 / self.vocabulary_size)
        uniform[self.vocabulary_size] = 0.0  # a begin symbol of its own is never predicted
        weight = taken.sum() / total
        return _Table(level.keys, (counts - taken) / total + weight * uniform, np.array([weight]))

    def log_probabilities(self, contexts: ArrayLike, words: ArrayLike) -> Floats:
        """Natural logarithms of p(word | context), whole arrays at once.

        Shapes: contexts (…, k), the k previous words, oldest first, filled with ``bos`` before the
        beginning; words (…); result (…), the two broadcast.  Of each context the last order - 1 words
        count; a shorter context gives the probability of the lower order.

        Errors: IndexRangeError for ids outside the vocabulary; ShapeError if the shapes do not broadcast.
        """
        tables = self._fitted()
        before, word = _ids(contexts), _ids(words)
        if before.ndim == 0:
            raise ShapeError("contexts have no axis", mend="give the previous words, shape (…, k)")
        _require_ids(before, self.vocabulary_size + 1, "a context word")
        _require_ids(word, self.vocabulary_size, "a word")
        before = before[..., max(0, before.shape[-1] - self.order + 1) :]
        try:
            shape = np.broadcast_shapes(before.shape[:-1], word.shape)
        except ValueError:
            raise ShapeError(
                f"contexts of shape {before.shape} do not go with words of {word.shape}"
            ) from None
        size = before.shape[-1]
        word = np.broadcast_to(word, shape).reshape(-1)
        before = np.broadcast_to(before, (*shape, size)).reshape(word.size, size)

        p = tables[0].probabilities[word]
        active = np.arange(word.size)  # where the context of the last order occurred: else no longer one does
        for length in range(1, size + 1):
            rows = self._rows(before[active, size - length :])
            active, rows = active[rows >= 0], rows[rows >= 0]
            table = tables[length]
            found = _find(table.keys, rows * self._symbols + word[active])
            p[active] *= table.weights[rows]
            p[active[found >= 0]] = table.probabilities[found[found >= 0]]
        return np.log(p).reshape(shape)

    def distribution(self, context: ArrayLike) -> Floats:
        """p(• | context), shape (vocabulary_size,); one ``context`` (k,) as in ``log_probabilities``."""
        tables = self._fitted()
        before = _ids(context)
        if before.ndim != 1:
            raise ShapeError(f"a context of shape {before.shape}; one context has one axis")
        _require_ids(before, self.vocabulary_size + 1, "a context word")
        p = tables[0].probabilities[: self.vocabulary_size].copy()
        for length in range(1, min(self.order, before.size + 1)):
            row = self._rows(before[None, before.size - length :])[0]
            if row < 0:
                break
            table = tables[length]
            start, stop = np.searchsorted(table.keys, [row * self._symbols, (row + 1) * self._symbols])
            p *= table.weights[row]
            p[table.keys[start:stop] - row * self._symbols] = table.probabilities[start:stop]
        return p

    def perplexity(self, documents: Sequence[ArrayLike] | Ragged | ArrayLike) -> float:
        """``exp(-mean log p(word | context))`` over every id of the documents, contexts within each.

        Errors: ArgumentError where there is no word.
        """
        self._fitted()
        sequences = as_ragged(documents)
        if sequences.values.size == 0:
            raise ArgumentError("no words to predict", mend="give documents that are not empty")
        sequences = Ragged.from_flat(sequences.values.astype(np.int64), sequences.lengths)
        contexts, words = context_windows(sequences, self.order - 1, padding=self.bos)
        return float(np.exp(-self.log_probabilities(contexts, words).mean()))

    @property
    def _symbols(self) -> int:
        """The words and, at index vocabulary_size, a place for a begin symbol of its own."""
        return self.vocabulary_size + 1

    def _fitted(self) -> list[_Table]:
        if not self._tables:
            raise ArgumentError("the model has counted no text yet", mend="call fit first")
        return self._tables

    def _rows(self, ngrams: Ints) -> Ints:
        """The rows of n-grams, shape (N, n), in the table of their order; -1 where one does not occur."""
        rows = ngrams[:, 0]
        for n in range(2, ngrams.shape[1] + 1):
            # A row of -1 makes a negative key, which no table has.
            rows = _find(self._tables[n - 1].keys, rows * self._symbols + ngrams[:, n - 1])
        return rows


def _count(stream: Ints, lengths: Ints, order: int, symbols: int) -> list[_Counts]:
    """Count the n-grams of orders 1 … order in documents that lie one after the other in ``stream``."""
    ends = np.repeat(np.cumsum(lengths), lengths)
    remaining = ends - np.arange(stream.size)  # symbols from here to the end of the document
    is_word = np.ones(stream.size, dtype=bool)
    is_word[np.cumsum(lengths) - lengths] = False  # the begin symbols, which nothing predicts
    counts = np.bincount(stream[is_word], minlength=symbols)
    levels = [_Counts(np.arange(symbols), counts, np.zeros(0, dtype=np.int64), stream)]
    for n in range(2, order + 1):
        starts = np.flatnonzero(remaining >= n)
        keys, first, inverse, counts = np.unique(
            levels[-1].rows[starts] * symbols + stream[starts + n - 1],
            return_index=True,
            return_inverse=True,
            return_counts=True,
        )
        rows = np.full(stream.size, -1, dtype=np.int64)
        rows[starts] = inverse
        levels.append(_Counts(keys, counts, starts[first], rows))
    return levels


def _interpolated(level: _Counts, counts: Ints, taken: Floats, shorter: _Counts, below: _Table) -> _Table:
    """p(w | h) of the n-grams of one order from their counts, their discounts and the order below."""
    contexts = len(shorter.keys)
    parent = shorter.rows[level.first]
    total = np.bincount(parent, counts, minlength=contexts)
    mass = np.bincount(parent, taken, minlength=contexts)
    weights = np.divide(mass, total, out=np.ones(contexts), where=total > 0)
    lower = below.probabilities[shorter.rows[level.first + 1]]
    return _Table(level.keys, (counts - taken) / total[parent] + weights[parent] * lower, weights)


def _discounts(counts: Ints) -> tuple[float, float, float]:
    """D₁, D₂, D₃₊ from the counts of counts, with the fallbacks that the class names."""
    n1, n2, n3, n4 = (int(np.count_nonzero(counts == r)) for r in (1, 2, 3, 4))
    if not (n1 and n2):
        return 0.5, 0.5, 0.5
    y = n1 / (n1 + 2 * n2)
    if n3 and n4:
        modified = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
        if all(0 < d < c for c, d in enumerate(modified, start=1)):
            return modified
    return y, y, y


def _find(keys: Ints, wanted: Ints) -> Ints:
    """The place of each wanted key in sorted ``keys``, -1 where it is not there."""
    if keys.size == 0:
        return np.full(wanted.shape, -1, dtype=np.int64)
    places = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
    return np.where(keys[places] == wanted, places, -1)


def _ids(ids: ArrayLike) -> Ints:
    array = np.asarray(ids)
    if array.size and array.dtype.kind not in "iu":
        raise DTypeError(f"ids must be integers, not {array.dtype}")
    return array.astype(np.int64)


def _require_ids(ids: NDArray[Any], limit: int, what: str) -> None:
    if ids.size and not (int(ids.min()) >= 0 and int(ids.max()) < limit):
        wrong = ids[(ids < 0) | (ids >= limit)].reshape(-1)[0]
        raise IndexRangeError(f"{what} has the id {wrong}; ids are 0 … {limit - 1}")
