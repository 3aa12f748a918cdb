"""A search over settings: its course, what each setting did, what mattered, and how the trials went."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import ArgumentError
from ...train.tuning import TrialRecord
from .canvas import FIRST, GRID, SECOND, Array, Path, figure_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 3
_MOST_BARS = 12
"""Settings whose importance is drawn; of more the first."""
_LONGEST = 12
"""Characters of a value below an axis."""
_WIDE = 10
"""Positive numbers whose largest is more than so many times the smallest have a logarithmic scale."""


def plot_history(trials: Sequence[TrialRecord], path: Path, score: str, *, higher: bool) -> None:
    """Draw the score of each trial, in the order of their numbers, and the best so far, as .svg or .png.

    Dots are finished trials, crosses those that were given up early at the best score they had.  Scores far
    worse than the rest stand as triangles at the edge.  Raises ``ArgumentError`` where no trial has a score.
    """
    known = _scored(trials, "plot_history")
    values = np.array([trial.value for trial in known], np.float64)
    best, far = _best_so_far(known, higher), _limits(values, higher)
    told = f"{len(known)} trials; the best {_named(score)} goes from {best[0]:.4g} to {best[-1]:.4g}."
    with figure_at(path, (7.2, 3.4), "Course of the search", told) as figure:
        axes = figure.subplots()
        _dots(axes, np.array([trial.number for trial in known], np.float64), values, known, far, higher)
        axes.step([t.number for t in known], best, where="post", color=SECOND, label="best so far")
        axes.set_xlabel("trial")
        axes.set_ylabel(_named(score))
        _frame(axes, far)
        axes.xaxis.set_major_locator(_few(integer=True))
        axes.legend(fontsize=8, loc="best")


def plot_slices(trials: Sequence[TrialRecord], path: Path, score: str, *, higher: bool) -> None:
    """Draw the score over each setting, a panel a setting, as .svg or .png; marks as :func:`plot_history`."""
    known = _scored(trials, "plot_slices")
    names = list(dict.fromkeys(name for trial in known for name in trial.params))
    if not names:
        raise ArgumentError("plot_slices: the trials have no parameters")
    far = _limits(np.array([trial.value for trial in known], np.float64), higher)
    columns = min(_COLUMNS, len(names))
    rows = math.ceil(len(names) / columns)
    told = f"A panel for each of {', '.join(names)}: the {_named(score)} of the trials over its values."
    with figure_at(path, (3.4 * columns, 2.7 * rows), "Scores over each setting", told) as figure:
        grid = figure.subplots(rows, columns, squeeze=False, sharey=True).flatten()
        for axes, name in zip(grid, names, strict=False):
            _slice(axes, [trial for trial in known if name in trial.params], name, far, higher)
        for axes in grid[len(names) :]:
            axes.set_visible(False)
        for axes in grid[::columns]:
            axes.set_ylabel(_named(score))


def plot_importance(shares: Mapping[str, float], path: Path) -> None:
    """Draw how much each setting accounts for as bars, the most telling on top, as .svg or .png."""
    if not shares:
        raise ArgumentError("plot_importance: there are no shares", mend="finish ten trials first")
    shown = sorted(shares.items(), key=lambda item: -item[1])[:_MOST_BARS]
    told = "; ".join(f"{_setting(name)} {share:.0%}" for name, share in shown)
    with figure_at(path, (6.4, 0.6 + 0.32 * len(shown)), "Importance of the settings", f"{told}.") as figure:
        axes = figure.subplots()
        places = np.arange(len(shown))[::-1]
        axes.barh(places, [share for _, share in shown], color=FIRST, height=0.62)
        for place, (_, share) in zip(places, shown, strict=True):
            axes.annotate(f"{share:.0%}", (share, place), (4, 0), textcoords="offset points", va="center")
        axes.set_yticks(places, [_setting(name) for name, _ in shown])
        axes.set_xlim(0, 1.12 * max(share for _, share in shown) or 1.0)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(left=False)


def plot_courses(trials: Sequence[TrialRecord], path: Path, score: str, *, higher: bool) -> None:
    """Draw each trial's score over its epochs, as .svg or .png: the best, the finished, the given up."""
    known = [trial for trial in _scored(trials, "plot_courses") if trial.scores]
    if not known:
        raise ArgumentError("plot_courses: no epoch of a trial has ended")
    done = [trial for trial in known if trial.state == "complete"]
    best = (max if higher else min)(done, key=lambda trial: trial.value or 0.0, default=None)
    far = _limits(np.array([value for trial in known for value in trial.scores.values()]), higher)
    pruned = sum(trial.state == "pruned" for trial in known)
    told = f"The {_named(score)} of {len(known)} trials over their epochs, {pruned} of them given up early."
    with figure_at(path, (7.2, 3.6), "Courses of the trials", told) as figure:
        axes = figure.subplots()
        labels: set[str] = set()
        for trial in sorted(known, key=lambda trial: trial is best):
            label, look = _look(trial, best)
            epochs, scores = zip(*sorted(trial.scores.items()), strict=True)
            axes.plot(epochs, scores, label=None if label in labels else label, **look)
            labels.add(label)
            if trial.state == "pruned":
                axes.plot(epochs[-1], scores[-1], "x", color=GRID, markersize=5, zorder=2)
        axes.set_xlabel("epoch")
        axes.set_ylabel(_named(score))
        _frame(axes, far)
        axes.xaxis.set_major_locator(_few(integer=True))
        axes.legend(fontsize=8, loc="best")


