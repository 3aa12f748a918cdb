from __future__ import annotations

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.errors import DTypeError, IndexRangeError, ShapeError

from .differences import check_derivatives

SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4)


@st.composite
def indexed(draw):
    """An array, one of its axes, and an array of indices into that axis."""
    shape = draw(SHAPES)
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    length = shape[axis]
    places = hnp.arrays(
        draw(st.sampled_from([np.int32, np.int64])),
        hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=4),
        elements=st.integers(-length, length - 1),
    )
    values = np.random.default_rng(draw(st.integers(0, 99))).normal(size=shape)
    return values, axis, draw(places)


@given(indexed())
@settings(deadline=None, max_examples=60)
def test_take_reads_as_numpy_does(case):
    values, axis, indices = case
    expected = np.take(values, indices, axis=axis)
    assert np.array_equal(cr.take(values, indices, axis=axis).value, expected)
    node = cr.placeholder(indices.shape, indices.dtype)
    assert np.array_equal(cr.evaluate(cr.take(values, node, axis=axis), feed={node: indices}), expected)


@given(indexed())
@settings(deadline=None, max_examples=25)
def test_take_derivatives(case):
    values, axis, indices = case
    check_derivatives(lambda x: cr.take(x, indices, axis=axis), [values])


@given(indexed(), st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_scatter_add_adds_as_numpy_does(case, seed):
    values, axis, indices = case
    updates = np.random.default_rng(seed).normal(size=np.take(values, indices, axis=axis).shape)
    expected = np.array(values)
    moved = np.moveaxis(expected, axis, 0)
    axis %= values.ndim
    np.add.at(moved, indices, np.moveaxis(updates, range(axis, axis + indices.ndim), range(indices.ndim)))
    found = cr.scatter_add(values, indices, updates, axis=axis).value
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-14)


@given(indexed())
@settings(deadline=None, max_examples=20)
def test_scatter_add_derivatives(case):
    values, axis, indices = case
    updates = np.cos(np.arange(np.take(values, indices, axis=axis).size))
    shaped = updates.reshape(np.take(values, indices, axis=axis).shape)
    check_derivatives(lambda x, u: cr.scatter_add(x, indices, u, axis=axis), [values, shaped])


@st.composite
def lines(draw):
    """An array, an axis, and indices along it whose other axes broadcast."""
    shape = draw(SHAPES)
    axis = draw(st.integers(0, len(shape) - 1))
    sizes = [draw(st.sampled_from([1, size])) for size in shape]
    sizes[axis] = draw(st.integers(0, 4))
    indices = draw(hnp.arrays(np.int64, tuple(sizes), elements=st.integers(-shape[axis], shape[axis] - 1)))
    return np.random.default_rng(draw(st.integers(0, 99))).normal(size=shape), axis, indices


@given(lines())
@settings(deadline=None, max_examples=60)
def test_take_along_axis_reads_as_numpy_does(case):
    values, axis, indices = case
    found = cr.take_along_axis(values, indices, axis=axis).value
    assert np.array_equal(found, np.take_along_axis(values, indices, axis=axis))


@given(lines())
@settings(deadline=None, max_examples=25)
def test_take_along_axis_derivatives(case):
    values, axis, indices = case
    check_derivatives(lambda x: cr.take_along_axis(x, indices, axis=axis), [values])


@given(lines(), st.integers(0, 3))
@settings(deadline=None, max_examples=40)
def test_scatter_along_axis_is_the_adjoint_of_take_along_axis(case, seed):
    values, axis, indices = case
    y = cr.take_along_axis(values, indices, axis=axis).value
    full = np.broadcast_to(indices, y.shape)
    upstream = np.random.default_rng(seed).normal(size=y.shape)
    back = cr.scatter_along_axis(upstream, full, axis=axis, length=values.shape[axis]).value
    assert back.shape == values.shape
    assert np.isclose((y * upstream).sum(), (values * back).sum())  # ⟨take x, u⟩ = ⟨x, scatter u⟩


def test_scatter_along_axis_derivatives():
    updates = np.random.default_rng(1).normal(size=(2, 3, 2))
    indices = np.random.default_rng(2).integers(0, 2, size=(1, 3, 2))
    check_derivatives(lambda u: cr.scatter_along_axis(u, indices, axis=1, length=2), [updates])


def test_the_gradient_of_an_embedding_is_a_scatter_in_a_fixed_order():
    rng = np.random.default_rng(0)
    table = cr.variable(rng.normal(size=(50, 7)).astype(np.float32))
    words = rng.integers(0, 50, size=(300, 11))
    weights = rng.normal(size=(300, 11, 7)).astype(np.float32)
    gradient = cr.gradients(cr.sum(cr.take(table, words, axis=0) * weights), table)
    expected = np.zeros((50, 7), np.float32)
    for row, weight in zip(words.ravel(), weights.reshape(-1, 7), strict=True):
        expected[row] += weight
    assert np.array_equal(gradient.value, expected)  # the same order of additions, so the same bits


def test_a_scatter_longer_than_a_chunk_adds_every_row_once():
    rows = np.arange(60_000) % 7
    found = cr.scatter_add(np.zeros((7, 3)), rows, np.ones((60_000, 3))).value
    assert np.array_equal(found, np.bincount(rows)[:, None].repeat(3, axis=1))


def test_scatter_keeps_integers_integers():
    found = cr.scatter_add(np.zeros(3, np.int64), [0, 0, 2], np.array([1, 2, 3])).value
    assert found.dtype == np.int64
    assert found.tolist() == [3, 0, 3]


