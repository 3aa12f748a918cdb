from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special

import chainrule as cr
from chainrule.errors import ArgumentError, ChainruleError, DTypeError, ShapeError

from .finite_differences import check_derivatives
from .reference_tables import TABLES, close, leaf, named, same_gradients

RNG = np.random.default_rng(12)
Q, K, V = RNG.normal(size=(2, 3, 4)), RNG.normal(size=(2, 5, 4)), RNG.normal(size=(2, 5, 6))
ALLOWED = RNG.uniform(size=(3, 5)) > 0.4
ALLOWED[1] = False  # the second query may look nowhere
attention = cr.scaled_dot_product_attention


@pytest.mark.parametrize("row", TABLES["attention"], ids=named(TABLES["attention"]))
def test_values_and_gradients_are_the_references(row: dict[str, Any]) -> None:
    leaves = [leaf(values) for values in row["inputs"]]
    mask = None if row["mask"] is None else np.array(row["mask"])
    y = attention(*leaves, mask, **row["options"])
    close(y, row["out"])
    same_gradients(y, leaves, row["gradients"])


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    "mask",
    [None, ALLOWED, ALLOWED[:, :1], RNG.normal(size=(2, 3, 5)), np.where(ALLOWED, 0.5, -np.inf)],
    ids=["none", "boolean", "broadcast", "added", "added-infinite"],
)
def test_derivatives_agree_with_differences(mask: np.ndarray | None, causal: bool) -> None:
    check_derivatives(lambda q, k, v: attention(q, k, v, mask, causal=causal), Q, K, V)


def test_an_added_mask_is_differentiated_too() -> None:
    check_derivatives(attention, Q, K, V, RNG.normal(size=(3, 5)))


def test_it_is_the_formula_over_any_leading_axes() -> None:
    q, k, v = Q[:, None], K[:, None] * np.ones((1, 2, 1, 1)), V[:, None]
    expected = special.softmax(q @ k.mT / 2, axis=-1) @ v
    np.testing.assert_allclose(attention(q, k, v).value, expected, rtol=1e-12)
    np.testing.assert_allclose(attention(Q[0], K[0], V[0]).value, expected[0, 0], rtol=1e-12)


@pytest.mark.parametrize("kind", ["boolean", "added"])
def test_a_query_that_may_look_nowhere_gets_zeros_and_no_nan_anywhere(kind: str) -> None:
    mask = ALLOWED if kind == "boolean" else np.where(ALLOWED, 0.0, -np.inf)
    leaves = [cr.variable(array) for array in (Q, K, V)]
    y = attention(*leaves, mask)
    np.testing.assert_array_equal(y.value[:, 1], 0)
    gradients = [g.value for g in cr.gradients(cr.sum(y * y), leaves)]
    assert all(np.isfinite(g).all() for g in gradients)
    np.testing.assert_array_equal(gradients[0][:, 1], 0)


def test_causal_attention_does_not_see_the_future() -> None:
    x = RNG.normal(size=(4, 3))
    before = attention(x, x, x, causal=True).value
    changed = x.copy()
    changed[3] = 100.0
    np.testing.assert_array_equal(attention(changed, changed, changed, causal=True).value[:3], before[:3])
    np.testing.assert_allclose(before[0], x[0], rtol=1e-13)


def test_a_mask_and_causality_hold_together() -> None:
    both = attention(Q, K, V, ALLOWED, causal=True).value
    np.testing.assert_array_equal(both, attention(Q, K, V, ALLOWED & np.tri(3, 5, dtype=bool)).value)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((Q[0, 0], K, V), {}, ShapeError, r"\(…, T, d\)"),
        ((Q[..., :3], K, V), {}, ShapeError, "queries and keys differ in length"),
        ((Q, K, V[:, :4]), {}, ShapeError, "not as many values as keys"),
        ((Q, K, V, np.ones((4, 5), bool)), {}, ShapeError, "mask"),
        ((Q, K, V, np.ones((7, 2, 3, 5), bool)), {}, ShapeError, "does not broadcast to the scores"),
        ((Q, K, V, np.ones((3, 5), int)), {}, DTypeError, "mask != 0"),
        ((Q, K, V), {"scale": np.inf}, ArgumentError, "scale=inf"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_mend(
    arguments: tuple[np.ndarray, ...],
    options: dict[str, Any],
    error: type[ChainruleError],
    message: str,
) -> None:
    with pytest.raises(error, match=message) as caught:
        attention(*arguments, **options)
    assert "test_attention.py" in str(caught.value.where)
