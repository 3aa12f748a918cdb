"""From graph to graph: what flows, what does not and why, to any order, and what users' rules must return."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import differentiate, errors
from chainrule.graph import Op, apply, topological
from chainrule.ops import Composite


def double(value: Any, name: str | None = None) -> cr.Variable:
    return cr.variable(np.asarray(value, np.float64), name=name)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_derivatives_of_any_order(order: int) -> None:
    """The n-th derivative of sin(2x) is 2ⁿ·sin(2x + n·π/2)."""
    x = double(0.7)
    found: cr.Node = cr.sin(2 * x)
    for _ in range(order):
        found = cr.gradients(found, x)
    assert float(found) == pytest.approx(2**order * np.sin(1.4 + order * np.pi / 2), rel=1e-12)


def test_third_derivatives_of_several_variables() -> None:
    """∂³/∂x∂y∂z of x·y²·z³ is 2y·3z²."""
    x, y, z = double(1.5), double(2.0), double(0.5)
    f = x * y**2 * z**3
    assert float(cr.gradients(cr.gradients(cr.gradients(f, x), y), z)) == pytest.approx(2 * 2.0 * 3 * 0.25)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6))
def test_random_graphs_with_shared_nodes(seed: int) -> None:
    """Forward-mode numbers, carried by hand beside the values, against the sweep."""
    rng = np.random.default_rng(seed)
    leaves = [double(value) for value in rng.uniform(0.5, 1.5, 3)]
    nodes: list[cr.Node] = list(leaves)
    values = [leaf.value.item() for leaf in leaves]
    tangents = [np.eye(3)[i] for i in range(3)]
    for _ in range(12):
        i, j = rng.integers(0, len(nodes), 2)
        kind = rng.integers(4)
        if kind == 0:
            nodes.append(nodes[i] + nodes[j])
            values.append(values[i] + values[j])
            tangents.append(tangents[i] + tangents[j])
        elif kind == 1:
            nodes.append(nodes[i] * nodes[j])
            values.append(values[i] * values[j])
            tangents.append(tangents[i] * values[j] + tangents[j] * values[i])
        elif kind == 2:
            nodes.append(cr.tanh(nodes[i]))
            values.append(np.tanh(values[i]))
            tangents.append(tangents[i] * (1 - values[-1] ** 2))
        else:
            nodes.append(nodes[i] / (1 + nodes[j] * nodes[j]))
            scale = 1 + values[j] ** 2
            values.append(values[i] / scale)
            tangents.append(tangents[i] / scale - values[i] * 2 * values[j] * tangents[j] / scale**2)
    found = cr.gradients(nodes[-1], leaves, missing="zero")
    np.testing.assert_allclose([float(g) for g in found], tangents[-1], rtol=1e-9, atol=1e-12)


def test_only_nodes_on_a_path_are_visited() -> None:
    x, y = double(1.0), double(2.0)
    expensive = cr.exp(cr.sin(y))
    gradient = cr.gradients(x * expensive, x)
    assert not any("gradient of sin" in str(node.origin) for node in topological([gradient]))
    assert gradient is cr.gradients(x * expensive, x)


def test_gradients_of_intermediate_nodes_and_of_the_output_itself() -> None:
    x = double(3.0)
    h = x * x
    out = h * h
    assert [float(g) for g in cr.gradients(out, [out, h, x])] == [1.0, 18.0, 108.0]


def test_a_cotangent_weighs_the_outputs() -> None:
    x = double([1.0, 2.0])
    assert cr.gradients(x * x, x, cotangent=[1.0, 10.0]).value.tolist() == [2.0, 40.0]
    with pytest.raises(errors.ShapeError, match=r"the cotangent of multiply has shape \(3,\), not \(2,\)"):
        cr.gradients(x * x, x, cotangent=np.ones(3))


# -- nothing flows ---------------------------------------------------------------------------------------


def test_missing_gradients_are_none_zero_or_an_error() -> None:
    x, y = double([1.0, 2.0], "x"), double(1.0, "y")
    out = y * y
    assert cr.gradients(out, [x, y])[0] is None
    zeros = cr.gradients(out, x, missing="zero")
    assert (zeros.value.tolist(), zeros.dtype.name) == ([0.0, 0.0], "float64")
    with pytest.raises(errors.DerivativeError) as caught:
        cr.gradients(out, [y, x], missing="error")
    assert "no gradient flows from multiply to x: the output does not depend on x" in str(caught.value)
    assert "test_gradients.py:" in str(caught.value)


def test_a_misspelt_word_for_missing_gradients_is_refused_also_where_all_flow() -> None:
    x = double(1.0, "x")
    with pytest.raises(errors.ArgumentError, match=r"missing='zeros' is unknown(?s:.*)'zero'"):
        cr.gradients(x * x, x, missing="zeros")  # type: ignore[call-overload]


REASONS = {
    "independent": (lambda x: double(1.0) * 2, "the output does not depend on x"),
    "rounding": (lambda x: cr.floor(x) * 2, "ends at floor"),
    "stopped": (lambda x: cr.stop_gradient(x) + 1, "ends at stop_gradient"),
    "comparison": (lambda x: cr.where(x > 0, 1.0, 2.0), "whose result is not a float"),
    "integers": (lambda x: cr.sum(x.astype("int64")) * 2.0, "whose result is not a float"),
    "several": (lambda x: cr.floor(x) + cr.ceil(x), "ceil"),
    "integer output": (lambda x: cr.argmax(cr.stack([x, x])), "the output is int64"),
}


@pytest.mark.parametrize("name", REASONS)
def test_the_reason_why_nothing_flows(name: str) -> None:
    make, text = REASONS[name]
    x = double(1.5, "x")
    reason = cr.why_no_gradient(make(x), x)
    assert text in reason
    assert cr.why_no_gradient(x * cr.floor(x), x) is None


def test_what_is_no_float_and_no_node_is_refused() -> None:
    x, i = double(1.0), cr.variable(np.array([1, 2]))
    with pytest.raises(errors.DTypeError, match="is int64; derivatives are of floats"):
        cr.gradients(x * 2, i)
    with pytest.raises(errors.ArgumentError, match="is not a node"):
        cr.gradients(x * 2, [3.0])


# -- composites ------------------------------------------------------------------------------------------


class Scaled(Composite):
    """x·tanh(y), without a derivative of its own."""

    def build(self, x: cr.Node, y: cr.Node) -> cr.Node:
        return x * cr.tanh(y)


class Halved(Composite):
    """x / 2 with a rule of its own, deliberately not its parts': 10 times too large."""

    def build(self, x: cr.Node) -> cr.Node:
        return x / 2

    def vjp(self, ct: cr.Node, out: cr.Node, x: cr.Node) -> tuple[cr.Node]:
        return (ct * 5.0,)


