from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import distance

import chainrule as cr
from chainrule.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError

from .finite_differences import check_derivatives
from .reference_tables import TABLES, close, leaf, same_gradients

RNG = np.random.default_rng(8)
TABLE = RNG.normal(size=(5, 3))


@pytest.mark.parametrize("lead", [(), (4,), (2, 3), (0,)])
def test_linear_is_rows_times_columns(lead: tuple[int, ...]) -> None:
    x, w, b = RNG.normal(size=(*lead, 3)), RNG.normal(size=(3, 2)), RNG.normal(size=2)
    np.testing.assert_allclose(cr.linear(x, w, b).value, x @ w + b, rtol=1e-13)
    check_derivatives(cr.linear, x, w, b)
    check_derivatives(cr.linear, x, w)


def test_linear_gradients_are_those_of_the_lectures() -> None:
    x, w, b = (cr.variable(RNG.normal(size=shape)) for shape in [(4, 3), (3, 2), (2,)])
    delta = RNG.normal(size=(4, 2))
    found = cr.gradients(cr.linear(x, w, b), [x, w, b], cotangent=delta)
    expected = [delta @ w.array.T, x.array.T @ delta, delta.sum(0)]
    for node, value in zip(found, expected, strict=True):
        np.testing.assert_allclose(node.value, value, rtol=1e-13)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((4, 3), (2, 3)), r"weight\.T"),
        (((4, 3), (4, 2)), "last axis of x"),
        (((4, 3), (3,)), r"\(in, out\)"),
        (((), (3, 2)), r"\(…, in\)"),
        (((4, 3), (3, 2), (3,)), r"a bias of shape \(3,\) for 2 outputs"),
        (((4, 3), (3, 2), (1, 2)), "one number for each output"),
    ],
)
def test_linear_refuses_what_does_not_fit(shapes: tuple[tuple[int, ...], ...], message: str) -> None:
    with pytest.raises(ShapeError, match=message) as caught:
        cr.linear(*(np.ones(shape) for shape in shapes))
    assert "test_linear.py" in str(caught.value.where)


@pytest.mark.parametrize("lead", [(), (4,), (2, 3)])
def test_bilinear_is_the_double_sum(lead: tuple[int, ...]) -> None:
    x, y = RNG.normal(size=(*lead, 3)), RNG.normal(size=(*lead, 2))
    w, b = RNG.normal(size=(3, 2, 4)), RNG.normal(size=4)
    expected = np.einsum("...i,ijo,...j->...o", x, w, y) + b
    np.testing.assert_allclose(cr.bilinear(x, y, w, b).value, expected, rtol=1e-12)
    check_derivatives(cr.bilinear, x, y, w, b)
    with pytest.raises(ShapeError, match=r"\(I, J, out\) are needed"):
        cr.bilinear(y, x, w)


@pytest.mark.parametrize(
    "indices", [np.array(2), np.array([3, 0, 3]), np.zeros((2, 0), int), [[1, 4], [4, 4]]]
)
def test_embedding_is_one_hot_times_the_table(indices: np.ndarray) -> None:
    one_hot = np.eye(5)[np.array(indices, int)]
    np.testing.assert_array_equal(cr.embedding(indices, TABLE).value, one_hot @ TABLE)
    check_derivatives(lambda table: cr.embedding(indices, table), TABLE)


def test_the_padding_row_is_read_but_receives_no_gradient() -> None:
    table = cr.variable(TABLE)
    rows = cr.embedding([[1, 0], [1, 2]], table, padding_index=0)
    np.testing.assert_array_equal(rows.value, TABLE[[[1, 0], [1, 2]]])
    found = cr.gradients(cr.sum(rows), table).value
    np.testing.assert_array_equal(found, np.array([0, 2, 1, 0, 0])[:, None] * np.ones(3))
    with pytest.raises(ArgumentError, match="padding_index=5"):
        cr.embedding([0], table, padding_index=5)


@pytest.mark.parametrize("bad", [5, -1])
def test_a_word_outside_the_table_is_named_when_written_and_when_run(bad: int) -> None:
    message = rf"embedding: the index {bad} at \[1, 0\] is not one of the 5 rows"
    with pytest.raises(IndexRangeError, match=message):
        cr.embedding([[0, 1], [bad, 9]], TABLE)
    words = cr.placeholder((2, 2), "int32", name="words")
    node = cr.embedding(words, TABLE)
    with pytest.raises(IndexRangeError, match=message):
        cr.evaluate(node, feed={words: [[0, 1], [bad, 9]]})


def test_embedding_takes_integers_and_a_matrix() -> None:
    with pytest.raises(DTypeError, match="integers, not float32"):
        cr.embedding([0.5], TABLE)
    assert cr.embedding([], TABLE).shape == (0, 3)
    np.testing.assert_array_equal(cr.embedding(np.array([4], np.uint8), TABLE).value, TABLE[4:])
    with pytest.raises(ShapeError, match="a table of shape"):
        cr.embedding([0], TABLE[0])


def test_cosine_similarity_is_the_references_also_at_zero_vectors() -> None:
    (row,) = TABLES["cosine_similarity"]
    x, y = leaf(row["x"]), leaf(row["y"])
    out = cr.cosine_similarity(x, y)
    close(out, row["out"])
    same_gradients(out, [x, y], row["gradients"])


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_cosine_similarity_along_either_axis_with_broadcasting(axis: int) -> None:
    x, y = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))
    lines = [(np.take(x, i, axis=1 - axis % 2), np.take(y, i, axis=1 - axis % 2)) for i in range(3)]
    expected = [1 - distance.cosine(a, b) for a, b in lines]
    np.testing.assert_allclose(cr.cosine_similarity(x, y, axis=axis).value[:3], expected, rtol=1e-12)
    check_derivatives(lambda a, b: cr.cosine_similarity(a, b, axis=axis), x, y)
    check_derivatives(cr.cosine_similarity, x, y[0])
    with pytest.raises(ShapeError, match="no whole vector"):
        cr.cosine_similarity(x, np.ones((4, 1)))
    with pytest.raises(ArgumentError, match="eps=0"):
        cr.cosine_similarity(x, y, eps=0)
