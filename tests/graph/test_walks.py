"""Walks: order, consumers, paths; and chains so long that recursion would end the process."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.graph import consumers, depending_on, format_graph, interning, rebuild, substitute, topological
from chainrule.ops import expand


def random_graph(seed: int, size: int) -> list[cr.Node]:
    rng = np.random.default_rng(seed)
    nodes: list[cr.Node] = [cr.variable(float(i)) for i in range(3)]
    for _ in range(size):
        a, b = rng.integers(0, len(nodes), 2)
        nodes.append([cr.add, cr.multiply, cr.maximum][rng.integers(3)](nodes[a], nodes[b]))
    return nodes


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10**6), size=st.integers(0, 40))
def test_every_node_comes_once_and_after_its_inputs(seed: int, size: int) -> None:
    nodes = random_graph(seed, size)
    order = topological(nodes[-2:])
    place = {node: number for number, node in enumerate(order)}
    assert len(place) == len(order)
    assert all(place[child] < place[node] for node in order for child in node.inputs)
    reached, stack = set(), list(nodes[-2:])
    while stack:
        node = stack.pop()
        reached.add(node)
        stack.extend(node.inputs)
    assert reached == set(order)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), size=st.integers(1, 30))
def test_consumers_and_dependants(seed: int, size: int) -> None:
    nodes = random_graph(seed, size)
    order = topological([nodes[-1]])
    table = consumers(order)
    assert sum(map(len, table.values())) == sum(len(node.inputs) for node in order)
    assert all(child in reader.inputs for child, readers in table.items() for reader in readers)
    leaf = order[0]
    expected = {leaf}
    for node in order:
        if set(node.inputs) & expected:
            expected.add(node)
    assert depending_on(order, [leaf]) == expected


def test_a_stop_keeps_the_walk_out() -> None:
    x = cr.variable(1.0)
    middle = cr.sin(x)
    assert topological([cr.cos(middle)], stop=lambda node: node is middle) == [middle, cr.cos(middle)]


def test_the_order_depends_on_the_structure_alone() -> None:
    """Not on which node happened to be built first."""
    a, b = cr.variable(1.0), cr.variable(2.0)
    right = b * b
    left = a * a
    assert topological([left + right]) == [a, left, b, right, left + right]


def test_rebuild_visits_bottom_up_and_shares() -> None:
    x = cr.variable(2.0)
    shared = x * x
    seen = []

    def visit(node: cr.Node, inputs: tuple[cr.Node, ...]) -> cr.Node:
        seen.append(node)
        return node

    assert rebuild([shared + shared], visit) == [shared + shared]
    assert seen == [x, shared, shared + shared]


def test_substitution_puts_nodes_for_nodes() -> None:
    x, y = cr.variable(2.0), cr.variable(5.0)
    inner = x * x
    first, second = substitute([inner + 1, x], {inner: y})
    assert (float(first), second) == (6.0, x)


def chain(length: int) -> tuple[cr.Variable, cr.Node]:
    x = cr.variable(np.full(2, 0.5))
    h: cr.Node = x
    for _ in range(length):
        h = cr.sin(h)
    return x, cr.sum(h)


@pytest.mark.parametrize("length", [30_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_a_long_chain_is_built_differentiated_evaluated_and_freed(length: int) -> None:
    gc.collect()
    before = len(interning._table)
    x, out = chain(length)
    gradient = cr.gradients(out, x)
    value, slope = cr.evaluate([out, gradient])
    expected, product = np.full(2, 0.5), np.ones(2)
    for _ in range(length):
        product = product * np.cos(expected)
        expected = np.sin(expected)
    np.testing.assert_allclose(value, expected.sum(), rtol=1e-9)
    np.testing.assert_allclose(slope, product, rtol=1e-9)
    del out, gradient
    gc.collect()
    assert len(interning._table) == before


def test_every_walk_takes_a_long_chain() -> None:
    x, out = chain(5_000)
    y = cr.variable(np.full(2, 0.25))
    assert len(topological(substitute([out], {x: y}))) == 5_002
    assert expand([out]) == [out]
    assert format_graph(out, origins=False).count("\n") == 5_001
    assert len(cr.step_through(out)) == 5_002
    assert cr.why_no_gradient(out, x) is None


def test_a_wide_graph_of_shared_nodes_is_walked_once() -> None:
    """Sixty doublings are 2^60 paths, and sixty nodes."""
    x = cr.variable(1.0, dtype="float64")
    h: cr.Node = x
    for _ in range(60):
        h = h + h
    assert len(topological([h])) == 61
    assert float(cr.gradients(h, x)) == 2.0**60
