"""Figures of a search say what its trials did, and are the same bytes each time."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from chainrule.errors import ArgumentError
from chainrule.train.tuning import TrialRecord
from chainrule.view import plot_courses, plot_history, plot_importance, plot_slices
from chainrule.view.figures.study import _limits

SCORE = "validation_accuracy"


def record(number: int, state: str, value: float | None, **params: Any) -> TrialRecord:
    scores = {} if value is None else {1: value / 2, 2: value}
    named = {f"model.{name}": param for name, param in params.items()}
    return TrialRecord(number, state, value, named, scores)


TRIALS = [
    record(0, "complete", 0.8, rate=0.01, kind="relu", units=16),
    record(1, "pruned", 0.3, rate=0.5, kind="tanh", units=8),
    record(2, "complete", 0.9, rate=0.02, kind="a very long name", units=32),
    record(3, "failed", None, rate=0.9, kind="relu", units=4),
    record(4, "complete", 0.7, rate=0.0001, kind="relu", units=64),
    record(5, "running", 0.95, rate=0.01, kind="relu", units=64),
]

DRAWN: dict[str, Callable[[Path], None]] = {
    "history": lambda path: plot_history(TRIALS, path, SCORE, higher=True),
    "slices": lambda path: plot_slices(TRIALS, path, SCORE, higher=True),
    "courses": lambda path: plot_courses(TRIALS, path, SCORE, higher=True),
    "importance": lambda path: plot_importance({"model.rate": 0.75, "model.hidden.units": 0.25}, path),
}


@pytest.mark.parametrize("name", DRAWN)
def test_figures_are_whole_and_the_same_each_time(name: str, tmp_path: Path) -> None:
    for place in ("one.svg", "two.svg", "three.png"):
        DRAWN[name](tmp_path / place)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert (tmp_path / "three.png").read_bytes().startswith(b"\x89PNG")
    root = ElementTree.parse(tmp_path / "one.svg").getroot()
    assert root.get("role") == "img"
    assert root.get("aria-label")


def told(path: Path) -> str:
    found = re.search(r"<desc>(.*?)</desc>", path.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def test_figures_say_in_words_what_they_show(tmp_path: Path) -> None:
    for name, draw in DRAWN.items():
        draw(tmp_path / f"{name}.svg")
    assert told(tmp_path / "history.svg") == ("4 trials; the best validation accuracy goes from 0.8 to 0.9.")
    assert told(tmp_path / "slices.svg") == (
        "A panel for each of model.rate, model.kind, model.units: the validation accuracy of the trials over "
        "its values."
    )
    assert told(tmp_path / "courses.svg").startswith(
        "The validation accuracy of 4 trials over their epochs, 1"
    )
    assert told(tmp_path / "importance.svg") == "rate 75%; hidden units 25%."


def test_the_best_is_the_lowest_where_losses_count(tmp_path: Path) -> None:
    plot_history(TRIALS, tmp_path / "low.svg", "validation_loss", higher=False)
    assert told(tmp_path / "low.svg") == "4 trials; the best validation loss goes from 0.8 to 0.3."


def test_scores_far_off_do_not_press_the_rest_together() -> None:
    low, high = _limits(np.array([0.9, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.1]), higher=True)
    assert 0.8 < low < 0.91
    assert 0.96 < high < 1.0
    low, high = _limits(np.array([1.0, 1.1, 1.2, 1.3, 1.4, 50.0]), higher=False)
    assert 0.9 < low < 1.0
    assert 1.3 < high < 2.0
    assert _limits(np.array([0.5]), higher=True)[0] < 0.5 < _limits(np.array([0.5]), higher=True)[1]
    spread = np.linspace(0, 1, 20)
    assert _limits(spread, higher=True)[0] < 0
    assert _limits(spread, higher=False)[1] > 1


@pytest.mark.parametrize("name", ["history", "slices", "courses"])
def test_nothing_to_draw_is_told(name: str, tmp_path: Path) -> None:
    draw = {"history": plot_history, "slices": plot_slices, "courses": plot_courses}[name]
    with pytest.raises(ArgumentError, match="no trial has a score"):
        draw([record(0, "failed", None)], tmp_path / "x.svg", SCORE, higher=True)
    assert list(tmp_path.iterdir()) == []


def test_no_importance_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="there are no shares"):
        plot_importance({}, tmp_path / "x.svg")
