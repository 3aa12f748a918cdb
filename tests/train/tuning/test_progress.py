"""What a person sees of a search."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from chainrule.errors import NonFiniteError
from chainrule.train.tuning import BarDisplay, PlainDisplay, TrialRecord, Tuner, describe_trial

from .studies import Toy, toy_study

PARAMS = {"optimizer.learning_rate": 0.00123456, "model.hidden.layers": 2}


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (
            TrialRecord(3, "complete", 0.91234, PARAMS, {1: 0.5, 2: 0.9}, 1.25),
            "trial 3  0.9123 in 2 epochs  1.2 s  learning_rate 0.001235, hidden.layers 2",
        ),
        (TrialRecord(4, "pruned", 0.5, {}, {1: 0.5}, 0.5), "trial 4  pruned after 1 epoch at 0.5  0.5 s"),
        (TrialRecord(5, "failed", None, {}, reason="a NaN"), "trial 5  failed: a NaN"),
        (TrialRecord(6, "interrupted", None, {}), "trial 6  interrupted"),
    ],
)
def test_a_trial_in_one_line(record: TrialRecord, text: str) -> None:
    assert describe_trial(record, None) == text


def test_the_best_is_marked() -> None:
    record = TrialRecord(3, "complete", 0.5, {}, {1: 0.5})
    assert describe_trial(record, record) == "trial 3  0.5 in 1 epoch best"


def test_plain_lines(tmp_path: Path) -> None:
    stream = io.StringIO()
    Tuner(toy_study(tmp_path, trials=2), Toy(), PlainDisplay(stream), heartbeat=1).work()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("trial 0  1.443 in 4 epochs best  ")
    assert lines[0].endswith("  width 1, depth 2")


def test_a_bar_on_a_terminal(tmp_path: Path) -> None:
    def hook(config: object, epoch: int) -> None:
        if len(toy.ran) == 2:
            raise NonFiniteError("[red]not markup[/red]")

    toy, stream = Toy(hook), io.StringIO()
    console = Console(file=stream, force_terminal=True, width=90, color_system=None)
    study = toy_study(tmp_path, trials=3)
    Tuner(study, toy, BarDisplay(console), heartbeat=1).work()
    shown = stream.getvalue()
    assert "trial 1  failed: NonFiniteError: [red]not markup[/red]" in shown
    assert "3/3 trials" in shown
    assert "best 1.443" in shown
    assert shown.count("\n") >= 3
