"""The losses on top of a window network, against their formulas in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.models import ChainTagger, LinearTagger, Lookup, WindowTagger, YesNoTagger

RNG = np.random.default_rng(0)
LOOKUPS = [Lookup(20, 4), Lookup(6, 3)]
MODE = cr.nn.EVALUATE


def network(classes: int, *, linear: bool = False) -> WindowTagger | LinearTagger:
    """A network whose output layer is not zero, as it is at first."""
    model: WindowTagger | LinearTagger = (
        LinearTagger(LOOKUPS, radius=1, classes=classes)
        if linear
        else WindowTagger(LOOKUPS, radius=1, classes=classes, hidden=[5], seed=0)
    )
    for variable in model.parameters():
        variable.assign(RNG.normal(size=variable.shape).astype(np.float32))
    return model


def windows(*shape: int) -> tuple[cr.Node, cr.Node]:
    return tuple(cr.constant(RNG.integers(0, lookup.rows, (*shape, 3))) for lookup in LOOKUPS)


def test_the_words_outside_score_zero() -> None:
    below = network(4)
    some = windows(7)
    scores = YesNoTagger(below)(*some).value
    assert (scores[:, 0] == 0).all()
    np.testing.assert_array_equal(scores[:, 1:], below(*some).value)


@pytest.mark.parametrize("linear", [False, True])
def test_the_logistic_loss_is_that_of_each_class_by_itself(linear: bool) -> None:
    below = network(3, linear=linear)
    some, tags = windows(6), np.array([0, 1, 3, 0, 2, 2], np.int32)
    scores = below(*some).value.astype(float)
    yes = 1 / (1 + np.exp(-scores))
    right = np.arange(1, 4) == tags[:, None]
    expected = -(np.log(yes) * right + np.log(1 - yes) * ~right).sum(axis=1).mean()
    found = YesNoTagger(below).logistic_loss(some, cr.constant(tags), MODE)
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("margin", [1.0, 3.0])
def test_the_margin_loss_compares_pairs_and_the_biases_learn_where_yes_begins(
    linear: bool, margin: float
) -> None:
    below = network(3, linear=linear)
    pairs, classes = windows(8, 2), np.array([1, 3, 1, 2, 2, 3, 3, 1])
    scores = below(*pairs).value.astype(float)
    true, false = (scores[np.arange(8), side, classes - 1] for side in (0, 1))
    ranked = np.maximum(0, margin + false - true).mean()
    placed = np.maximum(0, margin / 2 - np.stack([true, -false])).mean()
    loss = YesNoTagger(below).margin_loss(pairs, cr.constant(classes), MODE, margin)
    assert float(loss) == pytest.approx(ranked + placed, rel=1e-5)

    # What compares is not moved by the biases, and the rest moves them alone.
    bias = below.bias if isinstance(below, LinearTagger) else below.output.bias
    by_bias = cr.gradients(loss, bias).value
    expected = np.zeros(3)
    for own, s, c in zip(classes - 1, true, false, strict=True):
        expected[own] += (float(c > -margin / 2) - float(s < margin / 2)) / 16
    np.testing.assert_allclose(by_bias, expected, atol=1e-6)
    moved = cr.gradients(loss, [v for v in below.parameters() if v is not bias])
    alone = cr.max_margin(
        *(cr.pick(below(*(w[:, side] for w in pairs)), classes - 1) for side in (0, 1)), margin=margin
    )
    same = cr.gradients(alone, [v for v in below.parameters() if v is not bias])
    for ours, theirs in zip(moved, same, strict=True):
        np.testing.assert_allclose(ours.value, theirs.value, atol=1e-6)


def test_a_chain_without_transitions_is_a_softmax_at_each_word_and_with_them_a_crf() -> None:
    model = ChainTagger(network(4))
    some, tags = windows(3, 5), RNG.integers(0, 4, (3, 5)).astype(np.int32)
    mask = np.arange(5) < np.array([[5], [2], [1]])
    scores = model(*some)
    loss = model.loss(some, cr.constant(tags), cr.constant(mask), MODE)
    each = cr.cross_entropy(scores, tags.astype(np.int64), reduction="none").value
    assert float(loss) == pytest.approx(each[mask].mean(), rel=1e-5)
    for variable in (model.between, model.start, model.end):
        variable.assign(RNG.normal(size=variable.shape).astype(np.float32))
    options = {"start": model.start, "end": model.end, "mask": mask}
    total = cr.crf_nll(scores, tags.astype(np.int64), model.between, reduction="sum", **options)
    loss = model.loss(some, cr.constant(tags), cr.constant(mask), MODE)
    assert float(loss) == pytest.approx(float(total) / mask.sum(), rel=1e-5)
    assert {"between", "start", "end"} <= {name for name, _ in model.named_parameters()}
