"""Early stopping: end when the validation score has not improved for a while."""

from __future__ import annotations

import math
from typing import Any, NamedTuple


class Monitor(NamedTuple):
    """The score that decides what is best, as the records of epochs name it."""

    score: str = "validation_loss"
    higher: bool = False
    """Whether larger scores are better."""


class EarlyStopping:
    """Remembers the best score and how many evaluations have passed since.

    ``patience`` evaluations without an improvement of more than ``least`` end training; None never
    does.  ``higher`` says that larger scores are better.

    >>> watch = EarlyStopping(patience=2)
    >>> [watch.observe(score) for score in (3.0, 2.0, 2.5, 2.1)], watch.exhausted, watch.best
    ([True, True, False, False], True, 2.0)
    """

    def __init__(self, patience: int | None = None, *, higher: bool = False, least: float = 0.0) -> None:
        self.patience, self.higher, self.least = patience, higher, least
        self.best = self._worst = -math.inf if higher else math.inf
        self.waited = 0
        self.begun = False
        """Whether there was a score: the first one is the best so far, whatever it is."""

    def observe(self, score: float) -> bool:
        """Take note of a score; true if it is the best so far.  NaN is the worst there is."""
        value = self._worst if math.isnan(score) else score
        gain = value - self.best if self.higher else self.best - value
        if gain > self.least or not self.begun:
            self.best, self.waited, self.begun = value, 0, True
            return True
        self.waited += 1
        return False

    @property
    def exhausted(self) -> bool:
        """Whether patience has run out."""
        return self.patience is not None and self.waited >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"best": self.best, "waited": self.waited, "begun": self.begun}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.best, self.waited = float(state["best"]), int(state["waited"])
        self.begun = bool(state["begun"])
