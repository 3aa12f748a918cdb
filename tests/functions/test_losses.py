from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

import chainrule as cr
from chainrule.errors import ArgumentError, ShapeError

from .finite_differences import check_derivatives
from .reference_tables import TABLES, close, leaf, named

RNG = np.random.default_rng(7)
X, T = RNG.normal(size=(3, 4)) * 2, RNG.normal(size=(3, 4))
SIGNS = np.where(RNG.uniform(size=(3, 4)) < 0.5, -1.0, 1.0)
P = special.softmax(RNG.normal(size=(3, 4)), axis=-1)

PAIRWISE: dict[str, Callable[..., cr.Node]] = {
    "mse_loss": cr.mse_loss,
    "l1_loss": cr.l1_loss,
    "huber_loss": cr.huber_loss,
    "hinge_loss": cr.hinge_loss,
    "max_margin": cr.max_margin,
    "binary_cross_entropy_with_logits": cr.binary_cross_entropy_with_logits,
    "kl_divergence": cr.kl_divergence,
}


@pytest.mark.parametrize("row", TABLES["losses"], ids=named(TABLES["losses"]))
def test_losses_and_gradients_are_the_references(row: dict[str, Any]) -> None:
    x = leaf(row["x"])
    loss = PAIRWISE[row["name"]](x, np.array(row["targets"]), **row["options"])
    close(loss, row["loss"])
    close(cr.gradients(loss, x), row["gradient"])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", sorted(PAIRWISE))
def test_derivatives_agree_with_differences_in_both_operands(name: str, reduction: str) -> None:
    second = P if name in ("kl_divergence", "binary_cross_entropy_with_logits") else T
    check_derivatives(lambda a, b: PAIRWISE[name](a, b, reduction=reduction), X, second)


@pytest.mark.parametrize("name", sorted(PAIRWISE))
def test_the_three_reductions_agree(name: str) -> None:
    second = SIGNS if name == "hinge_loss" else P
    each = PAIRWISE[name](X, second, reduction="none").value
    assert each.shape == ((3,) if name == "kl_divergence" else (3, 4))
    np.testing.assert_allclose(PAIRWISE[name](X, second, reduction="sum").value, each.sum(), rtol=1e-13)
    np.testing.assert_allclose(PAIRWISE[name](X, second).value, each.mean(), rtol=1e-13)


@pytest.mark.parametrize(
    ("shapes", "mend"),
    [
        (((4, 1), (4,)), r"cr\.squeeze\(\w+, axis=1\)"),
        (((4,), (4, 1)), r"cr\.squeeze\(\w+, axis=1\)"),
        (((1, 4), (4,)), r"cr\.squeeze\(\w+, axis=0\)"),
        (((4, 3), (3, 4)), "permute_dims"),
        (((4,), ()), "broadcast_to"),
        (((4,), (5,)), "check which of the two"),
    ],
)
@pytest.mark.parametrize("name", sorted(PAIRWISE))
def test_shapes_that_differ_are_refused_never_broadcast(
    name: str, shapes: tuple[tuple[int, ...], tuple[int, ...]], mend: str
) -> None:
    with pytest.raises(ShapeError, match=mend) as caught:
        PAIRWISE[name](np.ones(shapes[0]), np.ones(shapes[1]))
    assert f"{name}: the shapes differ" in str(caught.value)
    assert str(shapes[0]) in str(caught.value)
    assert "test_losses.py" in str(caught.value.where)


def test_binary_cross_entropy_is_exact_in_both_tails() -> None:
    z = cr.variable(np.array([-800.0, -40.0, 40.0, 800.0]))
    for target, sign in ((np.ones(4), -1), (np.zeros(4), 1)):
        loss = cr.binary_cross_entropy_with_logits(z, target, reduction="none")
        np.testing.assert_allclose(loss.value, np.logaddexp(0, sign * z.array), rtol=1e-14)
        slope = cr.gradients(cr.sum(loss), z).value
        np.testing.assert_allclose(slope, sign * special.expit(sign * z.array), rtol=1e-14)


def test_positive_weights_broadcast_to_the_labels_and_are_differentiated_through() -> None:
    weight = np.array([1.0, 2.0, 0.5, 3.0])
    found = cr.binary_cross_entropy_with_logits(X, P, pos_weight=weight, reduction="none").value
    expected = -(weight * P * special.log_expit(X) + (1 - P) * special.log_expit(-X))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    check_derivatives(
        lambda z, t: cr.binary_cross_entropy_with_logits(z, t, pos_weight=weight, reduction="none"), X, P
    )
    with pytest.raises(ShapeError, match="pos_weight of shape"):
        cr.binary_cross_entropy_with_logits(X, P, pos_weight=np.ones(3))


def test_max_margin_is_the_lectures() -> None:
    s, corrupted = cr.variable(np.array([3.0, 0.5])), cr.variable(np.array([1.0, 0.0]))
    loss = cr.max_margin(s, corrupted, reduction="none")
    np.testing.assert_array_equal(loss.value, [0, 0.5])
    gradients = [g.value for g in cr.gradients(cr.sum(loss), [s, corrupted])]
    np.testing.assert_array_equal(gradients, [[0, -1], [0, 1]])


def test_hinge_refuses_labels_that_are_not_signs() -> None:
    with pytest.raises(ArgumentError, match=r"2 \* targets - 1"):
        cr.hinge_loss([1.0, 2.0], [0, 1])


def test_huber_is_a_parabola_inside_and_a_line_outside() -> None:
    x = cr.variable(np.array([-3.0, -0.5, 0.0, 0.5, 3.0]))
    loss = cr.huber_loss(x, np.zeros(5), delta=2.0, reduction="none")
    np.testing.assert_allclose(loss.value, special.huber(2.0, x.array), rtol=1e-14)
    np.testing.assert_array_equal(cr.gradients(cr.sum(loss), x).value, [-2, -0.5, 0, 0.5, 2])
    with pytest.raises(ArgumentError, match="delta=0"):
        cr.huber_loss(x, x, delta=0)


def test_kl_divergence_is_scipys_and_zero_against_itself() -> None:
    q = special.softmax(X, -1)
    found = cr.kl_divergence(np.log(q), P, reduction="none").value
    np.testing.assert_allclose(found, special.rel_entr(P, q).sum(-1), rtol=1e-12)
    np.testing.assert_allclose(cr.kl_divergence(np.log(P), P, reduction="none").value, 0, atol=1e-15)
    along_columns = cr.kl_divergence(np.log(q).T, P.T, axis=0, reduction="none").value
    np.testing.assert_allclose(along_columns, found, rtol=1e-13)


def test_a_target_of_zero_contributes_nothing_even_against_minus_infinity() -> None:
    q = cr.variable(np.array([[0.0, -np.inf]]))
    loss = cr.kl_divergence(q, np.array([[1.0, 0.0]]))
    assert float(loss) == 0
    np.testing.assert_array_equal(cr.gradients(loss, q).value, [[-1, 0]])


def test_integers_are_taken_as_floats_and_an_unknown_reduction_is_refused() -> None:
    assert cr.mse_loss([1, 2], [3, 4]).dtype.name == "float32"
    with pytest.raises(ArgumentError, match="reduction='total'"):
        cr.mse_loss([1.0], [2.0], reduction="total")  # type: ignore[arg-type]
