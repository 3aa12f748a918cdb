"""Sequences of different lengths, kept as one flat array: the form that windows and buckets are cut from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError

Array = NDArray[Any]


class Ragged(Sequence[Array]):
    """Several 1-D sequences in one flat array: the i-th is ``values[starts[i] : starts[i] + lengths[i]]``.

    ``values`` has shape (total,), ``starts`` and ``lengths`` shape (count,), int64.

    >>> words = Ragged([[5, 6, 7], [], [8]])
    >>> len(words), words.lengths.tolist(), words[0].tolist()
    (3, [3, 0, 1], [5, 6, 7])
    >>> ids, mask = words.padded([2, 0], length=4, padding=0)
    >>> ids.tolist()
    [[8, 0, 0, 0], [5, 6, 7, 0]]
    >>> mask.sum(axis=1).tolist()
    [1, 3]
    """

    values: Array
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def __init__(self, sequences: Sequence[ArrayLike]) -> None:
        parts = [np.asarray(s) for s in sequences]
        for i, part in enumerate(parts):
            if part.ndim != 1:
                raise ShapeError(f"sequence {i} has shape {part.shape}; each must have one axis")
        # An empty list has no type of its own (NumPy says float64): it must not make the others' ids floats.
        full = [p for p in parts if p.size]
        self.values = np.concatenate(full) if full else np.zeros(0, dtype=np.int64)
        self.lengths = np.array([p.size for p in parts], dtype=np.int64)
        self.starts = np.cumsum(self.lengths) - self.lengths

    @classmethod
    def from_flat(cls, values: Array, lengths: ArrayLike) -> Ragged:
        """Sequences that lie one after the other in ``values``; ``lengths`` must add up to its size."""
        found = cls.__new__(cls)
        found.values, found.lengths = values, np.asarray(lengths, dtype=np.int64)
        if values.ndim != 1 or found.lengths.ndim != 1 or int(found.lengths.sum()) != values.size:
            raise ShapeError(f"lengths that sum to {found.lengths.sum()} for values of shape {values.shape}")
        found.starts = np.cumsum(found.lengths) - found.lengths
        return found

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        start = self.starts[index]
        return self.values[start : start + self.lengths[index]]

    def __iter__(self) -> Iterator[Array]:
        return iter(np.split(self.values, self.starts[1:])) if len(self) else iter(())

    def __repr__(self) -> str:
        return f"Ragged({len(self):,} sequences, {self.values.size:,} values, {self.values.dtype})"

    def surrounded(self, before: int, after: int, padding: ArrayLike) -> tuple[Array, NDArray[np.int64]]:
        """One stream, each sequence with ``before`` paddings before it and ``after`` behind it.

        Returns the stream, of shape (total + count·(before + after),), and where each value went, of shape
        (total,): ``stream[positions] == values``.

        >>> stream, positions = Ragged([[1, 2], [3]]).surrounded(1, 1, padding=0)
        >>> stream.tolist(), positions.tolist()
        ([0, 1, 2, 0, 0, 3, 0], [1, 2, 5])
        """
        total = self.values.size
        shift = before + np.arange(len(self), dtype=np.int64) * (before + after)
        positions = np.arange(total, dtype=np.int64) + np.repeat(shift, self.lengths)
        stream = np.full(total + len(self) * (before + after), padding, dtype=self.values.dtype)
        stream[positions] = self.values
        return stream, positions

    def padded(
        self, index: ArrayLike | None = None, length: int | None = None, padding: ArrayLike = 0
    ) -> tuple[Array, NDArray[np.bool_]]:
        """The sequences at ``index`` (default all) as one padded array, and the mask of its real entries.

        Shapes: both (B, length).  ``length`` defaults to the longest of them.
        Raises: ShapeError if one is longer than ``length``; IndexRangeError for an index there is not.
        """
        rows = np.arange(len(self)) if index is None else np.asarray(index, dtype=np.int64)
        if rows.size and not (rows.min() >= 0 and rows.max() < len(self)):
            raise IndexRangeError(f"sequence index outside 0 … {len(self) - 1}")
        lengths = self.lengths[rows]
        longest = int(lengths.max(initial=0))
        width = longest if length is None else length
        if longest > width:
            raise ShapeError(
                f"a sequence of {longest} entries does not fit in {width}", mend="raise the length"
            )
        columns = np.arange(width)
        mask: NDArray[np.bool_] = columns < lengths[:, None]
        ids = np.full(mask.shape, padding, dtype=self.values.dtype)
        ids[mask] = self.values[(self.starts[rows][:, None] + columns)[mask]]
        return ids, mask


def as_ragged(ids: ArrayLike | Ragged | Sequence[ArrayLike]) -> Ragged:
    """One stream of integer ids, or a list of such sequences, as a ``Ragged``.

    >>> as_ragged([1, 2, 3]).lengths.tolist(), as_ragged([[1, 2], [3]]).lengths.tolist()
    ([3], [2, 1])
    """
    if isinstance(ids, Ragged):
        found = ids
    elif isinstance(ids, np.ndarray) and ids.ndim > 0:
        found = Ragged([ids] if ids.ndim == 1 else list(ids))
    elif isinstance(ids, Sequence) and not isinstance(ids, str | bytes):
        stream = len(ids) > 0 and np.isscalar(ids[0])
        found = Ragged([ids] if stream else ids)  # type: ignore[list-item]  # one of the two kinds
    else:
        raise ArgumentError(
            f"ids must be an array, a list of ids or a list of arrays, not {type(ids).__name__}"
        )
    if found.values.dtype.kind not in "iu":
        raise DTypeError(f"ids must be integers, not {found.values.dtype}", mend="encode the tokens first")
    return found
