from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special

import chainrule as cr
from chainrule.errors import ArgumentError, ChainruleError, DTypeError, IndexRangeError, ShapeError
from chainrule.graph import topological
from chainrule.ops import expand

from .finite_differences import check_derivatives
from .reference_tables import TABLES, close, leaf, named, same_gradients

RNG = np.random.default_rng(6)
LOGITS = RNG.normal(size=(5, 4)) * 2
LABELS = np.array([0, 3, 1, 3, 2])
SOFT = special.softmax(RNG.normal(size=(5, 4)), axis=-1)
WEIGHTS = np.array([0.5, 2.0, 1.0, 0.25])


def _targets(row: dict[str, Any]) -> np.ndarray:
    found = np.array(row["targets"])
    return found if found.dtype.kind == "i" else found.astype(np.float64)


@pytest.mark.parametrize("row", TABLES["cross_entropy"], ids=named(TABLES["cross_entropy"]))
def test_every_combination_of_options_is_the_references(row: dict[str, Any]) -> None:
    logits = leaf(row["logits"])
    loss = cr.cross_entropy(logits, _targets(row), **row["options"])
    close(loss, row["loss"])
    same_gradients(loss, [logits], [row["gradient"]])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ignore_index": 3},
        {"label_smoothing": 0.2},
        {"class_weights": WEIGHTS},
        {"class_weights": WEIGHTS, "label_smoothing": 0.2, "ignore_index": 3},
    ],
)
def test_derivatives_agree_with_differences(options: dict[str, Any], reduction: Any) -> None:
    check_derivatives(lambda z: cr.cross_entropy(z, LABELS, reduction=reduction, **options), LOGITS)
    if "ignore_index" not in options:
        check_derivatives(lambda z, p: cr.cross_entropy(z, p, reduction=reduction, **options), LOGITS, SOFT)


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_nll_loss_of_log_softmax_is_cross_entropy(reduction: Any) -> None:
    z = cr.variable(LOGITS)
    options: dict[str, Any] = {"ignore_index": 1, "class_weights": WEIGHTS, "reduction": reduction}
    one, other = cr.cross_entropy(z, LABELS, **options), cr.nll_loss(cr.log_softmax(z), LABELS, **options)
    np.testing.assert_allclose(one.value, other.value, rtol=1e-13)
    gradients = [cr.gradients(cr.sum(loss), z).value for loss in (one, other)]
    np.testing.assert_allclose(*gradients, rtol=1e-12, atol=1e-15)
    check_derivatives(lambda p: cr.nll_loss(p, LABELS, **options), LOGITS)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_the_classes_may_lie_along_any_axis(axis: int) -> None:
    last = RNG.normal(size=(2, 3, 4))
    labels = RNG.integers(0, 4, size=(2, 3))
    moved = cr.variable(np.moveaxis(last, -1, axis))
    loss = cr.cross_entropy(moved, labels, axis=axis, reduction="none")
    expected = -np.take_along_axis(special.log_softmax(last, -1), labels[..., None], -1)[..., 0]
    np.testing.assert_allclose(loss.value, expected, rtol=1e-12)
    assert cr.gradients(cr.sum(loss), moved).shape == moved.shape
    soft = special.softmax(last, -1)
    both = [
        cr.cross_entropy(last, soft),
        cr.cross_entropy(moved, np.moveaxis(soft, -1, axis), axis=axis),
    ]
    np.testing.assert_allclose(both[0].value, both[1].value, rtol=1e-13)


def test_the_gradient_is_softmax_minus_one_hot_and_the_exponential_is_computed_once() -> None:
    z, t = cr.variable(LOGITS), cr.placeholder((5,), "int64", name="t")
    for options in ({}, {"ignore_index": 2}, {"label_smoothing": 0.1}, {"class_weights": WEIGHTS}):
        loss = cr.cross_entropy(z, t, **options)  # type: ignore[arg-type]
        gradient = cr.gradients(loss, z)
        opened = [node.op.name for node in topological(expand([loss, gradient]))]
        assert opened.count("exp") == opened.count("max") == opened.count("log") == 1
    gradient = cr.gradients(cr.cross_entropy(z, t), z)
    expected = (special.softmax(LOGITS, -1) - np.eye(4)[LABELS]) / 5
    np.testing.assert_allclose(cr.evaluate(gradient, feed={t: LABELS}), expected, rtol=1e-12)


