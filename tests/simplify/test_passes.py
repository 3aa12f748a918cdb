from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.engines.stepper import Stepper
from chainrule.rewrite import Journal
from chainrule.simplify import GROUPS, simplify
from chainrule.simplify.language import show

from .comparing import awkward, identical, op_names, same_bits, values


def test_composites_are_opened_and_the_whole_is_in_its_final_form() -> None:
    x, t = cr.placeholder((4, 3), name="x"), cr.placeholder((4,), "int64", name="t")
    loss = cr.cross_entropy(cr.relu(x), t)
    found = simplify([loss, cr.gradients(loss, x)])
    assert not any(isinstance(node.op, cr.ops.Composite) for node in cr.graph.topological(found.outputs))
    again = simplify(found.outputs)
    assert identical(again.outputs, found.outputs)
    assert len(again.journal) == 0


def test_outputs_and_updates_keep_their_places() -> None:
    a, b = cr.variable(1.0, name="a"), cr.variable(2.0, name="b")
    found = simplify([a * 1, b, a * 1], {b: a + b * 1, a: a})
    assert identical(found.outputs, [a, b, a])
    assert list(found.updates) == [b, a]
    assert found.updates[a] is a
    assert simplify([]).outputs == []


def test_groups_choose_rules_by_what_they_may_change() -> None:
    x = cr.placeholder((2,), name="x")
    node = cr.log(cr.exp((x + 0) * 3 * 5) * 1)
    counts = {group: len(simplify([node], groups=[group]).journal) for group in GROUPS}
    assert counts == {
        "exact": 1, "signed zeros": 1, "rounding": 1, "stability": 0, "sparsity": 0, "pooling": 0
    }  # fmt: skip
    assert show(simplify([node]).outputs[0]) == "multiply(x, 15.0)"
    assert identical(simplify([node], groups=[]).outputs, [node])


def test_nodes_that_rules_build_are_written_where_the_old_one_was() -> None:
    x = cr.placeholder((2,), name="x")
    node = cr.log(cr.sigmoid(x))
    (found,) = simplify([node]).outputs
    assert found.origin.line == node.origin.line
    assert found.origin.derived == "simplified"


def test_the_journal_reads_as_text() -> None:
    x = cr.placeholder((2, 3), name="x")
    journal = simplify([cr.exp(x * 1) + (x * 1) * (-cr.square(x) * 1)]).journal
    assert isinstance(journal, Journal)
    assert str(journal) == (
        "exact: x * 1 = x  (2 times)\n      multiply(x, 1.0)\n    → x\n"
        "exact: (-x) * y = -(x * y)\n"
        "      multiply(x, negative(square(x)))\n    → negative(multiply(square(x), x))\n"
        "exact: x + (-y) = x - y\n"
        "      add(exp(x), negative(multiply(square⟨2×3⟩, x)))\n"
        "    → subtract(exp(x), multiply(square(x), x))"
    )


def test_a_chain_of_ten_thousand_nodes() -> None:
    x = cr.placeholder((3,), "float64", name="x")
    node = x
    for _ in range(5_000):
        node = -(node * 1.0)
    assert identical(simplify([node]).outputs, [x])
    node = x
    for _ in range(10_000):
        node = cr.sin(node)
    assert identical(simplify([node]).outputs, [node])


def test_a_training_step_is_worth_the_same() -> None:
    rng = np.random.default_rng(0)
    x, t = cr.placeholder((6, 5), "float64", name="x"), cr.placeholder((6,), "int64", name="t")
    first, second = (cr.variable(rng.normal(size=shape)) for shape in ((5, 4), (4, 3)))
    key = cr.random.key(0)
    loss = cr.cross_entropy(cr.dropout(cr.tanh(x @ first), 0.3, key) @ second, t)
    updates = cr.optim.Adam([first, second], 0.1).updates(loss)
    feed = {x: rng.normal(size=(6, 5)), t: rng.integers(0, 3, 6)}
    start = {v: v.array.copy() for v in updates}
    plain = Stepper([loss], updates)
    wanted = [float(plain.run(dict(feed))[0]) for _ in range(5)]
    after = {v: v.array.copy() for v in updates}
    for v, array in start.items():
        v.assign(array)
    found = simplify([loss], updates)
    step = Stepper(found.outputs, found.updates)
    np.testing.assert_allclose([float(step.run(dict(feed))[0]) for _ in range(5)], wanted, rtol=1e-12)
    for v, array in after.items():
        np.testing.assert_allclose(v.array, array, rtol=1e-10, atol=1e-14)


# -- random graphs -----------------------------------------------------------------------------------------

X = cr.placeholder((2, 3), "float64", name="x")
ROW = cr.placeholder((3,), "float64", name="row")
COLUMN = cr.placeholder((2, 1), "float64", name="column")
TRUTH = cr.placeholder((2, 3), "bool", name="truth")
INDEX = cr.placeholder((2, 1), "int64", name="index")

