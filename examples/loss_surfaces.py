"""A convex loss and one that is not: logistic regression against a neuron of two weights.

Run it as ``python examples/loss_surfaces.py``; it writes loss_surfaces.svg into the working directory,
or into the folder given as its argument.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

import chainrule as cr

# Eight points on a line, and which side of 0 they belong to (two of them on the wrong one).
x = cr.constant([-2.0, -1.5, -0.8, -0.3, 0.4, 0.9, 1.4, 2.1])
side = cr.constant([-1.0, -1.0, -1.0, 1.0, -1.0, 1.0, 1.0, 1.0])

Loss = Callable[[cr.Node, cr.Node], cr.Node]


def logistic(w1: cr.Node, w2: cr.Node) -> cr.Node:
    """Logistic regression: the mean of log(1 + exp(-y·(w₁x + w₂)))."""
    return cr.mean(cr.softplus(-side * (w1 * x + w2)), axis=-1)


def neuron(w1: cr.Node, w2: cr.Node) -> cr.Node:
    """Two layers of one unit each: the mean of (w₂·tanh(w₁x) - tanh(1.5x))²."""
    return cr.mean(cr.square(w2 * cr.tanh(w1 * x) - cr.tanh(1.5 * x)), axis=-1)


def descend(loss: Loss, w1: float, w2: float) -> tuple[float, float]:
    """Where 2000 steps down the gradient lead from (w₁, w₂)."""
    slope = cr.compile(cr.grad(lambda w: loss(w[0], w[1])))
    w = np.array([w1, w2], "float32")
    for _ in range(2000):
        w = w - 0.3 * slope(w)
    return round(float(w[0]), 2), round(float(w[1]), 2)


STARTS = [(2.0, 1.0), (-2.0, -1.0), (0.5, -2.0)]

# Convex: the curvature is never negative, so every start ends in the one lowest place.
print([descend(logistic, *start) for start in STARTS])  # [(2.02, -0.08), (2.02, -0.08), (2.02, -0.08)]

# Not convex: it depends on where one starts, and (w₁, w₂) is as good as (-w₁, -w₂).
print([descend(neuron, *start) for start in STARTS])  # [(1.5, 1.0), (-1.5, -1.0), (-1.5, -1.0)]

# The least eigenvalue of the Hessian says the same: below 0, the surface bends downwards.
grid = [(a, b) for a in np.linspace(-2, 2, 9) for b in np.linspace(-2, 2, 9)]
for loss in (logistic, neuron):
    hessian = cr.compile(cr.hessian(lambda w, loss=loss: loss(w[0], w[1])))
    least = min(np.linalg.eigvalsh(hessian(np.array(w)))[0] for w in grid)
    print(f"{loss.__name__}: least curvature {least:.2f}")
# logistic: least curvature 0.03
# neuron: least curvature -8.82

if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    cr.view.plot_loss_surface(folder / "loss_surfaces.svg", {"convex": logistic, "not convex": neuron})
