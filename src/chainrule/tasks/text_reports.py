"""How text classifiers are reported: classes, their confusion, folds of a cross-validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import shorten

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..data import Labelled
from ..train import ClassScores, confusion_matrix
from .reporting import add_confusion
from .task import Report, Table

_WORST, _LENGTH = 8, 120
"""How many mistakes are shown, and how many characters of each."""


class Fold(msgspec.Struct, frozen=True):
    """One fold of a cross-validation: accuracies on texts that nothing was learned from."""

    fold: int
    texts: int
    accuracy: float
    linear_accuracy: float
    """Of logistic regression on words and pairs of words."""
    most_frequent_accuracy: float
    validation_accuracy: float
    epochs: int
    """Until early stopping."""
    seconds_per_epoch: float


def folds_report(folds: Sequence[Fold]) -> tuple[dict[str, float], list[Table]]:
    """Scores and tables of folds: means over all texts, and the deviation among folds.

    >>> halves = [Fold(1, 2, 0.5, 0.5, 0.5, 1.0, 3, 0.1), Fold(2, 2, 1.0, 0.5, 0.5, 1.0, 3, 0.1)]
    >>> scores, tables = folds_report(halves)
    >>> scores["test_accuracy"], round(scores["test_accuracy_deviation"], 4)
    (0.75, 0.3536)
    """
    sizes = np.array([fold.texts for fold in folds])

    def mean(name: str) -> float:
        return float(np.average([getattr(fold, name) for fold in folds], weights=sizes))

    scores = {
        "test_accuracy": mean("accuracy"),
        "test_linear_accuracy": mean("linear_accuracy"),
        "test_most_frequent_accuracy": mean("most_frequent_accuracy"),
    }
    if len(folds) > 1:
        scores["test_accuracy_deviation"] = float(np.std([fold.accuracy for fold in folds], ddof=1))
    header = (
        "fold", "texts", "text CNN", "logistic regression, n-grams", "most frequent class",
        "text CNN, validation", "epochs", "seconds an epoch",
    )  # fmt: skip
    rows = [msgspec.structs.astuple(fold) for fold in folds]
    return scores, [Table("Accuracy of each fold", header, tuple(rows))]


_NAMES = {"most_frequent": "most frequent class", "linear": "logistic regression on words and pairs"}


def add_comparison(report: Report, baselines: Mapping[str, float], title: str) -> None:
    """Add the baselines' accuracies, in a table with the network's below them."""
    report.scores |= {f"test_{name}_accuracy": value for name, value in baselines.items()}
    rows = [(_NAMES[name], value) for name, value in baselines.items()]
    rows.append(("text CNN", report.scores["test_accuracy"]))
    report.tables.append(Table(title, ("classifier", "accuracy"), tuple(rows)))


def add_mistakes(
    report: Report, classes: Sequence[str], test: Labelled, probabilities: NDArray[np.float32]
) -> None:
    """Add the texts that were taken for another class with the greatest certainty."""
    taken, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = [k for k, label in enumerate(test.labels) if classes[taken[k]] != label]
    worst = sorted(wrong, key=lambda k: -sure[k])[:_WORST]
    rows = [
        (test.labels[k], classes[taken[k]], float(sure[k]), shorten(test.texts[k], _LENGTH, placeholder=" …"))
        for k in worst
    ]
    header = ("class", "taken for", "probability", "text")
    if rows:
        report.tables.append(Table("The surest mistakes", header, tuple(rows)))


def add_classes(
    report: Report, classes: Sequence[str], labels: Sequence[str], predicted: NDArray[np.int64]
) -> None:
    """Add precision, recall and F1 of each class, and the confusion matrix; labels may be new to training."""
    unseen = sorted(set(labels) - set(classes))
    names = [*classes, *unseen]
    numbers = {name: number for number, name in enumerate(names)}
    gold = np.array([numbers[label] for label in labels], np.int64)
    confusion = confusion_matrix(predicted, gold, len(names))
    found = ClassScores.of(confusion, names)
    report.scores["test_macro_f1"] = found.macro_f1
    header = ("class", "precision", "recall", "F1", "texts")
    report.tables.append(Table("Each class", header, tuple(found.rows())))
    add_confusion(report, names, confusion, "class")
    if unseen:
        count = sum(label not in classes for label in labels)
        text = f"{', '.join(unseen)}: {count:,} texts, each counted as an error"
        report.texts.append(("Labels that training did not have", text))
