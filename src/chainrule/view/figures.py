"""Figures by matplotlib: activation functions, training curves, loss surfaces.

matplotlib is imported when a figure is drawn; its global settings are left as they were.  The same data
gives the same bytes, and an SVG follows the light or dark of its surroundings.
"""

from __future__ import annotations

import io
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.files import write_atomically
from ..differentiate import gradients
from ..dtypes import float64
from ..engines.stepper import evaluate
from ..errors import ArgumentError
from ..functions import ACTIVATIONS
from ..graph import Node, constant, placeholder
from ..ops import exp, log1p, mean, square, tanh
from ..ops import sum as sum_
from .text import escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
Pathish = str | os.PathLike[str]

_INK = "#1c2431"  # stands for the colour of the surrounding text
_FIRST, _SECOND, _GRID = "#1877c9", "#d9730d", "#8a94a3"
_SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "chainrule", "svg.fonttype": "path", "font.family": "DejaVu Sans", "font.size": 9.0,
    "text.color": _INK, "axes.edgecolor": _INK, "axes.labelcolor": _INK, "axes.titlecolor": _INK,
    "xtick.color": _INK, "ytick.color": _INK, "axes.spines.top": False, "axes.spines.right": False,
    "axes.titlesize": 10.0, "axes.linewidth": 0.8, "lines.linewidth": 1.8, "legend.frameon": False,
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
}  # fmt: skip


@contextmanager
def _figure(path: Pathish, size: tuple[float, float], title: str, description: str) -> Iterator[Figure]:
    """A figure to draw on, under settings of its own, written to ``path`` at the end as .svg or .png."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in (".svg", ".png"):
        raise ArgumentError(f"cannot draw into {os.fspath(path)!r}", mend="name it .svg or .png")
    defaults: dict[Any, Any] = {k: v for k, v in matplotlib.rcParamsDefault.items() if k != "backend"}
    with matplotlib.rc_context({**defaults, **_SETTINGS}):
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.09))
        yield figure
        if suffix == ".png":
            pixels = io.BytesIO()
            figure.savefig(pixels, format="png", dpi=150, facecolor="white", metadata={"Software": None})
            write_atomically(path, pixels.getvalue())
        else:
            text = io.StringIO()
            figure.savefig(text, format="svg", metadata={"Date": None})
            write_atomically(path, _adapted(text.getvalue(), title, description))


def _adapted(svg: str, title: str, description: str) -> str:
    """matplotlib's SVG with a title and no prolog, drawn in the colour of the text around it."""
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg[svg.index("<svg") :], count=1, flags=re.DOTALL)
    svg = svg.replace(_INK, "currentColor")
    head, body = svg.split(">", 1)
    head = re.sub(r' (width|height)="([\d.]+)pt"', r' \1="\2"', head)
    return (
        f'{head} class="cr-figure" role="img" aria-label="{escape(title)}">\n'
        f"<title>{escape(title)}</title>\n<desc>{escape(description)}</desc>\n"
        "<style>.cr-figure{color:#1c2430;background:#fff}"
        "@media (prefers-color-scheme:dark){.cr-figure{color:#e8ebf0;background:#15181d}}</style>"
        f"{body}"
    )


# -- activation functions ------------------------------------------------------------------------------------


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


def plot_activations(path: Pathish, names: Sequence[str] | None = None) -> None:
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
    with _figure(path, size, f"Activation functions: {', '.join(chosen)}", told) as figure:
        grid = figure.subplots(rows, columns, sharex=True, squeeze=False).flatten()
        for axes, name in zip(grid, chosen, strict=False):
            value, slope = activation_values(name, x)
            axes.axhline(0, color=_GRID, linewidth=0.6)
            axes.axvline(0, color=_GRID, linewidth=0.6)
            axes.plot(x, _opened(value), color=_FIRST, label="f(x)")
            axes.plot(x, _opened(slope), color=_SECOND, linestyle=(0, (4, 2)), label="f ′(x)")
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


# -- training curves -----------------------------------------------------------------------------------------

_X_KEYS = ("epoch", "step")
_NOT_CURVES = {*_X_KEYS, "seconds", "best"}
_ROLES = {"validation_": "validation", "valid_": "validation", "train_": "training", "": "training"}


def plot_curves(records: Sequence[Mapping[str, Any]], path: Pathish, title: str = "Training") -> None:
    """Draw the records of a run, one mapping an epoch, into an .svg or .png file.

    A panel for each quantity: ``loss`` and ``validation_loss`` share one; ``learning_rate`` is drawn on a
    logarithmic scale where it spans more than a factor 30.  The last epoch marked ``best`` has a dotted
    line; values that are missing or not finite leave a gap.
    """
    panels = _panels(records)
    if not panels:
        raise ArgumentError("plot_curves: the records hold no numbers", mend="give one mapping an epoch")
    key = next((key for key in _X_KEYS if any(key in record for record in records)), None)
    x = np.array([record.get(key, k + 1) if key else k + 1 for k, record in enumerate(records)], float)
    best = [place for place, record in zip(x, records, strict=True) if record.get("best")]
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    told = _told(panels)
    with _figure(path, (3.6 * columns, 2.7 * rows), title, told) as figure:
        grid = figure.subplots(rows, columns, squeeze=False).flatten()
        for number, (axes, (quantity, curves)) in enumerate(zip(grid, panels.items(), strict=False)):
            _draw_panel(axes, x, curves, best[-1] if best else None)
            axes.set_title(quantity.replace("_", " "))
            axes.set_xlabel(key or "record")
            if number == 0:
                axes.legend(fontsize=8)
            known = np.concatenate([y[np.isfinite(y)] for y in curves.values()])
            if quantity == "learning_rate" and known.min() > 0 and known.max() > 30 * known.min():
                axes.set_yscale("log")
        for axes in grid[len(panels) :]:
            axes.set_visible(False)


