"""Words with a vector each: their neighbours, their analogies, and a first table of embeddings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.ragged import Array
from chainrule.data.vocabulary import Vocabulary
from chainrule.errors import ArgumentError, DTypeError, ShapeError

_BLOCK = 1 << 22
"""Elements that are worked on at once: a matrix on disk may be larger than memory."""
_SAMPLE = 10_000


class WordVectors:
    """N words and their vectors, the rows of a matrix of shape (N, D).

    The matrix is kept as it is given, so it may be mapped from a file; it is only read.

    Raises: ShapeError if the matrix is no table of N rows; DTypeError if it is not of floating point;
    ArgumentError for a word that is there twice.

    >>> vectors = WordVectors(["up", "down", "high", "low"], np.array([[1, 0], [-1, 0], [1, 1], [-1, 1.0]]))
    >>> vectors.analogy("up", "down", "high")
    [('low', 0.959...)]
    >>> "up" in vectors, vectors["low"]
    (True, array([-1.,  1.]))
    """

    __slots__ = ("_index", "_norms", "matrix", "words")

    words: tuple[str, ...]
    matrix: Array

    def __init__(self, words: Iterable[str], matrix: ArrayLike) -> None:
        self.words, self.matrix = tuple(words), np.asarray(matrix)
        if self.matrix.ndim != 2 or len(self.matrix) != len(self.words):
            raise ShapeError(
                f"vectors of shape {self.matrix.shape} for {len(self.words):,} words",
                mend="give one row a word",
            )
        if self.matrix.dtype.kind != "f":
            raise DTypeError(f"vectors must be of floating point, not {self.matrix.dtype}")
        self._index = dict(zip(self.words, range(len(self.words)), strict=True))
        if len(self._index) < len(self.words):
            twice = next(word for i, word in enumerate(self.words) if self._index[word] != i)
            raise ArgumentError(f"{twice!r} is given twice", mend="give each word once")
        self._norms: Array | None = None

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._index

    def __iter__(self) -> Iterator[str]:
        return iter(self.words)

    def __getitem__(self, word: str) -> Array:
        """The vector of ``word``, shape (D,), as an array of its own.  Raises: as :meth:`index`."""
        return np.array(self.matrix[self.index(word)])

    def __repr__(self) -> str:
        return f"WordVectors({len(self):,} words, {self.dimension} dimensions)"

    @property
    def dimension(self) -> int:
        """D, the length of each vector."""
        return int(self.matrix.shape[1])

    @property
    def norms(self) -> Array:
        """The Euclidean length of each vector, shape (N,); taken once."""
        if self._norms is None:
            parts = [np.sqrt(np.einsum("nd,nd->n", rows, rows)) for _, rows in self._blocks()]
            self._norms = np.concatenate(parts) if parts else np.zeros(0, self.matrix.dtype)
        return self._norms

    def index(self, word: str) -> int:
        """The row of ``word``.  Raises: ArgumentError if it has none."""
        try:
            return self._index[word]
        except KeyError:
            near = self._index.keys() & {word.lower(), word.capitalize(), word.upper()}
            raise ArgumentError(
                f"{word!r} has no vector", mend=f"did you mean {min(near)!r}?" if near else None
            ) from None

    def find(self, word: str, lower: bool = True) -> int | None:
        """The row of ``word``, or with ``lower`` that of the word in lower case, or None."""
        row = self._index.get(word)
        return self._index.get(word.lower()) if row is None and lower else row

    def select(self, words: Iterable[str]) -> WordVectors:
        """The vectors of those ``words`` that have one, in the order of this table, in memory."""
        rows = sorted({self._index[word] for word in words if word in self._index})
        return WordVectors([self.words[row] for row in rows], self.matrix[rows])

    def similarity(self, a: str, b: str) -> float:
        """The cosine of the angle between two words, u·v / (‖u‖‖v‖); 0 where a vector is zero."""
        u, v = self._unit(self[a]), self._unit(self[b])
        return float(u @ v)

    def nearest(
        self, query: str | ArrayLike, k: int = 10, exclude: Iterable[str] = ()
    ) -> list[tuple[str, float]]:
        """The ``k`` words with the largest cosine to ``query``, a word or a vector of shape (D,).

        Neither the word itself nor those in ``exclude`` are among them; of equals the earlier comes first.
        A table with fewer words gives fewer.

        Raises: ArgumentError for a word without a vector, a zero vector or ``k`` < 1; ShapeError.
        """
        if k < 1:
            raise ArgumentError(f"k={k} neighbours", mend="ask for 1 or more")
        excluded = set(exclude)
        if isinstance(query, str):
            excluded.add(query)
            query = self[query]
        vector = np.asarray(query, dtype=self.matrix.dtype)
        if vector.shape != (self.dimension,):
            raise ShapeError(f"a vector of shape {vector.shape} among vectors of shape ({self.dimension},)")
        unit = self._unit(vector)
        if not unit.any():
            raise ArgumentError("a zero vector has no direction, so no neighbours")
        scores = np.empty(len(self), self.matrix.dtype)
        for start, rows in self._blocks():
            scores[start : start + len(rows)] = rows @ unit
        scores /= np.where(self.norms > 0, self.norms, 1)
        left_out = [self._index[word] for word in excluded if word in self._index]
        scores[left_out] = -np.inf
        k = min(k, len(self) - len(left_out))
        if k < 1:
            return []
        least = np.partition(scores, len(self) - k)[len(self) - k]
        rows = np.flatnonzero(scores >= least)
        best = rows[np.argsort(-scores[rows], kind="stable")[:k]]
        return [(self.words[row], float(scores[row])) for row in best]

    def analogy(self, a: str, b: str, c: str, k: int = 1) -> list[tuple[str, float]]:
        """``a`` is to ``b`` as ``c`` is to …: the ``k`` best answers, the three themselves left out.

        The answers d maximise cos(d, b − a + c), the three vectors taken at length one.
        Source: Mikolov, Yih and Zweig 2013; called 3CosAdd by Levy and Goldberg 2014.
        """
        u, v, w = (self._unit(self[word]) for word in (a, b, c))
        return self.nearest(v - u + w, k, exclude=(a, b, c))

    def matrix_for(
        self,
        vocabulary: Vocabulary | Sequence[str],
        seed: int = 0,
        scale: float | None = None,
        *,
        lower: bool = True,
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """A table of embeddings for ``vocabulary``, and which of its V tokens were found here.

        Shapes (V, D) float32 and (V,).  Tokens not found, with ``lower`` not in lower case either, get
        random vectors, uniform on [−scale, scale]; the padding symbol of a :class:`Vocabulary` gets zeros.
        ``scale=None`` takes √3 times the standard deviation of the vectors found, which gives the random
        ones the same variance (Kim 2014).

        >>> vectors = WordVectors(["new", "york"], np.array([[1.0, 2.0], [3.0, 4.0]]))
        >>> table, found = vectors.matrix_for(Vocabulary(["York", "Town"]), scale=0.1)
        >>> found
        array([False, False,  True, False])
        >>> table[0], table[2], bool(abs(table[3]).max() <= 0.1)
        (array([0., 0.], dtype=float32), array([3., 4.], dtype=float32), True)
        """
        tokens = vocabulary.tokens if isinstance(vocabulary, Vocabulary) else tuple(vocabulary)
        places = [self.find(token, lower) for token in tokens]
        rows = np.array([-1 if place is None else place for place in places], dtype=np.intp)
        if isinstance(vocabulary, Vocabulary) and vocabulary.padding is not None:
            padding = vocabulary.index(vocabulary.padding)
            rows[padding] = -1
        else:
            padding = None
        found = rows >= 0
        known = self.matrix[rows[found]]
        if scale is None:
            sample = known if len(known) else self.matrix[:_SAMPLE]
            scale = math.sqrt(3) * float(sample.std()) if sample.size else 0.0
        elif scale < 0:
            raise ArgumentError(f"scale={scale}", mend="give 0 or more")
        # Drawn for all tokens, so that a token's vector does not hang on which others were found.
        table = np.random.default_rng(seed).random((len(tokens), self.dimension), dtype=np.float32)
        table = (2 * table - 1) * np.float32(scale)
        table[found] = known
        if padding is not None:
            table[padding] = 0
        return table, found

    def _blocks(self) -> Iterator[tuple[int, Array]]:
        """The matrix in pieces of whole rows, and where each starts."""
        step = max(1, _BLOCK // max(1, self.dimension))
        for start in range(0, len(self), step):
            yield start, self.matrix[start : start + step]

    @staticmethod
    def _unit(vector: Array) -> Array:
        length = math.sqrt(float(vector @ vector))
        return vector / vector.dtype.type(length) if length else vector
