from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.simplify import simplify, sparsity, sums
from chainrule.simplify.language import show

from .comparing import leaves_of, op_names, tame, values

I = cr.placeholder((5,), "int64", name="i")  # noqa: E741  # as indices are called
J = cr.placeholder((2, 5), "int64", name="j")
K = cr.placeholder((5, 1), "int64", name="k")
X = cr.placeholder((5, 7), "float64", name="x")
Y = cr.placeholder((5, 7), "float64", name="y")
V = cr.placeholder((5, 1), "float64", name="v")
W = cr.placeholder((7, 3), "float64", name="w")
D = cr.placeholder((5, 3), "float64", name="d")
T = cr.placeholder((7, 3), "float64", name="t")
M = cr.placeholder((5, 7), "bool", name="m")


def hot(indices):
    return cr.one_hot(indices, 7, "float64")


def placed(values=V, indices=K):
    return cr.scatter_along_axis(values, indices, axis=1, length=7)


def rows(values=D, indices=I):
    return cr.gradients(cr.sum(cr.take(T, indices, axis=0) * values), T)


#: The rule, what it is shown, and what must come out.
ROWS = [
    ("one_hot(i) @ W = W[i]", lambda: hot(I) @ W, "take(w, i, axis=0)"),
    ("one_hot(i) @ W = W[i]", lambda: hot(J) @ W, "take(w, j, axis=0)"),
    ("one_hot(i)ᵀ @ d adds d to the rows i", lambda: hot(I).T @ D, "scatter_add(d, i, axis=0, length=7)"),
    ("x @ one_hot(i)ᵀ = x[:, i]", lambda: X @ hot(I).T, "take(x, i, axis=1)"),
    ("Σ one_hot(i) · y = y[i]", lambda: cr.sum(X * hot(I), axis=-1), "pick(x, i)"),
    (
        "one_hot(i) · y puts y in one place",
        lambda: hot(I) * V,
        "scatter_along_axis(v, reshape(i, shape=(5, 1)), axis=1, length=7)",
    ),
    (
        "one_hot(i) · y puts y in one place",
        lambda: hot(I) * 3.0,
        "scatter_along_axis(broadcast_to(3.0, shape=(5, 1)), reshape(i, shape=(5, 1)), axis=1, length=7)",
    ),
    (
        "reshape(one_hot(i)) = one_hot(reshape(i))",
        lambda: hot(J).reshape(10, 7),
        "one_hot(reshape(j, shape=(10,)), depth=7, dtype=float64)",
    ),
    (
        "cast(one_hot(i)) = one_hot(i)",
        lambda: cr.one_hot(I, 7).astype("float64"),
        "one_hot(i, depth=7, dtype=float64)",
    ),
    (
        "what is put in one place, negated",
        lambda: -placed(),
        "scatter_along_axis(negative(v), k, axis=1, length=7)",
    ),
    (
        "what is put in one place, masked",
        lambda: cr.where(M, placed(), 0),
        "scatter_along_axis(where(take_along_axis(m, k, axis=1), v, 0.0), k, axis=1, length=7)",
    ),
    (
        "what is put in one place, masked",
        lambda: cr.where(M[:, :1], 0, placed()),
        "scatter_along_axis(where(slice(m, slices=((0, 5, 1), (0, 1, 1))), 0.0, v), k, axis=1, length=7)",
    ),
    (
        "two that are put in the same places",
        lambda: cr.where(M, placed(), 0.5 * placed()),
        "scatter_along_axis(where(take_along_axis(m, k, axis=1), v, multiply(0.5, v)), k, axis=1, length=7)",
    ),
    (
        "two that are put in the same places",
        lambda: placed() - placed(V * V),
        "scatter_along_axis(subtract(v, multiply(v, v)), k, axis=1, length=7)",
    ),
    (
        "what is put in one place, scaled",
        lambda: X * placed(),
        "scatter_along_axis(multiply(take_along_axis(x, k, axis=1), v), k, axis=1, length=7)",
    ),
    (
        "what is put in one place, divided",
        lambda: placed() / (3.0 + V),
        "scatter_along_axis(divide(v, add(3.0, v)), k, axis=1, length=7)",
    ),
    (
        "f(x, y)[i] = f(x[i], y[i])",
        lambda: cr.take_along_axis(X * V, K, axis=1),
        "multiply(take_along_axis(x, k, axis=1), v)",
    ),
    (
        "y[argmax y] = max y",
        lambda: cr.take_along_axis(X, cr.argmax(X, axis=1, keepdims=True), axis=1),
        "reshape(max(x, axis=1), shape=(5, 1))",
    ),
    (
        "y[argmax y] = max y",
        lambda: cr.take_along_axis(X, cr.argmin(X, axis=1, keepdims=True), axis=1),
        "reshape(min(x, axis=1), shape=(5, 1))",
    ),
    (
        "(x > 0)[argmax max(x, 0)] = max max(x, 0) > 0",
        lambda: cr.take_along_axis(
            cr.greater(X, 0), cr.argmax(cr.maximum(0, X), axis=1, keepdims=True), axis=1
        ),
        "greater(reshape(max(maximum(0.0, x), axis=1), shape=(5, 1)), 0.0)",
    ),
    ("the sum of what is put in one place", lambda: cr.sum(placed()), "sum(v, axis=(0, 1))"),
    ("the sum of what is put in one place", lambda: cr.sum(placed(), axis=1), "reshape(v, shape=(5,))"),
    ("the sum of rows that were added", lambda: cr.sum(rows()), "sum(d, axis=(0, 1))"),
    ("the sum of rows that were added", lambda: cr.sum(rows(), axis=0), "sum(d, axis=(0,))"),
    (
        "Σ(added rows)²: only theirs",
        lambda: cr.sum(cr.square(rows())),
        "sum(square(scatter_add(d, first_places(i, length=7), axis=0, length=5)), axis=(0, 1))",
    ),
    (
        "x + (added rows): added to x",
        lambda: T * 2 + rows(),
        "add_rows(multiply(t, 2.0), d, i)",
    ),
    ("x - (added rows): taken from x", lambda: T - rows(), "add_rows(t, negative(d), i)"),
    (
        "x + (added rows): added to x",
        lambda: rows() + rows(D * 2, I * 0),
        "add_rows(scatter_add(d, i, axis=0, length=7), multiply(d, 2.0), multiply(i, 0))",
    ),
    ("x + (put in one place): added to x", lambda: X + placed(), "add_along_axis(x, v, k, axis=1)"),
    (
        "x - (put in one place): taken from x",
        lambda: X - placed(),
        "add_along_axis(x, negative(v), k, axis=1)",
    ),
    (
        "reshape(x) + reshape(y) = reshape(x + y), of added rows",
        lambda: rows().reshape(3, 7) + rows(D, I * 0).reshape(3, 7),
        "reshape(add_rows(scatter_add(d, i, axis=0, length=7), d, multiply(i, 0)), shape=(3, 7))",
    ),
    (
        "(one number in a row) @ W scales rows of W",
        lambda: placed() @ W,
        "multiply(v, reshape(take(w, k, axis=0), shape=(5, 3)))",
    ),
    (
        "(one number in a row)ᵀ @ d adds rows of d",
        lambda: placed().T @ D,
        "scatter_add(multiply(v, d), reshape(k, shape=(5,)), axis=0, length=7)",
    ),
    (
        "xᵀ @ (one number in a row) adds rows of x",
        lambda: D.T @ placed(),
        "permute_dims(scatter_add(multiply(v, d), reshape(k, shape=(5,)), axis=0, length=7), axes=(1, 0))",
    ),
    (
        "x[reshape(i)] = reshape(x[i])",
        lambda: cr.take(W, J.reshape(10), axis=0),
        "reshape(take(w, j, axis=0), shape=(10, 3))",
    ),
    (
        "argmax with its axis kept is argmax, reshaped",
        lambda: cr.argmax(X, axis=1, keepdims=True),
        "reshape(argmax(x, axis=1), shape=(5, 1))",
    ),
]
IDS = [f"{number} {row[0]}" for number, row in enumerate(ROWS)]


