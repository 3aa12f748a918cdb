"""Derivations against derivatives worked out by hand, in every form, and against runs that do not fit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, DerivativeError, ShapeError
from chainrule.view import derive
from chainrule.view.formulas import evaluate, printers, symbol

from .networks import deep, lecture, rng, told, variable

# -- the lecture's network -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("convention", "by_w", "chain", "jacobian", "factors"),
    [
        ("column", "δ xᵀ", "(∂h/∂z)ᵀ ∂s/∂h", "diag(1 − h²) ∂s/∂h", "(8×1)(1×4)"),
        ("row", "δᵀ x", "∂s/∂h ∂h/∂z", "∂s/∂h diag(1 − h²)", "(8×1)(1×4)"),
    ],
)
def test_lecture(convention, by_w, chain, jacobian, factors) -> None:
    s, leaves = lecture()
    found = derive(s, [leaves["W"], leaves["b"], leaves["u"]], convention=convention)
    assert told(found) == {"∂s/∂h": "u", "δ": "u ⊙ (1 − h²)", "∂s/∂b": "δ", "∂s/∂W": by_w, "∂s/∂u": "h"}
    signal = next(line for line in found.lines if line.left.text() == "δ")
    assert signal.meaning is not None
    assert signal.meaning.text() == "∂s/∂z"
    assert [form.text() for form in signal.forms[:2]] == [chain, jacobian]
    weights = next(line for line in found.lines if line.left.text() == "∂s/∂W")
    assert (weights.shape, weights.factors) == ((8, 4), factors)
    assert found.verified
    assert found.worst < 1e-12


def test_forward_equations() -> None:
    s, leaves = lecture()
    for convention, affine, score in (("column", "W x + b", "uᵀ h"), ("row", "x Wᵀ + b", "u hᵀ")):
        found = derive(s, leaves["W"], convention=convention)
        assert [str(line) for line in found.values] == [f"z = {affine}", "h = tanh(z)", f"s = {score}"]


def test_the_error_signal_is_derived_once_and_reused() -> None:
    s, leaves = lecture()
    found = derive(s, [leaves["W"], leaves["b"], leaves["x"]], convention="column")
    assert [line.left.text() for line in found.lines].count("δ") == 1
    assert {name: form for name, form in told(found).items() if "∂" in name and name != "∂s/∂h"} == {
        "∂s/∂W": "δ xᵀ", "∂s/∂b": "δ", "∂s/∂x": "Wᵀ δ",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("activation", "form"),
    [
        (cr.sigmoid, "u ⊙ h ⊙ (1 − h)"),
        (cr.nn.relu, "1[z > 0] ⊙ u"),
        (cr.nn.softplus, "u ⊙ σ(z)"),
        (cr.nn.hard_tanh, "1[|z| < 1] ⊙ u"),
        (cr.sin, "u ⊙ cos(z)"),
    ],
)
def test_activations(activation, form) -> None:
    s, leaves = lecture(activation)
    found = derive(s, leaves["b"], convention="column")
    assert told(found)["δ"] == form
    assert found.verified


# -- classifiers ---------------------------------------------------------------------------------------


def test_softmax_and_cross_entropy() -> None:
    W, b = variable("W", 4, 3), variable("b", 3)
    x = cr.constant(rng.normal(size=(5, 4))).named("x")
    loss = cr.nn.cross_entropy(cr.nn.linear(x, W, b), [0, 1, 2, 0, 1])
    found = derive(loss, [W, b])
    assert told(found) == {"δ": "(p − y) / 5", "∂L/∂W": "xᵀ δ", "∂L/∂b": "Σᵢ δ[i, :]"}
    assert {s.text(): what if isinstance(what, str) else what.text() for s, what, _ in found.where} == {
        "W": "parameter", "b": "parameter", "x": "input", "t": "input", "p": "softmax(z)", "y": "onehot(t)",
    }  # fmt: skip
    p = np.exp(x.value @ W.value + b.value)
    p /= p.sum(axis=1, keepdims=True)
    y = np.eye(3)[[0, 1, 2, 0, 1]]
    np.testing.assert_allclose(cr.gradients(loss, W).value, x.value.T @ (p - y) / 5)
    assert found.verified


def test_logistic_regression() -> None:
    w, b = variable("w", 4), variable("b")
    x = cr.constant(rng.normal(size=4)).named("x")
    target = cr.constant(np.array(0.75312))  # a number that no other test names
    loss = cr.nn.binary_cross_entropy_with_logits(w @ x + b, target)
    assert told(derive(loss, [w, b])) == {"δ": "σ(z) − t", "∂L/∂b": "δ", "∂L/∂w": "δ·x"}


def test_embeddings_receive_scattered_rows() -> None:
    E, W = variable("E", 6, 3), variable("W", 6, 2)
    words = cr.constant([[1, 2], [3, 1]]).named("w")
    loss = cr.nn.cross_entropy(cr.reshape(cr.nn.embedding(words, E), (2, 6)) @ W, [0, 1])
    found = derive(loss, [E, W])
    lines = {line.left.text(): line for line in found.lines}
    assert lines["∂L/∂E"].forms[1].text() == "scatter(∂L/∂e, w, 6 rows)"
    assert "sum over the places" in lines["∂L/∂E"].note
    assert found.verified


def test_convolution_and_max_pooling() -> None:
    K, W = variable("K", 2, 3, 4), variable("W", 4, 2)
    x = cr.constant(rng.normal(size=(2, 7, 3))).named("x")
    pooled = cr.max(cr.nn.conv1d(x, K), axis=1)
    found = derive(cr.nn.cross_entropy(pooled @ W, [0, 1]), [K, W])
    forms = told(found)
    assert forms["∂L/∂K"] == "windows(x)ᵀ rows(δ⁽¹⁾)"
    assert forms["δ⁽¹⁾"].startswith("scatter(")
    assert forms["∂L/∂W"] == "mᵀ δ⁽²⁾"
    assert found.verified


def test_whole_text_cnn() -> None:
    net = cr.models.TextCNN(20, 4, 2, seed=0, windows=(2, 3), filters=3)
    names = [name for name, _ in net.named_parameters()]
    loss = cr.nn.cross_entropy(net(cr.constant([[3, 4, 5, 6, 0], [7, 8, 9, 1, 2]])), [0, 1])
    found = derive(loss, net.parameters())
    assert found.verified
    assert sum(line.wanted for line in found.lines) == len(names)
    assert set(names) <= {what for _, what, _ in found.where if isinstance(what, str)}


# -- depth and sharing ---------------------------------------------------------------------------------


def test_repeated_layers_are_one() -> None:
    small, large = deep(8), deep(30)
    assert len(small.lines) == len(large.lines)
    assert large.verified
    folded = {line.left.text(): line for line in large.lines if line.span is not None}
    assert set(folded) == {"∂L/∂h⁽ˡ⁾", "δ⁽ˡ⁾", "∂L/∂b⁽ˡ⁾", "∂L/∂W⁽ˡ⁾"}
    assert folded["δ⁽ˡ⁾"].span == (29, 2)
    assert folded["δ⁽ˡ⁾"].forms[-1].text() == "δ⁽ˡ⁺¹⁾ W⁽ˡ⁺¹⁾ᵀ ⊙ (1 − (h⁽ˡ⁾)²)"
    assert folded["∂L/∂W⁽ˡ⁾"].forms[-1].text() == "h⁽ˡ⁻¹⁾ᵀ δ⁽ˡ⁾"


def test_parameters_of_repeated_layers_are_listed_once() -> None:
    text = deep(30).text
    listed = text[: text.index("Forwards")].splitlines()
    assert "  W⁽²⁾, …, W⁽³⁰⁾: layers.1.weight, …, layers.29.weight, 5×5" in listed
    assert len(listed) < 20
    assert len(deep(30).where) > 60


def test_few_layers_stand_alone() -> None:
    assert all(line.span is None for line in deep(2).lines)


def test_shared_parameters_are_a_sum_of_terms() -> None:
    """A recurrent network: the gradient of its weights is a sum over time, its error signal a recursion."""
    W, U = variable("W", 3, 3), variable("U", 2, 3)
    x = cr.constant(rng.normal(size=(5, 1, 2))).named("x")
    h: cr.Node = cr.constant(np.zeros((1, 3)))
    for t in range(5):
        h = cr.tanh(h @ W + x[t] @ U)
    found = derive(cr.sum(h), [W, U])
    forms = told(found)
    assert forms["∂L/∂U"] == "Σ(ℓ=1…5) x[ℓ − 1]ᵀ δ⁽ˡ⁾"
    assert forms["∂L/∂W"].startswith("Σ(ℓ=2…5) h⁽ˡ⁻¹⁾ᵀ δ⁽ˡ⁾ + ")
    assert forms["δ⁽ˡ⁾"] == "δ⁽ˡ⁺¹⁾ Wᵀ ⊙ (1 − (h⁽ˡ⁾)²)"
    assert found.verified


def test_a_node_that_two_others_read() -> None:
    x, y, z = (cr.variable(v, name=n) for v, n in [(1.0, "x"), (2.0, "y"), (0.0, "z")])
    found = derive((x + y) * cr.maximum(y, z), [x, y, z])
    line = next(line for line in found.lines if line.left.text() == "∂L/∂y")
    assert line.forms[-1].text() == "1[y ≥ z]·v1 + v2"
    assert line.note == "one term for each of the 2 equations that read it"


def test_names_that_are_taken_get_a_prime() -> None:
    p, y, first = variable("p", 4, 3), variable("y", 3), variable("x", 5, 4)
    found = derive(cr.nn.cross_entropy(first @ p + y, [0, 1, 2, 0, 1]), [p, y])
    assert told(found)["δ"] == "(p′ − y′) / 5"
    assert "\\mathbf{p}^{\\prime}" in found.latex.replace(" ", "")
    one, other = variable("x", 3), variable("x", 3)
    found = derive(cr.sum(one * cr.exp(other)), [one, other])
    assert {line.left.text() for line in found.lines if line.wanted} == {"∂L/∂x", "∂L/∂x′"}
    assert found.verified


def test_inputs_and_inner_nodes_may_be_asked_for() -> None:
    W, x = variable("W", 3, 4), cr.constant(rng.normal(size=4)).named("x")
    z = W @ x
    h = cr.tanh(z)
    found = derive(cr.sum(h * h), [h, z, x], convention="column")
    assert told(found) == {"∂L/∂h": "2·h", "δ": "∂L/∂h ⊙ (1 − h²)", "∂L/∂x": "Wᵀ δ"}
    assert [line.wanted for line in found.lines] == [True] * 3
    assert found.verified


def test_title() -> None:
    x = variable("x", 3)
    assert derive(cr.sum(x), x).title == "∂L/∂x"
    found = derive(cr.sum(x), x, title="A <sum>")
    assert found.text.startswith("A <sum>\n═══════\n")
    assert "<h1>A &lt;sum&gt;</h1>" in found.html


# -- held against the run --------------------------------------------------------------------------------


def test_deviation_is_that_of_the_printed_formula(monkeypatch) -> None:
    """Where an op's rule is wrong in print only, the line says so: here, a tanh that is left out."""
    monkeypatch.setitem(printers.PRINTERS, "tanh", lambda node, operands, how: operands[0])
    s, leaves = lecture()
    found = derive(s, leaves["b"], convention="column")
    assert not found.verified
    assert "h" in found.verdict
    assert "do not give what the run gave" in found.verdict


