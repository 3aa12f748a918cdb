from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import chainrule as cr
from chainrule.errors import ArgumentError, ShapeError

from .finite_differences import check_derivatives

RNG = np.random.default_rng(11)
X = RNG.normal(size=(3, 2, 4)) * 2 + 1
SCALE, SHIFT = RNG.normal(size=4), RNG.normal(size=4)


@pytest.mark.parametrize("axes", [-1, 0, (1, 2), (0, 1, 2)])
def test_layer_norm_is_the_z_score(axes: int | tuple[int, ...]) -> None:
    np.testing.assert_allclose(
        cr.layer_norm(X, axes=axes, eps=0.0).value,
        stats.zscore(X, axis=axes),
        rtol=1e-12,  # type: ignore[arg-type]
    )
    check_derivatives(lambda x: cr.layer_norm(x, axes=axes), X)


def test_scale_shift_and_epsilon() -> None:
    centred = X - X.mean(-1, keepdims=True)
    expected = centred / np.sqrt(X.var(-1, keepdims=True) + 0.1) * SCALE + SHIFT
    np.testing.assert_allclose(cr.layer_norm(X, SCALE, SHIFT, eps=0.1).value, expected, rtol=1e-12)
    check_derivatives(cr.layer_norm, X, SCALE, SHIFT)


@pytest.mark.parametrize("axes", [-1, (1, 2)])
def test_rms_norm_divides_by_the_size(axes: int | tuple[int, ...]) -> None:
    size = np.sqrt((X**2).mean(axes, keepdims=True) + 0.1)
    np.testing.assert_allclose(cr.rms_norm(X, SCALE, axes=axes, eps=0.1).value, X / size * SCALE, rtol=1e-12)
    check_derivatives(lambda x, scale: cr.rms_norm(x, scale, axes=axes), X, SCALE)


def test_batch_norm_in_training_and_after_it() -> None:
    def training(x: Any, scale: Any, shift: Any) -> cr.Node:
        return cr.batch_norm(x, *cr.batch_statistics(x), scale, shift)

    mean, variance = X.mean((0, 1)), X.var((0, 1))
    expected = (X - mean) / np.sqrt(variance + 1e-5) * SCALE + SHIFT
    np.testing.assert_allclose(training(X, SCALE, SHIFT).value, expected, rtol=1e-12)
    np.testing.assert_allclose(cr.batch_norm(X, mean, variance, SCALE, SHIFT).value, expected, rtol=1e-12)
    check_derivatives(training, X, SCALE, SHIFT)
    check_derivatives(cr.batch_norm, X, mean, variance, SCALE, SHIFT)


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm"])
def test_the_derivative_is_orthogonal_to_what_normalising_forgets(name: str) -> None:
    """A layer norm feels neither a shift nor, at ε = 0, a stretch: its gradient has no part along either."""
    x = cr.variable(X)
    y = getattr(cr, name)(x, eps=0.0)
    gradient = cr.gradients(cr.sum(y * RNG.normal(size=X.shape)), x).value
    np.testing.assert_allclose((gradient * X).sum(-1), 0, atol=1e-14)
    if name == "layer_norm":
        np.testing.assert_allclose(gradient.sum(-1), 0, atol=1e-14)


def test_float32_stays_accurate_far_from_zero() -> None:
    """At mean 1000 and deviation 1, E[x²] - E[x]² would have two figures left."""
    shifted = (RNG.normal(size=(4, 64)) + 1000).astype(np.float32)
    exact = stats.zscore(shifted.astype(np.float64), axis=-1)
    x = cr.variable(shifted)
    y = cr.layer_norm(x, eps=0.0)
    np.testing.assert_allclose(y.value, exact, atol=2e-4)
    u = RNG.normal(size=shifted.shape)
    wide = cr.variable(shifted.astype(np.float64))
    truth = cr.gradients(cr.layer_norm(wide, eps=0.0), wide, cotangent=u).value
    found = cr.gradients(y, x, cotangent=u.astype(np.float32)).value
    np.testing.assert_allclose(found, truth, atol=1e-3)


def test_a_constant_row_is_finite() -> None:
    x = cr.variable(np.full((1, 4), 3.0))
    for function in (cr.layer_norm, cr.rms_norm):
        y = function(x)
        assert np.isfinite(y.value).all()
        assert np.isfinite(cr.gradients(cr.sum(y * y * y), x).value).all()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"scale of shape \(3,\) does not broadcast"):
        cr.layer_norm(X, np.ones(3))
    with pytest.raises(ShapeError, match=r"shift of shape \(5, 3, 2, 4\) does not broadcast"):
        cr.layer_norm(X, None, np.ones((5, 3, 2, 4)))
    with pytest.raises(ShapeError, match="mean of shape"):
        cr.batch_norm(X, np.ones(2), np.ones(4))
    with pytest.raises(ShapeError, match="batch_statistics"):
        cr.batch_statistics(np.ones(3))
    with pytest.raises(ShapeError, match="axis 3 does not exist"):
        cr.layer_norm(X, axes=3)
    for function in (cr.layer_norm, cr.rms_norm):
        with pytest.raises(ArgumentError, match="eps=-1"):
            function(X, eps=-1.0)
