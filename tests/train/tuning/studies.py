"""Studies of a task that trains in no time: its score is a function of two settings."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from chainrule.train import Monitor, Reporter, RunFolder
from chainrule.train.configuration import Options, TrainingOptions, to_mapping
from chainrule.train.tuning import Facts, SilentDisplay, Study, Tuner, make_space, open_study


class ModelOptions(Options):
    """What is searched."""

    width: float = 1.0
    depth: int = 2
    kind: str = "a"


class Config(Options):
    """Of the task ``toy``."""

    model: ModelOptions = msgspec.field(default_factory=ModelOptions)
    training: TrainingOptions = msgspec.field(default_factory=lambda: TrainingOptions(epochs=4))
    linear_epochs: int = 7


SPACE = ("model.width=0.1..10:log", "model.depth=1..4")


def toy_facts(
    *,
    trials: int = 5,
    space: tuple[str, ...] = SPACE,
    pruning: bool = True,
    seed: int = 0,
    id: str = "one",
    epochs: int = 4,
) -> Facts:
    config = Config()
    config.training.seed, config.training.epochs = seed, epochs
    found = make_space(config, space, only=True)
    return Facts("toy", Monitor("validation_loss"), to_mapping(found.base), found.text(), trials, id, pruning)


def toy_study(folder: Path, where: str | None = None, **facts: Any) -> Study:
    """Begun, or gone on with as it is."""
    return open_study(where or str(folder), folder, Config, lambda: toy_facts(**facts), lambda found: found)


def loss_of(config: Any, epoch: int) -> float:
    """Least where the width is 2, and the deeper the better; falls from epoch to epoch."""
    return float(abs(math.log(config.model.width / 2)) + 1 / config.model.depth + 1 / epoch)


class Toy:
    """Trains nothing, in as many epochs as it is told, and leaves records; ``hook`` is called after each."""

    def __init__(self, hook: Callable[[Any, int], None] = lambda config, epoch: None) -> None:
        self.hook = hook
        self.ran: list[tuple[str, list[int], bool]] = []
        """Of each run: its folder, the epochs that were trained, whether it went on."""

    def __call__(self, config: Any, folder: RunFolder, resume: bool, reporter: Reporter) -> None:
        folder.create({"task": "toy", **to_mapping(config)}, replace=resume)
        records = folder.metrics() if resume else []
        epochs: list[int] = []
        self.ran.append((folder.path.name, epochs, resume))
        reporter.start(config.training.epochs, 1, len(records))
        try:
            for epoch in range(len(records) + 1, config.training.epochs + 1):
                records.append({"epoch": epoch, "loss": 1.0, "validation_loss": loss_of(config, epoch)})
                epochs.append(epoch)
                folder.write_metrics(records)
                self.hook(config, epoch)
                reporter.epoch(records[-1])
        finally:
            reporter.stop()


class Notes(SilentDisplay):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.states: list[tuple[int, str]] = []

    def ended(self, record: Any, best: Any, done: int, target: int) -> None:
        self.states.append((record.number, record.state))

    def note(self, text: str) -> None:
        self.notes.append(text)


def tune(study: Study, toy: Toy | None = None, display: Notes | None = None, **options: Any) -> Toy:
    """Work on the study to its end."""
    toy = toy or Toy()
    Tuner(study, toy, display or Notes(), heartbeat=0.05).work(**options)
    return toy
