"""Activation functions with their derivatives, a panel each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...differentiate import gradients
from ...dtypes import float64
from ...engines.stepper import evaluate
from ...errors import ArgumentError
from ...functions import ACTIVATIONS
from ...graph import placeholder
from ...ops import sum as sum_
from .canvas import FIRST, GRID, SECOND, Array, Path, figure_at


def activation_values(name: str, x: Array) -> tuple[Array, Array]:
    """An activation function and its derivative at ``x``, both computed by the graph.

    >>> value, slope = activation_values("tanh", np.array([0.0, 1.0]))
    >>> value.round(4), slope.round(4)
    (array([0.    , 0.7616]), array([1.  , 0.42]))
    """
    at = placeholder(x.shape, float64, name="x")
    value = ACTIVATIONS[name](at)
    slope = gradients(sum_(value), at, missing="zero")
    found = evaluate([value, slope], {at: x})
    return found[0], found[1]


def plot_activations(path: Path, names: Sequence[str] | None = None) -> None:
    """Draw activation functions with their derivatives, a panel each, into an .svg or .png file.

    Without ``names`` the twelve of the lectures and after them are drawn; any name of
    ``cr.functions.ACTIVATIONS`` may be given.  Values and derivatives are
    the library's own, at 801 places from -4 to 4; jumps are left open.
    """
    chosen = [name for name in ACTIVATIONS if name != "gelu_tanh"] if names is None else list(names)
    unknown = [name for name in chosen if name not in ACTIVATIONS]
    if unknown or not chosen:
        raise ArgumentError(
            f"plot_activations: no activation function {', '.join(map(repr, unknown))}",
            mend=f"choose from {', '.join(ACTIVATIONS)}",
        )
    columns = min(4, len(chosen))
    rows = math.ceil(len(chosen) / columns)
    x = np.linspace(-4.0, 4.0, 801)
    told = "Each panel: the function (solid) and its derivative (dashed)."
    size = (2.5 * columns, 2.2 * rows + 0.35)
    with figure_at(path, size, f"Activation functions: {', '.join(chosen)}", told) as figure:
        grid = figure.subplots(rows, columns, sharex=True, squeeze=False).flatten()
        for axes, name in zip(grid, chosen, strict=False):
            value, slope = activation_values(name, x)
            axes.axhline(0, color=GRID, linewidth=0.6)
            axes.axvline(0, color=GRID, linewidth=0.6)
            axes.plot(x, _opened(value), color=FIRST, label="f(x)")
            axes.plot(x, _opened(slope), color=SECOND, linestyle=(0, (4, 2)), label="f ′(x)")
            axes.set_title(name.replace("_", " "))
            axes.set_ylim(max(-2.3, min(value.min(), slope.min()) - 0.25), min(4.2, value.max() + 0.4))
            axes.tick_params(labelbottom=True)
        for axes in grid[len(chosen) :]:
            axes.set_visible(False)
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)


def _opened(y: Array) -> Array:
    """A curve with a gap where it jumps."""
    opened = y.copy()
    opened[1:][np.abs(np.diff(y)) > 0.2] = np.nan
    return opened
