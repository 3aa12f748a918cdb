"""What reaches each layer in the course of a run: gradients, updates, units that are out of use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import ArgumentError
from .canvas import GRID, Array, Path, figure_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMED = 9
"""Lines that the legend names: of more layers, some evenly spread from the first to the last."""
_LONGEST = 40
"""Characters of a name in the legend; of a longer one the end is shown."""


def plot_layers(readings: Sequence[Mapping[str, Any]], path: Path, title: str = "Layers") -> None:
    """Draw how gradients, updates and idle units went, layer by layer, into an .svg or .png file.

    ``readings`` are a run's ``layers`` (``chainrule.train.Result``), one mapping for an ``epoch``.  Drawn
    are, over epochs: the root mean square of each parameter's gradient, the update of one step relative to
    the weights, both on logarithmic scales (1e-3 is usual), and the share of units that are dead or
    saturated.  Lines go from dark, near the inputs, to light, near the loss, each with a marker of its own.

    Raises ``ArgumentError`` where there is no reading.
    """
    if not readings:
        raise ArgumentError("plot_layers: there are no readings", mend="give result.layers of a run")
    epochs = np.array([reading["epoch"] for reading in readings], np.float64)
    panels = [
        ("gradient: root mean square", "parameters", "gradient", True),
        ("update of a step ÷ weights", "parameters", "update", True),
        ("share of units dead or saturated", "units", "idle", False),
    ]
    courses = [(head, log, _courses(readings, group, key)) for head, group, key, log in panels]
    courses = [course for course in courses if course[2]]
    told = "; ".join(f"{head}: {_told(lines)}" for head, _, lines in courses)
    with figure_at(path, (4.2 * len(courses), 3.9), title, told) as figure:
        for axes, (head, log, lines) in zip(
            figure.subplots(1, len(courses), squeeze=False)[0], courses, strict=True
        ):
            _draw(axes, epochs, lines, log)
            axes.set_title(head)
            axes.set_xlabel("epoch")


def _courses(readings: Sequence[Mapping[str, Any]], group: str, key: str) -> dict[str, Array]:
    """name → values over the epochs, those that have any."""
    names = dict.fromkeys(name for reading in readings for name in reading.get(group, {}))
    found = {
        name: np.array([_number(reading.get(group, {}).get(name, {}).get(key)) for reading in readings])
        for name in names
    }
    return {name: values for name, values in found.items() if np.isfinite(values).any()}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else math.nan


_MARKERS = "osD^vP*X<>hd"


def _draw(axes: Axes, x: Array, lines: Mapping[str, Array], log: bool) -> None:
    from matplotlib import colormaps
    from matplotlib.ticker import MaxNLocator

    shades = colormaps["viridis"](np.linspace(0.05, 0.85, len(lines)))
    named = set(np.linspace(0, len(lines) - 1, min(_NAMED, len(lines))).round().astype(int).tolist())
    for k, ((name, y), shade) in enumerate(zip(lines.items(), shades, strict=True)):
        shown = (
            np.where(y > 0, y, np.nan) if log else y
        )  # a gradient of 0 has no place on a logarithmic scale
        axes.plot(x, shown, color=shade, marker=_MARKERS[k % len(_MARKERS)], markersize=3.5, linewidth=1.3,
                  label=_short(name) if k in named else None)  # fmt: skip
    if log and any((y > 0).any() for y in lines.values()):
        axes.set_yscale("log")
    else:
        axes.set_ylim(-0.03, 1.03)
    axes.grid(color=GRID, alpha=0.25, linewidth=0.6)
    axes.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True))
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=1 if len(named) < 4 else 2)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"…{name[1 - _LONGEST :]}"


def _told(lines: Mapping[str, Array]) -> str:
    ends = {name: y[np.isfinite(y)] for name, y in lines.items()}
    shown = [f"{name} from {y[0]:.3g} to {y[-1]:.3g}" for name, y in list(ends.items())[:_NAMED]]
    return ", ".join(shown)
