"""Counted vectors, against dense matrices and NumPy's own decomposition."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.errors import ArgumentError, ShapeError
from chainrule.models.count_vectors import SparseMatrix, count_vectors, positive_pmi

PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=60)


def dense(matrix: SparseMatrix) -> np.ndarray:
    return matrix @ np.eye(len(matrix.starts) - 1, dtype=np.float32)


def by_definition(pairs, count, power=0.75):
    table = np.zeros((count, count))
    for word, neighbour in pairs:
        table[word, neighbour] += 1
    joint, given = table / table.sum(), table.sum(axis=1) / table.sum()
    smooth = table.sum(axis=0) ** power
    smooth /= smooth.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        pmi = np.log(joint / np.outer(given, smooth))
    return np.where(joint > 0, np.maximum(pmi, 0), 0)


@settings(deadline=None, max_examples=80)
@given(PAIRS)
def test_the_matrix_is_as_defined_and_turns_round(pairs):
    words, neighbours = np.array(pairs).T
    matrix = positive_pmi(words, neighbours, 8)
    np.testing.assert_allclose(dense(matrix), by_definition(pairs, 8), atol=1e-6)
    np.testing.assert_array_equal(dense(matrix.transposed), dense(matrix).T)


@settings(deadline=None, max_examples=40)
@given(PAIRS, st.integers(1, 40))
def test_products_in_pieces_are_the_whole(pairs, elements):
    matrix = positive_pmi(*np.array(pairs).T, 8)
    other = np.random.default_rng(0).standard_normal((8, 3)).astype("float32")
    whole = dense(matrix) @ other
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules[SparseMatrix.__module__], "_ELEMENTS", elements)
        np.testing.assert_allclose(matrix @ other, whole, rtol=1e-5, atol=1e-5)


def test_vectors_are_those_of_the_exact_decomposition():
    chance = np.random.default_rng(1)
    topics = chance.integers(0, 3, 30)  # words of a topic stand together: the matrix has few directions
    words = chance.integers(0, 30, 4000)
    neighbours = np.array([chance.choice(np.flatnonzero(topics == topics[w])) for w in words])
    found = count_vectors(words, neighbours, 30, 4).astype(float)
    u, s, _ = np.linalg.svd(by_definition(zip(words, neighbours, strict=True), 30))
    exact = u[:, :4] * np.sqrt(s[:4])
    np.testing.assert_allclose(found @ found.T, exact @ exact.T, atol=2e-3 * s[0])


def test_more_numbers_than_words_and_words_in_no_pair():
    found = count_vectors([1, 2], [2, 1], 4, 6)
    assert found.shape == (4, 6)
    assert not found[[0, 3]].any()
    assert found[[1, 2]].any(axis=1).all()


def test_errors():
    with pytest.raises(ShapeError, match="neighbours of shape"):
        positive_pmi([1, 2], [1], 4)
    with pytest.raises(ArgumentError, match="no pairs"):
        count_vectors([], [], 4, 2)
