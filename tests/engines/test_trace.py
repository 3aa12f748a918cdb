"""Traces: every value and every product of the chain rule."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import errors
from chainrule.engines.trace import Trace
from chainrule.ops import Composite


def double(value: object, name: str) -> cr.Variable:
    return cr.variable(np.asarray(value, np.float64), name=name)


def test_gradients_of_a_trace_are_those_of_the_sweep() -> None:
    rng = np.random.default_rng(0)
    x, w, b = (
        double(rng.normal(size=(4, 3)), "x"),
        double(rng.normal(size=(3, 2)), "w"),
        double([0.1, 0.2], "b"),
    )
    loss = cr.mean(cr.square(cr.tanh(x @ w + b) - 0.5))
    trace = cr.step_through(loss)
    for leaf in (x, w, b):
        np.testing.assert_array_equal(trace[leaf].gradient, cr.gradients(loss, leaf).value)
    for step in trace:
        np.testing.assert_array_equal(step.value, step.node.value)
        if step.contributions:
            np.testing.assert_allclose(step.gradient, sum(part.downstream for part in step.contributions))


def test_local_derivatives_times_upstream_are_downstream() -> None:
    """Where the op is elementwise and nothing is broadcast."""
    x, y = double([1.0, 2.0], "x"), double([3.0, 0.5], "y")
    trace = cr.step_through(cr.sum(cr.exp(x * y) / y))
    checked = 0
    for step in trace:
        for part in step.contributions:
            if part.local is not None:
                np.testing.assert_allclose(part.upstream * part.local, part.downstream)
                checked += 1
    assert checked == 5


def test_one_node_read_twice_by_the_same_consumer() -> None:
    x = double(3.0, "x")
    trace = cr.step_through(x * x)
    assert [(part.index, part.downstream.item()) for part in trace[x].contributions] == [(0, 3.0), (1, 3.0)]
    assert trace[x].gradient.item() == 6.0


def test_constants_and_integers_have_no_gradient() -> None:
    x, i = double([1.0, 2.0], "x"), cr.constant([1, 0])
    trace = cr.step_through(cr.sum(cr.take(x, i, axis=0) * 2.0))
    assert trace[i].gradient is None
    assert trace[x].gradient.tolist() == [2.0, 2.0]
    assert all(step.gradient is not None for step in trace.backward)
    assert len(trace) == len(list(trace)) == len(trace.forward)


def test_feeds_and_unfolding() -> None:
    x, y = cr.placeholder((2, 3), name="x"), cr.placeholder((3,), name="y")
    loss = cr.sum(cr.einsum("ij,j->i", x, y))
    feed = {x: np.ones((2, 3)), y: np.arange(3.0)}
    whole, parts = cr.step_through(loss, feed), cr.step_through(loss, feed, unfold=True)
    assert "einsum" in {step.node.op.name for step in whole}
    assert "einsum" not in {step.node.op.name for step in parts}
    np.testing.assert_array_equal(whole[y].gradient, [2, 2, 2])
    np.testing.assert_array_equal(parts[y].gradient, [2, 2, 2])


def test_the_table_letter_by_letter() -> None:
    x, y, z = double(1.0, "x"), double(2.0, "y"), double(0.0, "z")
    trace = cr.step_through(((x + y).named("a") * cr.maximum(y, z).named("b")).named("f"))
    assert str(trace) == (
        "node  rule       value  upstream × local       gradient\n"
        "───────────────────────────────────────────────────────\n"
        "x                1      a: 2 × 1               2\n"
        "y                2      b: 3 × 1  +  a: 2 × 1  5\n"
        "a     x + y      3      f: 1 × 2               2\n"
        "z                0      b: 3 × 0               0\n"
        "b     max(y, z)  2      f: 1 × 3               3\n"
        "f     a * b      6                             1"
    )


@pytest.mark.parametrize("make", [lambda x: x * 2, lambda x: cr.sum(x > 0)], ids=["vector", "integer"])
def test_only_float_scalars_are_stepped_through(make: object) -> None:
    x = double([1.0, 2.0], "x")
    with pytest.raises(errors.ShapeError, match="is not a scalar of a float type") as caught:
        cr.step_through(make(x))  # type: ignore[operator]
    assert "test_trace.py:" in str(caught.value)


def test_composites_are_followed_inside_from_their_own_gradient() -> None:
    """What the parts pass on to an input adds up to what the composite passes on, at every depth."""
    x = cr.variable(np.random.default_rng(0).normal(size=(2, 5)), name="x")
    h = cr.nn.gelu(x)
    # Inputs that depend on each other: inside, each counts as given.
    mixed = cr.functions.scaled_dot_product_attention(h, cr.tanh(h), cr.exp(cr.tanh(h)))
    loss = cr.cross_entropy(h, [1, 3]) + (cr.softmax(h) * mixed).sum()
    plain, trace = cr.step_through(loss), cr.step_through(loss, inside=True)
    opened = 0

    def walk(trace: Trace, given: frozenset[cr.Node]) -> None:
        nonlocal opened
        for step in trace:
            if step.inside is None:
                assert step.node in given or not isinstance(step.node.op, Composite)
                continue
            opened += 1
            inner = step.inside
            assert inner[inner.output].value.tobytes() == step.value.tobytes()
            assert inner[inner.output].gradient.tobytes() == step.gradient.tobytes()
            for child in dict.fromkeys(step.node.inputs):
                outer = [c for c in trace[child].contributions if c.consumer is step.node]
                found = [c.downstream for c in inner[child].contributions] if outer else []
                assert np.allclose(sum(c.downstream for c in outer), sum(found), rtol=1e-12, atol=1e-14)
            walk(inner, frozenset(step.node.inputs))

    walk(trace, frozenset())
    assert opened >= 3
    for step, other in zip(plain, trace, strict=True):  # and outside nothing is another
        assert step.node is other.node
        assert step.inside is None
        assert step.value.tobytes() == other.value.tobytes()


def test_the_nodes_of_a_trace_are_those_that_the_sweep_wrote() -> None:
    x = cr.variable([0.5, -1.0], name="x")
    trace = cr.step_through((cr.tanh(x) * x).sum())
    for step in trace.backward:
        assert cr.evaluate(step.cotangent).tobytes() == step.gradient.tobytes()
        for c in step.contributions:
            assert cr.evaluate(c.graph.downstream).tobytes() == c.downstream.tobytes()
            assert cr.evaluate(c.graph.upstream).tobytes() == c.upstream.tobytes()
            assert trace[c.consumer].cotangent is c.graph.upstream
            assert (c.graph.consumer, c.graph.index) == (c.consumer, c.index)
            assert (c.local is None) == (c.graph.local is None)


def test_inside_a_composite_nothing_flows_where_nothing_flows_to_it() -> None:
    x, y = cr.variable([1.0, 2.0], name="x"), cr.variable(3.0, name="y")
    trace = cr.step_through((cr.stop_gradient(cr.softmax(x)) * y).sum(), inside=True)
    (softmax,) = [step for step in trace if step.node.op.name == "softmax"]
    assert softmax.gradient is None
    assert softmax.inside is not None
    assert all(step.gradient is None for step in softmax.inside)


def test_what_is_no_node_is_told() -> None:
    with pytest.raises(errors.ArgumentError, match=r"step_through: 3\.0 is not a node"):
        cr.step_through(3.0)  # type: ignore[arg-type]


def test_a_feed_that_is_no_mapping_is_told() -> None:
    x = cr.placeholder((), name="x")
    with pytest.raises(errors.ArgumentError, match="feed: a mapping is wanted, got list"):
        cr.step_through(x * x, [1.0])  # type: ignore[arg-type]
