"""Derivatives along random directions by central differences in float64: the reference for the sweep."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

import chainrule as cr

STEP = 1e-5


def along(scalar: cr.Node, leaf: cr.Variable, direction: NDArray[np.float64]) -> float:
    """The derivative of ``scalar`` as ``leaf`` moves along ``direction``."""
    start = np.array(leaf.array)
    above, below = (
        float(cr.evaluate(scalar, feed={leaf: start + step * direction})) for step in (STEP, -STEP)
    )
    return (above - below) / (2 * STEP)


def check_derivatives(
    function: Callable[..., cr.Node], *arrays: ArrayLike, seed: int = 0, tolerance: float = 1e-6
) -> None:
    """First and second derivatives of ``function`` at ``arrays``, through Σ w·sin(y): never linear."""
    rng = np.random.default_rng(seed)
    leaves = [cr.variable(np.array(array, np.float64)) for array in arrays]
    y = function(*leaves)
    assert y.dtype.name == "float64"
    scalar = cr.sum(cr.sin(y) * rng.normal(size=y.shape))
    slope = _check_one_order(scalar, leaves, rng, tolerance)
    _check_one_order(slope, leaves, rng, tolerance)


def _check_one_order(
    scalar: cr.Node, leaves: Sequence[cr.Variable], rng: np.random.Generator, tolerance: float
) -> cr.Node:
    """Compare; return the derivative along one direction of all leaves, as a node."""
    gradients = cr.gradients(scalar, leaves, missing="zero")
    total = cr.constant(np.zeros(()))
    for leaf, gradient in zip(leaves, gradients, strict=True):
        assert gradient.shape == leaf.shape
        value = cr.evaluate(gradient)
        for _ in range(3):
            direction = rng.normal(size=leaf.shape)
            np.testing.assert_allclose(
                np.sum(value * direction), along(scalar, leaf, direction), rtol=tolerance, atol=tolerance
            )
        total = total + cr.sum(gradient * rng.normal(size=leaf.shape))
    return total
