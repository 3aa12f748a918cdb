from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.engines.trace import Trace, step_through
from chainrule.view.page.numeric import Check, Checks

RNG = np.random.default_rng(0)


def checks(output: cr.Node, feed: dict[Any, Any] | None = None) -> dict[str, Check]:
    """The checks by the nodes' names (or ops), those inside composites with their composite's name."""
    trace = step_through(output, feed, inside=True)
    found = Checks(trace)

    def walk(trace: Trace, prefix: str) -> Iterator[tuple[str, Check]]:
        for step in trace:
            check = found.of(trace, step.node)
            if check is not None:
                yield prefix + step.node.label, check
            if step.inside is not None:
                yield from walk(step.inside, f"{prefix}{step.node.label}/")

    return dict(walk(trace, ""))


def smooth() -> tuple[cr.Node, dict[Any, Any]]:
    x = cr.variable(RNG.normal(size=(3, 4)), name="x")
    w = cr.variable(RNG.normal(size=(4, 2)), name="w")
    return cr.tanh(x @ w).sum() + (cr.exp(x) / 7).mean(), {}


def classifier() -> tuple[cr.Node, dict[Any, Any]]:
    net = nn.Sequential(nn.Linear(5, 6, seed=0), nn.Tanh(), nn.Linear(6, 3, seed=1))
    x = cr.placeholder((4, 5), name="x")
    return nn.cross_entropy(net(x), [0, 1, 2, 0]), {x: RNG.normal(size=(4, 5)).astype(np.float32)}


def with_dropout() -> tuple[cr.Node, dict[Any, Any]]:
    """The mask is drawn in float32; the check must not draw another in float64."""
    x = cr.variable(RNG.normal(size=50).astype(np.float32), name="x")
    return (nn.Dropout(0.5)(x, mode=nn.training(cr.random.key(3))) ** 2).sum(), {}


def embedded() -> tuple[cr.Node, dict[Any, Any]]:
    table = cr.variable(RNG.normal(size=(30, 3)), name="table")
    return cr.softmax(cr.take(table, [4, 4, 7], axis=0)).max(axis=1).sum(), {}


def straight_through() -> tuple[cr.Node, dict[Any, Any]]:
    """``stop_gradient`` is a constant, in the numbers too."""
    x = cr.variable([0.3, 1.7], name="x")
    return (x * cr.stop_gradient(x * x)).sum(), {}


@pytest.mark.parametrize("build", [smooth, classifier, with_dropout, embedded, straight_through])
def test_right_rules_agree_entry_by_entry(build: Any) -> None:
    output, feed = build()
    found = checks(output, feed)
    gradient = step_through(output, feed)
    assert all(check.agrees and check.entries is None for check in found.values())
    assert {name for name in found if "/" not in name} == {
        step.node.label for step in gradient if step.gradient is not None
    }
    for step in gradient:
        if step.gradient is not None and step.node.name:
            own = found[step.node.name].numeric
            assert own.shape == step.gradient.shape
            assert np.allclose(own, step.gradient, rtol=1e-4, atol=1e-6)
            assert found[step.node.name].worst == pytest.approx(np.abs(own - step.gradient).max())


class Wrong(cr.Op):
    """x³ whose derivative forgets the factor 3."""

    def forward(self, xp: Any, x: Any) -> Any:
        return x * x * x

    def vjp(self, ct: cr.Node, out: cr.Node, x: cr.Node) -> tuple[cr.Node]:
        return (ct * x * x,)


def test_a_wrong_rule_is_seen_at_its_input_and_below_and_not_above() -> None:
    a = cr.variable([1.0, 2.0], name="a")
    wrong = cr.define_op(Wrong)(cr.multiply(a, 2.0).named("b")).named("c")
    found = checks((wrong * 5).sum())
    assert {name: check.agrees for name, check in found.items()} == {
        "a": False, "b": False, "c": True, "multiply": True, "sum": True,
    }  # fmt: skip
    assert np.allclose(found["b"].numeric, 5 * 3 * np.array([2.0, 4.0]) ** 2)
    assert found["b"].worst == pytest.approx(5 * 2 * 16)


def test_a_kink_is_told_and_blames_nobody() -> None:
    x = cr.variable([1.0, 0.0, -1.0], name="x")
    check = checks(nn.relu(x).sum())["x"]
    assert check.agrees
    assert "no derivative at 1 of them" in check.note
    assert check.worst < 1e-9


def test_what_is_not_finite_is_told() -> None:
    x = cr.variable([0.0, 1.0], name="x")
    check = checks(cr.sqrt(x).sum())["x"]
    assert check.agrees
    assert "not finite at 1 of them" in check.note
    assert np.isfinite(check.worst)


def test_of_large_graphs_some_entries_are_checked_the_largest_among_them() -> None:
    x = cr.variable(RNG.normal(size=(300, 300)), name="x")
    w = cr.variable(RNG.normal(size=(300, 300)), name="w")
    output = cr.tanh(x @ w / 20).sum()
    found = checks(output)
    gradient = np.ravel(step_through(output)[w].gradient)
    entries = found["w"].entries
    assert entries is not None
    assert 1 <= len(entries) < 5000
    assert len(np.unique(entries)) == len(entries) == found["w"].numeric.size
    assert int(np.abs(gradient).argmax()) in entries
    assert np.allclose(found["w"].numeric, gradient[entries], rtol=1e-6, atol=1e-9)
    assert all(check.agrees for check in found.values())


def test_of_very_long_graphs_the_leaves_come_first() -> None:
    h = x = cr.variable(RNG.normal(size=4) * 0.1, name="x")
    for _ in range(3000):
        h = h * 1.0001 + x * 1e-5
    found = checks(h.sum())
    assert found["x"].agrees
    assert len(found) < 3000


def test_rounding_in_float32_is_told_apart_from_a_wrong_rule() -> None:
    """(x + 10⁷) - 10⁷ loses x in float32, and so does its exponential's derivative, by a right rule."""
    x = cr.variable(np.array([0.3], np.float32), name="x")
    check = checks(cr.exp((x + 1e7) - 1e7).sum())["x"]
    assert check.agrees
    assert "rounding in float32" in check.note
    assert check.worst > 0.1


def test_a_nudge_that_moves_an_index_out_of_its_range_is_no_error() -> None:
    def looked_up(value: float) -> Check:
        x = cr.variable(value, "float64", name="x")
        return checks(cr.take(cr.constant([1.0, 5.0]), cr.astype(x, "int32"), axis=0) * x)["x"]

    near = looked_up(1.9999)  # a finer step stays inside
    assert near.agrees
    assert near.numeric == pytest.approx(5.0)
    assert "not finite at 1 of them" in looked_up(2 - 1e-9).note
