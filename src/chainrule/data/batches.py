"""Batches in an order that depends on (seed, epoch) alone, so that training can resume anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.ragged import Array, Ragged
from chainrule.errors import ArgumentError, ShapeError


def permutation(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order of ``count`` things in an epoch: a function of its arguments and of nothing that went before.

    The things are sorted by raw 64-bit outputs of PCG64 seeded with (seed, epoch).  NumPy promises
    that stream for good, which it does not for the shuffling methods of its Generator.

    >>> permutation(5, seed=0, epoch=0).tolist() == permutation(5, seed=0, epoch=0).tolist()
    True
    """
    if seed < 0 or epoch < 0:
        raise ArgumentError(f"seed {seed} and epoch {epoch} must not be negative")
    keys = np.random.PCG64(np.random.SeedSequence([seed, epoch])).random_raw(count)
    return np.argsort(keys, kind="stable").astype(np.int64, copy=False)


class Batches:
    """Equal-length arrays cut into batches along their first axis.

    ``arrays`` is one array, a tuple or a dict of arrays; batches have the same form.  Each epoch has its
    own order (``shuffle=False``: always 0 … N - 1) that depends on ``(seed, epoch)`` only.  The last,
    smaller batch is kept unless ``drop_last``.  ``len()`` is the number of batches in an epoch.

    Errors: ShapeError for arrays of different lengths; ArgumentError where an epoch would have no batch.

    >>> batches = Batches((np.arange(5), np.arange(5) * 10), 2, seed=1)
    >>> for x, y in batches.epoch(0):
    ...     print(bool((y == 10 * x).all()), len(x))
    True 2
    True 2
    True 1
    >>> rest = [x.tolist() for x, _ in batches.epoch(3, start=2)]  # resumes within epoch 3
    >>> rest == [x.tolist() for x, _ in batches.epoch(3)][2:]
    True
    """

    def __init__(
        self,
        arrays: ArrayLike | tuple[ArrayLike, ...] | Mapping[str, ArrayLike],
        size: int,
        *,
        seed: int = 0,
        shuffle: bool = True,
        drop_last: bool = False,
    ) -> None:
        self.arrays: Any
        if isinstance(arrays, Mapping):
            # Masked arrays stay masked, so that training can refuse them; it would see what they hide.
            self.arrays = {name: np.asanyarray(a) for name, a in arrays.items()}
            named = list(self.arrays.items())
        elif isinstance(arrays, tuple):
            self.arrays = tuple(np.asanyarray(a) for a in arrays)
            named = [(f"array {i}", a) for i, a in enumerate(self.arrays)]
        else:
            self.arrays = np.asanyarray(arrays)
            named = [("the array", self.arrays)]
        self.examples = _common_length(named)
        self.size, self.seed, self.shuffle, self.drop_last = size, seed, shuffle, drop_last
        _require_batches(self.examples, size, drop_last)

    def __len__(self) -> int:
        return _count(self.examples, self.size, self.drop_last)

    def permutation(self, epoch: int) -> NDArray[np.int64]:
        """The examples in the order of ``epoch``, shape (N,)."""
        return permutation(self.examples, self.seed, epoch) if self.shuffle else np.arange(self.examples)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
        """The batches of ``epoch`` in order, from batch number ``start`` on; each is a copy."""
        _require_start(start, len(self))
        order = self.permutation(epoch)
        return (self.take(order[b * self.size : (b + 1) * self.size]) for b in range(start, len(self)))

    def take(self, index: ArrayLike) -> Any:
        """The examples at ``index``, in the form the arrays were given in."""
        return self.gather(self.arrays, index)

    def gather(self, arrays: Any, rows: Any) -> Any:
        """The rows of ``arrays``, which may be nodes as well: a program can gather its own batches."""
        if isinstance(arrays, dict):
            return {name: a[rows] for name, a in arrays.items()}
        if isinstance(arrays, tuple):
            return tuple(a[rows] for a in arrays)
        return arrays[rows]


class Padded(NamedTuple):
    """A batch of sequences of one bucket: which they are, and their padded ids.

    ``examples`` (B,) their places in the data; ``ids`` (B, T) padded to the bucket's length; ``mask`` (B, T)
    true at real entries; ``lengths`` (B,).
    """

    examples: NDArray[np.int64]
    ids: Array
    mask: NDArray[np.bool_]
    lengths: NDArray[np.int64]


