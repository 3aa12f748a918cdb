"""What a person sees while training runs: a bar on a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from rich.console import Console


class Reporter(Protocol):
    """Told how training goes."""

    def start(self, epochs: int, steps: int, done: int) -> None:
        """Training begins: at most ``epochs`` of ``steps`` batches, ``done`` batches behind it already."""

    def step(self, epoch: int, loss: float) -> None:
        """A batch is done; the mean loss of the epoch so far."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        """An epoch is done, with its record."""

    def stop(self) -> None:
        """Training has ended, in whatever way."""


def describe(record: Mapping[str, Any]) -> str:
    """An epoch's record in one line.

    >>> describe({"epoch": 3, "loss": 1.25, "validation_loss": 1.5, "seconds": 2.0})
    'epoch 3  loss 1.25  validation loss 1.5  2.0 s'
    """
    parts = [f"epoch {record['epoch']}"]
    for name, value in record.items():
        if name not in ("epoch", "seconds", "step", "best"):
            shown = f"{value:.4g}" if isinstance(value, float) else str(value)
            parts.append(f"{name.replace('_', ' ')} {shown}")
    if "seconds" in record:
        parts.append(f"{record['seconds']:.1f} s")
    return "  ".join(parts) + ("  *" if record.get("best") else "")


class Silent:
    """Says nothing."""

    def start(self, epochs: int, steps: int, done: int) -> None: ...

    def step(self, epoch: int, loss: float) -> None: ...

    def epoch(self, record: Mapping[str, Any]) -> None: ...

    def stop(self) -> None: ...


class Plain(Silent):
    """One line an epoch, for files and pipes."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream

    def epoch(self, record: Mapping[str, Any]) -> None:
        print(describe(record), file=self.stream or sys.stderr, flush=True)


class Bar(Silent):
    """A progress bar with rate and time left, and a line for each finished epoch."""

    def __init__(self, console: Console | None = None) -> None:
        from rich import console as consoles  # rich takes 40 ms to import: only when a bar is shown
        from rich import progress as bars

        self.console = console or consoles.Console(stderr=True)
        self._bar = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TextColumn("{task.fields[rate]}"),
            bars.TimeElapsedColumn(),
            bars.TextColumn("left"),
            bars.TimeRemainingColumn(),
            console=self.console,
            transient=True,
            refresh_per_second=5,
        )
        self._epochs = 0
        self._begun = (0, 0.0)

    def start(self, epochs: int, steps: int, done: int) -> None:
        self._epochs = epochs
        self._task = self._bar.add_task("", total=epochs * steps, completed=done, rate="")
        self._begun = (done, time.perf_counter())
        self._bar.start()

    def step(self, epoch: int, loss: float) -> None:
        done, since = self._begun
        task = self._bar.tasks[0]
        rate = (task.completed + 1 - done) / max(time.perf_counter() - since, 1e-9)
        self._bar.update(
            self._task,
            advance=1,
            rate=f"{rate:,.0f} batches/s",
            description=f"epoch {epoch}/{self._epochs}  loss {loss:.4f}",
        )

    def epoch(self, record: Mapping[str, Any]) -> None:
        self.console.print(describe(record), highlight=False)

    def stop(self) -> None:
        self._bar.stop()


def default_reporter() -> Reporter:
    """A bar if the standard error is a terminal, else plain lines."""
    return Bar() if sys.stderr.isatty() else Plain()
