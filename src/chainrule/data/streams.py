"""Texts as streams of ids, and batches of (what came before, what came next) cut from them on demand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.batches import Batches


class ContextBatches:
    """Batches of ``(contexts, targets)`` over all words of some documents.

    ``contexts`` (B, memory) are the ids before each target, the newest last, with ``padding`` where the
    document has not begun; ``targets`` (B,) are the ids themselves.  Only the stream is held: a memory of
    a hundred words costs no more than one of five.  The order of each epoch depends on
    ``(seed, epoch)`` only.

    >>> batches = ContextBatches([[5, 6], [7]], memory=2, size=3, padding=0, shuffle=False)
    >>> [(contexts.tolist(), targets.tolist()) for contexts, targets in batches.epoch(0)]
    [([[0, 0], [0, 5], [0, 0]], [5, 6, 7])]
    """

    def __init__(
        self,
        documents: Sequence[ArrayLike],
        memory: int,
        size: int,
        *,
        padding: int = 0,
        seed: int = 0,
        shuffle: bool = True,
        drop_last: bool = False,
    ) -> None:
        lead = np.full(memory, padding, np.int32)
        pieces: list[NDArray[np.int32]] = []
        places: list[NDArray[np.int64]] = []
        start = 0
        for document in documents:
            ids = np.asarray(document, np.int32)
            pieces += [lead, ids]
            places.append(np.arange(start + memory, start + memory + len(ids)))
            start += memory + len(ids)
        self._stream = np.concatenate([lead[:0], *pieces])
        self._before = np.arange(-memory, 0)
        self._places = Batches(
            np.concatenate([np.zeros(0, np.int64), *places]),
            size,
            seed=seed,
            shuffle=shuffle,
            drop_last=drop_last,
        )

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
