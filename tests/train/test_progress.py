from __future__ import annotations

import io

import pytest
from rich.console import Console

from chainrule.errors import TrainingWarning
from chainrule.train import Alarm, Bar, Plain, Quiet, default_reporter, describe

RECORD = {
    "epoch": 12,
    "loss": 0.123456,
    "learning_rate": 0.00123456,
    "validation_loss": 0.234567,
    "validation_accuracy": 0.987654,
    "seconds": 12.34,
    "best": True,
}


def test_a_line_fits_80_columns() -> None:
    line = describe(RECORD)
    assert line == "epoch 12  loss 0.1235  validation loss 0.2346, accuracy 0.9877  12.3 s  best"
    assert len(line) <= 80


def test_what_is_not_measured_is_not_shown() -> None:
    assert describe({"epoch": 1, "loss": 2.0, "best": True}) == "epoch 1  loss 2"
    assert describe({"epoch": 1, "loss": 2.0, "validation_f_score": 1, "best": False}) == (
        "epoch 1  loss 2  validation f score 1"
    )


def test_plain_lines_go_to_the_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = Plain()
    reporter.start(2, 3, 0)
    reporter.step(1, 0.5)
    reporter.epoch(RECORD)
    reporter.stop()
    assert capsys.readouterr() == ("", describe(RECORD) + "\n")
    stream = io.StringIO()
    Plain(stream).epoch(RECORD)
    assert stream.getvalue() == describe(RECORD) + "\n"


def test_an_alarm_is_told_as_it_is_whatever_the_reporter() -> None:
    alarm = Alarm("order", "[bold]same[/bold] order", "Batches", "shuffle")
    wanted = "warning: [bold]same[/bold] order\n  where: Batches\n  mend:  shuffle\n"
    plain, bar = io.StringIO(), io.StringIO()
    Plain(plain).warn(alarm)
    Bar(Console(file=bar, force_terminal=True, width=80, color_system=None)).warn(alarm)
    assert plain.getvalue() == bar.getvalue() == wanted
    with pytest.warns(TrainingWarning, match="same"):
        Quiet().warn(alarm)


def test_no_terminal_no_bar() -> None:
    assert isinstance(default_reporter(), Plain)


@pytest.mark.parametrize("at_once", [1, 5, 50])
@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_bar_is_one_line_of_any_terminal(width: int, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000 * at_once, at_once))
    monkeypatch.setattr("chainrule.train.progress.time.perf_counter", lambda: float(next(clock)))
    stream = io.StringIO()
    bar = Bar(Console(file=stream, force_terminal=True, width=width, color_system=None))
    bar.start(30, 100, 250)
    for _ in range(50 // at_once):
        bar.step(3, 0.25, at_once)
    bar._bar.refresh()
    bar.epoch(RECORD)
    bar.stop()
    shown = stream.getvalue()
    frame = [line for line in shown.replace("\r", "\n").splitlines() if "epoch 3/30" in line][-1]
    assert "epoch 3/30  loss 0.2500" in frame
    assert "10%" in frame  # (250 + 50) of 3,000
    assert "1 batches/s" in frame
    assert describe(RECORD).split("  ")[0] in shown
