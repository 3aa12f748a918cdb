"""Any small network, and any expression, is derived and verified."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.errors import ArgumentError, ShapeError
from chainrule.view import derive

ACTIVATIONS = [cr.tanh, cr.sigmoid, cr.nn.relu, cr.nn.silu, cr.nn.gelu, cr.nn.softplus, cr.abs, cr.square]


@settings(deadline=None, max_examples=40)
@given(
    widths=st.lists(st.integers(1, 4), min_size=2, max_size=5),
    rows=st.integers(0, 3),
    chosen=st.lists(st.sampled_from(ACTIVATIONS), min_size=4, max_size=4),
    convention=st.sampled_from(["row", "column"]),
    seed=st.integers(0, 99),
)
def test_any_network(widths, rows, chosen, convention, seed) -> None:
    """Vectors (0 rows) and batches, of any widths, 1 among them: every printed line computes."""
    numbers = np.random.default_rng(seed)
    h: cr.Node = cr.constant(numbers.normal(size=(rows, widths[0]) if rows else widths[0]))
    wanted = []
    for (inputs, outputs), activation in zip(pairwise(widths), chosen, strict=False):
        W = cr.variable(numbers.normal(size=(inputs, outputs)))
        b = cr.variable(numbers.normal(size=outputs))
        wanted += [W, b]
        h = activation(h @ W + b)
    found = derive(cr.mean(h * h), wanted, convention=convention)
    assert found.verified, found.text
    assert all(line.deviation is not None for line in found.lines)


UNARY: list[Callable[[cr.Node], cr.Node]] = [
    *ACTIVATIONS, cr.exp, cr.sin, cr.nn.softmax, cr.nn.log_softmax, cr.nn.layer_norm,
    lambda x: -x, lambda x: 1 / (1 + cr.square(x)), lambda x: x**3, lambda x: cr.log(1 + cr.square(x)),
    lambda x: cr.sum(x, axis=-1, keepdims=True), lambda x: cr.max(x, axis=0), lambda x: x.T,
    lambda x: x[::-1],
    lambda x: cr.mean(x, axis=0, keepdims=True), lambda x: cr.where(x > 0, x, 0.1 * x),
    lambda x: cr.cumulative_sum(x, axis=0), lambda x: cr.minimum(x, 0.5),
]  # fmt: skip
BINARY: list[Callable[[cr.Node, cr.Node], cr.Node]] = [
    cr.add, cr.subtract, cr.multiply, cr.maximum, lambda x, y: x / (1 + cr.square(y)), cr.matmul,
]  # fmt: skip


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.sampled_from(["row", "column"]))
def test_any_expression(seed, length, convention) -> None:
    """Of matrices, vectors and numbers, through anything: what is printed is what the run gave."""
    numbers = np.random.default_rng(seed)
    leaves = [
        cr.variable(numbers.normal(size=s), name=n) for n, s in (("x", (3, 3)), ("y", (3, 3)), ("c", 3))
    ]
    made: list[cr.Node] = [*leaves]
    for _ in range(length):
        recent = made[-4:]
        x, y = recent[numbers.integers(len(recent))], made[numbers.integers(len(made))]
        table = UNARY if numbers.random() < 0.55 else BINARY
        function: Callable[..., cr.Node] = table[numbers.integers(len(table))]  # type: ignore[operator]
        try:
            made.append(function(x) if table is UNARY else function(x, y))
        except (ShapeError, ArgumentError):
            continue  # of these shapes it does not exist
    loss = cr.mean(made[-1])
    wanted = [leaf for leaf in leaves if cr.gradients(loss, leaf) is not None]
    if wanted:
        found = derive(loss, wanted, convention=convention)
        assert found.verified, found.text
        assert found.latex.count("{") == found.latex.count("}")
