from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import Vocabulary, WordVectors, word_vectors
from chainrule.errors import ArgumentError, DTypeError, ShapeError

LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")


def table(seed: int, count: int = 12, dimension: int = 4) -> WordVectors:
    matrix = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    return WordVectors(LETTERS[:count], matrix)


def cosine(u: Any, v: Any) -> float:
    u, v = u.astype(np.float64), v.astype(np.float64)
    return float(u @ v / (np.linalg.norm(u) * np.linalg.norm(v)))


def test_the_table() -> None:
    vectors = table(0)
    assert (len(vectors), vectors.dimension, list(vectors)) == (12, 4, list(LETTERS[:12]))
    assert "a" in vectors
    assert "A" not in vectors
    assert vectors.index("c") == 2
    assert repr(vectors) == "WordVectors(12 words, 4 dimensions)"
    vectors["a"][:] = 0  # an array of its own
    assert vectors["a"].any()
    np.testing.assert_array_equal(vectors["c"], vectors.matrix[2])
    assert (vectors.find("C"), vectors.find("C", lower=False), vectors.find("?")) == (2, None, None)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.integers(1, 14), st.sampled_from([3, 1 << 22]))
def test_nearest_is_what_sorting_all_cosines_gives(seed: int, k: int, block: int) -> None:
    vectors = table(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(word_vectors, "_BLOCK", block)  # the matrix in one piece, or row by row
        found = vectors.nearest("d", k, exclude=["b", "not there"])
    others = [word for word in vectors if word not in "db"]
    expected = sorted(others, key=lambda word: -cosine(vectors["d"], vectors[word]))[:k]
    assert [word for word, _ in found] == expected
    for word, score in found:
        assert score == pytest.approx(cosine(vectors["d"], vectors[word]), abs=1e-6)
        assert score == pytest.approx(vectors.similarity("d", word), abs=1e-6)


def test_nearest_to_a_vector_leaves_nothing_out() -> None:
    vectors = table(1)
    assert vectors.nearest(3 * vectors["e"], 1)[0][0] == "e"
    assert vectors.nearest(vectors["e"].tolist(), 1)[0][0] == "e"


def test_of_equals_the_earlier_comes_first() -> None:
    vectors = WordVectors("abcde", np.array([[1.0, 0], [2, 0], [0, 1], [3, 0], [0.5, 0]]))
    assert [word for word, _ in vectors.nearest(np.array([1.0, 0]), 3)] == ["a", "b", "d"]


def test_zero_vectors_have_no_direction() -> None:
    vectors = WordVectors("abc", np.array([[0.0, 0], [1, 0], [-1, 0]]))
    assert vectors.similarity("a", "b") == 0
    assert vectors.nearest("b") == [("a", 0.0), ("c", -1.0)]
    with pytest.raises(ArgumentError, match="no direction"):
        vectors.nearest("a")


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000))
def test_analogies_are_the_sum_of_three_cosines(seed: int) -> None:
    """cos(d, b) − cos(d, a) + cos(d, c) has the same order as cos(d, b − a + c) (Levy and Goldberg 2014)."""
    vectors = table(seed)
    found = [word for word, _ in vectors.analogy("a", "b", "c", 4)]

    def objective(word: str) -> float:
        d = vectors[word]
        return cosine(d, vectors["b"]) - cosine(d, vectors["a"]) + cosine(d, vectors["c"])

    assert found == sorted(LETTERS[3:12], key=lambda word: -objective(word))[:4]


def test_fewer_words_than_asked_for() -> None:
    vectors = table(2, 3)
    assert len(vectors.nearest("a", 10)) == 2
    assert vectors.analogy("a", "b", "c") == []


def test_selection_keeps_the_order_of_the_table() -> None:
    vectors = table(3)
    part = vectors.select(["k", "b", "z", "b"])
    assert part.words == ("b", "k")
    np.testing.assert_array_equal(part.matrix, vectors.matrix[[1, 10]])


