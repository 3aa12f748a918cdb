"""The lectures' examples of graphs and gradients, row by row."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.graph import topological
from chainrule.ops import Elementwise

Array = np.ndarray[Any, Any]


def named(**values: float) -> list[cr.Variable]:
    return [cr.variable(value, "float64", name=name) for name, value in values.items()]


def count(op: str, *outputs: cr.Node) -> int:
    return sum(node.op.name == op for node in topological(outputs))


def test_a_small_loss_stepped_node_by_node() -> None:
    """L = c(a + 2b) at a=3, b=1, c=-2: forward d=2, e=5, L=-10; backward -2, -4, 5."""
    a, b, c = named(a=3.0, b=1.0, c=-2.0)
    d = (2 * b).named("d")
    e = (a + d).named("e")
    loss = (c * e).named("L")
    trace = cr.step_through(loss)
    values = {step.node.label: step.value.item() for step in trace.forward}
    gradients = {step.node.label: step.gradient.item() for step in trace.backward}
    assert {name: values[name] for name in "abcdeL"} == {"a": 3, "b": 1, "c": -2, "d": 2, "e": 5, "L": -10}
    assert gradients == {"L": 1, "c": 5, "e": -2, "a": -2, "d": -2, "b": -4}
    (along,) = trace[b].contributions
    assert (along.consumer, along.upstream, along.local, along.downstream) == (d, -2, 2, -4)


def test_the_passes_run_in_topological_order_and_in_reverse() -> None:
    """Algorithms 5.3 and 5.4: every node after its inputs, every gradient after its consumers'."""
    x, y, z = named(x=1.0, y=2.0, z=0.5)
    out = cr.tanh(x * y + z) * (x + cr.exp(z))
    trace = cr.step_through(out)
    forward = {step.node: place for place, step in enumerate(trace.forward)}
    backward = {step.node: place for place, step in enumerate(trace.backward)}
    assert all(forward[child] < forward[node] for node in forward for child in node.inputs)
    for step in trace.backward:
        assert all(backward[part.consumer] < backward[step.node] for part in step.contributions)
        if step.contributions:
            total = sum(part.downstream for part in step.contributions)
            assert step.gradient == pytest.approx(total)


def test_gradients_of_two_consumers_are_added() -> None:
    """f = (x + y)·max(y, z) at (1, 2, 0): a=3, b=2, f=6; gradient (2, 5, 0), and y receives 2 + 3."""
    x, y, z = named(x=1.0, y=2.0, z=0.0)
    a, b = x + y, cr.maximum(y, z)
    f = a * b
    trace = cr.step_through(f)
    assert [trace[node].value.item() for node in (a, b, f)] == [3, 2, 6]
    assert [trace[leaf].gradient.item() for leaf in (x, y, z)] == [2, 5, 0]
    received = {part.consumer: part.downstream.item() for part in trace[y].contributions}
    assert received == {a: 2, b: 3}
    assert "2 × 1  +  " in str(trace) or "3 × 1  +  " in str(trace)


def test_a_common_product_is_one_node() -> None:
    """(a·b + 1)(a·b + 2): a·b is computed once."""
    a, b = named(a=3.0, b=4.0)
    f = (a * b + 1) * (a * b + 2)
    assert sum(node.inputs == (a, b) for node in topological([f])) == 1
    assert float(f) == 13 * 14
    assert [float(g) for g in cr.gradients(f, [a, b])] == [4 * (13 + 14), 3 * (13 + 14)]


@pytest.mark.parametrize("at", [-0.7, 0.0, 0.3, 0.9])
def test_the_exponential_of_a_product(at: float) -> None:
    """z = exp(y₁y₂), y₁ = 2x, y₂ = x²: dz/dx = 6x²·exp(2x³), d²z/dx² = (12x + 36x⁴)·exp(2x³)."""
    (x,) = named(x=at)
    z = cr.exp((2 * x) * (x * x))
    first = cr.gradients(z, x)
    second = cr.gradients(first, x)
    assert float(first) == pytest.approx(6 * at**2 * np.exp(2 * at**3), rel=1e-14)
    assert float(second) == pytest.approx((12 * at + 36 * at**4) * np.exp(2 * at**3), rel=1e-13)


