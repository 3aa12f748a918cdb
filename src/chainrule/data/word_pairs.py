"""Words and their neighbours in text, drawn anew for each epoch: what word vectors are learned from.

Two things thin a text out before pairs are cut from it (Mikolov et al., 2013, section 2.3 and the authors'
program).  *Subsampling* drops occurrences of frequent words, and the windows close up over the gap.  And
the window of each word reaches 1 to ``window`` words to both sides, drawn for each word: near words are
paired more often than far ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.ragged import Array, Ragged, as_ragged
from chainrule.errors import ArgumentError

STRETCH = 4_000_000
"""Words that are taken at a time: a longer text is cut into stretches, so that its pairs fit into memory."""


def keep_probabilities(counts: ArrayLike, threshold: float) -> NDArray[np.float64]:
    """The probability with which subsampling keeps an occurrence of each word, shape (words,).

    min(1, √(t/f) + t/f) for a word whose share of the text is f, with t = ``threshold``; 1 for all where
    t is 0.  (Mikolov et al., 2013, as in their program; the paper's formula lacks the second term.)

    >>> keep_probabilities([900, 99, 1], 0.01).round(3)
    array([0.117, 0.419, 1.   ])
    """
    numbers = np.asarray(counts, np.float64)
    if not threshold:
        return np.ones(numbers.shape)
    with np.errstate(divide="ignore"):
        odds = threshold * max(numbers.sum(), 1.0) / numbers
    found: NDArray[np.float64] = np.minimum(np.sqrt(odds) + odds, 1.0)
    return found


class WordPairs:
    """Batches of ``(words, neighbours)``: a word of the text, and one within its window, both (B,) int32.

    ``documents`` are lists of ids that windows do not leave (sentences, lines), ``counts`` how often each
    id occurs.  What an epoch consists of depends on (seed, epoch) only.  Epoch 0 says how many pairs the
    epochs have, in whole batches: where another draws more, its last are left out, where fewer, its first
    come again.

    A batch takes its pairs from ``size`` places at equal distances, and the next batch from the places
    that follow: the text is read by so many readers at once, and no order has to be drawn.

    A text of more than ``stretch`` words is cut into ``stretches`` of equal length; epoch e is over
    stretch e mod stretches, so a pass over the text takes as many epochs.

    Errors: ArgumentError for a window or a size below 1, and where there is no pair; DTypeError for ids
    that are no integers.

    >>> pairs = WordPairs([[5, 6], [7]], [0] * 5 + [1] * 3, window=2, size=2, threshold=0.0)
    >>> [(words.tolist(), neighbours.tolist()) for words, neighbours in pairs.epoch(0)]
    [([5, 6], [6, 5])]
    """

    def __init__(
        self,
        documents: ArrayLike | Ragged | Sequence[ArrayLike],
        counts: ArrayLike,
        *,
        window: int = 5,
        size: int = 512,
        threshold: float = 1e-3,
        seed: int = 0,
        stretch: int = STRETCH,
    ) -> None:
        if window < 1 or size < 1 or stretch < 1:
            raise ArgumentError(f"window {window}, size {size}, stretch {stretch}", mend="give at least 1")
        text = as_ragged(documents)
        self.text = Ragged.from_flat(text.values.astype(np.int32), text.lengths)
        self._documents = np.repeat(np.arange(len(text), dtype=np.int32), text.lengths)
        self.window, self.seed = window, seed
        self._kept = keep_probabilities(counts, threshold)
        self.stretches = max(-(-self.text.values.size // stretch), 1)
        """Into how many parts the text is cut, each an epoch."""
        self._epoch, self.arrays = 0, self._drawn(0)
        found = len(self.arrays[0])
        if not found:
            raise ArgumentError(
                "no two words stand within a window of each other",
                mend="give a longer text, or thin it out less (a threshold of 0 keeps all)",
            )
        self.size = min(size, found)
        """Examples in a batch: what was asked for, or all there are."""
        self.examples = found // self.size * self.size
        self.arrays = self._fitted(self.arrays)

    def __len__(self) -> int:
        return self.examples // self.size

    def permutation(self, epoch: int) -> NDArray[np.int64]:
        """The examples in the order in which an epoch visits them, shape (N,): the same in all."""
        return np.arange(self.examples).reshape(self.size, len(self)).T.ravel()

    def arrays_of(self, epoch: int) -> tuple[Array, ...]:
        """All examples of an epoch, in the order of the text; each epoch's arrays have the same shapes."""
        if epoch != self._epoch:
            self._epoch, self.arrays = epoch, self._fitted(self._drawn(epoch))
        return self.arrays

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Array, ...]]:
        """The batches of ``epoch`` in order, from batch number ``start`` on."""
        arrays = self.arrays_of(epoch)
        order = self.permutation(epoch).reshape(len(self), self.size)
        return (self.gather(arrays, rows) for rows in order[start:])

    def gather(self, arrays: tuple[Array, ...], rows: Array) -> tuple[Array, ...]:
        """The examples ``rows``; of nodes as well: a program can gather its own batches."""
        return tuple(array[rows] for array in arrays)

    def _fitted(self, arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        """Cut, or filled up from the beginning, to the number of examples."""
        return tuple(np.resize(array, (self.examples, *array.shape[1:])) for array in arrays)

    def _drawn(self, epoch: int) -> tuple[Array, ...]:
        words, within, offsets = self._thinned(epoch)
        places, which = np.nonzero(within)
        return words[places], words[places + offsets[which]]

    def _thinned(self, epoch: int) -> tuple[NDArray[np.int32], NDArray[np.bool_], NDArray[np.int64]]:
        """The words that subsampling keeps, (n,), and which of ``offsets`` the window of each reaches."""
        values, document = self._stretch(epoch % self.stretches)
        # Raw words of the generator: that stream NumPy promises for good, which it does not for methods.
        bits = np.random.PCG64(np.random.SeedSequence([self.seed, epoch])).random_raw(2 * values.size)
        chance = (bits[: values.size] >> np.uint64(11)) * 2.0**-53
        kept = chance < self._kept[values]
        words, document = values[kept], document[kept]
        drawn = (bits[values.size :][: words.size] >> np.uint64(32)) * np.uint64(self.window)
        reach = (drawn >> np.uint64(32)).astype(np.int64) + 1
        offsets = np.array([o for o in range(-self.window, self.window + 1) if o])
        within = np.zeros((words.size, offsets.size), np.bool_)
        for distance in range(1, min(self.window, words.size - 1) + 1):
            near, far = slice(None, -distance), slice(distance, None)
            together = document[near] == document[far]
            within[near, self.window + distance - 1] = together & (reach[near] >= distance)
            within[far, self.window - distance] = together & (reach[far] >= distance)
        return words, within, offsets

    def _stretch(self, number: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The words of one part of the text, and which document each is of."""
        total = self.text.values.size
        begin, end = (total * n // self.stretches for n in (number, number + 1))
        return self.text.values[begin:end], self._documents[begin:end]


class ContextPairs(WordPairs):
    """Batches of ``(contexts, words)``: the words of a window and the one in its middle.

    ``contexts`` (B, 2·window) int32 holds ``padding`` where the window does not reach; words without any
    neighbour are left out.  All else is as in :class:`WordPairs`.

    >>> pairs = ContextPairs([[5, 6], [7]], [0] * 5 + [1] * 3, window=1, size=2, threshold=0.0)
    >>> [(contexts.tolist(), words.tolist()) for contexts, words in pairs.epoch(0)]
    [([[0, 6], [5, 0]], [5, 6])]
    """

    padding = 0

    def _drawn(self, epoch: int) -> tuple[Array, ...]:
        words, within, offsets = self._thinned(epoch)
        middle = np.flatnonzero(within.any(axis=1))
        around = np.clip(middle[:, None] + offsets, 0, max(len(words) - 1, 0))
        return np.where(within[middle], words[around], np.int32(self.padding)), words[middle]
