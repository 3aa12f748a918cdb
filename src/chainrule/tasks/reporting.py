"""What the reports of all tasks have in common: names of scores, the course of training, what is missing.

Scores of a report are called ``PART_SCORE``, the part being ``test`` or ``validation``: ``test_accuracy``;
those of what the network is compared with ``PART_WHO_SCORE``: ``test_linear_accuracy``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import nn
from ..nn import Module
from ..train import Result
from .task import Report, Table

_HELD_OUT = "validation_"
_MOST_IN_A_MATRIX = 25

LINEAR = "linear.safetensors"
"""The file of a run folder with the logistic regression that a network is compared with."""


def add_confusion(
    report: Report,
    names: Sequence[str],
    confusion: NDArray[np.int64],
    what: str,
    most: int = _MOST_IN_A_MATRIX,
) -> None:
    """Keep the whole confusion matrix in ``confusion.csv``, and show it where it has at most so many rows."""
    rows = tuple((name, *map(int, row)) for name, row in zip(names, confusion, strict=True))
    title = f"Confusion matrix: true {what} in rows, recognised {what} in columns"
    table = Table(title, (what, *names), rows)
    report.files["confusion.csv"] = table
    if len(names) <= most:
        report.tables.append(table)


def add_missing(report: Report, baseline: str = "logistic regression", file: str = LINEAR) -> None:
    """Say that a baseline should stand in the report, and cannot."""
    text = f"with {baseline}: the run folder has no {file}; chainrule train TASK --resume writes it"
    report.texts.append(("Not compared", text))


def add_training(
    report: Report, result: Result, model: Module, *example: Any, learned: Mapping[str, int], at: int = 1
) -> None:
    """Add a table of the course of training (as number ``at``), what the best epoch had, and the network.

    ``learned`` says how much was learned from, such as ``{"sentences": 12543}``; ``example`` is what the
    network is summarised with.  Validation scores that the report has already are left as they are.  The
    seconds of an epoch, validation included, are a median: the first epoch may have code to make.
    """
    validation = {name: value for name, value in result.best.items() if name.startswith(_HELD_OUT)}
    report.scores |= {name: value for name, value in validation.items() if name not in report.scores}
    seconds = [record["seconds"] for record in result.records]
    report.scores["seconds_per_epoch"] = round(median(seconds), 3)
    report.scores["parameters"] = model.parameter_count()
    row = {
        **learned,
        "epochs": len(result.records),
        "best epoch": result.best["epoch"],
        **{name.replace("_", " "): value for name, value in validation.items()},
        "ended by": result.stopped,
        "seconds an epoch": report.scores["seconds_per_epoch"],
        "seconds": round(sum(seconds), 3),
    }
    report.tables.insert(at, Table("Training", tuple(row), (tuple(row.values()),)))
    summary = nn.summary(model, *example)
    report.texts.append(("Network", str(summary)))
    report.network = summary.outputs[0]
