"""The sampled cross-entropy: the equation in NumPy, its limit, where it is least, derivatives."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, IndexRangeError, ShapeError

from .finite_differences import check_derivatives

CLASSES, WIDTH = 7, 3
CHANCE = np.array([0.4, 0.2, 0.1, 0.1, 0.1, 0.06, 0.04])


def problem(seed=0, examples=5):
    chance = np.random.default_rng(seed)
    x, table = chance.normal(size=(examples, WIDTH)), chance.normal(size=(CLASSES, WIDTH))
    return x, table, chance.normal(size=CLASSES), chance.integers(0, CLASSES, examples)


def by_hand(x, table, bias, targets, negatives, log_q):
    scores, losses = x @ table.T + bias, []
    for row, target in zip(scores, targets, strict=True):
        candidates = [target, *negatives]
        z = np.mean([np.exp(row[c] - log_q[c]) for c in candidates])
        losses.append(np.log(z) - row[target])
    return np.array(losses)


@pytest.mark.parametrize("negatives", [[2], [0, 0, 3, 6], [1, 2, 3, 4, 5, 6, 0, 0, 1]])
@pytest.mark.parametrize("biased", [False, True])
def test_it_is_the_equation(negatives, biased):
    x, table, bias, targets = problem()
    arguments = [x, table, targets, negatives, np.log(CHANCE)]
    found = {
        kind: cr.sampled_cross_entropy(*arguments, bias=bias if biased else None, reduction=kind).value
        for kind in ("none", "mean", "sum")
    }
    expected = by_hand(x, table, bias if biased else 0, targets, negatives, np.log(CHANCE))
    assert found["none"].shape == (5,)
    assert np.allclose(found["none"], expected)
    assert np.allclose([found["mean"], found["sum"]], [expected.mean(), expected.sum()])


def test_with_many_negatives_it_is_the_cross_entropy():
    x, table, bias, targets = problem(1)
    drawn = np.repeat(np.arange(CLASSES), np.round(CHANCE * 100_000).astype(int))  # exactly as q has them
    found = cr.sampled_cross_entropy(x, table, targets, drawn, np.log(CHANCE), bias=bias, reduction="none")
    exact = cr.cross_entropy(x @ table.T + bias, targets, reduction="none")
    assert np.allclose(found.value, exact.value, atol=1e-3)


@pytest.mark.parametrize("count", [1, 3])
def test_it_is_least_at_the_distribution_of_the_data_however_few_are_drawn(count):
    """The expected loss over targets from p and all draws from q, enumerated: its gradient vanishes at p."""
    p = np.array([0.5, 0.3, 0.2])
    q = np.array([0.2, 0.2, 0.6])
    scores = cr.variable(np.log(p)[:, None] + 1.5)  # any constant may be added
    total = cr.constant(np.zeros(()))
    for draw in np.ndindex(*[3] * count):
        losses = cr.sampled_cross_entropy(
            np.ones((3, 1)), scores, np.arange(3), np.array(draw), np.log(q), reduction="none"
        )
        total = total + cr.sum(losses * p) * np.prod(q[list(draw)])
    assert np.allclose(cr.gradients(total, scores).value, 0, atol=1e-12)
    elsewhere = cr.evaluate(cr.gradients(total, scores), feed={scores: np.log(q)[:, None]})
    assert np.abs(elsewhere).max() > 0.01


def test_derivatives():
    x, table, bias, targets = problem(2)
    check_derivatives(
        lambda x, table, bias: cr.sampled_cross_entropy(
            x, table, targets, [0, 3, 3, 6], np.log(CHANCE), bias=bias, reduction="none"
        ),
        x,
        table,
        bias,
    )


def test_rows_that_are_not_named_receive_nothing():
    x, table, bias, _ = problem(3)
    rows = cr.variable(table)
    loss = cr.sampled_cross_entropy(x, rows, [1] * 5, [4, 4], np.log(CHANCE), bias=bias)
    assert np.flatnonzero(np.abs(cr.gradients(loss, rows).value).sum(1)).tolist() == [1, 4]


def test_large_scores_do_not_overflow():
    x, table, _, targets = problem(4)
    found = cr.sampled_cross_entropy(1e4 * x, table, targets, [0, 1], np.log(CHANCE), reduction="none").value
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        (
            {"features": np.ones((5, 2))},
            ShapeError,
            r"features of shape \(5, 2\) and a table of shape \(7, 3\)",
        ),
        ({"table": np.ones(3)}, ShapeError, r"a table of shape \(3,\)"),
        ({"targets": [1, 2]}, ShapeError, r"targets of shape \(2,\)"),
        ({"negatives": [[1, 2]]}, ShapeError, r"negatives of shape \(1, 2\)"),
        ({"negatives": np.zeros(0, int)}, ShapeError, "of 1 or more"),
        ({"log_q": np.zeros(6)}, ShapeError, r"log_q has the shape \(6,\), not \(7,\)"),
        ({"bias": np.zeros((7, 1))}, ShapeError, r"bias has the shape \(7, 1\)"),
        ({"targets": [7, 0, 0, 0, 0]}, IndexRangeError, "the index 7"),
        ({"negatives": [-1]}, IndexRangeError, "the index -1"),
        ({"reduction": "median"}, ArgumentError, "reduction='median'"),
    ],
)
def test_mistakes(changed, error, message):
    x, table, bias, targets = problem()
    right = {"features": x, "table": table, "targets": targets, "negatives": [1, 2], "log_q": np.log(CHANCE)}
    with pytest.raises(error, match=message):
        cr.sampled_cross_entropy(**{**right, "bias": bias, **changed})
