"""Batches for taggers that look at more than a window: whole sentences, and windows in pairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.batches import permutation
from chainrule.data.features import Encoded
from chainrule.data.ragged import Ragged
from chainrule.data.tag_batches import window_streams
from chainrule.errors import ArgumentError, ShapeError

Ids = NDArray[np.int32]


class SentenceBatches:
    """Batches ``(windows of the first channel, …, of the last, tags, mask)`` of whole sentences.

    The windows of a channel have shape (B, T, 2·radius + 1), or one more axis where a token has several
    ids; ``tags`` and ``mask`` (B, T), the mask true at real words.  Sentences lie in buckets of similar
    length; a batch has about ``size`` words, so that of short sentences there are more, and always
    the same shape for a bucket: its last batch is filled up with rows without a word.  Sentences longer than
    ``longest`` are taken in pieces, the windows of which still see their neighbours.

    Errors: ArgumentError for a size below 1, or where there is no word; ShapeError for tags that are not
    one a token.

    >>> encoded = Encoded(np.array([2, 1]), {"word": np.array([5, 6, 7], np.int32)})
    >>> batches = SentenceBatches(encoded, 1, 4, tags=[1, 2, 1], shuffle=False, buckets=1)
    >>> for windows, tags, mask in batches.epoch(0):
    ...     print(windows[:, 0].tolist(), tags.tolist(), mask.tolist())
    [[0, 5, 6], [0, 7, 0]] [[1, 2], [1, 0]] [[True, True], [True, False]]
    """

    def __init__(
        self,
        encoded: Encoded,
        radius: int,
        size: int,
        *,
        tags: ArrayLike,
        buckets: int = 5,
        longest: int = 60,
        seed: int = 0,
        shuffle: bool = True,
    ) -> None:
        self.tags = np.asarray(tags, np.int32)
        if self.tags.shape != (encoded.tokens,):
            raise ShapeError(f"tags of shape {self.tags.shape} for {encoded.tokens} tokens")
        if size < 1 or not encoded.tokens:
            raise ArgumentError(f"batches of {size} words of {encoded.tokens}", mend="give one at least")
        self._streams, self._places = window_streams(encoded, radius)
        self._around = np.arange(-radius, radius + 1)
        lengths = _pieces(encoded.lengths, longest)
        self._words = Ragged.from_flat(np.arange(encoded.tokens), lengths)
        self.size, self.seed, self.shuffle = size, seed, shuffle
        bounds = np.quantile(lengths, np.arange(1, buckets + 1) / buckets, method="higher")
        self.lengths = np.unique(bounds.astype(np.int64))
        """The buckets' lengths, in words."""
        bucket = np.searchsorted(self.lengths, lengths)
        self._buckets = [np.flatnonzero(bucket == number) for number in range(len(self.lengths))]

    def rows(self, length: int) -> int:
        """How many sentences a batch of the bucket of ``length`` words has."""
        return max(1, round(self.size / length))

    def __len__(self) -> int:
        return sum(
            -(-len(some) // self.rows(int(length)))
            for some, length in zip(self._buckets, self.lengths, strict=True)
        )

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[NDArray[Any], ...]]:
        """The batches of ``epoch`` in order, from batch number ``start`` on."""
        if not 0 <= start <= len(self):
            raise ArgumentError(f"start at batch {start} of {len(self)}", mend=f"0 … {len(self)}")
        return (self._batch(some, length) for some, length in self._plan(epoch)[start:])

    def _batch(self, sentences: NDArray[np.int64], length: int) -> tuple[NDArray[Any], ...]:
        words, mask = self._words.padded(sentences, length)
        missing = ((0, self.rows(length) - len(sentences)), (0, 0))
        words, mask = np.pad(words, missing), np.pad(mask, missing)
        places = self._places[words][..., None] + self._around
        windows = [stream[places] for stream in self._streams]
        return (*windows, np.where(mask, self.tags[words], 0).astype(np.int32), mask)

    def _plan(self, epoch: int) -> list[tuple[NDArray[np.int64], int]]:
        """The batches of the epoch, each as its sentences and its padded length."""
        count = len(self._words)
        rank = np.argsort(permutation(count, self.seed, epoch)) if self.shuffle else np.arange(count)
        plan = []
        for some, length in zip(self._buckets, self.lengths.tolist(), strict=True):
            ordered, size = some[np.argsort(rank[some])], self.rows(length)
            plan += [(ordered[at : at + size], length) for at in range(0, len(ordered), size)]
        # A batch takes the place of its first sentence, so that the buckets come mixed.
        return sorted(plan, key=lambda batch: int(rank[batch[0][0]]))


