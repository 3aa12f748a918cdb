"""What word vectors know: similarity as people judge it, and analogies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.files import Pathish
from chainrule.data.ragged import Array
from chainrule.data.readers import read_csv, read_lines
from chainrule.data.word_vectors import WordVectors
from chainrule.errors import DataError, ShapeError

_QUESTIONS, _ROWS = 512, 8192
"""Questions and words whose cosines are taken in one product."""


class Similarity(NamedTuple):
    """How the cosines of pairs of words agree with people's judgement of them."""

    spearman: float
    """The rank correlation over the pairs covered; NaN where fewer than two are, or all are alike."""
    covered: int
    pairs: int

    @property
    def coverage(self) -> float:
        """The share of pairs of which both words have a vector."""
        return self.covered / self.pairs


class Section(NamedTuple):
    """The analogy questions of one kind."""

    name: str
    correct: int
    covered: int
    """Questions of which all four words have a vector; the others are not asked."""
    questions: int

    @property
    def accuracy(self) -> float:
        """Correct answers among the questions that were asked; NaN where there were none."""
        return self.correct / self.covered if self.covered else math.nan


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Spearman's rank correlation of two sequences of N numbers.

    The Pearson correlation of the ranks, equal numbers having the mean of their ranks; NaN for fewer
    than two numbers, or where one sequence is all equal.

    Raises: ShapeError unless both are of one axis and one length.

    >>> spearman([1, 2, 3, 4], [10, 20, 30, 5])
    -0.2
    """
    x, y = (np.asarray(values, dtype=np.float64) for values in (a, b))
    if x.ndim != 1 or x.shape != y.shape:
        raise ShapeError(f"a rank correlation of shapes {x.shape} and {y.shape}", mend="give equal lengths")
    if x.size < 2:
        return math.nan
    u, v = (_ranks(values) - (x.size + 1) / 2 for values in (x, y))
    size = math.sqrt(float(u @ u) * float(v @ v))
    return float(u @ v) / size if size else math.nan


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ranks from 1 to N; equals share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[place]
    return ranks


def simlex(
    vectors: WordVectors,
    path: Pathish,
    columns: Sequence[str] = ("word1", "word2", "SimLex999"),
    *,
    lower: bool = True,
) -> Similarity:
    """Spearman's correlation of cosine with judged similarity, over the pairs that have vectors.

    The file is a table with tabs; ``columns`` names the two words and the judgement, so that other sets
    of pairs (WordSim-353, MEN) can be read too.  With ``lower``, a word that is not there is sought in
    lower case.

    Errors: DataError for a missing column, a judgement that is no number, or a file without pairs.
    Source: Hill, Reichart and Korhonen 2014.

    >>> import tempfile
    >>> from chainrule.data import write_atomically
    >>> vectors = WordVectors(["old", "new", "aged"], np.array([[1, 0], [0, 1], [1, 0.5]]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = "word1\\tword2\\tSimLex999\\nold\\tnew\\t1.5\\nold\\taged\\t8\\nold\\tolden\\t9\\n"
    ...     write_atomically(f"{folder}/pairs.txt", table)
    ...     simlex(vectors, f"{folder}/pairs.txt")
    Similarity(spearman=1.0, covered=2, pairs=3)
    """
    table = read_csv(path, list(columns), delimiter="\t", quote=None)
    first, second, judged = (table[column] for column in columns)
    if not judged:
        raise DataError("there are no pairs of words in it", path=path)
    gold, cosines = [], []
    for number, (a, b, text) in enumerate(zip(first, second, judged, strict=True), start=1):
        try:
            value = float(text)
        except ValueError:
            raise DataError(f"{columns[2]} of pair {number} is {text!r}, not a number", path=path) from None
        u, v = vectors.find(a, lower), vectors.find(b, lower)
        if u is not None and v is not None:
            gold.append(value)
            cosines.append(vectors.similarity(vectors.words[u], vectors.words[v]))
    return Similarity(spearman(gold, cosines), len(gold), len(judged))


def analogies(
    vectors: WordVectors, path: Pathish, *, most: int | None = None, lower: bool = True
) -> list[Section]:
    """How many analogy questions the vectors answer, by section, and in all.

    In the file a line ``: NAME`` opens a section and every other is a question ``a b c d``: ``a`` is to
    ``b`` as ``c`` is to …?  The answer is the word that maximises cos(d, b − a + c) but a, b and c
    themselves, as :meth:`WordVectors.analogy` has it.  ``most`` has only so many words, the first and so
    the most frequent, asked and answering (word2vec's own program takes 30,000 unless told).  With
    ``lower``, a word that is not there is sought in lower case.

    The last rows are ``semantic`` and ``syntactic``, where the file has both kinds (sections whose names
    begin with ``gram`` are syntactic), and ``all``.

    Errors: DataError with file and line for a question of other than four words, one before any section,
    or a file without questions.
    Source: Mikolov, Chen, Corrado and Dean 2013, section 4.1.
    """
    if most is not None:
        vectors = WordVectors(vectors.words[:most], vectors.matrix[:most])
    sections = [
        _answered(vectors, name, questions, lower) for name, questions in _sections(path).items() if questions
    ]
    syntactic = [section for section in sections if section.name.startswith("gram")]
    semantic = [section for section in sections if not section.name.startswith("gram")]
    totals = [_sum("all", sections)]
    if syntactic and semantic:
        totals = [_sum("semantic", semantic), _sum("syntactic", syntactic), *totals]
    return [*sections, *totals]


def _sections(path: Pathish) -> dict[str, list[list[str]]]:
    sections: dict[str, list[list[str]]] = {}
    questions: list[list[str]] | None = None
    for number, line in enumerate(read_lines(path), start=1):
        words = line.split()
        if line.startswith(":"):
            questions = sections.setdefault(line[1:].strip(), [])
        elif words and (questions is None or len(words) != 4):
            fault = f"{len(words)} words, not the four of a question" if questions is not None else None
            raise DataError(fault or "a question before any section", path=path, line=number)
        elif words and questions is not None:
            questions.append(words)
    if not any(sections.values()):
        raise DataError(
            "there are no analogy questions in it", path=path, mend="a section opens with ': NAME'"
        )
    return sections


def _answered(vectors: WordVectors, name: str, questions: list[list[str]], lower: bool) -> Section:
    found = [[vectors.find(word, lower) for word in question] for question in questions]
    asked = np.array([rows for rows in found if None not in rows], dtype=np.intp).reshape(-1, 4)
    correct = sum(
        int((_answers(vectors, part[:, :3]) == part[:, 3]).sum())
        for part in (asked[start : start + _QUESTIONS] for start in range(0, len(asked), _QUESTIONS))
    )
    return Section(name, correct, len(asked), len(questions))


def _answers(vectors: WordVectors, asked: NDArray[np.intp]) -> NDArray[np.intp]:
    """The row of the best answer to each question, given the rows (Q, 3) of its words."""
    lengths = np.where(vectors.norms > 0, vectors.norms, 1)
    a, b, c = (vectors.matrix[rows] / lengths[rows, None] for rows in asked.T)
    targets: Array = b - a + c  # its length does not matter for which cosine is the largest
    best = np.full(len(asked), -np.inf, dtype=targets.dtype)
    answer = np.zeros(len(asked), dtype=np.intp)
    every = np.arange(len(asked))
    for start in range(0, len(vectors), _ROWS):
        units = vectors.matrix[start : start + _ROWS] / lengths[start : start + _ROWS, None]
        scores = targets @ units.T
        for rows in asked.T:
            here = (rows >= start) & (rows < start + _ROWS)
            scores[every[here], rows[here] - start] = -np.inf
        top = scores.argmax(axis=1)
        found = scores[every, top]
        better = found > best
        best[better], answer[better] = found[better], start + top[better]
    return answer


def _sum(name: str, sections: Iterable[Section]) -> Section:
    parts = list(sections)
    return Section(
        name,
        sum(part.correct for part in parts),
        sum(part.covered for part in parts),
        sum(part.questions for part in parts),
    )
