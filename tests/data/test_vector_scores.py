from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from chainrule.data import Section, WordVectors, analogies, simlex, vector_scores
from chainrule.data.vector_scores import spearman
from chainrule.errors import DataError, ShapeError

NUMBERS = st.lists(st.tuples(st.integers(-4, 4), st.floats(-3, 3)), min_size=2, max_size=30)


@settings(deadline=None, max_examples=80)
@given(NUMBERS)
def test_rank_correlation_is_scipys(pairs: list[tuple[int, float]]) -> None:
    a, b = (list(column) for column in zip(*pairs, strict=True))
    found = spearman(a, b)
    if len(set(a)) == 1 or len(set(b)) == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)


def test_rank_correlation_of_little() -> None:
    assert math.isnan(spearman([], []))
    assert math.isnan(spearman([1], [2]))
    with pytest.raises(ShapeError):
        spearman([1, 2], [1, 2, 3])


def vectors_of(seed: int = 0, count: int = 40) -> WordVectors:
    matrix = np.random.default_rng(seed).standard_normal((count, 6)).astype(np.float32)
    return WordVectors([f"w{i}" for i in range(count)], matrix)


def written(folder: Path, content: str) -> Path:
    path = folder / "questions.txt"
    path.write_text(content, encoding="utf-8")
    return path


# --- similarity ---------------------------------------------------------------------------------------


def test_similarity(tmp_path: Path) -> None:
    vectors = vectors_of()
    rng = np.random.default_rng(1)
    pairs = [(f"w{a}", f"W{b}", round(float(s), 1)) for a, b, s in rng.uniform(0, 39, (60, 3)).astype(int)]
    lines = [f"{a}\tA\t{b}\t{s}" for a, b, s in pairs] + ["w1\tA\tunheard\t3"]
    path = written(tmp_path, "\r\n".join(["one\tPOS\ttwo\tscore", *lines, ""]))
    found = simlex(vectors, path, ("one", "two", "score"))
    cosines = [vectors.similarity(a, b.lower()) for a, b, _ in pairs]
    assert found.spearman == pytest.approx(stats.spearmanr(cosines, [s for *_, s in pairs]).statistic)
    assert (found.covered, found.pairs, found.coverage) == (60, 61, 60 / 61)
    none = simlex(vectors, path, ("one", "two", "score"), lower=False)
    assert math.isnan(none.spearman)
    assert (none.covered, none.coverage) == (0, 0.0)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("word1\tword2\tSimLex999\na\tb\thigh\n", "SimLex999 of pair 1 is 'high', not a number"),
        ("word1\tword2\tSimLex999\n", "no pairs"),
        ("word1\tword2\tscore\n", "no column 'SimLex999'"),
    ],
)
def test_faults_of_pairs(tmp_path: Path, content: str, text: str) -> None:
    with pytest.raises(DataError, match=text):
        simlex(vectors_of(), written(tmp_path, content))


# --- analogies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "questions"), [(7, 3), (8192, 512)])
def test_answers_are_those_of_one_question_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, questions: int
) -> None:
    monkeypatch.setattr(vector_scores, "_ROWS", rows)
    monkeypatch.setattr(vector_scores, "_QUESTIONS", questions)
    vectors = vectors_of()
    rng = np.random.default_rng(2)
    asked = [[f"w{i}" for i in rng.choice(40, 3, replace=False)] for _ in range(60)]
    best = [vectors.analogy(*question)[0][0] for question in asked]
    # Every other question is given the answer that is right.
    lines = [
        " ".join([*question, answer if i % 2 else question[0]])
        for i, (question, answer) in enumerate(zip(asked, best, strict=True))
    ]
    found = analogies(vectors, written(tmp_path, "\n".join([": one", *lines])))
    assert found == [Section("one", 30, 60, 60), Section("all", 30, 60, 60)]


def test_sections_and_totals(tmp_path: Path) -> None:
    """Countries and capitals that are exactly one offset apart, and the same for plurals."""
    offset, plural = np.array([0, 0, 1.0, 0]), np.array([0, 0, 0, 1.0])
    table = {
        "athens": [1, 0, 0, 0], "oslo": [0, 1, 0, 0], "cat": [1, 1, 0, 0], "dog": [1, -1, 0, 0],
    }  # fmt: skip
    vectors = {word: np.array(row, float) for word, row in table.items()}
    vectors |= {"greece": vectors["athens"] + offset, "norway": vectors["oslo"] + offset}
    vectors |= {"cats": vectors["cat"] + plural, "dogs": vectors["dog"] + plural}
    content = (
        ": capital\nAthens Greece Oslo Norway\nOslo Norway Athens Greece\nOslo Norway Rome Italy\n"
        "Athens Greece Oslo Cat\n\n: gram8-plural\ncat cats dog dogs\n: none\n"
    )
    path = written(tmp_path, content)
    every = WordVectors(vectors, np.array(list(vectors.values())))
    assert analogies(every, path) == [
        Section("capital", 2, 3, 4),
        Section("gram8-plural", 1, 1, 1),
        Section("semantic", 2, 3, 4),
        Section("syntactic", 1, 1, 1),
        Section("all", 3, 4, 5),
    ]
    cased = analogies(every, path, lower=False)
    assert cased[0] == Section("capital", 0, 0, 4)
    assert math.isnan(cased[0].accuracy)
    assert cased[-1].accuracy == 1
    few = analogies(every, path, most=6)
    assert few[-1] == Section("all", 2, 3, 5)


@pytest.mark.parametrize(
    ("content", "line", "text"),
    [
        (": a\nb c d e\nb c d\n", 3, "3 words, not the four"),
        ("b c d e\n", 1, "a question before any section"),
        (": a\n\n", None, "no analogy questions"),
        ("", None, "no analogy questions"),
    ],
)
def test_faults_of_questions(tmp_path: Path, content: str, line: int | None, text: str) -> None:
    with pytest.raises(DataError, match=text) as error:
        analogies(vectors_of(), written(tmp_path, content))
    assert error.value.line == line