def _pieces(lengths: NDArray[np.int64], longest: int) -> NDArray[np.int64]:
    """The lengths of what sentences are cut into, empty ones left out.

    >>> _pieces(np.array([3, 0, 7]), 3).tolist()
    [3, 3, 3, 1]
    """
    found = [min(longest, length - at) for length in lengths.tolist() for at in range(0, length, longest)]
    return np.array(found, np.int64)


class CorruptedWindows:
    """Batches ``(windows of the first channel, …, of the last, classes)``: each true window and a false one.

    A true window has a word of one of the classes 1, 2, … in its middle.  The false one that goes with
    it is either the same window with another ``word`` in its middle, or another ``window``; that word, or the
    word in the middle of that window, is drawn evenly from all words of other classes.  The windows of a
    channel have shape (B, 2, 2·radius + 1), the true one first, and ``classes`` (B,) are those of the true
    ones.  Each true window comes ``times`` times in an epoch, each time with another false one; what is
    drawn depends on ``(seed, epoch)`` only.

    Errors: ArgumentError where no word has a class other than 0, or all have the same.
    Source: R. Collobert and J. Weston, A unified architecture for natural language processing, 2008.

    >>> encoded = Encoded(np.array([3]), {"word": np.array([5, 6, 7], np.int32)})
    >>> batches = CorruptedWindows(encoded, 1, 2, classes=[0, 0, 1], kind="word", times=2)
    >>> sorted((words[0, 0].tolist(), words[0, 1, 1] in (5, 6)) for words, _ in batches.epoch(0))
    [([6, 7, 0], True)]
    """

    def __init__(
        self,
        encoded: Encoded,
        radius: int,
        size: int,
        *,
        classes: ArrayLike,
        kind: str,
        times: int = 1,
        seed: int = 0,
    ) -> None:
        own = np.asarray(classes, np.int32)
        streams, places = window_streams(encoded, radius)
        if own.shape != places.shape:
            raise ShapeError(f"classes of shape {own.shape} for {len(places)} tokens")
        true = np.repeat(np.flatnonzero(own), times)
        if not len(true) or (own == own[0]).all():
            raise ArgumentError(
                "there are no words of a class, or no others, to make pairs of",
                mend="give sentences with both",
            )
        self._own, self._true = own, true
        self._by_class = np.argsort(own, kind="stable")
        self._begins = np.searchsorted(own[self._by_class], np.arange(own.max() + 2))
        self.seed, self.size, self.examples = seed, size, len(true)
        self._channels = len(streams)
        self._around = np.arange(-radius, radius + 1)
        # What is replaced: the word in the middle alone, or all of the window.
        self._replaced = np.ones_like(self._around) if kind == "window" else (self._around == 0).astype(int)
        self.arrays = (*streams, places, true, self._drawn(0), own[true])
        """The streams, where in them the tokens are, the true and the false words, and the classes."""

    def arrays_of(self, epoch: int) -> Any:
        """The arrays of ``epoch``, with false words of its own."""
        return (*self.arrays[:-2], self._drawn(epoch), self.arrays[-1])

    def _drawn(self, epoch: int) -> NDArray[np.int64]:
        """For each true word one of another class: a place in the order by class, the own class skipped."""
        own = self._own[self._true]
        begin, end = self._begins[own], self._begins[own + 1]
        others = len(self._own) - (end - begin)
        bits = np.random.PCG64(np.random.SeedSequence([self.seed, epoch, 1])).random_raw(len(own))
        place = (bits >> np.uint64(11)).astype(np.float64) / 2.0**53 * others
        at = np.minimum(place.astype(np.int64), others - 1)
        found: NDArray[np.int64] = self._by_class[np.where(at < begin, at, at + end - begin)]
        return found

    def __len__(self) -> int:
        return -(-self.examples // self.size)

    def permutation(self, epoch: int) -> NDArray[np.int64]:
        """The pairs in the order of ``epoch``."""
        return permutation(self.examples, self.seed, epoch)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[NDArray[Any], ...]]:
        """The batches of ``epoch`` in order, from batch number ``start`` on."""
        arrays, order = self.arrays_of(epoch), self.permutation(epoch)
        return (
            self.gather(arrays, order[batch * self.size : (batch + 1) * self.size])
            for batch in range(start, len(self))
        )

    def gather(self, arrays: Any, rows: Any) -> Any:
        """The pairs of ``rows``; of nodes as well: a program can gather its own batches."""
        streams, (places, true, false, classes) = arrays[: self._channels], arrays[self._channels :]
        here, there = places[true[rows]][:, None, None], places[false[rows]][:, None, None]
        # (B, 2, W): of the second of each pair, what is replaced lies where the false word is.
        both = here + self._around + (there - here) * (_SECOND * self._replaced)
        return (*(stream[both] for stream in streams), classes[rows])


_SECOND = np.array([0, 1])[:, None]
