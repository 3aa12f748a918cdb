"""Texts as streams of ids, and batches of (what came before, what came next) cut from them on demand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

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
        self.arrays = (stream.astype(np.int32), places)
        """The ids of all documents, each after its padding, and where in them the targets are."""
        self._before = np.arange(-memory, 0)
        self._rows = Batches(np.arange(len(places)), size, seed=seed, shuffle=shuffle, drop_last=drop_last)
        self.size, self.examples = size, len(places)

    def __len__(self) -> int:
        return len(self._rows)

    def permutation(self, epoch: int) -> NDArray[np.int64]:
        """The words to predict in the order of ``epoch``, shape (N,)."""
        return self._rows.permutation(epoch)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
        """The batches of ``epoch`` in order, from batch number ``start`` on."""
        return (self.gather(self.arrays, rows) for rows in self._rows.epoch(epoch, start))

    def gather(self, arrays: Any, rows: Any) -> Any:
        """The contexts and targets of ``rows``; of nodes as well: a program can gather its own batches."""
        stream, places = arrays[0], arrays[1][rows]
        return stream[places[:, None] + self._before], stream[places]
