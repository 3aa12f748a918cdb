"""One tuner at work: takes trials of a study, trains them, tells how they went, until there are enough."""

from __future__ import annotations

import gc
import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ...errors import (
    ArgumentError,
    ConfigurationError,
    NonFiniteError,
    OutOfMemoryError,
    RunFolderError,
    ShapeError,
    TuningError,
)
from ..configuration import Options
from ..invariants import Alarm
from ..progress import Reporter
from ..run_folder import RunFolder
from .claims import HEARTBEAT, Claims, Taken
from .ledger import FROM, TrialRecord, best_of, monitored
from .storage import optuna, told
from .study import Study

Run = Callable[[Options, RunFolder, bool, Reporter], None]
"""Trains a configuration in a run folder, from its state where the third argument says so."""

_BAD = (NonFiniteError, OutOfMemoryError, MemoryError, ArgumentError, ShapeError, ConfigurationError)
"""What makes a trial fail; everything else would do so to all, and ends the work on the study."""
_HOPELESS = 5
"""If so many trials at the beginning fail, so will the others."""
_POLL = 0.5
"""Seconds between two looks at the trials of other tuners."""


class Display(Protocol):
    """Told how the search goes."""

    def begin(self, study: Study) -> None:
        """The search begins, or goes on."""

    def trial(self, number: int, goes_on_from: int | None) -> None:
        """A trial begins, or goes on from where another was interrupted."""

    def epoch(self, number: int, record: Mapping[str, Any]) -> None:
        """An epoch of the trial is done, with its record."""

    def ended(self, record: TrialRecord, best: TrialRecord | None, done: int, target: int) -> None:
        """The trial has ended; so many of the study's have."""

    def note(self, text: str) -> None:
        """Something to know of."""

    def stop(self) -> None:
        """The search has ended, in whatever way."""


class _Pruned(Exception):
    """The trial at hand is worse than others were."""


class _Course(Reporter):
    """Tells a trial's scores to the study as its epochs end, and stops it where it does badly."""

    def __init__(
        self, study: Study, trial: Any, told: Mapping[int, float], folder: RunFolder, display: Display
    ) -> None:
        self.study, self.trial, self.folder, self.display = study, trial, folder, display
        self.told = dict(told)

    def start(self, epochs: int, steps: int, done: int) -> None:
        for epoch, score in monitored(self.folder.metrics(), self.study.facts.monitor.score).items():
            self._tell(epoch, score)  # of before an interruption

    def step(self, epoch: int, loss: float, batches: int = 1) -> None: ...

    def epoch(self, record: Mapping[str, Any]) -> None:
        self.display.epoch(self.trial.number, record)
        score = record.get(self.study.facts.monitor.score)
        if score is None:
            return
        self._tell(int(record["epoch"]), float(score))
        if self.trial.should_prune():
            raise _Pruned

    def _tell(self, epoch: int, score: float) -> None:
        if epoch in self.told or not math.isfinite(score):
            return
        self.told[epoch] = score
        try:
            self.trial.report(score, epoch)
        except optuna().exceptions.UpdateFinishedTrialError:
            raise Taken from None

    def warn(self, alarm: Alarm) -> None: ...

    def stop(self) -> None: ...


