from __future__ import annotations

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.errors import ArgumentError, ShapeError

from .differences import check_derivatives

# Few distinct values, so that most lines hold equal elements, zeros of both signs and NaNs.
VALUES = st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.5, np.inf, -np.inf, np.nan])
ARRAYS = hnp.arrays(
    np.float64, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6), elements=VALUES
)


def python_order(line, descending):
    """The places of a line in order, by Python's own stable sort, a NaN above everything."""
    keyed = [(np.isnan(v), 0.0 if np.isnan(v) else v) for v in line]
    return sorted(range(len(line)), key=lambda place: keyed[place], reverse=descending)


@given(ARRAYS, st.booleans(), st.data())
@settings(deadline=None, max_examples=150)
def test_argsort_is_stable_in_both_directions(x, descending, data):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    found = cr.argsort(x, axis=axis, descending=descending).value
    assert found.dtype == np.int64
    lines, places = np.moveaxis(x, axis, -1), np.moveaxis(found, axis, -1)
    for at in np.ndindex(lines.shape[:-1]):
        # Python's reversed sort keeps equal elements in order, too
        assert places[at].tolist() == python_order(lines[at].tolist(), descending)


@given(ARRAYS, st.booleans(), st.data())
@settings(deadline=None, max_examples=60)
def test_sort_is_the_array_taken_along_its_order(x, descending, data):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    order = cr.argsort(x, axis=axis, descending=descending).value
    found = cr.sort(x, axis=axis, descending=descending).value
    assert found.tobytes() == np.take_along_axis(x, order, axis=axis).tobytes()


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_sort_derivatives(axis, descending):
    x = np.random.default_rng(axis).normal(size=(3, 4, 2))
    check_derivatives(lambda v: cr.sort(v, axis=axis, descending=descending), [x])


def test_the_derivative_of_equal_elements_goes_by_place():
    x = cr.variable([2.0, 1.0, 2.0])
    assert cr.gradients(cr.sort(x)[1], x).value.tolist() == [1.0, 0.0, 0.0]
    assert cr.gradients(cr.sort(x, descending=True)[0], x).value.tolist() == [1.0, 0.0, 0.0]


@given(ARRAYS, st.data())
@settings(deadline=None, max_examples=60)
def test_top_k_is_the_head_of_the_descending_order(x, data):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    k = data.draw(st.integers(0, x.shape[axis]))
    values, places = cr.top_k(x, k, axis=axis)
    lines, found = np.moveaxis(x, axis, -1), np.moveaxis(places.value, axis, -1)
    for at in np.ndindex(lines.shape[:-1]):
        assert found[at].tolist() == python_order(lines[at].tolist(), descending=True)[:k]
    np.testing.assert_array_equal(values.value, np.take_along_axis(x, places.value, axis=axis))


def test_top_1_agrees_with_max_and_argmax():
    x = np.random.default_rng(5).integers(0, 4, size=(20, 6)).astype(np.float32)
    values, places = cr.top_k(x, 1)
    assert np.array_equal(values.value[:, 0], cr.max(x, axis=1).value)
    assert np.array_equal(places.value[:, 0], cr.argmax(x, axis=1).value)


def test_top_k_derivatives():
    check_derivatives(lambda v: cr.top_k(v, 2, axis=0)[0], [np.random.default_rng(0).normal(size=(5, 3))])


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint32, np.bool_])
def test_integers_and_booleans_sort(kind):
    x = np.array([3, 0, 1, 0], kind)
    assert cr.sort(x).value.tolist() == sorted(x.tolist())
    assert cr.argsort(x, descending=True).value.tolist() == python_order(x.tolist(), descending=True)


@pytest.mark.parametrize("k", [-1, 4])
def test_top_k_needs_as_many_elements(k):
    with pytest.raises(ArgumentError, match=f"k is {k}, and axis 0 has 3") as raised:
        cr.top_k([1.0, 2.0, 3.0], k)
    assert "test_sorting.py" in raised.value.where


@pytest.mark.parametrize("function", [cr.sort, cr.argsort, lambda x: cr.top_k(x, 0)])
def test_a_scalar_has_no_axis_to_sort(function):
    with pytest.raises(ShapeError, match="axis -1 does not exist"):
        function(1.0)