class BucketedBatches:
    """Sequences of different lengths in batches of similar length, padded to a few fixed lengths.

    A sequence goes into the first bucket that it fits; sequences longer than the last of ``lengths`` get
    a bucket of the greatest length.  By default there are ``buckets`` lengths, at equal shares of the
    sequences.  Few distinct shapes mean few compilations, and little padding.  Orders within and among
    buckets depend on ``(seed, epoch)`` only.  ``drop_last`` drops the last, smaller batch of each bucket.

    Take what belongs to the sequences by ``batch.examples``, for example ``labels[batch.examples]``, or
    ``tags.padded(batch.examples, batch.ids.shape[1])`` with tags a ``Ragged``.

    Errors: ArgumentError where an epoch would have no batch.

    >>> batches = BucketedBatches([[1], [2, 2, 2], [3, 3], [4]], 2, lengths=[1, 3], seed=0)
    >>> sorted((b.ids.shape, b.lengths.tolist()) for b in batches.epoch(0))[0]
    ((2, 1), [1, 1])
    """

    def __init__(
        self,
        sequences: Sequence[ArrayLike] | Ragged,
        size: int,
        *,
        lengths: Sequence[int] | None = None,
        buckets: int = 8,
        padding: int = 0,
        seed: int = 0,
        shuffle: bool = True,
        drop_last: bool = False,
    ) -> None:
        self.sequences = sequences if isinstance(sequences, Ragged) else Ragged(sequences)
        self.size, self.seed, self.shuffle, self.drop_last = size, seed, shuffle, drop_last
        self.padding = padding
        _require_batches(len(self.sequences), size, drop_last=False)
        own = self.sequences.lengths
        if lengths is None:
            if buckets < 1:
                raise ArgumentError(f"{buckets} buckets", mend="give at least 1")
            shares = np.arange(1, buckets + 1) / buckets
            bounds = np.quantile(own, shares, method="higher").astype(np.int64)
        else:
            bounds = np.asarray(lengths, dtype=np.int64)
        self.lengths = np.unique(np.append(bounds, bounds.max(initial=own.max())))
        bucket = np.searchsorted(self.lengths, own)
        self._members = [np.flatnonzero(bucket == k) for k in range(len(self.lengths))]
        self._counts = [_count(len(m), size, drop_last) for m in self._members]
        if not sum(self._counts):
            raise ArgumentError(
                f"no bucket fills a batch of {size}", mend="keep the last batches or use fewer buckets"
            )

    def __len__(self) -> int:
        return sum(self._counts)

    def permutation(self, epoch: int) -> NDArray[np.int64]:
        """The sequences that the epoch visits, in its order."""
        return np.concatenate([index for index, _ in self._plan(epoch)])

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Padded]:
        """The batches of ``epoch`` in order, from batch number ``start`` on."""
        _require_start(start, len(self))
        return (self._padded(index, length) for index, length in self._plan(epoch)[start:])

    def _padded(self, index: NDArray[np.int64], length: int) -> Padded:
        ids, mask = self.sequences.padded(index, length, self.padding)
        return Padded(index, ids, mask, self.sequences.lengths[index])

    def _plan(self, epoch: int) -> list[tuple[NDArray[np.int64], int]]:
        """Every batch of the epoch as its sequences and its padded length."""
        members = self._members
        if self.shuffle:
            # Ordered once over all sequences, then dealt to the buckets: no seed per bucket is needed.
            rank = np.argsort(permutation(len(self.sequences), self.seed, epoch))
            members = [m[np.argsort(rank[m])] for m in members]
        plan = [
            (m[b * self.size : (b + 1) * self.size], int(length))
            for m, length, count in zip(members, self.lengths, self._counts, strict=True)
            for b in range(count)
        ]
        if not self.shuffle:
            return plan
        # A batch takes the place of its first sequence in the same order, so the buckets come mixed.
        return sorted(plan, key=lambda batch: rank[batch[0][0]])


def _count(examples: int, size: int, drop_last: bool) -> int:
    """How many batches ``examples`` make."""
    return examples // size if drop_last else -(-examples // size)


def _common_length(named: Sequence[tuple[str, Array]]) -> int:
    if not named:
        raise ArgumentError("no arrays", mend="give at least one")
    lengths = {name: a.shape[0] if a.ndim else None for name, a in named}
    if None in lengths.values() or len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {a.shape}" for name, a in named)
        raise ShapeError(f"arrays of different lengths: {shown}", mend="give each one entry per example")
    return int(named[0][1].shape[0])


def _require_batches(examples: int, size: int, drop_last: bool) -> None:
    if size < 1:
        raise ArgumentError(f"batches of {size} examples", mend="give a size of at least 1")
    if examples == 0:
        raise ArgumentError("no examples to cut into batches")
    if drop_last and examples < size:
        raise ArgumentError(
            f"{examples} examples do not fill one batch of {size}, and the last is dropped",
            mend="use a smaller size or keep the last batch",
        )


def _require_start(start: int, count: int) -> None:
    if not 0 <= start <= count:
        raise ArgumentError(f"start at batch {start} of {count}", mend=f"0 … {count}")