def test_pick_is_the_inner_product_with_a_one_hot_vector():
    rng = np.random.default_rng(3)
    x, index = rng.normal(size=(2, 3, 5)), rng.integers(-5, 5, size=(2, 3))
    expected = (x * cr.one_hot(index, 5, dtype="float64").value).sum(axis=-1)
    assert np.array_equal(cr.pick(x, index).value, expected)
    check_derivatives(lambda p: cr.pick(p, index), [x])


def test_pick_is_shown_as_the_lectures_write_it():
    p = cr.variable([0.2, 0.7, 0.1], name="p")
    loss = -cr.log(cr.pick(p, 1).named("p_y"))
    assert "p[1]" in str(cr.step_through(loss))
    np.testing.assert_allclose(cr.gradients(loss, p).value, [0, -1 / 0.7, 0], rtol=1e-6)


def test_an_infinite_upstream_leaves_the_other_entries_zero():
    p = cr.variable([0.0, 1.0])
    assert cr.gradients(cr.log(cr.pick(p, 0)), p).value.tolist() == [np.inf, 0.0]


@pytest.mark.parametrize("shape", [(), (0,), (4,), (2, 3)])
def test_one_hot_is_rows_of_the_identity(shape):
    indices = np.random.default_rng(0).integers(-6, 6, size=shape)
    assert np.array_equal(cr.one_hot(indices, 6).value, np.eye(6, dtype=np.float32)[indices])


def test_one_hot_times_a_matrix_is_a_look_up():
    table = np.random.default_rng(1).normal(size=(9, 4))
    words = np.array([[3, 8], [0, 3]])
    looked_up = cr.take(table, words, axis=0)
    assert np.array_equal(cr.matmul(cr.one_hot(words, 9, dtype="float64"), table).value, looked_up.value)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64])
def test_every_integer_indexes(kind):
    assert cr.take([1.0, 2.0, 3.0], np.array([2, 0], kind)).value.tolist() == [3.0, 1.0]


def test_no_indices_take_nothing():
    assert cr.take(np.ones((3, 2)), [], axis=0).shape == (0, 2)
    x = cr.variable(np.ones((3, 2)))
    assert np.array_equal(cr.gradients(cr.sum(cr.take(x, [], axis=0)), x).value, np.zeros((3, 2)))


def test_forward_leaves_its_inputs_alone():
    table, indices = np.arange(6.0).reshape(3, 2), np.array([-1, 0])
    x, i = cr.placeholder((3, 2), "float64"), cr.placeholder(2, "int64")
    both = [cr.take(x, i, axis=0), cr.scatter_add(x, i, 1.0)]
    cr.evaluate(both, feed={x: table, i: indices})
    assert np.array_equal(table, np.arange(6.0).reshape(3, 2))
    assert indices.tolist() == [-1, 0]


TABLE = np.ones((4, 3))
CALLS = {
    "take": lambda i: cr.take(TABLE, i, axis=0),
    "take_along_axis": lambda i: cr.take_along_axis(np.ones(4), i),
    "scatter_along_axis": lambda i: cr.scatter_along_axis(np.ones(2), i, axis=0, length=4),
    "scatter_add": lambda i: cr.scatter_add(TABLE, i, 1.0),
    "pick": lambda i: cr.pick(TABLE[:2, :1].repeat(4, axis=1), i),
    "one_hot": lambda i: cr.one_hot(i, 4),
}


@pytest.mark.parametrize("bad", [4, -5, 10**12])
@pytest.mark.parametrize("name", CALLS)
def test_an_index_outside_its_axis_is_an_error_with_the_line(name, bad):
    with pytest.raises(IndexRangeError) as early:
        CALLS[name](cr.constant(np.array([0, bad])))
    dynamic = cr.variable(np.array([0, bad]))
    node = CALLS[name](dynamic)
    with pytest.raises(IndexRangeError) as late:
        _ = node.value
    for error in (early.value, late.value):
        assert name in error.what
        assert f"the index {bad} (at 1" in error.what
        assert "length 4" in error.what
        assert "test_indexing.py" in error.where
        assert error.mend == "indices run from -4 to 3"


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("kind", ["float32", "bool"])
def test_indices_are_integers(name, kind):
    with pytest.raises(DTypeError, match=f"{name}: indices are integers, not {kind}") as raised:
        CALLS[name](cr.constant(np.array([0, 1], kind)))
    assert raised.value.mend is not None
    assert "test_indexing.py" in raised.value.where


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: cr.take(TABLE, [0]), "of 2 axes, which one"),
        (lambda: cr.take(TABLE, [0], axis=2), "axis 2 does not exist"),
        (lambda: cr.take_along_axis(TABLE, [0], axis=0), "same number of axes"),
        (lambda: cr.take_along_axis(TABLE, [[0], [1]], axis=1), "do not broadcast"),
        (lambda: cr.scatter_add(TABLE, [0, 1], np.ones((3, 3))), "does not broadcast"),
        (lambda: cr.pick(TABLE, [0, 1]), "does not name one element"),
        (lambda: cr.pick(1.0, 0), "a scalar has no elements"),
        (lambda: cr.one_hot([0], -1), "a depth of -1"),
        (lambda: cr.one_hot([0], 0), "an empty axis has no places"),
    ],
)
def test_shapes_that_do_not_fit(call, said):
    with pytest.raises((ShapeError, IndexRangeError), match=said) as raised:
        call()
    assert "test_indexing.py" in raised.value.where