@pytest.mark.parametrize(
    ("value", "verified"), [(2.0, True), (math.inf, False), (math.nan, False), ([1.0, math.nan, 3.0], False)]
)
def test_nan_agrees_with_nothing(value: Any, verified: bool) -> None:
    x = cr.variable(value, name="x")
    found = derive(cr.sum((x - x) * x).named("L"), x)
    assert found.verified is verified
    unknown = [line for line in (*found.values, *found.lines) if line.deviation != line.deviation]
    assert bool(unknown) is not verified
    assert ("the run gave NaN for" in found.verdict) is not verified
    assert found.text.rpartition("\n")[2].startswith("Verified: " if verified else "Not verified: ")
    assert ("<strong>Not verified:</strong>" in found.html) is not verified
    assert ("NaN" in found.latex + found.text) is not verified


def test_nan_does_not_hide_what_is_wrong(monkeypatch) -> None:
    monkeypatch.setitem(printers.PRINTERS, "tanh", lambda node, operands, how: operands[0])
    x, y = cr.variable(0.5, name="x"), cr.variable(math.nan, name="y")
    found = derive((cr.tanh(x).named("h") * y).named("L"), [x, y])
    assert not found.verified
    assert "do not give what the run gave; the run gave NaN for " in found.verdict


def test_a_wrong_derivative_rule_shows_in_no_line_of_its_own() -> None:
    """A derivation follows the op's rule, wrong or not; whether the rule is right is the gradient check's."""

    class Wrong(cr.Op):
        formula = "{x}³"

        def forward(self, xp, x):
            return x**3

        def vjp(self, ct, out, x):
            return (ct * x,)

    x = cr.variable(2.0, name="x")
    found = derive(cr.define_op(Wrong)(x).named("L"), x)
    assert told(found) == {"∂L/∂x": "x"}
    assert found.verified