UNARY = [
    lambda a: -a, abs, cr.square, cr.exp, cr.tanh, cr.stop_gradient,
    lambda a: a.reshape(3, 2).reshape(2, 3), lambda a: a.T.reshape(2, 3).T.T.reshape(2, 3),
    lambda a: cr.concat([a[:1], a[1:]]), lambda a: cr.concat([a, a], axis=1)[:, 3:],
    lambda a: cr.broadcast_to(cr.max(a, axis=1, keepdims=True), (2, 3)),
    lambda a: cr.broadcast_to(cr.sum(a, axis=0), (2, 3)), lambda a: a[::-1][::-1], lambda a: a[:, ::-1],
    lambda a: a**0, lambda a: a**1, lambda a: 1.0 - a, lambda a: cr.maximum(a, 0),
    lambda a: a.astype("float64"),
    lambda a: cr.broadcast_to(cr.argmax(a, axis=1, keepdims=True), (2, 3)).astype("float64"),
]  # fmt: skip
BINARY = [
    lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b, cr.maximum, cr.minimum,
    lambda a, b: cr.where(TRUTH, a, b), lambda a, b: cr.where(cr.logical_not(TRUTH), a, b),
    lambda a, b: cr.where(cr.greater(a, b), a, b), lambda a, b: cr.maximum(cr.maximum(a, b), b),
]  # fmt: skip
LEAVES = [
    X, cr.broadcast_to(ROW, (2, 3)), cr.broadcast_to(COLUMN, (2, 3)), X + ROW, COLUMN * X,
    *[cr.constant(np.full((2, 3), value)) for value in (0.0, -0.0, 1.0, -1.0, 2.0, 3.0, np.inf)],
    *[cr.broadcast_to(cr.constant(value, "float64"), (2, 3)) for value in (0.0, 1.0, -4.0)],
]  # fmt: skip
SPARSE = [
    cr.scatter_along_axis(COLUMN, INDEX, axis=1, length=3), cr.one_hot(INDEX[:, 0], 3, "float64"),
]  # fmt: skip


def graphs(leaves, unary=UNARY, binary=BINARY):
    return st.recursive(
        st.sampled_from(leaves),
        lambda inner: st.one_of(
            st.builds(lambda f, a: f(a), st.sampled_from(unary), inner),
            st.builds(lambda f, a, b: f(a, b), st.sampled_from(binary), inner, inner),
        ),
        max_leaves=10,
    )


def feed_of(seed: int, numbers) -> dict:
    rng = np.random.default_rng(seed)
    feed = {leaf: numbers(rng, leaf.shape, leaf.dtype) for leaf in (X, ROW, COLUMN, TRUTH)}
    return feed | {INDEX: rng.integers(-3, 3, (2, 1))}


@settings(deadline=None, max_examples=150)
@given(st.lists(graphs(LEAVES), min_size=1, max_size=3), st.integers(0, 999))
def test_exact_rules_keep_every_bit_of_random_graphs(outputs, seed) -> None:
    found = simplify(outputs, groups=["exact"])
    feed = feed_of(seed, awkward)
    for a, b in zip(values(outputs, feed), values(found.outputs, feed), strict=True):
        assert same_bits(a, b), f"{cr.format_graph(outputs)}\n{found.journal}"
    assert len(simplify(found.outputs, groups=["exact"]).journal) == 0


@settings(deadline=None, max_examples=100)
@given(graphs([X, X + ROW, COLUMN * X, *LEAVES[7:10]]), st.integers(0, 999))
def test_the_sign_of_zero_is_all_that_the_next_group_changes(output, seed) -> None:
    found = simplify([output], groups=["exact", "signed zeros"])
    feed = feed_of(seed, lambda rng, shape, dtype: awkward(rng, shape, dtype))
    a, b = values([output, *found.outputs], feed)
    fine = np.isfinite(a)  # the sign of a zero decides that of an infinity, and their sums
    assert same_bits(np.where(fine, a, 0.0), np.where(fine, b, 0.0), zeros=False) or not fine.all()


SMOOTH = [f for number, f in enumerate(UNARY) if number not in (3,)]


@settings(deadline=None, max_examples=120)
@given(graphs([X, X + ROW, *SPARSE], SMOOTH, BINARY[:3] + BINARY[6:8]), st.integers(0, 999))
def test_all_groups_together_on_finite_numbers(output, seed) -> None:
    found = simplify([output])
    rng_feed = feed_of(seed, lambda rng, shape, dtype: awkward(rng, shape, dtype)
                       if np.dtype(dtype).kind == "b" else rng.uniform(0.5, 1.5, shape))  # fmt: skip
    a, b = values([output, *found.outputs], rng_feed)
    if np.abs(a).max(initial=0) < 1e6:
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-9, err_msg=str(found.journal))


@pytest.mark.parametrize("kind", ["one_hot", "scatter_along_axis"])
def test_sparse_leaves_do_not_survive_a_product(kind) -> None:
    node = SPARSE[kind == "one_hot"] * X
    assert kind not in op_names(simplify([cr.sum(node, axis=1)]).outputs)
