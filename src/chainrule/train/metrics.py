"""Metrics of predictions, in NumPy: what is reported beside the loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ArgumentError, ShapeError


def accuracy(predicted: ArrayLike, gold: ArrayLike) -> float:
    """The share of predictions that are right; of none, NaN.

    >>> accuracy([1, 2, 3, 3], [1, 2, 0, 3])
    0.75
    """
    p, g = _pair(predicted, gold)
    return float(np.mean(p == g)) if p.size else math.nan


def perplexity(mean_loss: float) -> float:
    """exp of the mean negative log-likelihood, in nats: how many equally likely words the model sees.

    >>> round(perplexity(math.log(100)), 6)
    100.0
    """
    return math.exp(mean_loss) if mean_loss < 709 else math.inf


def confusion_matrix(predicted: ArrayLike, gold: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Counts with gold classes as rows and predicted classes as columns.

    >>> confusion_matrix([0, 1, 1], [0, 0, 1], 2)
    array([[1, 1],
           [0, 1]])
    """
    p, g = _pair(predicted, gold)
    for name, values in (("predicted", p), ("gold", g)):
        if values.size and not (values.min() >= 0 and values.max() < classes):
            raise ArgumentError(
                f"a {name} class lies outside 0 … {classes - 1}: {int(values.min())} … {int(values.max())}"
            )
    flat = np.bincount(g.ravel().astype(np.int64) * classes + p.ravel(), minlength=classes * classes)
    return flat.reshape(classes, classes)


@dataclass(frozen=True)
class ClassScores:
    """Precision, recall and F1 of each class, from a confusion matrix.

    With tp, fp, fn counted for a class: precision tp/(tp+fp), recall tp/(tp+fn), F1 their harmonic
    mean; 0 where a denominator is 0.

    >>> scores = ClassScores.of(confusion_matrix([0, 1, 1], [0, 0, 1], 2), ["no", "yes"])
    >>> print(scores)
    class  precision  recall      F1  support
    no        1.0000  0.5000  0.6667        2
    yes       0.5000  1.0000  0.6667        1
    mean      0.7500  0.7500  0.6667        3
    """

    names: tuple[str, ...]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    support: NDArray[np.int64]

    @classmethod
    def of(cls, confusion: NDArray[Any], names: Sequence[str] | None = None) -> ClassScores:
        """The scores of a confusion matrix with gold classes as rows."""
        labels = [str(index) for index in range(len(confusion))] if names is None else names
        return cls.of_counts(np.diagonal(confusion), confusion.sum(axis=0), confusion.sum(axis=1), labels)

    @classmethod
    def of_counts(
        cls, right: NDArray[Any], predicted: NDArray[Any], gold: NDArray[Any], names: Sequence[str]
    ) -> ClassScores:
        """The scores of classes predicted so often, ``right`` so many times, and in truth ``gold`` times."""
        right = right.astype(np.float64)
        precision = np.divide(right, predicted, out=np.zeros_like(right), where=predicted > 0)
        recall = np.divide(right, gold, out=np.zeros_like(right), where=gold > 0)
        total = precision + recall
        f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(right), where=total > 0)
        return cls(tuple(names), precision, recall, f1, gold.astype(np.int64))

    @property
    def macro_f1(self) -> float:
        """The mean of the classes' F1, each counting the same."""
        return float(self.f1.mean()) if self.f1.size else math.nan

    def rows(self) -> list[tuple[str, float, float, float, int]]:
        """One row a class, and their mean."""
        found = [
            (name, float(p), float(r), float(f), int(n))
            for name, p, r, f, n in zip(
                self.names, self.precision, self.recall, self.f1, self.support, strict=True
            )
        ]
        if found:
            means = [float(np.mean(column)) for column in (self.precision, self.recall, self.f1)]
            found.append(("mean", means[0], means[1], means[2], int(self.support.sum())))
        return found

    def __str__(self) -> str:
        return score_table("class", self.rows())


def score_table(head: str, rows: Sequence[tuple[str, float, float, float, int]]) -> str:
    """Rows of a name, precision, recall, F1 and support, as text."""
    width = max([len(head), *(len(row[0]) for row in rows)])
    lines = [f"{head:<{width}}  precision  recall      F1  support"]
    lines += [f"{name:<{width}}  {p:9.4f}  {r:6.4f}  {f:6.4f}  {n:7d}" for name, p, r, f, n in rows]
    return "\n".join(lines)


def _pair(predicted: ArrayLike, gold: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    p, g = np.asarray(predicted), np.asarray(gold)
    if p.shape != g.shape:
        raise ShapeError(f"{p.shape} predictions for {g.shape} gold classes", mend="score the same examples")
    return p, g