def test_own_op_is_written_by_its_formula() -> None:
    class Cube(cr.Op):
        formula = "{x}³"

        def forward(self, xp, x):
            return x * x * x

        def vjp(self, ct, out, x):
            return (3 * ct * x * x,)

    x = cr.variable([1.0, 2.0], name="x")
    found = derive(cr.sum(cr.define_op(Cube)(x).named("c")), x)
    assert [str(line) for line in found.values] == ["c = x³", "L = Σᵢ c[i]"]
    assert told(found)["∂L/∂x"] == "3·x²"
    assert found.verified


def test_feed_gives_the_values() -> None:
    x, W = cr.placeholder((3,), dtype="float64", name="x"), variable("W", 2, 3)
    loss = cr.sum(cr.exp(W @ x))
    found = derive(loss, [W, x], feed={x: np.ones(3)}, convention="column")
    assert told(found)["∂L/∂W"] == "δ xᵀ"
    assert found.verified


# -- what is refused -----------------------------------------------------------------------------------


def test_refusals() -> None:
    x = variable("x", 3)
    with pytest.raises(ShapeError, match="not a scalar"):
        derive(cr.exp(x), x)
    with pytest.raises(DerivativeError, match="no gradient flows"):
        derive(cr.sum(cr.floor(x)), x)
    with pytest.raises(DerivativeError, match="does not depend"):
        derive(cr.sum(cr.exp(x)), variable("y", 2))
    with pytest.raises(ArgumentError, match="nothing to derive by"):
        derive(cr.sum(x), [])
    with pytest.raises(ArgumentError, match="convention"):
        derive(cr.sum(x), x, convention="diagonal")  # type: ignore[arg-type]  # on purpose
    with pytest.raises(ArgumentError, match="not a node"):
        derive(cr.sum(x), [3.0])  # type: ignore[list-item]  # on purpose


def test_evaluate_knows_what_it_cannot() -> None:
    assert evaluate(symbol("q"), {}) is None
