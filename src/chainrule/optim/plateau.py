"""Lower the rate when a measure stops improving: a decision of the host, between steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from ..errors import ArgumentError
from ..graph import user_place
from .checks import FRACTION, in_range, is_number, positive, whole
from .optimizer import Optimizer


class ReduceOnPlateau:
    """Multiply the optimizer's rates by ``factor`` when a metric has not improved for a while.

    :meth:`observe` is told the metric, for example the validation loss after each epoch.  After
    ``patience`` observations in a row without improvement, the next such one assigns
    ``learning_rate_scale = max(minimum, factor · scale)``; then the count begins anew, after ``cooldown``
    observations that do not count.  An improvement is a change for the better by more than
    ``threshold`` · |best|; ``mode`` says whether lower ("min") or higher ("max") is better.  A NaN is no
    improvement.

    >>> import chainrule as cr
    >>> optimizer = cr.optim.SGD([cr.variable(1.0)], learning_rate=1.0)
    >>> plateau = ReduceOnPlateau(optimizer, patience=1, factor=0.5)
    >>> [plateau.observe(loss) for loss in (3.0, 2.0, 2.5, 2.0, 1.0)]
    [False, False, False, True, False]
    >>> float(optimizer.learning_rate())
    0.5
    """

    def __init__(
        self,
        optimizer: Optimizer,
        *,
        patience: int = 10,
        factor: float = 0.1,
        minimum: float = 0.0,
        threshold: float = 1e-4,
        cooldown: int = 0,
        mode: Literal["min", "max"] = "min",
    ) -> None:
        if mode not in ("min", "max"):
            raise ArgumentError(
                f"ReduceOnPlateau: mode is {mode!r}; it must be 'min' or 'max'", where=user_place()
            )
        if positive("ReduceOnPlateau: factor", factor) >= 1.0:
            raise ArgumentError(
                f"ReduceOnPlateau: factor is {factor!r}; it must be below 1", where=user_place()
            )
        self.optimizer = optimizer
        self.patience = whole("ReduceOnPlateau: patience", patience, 0)
        self.factor = float(factor)
        self.minimum = in_range("ReduceOnPlateau: minimum", minimum, (0.0, math.inf))
        self.threshold = in_range("ReduceOnPlateau: threshold", threshold, FRACTION)
        self.cooldown = whole("ReduceOnPlateau: cooldown", cooldown, 0)
        self.mode = mode
        self.best: float | None = None
        """The best metric so far; None before the first number."""
        self.waited = 0
        """Observations in a row without improvement."""
        self.resting = 0
        """Observations of the cooldown that are left."""

    def observe(self, metric: float) -> bool:
        """Take the metric in; True if the rate was lowered."""
        value = float(metric)
        if self._improves(value):
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        if self.resting:
            self.resting -= 1
            self.waited = 0
        if self.waited <= self.patience:
            return False
        self.waited, self.resting = 0, self.cooldown
        scale = self.optimizer.learning_rate_scale
        before = scale.array.item()
        scale.assign(min(before, max(self.minimum, self.factor * before)))
        return bool(scale.array.item() < before)

    def _improves(self, value: float) -> bool:
        if math.isnan(value):
            return False
        if self.best is None:
            return True
        margin = self.threshold * abs(self.best)
        return value < self.best - margin if self.mode == "min" else value > self.best + margin

    def state_dict(self) -> dict[str, float | int | None]:
        """What a resumed run must know, as plain values; the scale itself is in the optimizer's state."""
        return {"best": self.best, "waited": self.waited, "resting": self.resting}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state_dict` gave; ``ArgumentError`` names what does not fit."""
        known = self.state_dict()
        problems = [f"missing: {name}" for name in known if name not in state]
        problems += [f"unknown: {name}" for name in state if name not in known]
        problems += [
            f"{name} is {value!r}"
            for name, value in state.items()
            if name in known and not (is_number(value) or (name == "best" and value is None))
        ]
        if problems:
            raise ArgumentError(
                f"ReduceOnPlateau: this state does not fit; {'; '.join(problems)}", where=user_place()
            )
        self.best = None if state["best"] is None else float(state["best"])
        self.waited, self.resting = int(state["waited"]), int(state["resting"])
