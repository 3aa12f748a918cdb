"""Losses of two weights as contours, with the way that gradient descent takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ...differentiate import gradients
from ...dtypes import float64
from ...engines.stepper import evaluate
from ...graph import Node, constant, placeholder
from ...ops import exp, log1p, mean, square, tanh
from ...ops import sum as sum_
from .canvas import SECOND, Array, Path, figure_at

_X = constant(np.array([-2.0, -1.5, -0.8, -0.3, 0.4, 0.9, 1.4, 2.1]))
_SIDE = constant(np.array([-1.0, -1.0, -1.0, 1.0, -1.0, 1.0, 1.0, 1.0]))


def logistic_loss(w1: Node, w2: Node) -> Node:
    """Logistic regression of eight points: mean log(1 + exp(-y·(w₁x + w₂))), convex in (w₁, w₂)."""
    return mean(log1p(exp(-_SIDE * (w1 * _X + w2))), axis=-1)


def neuron_loss(w1: Node, w2: Node) -> Node:
    """A neuron of two weights fitted to eight points: mean (w₂·tanh(w₁x) - tanh(1.5x))², not convex.

    (w₁, w₂) and (-w₁, -w₂) are equally good, with a saddle at the origin between them.
    """
    return mean(square(w2 * tanh(w1 * _X) - tanh(1.5 * _X)), axis=-1)


SURFACES: Mapping[str, Callable[[Node, Node], Node]] = {
    "logistic regression: convex": logistic_loss,
    "a neuron of two weights: not convex": neuron_loss,
}


def surface(fn: Callable[[Node, Node], Node], w1: Array, w2: Array) -> tuple[Array, Array, Array]:
    """A loss of two weights over a grid, and its two partial derivatives; ``fn`` reduces the last axis."""
    p1 = placeholder((*w1.shape, 1), float64, name="w1")
    p2 = placeholder((*w2.shape, 1), float64, name="w2")
    value = fn(p1, p2)
    slopes = gradients(sum_(value), [p1, p2], missing="zero")
    found = evaluate([value, *slopes], {p1: w1[..., None], p2: w2[..., None]})
    return found[0], found[1][..., 0], found[2][..., 0]


def plot_loss_surface(
    path: Path, surfaces: Mapping[str, Callable[[Node, Node], Node]] = SURFACES, reach: float = 3.0
) -> None:
    """Draw losses of two weights as contours, with the steps that gradient descent would take as arrows.

    ``surfaces`` maps titles to functions of (w₁, w₂), nodes of shape ``[..., 1]``, that reduce the last
    axis (over examples); by default logistic regression's convex bowl beside a neuron's two valleys.
    """
    from matplotlib.colors import BoundaryNorm

    axis = np.linspace(-reach, reach, 97)
    w1, w2 = np.meshgrid(axis, axis)
    told = "Contours of the loss over two weights; arrows point down the gradient."
    with figure_at(path, (4.2 * len(surfaces), 3.9), "Loss surfaces", told) as figure:
        grid = figure.subplots(1, len(surfaces), squeeze=False)[0]
        for axes, (title, fn) in zip(grid, surfaces.items(), strict=True):
            loss, slope1, slope2 = surface(fn, w1, w2)
            levels = np.unique(np.quantile(loss, np.linspace(0, 1, 18)))
            even = BoundaryNorm(levels, 256)  # a colour for each band, however far apart the levels are
            filled = axes.contourf(w1, w2, loss, levels=levels, cmap="viridis", norm=even)
            filled.set_edgecolor("face")  # no hairlines between the bands
            some = (slice(6, None, 12), slice(6, None, 12))
            length = np.hypot(slope1, slope2)[some] + 1e-12
            shrink = length**0.5
            axes.quiver(
                w1[some], w2[some], -slope1[some] / shrink, -slope2[some] / shrink, color="white", width=0.005
            )
            lowest = np.isclose(loss, loss.min(), atol=1e-9)
            axes.plot(w1[lowest], w2[lowest], "*", color=SECOND, markersize=13, markeredgecolor="white")
            axes.set_title(title)
            axes.set_xlabel("w₁")
            axes.set_ylabel("w₂")
            axes.set_aspect("equal")
