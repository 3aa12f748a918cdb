"""The course of a run: a panel for each quantity, over epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import ArgumentError
from .canvas import FIRST, GRID, SECOND, Array, Path, figure_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_X_KEYS = ("epoch", "step")
_NOT_CURVES = {*_X_KEYS, "seconds", "best"}
_ROLES = {"validation_": "validation", "valid_": "validation", "train_": "training", "": "training"}


def plot_curves(records: Sequence[Mapping[str, Any]], path: Path, title: str = "Training") -> None:
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
    with figure_at(path, (3.6 * columns, 2.7 * rows), title, told) as figure:
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
        colour, style = (SECOND, (0, (4, 2))) if role == "validation" else (FIRST, "solid")
        axes.plot(x, y, color=colour, linestyle=style, label=role, marker=marker, markersize=3)
    if best is not None:
        axes.axvline(best, color=GRID, linewidth=1, linestyle=":", label="best")
    axes.grid(color=GRID, alpha=0.25, linewidth=0.6)
    axes.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True))


def _told(panels: Mapping[str, Mapping[str, Array]]) -> str:
    parts = []
    for quantity, curves in panels.items():
        for role, y in curves.items():
            known = y[np.isfinite(y)]
            parts.append(f"{role} {quantity.replace('_', ' ')} from {known[0]:.4g} to {known[-1]:.4g}")
    return f"{'; '.join(parts)}."
