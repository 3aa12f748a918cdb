"""Texts as streams of ids, and batches of (what came before, what came next) cut from them on demand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.batches import Batches
from chainrule.data.ragged import Ragged, as_ragged
from chainrule.errors import ArgumentError


class ContextBatches:
    """Batches of ``(contexts, targets)`` over all words of some documents.

    ``contexts`` (B, memory) are the ids before each target, the newest last, with ``padding`` where the
    document has not begun; ``targets`` (B,) are the ids themselves.  Only the stream is held: a memory of
    a hundred words costs no more than one of five.  The order of each epoch depends on
    ``(seed, epoch)`` only.

    Errors: ArgumentError for a memory below 1, or where there is no word; DTypeError for ids that are no
    integers.

    >>> batches = ContextBatches([[5, 6], [7]], memory=2, size=3, padding=0, shuffle=False)
    >>> [(contexts.tolist(), targets.tolist()) for contexts, targets in batches.epoch(0)]
    [([[0, 0], [0, 5], [0, 0]], [5, 6, 7])]
    """

    def __init__(
        self,
        documents: ArrayLike | Ragged | Sequence[ArrayLike],
        memory: int,
        size: int,
        *,
        padding: int = 0,
        seed: int = 0,
        shuffle: bool = True,
        drop_last: bool = False,
    ) -> None:
        if memory < 1:
            raise ArgumentError(f"a memory of {memory} words", mend="give at least 1")
        stream, places = as_ragged(documents).surrounded(memory, 0, padding)
        self._stream = stream.astype(np.int32)
        self._before = np.arange(-memory, 0)
        self._places = Batches(places, size, seed=seed, shuffle=shuffle, drop_last=drop_last)

    def __len__(self) -> int:
        return len(self._places)

    @property
    def examples(self) -> int:
        """How many words there are to predict."""
        return self._places.examples

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
        """The batches of ``epoch`` in order, from batch number ``start`` on."""
        for places in self._places.epoch(epoch, start):
            yield self._stream[places[:, None] + self._before], self._stream[places]