@pytest.mark.parametrize(("rule", "build", "expected"), ROWS, ids=IDS)
def test_the_rule_fires_and_gives_what_it_says(rule, build, expected) -> None:
    found = simplify([build()], groups=["exact", "signed zeros", "sparsity"])
    assert rule in found.journal.counts()
    assert show(found.outputs[0], 9) == expected


@pytest.mark.parametrize(("rule", "build", "expected"), ROWS, ids=IDS)
def test_both_sides_are_worth_the_same(rule, build, expected) -> None:
    before = build()
    (after,) = simplify([before]).outputs
    assert (after.shape, after.dtype) == (before.shape, before.dtype)
    rng = np.random.default_rng(2)
    for _ in range(4):
        feed = {
            leaf: rng.integers(-7, 7, leaf.shape)
            if leaf.dtype.kind == "i"
            else tame(rng, leaf.shape, leaf.dtype)
            for leaf in leaves_of([before])
        }
        a, b = values([before, after], feed)
        np.testing.assert_allclose(b, a, rtol=1e-13, atol=1e-13)


def test_the_largest_of_a_row_with_nan_is_that_nan() -> None:
    node = cr.take_along_axis(X, cr.argmax(X, axis=1, keepdims=True), axis=1)
    x = np.zeros((5, 7))
    x[1, 3], x[2, 2], x[2, 5] = np.nan, np.inf, np.nan
    a, b = values([node, *simplify([node]).outputs], {X: x})
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "build",
    [
        lambda: cr.scatter_along_axis(X, cr.broadcast_to(K, (5, 7)), axis=1, length=7) * Y,  # many a line
        lambda: placed() + 1.0,  # whose zeros become ones
        lambda: cr.exp(placed()),
        lambda: cr.where(M, placed(), 1),
        lambda: V / placed(),
        lambda: cr.take_along_axis(cr.exp(X), K, axis=1),  # read elsewhere, an exponential is there already
        lambda: cr.take_along_axis(X, cr.argmax(Y, axis=1, keepdims=True), axis=1),
        lambda: cr.sum(placed(), axis=0),
        lambda: cr.sum(rows(), axis=1),
    ],
)
def test_what_is_not_zero_or_not_known_is_left_alone(build) -> None:
    before = build()
    found = simplify([before], groups=["sparsity"])
    ours = [
        name for name in found.journal.counts() if name != "argmax with its axis kept is argmax, reshaped"
    ]
    assert not ours


