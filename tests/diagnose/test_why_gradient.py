"""Why a gradient is None, zero, tiny or huge: one row a way to make it so, in networks that people write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.diagnose import WhyGradient, why_gradient
from chainrule.diagnose.flow import Flow
from chainrule.errors import ArgumentError, ShapeError
from chainrule.graph import Node

RNG = np.random.default_rng(11)
X = RNG.normal(size=(16, 6)).astype(np.float32)
CLASSES = RNG.integers(0, 3, 16)


def w(*shape: int, scale: float = 1.0, name: str = "w") -> Any:
    return cr.variable((RNG.normal(size=shape) * scale).astype(np.float32), name=name)


def chain(activation: Callable[[Node], Node], depth: int, scale: float) -> tuple[Node, Node]:
    weights = [w(6, 6, scale=scale / np.sqrt(6), name=f"w{k}") for k in range(depth)]
    h: Node = cr.constant(X)
    for weight in weights:
        h = activation(h @ weight)
    return (h * h).mean(), weights[0]


def dead_layer() -> tuple[Node, Node]:
    w1, b1, w2 = w(6, 32), cr.variable(np.full(32, -50, np.float32), name="b1"), w(32, 3, name="w2")
    open_ = b1.value.copy()
    open_[0] = 0
    b1.assign(open_)
    hidden = cr.relu(cr.constant(X) @ w1 + b1).named("relu2")
    return cr.cross_entropy(hidden @ w2, CLASSES), w1


def all_dead() -> tuple[Node, Node]:
    w1, w2 = w(6, 8), w(8, 3, name="w2")
    hidden = cr.relu(cr.constant(X) @ w1 - 100.0).named("hidden")
    return cr.cross_entropy(hidden @ w2, CLASSES), w1


def saturated(op: Callable[[Node], Node]) -> Callable[[], tuple[Node, Node]]:
    def build() -> tuple[Node, Node]:
        w1, w2 = w(6, 8, scale=1e3), w(8, 3, name="w2")
        return cr.cross_entropy(op(cr.constant(X) @ w1) @ w2, CLASSES), w1

    return build


def softmax_twice() -> tuple[Node, Node]:
    w1 = w(6, 3, scale=100.0)
    p = cr.softmax(cr.constant(X) @ w1)
    return -cr.log(cr.pick(p, CLASSES) + 1e-6).mean(), w1


def dropped() -> tuple[Node, Node]:
    w1 = w(6, 8)
    return cr.sum(cr.dropout(w1, 0.99, cr.random.key(3))), w1


def masked() -> tuple[Node, Node]:
    w1 = w(6, 8)
    return cr.sum(cr.where(np.zeros((6, 8), bool), w1, 0.0)), w1


def shifted_away() -> tuple[Node, Node]:
    bias = cr.variable(np.zeros(3, np.float32), name="bias")
    h = cr.constant(X) @ w(6, 3, name="w1") + bias
    centred = h - h.mean(axis=0)
    return (centred * centred).mean(), bias


def cancelling() -> tuple[Node, Node]:
    w1 = w(6)
    return cr.sum(w1 * 3.0) - cr.sum(w1 * 3.0000004), w1


def zero_weights() -> tuple[Node, Node]:
    w1, w2 = w(6, 8), cr.variable(np.zeros((8, 3), np.float32), name="w2")
    return cr.cross_entropy(cr.tanh(cr.constant(X) @ w1) @ w2, CLASSES), w1


def perfect() -> tuple[Node, Node]:
    logits = cr.variable(np.eye(3, dtype=np.float32)[CLASSES] * 1e3, name="logits")
    return cr.cross_entropy(logits, CLASSES), logits


def few_rows() -> tuple[Node, Node]:
    table = w(1000, 4, name="table")
    return cr.nn.embedding(np.array([[3, 5], [5, 7]]), table).sum(), table


def of_another() -> tuple[Node, Node]:
    one, other = (cr.nn.Linear(6, 3, seed=seed) for seed in (0, 1))
    for layer in (one, other):
        dict(layer.named_parameters())
    return cr.cross_entropy(one(cr.constant(X)), CLASSES), other.weight


def accuracy() -> tuple[Node, Node]:
    w1 = w(6, 3)
    right = cr.equal(cr.argmax(cr.constant(X) @ w1, axis=1), CLASSES)
    return 1.0 - right.astype("float32").mean(), w1


def scaled_out() -> tuple[Node, Node]:
    w1 = w(6)
    return cr.sum(w1 * 1e-9), w1


def exploding() -> tuple[Node, Node]:
    return chain(lambda x: x, 8, 30.0)


def underflowing() -> tuple[Node, Node]:
    w1 = w(6)
    h: Node = w1
    for _ in range(60):
        h = cr.tanh(h) * 0.1
    return cr.sum(h), w1


def of(function: Callable[[Any], Node]) -> Callable[[], tuple[Node, Node]]:
    def build() -> tuple[Node, Node]:
        w1 = w(6, 8)
        return function(w1), w1

    return build


# how to build the loss and the parameter; what the gradient is; words that must stand in the text
CASES: dict[str, tuple[Callable[[], tuple[Node, Node]], str, tuple[str, ...]]] = {
    "argmax": (of(lambda x: cr.argmax(x).astype("float32") * 2), "none",
        ("the path ends at argmax (", "softmax"),
    ),
    "accuracy as a loss": (accuracy, "none", ("the path ends at argmax (",)),
    "stop_gradient": (of(lambda x: cr.stop_gradient(x).sum()), "none", ("the path ends at stop_gradient (",)),
    "cast": (of(lambda x: x.astype("int64").sum() * 1.0), "none", ("a cast to int64", "keep it a float")),
    "rounding": (of(lambda x: cr.round(x).sum()), "none",
        ("the path ends at round (", "cr.stop_gradient(cr.round"),
    ),
    "comparison": (of(lambda x: (x > 0).astype("float32").sum()), "none",
        ("ends at greater (", "smooth step"),
    ),
    "unused": (lambda: (cr.sum(w(3, name="v")), w(6)), "none", ("the loss does not depend on it",)),
    "another instance": (of_another, "none",
        ("another weight of the same shape", "belongs to another instance"),
    ),
    "most units dead": (dead_layer, "fine",
        ("97 % of relu2 (", "is dead: 31 of 32 units give 0 for every example"),
    ),
    "all units dead": (all_dead, "zero", ("100 % of hidden (", "leaky_relu")),
    "tanh saturated": (saturated(cr.tanh), "tiny", ("tanh (", "is saturated: ", "beyond -0.99 or 0.99")),
    "sigmoid saturated": (saturated(cr.sigmoid), "fine", ("is saturated: ", "smaller initial weights")),
    "softmax saturated": (softmax_twice, "fine", ("softmax (", "one place has all of the probability")),
    "twelve sigmoids": (
        lambda: chain(cr.sigmoid, 12, 1.0), "tiny",
        ("a product of 12 factors of about 0.2", "through sigmoids", "whose slope is at most 1/4"),
    ),
    "underflow": (
        underflowing, "zero",
        ("a product of", "through multiply", "it has become too small for float32 at", "skip connections"),
    ),
    "dropout": (dropped, "fine", ("dropout (", "drops 9")),
    "where": (masked, "zero", ("where (", "masks 100 % of 48 entries")),
    "clip": (of(lambda x: cr.clip(x + 100, -1, 1).sum()), "zero", ("100 % of", "takes its other operand, 1")),
    "a shift that is taken away": (shifted_away, "tiny", ("cancel", "leave this bias out")),
    "two terms cancel": (cancelling, "tiny", ("two terms cancel at", "those through")),
    "zero weights above": (zero_weights, "zero",
        ("multiplies by w2, which is 0 everywhere", "random numbers"),
    ),
    "times zero": (of(lambda x: (x * 0.0).sum()), "zero", ("multiplies by 0, which is 0 everywhere",)),
    "nothing left to learn": (perfect, "zero", ("cross_entropy (", "every example is already right")),
    "few rows looked up": (few_rows, "fine", ("looks up 3 of the 1000 rows",)),
    "a small factor": (scaled_out, "tiny", ("multiplies by 1e-09", "a factor of 1e-09")),
    "a large factor": (of(lambda x: (x * 1e7).sum()), "huge", ("multiplies by 1e+07", "a factor of 1e+07")),
    "eight large layers": (exploding, "huge",
        ("a product of 8 factors of about", "through matmul", "clip the grad"),
    ),
    "exp of large numbers": (of(lambda x: cr.exp(x + 30).sum()), "huge", ("exp (", "has a slope of about")),
    "not finite": (of(lambda x: cr.sqrt(x * 0).sum()), "not finite",
        ("the slope of √x is infinite", "1e-12"),
    ),
    "healthy": (lambda: chain(cr.tanh, 2, 1.0), "fine", ("neither tiny nor huge",)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_reason_is_told(name: str) -> None:
    build, kind, words = CASES[name]
    found = why_gradient(*build())
    text = str(found)
    assert found.kind == kind, text
    for some in words:
        assert some in text, text
    if kind not in ("fine",) and name != "unused":
        assert found.causes
        assert "test_why_gradient.py:" in text


def test_the_healthy_have_no_complaint() -> None:
    loss, parameter = chain(cr.tanh, 3, 1.0)
    assert why_gradient(loss, parameter).causes == ()


def test_gains_are_ratios_of_norms_along_the_path() -> None:
    loss, parameter = chain(cr.tanh, 5, 1.0)
    found = why_gradient(loss, parameter)
    assert [step.node.op.name for step in found.path][-4:] == ["tanh", "matmul", "tanh", "matmul"]
    product = 1.0
    for step in found.path:
        product *= step.gain
        assert step.gain == pytest.approx(step.downstream / step.upstream)
    # one path only, so that its gains multiply to the gradient's norm
    gradient = cr.gradients(loss, parameter).value
    assert product == pytest.approx(np.linalg.norm(gradient), rel=1e-4)
    assert found.norm == pytest.approx(np.linalg.norm(gradient), rel=1e-6)


def test_each_edge_is_a_term_of_the_gradient() -> None:
    x = cr.variable([1.0, 2.0], name="x")
    flow = Flow((x * x + cr.exp(x)).sum(), [x])
    terms = [edge.downstream for edge in flow.edges(x)]
    np.testing.assert_allclose(np.sum(terms, axis=0), 2 * x.value + np.exp(x.value), rtol=1e-6)


# -- what the optimizer says ---------------------------------------------------------------------------------


def told(rate: float, trained: Callable[[Any], list[Any]]) -> WhyGradient:
    layer = cr.nn.Linear(6, 3, seed=0)
    dict(layer.named_parameters())
    loss = cr.cross_entropy(layer(cr.constant(X)), CLASSES)
    return why_gradient(loss, layer.weight, optimizer=cr.optim.SGD(trained(layer), rate))


def test_a_parameter_that_is_trained() -> None:
    found = told(0.1, lambda layer: layer.parameters())
    assert (found.trained, found.causes) == (True, ())


def test_a_parameter_that_is_left_out() -> None:
    found = told(0.1, lambda layer: [layer.bias])
    assert found.trained is False
    assert "not among the optimizer's 1 parameters: frozen, or left out" in str(found)


def test_an_optimizer_of_another_instance() -> None:
    other = cr.nn.Linear(6, 3, seed=1)
    dict(other.named_parameters())
    found = told(0.1, lambda layer: other.parameters())
    assert found.trained is False
    assert "not among the optimizer's parameters; another weight of the same shape is" in str(found)


def test_a_rate_of_zero_is_frozen() -> None:
    found = told(0.0, lambda layer: layer.parameters())
    assert "its learning rate is 0: it is frozen" in str(found)


def test_what_a_model_says() -> None:
    model = cr.nn.Sequential(cr.nn.Linear(6, 4, seed=0).freeze(), cr.nn.ReLU(), cr.nn.Linear(4, 3, seed=1))
    loss = cr.cross_entropy(model(cr.constant(X)), CLASSES)
    frozen, trained = (layer.weight for layer in (model.layers[0], model.layers[2]))
    unnamed = why_gradient(loss, frozen)
    assert str(unnamed).startswith(
        "the gradient of the loss with respect to layers.0's variable of shape (6, 4)"
    )
    optimizer = cr.optim.SGD(model.parameters(), 0.1)
    found = why_gradient(loss, frozen, optimizer=optimizer, model=model)
    assert (found.parameter, found.trained) == ("layers.0.weight", False)
    assert [str(cause) for cause in found.causes] == ["it is frozen: layers.0.weight is fixed in the model"]
    assert why_gradient(loss, trained, optimizer=optimizer, model=model).causes == ()
    other = why_gradient(loss, cr.nn.Linear(6, 4, seed=0).weight, model=model)
    assert "it is no variable of the model, a Sequential: it belongs to another instance" in str(other)


# -- edges ---------------------------------------------------------------------------------------------------


def test_a_fed_placeholder_and_an_inner_node() -> None:
    x = cr.placeholder((2,), name="x")
    h = cr.tanh(x).named("h")
    loss = (h * h).sum()
    assert why_gradient(loss, x, {x: [0.5, -0.5]}).kind == "fine"
    assert why_gradient(loss, h, {x: [0.5, -0.5]}).kind == "fine"


def test_what_is_no_scalar_or_no_node_is_refused() -> None:
    x = cr.variable([1.0, 2.0])
    with pytest.raises(ShapeError, match="is not a scalar"):
        why_gradient(x * 2, x)
    with pytest.raises(ArgumentError, match="is not a node"):
        why_gradient((x * 2).sum(), 3.0)  # type: ignore[arg-type]


def test_a_long_path_is_cut_in_the_middle() -> None:
    loss, parameter = chain(cr.sigmoid, 30, 1.0)
    text = str(why_gradient(loss, parameter))
    assert "more" in text
    assert len(text.splitlines()) < 24


def test_a_parameter_without_entries_is_told_as_such() -> None:
    empty = cr.variable(np.zeros((0, 2)), name="empty")
    why = cr.diagnose.why_gradient(cr.sum(empty * 2), empty)
    assert [(cause.kind, cause.text) for cause in why.causes] == [
        ("empty", "empty has no entries: its shape is (0, 2)")
    ]
