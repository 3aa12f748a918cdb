"""How long a run of training is to go on, and what it came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..compile import DEFAULT_ENGINE
from .invariants import Alarm


@dataclass
class Settings:
    """How long to train and when to stop."""

    epochs: int = 10
    seed: int = 0
    monitor: str = "validation_loss"
    """Which of the validation's scores decides what is best; prefixed as in the records."""
    higher_is_better: bool = False
    patience: int | None = None
    """Stop after so many validations without improvement; None never does."""
    checkpoint_seconds: float = 60.0
    """Save the state within an epoch when so long has passed since the last time."""
    max_seconds: float | None = None
    """Stop, after the epoch at hand, when training has taken so long; None never does."""
    engine: str = DEFAULT_ENGINE
    invariants: bool = True
    """Look out for what is hardly meant, and tell it once (:data:`chainrule.train.ALARMS`)."""
    ignore: tuple[str, ...] = ()
    """Codes of alarms that are meant, and not to be told."""


@dataclass
class Result:
    """What a training run came to."""

    records: list[dict[str, Any]]
    """One for each epoch: training loss, validation scores, learning rate, seconds."""
    stopped: str
    """``epochs``, ``patience`` or ``time``: why it ended."""
    best: dict[str, Any] = field(default_factory=dict)
    """The record of the epoch whose weights the model now has."""
    alarms: list[Alarm] = field(default_factory=list)
    """What was told of as hardly meant; empty for a healthy run."""
    layers: list[dict[str, Any]] = field(default_factory=list)
    """How the layers fared, after some of the epochs (see ``layers.jsonl`` in :class:`RunFolder`)."""
