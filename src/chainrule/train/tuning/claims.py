"""Whose a trial is, whether that tuner still lives, and what is done with the trials of those that do not.

On the same machine a lock that the operating system keeps tells at once who is alive.  Elsewhere a tuner
counts up a number every few seconds; who looks on measures with its own clock how long the number has stood
still, so that no two clocks are compared.  A trial changes hands only by being ended as failed, which
succeeds once: its tuner, if it lives after all, is told so at its next epoch, and its result is not taken.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import DataError
from .ledger import BEAT, DEATHS, FROM, REASON, STOPPED, SURPLUS, WORKER, Ledger
from .locks import FileLock, is_held, this_machine
from .storage import optuna

HEARTBEAT = 5.0
"""Seconds between two signs of life."""
_GRACE = 6
"""So many of them may be missing."""
MOST_DEATHS = 3
"""A trial that so many tuners died of is not tried again."""


class Taken(Exception):
    """The trial at hand was given to another tuner, or is finished."""


class Claims:
    """The trials of one tuner, in a study that others may work on as well."""

    def __init__(self, study: Any, storage: Any, folder: Path, *, heartbeat: float = HEARTBEAT) -> None:
        self.study, self.storage, self.heartbeat = study, storage, heartbeat
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._states = optuna().trial.TrialState
        self._finished_already = optuna().exceptions.UpdateFinishedTrialError
        workers = folder / "workers"
        try:
            workers.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"the folder cannot be made: {error.strerror or error}", path=workers) from None
        self._lock = FileLock(workers.absolute() / f"{os.getpid()}-{os.urandom(4).hex()}")
        self._seen: dict[int, tuple[Any, float]] = {}

    def __enter__(self) -> Claims:
        self._lock.acquire()  # another may look in this very moment whether it is held
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        self._lock.path.unlink(missing_ok=True)

    # -- one's own trials --------------------------------------------------------------------------

    def next(self, target: int) -> Any | None:
        """A trial to run: one that waits, or a new one as long as there are fewer than ``target``."""
        while True:
            self.settle()
            ledger = self.ledger()
            waiting = any(trial.state == self._states.WAITING for trial in ledger.open)
            if not waiting and len(ledger.begun) >= target:
                return None
            trial = self.study.ask()
            trial.set_user_attr(WORKER, [this_machine(), str(self._lock.path)])
            ledger = self.ledger()
            if trial.number in ledger.copies:
                self._fail(trial, {REASON: "another was quicker to queue it"})
            elif trial.number in [late.number for late in ledger.begun[target:]]:
                self._fail(trial, {REASON: "there are enough without it", SURPLUS: True})
            else:
                return trial

    @contextlib.contextmanager
    def alive(self, trial: Any) -> Iterator[None]:
        """Say every few seconds that the trial's tuner lives."""
        done = threading.Event()

        def beat() -> None:
            for count in range(1, 1 << 62):
                if done.wait(self.heartbeat):
                    return
                # What is wrong with the study the trial is told at its next epoch; without a sign of life
                # others take it over, and that it is told as well.
                with contextlib.suppress(Exception):
                    trial.set_user_attr(BEAT, count)

        thread = threading.Thread(target=beat, name="tuner's heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def give_back(self, trial: Any) -> None:
        """Queue a trial again that is not at its end: it was stopped here, not lost."""
        self._fail(trial, {STOPPED: True})
        self.settle()

    def fail(self, trial: Any, reason: str) -> None:
        """End a trial that there is no result of."""
        self._fail(trial, {REASON: reason})

    def _fail(self, trial: Any, notes: dict[str, Any]) -> None:
        """End a trial, if it is not at its end yet."""
        id = self.storage.get_trial_id_from_study_id_trial_number(self._study_id, trial.number)
        with contextlib.suppress(self._finished_already):  # by somebody else, and that stands
            for name, value in notes.items():
                self.storage.set_trial_user_attr(id, name, value)
            self.storage.set_trial_state_values(id, state=self._states.FAIL)

    # -- those of others ---------------------------------------------------------------------------

    def ledger(self) -> Ledger:
        """The trials as they stand."""
        return Ledger(self.study.get_trials(deepcopy=False))

    def settle(self) -> None:
        """End the trials whose tuner is dead, and queue anew what was lost or interrupted."""
        for trial in self.ledger().open:
            if trial.state == self._states.RUNNING and self._is_orphan(trial):
                deaths = trial.user_attrs.get(DEATHS, 0) + 1
                reason = f"{deaths} tuners died while they ran it; is there memory enough?"
                self._fail(trial, {REASON: reason} if deaths >= MOST_DEATHS else {})
                _tidy(trial)
        ledger = self.ledger()
        for trial in ledger.open:
            if ledger.is_lost(trial):
                self.study.add_trial(_successor(trial, self._states.WAITING))

    def _is_orphan(self, trial: Any) -> bool:
        """Whether the tuner of a running trial is dead."""
        machine, path = trial.user_attrs.get(WORKER, ("", ""))
        if path == str(self._lock.path):
            return False
        if machine == this_machine() and (held := is_held(Path(path))) is not None:
            return not held
        sign = machine, path, trial.user_attrs.get(BEAT), len(trial.intermediate_values)
        now = time.monotonic()
        if self._seen.get(trial.number, (None, 0.0))[0] != sign:
            self._seen[trial.number] = sign, now
        return now - self._seen[trial.number][1] > _GRACE * self.heartbeat


def _tidy(trial: Any) -> None:
    """Take away the lock of a dead tuner of this machine."""
    machine, path = trial.user_attrs.get(WORKER, ("", ""))
    if machine == this_machine() and is_held(Path(path)) is False:
        with contextlib.suppress(OSError):  # another did
            Path(path).unlink()


def _successor(trial: Any, waiting: Any) -> Any:
    """A trial that goes on from this one, with the same parameters and the scores so far."""
    notes = trial.user_attrs
    died = 0 if notes.get(STOPPED, False) else 1
    return optuna().trial.create_trial(
        state=waiting,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs={FROM: trial.number, DEATHS: notes.get(DEATHS, 0) + died},
        system_attrs={key: value for key, value in trial.system_attrs.items() if key == "fixed_params"},
        intermediate_values=trial.intermediate_values,
    )