def test_the_slope_of_a_cube_and_the_differences_that_show_it() -> None:
    """x³ has slope 3 at 1 and 48 at 4; a step of 0.01 gives about 1.03 and 64.48."""

    def cube(x: Any) -> Any:
        return x**3

    slope = cr.grad(cube)
    assert (float(slope(1.0)), float(slope(4.0))) == (3.0, 48.0)
    assert round(1.01**3, 2) == 1.03
    assert round(4.01**3, 2) == 64.48
    for at in (1.0, 4.0):
        x = np.float64(at)
        numeric = (cube(x + 1e-5) - cube(x - 1e-5)) / 2e-5
        assert float(slope(x)) == pytest.approx(numeric, rel=1e-9)


def test_the_derivative_of_pick_is_one_hot() -> None:
    x = cr.variable(np.arange(8.0))
    gradient = cr.gradients(cr.pick(x, 5), x)
    assert gradient.value.tolist() == [0, 0, 0, 0, 0, 1, 0, 0]
    np.testing.assert_array_equal(gradient.value, cr.one_hot(5, 8).value)


def test_the_derivative_of_a_rectifier() -> None:
    x = cr.variable([-2.0, -0.5, 0.5, 2.0])
    assert cr.gradients(cr.sum(cr.maximum(0, x)), x).value.tolist() == [0, 0, 1, 1]


def test_logistic_regression() -> None:
    """∂L/∂wⱼ = (σ(w·x + b) - y)·xⱼ."""
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=5), cr.variable(rng.normal(size=5)), cr.variable(np.float64(0.3))
    for y in (0.0, 1.0):
        p = cr.sigmoid(cr.vecdot(w, x) + b)
        loss = -(y * cr.log(p) + (1 - y) * cr.log(1 - p))
        by_w, by_b = cr.gradients(loss, [w, b])
        sigma = 1 / (1 + np.exp(-(w.value @ x + b.value)))
        np.testing.assert_allclose(by_w.value, (sigma - y) * x, rtol=1e-12)
        np.testing.assert_allclose(by_b.value, sigma - y, rtol=1e-12)


