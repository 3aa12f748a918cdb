from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError

from .differences import check_derivatives


@st.composite
def basic_items(draw, size):
    """An integer or a slice for an axis of this size."""
    if size and draw(st.booleans()):
        return draw(st.integers(-size, size - 1))
    bound = st.none() | st.integers(-size - 2, size + 2)
    return slice(draw(bound), draw(bound), draw(st.none() | st.integers(-3, 3).filter(bool)))


@st.composite
def keyed(draw):
    """An array and a key of any mixture that NumPy accepts."""
    shape = tuple(draw(st.lists(st.sampled_from([3, 2, 4, 1, 0]), min_size=0, max_size=4)))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    common = draw(st.sampled_from([(2,), (), (2, 3), (0,)]))
    dots = draw(st.sampled_from([None, *range(len(shape) + 1)]))  # the axis at which ... stands
    hidden = 0 if dots is None else draw(st.integers(0, len(shape) - dots))  # how many it covers
    read = len(shape) if dots is not None else draw(st.sampled_from([len(shape), *range(len(shape))]))
    key, axis, masked = [], 0, False
    while axis < read or axis == dots:
        if axis == dots:
            key.append(Ellipsis)
            axis, dots = axis + hidden, None
            continue
        stop = read if dots is None else dots
        size = shape[axis]
        kind = draw(st.sampled_from(["array", "basic", "none", "mask"]))
        if kind == "array" and size:
            sizes = tuple(rng.choice([1, n]) for n in common)[rng.integers(0, len(common) + 1) :]
            array = rng.integers(-size, size, size=sizes)
            key.append(draw(st.sampled_from([array, array.tolist(), array.astype(np.int32)])))
        elif kind == "mask" and not masked and common == (2,):
            width = draw(st.integers(1, stop - axis))
            mask = np.zeros(shape[axis : axis + width], bool)
            mask.reshape(-1)[rng.permutation(mask.size)[:2]] = True  # two places, as the arrays have
            key.append(mask if mask.sum() == 2 else slice(None))
            masked, axis = True, axis + (width if mask.sum() == 2 else 1) - 1
        else:
            key.append(draw(basic_items(size)))
        axis += 1
        if kind == "none":
            key.append(None)
    return rng.normal(size=shape), tuple(key)


def numpy_reads(values, key):
    """Each element's own number read with the key: values and derivatives follow from it."""
    return np.arange(values.size).reshape(values.shape)[key]


@given(keyed())
@settings(deadline=None, max_examples=400)
def test_values_and_gradients_are_numpys(case):
    values, key = case
    numbers = numpy_reads(values, key)
    x = cr.variable(values)
    y = x[key]
    assert y.shape == numbers.shape
    assert np.array_equal(y.value, values.reshape(-1)[numbers])
    upstream = np.cos(np.arange(numbers.size)).reshape(numbers.shape)
    expected = np.bincount(numbers.ravel(), upstream.ravel(), minlength=values.size).reshape(values.shape)
    (gradient,) = cr.gradients(cr.sum(y * upstream), [x], missing="zero")
    np.testing.assert_allclose(gradient.value, expected, atol=1e-14)


@given(keyed())
@settings(deadline=None, max_examples=100)
def test_index_arrays_may_be_fed(case):
    values, key = case
    feed, nodes = {}, []
    for item in key:
        if isinstance(item, list | np.ndarray) and np.asarray(item).dtype.kind == "i":
            leaf = cr.placeholder(np.shape(item), np.asarray(item).dtype)
            feed[leaf] = item
            item = leaf
        nodes.append(item)
    y = cr.constant(values)[tuple(nodes)]
    assert np.array_equal(cr.evaluate(y, feed=feed), values[key])