class Tuner:
    """Works on a study until it has its trials, or time is up.

    Each trial is a run of its own in ``trials/NNNN`` within the study's folder.  One that was interrupted
    goes on from its state, in the folder of its new number.
    """

    def __init__(self, study: Study, run: Run, display: Display, *, heartbeat: float = HEARTBEAT) -> None:
        self.study, self.run, self.display = study, run, display
        self.claims = Claims(study.optuna, study.storage, study.folder, heartbeat=heartbeat)
        self._failures = 0

    def work(self, seconds: float | None = None, results: Callable[[], None] = lambda: None) -> None:
        """Run trials; begin none when ``seconds`` have passed.  ``results`` is called after each.

        Raises ``TuningError`` where the study cannot be reached, or none of the first trials comes to a
        result; what one trial cannot help (missing data, a full disk) as it is.  The trial at hand is then
        queued again, as it is on Ctrl-C.
        """
        until = math.inf if seconds is None else time.monotonic() + seconds
        target, waited = self.study.facts.trials, False
        self.display.begin(self.study)
        try:
            with told(self.study.where), self.claims:
                while time.monotonic() < until:
                    trial = self.claims.next(target)
                    if trial is not None:
                        self._trial(trial)
                        results()
                        gc.collect()  # a network that was trained lies in cycles
                        continue
                    if not (others := self.claims.ledger().open):
                        break
                    if not waited:
                        waited = True
                        numbers = ", ".join(str(other.number) for other in others)
                        self.display.note(f"waiting for what other tuners are at: trial {numbers}")
                    time.sleep(_POLL)
        finally:
            self.display.stop()

    # -- one trial ---------------------------------------------------------------------------------

    def _trial(self, trial: Any) -> None:
        try:
            with self.claims.alive(trial):
                value = self._trained(trial)
                self._tell(trial, value)
        except Taken:
            self.display.note(f"trial {trial.number} was given to another tuner")
            return
        except _BAD as error:
            reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            self.claims.fail(trial, reason)
            self._ended(trial)
            self._check_hope(reason)
            return
        except BaseException:
            try:
                self.claims.give_back(trial)
            except Exception as error:  # whoever comes next finds that nobody runs it
                self.display.note(f"trial {trial.number} is left to the next tuner: {error}")
            raise
        self._failures = -_HOPELESS
        self._ended(trial)

    def _trained(self, trial: Any) -> float | None:
        """The trial's best score; None where it was given up early."""
        space, monitor = self.study.space, self.study.facts.monitor
        space.suggest(trial)
        config = self.study.of_trial(trial.params)
        ledger = self.claims.ledger()
        frozen = next(other for other in ledger.trials if other.number == trial.number)
        folder = self._folder(trial.number, ledger.ancestors(frozen))
        course = _Course(self.study, trial, frozen.intermediate_values, folder, self.display)
        self.display.trial(trial.number, frozen.user_attrs.get(FROM))
        try:
            self._run(config, folder, course)
        except _Pruned:
            return None
        scores = {**course.told, **monitored(folder.metrics(), monitor.score)}
        if not scores:
            raise TuningError(
                f"the runs have no {monitor.score.replace('_', ' ')} to be compared by",
                where=str(folder.path),
                mend="give data with a validation part, or that one can be taken from",
            )
        best = best_of(scores.values(), higher=monitor.higher)
        if best is None:
            raise NonFiniteError(f"no {monitor.score.replace('_', ' ')} was a finite number")
        return best

    def _run(self, config: Options, folder: RunFolder, course: _Course) -> None:
        begun = folder.config_path.exists()
        try:
            self.run(config, folder, begun, course)
        except RunFolderError:
            if not begun:
                raise
            self.display.note(f"{folder.path} cannot be gone on with; it is trained anew")
            shutil.rmtree(folder.path)
            self.run(config, folder, False, course)

    def _folder(self, number: int, ancestors: Sequence[int]) -> RunFolder:
        """The trial's folder, with what the trials that it goes on from have left."""
        own = self._path(number)
        if not own.exists():
            left = map(self._path, ancestors)
            if (before := next((path for path in left if path.is_dir()), None)) is not None:
                before.rename(own)  # and what a tuner that was thought dead still writes goes nowhere
        return RunFolder(own)

    def _path(self, number: int) -> Path:
        return self.study.folder / "trials" / f"{number:04d}"

    def _tell(self, trial: Any, value: float | None) -> None:
        package = optuna()
        state = package.trial.TrialState.PRUNED if value is None else package.trial.TrialState.COMPLETE
        try:
            self.study.optuna.tell(trial, value, state)
        except package.exceptions.UpdateFinishedTrialError:
            raise Taken from None
        except ValueError:  # what Optuna says of a trial that is at its end already, among other things
            if all(other.number != trial.number for other in self.claims.ledger().open):
                raise Taken from None
            raise

    def _ended(self, trial: Any) -> None:
        records = self.study.records()
        record = next((one for one in records if one.number == trial.number), None)
        if record is not None:
            done = sum(one.state in ("complete", "pruned", "failed") for one in records)
            self.display.ended(record, self.study.best(), done, self.study.facts.trials)

    def _check_hope(self, reason: str) -> None:
        self._failures += 1
        if self._failures == _HOPELESS:
            raise TuningError(
                f"the first {_HOPELESS} trials have all failed, the last because of {reason}",
                mend="see that the task trains with these settings, or search others",
            )
