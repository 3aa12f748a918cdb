from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from chainrule.errors import ArgumentError, ShapeError
from chainrule.train import ClassScores, accuracy, confusion_matrix, perplexity

PAIRS = st.integers(2, 6).flatmap(
    lambda classes: st.tuples(
        st.just(classes),
        st.lists(
            st.tuples(st.integers(0, classes - 1), st.integers(0, classes - 1)), min_size=1, max_size=60
        ),
    )
)


@settings(deadline=None, max_examples=60)
@given(PAIRS)
def test_scores_are_scikit_learns(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    classes, pairs = drawn
    predicted, gold = (np.array(column) for column in zip(*pairs, strict=True))
    labels = list(range(classes))
    confusion = confusion_matrix(predicted, gold, classes)
    np.testing.assert_array_equal(confusion, reference.confusion_matrix(gold, predicted, labels=labels))
    assert accuracy(predicted, gold) == pytest.approx(reference.accuracy_score(gold, predicted))
    scores = ClassScores.of(confusion)
    precision, recall, f1, support = reference.precision_recall_fscore_support(
        gold, predicted, labels=labels, zero_division=0
    )
    np.testing.assert_allclose(scores.precision, precision)
    np.testing.assert_allclose(scores.recall, recall)
    np.testing.assert_allclose(scores.f1, f1, atol=1e-15)
    np.testing.assert_array_equal(scores.support, support)
    macro = reference.f1_score(gold, predicted, labels=labels, average="macro", zero_division=0)
    assert scores.macro_f1 == pytest.approx(macro)


def test_the_printed_table_has_a_row_a_class_and_their_mean() -> None:
    lines = str(ClassScores.of(confusion_matrix([0, 1], [0, 0], 2), ["a long name", "b"])).splitlines()
    assert lines[0] == "class        precision  recall      F1  support"
    assert lines[1] == "a long name     1.0000  0.5000  0.6667        2"
    assert lines[3] == "mean            0.5000  0.2500  0.3333        2"


def test_nothing_to_score() -> None:
    assert math.isnan(accuracy([], []))
    assert confusion_matrix(np.zeros(0, int), np.zeros(0, int), 3).tolist() == [[0] * 3] * 3


@pytest.mark.parametrize(("loss", "value"), [(0.0, 1.0), (math.log(50), 50.0), (1e6, math.inf)])
def test_perplexity(loss: float, value: float) -> None:
    assert perplexity(loss) == pytest.approx(value)


def test_errors_name_what_does_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"\(3,\) predictions for \(2,\) gold classes"):
        accuracy([1, 2, 3], [1, 2])
    with pytest.raises(ArgumentError, match=r"a predicted class lies outside 0 … 1: 0 … 2"):
        confusion_matrix([0, 2], [0, 1], 2)
    with pytest.raises(ArgumentError, match=r"a gold class lies outside 0 … 1: -1 … 1"):
        confusion_matrix([0, 1], [-1, 1], 2)