def test_every_rule_has_a_row_here_or_among_the_pools() -> None:
    rules = [
        *sparsity.SPARSITY,
        *sparsity.ROW_PRODUCTS,
        *sparsity.ONE_FORM,
        *sums.SPARSE_NORMS,
        *sums.SPARSE_SUMS,
    ]
    assert {rule.name for rule in rules} == {row[0] for row in ROWS}


def test_training_on_one_hot_words_costs_no_product_with_zeros() -> None:
    words = cr.placeholder((6,), "int64", name="words")
    table, weight = cr.variable(np.ones((50, 4))), cr.variable(np.ones((4, 3)))
    loss = cr.cross_entropy(cr.tanh(cr.one_hot(words, 50, "float64") @ table) @ weight, [0, 1, 2, 0, 1, 2])
    updates = cr.optim.SGD([table, weight], 0.1).updates(loss)
    found = simplify([loss], updates)
    names = op_names([*found.outputs, *found.updates.values()])
    assert "one_hot" not in names
    assert show(found.updates[table], 1).startswith("add_rows(")


@pytest.mark.parametrize("words", [[[0, 3, 3]], [[0, 3, 3], [6, 0, 1]]], ids=["one look", "two looks"])
def test_the_norm_of_rows_that_are_known_beforehand(words) -> None:
    """Their first places are numbers then, and the rule must not take its own result for more work."""
    table = cr.variable(np.arange(21.0).reshape(7, 3))
    loss = sum(cr.sum(cr.square(cr.take(table, cr.constant(row), axis=0))) for row in words)
    norm = cr.sum(cr.square(cr.gradients(loss, table)))
    counts = np.bincount(np.concatenate(words), minlength=7)
    wanted = np.sum((2 * counts[:, None] * table.value) ** 2)
    assert cr.evaluate(simplify([norm]).outputs[0]) == wanted
