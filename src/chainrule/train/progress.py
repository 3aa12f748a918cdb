"""What a person sees while training runs: a bar on a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from ..errors import TrainingWarning
from .invariants import Alarm

if TYPE_CHECKING:
    from rich.console import Console


class Reporter(Protocol):
    """Told how training goes."""

    def start(self, epochs: int, steps: int, done: int) -> None:
        """Training begins: at most ``epochs`` of ``steps`` batches, ``done`` batches behind it already."""

    def step(self, epoch: int, loss: float, batches: int = 1) -> None:
        """So many batches more are done; the mean loss of the epoch so far."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        """An epoch is done, with its record."""

    def warn(self, alarm: Alarm) -> None:
        """Something about the run is hardly meant; told once."""

    def stop(self) -> None:
        """Training has ended, in whatever way."""


def describe(record: Mapping[str, Any]) -> str:
    """An epoch's record in one line, of at most 80 columns for a handful of scores.

    >>> describe({"epoch": 3, "loss": 1.25, "validation_loss": 1.5, "validation_accuracy": 0.5, "seconds": 2})
    'epoch 3  loss 1.25  validation loss 1.5, accuracy 0.5  2.0 s'
    """
    held_out = [
        f"{k.removeprefix(_HELD_OUT)} {_short(v)}" for k, v in record.items() if k.startswith(_HELD_OUT)
    ]
    parts = [f"epoch {record['epoch']}", f"loss {_short(record['loss'])}"]
    parts += [f"validation {', '.join(held_out)}"] if held_out else []
    parts += [f"{record['seconds']:.1f} s"] if "seconds" in record else []
    parts += ["best"] if held_out and record.get("best") else []
    return "  ".join(parts).replace("_", " ")


_HELD_OUT = "validation_"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class Silent:
    """Says nothing."""

    def start(self, epochs: int, steps: int, done: int) -> None: ...

    def step(self, epoch: int, loss: float, batches: int = 1) -> None: ...

    def epoch(self, record: Mapping[str, Any]) -> None: ...

    def warn(self, alarm: Alarm) -> None: ...

    def stop(self) -> None: ...


class Quiet(Silent):
    """Says nothing as long as all is well; alarms are Python warnings of the class ``TrainingWarning``."""

    def warn(self, alarm: Alarm) -> None:
        warnings.warn(TrainingWarning(str(alarm)), stacklevel=2)


class Plain(Silent):
    """One line an epoch, for files and pipes, and the alarms."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream

    def epoch(self, record: Mapping[str, Any]) -> None:
        print(describe(record), file=self.stream or sys.stderr, flush=True)

    def warn(self, alarm: Alarm) -> None:
        print(f"warning: {alarm}", file=self.stream or sys.stderr, flush=True)


_REFRESH = 0.1
"""Seconds between two looks of the bar."""


class Bar(Silent):
    """A progress bar with rate and time left, and a line for each finished epoch."""

    def __init__(self, console: Console | None = None) -> None:
        from rich import console as consoles  # rich takes 40 ms to import: only when a bar is shown
        from rich import progress as bars

        self.console = console or consoles.Console(stderr=True)
        self._bar = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(bar_width=None),
            bars.TaskProgressColumn(),
            bars.TextColumn("{task.fields[rate]}"),
            bars.TimeRemainingColumn(),
            bars.TextColumn("left"),
            console=self.console,
            expand=True,
            transient=True,
            refresh_per_second=5,
        )
        self._epochs, self._done = 0, 0
        self._begun = (0, 0.0)
        self._shown = 0.0

    def start(self, epochs: int, steps: int, done: int) -> None:
        self._epochs, self._done = epochs, done
        self._task = self._bar.add_task("", total=epochs * steps, completed=done, rate="")
        self._begun = (done, time.perf_counter())
        self._bar.start()

    def step(self, epoch: int, loss: float, batches: int = 1) -> None:
        self._done += batches
        now = time.perf_counter()
        if now - self._shown < _REFRESH:  # a step may take less time than telling of it
            return
        self._shown = now
        done, since = self._begun
        rate = (self._done - done) / max(now - since, 1e-9)
        self._bar.update(
            self._task,
            completed=self._done,
            rate=f"{rate:,.0f} batches/s" if rate >= 1 else f"{1 / rate:,.1f} s/batch",
            description=f"epoch {epoch}/{self._epochs}  loss {loss:.4f}",
        )

    def epoch(self, record: Mapping[str, Any]) -> None:
        self.console.print(describe(record), highlight=False)

    def warn(self, alarm: Alarm) -> None:
        self.console.print(f"warning: {alarm}", highlight=False, markup=False)

    def stop(self) -> None:
        self._bar.stop()


def default_reporter() -> Reporter:
    """A bar if the standard error is a terminal, else plain lines."""
    return Bar() if sys.stderr.isatty() else Plain()
