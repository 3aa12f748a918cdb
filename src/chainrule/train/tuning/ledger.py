"""What became of a study's trials: which goes on from which, which are copies, what is still open.

A trial that was interrupted, or whose tuner died, ends as failed without a reason, and another goes on from
it (``goes_on_from``) with the same parameters.  Two tuners may queue it at once: of those that go on from the
same trial the one with the lowest number counts, which all agree upon, since numbers are given in order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FROM, REASON, DEATHS, STOPPED, SURPLUS = "goes_on_from", "reason", "deaths", "stopped", "surplus"
"""What is noted of a trial: the one it goes on from; why it failed; how many tuners died of it; that it was
stopped, not killed; that there were enough without it."""
WORKER, BEAT, EPOCHS = "worker", "beat", "epochs"
"""And: whose it is; how often that tuner has said that it lives; how many epochs were trained."""


@dataclass(frozen=True)
class TrialRecord:
    """A trial as it stands, in the terms of the task's configuration."""

    number: int
    state: str
    """``complete``, ``pruned``, ``failed``, ``interrupted``, ``running`` or ``waiting``."""
    value: float | None
    """The best monitored score so far."""
    params: dict[str, Any]
    scores: dict[int, float] = field(default_factory=dict)
    """The monitored score by epoch."""
    seconds: float | None = None
    reason: str = ""
    goes_on_from: int | None = None
    gone_on_as: int | None = None


@dataclass
class Ledger:
    """The trials of a study (of Optuna's kind), by number."""

    trials: Sequence[Any]
    successor: dict[int, int] = field(init=False, default_factory=dict)
    """The trial that goes on from one."""
    copies: set[int] = field(init=False, default_factory=set)
    """Trials that another was quicker to queue."""

    def __post_init__(self) -> None:
        for trial in self.trials:
            before = trial.user_attrs.get(FROM)
            if before is None:
                continue
            if before in self.successor or before in self.copies:
                self.copies.add(trial.number)
            else:
                self.successor[before] = trial.number

    def is_lost(self, trial: Any) -> bool:
        """Whether the trial ended without a result and without a reason, and nobody goes on from it yet."""
        return (
            trial.state.name == "FAIL"
            and REASON not in trial.user_attrs
            and trial.number not in self.successor
            and trial.number not in self.copies
        )

    @property
    def begun(self) -> list[Any]:
        """The trials that were not there before in another form, and count."""
        return [
            trial
            for trial in self.trials
            if FROM not in trial.user_attrs and not trial.user_attrs.get(SURPLUS, False)
        ]

    @property
    def open(self) -> list[Any]:
        """Trials that wait, run, or are still to be queued anew."""
        return [
            trial
            for trial in self.trials
            if trial.number not in self.copies and (not trial.state.is_finished() or self.is_lost(trial))
        ]

    def ancestors(self, trial: Any) -> list[int]:
        """The numbers of the trials that this one goes on from, the last one first."""
        by_number = {other.number: other for other in self.trials}
        found: list[int] = []
        while (before := trial.user_attrs.get(FROM)) is not None and before in by_number:
            found.append(before)
            trial = by_number[before]
        return found

    def records(self, *, higher: bool) -> list[TrialRecord]:
        """All trials but copies and those there were enough without."""
        return [
            self._record(trial, higher)
            for trial in self.trials
            if trial.number not in self.copies and not trial.user_attrs.get(SURPLUS, False)
        ]

    def _record(self, trial: Any, higher: bool) -> TrialRecord:
        reason = str(trial.user_attrs.get(REASON, ""))
        state = {"COMPLETE": "complete", "PRUNED": "pruned", "RUNNING": "running", "WAITING": "waiting"}.get(
            trial.state.name, "failed" if reason else "interrupted"
        )
        scores = {step: float(score) for step, score in sorted(trial.intermediate_values.items())}
        took = None if trial.duration is None else trial.duration.total_seconds()
        value = trial.value if state == "complete" else best_of(scores.values(), higher=higher)
        return TrialRecord(
            trial.number,
            state,
            value,
            dict(trial.params),
            scores,
            took,
            reason,
            trial.user_attrs.get(FROM),
            self.successor.get(trial.number),
        )


def best_of(scores: Any, *, higher: bool) -> float | None:
    """The best of some scores, those that are no finite number aside; None where there is none."""
    known = [score for score in scores if score is not None and math.isfinite(score)]
    return (max if higher else min)(known, default=None)


def monitored(records: Sequence[Mapping[str, Any]], score: str) -> dict[int, float]:
    """The monitored score by epoch, from a run's records."""
    return {int(record["epoch"]): float(record[score]) for record in records if score in record}
