from __future__ import annotations

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

import chainrule as cr
from chainrule.errors import DTypeError, ShapeError
from chainrule.graph import topological
from chainrule.ops import expand

from .finite_differences import check_derivatives

RNG = np.random.default_rng(5)
CUBE = RNG.normal(size=(2, 3, 4)) * 3
INF = np.inf


@pytest.mark.parametrize("axis", [-1, 0, 1, (0, 2), None])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_values_are_scipys(name: str, axis: int | tuple[int, ...] | None) -> None:
    found = getattr(cr, name)(CUBE, axis=axis).value
    np.testing.assert_allclose(found, getattr(special, name)(CUBE, axis=axis), rtol=1e-13)


@pytest.mark.parametrize("axis", [-1, 0, (0, 2), None])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_derivatives_agree_with_differences(name: str, axis: int | tuple[int, ...] | None) -> None:
    check_derivatives(lambda x: getattr(cr, name)(x, axis=axis), CUBE)


def test_keepdims() -> None:
    assert cr.logsumexp(CUBE, axis=(0, 2), keepdims=True).shape == (1, 3, 1)
    check_derivatives(lambda x: cr.logsumexp(x, axis=1, keepdims=True), CUBE)


@settings(deadline=None, max_examples=40)
@given(
    hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=4), elements=st.floats(-1e300, 1e300)),
    st.floats(-1e300, 1e300),
)
def test_rows_are_distributions_whatever_the_scores(x: np.ndarray, shift: float) -> None:
    probabilities = cr.softmax(x).value
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(-1), 1, rtol=1e-12)
    np.testing.assert_array_equal(cr.softmax(np.full(3, shift)).value, np.full(3, 1 / 3))
    assert not np.isnan(cr.log_softmax(x).value).any()


@pytest.mark.parametrize(
    "row",
    [
        [-INF, -INF],
        [-INF, 2.0],
        [INF, 1.0],
        [INF, INF],
        [INF, -INF],
        [np.nan, 1.0],
        [1e308, 1e308],
        [-1e308, 5.0],
    ],
)
def test_logsumexp_at_the_ends_is_scipys(row: list[float]) -> None:
    with np.errstate(all="ignore"):
        expected = special.logsumexp(row)
    np.testing.assert_array_equal(cr.logsumexp(np.array(row)).value, expected)


def test_a_row_of_minus_infinity_has_no_gradient_and_spoils_no_other() -> None:
    x = cr.variable(np.array([[-INF, -INF], [0.0, np.log(3.0)]]))
    found = cr.gradients(cr.sum(cr.logsumexp(x, axis=1)), x).value
    np.testing.assert_allclose(found, [[0, 0], [0.25, 0.75]])


def test_masked_softmax_is_the_softmax_of_what_is_left() -> None:
    mask = np.array([[True, True, False, True], [False, True, False, False], [False] * 4])
    found = cr.masked_softmax(CUBE, mask).value
    low = np.where(mask, CUBE, -INF)
    np.testing.assert_allclose(found[:, :2], special.softmax(low[:, :2], axis=-1), rtol=1e-13)
    np.testing.assert_array_equal(found[:, 2], 0)
    check_derivatives(lambda x: cr.masked_softmax(x, mask), CUBE)


def test_what_is_masked_does_not_matter_even_if_it_is_nan() -> None:
    x = cr.variable(np.array([[1.0, np.nan, 2.0], [np.nan, INF, np.nan]]))
    y = cr.masked_softmax(x, [[True, False, True], [False] * 3])
    assert np.isfinite(y.value).all()
    gradient = cr.gradients(cr.sum(y * y), x).value
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient[:, 1], 0)


def test_the_exponentials_are_computed_once_in_both_passes() -> None:
    x = cr.variable(CUBE)
    for y in (cr.softmax(x), cr.log_softmax(x), cr.logsumexp(x, axis=-1)):
        opened = expand([cr.sum(y), cr.gradients(cr.sum(y * y), x)])
        names = [node.op.name for node in topological(opened)]
        assert names.count("exp") == 1
        assert "argmax" not in names  # nothing flows through the shift


def test_empty_and_odd_shapes() -> None:
    assert cr.softmax(np.zeros((0, 3))).value.shape == (0, 3)
    assert float(cr.logsumexp(3.0)) == 3.0
    assert float(cr.softmax(3.0, axis=None)) == 1.0
    assert cr.softmax([1, 2]).dtype.name == "float32"
    with pytest.raises(ShapeError, match="empty and has no max"):
        cr.softmax(np.zeros((3, 0)))
    with pytest.raises(ShapeError, match="axis 2 does not exist"):
        cr.softmax(np.zeros((3, 2)), axis=2)


def test_a_mask_is_boolean() -> None:
    with pytest.raises(DTypeError, match="not bool"):
        cr.masked_softmax([1.0, 2.0], [1, 0])