class Window:
    """s = uᵀf(Wx + b) with n = 8 hidden units over m = 20 numbers."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        self.x = cr.variable(rng.normal(size=20), name="x")
        self.W = cr.variable(rng.normal(size=(8, 20)) * 0.3, name="W")
        self.b = cr.variable(rng.normal(size=8), name="b")
        self.u = cr.variable(rng.normal(size=8), name="u")
        self.z = self.W @ self.x + self.b
        self.h = cr.tanh(self.z)
        self.s = self.u @ self.h
        self.delta = self.u.value * (1 - np.tanh(self.z.value) ** 2)


def test_the_score_of_a_window() -> None:
    """∂s/∂b = u ∘ f′(z) = δ and ∂s/∂W = δ·xᵀ, of shapes 8 and 8 × 20; ∂s/∂x = Wᵀδ."""
    net = Window()
    by_b, by_w, by_x, by_u = cr.gradients(net.s, [net.b, net.W, net.x, net.u])
    assert (by_b.shape, by_w.shape) == ((8,), (8, 20))
    np.testing.assert_allclose(by_b.value, net.delta, rtol=1e-12)
    np.testing.assert_allclose(by_w.value, np.outer(net.delta, net.x.value), rtol=1e-12)
    np.testing.assert_allclose(by_x.value, net.W.value.T @ net.delta, rtol=1e-12)
    np.testing.assert_allclose(by_u.value, net.h.value, rtol=1e-12)


def test_the_error_signal_is_computed_once() -> None:
    """The nodes of ∂s/∂b are all among those of ∂s/∂W: δ is reused, not computed again."""
    net = Window()
    by_b, by_w = cr.gradients(net.s, [net.b, net.W])
    assert by_b in set(topological([by_w]))
    both, alone = len(topological([by_b, by_w])), len(topological([by_w]))
    assert both == alone
    assert count("tanh", by_b, by_w) == 1


def test_jacobians() -> None:
    """Elementwise → diag(f′(z)); Wx + b → W and I; uᵀh → hᵀ."""
    net = Window()
    z, h = net.z.value, net.h.value
    assert_close = np.testing.assert_allclose
    assert_close(cr.jacobian(cr.tanh)(z), np.diag(1 - np.tanh(z) ** 2), rtol=1e-12, atol=1e-15)
    affine = cr.jacobian(lambda x, b: net.W.value @ x + b, argnums=0)
    assert_close(affine(net.x.value, net.b.value), net.W.value)
    shift = cr.jacobian(lambda x, b: net.W.value @ x + b, argnums=1)
    assert_close(shift(net.x.value, net.b.value), np.eye(8))
    assert_close(cr.jacobian(lambda u: u @ h)(net.u.value), h)


def test_the_shape_convention() -> None:
    """Every gradient has the shape of what it is the gradient of, through broadcasting too."""
    rng = np.random.default_rng(2)
    shapes = [(4, 3), (3, 5), (5,), (1, 5), (4, 1), (), (1,)]
    leaves = [cr.variable(rng.normal(size=shape)) for shape in shapes]
    x, w, *others = leaves
    total = cr.tanh(x @ w)
    for other in others:
        total = total * other + other
    gradients = cr.gradients(cr.mean(total), leaves)
    assert [gradient.shape for gradient in gradients] == shapes
    assert [gradient.value.shape for gradient in gradients] == shapes


ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Array], Array], Callable[[Array], Array]]] = {
    "tanh": (cr.tanh, np.tanh, lambda a: 1 - np.tanh(a) ** 2),
    "sigmoid": (
        cr.sigmoid,
        lambda a: 1 / (1 + np.exp(-a)),
        lambda a: np.exp(-a) / (1 + np.exp(-a)) ** 2,
    ),
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("widths", [(3, 4, 2), (5, 4, 3, 4, 2), (2, 6, 6, 6, 6, 1)])
def test_bishop_s_recursion_of_the_error_signal(activation: str, widths: tuple[int, ...]) -> None:
    """aⱼ = Σᵢ wⱼᵢzᵢ, zⱼ = h(aⱼ); δₖ = yₖ - tₖ at the outputs, δⱼ = h′(aⱼ)·Σₖ wₖⱼδₖ; ∂E/∂wⱼᵢ = δⱼzᵢ.

    By hand, one example at a time, against the graph's gradient of E = ½ Σ (yₖ - tₖ)².
    """
    f, h, slope = ACTIVATIONS[activation]
    rng = np.random.default_rng(len(widths))
    weights = [rng.normal(size=(n, m)) for m, n in pairwise(widths)]
    x, target = rng.normal(size=widths[0]), rng.normal(size=widths[-1])

    leaves = [cr.variable(w) for w in weights]
    z: Any = x
    for leaf in leaves[:-1]:
        z = f(leaf @ z)
    error = cr.sum(cr.square(leaves[-1] @ z - target)) / 2

    units, sums = [x], []
    for number, w in enumerate(weights):
        sums.append(w @ units[-1])
        units.append(sums[-1] if number == len(weights) - 1 else h(sums[-1]))
    delta = units[-1] - target
    by_hand: list[Array] = []
    for layer in reversed(range(len(weights))):
        by_hand.insert(0, np.array([[d * u for u in units[layer]] for d in delta]))
        if layer:
            delta = slope(sums[layer - 1]) * (weights[layer].T @ delta)

    for found, expected in zip(cr.gradients(error, leaves), by_hand, strict=True):
        np.testing.assert_allclose(found.value, expected, rtol=1e-11, atol=1e-14)


class Softsign(Elementwise):
    """x / (1 + |x|): a user's own elementwise op of two methods."""

    def forward(self, xp: Any, x: Any) -> Any:
        return x / (1 + xp.abs(x))

    def vjp(self, ct: cr.Node, out: cr.Node, x: cr.Node) -> tuple[cr.Node]:
        return (ct / cr.square(1 + cr.abs(x)),)


