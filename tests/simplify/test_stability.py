from __future__ import annotations

import numpy as np
import pytest
import scipy.special

import chainrule as cr
from chainrule.simplify import simplify, stability
from chainrule.simplify.language import show

from .comparing import leaves_of, op_names, values

#: Far beyond where the plain formulas overflow or vanish, and near where they cancel.
POINTS = np.array([-1e4, -800.0, -40.0, -1.0, -1e-9, -1e-300, 0.0, 1e-300, 1e-9, 0.5, 1.0, 40.0, 800.0, 1e4])
X = cr.placeholder((14,), "float64", name="x")
M = cr.placeholder((2, 7), "float64", name="m")


def log_softmax(x):
    return x - scipy.special.logsumexp(x, axis=-1, keepdims=True)


def by_hand(x):
    return cr.exp(x) / cr.exp(x).sum(axis=-1, keepdims=True)


#: The rule, the formula as written, what is meant, and how many units in the last place may be lost.
ROWS = [
    ("log(softmax(x)) = x - log Σ exp(x)", lambda: cr.log(cr.softmax(M)), log_softmax, 4),
    ("exp(x) / Σ exp(x) = softmax(x), shifted by the maximum", lambda: by_hand(M), scipy.special.softmax, 8),
    ("log(softmax(x)) = x - log Σ exp(x)", lambda: cr.log(by_hand(M)), log_softmax, 4),
    (
        "log Σ exp(x) = max x + log Σ exp(x - max x)",
        lambda: cr.log(cr.exp(M).sum(axis=-1)),
        lambda x: scipy.special.logsumexp(x, axis=-1),
        4,
    ),
    ("log σ(x) = min(x, 0) - log(1 + exp(-|x|))", lambda: cr.log(cr.sigmoid(X)), scipy.special.log_expit, 4),
    (
        "log(1 - σ(x)) = -softplus(x)",
        lambda: cr.log(1 - cr.sigmoid(X)),
        lambda x: scipy.special.log_expit(-x),
        4,
    ),
    ("log(1 + x) = log1p(x)", lambda: cr.log(1 + cr.square(X)), lambda x: np.log1p(x * x), 2),
    (
        "log(1 + exp(x)) = softplus(x)",
        lambda: cr.log(cr.exp(X) + 1),
        lambda x: -scipy.special.log_expit(-x),
        4,
    ),
    ("log(1 - x) = log1p(-x)", lambda: cr.log(1 - cr.tanh(X)), lambda x: np.log1p(-np.tanh(x)), 2),
    ("exp(x) - 1 = expm1(x)", lambda: cr.exp(X) - 1, np.expm1, 2),
    ("1 - exp(x) = -expm1(x)", lambda: 1 - cr.exp(X), lambda x: -np.expm1(x), 2),
    ("1 / (1 + exp(-x)) = σ(x)", lambda: 1 / (1 + cr.exp(-X)), scipy.special.expit, 4),
    ("exp(x) / (1 + exp(x)) = σ(x)", lambda: cr.exp(X) / (1 + cr.exp(X)), scipy.special.expit, 4),
    ("√(x²) = |x|", lambda: cr.sqrt(cr.square(X * 1e200)), lambda x: np.abs(x * 1e200), 0),
    ("√(x · x) = |x|", lambda: cr.sqrt(X * X), np.abs, 0),
    ("log(exp(x)) = x", lambda: cr.log(cr.exp(X)), lambda x: x, 0),
    ("1 - σ(x) = σ(-x)", lambda: 1 - cr.sigmoid(X), lambda x: scipy.special.expit(-x), 4),
]


@pytest.mark.parametrize(("rule", "build", "meant", "ulps"), ROWS, ids=[row[0] for row in ROWS])
def test_the_formula_gives_what_is_meant_everywhere(rule, build, meant, ulps) -> None:
    before = build()
    found = simplify([before])
    assert rule in found.journal.counts()
    (leaf,) = leaves_of([before])
    point = POINTS.reshape(leaf.shape)
    with np.errstate(all="ignore"):
        wanted = meant(point) if meant is not scipy.special.softmax else meant(point, axis=-1)
    (value,) = values(found.outputs, {leaf: point})
    np.testing.assert_allclose(value, wanted, rtol=ulps * 2.3e-16, atol=0)


GRADIENTS = [
    (lambda x: cr.log(cr.sigmoid(x)), lambda x: scipy.special.expit(-x)),
    (lambda x: cr.log(1 - cr.sigmoid(x)), lambda x: -scipy.special.expit(x)),
    (lambda x: cr.log(cr.softmax(x))[..., :1], None),
]


@pytest.mark.parametrize(("function", "slope"), GRADIENTS[:2], ids=["log sigmoid", "log(1 - sigmoid)"])
def test_gradients_of_logarithms_do_not_divide_by_what_vanished(function, slope) -> None:
    gradient = cr.gradients(function(X).sum(), X)
    (plain,) = values([gradient], {X: POINTS})
    assert np.isnan(plain).any(), "nothing to mend"
    (value,) = values(simplify([gradient]).outputs, {X: POINTS})
    np.testing.assert_allclose(value, slope(POINTS), rtol=1e-14, atol=1e-16)


def test_the_gradient_of_the_log_of_a_softmax_that_vanished() -> None:
    point = np.array([[0.0, 800.0, 0.0, 0.0, 1.0, 2.0, 3.0], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]])
    gradient = cr.gradients(cr.log(cr.softmax(M))[:, 0].sum(), M)
    (plain,) = values([gradient], {M: point})
    assert np.isnan(plain).any()
    found = simplify([gradient])
    (value,) = values(found.outputs, {M: point})
    wanted = -scipy.special.softmax(point, axis=-1)
    wanted[:, 0] += 1
    np.testing.assert_allclose(value, wanted, rtol=1e-14, atol=1e-16)


def test_one_minus_a_sigmoid_stays_where_the_sigmoid_is_needed_anyway() -> None:
    s = cr.sigmoid(X)
    assert show(simplify([s * (1 - s)]).outputs[0]) == "multiply(sigmoid(x), subtract(1.0, sigmoid(x)))"


def test_what_is_shifted_already_is_not_shifted_again() -> None:
    for node in (cr.log_softmax(M), cr.logsumexp(M, axis=-1), cr.softmax(M), cr.cross_entropy(M, [1, 2])):
        names = op_names(simplify([node]).outputs)
        assert names.count("max") == names.count("exp") == 1


def test_every_rule_has_a_row_or_a_gradient() -> None:
    about_gradients = {
        "(x / s) · s = x, s > 0",
        "(x / s) · (s · y) = x · y, s > 0",
        "s · (x / s - y) = x - s · y, s > 0",
    }
    names = {rule.name for rule in [*stability.STABILITY, *stability.ALONE]}
    assert names == {row[0] for row in ROWS} | about_gradients