def _panels(records: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Array]]:
    """quantity → (training or validation → values), the learning rate last."""
    panels: dict[str, dict[str, Array]] = {}
    for key in dict.fromkeys(key for record in records for key in record):
        values = np.array([_number(record.get(key)) for record in records])
        if key in _NOT_CURVES or not np.isfinite(values).any():
            continue
        prefix = next(prefix for prefix in _ROLES if key.startswith(prefix))
        panels.setdefault(key.removeprefix(prefix), {})[_ROLES[prefix]] = values
    if "learning_rate" in panels:
        panels["learning_rate"] = panels.pop("learning_rate")
    return panels


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not np.isfinite(value):
        return math.nan
    return float(value)


def _draw_panel(axes: Axes, x: Array, curves: Mapping[str, Array], best: float | None) -> None:
    from matplotlib.ticker import MaxNLocator

    marker = "o" if len(x) <= 20 else None
    for role, y in curves.items():
        colour, style = (_SECOND, (0, (4, 2))) if role == "validation" else (_FIRST, "solid")
        axes.plot(x, y, color=colour, linestyle=style, label=role, marker=marker, markersize=3)
    if best is not None:
        axes.axvline(best, color=_GRID, linewidth=1, linestyle=":", label="best")
    axes.grid(color=_GRID, alpha=0.25, linewidth=0.6)
    axes.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True))


def _told(panels: Mapping[str, Mapping[str, Array]]) -> str:
    parts = []
    for quantity, curves in panels.items():
        for role, y in curves.items():
            known = y[np.isfinite(y)]
            parts.append(f"{role} {quantity.replace('_', ' ')} from {known[0]:.4g} to {known[-1]:.4g}")
    return f"{'; '.join(parts)}."


# -- maps of words -----------------------------------------------------------------------------------------

_MAP_SIZE, _LETTER, _LINE = (9.0, 6.5), 0.075, 0.15  # inches: the picture, a letter's width, a line's height


def plot_map(
    points: Sequence[tuple[float, float]], labels: Sequence[str], path: Pathish, title: str = "Map"
) -> None:
    """Draw labelled points of a plane, such as words by two directions of their vectors, as .svg or .png.

    Each point has its dot; a label that would cover an earlier one is left out, so give the more
    important things first.

    Raises ``ArgumentError`` for no points, for other than a label each, and for points that are not finite.
    """
    places = np.asarray(points, np.float64).reshape(-1, 2)
    if not len(places) or len(places) != len(labels) or not np.isfinite(places).all():
        raise ArgumentError(f"plot_map: {len(places)} points, {len(labels)} labels; a finite point each")
    low, high = places.min(axis=0), places.max(axis=0)
    inches = (places - low) / np.where(high > low, high - low, 1.0) * np.array(_MAP_SIZE)
    shown = _apart(inches, labels)
    told = f"{len(labels)} points, among them {', '.join(labels[k] for k in shown[:12])}"
    with _figure(path, _MAP_SIZE, title, told) as figure:
        axes = figure.subplots()
        axes.set_axis_off()
        axes.scatter(places[:, 0], places[:, 1], s=5, color=_FIRST, linewidths=0)
        for k in shown:
            axes.annotate(labels[k], places[k], (0, 3), textcoords="offset points", ha="center", fontsize=8)
        axes.set_title(title)


def _apart(inches: Array, labels: Sequence[str]) -> list[int]:
    """Which labels can be written without covering one another, the first ones before the others."""
    half = np.array([[len(label) * _LETTER / 2, _LINE / 2] for label in labels])
    shown: list[int] = []
    for k in range(len(labels)):
        gap = np.abs(inches[shown] - inches[k]) - (half[shown] + half[k])
        if not (gap < 0).all(axis=1).any():
            shown.append(k)
    return shown


# -- loss surfaces -------------------------------------------------------------------------------------------

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
    path: Pathish, surfaces: Mapping[str, Callable[[Node, Node], Node]] = SURFACES, reach: float = 3.0
) -> None:
    """Draw losses of two weights as contours, with the steps that gradient descent would take as arrows.

    ``surfaces`` maps titles to functions of (w₁, w₂), nodes of shape ``[..., 1]``, that reduce the last
    axis (over examples); by default logistic regression's convex bowl beside a neuron's two valleys.
    """
    from matplotlib.colors import BoundaryNorm

    axis = np.linspace(-reach, reach, 97)
    w1, w2 = np.meshgrid(axis, axis)
    told = "Contours of the loss over two weights; arrows point down the gradient."
    with _figure(path, (4.2 * len(surfaces), 3.9), "Loss surfaces", told) as figure:
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
            axes.plot(w1[lowest], w2[lowest], "*", color=_SECOND, markersize=13, markeredgecolor="white")
            axes.set_title(title)
            axes.set_xlabel("w₁")
            axes.set_ylabel("w₂")
            axes.set_aspect("equal")
