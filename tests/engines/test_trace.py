"""Traces: every value and every product of the chain rule."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import errors


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