SCALED, HALVED = Scaled(), Halved()


def test_a_composite_is_differentiated_through_its_parts() -> None:
    x, y = double(2.0), double(0.5)
    by_x, by_y = cr.gradients(apply(SCALED, x, y), [x, y])
    assert float(by_x) == pytest.approx(np.tanh(0.5))
    assert float(by_y) == pytest.approx(2 * (1 - np.tanh(0.5) ** 2))


def test_a_composite_given_one_node_twice() -> None:
    x = double(0.5)
    node = apply(SCALED, x, x)
    expected = np.tanh(0.5) + 0.5 * (1 - np.tanh(0.5) ** 2)
    assert float(cr.gradients(node, x)) == pytest.approx(expected)
    second = cr.gradients(cr.gradients(node, x), x)
    slope = 1 - np.tanh(0.5) ** 2
    assert float(second) == pytest.approx(2 * slope - 0.5 * 2 * np.tanh(0.5) * slope)


def test_a_composite_used_twice_and_nested() -> None:
    x, y = double(0.4), double(0.3)
    out = apply(SCALED, apply(SCALED, x, y), apply(SCALED, y, x))
    found = [float(g) for g in cr.gradients(out, [x, y])]

    def value(a: float, b: float) -> float:
        return a * np.tanh(b) * np.tanh(b * np.tanh(a))

    h = 1e-6
    assert found[0] == pytest.approx((value(0.4 + h, 0.3) - value(0.4 - h, 0.3)) / (2 * h), rel=1e-8)
    assert found[1] == pytest.approx((value(0.4, 0.3 + h) - value(0.4, 0.3 - h)) / (2 * h), rel=1e-8)


def test_a_composite_s_own_rule_is_the_one_that_counts() -> None:
    x = double(3.0)
    node = apply(HALVED, x)
    assert (float(node), float(cr.gradients(node, x))) == (1.5, 5.0)


def test_a_composite_whose_value_is_one_of_its_inputs() -> None:
    class Second(Composite):
        def build(self, x: cr.Node, y: cr.Node) -> cr.Node:
            return y

    x, y = double(1.0), double(2.0)
    by_x, by_y = cr.gradients(apply(Second(), x, y) * 3, [x, y])
    assert by_x is None
    assert float(by_y) == 3.0