KEYS = [
    (1, slice(None, None, -2)),
    (None, Ellipsis, [0, 2, 0]),
    ([0, 1], slice(None), [[1], [0]]),
    (slice(1, None), 0, [1, 1]),
    (np.array([[True, False, True], [False, True, True]]), slice(0, 2)),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_first_and_second_derivatives(key):
    check_derivatives(lambda x: x[key], [np.random.default_rng(0).normal(size=(2, 3, 4))])


# Where NumPy puts the axes of index arrays: with their neighbours, or first when something stands between.
ORDER = [
    ((slice(None), [0, 1], [1, 2]), (2, 2, 5)),
    (([0, 1], slice(None), [1, 2]), (2, 3, 5)),
    ((0, slice(None), [1, 2]), (2, 3, 5)),
    ((slice(None), 0, [1, 2]), (2, 2, 5)),
    ((slice(None), [0, 1], None, [1, 2]), (2, 2, 1, 5)),
    ((None, [0, 1], Ellipsis, 0, 0, 0), (2, 1)),
    ((None, [0, 1], 0, 0, 0), (1, 2)),
]


@pytest.mark.parametrize(("key", "shape"), ORDER, ids=str)
def test_where_the_axes_of_index_arrays_stand(key, shape):
    values = np.arange(120.0).reshape(2, 3, 4, 5)
    assert values[key].shape == shape  # the reference's own rule
    assert np.array_equal(cr.constant(values)[key].value, values[key])


def test_simple_reading_is_one_node():
    table, words = cr.variable(np.ones((5, 2))), cr.placeholder((3, 4), "int64")
    assert table[words] is cr.take(table, words, axis=0)
    assert table[()] is table
    assert table[...] is table
    assert table[:, :] is table
    assert [n.op.name for n in cr.graph.topological([table[1:3]])] == ["variable", "slice"]


def test_a_step_counter_indexes():
    rates, step = cr.constant([0.1, 0.2, 0.3]), cr.variable(np.array(2))
    assert float(rates[step]) == np.float32(0.3)
    step.assign(np.array(0))
    assert float(rates[step]) == np.float32(0.1)


def test_a_list_of_nodes_indexes_where_they_say_later():
    place = cr.placeholder((), "int64")
    assert cr.evaluate(cr.constant([5, 6, 7])[[place, 0]], feed={place: 2}).tolist() == [7, 5]


def test_a_row_and_a_column_make_a_grid():
    x = cr.variable(np.arange(12.0).reshape(3, 4))
    rows, columns = np.array([[0], [2]]), np.array([1, 3])
    assert x[rows, columns].value.tolist() == [[1, 3], [9, 11]]


def test_a_mask_of_a_variable_is_read_when_the_line_is_written():
    x = cr.variable([1.0, -2.0, 3.0])
    positive = x[x > 0]
    assert positive.value.tolist() == [1.0, 3.0]
    x.assign([-1.0, 5.0, 4.0])
    assert positive.value.tolist() == [-1.0, 4.0]


def test_unpacking_gives_rows():
    a, b = cr.constant([[1, 2], [3, 4]])
    assert (a.value.tolist(), b.value.tolist()) == ([1, 2], [3, 4])


X = cr.placeholder((3, 4), name="x")


@pytest.mark.parametrize(
    ("key", "error", "said", "mend"),
    [
        (3, IndexRangeError, r"axis 0 has length 3; the index 3 is outside", "-3 to 2"),
        ((0, -5), IndexRangeError, r"axis 1 has length 4; the index -5 is outside", "-4 to 3"),
        ((0, [1, 9]), IndexRangeError, r"axis 1 has length 4; the index 9 \(at 1", "-4 to 3"),
        (([0, 3], [0, 0]), IndexRangeError, r"axis 0 has length 3; the index 3", "-3 to 2"),
        ((0, 0, 0), ShapeError, r"reads 3 axes, and shape \(3, 4\) has 2", ""),
        (([0, 1], [0, 1, 2]), ShapeError, "index arrays: shapes .* do not broadcast", ""),
        (np.ones((3, 3), bool), ShapeError, r"mask of shape \(3, 3\) .* \(3, 4\)", ""),
        ((..., ...), ArgumentError, "only one", ""),
        (slice(0, 3, 0), ArgumentError, "step cannot be zero", ""),
        (True, ArgumentError, "single truth value", "cr.where"),
        (1.0, DTypeError, "integers, not float", "astype"),
        ([0.5, 1.0], DTypeError, "integers, not float", "astype"),
        (slice(cr.constant(1), None), DTypeError, "cannot bound a slice", "x[places]"),
        ("rows", DTypeError, "not supported", ""),
    ],
    ids=str,
)
def test_keys_that_do_not_fit(key, error, said, mend):
    with pytest.raises(error, match=said) as raised:
        X[key]
    assert "test_getitem.py" in raised.value.where
    assert mend in (raised.value.mend or "")


def test_a_mask_that_a_placeholder_decides_is_refused():
    with pytest.raises(ArgumentError, match="depends on the placeholder x") as raised:
        X[X > 0]
    assert "cr.where" in raised.value.mend


def test_fed_indices_are_held_to_their_own_axis():
    rows, columns = (cr.placeholder(2, "int64", name=name) for name in ("rows", "columns"))
    y = cr.constant(np.ones((3, 4)))[rows, columns]
    with pytest.raises(IndexRangeError, match="axis 1 has length 4; the index 4"):
        cr.evaluate(y, feed={rows: [0, 0], columns: [0, 4]})  # 4 of row 0 is a place, but of row 1
