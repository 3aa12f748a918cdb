"""What a person sees of a search: a bar on a terminal, a line a trial elsewhere, or nothing."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from .ledger import TrialRecord
from .study import Study
from .worker import Display

if TYPE_CHECKING:
    from rich.console import Console


def describe_trial(record: TrialRecord, best: TrialRecord | None) -> str:
    """A trial's outcome in one line, its parameters last.

    >>> describe_trial(TrialRecord(7, "pruned", 0.5, {"model.dropout": 0.25}, {1: 0.5}, 1.5), None)
    'trial 7  pruned after 1 epoch at 0.5  1.5 s  dropout 0.25'
    """
    epochs = f"{len(record.scores)} epoch{'s' * (len(record.scores) != 1)}"
    value = "" if record.value is None else f"{record.value:.4g}"
    if record.state == "complete":
        told = f"{value} in {epochs}" + (" best" if best is not None and best.number == record.number else "")
    elif record.state == "pruned":
        told = f"pruned after {epochs} at {value}"
    elif record.state == "failed":
        told = f"failed: {record.reason}"
    else:
        told = record.state
    seconds = [] if record.seconds is None else [f"{record.seconds:.1f} s"]
    return "  ".join([f"trial {record.number}", told, *seconds, described(record.params)]).rstrip()


def described(params: Mapping[str, Any]) -> str:
    """Parameters in a few words, sections left out.

    >>> described({"optimizer.learning_rate": 0.003, "model.hidden.layers": 2})
    'learning_rate 0.003, hidden.layers 2'
    """
    return ", ".join(f"{key.partition('.')[2] or key} {_short(value)}" for key, value in params.items())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class SilentDisplay(Display):
    """Says nothing."""

    def begin(self, study: Study) -> None: ...

    def trial(self, number: int, goes_on_from: int | None) -> None: ...

    def epoch(self, number: int, record: Mapping[str, Any]) -> None: ...

    def ended(self, record: TrialRecord, best: TrialRecord | None, done: int, target: int) -> None: ...

    def note(self, text: str) -> None: ...

    def stop(self) -> None: ...


class PlainDisplay(SilentDisplay):
    """A line for each trial, for files and pipes."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream

    def trial(self, number: int, goes_on_from: int | None) -> None:
        if goes_on_from is not None:
            self.note(f"trial {number} goes on from {goes_on_from}, which was interrupted")

    def ended(self, record: TrialRecord, best: TrialRecord | None, done: int, target: int) -> None:
        self.note(describe_trial(record, best))

    def note(self, text: str) -> None:
        print(text, file=self.stream or sys.stderr, flush=True)


class BarDisplay(SilentDisplay):
    """A bar of the trials that are done, the best so far and the one at hand; a line for each that ends."""

    def __init__(self, console: Console | None = None) -> None:
        from rich import console as consoles  # rich takes 40 ms to import: only when a bar is shown
        from rich import progress as bars

        self.console = console or consoles.Console(stderr=True)
        self._bar = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(bar_width=None),
            bars.MofNCompleteColumn(),
            bars.TextColumn("trials"),
            bars.TimeElapsedColumn(),
            console=self.console,
            expand=True,
            transient=True,
            refresh_per_second=5,
        )
        self._best, self._score, self._now = "", "loss", ""

    def begin(self, study: Study) -> None:
        self._score = study.facts.monitor.score
        self._task = self._bar.add_task("", total=study.facts.trials)
        records = study.records()
        self._count(sum(one.state in ("complete", "pruned", "failed") for one in records), study.best())
        self._bar.start()

    def _count(self, done: int, best: TrialRecord | None) -> None:
        self._best = "" if best is None or best.value is None else f"best {best.value:.4g}  "
        self._bar.update(self._task, completed=done, description=f"{self._best}{self._now}")

    def trial(self, number: int, goes_on_from: int | None) -> None:
        self._now = f"trial {number}"
        self._bar.update(self._task, description=f"{self._best}{self._now}")

    def epoch(self, number: int, record: Mapping[str, Any]) -> None:
        score = record.get(self._score)
        told = f" {score:.4g}" if isinstance(score, float) else ""
        self._now = f"trial {number}, epoch {record['epoch']}:{told}"
        self._bar.update(self._task, description=f"{self._best}{self._now}")

    def ended(self, record: TrialRecord, best: TrialRecord | None, done: int, target: int) -> None:
        self.console.print(describe_trial(record, best), highlight=False, markup=False)
        self._now = ""
        self._count(done, best)

    def note(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False)

    def stop(self) -> None:
        self._bar.stop()


def default_display() -> Display:
    """A bar if the standard error is a terminal, else plain lines."""
    return BarDisplay() if sys.stderr.isatty() else PlainDisplay()
