"""What word vectors are asked: their neighbours, how they agree with people, analogies, a picture."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..data import Vocabulary, WordVectors
from ..data.readers import read_lines
from ..data.sources import aloud, located, recorded_source
from ..data.vector_scores import analogies, simlex
from ..errors import DataError
from ..train.configuration import Options, Whole
from .task import Map, Report, Say, Table

PAIRS, QUESTIONS = "SimLex-999.txt", "questions-words.txt"
_LETTERS = 5  # a word of so many is hardly one of grammar
_SIGN = re.compile("<[a-z]+>")


class ExaminationOptions(Options):
    """What the vectors are asked."""

    similarities: str = ""
    """A table of pairs of words and how alike people find them: a file, or ``simlex``."""
    analogies: str = ""
    """Questions of four words a line: a file, or ``analogies``."""
    words: list[str] = msgspec.field(default_factory=list)
    """Words whose neighbours are shown; by default some frequent ones."""
    neighbours: Whole = 8
    map: Whole = 150
    """How many words the picture holds."""


def settled(options: ExaminationOptions, say: Say) -> ExaminationOptions:
    """The options as a run records them, the files good from any working directory, and there."""
    for given, usual in ((options.similarities, PAIRS), (options.analogies, QUESTIONS)):
        if given:
            _file(given, usual, say)
    return msgspec.structs.replace(
        options,
        similarities=recorded_source(options.similarities),
        analogies=recorded_source(options.analogies),
    )


def _file(given: str, usual: str, say: Say = aloud) -> Path:
    path = located(given, say)
    return path / usual if path.is_dir() else path


def holds_questions(path: Path) -> bool | None:
    """Whether a file holds analogy questions, or (False) judged pairs of words; None if neither."""
    lines = read_lines(path)[:50]
    if any(line.startswith(":") for line in lines):
        return True
    return False if lines and "word1" in lines[0].split("\t") else None


def examine(report: Report, several: Mapping[str, WordVectors], options: ExaminationOptions) -> None:
    """Add scores and tables on judged pairs and on analogies, the vectors named side by side.

    Headline scores are of the first; those of others are prefixed by what stands before the comma.
    """
    first = next(iter(several))
    rows: dict[str, list[float | None]] = {name: [] for name in several}
    header = ["vectors"]
    if options.similarities:
        header += ["SimLex ρ", "pairs covered"]
        for name, vectors in several.items():
            found = simlex(vectors, _file(options.similarities, PAIRS))
            rows[name] += [found.spearman, found.coverage]
            report.scores[_prefixed("simlex", name, first)] = found.spearman
    sections = {}
    if options.analogies:
        header += ["analogies", "questions covered"]
        for name, vectors in several.items():
            sections[name] = analogies(vectors, _file(options.analogies, QUESTIONS))
            whole = sections[name][-1]
            rows[name] += [whole.accuracy, whole.covered / whole.questions]
            report.scores[_prefixed("analogies", name, first)] = whole.accuracy
    if len(header) > 1:
        body = tuple((name, *values) for name, values in rows.items())
        report.tables.append(Table("Judged pairs and analogies", tuple(header), body))
    if sections:
        names = [section.name for section in sections[first]]
        body = tuple(
            (name, sections[first][row].covered, *(_number(of[row].accuracy) for of in sections.values()))
            for row, name in enumerate(names)
        )
        report.tables.append(Table("Analogies by section", ("section", "questions", *several), body))


def _prefixed(score: str, name: str, first: str) -> str:
    return f"test_{score}" if name == first else f"test_{name.partition(',')[0]}_{score}"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def learned_vectors(vocabulary: Vocabulary, table: NDArray[np.float32]) -> WordVectors:
    """The rows of a table of embeddings that are words, not signs such as the padding."""
    rows = [row for row, word in enumerate(vocabulary.tokens) if not _SIGN.fullmatch(word)]
    return WordVectors([vocabulary.token(row) for row in rows], table[rows])


def frequent_words(vectors: WordVectors, count: int) -> list[str]:
    """The first ``count`` words that say something by themselves: of letters alone, and not too few.

    >>> vectors = WordVectors(["the", ",", "river", "<unk>", "south"], np.ones((5, 2)))
    >>> frequent_words(vectors, 9)
    ['river', 'south']
    """
    found = (word for word in vectors.words if len(word) >= _LETTERS and word.isalpha())
    return [word for word, _ in zip(found, range(count), strict=False)]


def neighbour_table(vectors: WordVectors, options: ExaminationOptions) -> Table:
    """The nearest neighbours of the words asked for, or of some frequent ones."""
    frequent = frequent_words(vectors, 200)
    chosen = options.words or frequent[:: max(len(frequent) // 10, 1)][:10]
    rows = []
    for word in chosen:
        place = vectors.find(word)
        near = _nearest(vectors, place, options.neighbours) if place is not None else []
        text = "  ".join(f"{other} {cosine:.2f}" for other, cosine in near)
        rows.append((word, text or ("never seen often enough" if place is None else "none")))
    return Table("Nearest neighbours, with the cosine of the angle", ("word", "neighbours"), tuple(rows))


def _nearest(vectors: WordVectors, place: int, count: int) -> list[tuple[str, float]]:
    if not count or not vectors.norms[place]:
        return []
    return vectors.nearest(vectors.words[place], count)


def word_map(vectors: WordVectors, words: Sequence[str]) -> Map:
    """The words in the plane along which their vectors, taken at length one, differ most."""
    lengths = np.where(vectors.norms > 0, vectors.norms, 1)
    rows = [vectors.index(word) for word in words]
    units = np.asarray(vectors.matrix[rows], np.float64) / lengths[rows, None]
    points, share = principal_components(units, 2)
    title = f"{len(words)} words in the plane of most variance ({share:.0%} of it)"
    return Map(title, tuple(words), tuple((float(x), float(y)) for x, y in points))


def principal_components(matrix: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], float]:
    """Rows along their ``count`` directions of most variance, (rows, count), and their share of it.

    The sign of each direction is that in which the largest entry of its column is positive.

    >>> points, share = principal_components(np.array([[0.0, 1, 0], [0, 3, 0], [0, 5, 0]]), 2)
    >>> points.round(6).tolist(), round(share, 6)
    ([[2.0, 0.0], [0.0, 0.0], [-2.0, 0.0]], 1.0)
    """
    centred = matrix - matrix.mean(axis=0, keepdims=True)
    u, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    found = np.zeros((len(matrix), count))
    kept = min(count, len(sizes))
    found[:, :kept] = u[:, :kept] * sizes[:kept]
    found[:, :kept][np.abs(found[:, :kept]) < 1e-12] = 0.0
    largest = np.abs(found).argmax(axis=0)
    found *= np.where(found[largest, np.arange(count)] < 0, -1.0, 1.0)
    total = float((sizes**2).sum())
    return found, float((sizes[:count] ** 2).sum()) / total if total else 0.0


def asked_file(data: str, say: Say) -> tuple[ExaminationOptions, Path]:
    """What ``data`` asks of vectors: judged pairs or analogies, told by its content.

    Raises ``DataError`` for a file that is neither.
    """
    path = located(data, say)
    if path.is_dir():
        usual = [path / name for name in (PAIRS, QUESTIONS) if (path / name).is_file()]
        if len(usual) != 1:
            raise DataError(
                f"the folder holds neither {PAIRS} nor {QUESTIONS}", path=path, mend="name a file"
            )
        path = usual[0]
    match holds_questions(path):
        case True:
            return ExaminationOptions(analogies=str(path)), path
        case False:
            return ExaminationOptions(similarities=str(path)), path
    raise DataError(
        "this is neither analogy questions nor a table of judged pairs",
        path=path,
        mend="questions open with a line ': NAME'; a table's first line names word1, word2 and SimLex999",
    )