def _look(trial: TrialRecord, best: TrialRecord | None) -> tuple[str, dict[str, Any]]:
    if trial is best:
        return f"best, trial {trial.number}", {"color": SECOND, "linewidth": 2.2, "zorder": 4}
    if trial.state == "complete":
        return "finished", {"color": FIRST, "linewidth": 1.0, "alpha": 0.6, "zorder": 3}
    return "given up", {"color": GRID, "linewidth": 0.9, "linestyle": (0, (4, 2)), "zorder": 1}


def _scored(trials: Sequence[TrialRecord], who: str) -> list[TrialRecord]:
    found = [trial for trial in trials if trial.value is not None and trial.state in ("complete", "pruned")]
    if not found:
        raise ArgumentError(f"{who}: no trial has a score", mend="let one come to its end first")
    return found


def _best_so_far(trials: Sequence[TrialRecord], higher: bool) -> Array:
    values = np.array([trial.value for trial in trials], np.float64)
    return np.maximum.accumulate(values) if higher else np.minimum.accumulate(values)


def _limits(values: Array, higher: bool) -> tuple[float, float]:
    """The range to draw: where a quarter of the scores takes up more than half of it, without those."""
    best, worst = (values.max(), values.min()) if higher else (values.min(), values.max())
    most = np.quantile(values, 0.25 if higher else 0.75)
    end = most + (most - best) * 0.35 if abs(worst - best) > 2 * abs(most - best) > 0 else worst
    margin = 0.06 * (abs(best - end) or abs(best) or 1.0)
    return min(best, end) - margin, max(best, end) + margin


def _dots(
    axes: Axes, x: Array, y: Array, trials: Sequence[TrialRecord], far: tuple[float, float], higher: bool
) -> None:
    """A mark for each trial: what became of it, or that it is beyond the edge."""
    done = np.array([trial.state == "complete" for trial in trials])
    outside = (y < far[0]) | (y > far[1])
    edge = np.clip(y, *far)
    marks = (
        (done & ~outside, "o", FIRST, "finished"),
        (~done & ~outside, "x", GRID, "given up"),
        (outside, "v" if higher else "^", GRID, "far worse"),
    )
    for some, marker, colour, label in marks:
        if some.any():
            axes.scatter(
                x[some], edge[some], s=22, marker=marker, color=colour, linewidths=1.1, label=label, zorder=3,
                clip_on=False,
            )  # fmt: skip


def _slice(
    axes: Axes, trials: Sequence[TrialRecord], name: str, far: tuple[float, float], higher: bool
) -> None:
    values = [trial.params[name] for trial in trials]
    y = np.array([trial.value for trial in trials], np.float64)
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if numbers:
        x = np.array(values, np.float64)
        if x.min() > 0 and x.max() > _WIDE * x.min():
            axes.set_xscale("log")
            ticks = _round_numbers(float(x.min()), float(x.max()))
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.minorticks_off()  # within a decade their labels would stand one over the other
        else:
            axes.xaxis.set_major_locator(_few(integer=all(isinstance(value, int) for value in values)))
    else:
        kinds = list(dict.fromkeys(sorted(map(str, values))))
        x = np.array([kinds.index(str(value)) for value in values], np.float64)
        short = [kind if len(kind) <= _LONGEST else f"{kind[: _LONGEST - 1]}…" for kind in kinds]
        axes.set_xticks(range(len(kinds)), short, rotation=30 if len(kinds) > 3 else 0, fontsize=8)
        axes.set_xlim(-0.5, len(kinds) - 0.5)
    _dots(axes, x, y, trials, far, higher)
    axes.set_title(_setting(name))
    _frame(axes, far)


def _round_numbers(low: float, high: float) -> list[float]:
    """At most four numbers to write along a logarithmic scale.

    >>> _round_numbers(0.0012, 0.06), _round_numbers(1e-7, 1.0), _round_numbers(3.1, 4.9)
    ([0.002, 0.005, 0.02, 0.05], [1e-07, 1e-05, 0.01, 1.0], [3.1, 4.9])
    """
    powers = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)
    digits = (1,) if len(powers) > 4 else (1, 2, 5)
    numbers = [float(f"{digit}e{power}") for power in powers for digit in digits]
    found = [number for number in numbers if low <= number <= high]
    if len(found) < 2:
        return [float(f"{low:.2g}"), float(f"{high:.2g}")]
    places = np.linspace(0, len(found) - 1, min(len(found), 4)).round().astype(int)
    return [found[place] for place in places]


def _frame(axes: Axes, far: tuple[float, float]) -> None:
    axes.set_ylim(*far)
    axes.grid(color=GRID, alpha=0.25, linewidth=0.6)


def _few(*, integer: bool) -> Any:
    """Ticks whose labels have room beside one another."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins="auto" if integer else 5, integer=integer)


def _named(score: str) -> str:
    return score.replace("_", " ")


def _setting(name: str) -> str:
    """``model.hidden.layers`` as ``hidden layers``."""
    return (name.partition(".")[2] or name).replace("_", " ").replace(".", " ")
