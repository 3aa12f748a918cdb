"""Derivatives by central differences in float64: the reference for what the sweep writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

import chainrule as cr

Array = NDArray[np.float64]
STEP = 1e-5


def central_difference(scalar: cr.Node, x: cr.Variable) -> Array:
    """∂scalar/∂x, entry by entry."""
    start = np.array(x.array)
    found = np.zeros(start.shape)
    for place in np.ndindex(start.shape):
        sides = []
        for step in (STEP, -STEP):
            moved = start.copy()
            moved[place] += step
            sides.append(float(cr.evaluate(scalar, feed={x: moved})))
        found[place] = (sides[0] - sides[1]) / (2 * STEP)
    return found


def check_derivatives(function: Callable[..., cr.Node], arrays: Sequence[Array], seed: int = 0) -> None:
    """First and second derivatives of ``function`` at ``arrays``, through a curved scalar of its result.

    The scalar is Σ w·sin(y): its second derivative is not zero even where the function is linear.
    """
    rng = np.random.default_rng(seed)
    leaves = [cr.variable(np.asarray(array, np.float64)) for array in arrays]
    y = function(*leaves)
    scalar = cr.sum(cr.sin(y) * rng.normal(size=y.shape))
    firsts = cr.gradients(scalar, leaves, missing="zero")
    for leaf, first in zip(leaves, firsts, strict=True):
        np.testing.assert_allclose(first.value, central_difference(scalar, leaf), rtol=1e-6, atol=1e-7)
    slope = cr.constant(np.zeros(()))
    for leaf, first in zip(leaves, firsts, strict=True):
        slope = slope + cr.sum(first * rng.normal(size=leaf.shape))
    for leaf, second in zip(leaves, cr.gradients(slope, leaves, missing="zero"), strict=True):
        np.testing.assert_allclose(second.value, central_difference(slope, leaf), rtol=1e-6, atol=1e-7)