class Distance(cr.Op):
    """√Σ(x - y)²: an op of two methods and no shape rule."""

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return xp.sqrt(xp.sum((x - y) ** 2))

    def vjp(self, ct: cr.Node, out: cr.Node, x: cr.Node, y: cr.Node) -> tuple[cr.Node, cr.Node]:
        towards = ct * (x - y) / out
        return towards, -towards


def test_a_new_kind_of_node_needs_two_methods() -> None:
    x = cr.variable(np.array([3.0, -1.0]))
    softsign = cr.graph.apply(Softsign(), x)
    assert softsign.value.tolist() == [0.75, -0.5]
    first = cr.gradients(cr.sum(softsign), x)
    np.testing.assert_allclose(first.value, [1 / 16, 1 / 4])
    np.testing.assert_allclose(cr.gradients(cr.sum(first), x).value, [-2 / 64, 2 / 8])


def test_an_op_without_a_shape_rule_is_run_once_to_find_it() -> None:
    x, y = cr.variable(np.array([3.0, 4.0])), cr.variable(np.zeros(2))
    distance = cr.graph.apply(Distance(), x, y)
    assert (distance.shape, distance.dtype.name, float(distance)) == ((), "float64", 5.0)
    by_x, by_y = cr.gradients(distance, [x, y])
    np.testing.assert_allclose(by_x.value, [0.6, 0.8])
    np.testing.assert_allclose(by_y.value, [-0.6, -0.8])
    hessian = cr.differentiate.jacobian(by_x, x).value
    np.testing.assert_allclose(hessian, (np.eye(2) - np.outer([0.6, 0.8], [0.6, 0.8])) / 5, atol=1e-15)


def test_skip_connections_and_shared_weights() -> None:
    """h ← h + tanh(W·h), with the same W at every layer: the gradient is the sum over its uses."""
    rng = np.random.default_rng(5)
    start, w = rng.normal(size=3), cr.variable(rng.normal(size=(3, 3)) * 0.5)
    copies = [cr.variable(w.value) for _ in range(3)]

    def network(matrices: list[cr.Variable]) -> cr.Node:
        h: Any = cr.constant(start)
        for matrix in matrices:
            h = h + cr.tanh(matrix @ h)
        return cr.sum(h * h)

    shared = cr.gradients(network([w] * 3), w)
    apart = cr.gradients(network(copies), copies)
    np.testing.assert_allclose(shared.value, sum(g.value for g in apart), rtol=1e-12)


def test_a_graph_with_unbound_inputs_is_built_differentiated_and_then_given_values() -> None:
    """Figure 5.1: a tagger over three words, with the expected tag and the loss still unbound."""
    words = cr.placeholder((3,), "int64", name="words")
    gold = cr.placeholder((), "int64", name="gold")
    rng = np.random.default_rng(3)
    table = cr.variable(rng.normal(size=(10, 4)), name="E")
    hidden, out = cr.variable(rng.normal(size=(5, 12)), name="W1"), cr.variable(rng.normal(size=(6, 5)))
    scores = out @ cr.tanh(hidden @ cr.reshape(cr.take(table, words, axis=0), -1))
    p = cr.exp(scores) / cr.sum(cr.exp(scores))
    loss = -cr.log(cr.pick(p, gold))
    gradient = cr.gradients(loss, scores)
    value, delta, distribution = cr.evaluate([loss, gradient, p], feed={words: [3, 1, 4], gold: 2})
    assert distribution.sum() == pytest.approx(1)
    assert value == pytest.approx(-np.log(distribution[2]))
    np.testing.assert_allclose(delta, distribution - np.eye(6)[2], atol=1e-12)
