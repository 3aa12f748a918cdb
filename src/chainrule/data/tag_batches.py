"""Batches of windows in several channels, each with the tag of the word in its middle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.batches import Batches
from chainrule.data.features import Encoded, Ids
from chainrule.errors import ArgumentError, ShapeError


def window_streams(encoded: Encoded, radius: int) -> tuple[list[Ids], NDArray[np.int64]]:
    """Each channel as one stream, with ``radius`` paddings between sentences, and the places of the tokens.

    Shapes: streams (sentences·radius + tokens + radius,) or with one more axis; places (tokens,).
    ``stream[places[:, None] + [-radius … radius]]`` are the windows.  One run of paddings parts two
    sentences: it is as long as a window reaches.

    >>> encoded = Encoded(np.array([2, 1]), {"word": np.array([5, 6, 7], np.int32)})
    >>> (stream,), places = window_streams(encoded, 1)
    >>> stream.tolist(), places.tolist()
    ([0, 5, 6, 0, 7, 0], [1, 2, 4])
    """
    if radius < 0:
        raise ArgumentError(f"a window of radius {radius}", mend="give a radius of at least 0")
    before = radius * np.arange(1, len(encoded) + 1, dtype=np.int64)
    places = np.arange(encoded.tokens, dtype=np.int64) + np.repeat(before, encoded.lengths)
    streams = []
    for ids in encoded.ids.values():
        stream = np.zeros((encoded.tokens + (len(encoded) + 1) * radius, *ids.shape[1:]), np.int32)
        stream[places] = ids
        streams.append(stream)
    return streams, places


class WindowBatches:
    """Batches ``(windows of the first channel, …, of the last, tags)`` over all tokens of some sentences.

    The windows of a channel have shape (B, 2·radius + 1), or one more axis where a token has several
    ids, with id 0 beyond the ends of the sentence; ``tags`` (B,) are those of the words in the middle, and
    are left out where none are given.  Only the streams are held.  The order of each epoch depends on
    ``(seed, epoch)`` only.

    Errors: ArgumentError for a negative radius or where there is no token; ShapeError for tags that
    are not one a token.

    >>> encoded = Encoded(np.array([2, 1]), {"word": np.array([5, 6, 7], np.int32)})
    >>> batches = WindowBatches(encoded, 1, size=3, tags=[1, 2, 1], shuffle=False)
    >>> [(windows.tolist(), tags.tolist()) for windows, tags in batches.epoch(0)]
    [([[0, 5, 6], [5, 6, 0], [0, 7, 0]], [1, 2, 1])]
    """

    def __init__(
        self,
        encoded: Encoded,
        radius: int,
        size: int,
        *,
        tags: ArrayLike | None = None,
        seed: int = 0,
        shuffle: bool = True,
        drop_last: bool = False,
    ) -> None:
        streams, places = window_streams(encoded, radius)
        more: list[NDArray[Any]] = [] if tags is None else [np.asarray(tags, np.int32)]
        if more and more[0].shape != places.shape:
            raise ShapeError(f"tags of shape {more[0].shape} for {len(places)} tokens")
        self.arrays = (*streams, places, *more)
        """The streams, where in them the tokens are, and the tags."""
        self._channels = len(streams)
        self._around = np.arange(-radius, radius + 1)
        self._rows = Batches(np.arange(len(places)), size, seed=seed, shuffle=shuffle, drop_last=drop_last)
        self.size, self.examples = size, len(places)

    def __len__(self) -> int:
        return len(self._rows)

    def permutation(self, epoch: int) -> NDArray[np.int64]:
        """The tokens in the order of ``epoch``, shape (N,)."""
        return self._rows.permutation(epoch)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[NDArray[np.int32], ...]]:
        """The batches of ``epoch`` in order, from batch number ``start`` on."""
        return (self.gather(self.arrays, rows) for rows in self._rows.epoch(epoch, start))

    def gather(self, arrays: Any, rows: Any) -> Any:
        """The windows and tags of ``rows``; of nodes as well: a program can gather its own batches."""
        streams, (places, *tags) = arrays[: self._channels], arrays[self._channels :]
        at = places[rows][:, None] + self._around
        return (*(stream[at] for stream in streams), *(array[rows] for array in tags))