def test_far_scores_neither_overflow_nor_lose_the_gradient() -> None:
    z = cr.variable(np.array([[1e4, -1e4], [-1e4, 1e4]]))
    loss = cr.cross_entropy(z, [0, 0], reduction="none")
    np.testing.assert_array_equal(loss.value, [0, 2e4])
    np.testing.assert_array_equal(cr.gradients(cr.sum(loss), z).value, [[0, 0], [-1, 1]])
    masked = cr.variable(np.array([[0.0, -np.inf, 0.0]]))  # a word that is ruled out
    loss = cr.cross_entropy(masked, [2])
    assert float(loss) == pytest.approx(np.log(2))
    np.testing.assert_allclose(cr.gradients(loss, masked).value, [[0.5, 0, -0.5]])


def test_an_ignored_row_counts_for_nothing() -> None:
    z = cr.variable(np.array([[0.0, 0.0], [1e30, -np.inf]]))
    loss = cr.cross_entropy(z, [1, -100], ignore_index=-100)
    assert float(loss) == pytest.approx(np.log(2))
    np.testing.assert_allclose(cr.gradients(loss, z).value, [[0.5, -0.5], [0, 0]])


def test_class_weights_receive_a_gradient_too() -> None:
    for targets in (LABELS, SOFT):
        check_derivatives(
            lambda z, w, t=targets: cr.cross_entropy(z, t, class_weights=w, label_smoothing=0.1),  # type: ignore[misc]
            LOGITS,
            WEIGHTS,
        )


def test_the_mean_over_nothing_is_nan_with_a_gradient_of_zeros() -> None:
    z = cr.variable(np.zeros((2, 3)))
    loss = cr.cross_entropy(z, [7, 7], ignore_index=7)
    assert np.isnan(float(loss))
    np.testing.assert_array_equal(cr.gradients(loss, z).value, 0)
    assert float(cr.cross_entropy(z, [7, 7], ignore_index=7, reduction="sum")) == 0


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_targets_may_be_nodes_of_either_integer_type(dtype: str) -> None:
    t = cr.placeholder((2,), dtype, name="t")
    loss = cr.cross_entropy(np.zeros((2, 3), np.float32), t)
    assert loss.dtype.name == "float32"
    assert float(cr.evaluate(loss, feed={t: [0, 2]})) == pytest.approx(np.log(3), rel=1e-6)


def test_labels_may_be_stored_in_a_byte() -> None:
    stored = [cr.cross_entropy(LOGITS, LABELS.astype(kind)).value for kind in ("uint8", "int16", "int64")]
    assert stored[0] == stored[1] == stored[2]


def test_a_single_example_without_a_batch() -> None:
    assert float(cr.cross_entropy([0.0, 0.0], 1)) == pytest.approx(np.log(2), rel=1e-6)


@pytest.mark.parametrize("function", [cr.cross_entropy, cr.nll_loss])
@pytest.mark.parametrize("bad", [4, -1, -100])
def test_an_index_that_is_no_class_is_named_when_written_and_when_run(function: Any, bad: int) -> None:
    labels = np.array([0, 3, bad, bad])
    message = rf"the index {bad} at \[2\] is not one of the 4 classes"
    with pytest.raises(IndexRangeError, match=message) as caught:
        function(LOGITS[:4], labels)
    assert caught.value.where is not None
    assert "test_cross_entropy.py" in caught.value.where
    assert "0 to 3" in str(caught.value)
    t = cr.placeholder((4,), "int64", name="t")
    node = function(LOGITS[:4], t)
    with pytest.raises(IndexRangeError, match=message):
        cr.evaluate(node, feed={t: labels})
    ignoring = function(LOGITS[:4], t, ignore_index=bad)
    assert np.isfinite(cr.evaluate(ignoring, feed={t: labels}))


@pytest.mark.parametrize(
    ("targets", "options", "error", "message"),
    [
        (np.zeros((5, 1), int), {}, ShapeError, "squeeze"),
        (np.zeros((4,), int), {}, ShapeError, "one class for each row"),
        (np.zeros((5, 4), int), {}, ShapeError, "one-hot"),
        (np.zeros((5,), bool), {}, DTypeError, "class indices are integers"),
        (np.zeros((5,)), {}, ShapeError, "astype"),
        (np.zeros((5, 1)), {}, ShapeError, "probabilities of shape"),
        (SOFT, {"ignore_index": 1}, ArgumentError, "ignore_index is for class indices"),
        (LABELS, {"label_smoothing": 1.5}, ArgumentError, "outside"),
        (LABELS, {"reduction": "average"}, ArgumentError, "'mean', 'sum' or 'none'"),
        (LABELS, {"class_weights": np.ones(5)}, ShapeError, r"one weight a class: shape \(4,\)"),
        (LABELS, {"axis": 2}, ShapeError, "axis 2 does not exist"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_mend(
    targets: np.ndarray, options: dict[str, Any], error: type[ChainruleError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        cr.cross_entropy(LOGITS, targets, **options)
    assert caught.value.where is not None
    assert "test_cross_entropy.py" in caught.value.where
