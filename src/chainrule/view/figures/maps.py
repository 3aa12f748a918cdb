"""Maps: things as labelled points of a plane."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import ArgumentError
from .canvas import FIRST, Array, Path, figure_at

_MAP_SIZE, _LETTER, _LINE = (9.0, 6.5), 0.075, 0.15  # inches: the picture, a letter's width, a line's height


def plot_map(
    points: Sequence[tuple[float, float]], labels: Sequence[str], path: Path, title: str = "Map"
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
    with figure_at(path, _MAP_SIZE, title, told) as figure:
        axes = figure.subplots()
        axes.set_axis_off()
        axes.scatter(places[:, 0], places[:, 1], s=5, color=FIRST, linewidths=0)
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
