"""Word vectors by counting: what a table of who stands near whom knows without learning.

The surprise of seeing two words together is their pointwise mutual information, kept where it is positive:

    M[w, c] = max(0, log( P(w, c) / (P(w)·P_α(c)) )),      P_α(c) ∝ count(c)^α, α = 0.75

and the vectors are the rows of U·√S of its truncated singular value decomposition M ≈ U·S·Vᵀ.  Skip-gram
with negative sampling factors about the same matrix (Levy and Goldberg, 2014); α and the root of S are
what makes counting nearly as good (Levy, Goldberg and Dagan, 2015).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ArgumentError, ShapeError

Floats = NDArray[np.float32]

_ELEMENTS = 1 << 24
"""Products that are held at once."""
_EXTRA, _PASSES = 10, 3


@dataclass(frozen=True)
class SparseMatrix:
    """A square matrix of which few elements are not 0, row by row.

    Row r has ``values[starts[r] : starts[r + 1]]`` in the columns ``columns[…]``.

    >>> matrix = SparseMatrix(np.array([0, 2, 3]), np.array([0, 1, 0]), np.float32([1, 2, 3]))
    >>> matrix @ np.float32([[1], [10]])
    array([[21.],
           [ 3.]], dtype=float32)
    """

    starts: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: Floats

    def __matmul__(self, dense: Floats) -> Floats:
        count, width = dense.shape
        found = np.zeros((count, width), np.float32)
        step = max(_ELEMENTS // max(width, 1), 1)
        first = 0
        while first < count:
            # As many rows as have together no more than so many elements, but one at least.
            last = int(np.searchsorted(self.starts, self.starts[first] + step, side="right")) - 1
            last = min(max(last, first + 1), count)
            part = slice(self.starts[first], self.starts[last])
            products = self.values[part, None] * dense[self.columns[part]]
            filled = first + np.flatnonzero(np.diff(self.starts[first : last + 1]))
            if filled.size:
                found[filled] = np.add.reduceat(products, self.starts[filled] - self.starts[first], axis=0)
            first = last
        return found

    @property
    def transposed(self) -> SparseMatrix:
        """The matrix with rows and columns exchanged."""
        count = len(self.starts) - 1
        rows = np.repeat(np.arange(count), np.diff(self.starts))
        order = np.argsort(self.columns, kind="stable")
        starts = np.searchsorted(self.columns[order], np.arange(count + 1))
        return SparseMatrix(starts, rows[order], self.values[order])


def positive_pmi(words: ArrayLike, neighbours: ArrayLike, count: int, power: float = 0.75) -> SparseMatrix:
    """M of the pairs (words[i], neighbours[i]), ids below ``count``: see the head of this file.

    Raises ``ShapeError`` where the two differ in length, ``ArgumentError`` where there are none.

    >>> m = positive_pmi([1, 1, 2, 2], [2, 2, 1, 0], 3)
    >>> (m @ np.eye(3, dtype=np.float32)).round(2)
    array([[0.  , 0.  , 0.  ],
           [0.  , 0.  , 0.78],
           [0.61, 0.61, 0.  ]], dtype=float32)
    """
    first, second = np.asarray(words, np.int64), np.asarray(neighbours, np.int64)
    if first.shape != second.shape or first.ndim != 1:
        raise ShapeError(f"words of shape {first.shape} and neighbours of shape {second.shape}")
    if not first.size:
        raise ArgumentError("there are no pairs to count")
    pairs, times = np.unique(first * count + second, return_counts=True)
    rows, columns = pairs // count, pairs % count
    given = np.bincount(rows, times, minlength=count) / first.size
    smooth = np.bincount(columns, times, minlength=count) ** power
    smooth /= smooth.sum()
    pmi = np.log(times / first.size / (given[rows] * smooth[columns]))
    kept = pmi > 0
    starts = np.searchsorted(rows[kept], np.arange(count + 1))
    return SparseMatrix(starts, columns[kept], pmi[kept].astype(np.float32))


def count_vectors(
    words: ArrayLike, neighbours: ArrayLike, count: int, width: int, *, seed: int = 0
) -> Floats:
    """U·√S of the positive PMI of pairs of ids below ``count``, shape (count, width), float32.

    The decomposition is found among random combinations of columns, a little wider than asked for and
    multiplied by M·Mᵀ a few times (Halko, Martinsson and Tropp, 2011); ``seed`` chooses them.  Words that
    are in no pair have zeros.
    """
    matrix = positive_pmi(words, neighbours, count)
    turned = matrix.transposed
    wide = min(width + _EXTRA, count)
    chance = np.random.Generator(np.random.PCG64(seed))
    basis = _orthonormal(matrix @ chance.standard_normal((count, wide), np.float32))
    for _ in range(_PASSES):
        basis = _orthonormal(matrix @ _orthonormal(turned @ basis))
    # M ≈ Q·(QᵀM), and QᵀM is small enough to be decomposed as it is.
    left, sizes, _ = np.linalg.svd((turned @ basis).T, full_matrices=False)
    vectors: NDArray[Any] = (basis @ left[:, :width]) * np.sqrt(sizes[:width])
    found = np.zeros((count, width), np.float32)
    found[:, : vectors.shape[1]] = vectors
    found[np.diff(matrix.starts) == 0] = 0  # but for rounding they are
    return found


def _orthonormal(matrix: Floats) -> Floats:
    q: Floats = np.linalg.qr(matrix)[0]
    return q