# -- rules that users write wrongly ------------------------------------------------------------------------


def wrong_op(rule: Any) -> Op:
    class Mine(Op):
        def forward(self, xp: Any, x: Any, y: Any) -> Any:
            return x * y

        def vjp(self, ct: cr.Node, out: cr.Node, x: cr.Node, y: cr.Node) -> Any:
            return rule(ct, x, y)

    return Mine()


WRONG = {
    "one node": (lambda ct, x, y: ct, "the vjp of 'mine' gave 1 result(s) for 2 input(s)"),
    "too many": (lambda ct, x, y: (ct, ct, ct), "the vjp of 'mine' gave 3 result(s) for 2 input(s)"),
    "shape": (
        lambda ct, x, y: (cr.concat([ct, ct]), ct),
        "the vjp of 'mine' gave input 0 a gradient of shape (6,); the input has shape (3,)",
    ),
    "reduced": (
        lambda ct, x, y: (ct, cr.sum(ct)),
        "the vjp of 'mine' gave input 1 a gradient of shape (); the input has shape (3,)",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_rule_is_told_by_op_input_and_line(name: str) -> None:
    rule, text = WRONG[name]
    x, y = double([1.0, 2.0, 3.0]), double([1.0, 2.0, 3.0])
    node = apply(wrong_op(rule), x, y)
    with pytest.raises(errors.DerivativeError) as caught:
        cr.gradients(cr.sum(node), [x, y])
    assert text in str(caught.value)
    assert str(node.origin) in str(caught.value)
    assert caught.value.mend is not None


def test_an_op_without_a_rule_says_so() -> None:
    class Opaque(Op):
        def forward(self, xp: Any, x: Any) -> Any:
            return x * 2

    x = double(1.0)
    node = apply(Opaque(), x)
    with pytest.raises(errors.DerivativeError, match="the op 'opaque' has no derivative rule") as caught:
        cr.gradients(node, x)
    assert str(node.origin) in str(caught.value)


def test_a_broadcast_gradient_is_summed_once_in_the_sweep() -> None:
    """A user's rule may return what broadcasting gave it."""
    x, y = double(np.ones((3, 1))), double(np.ones(4))
    rule = wrong_op(lambda ct, a, b: (ct * b, ct * a))
    by_x, by_y = cr.gradients(cr.sum(apply(rule, x, y)), [x, y])
    assert (by_x.value.tolist(), by_y.value.tolist()) == ([[4.0]] * 3, [3.0] * 4)


# -- pullback, pushforward, Jacobian ------------------------------------------------------------------------


def test_the_pushforward_takes_several_inputs_and_outputs() -> None:
    x, y = double(2.0), double(3.0)
    pushed = differentiate.jvp([x * y, x + y, double(1.0)], [x, y], [cr.constant(10.0), cr.constant(1.0)])
    assert [None if p is None else float(p) for p in pushed] == [32.0, 11.0, None]


def test_the_pullback_adds_the_outputs_up() -> None:
    x = double(2.0)
    square = x * x
    (pulled,) = differentiate.vjp([square, square, x], [cr.constant(1.0)] * 3, [x])
    assert float(pulled) == 9.0


def test_jacobians_of_matrices() -> None:
    x = double(np.arange(6.0).reshape(2, 3))
    found = differentiate.jacobian(cr.matrix_transpose(x) * 2, x)
    assert found.shape == (3, 2, 2, 3)
    expected = np.zeros((3, 2, 2, 3))
    for i, j in np.ndindex(3, 2):
        expected[i, j, j, i] = 2
    np.testing.assert_array_equal(found.value, expected)
    assert differentiate.jacobian(double([1.0]), x).value.tolist() == np.zeros((1, 2, 3)).tolist()
    assert differentiate.jacobian(x[:0], x).shape == (0, 3, 2, 3)


def test_an_observer_sees_every_product_of_the_chain_rule() -> None:
    x, y = double(2.0), double(3.0)
    product = x * y
    out = product + x
    seen: list[tuple[str, int]] = []
    differentiate.sweep(
        {out: cr.constant(1.0)}, [x, y], lambda consumer, index, part: seen.append((consumer.op.name, index))
    )
    assert seen == [("add", 0), ("add", 1), ("multiply", 0), ("multiply", 1)]
