"""Every op of the table, its gradient and its second derivative, simplified and not, on the same numbers."""

from __future__ import annotations

from functools import partial
from typing import Any
from zlib import crc32

import numpy as np
import pytest

import chainrule as cr
from chainrule.simplify import simplify

from ..ops.table import TABLE, Row
from .comparing import values


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_values_and_derivatives_stay_as_they_are(row: Row) -> None:
    dtype = "float64" if "float64" in row.dtypes else row.dtypes[0]
    for case in row.cases:
        rng = np.random.default_rng(crc32(f"{row.name} {case}".encode()))
        arrays = [
            operand.sample(rng, shape, dtype)
            for operand, shape in zip(row.operands, case.shapes, strict=True)
        ]
        leaves = [cr.placeholder(array.shape, array.dtype) for array in arrays]
        nodes = [row.function(*leaves, **case.attributes)]
        if row.differentiable:
            nodes += derivatives(nodes[0], [leaf for leaf in leaves if leaf.dtype.name == "float64"], rng)
        feed = dict(zip(leaves, arrays, strict=True))
        for a, b in zip(values(nodes, feed), values(simplify(nodes).outputs, feed), strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-11, err_msg=f"{row.name} {case}")


def derivatives(y: cr.Node, wrt: list[cr.Node], rng: np.random.Generator) -> list[cr.Node]:
    """The gradient of Σ w·sin(y), and that of its square."""
    scalar = cr.sum(cr.sin(y) * rng.normal(size=y.shape))
    first = [node for node in cr.gradients(scalar, wrt) if node is not None]
    slope: Any = sum((cr.sum(node * node) for node in first), start=cr.constant(0.0, "float64"))
    second = cr.gradients(slope, wrt, missing="none") if first else []
    return [*first, *[node for node in second if node is not None]]


X = cr.placeholder((4, 6), "float64", name="x")
COMPOSITES = {
    **{name: partial(function, X) for name, function in cr.functions.activations.ACTIVATIONS.items()},
    "softmax": lambda: cr.softmax(X),
    "log_softmax": lambda: cr.log_softmax(X),
    "log of softmax": lambda: cr.log(cr.softmax(X)),
    "logsumexp": lambda: cr.logsumexp(X, axis=1),
    "masked_softmax": lambda: cr.functions.masked_softmax(X, np.arange(24).reshape(4, 6) % 3 > 0),
    "layer_norm": lambda: cr.functions.layer_norm(X),
    "cross_entropy": lambda: cr.cross_entropy(X, [0, 5, 2, 2], label_smoothing=0.1, ignore_index=5),
    "probabilities": lambda: cr.cross_entropy(X, cr.one_hot([0, 5, 2, 2], 6, "float64")),
    "average_pool1d": lambda: cr.functions.average_pool1d(X, 2, padding=1),
    "max_pool1d": lambda: cr.functions.max_pool1d(X, 3, stride=1),
    "dropout": lambda: cr.dropout(X, 0.3, cr.random.key(1)),
}


@pytest.mark.parametrize("build", COMPOSITES.values(), ids=COMPOSITES)
def test_functions_and_their_derivatives_stay_as_they_are(build) -> None:
    rng = np.random.default_rng(0)
    y = build()
    nodes = [y, *derivatives(y, [X], rng)]
    feed = {X: rng.normal(size=(4, 6))}
    for a, b in zip(values(nodes, feed), values(simplify(nodes).outputs, feed), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-12)