# --- embeddings ---------------------------------------------------------------------------------------


def test_embeddings_for_a_vocabulary() -> None:
    vectors = table(4)
    vocabulary = Vocabulary(["B", "c", "unheard", "d"])
    matrix, found = vectors.matrix_for(vocabulary, 7, 0.5)
    assert (matrix.shape, matrix.dtype) == ((6, 4), np.float32)
    assert found.tolist() == [False, False, True, True, False, True]
    np.testing.assert_array_equal(matrix[found], vectors.matrix[[1, 2, 3]])
    assert not matrix[0].any()  # padding
    for row in (1, 4):
        assert 0 < np.abs(matrix[row]).max() <= 0.5
    assert vectors.matrix_for(vocabulary, 7, 0.5, lower=False)[1].tolist() == [0, 0, 0, 1, 0, 1]


def test_random_rows_hang_on_the_seed_alone() -> None:
    vocabulary = Vocabulary(LETTERS)
    few, many = table(4, 3), table(5, 9)
    one, found = few.matrix_for(vocabulary, 3, 0.1)
    other, _ = many.matrix_for(vocabulary, 3, 0.1)
    both = ~found & ~many.matrix_for(vocabulary, 3, 0.1)[1]
    assert both.sum() == 19
    np.testing.assert_array_equal(one[both], other[both])
    assert (one[both][1:] != few.matrix_for(vocabulary, 4, 0.1)[0][both][1:]).all()


@pytest.mark.parametrize("known", [True, False])
def test_the_scale_that_gives_equal_variance(known: bool) -> None:
    rng = np.random.default_rng(0)
    vectors = WordVectors((f"w{i}" for i in range(400)), rng.normal(0, 0.3, (400, 20)).astype(np.float32))
    tokens = [f"v{i}" for i in range(2000)] + ([f"w{i}" for i in range(100)] if known else [])
    matrix, found = vectors.matrix_for(tokens)
    assert found.sum() == (100 if known else 0)
    random = matrix[~found]
    assert random.std() == pytest.approx(0.3, rel=0.05)
    assert np.abs(random).max() <= math.sqrt(3) * 0.32


def test_padding_is_zero_though_it_has_a_vector() -> None:
    vectors = WordVectors(["<pad>", "a"], np.ones((2, 3)))
    matrix, found = vectors.matrix_for(Vocabulary(["a"]), scale=0.1)
    assert not matrix[0].any()
    assert found.tolist() == [False, False, True]
    # A plain list of words has no padding symbol.
    assert vectors.matrix_for(["<pad>"])[1].all()


def test_an_empty_vocabulary() -> None:
    matrix, found = table(0).matrix_for([])
    assert (matrix.shape, found.shape) == ((0, 4), (0,))


# --- faults -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "matrix", "kind", "text"),
    [
        (["a"], np.ones((2, 3)), ShapeError, r"shape \(2, 3\) for 1 words"),
        (["a"], np.ones(3), ShapeError, "shape"),
        (["a"], np.ones((1, 3), int), DTypeError, "floating point"),
        (["a", "b", "a"], np.ones((3, 1)), ArgumentError, "'a' is given twice"),
    ],
)
def test_what_is_no_table(words: list[str], matrix: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        WordVectors(words, matrix)


def test_faults_of_questions() -> None:
    vectors = table(0)
    with pytest.raises(ArgumentError, match=r"'A' has no vector\n  mend:  did you mean 'a'\?"):
        vectors.nearest("A")
    with pytest.raises(ArgumentError, match=r"'nothing' has no vector$"):
        vectors.analogy("a", "nothing", "c")
    with pytest.raises(ArgumentError, match="k=0"):
        vectors.nearest("a", 0)
    with pytest.raises(ShapeError, match=r"shape \(3,\) among vectors of shape \(4,\)"):
        vectors.nearest(np.ones(3))
    with pytest.raises(ArgumentError, match="scale=-1"):
        vectors.matrix_for(["a"], scale=-1)
