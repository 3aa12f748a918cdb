"""Which elements an element was computed from: held against what a small change of each element changes."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines.provenance import all_values, cone, single
from chainrule.graph import Node, topological

from ..ops.table import TABLE, Row

ROWS = [row for row in TABLE if row.differentiable]
#: Elementwise ops read both operands, though a small change may change nothing; a scalar has no variance.
LOOSE = {"remainder", "maximum", "minimum", "clip", "var", "std"}


def changed(outputs: Node, leaf: Node, feed: dict[Node, Any]) -> Any:
    """Which elements of the value (first axis) a small change of each element of a leaf (second) moves."""
    base = np.ravel(cr.evaluate(outputs, feed))
    found = np.zeros((base.size, leaf.size), bool)
    for j in range(leaf.size):
        moved = feed[leaf].copy()
        moved.flat[j] += 1e-6
        found[:, j] = np.ravel(cr.evaluate(outputs, {**feed, leaf: moved})) != base
    return found


def read(output: Node, leaf: Node, feed: dict[Node, Any]) -> Any:
    values = all_values([output], feed)
    order = topological([output])
    found = np.zeros((output.size, leaf.size), bool)
    for i in range(output.size):
        mask = single(
            output, tuple(int(k) for k in np.unravel_index(i, output.shape)) if output.shape else ()
        )
        below = cone({output: mask}, values, order).get(leaf)
        found[i] = False if below is None else np.ravel(below)
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_a_change_moves_is_what_is_read(row: Row) -> None:
    for case in row.cases:
        sizes = [int(np.prod(shape)) for shape in case.shapes]
        if not 0 < max(sizes) <= 40 or min(sizes) == 0:
            continue
        rng = np.random.default_rng(crc32(f"{row.name} {case}".encode()))
        arrays = [o.sample(rng, s, "float64") for o, s in zip(row.operands, case.shapes, strict=True)]
        leaves = [cr.placeholder(array.shape, array.dtype) for array in arrays]
        feed: dict[Node, Any] = dict(zip(leaves, arrays, strict=True))
        output = row.function(*leaves, **case.attributes)
        for leaf in leaves:
            if leaf.dtype.kind != "f" or output.dtype.kind != "f" or output.size > 200:
                continue
            moved, found = changed(output, leaf, feed), read(output, leaf, feed)
            assert not (moved & ~found).any(), f"{case}: a change reaches more than is read"
            if row.name not in LOOSE:
                assert not (found & ~moved).any(), f"{case}: more is read than a change reaches"


def test_an_embedding_reads_the_rows_that_were_looked_up() -> None:
    table, ids = cr.variable(np.ones((5, 2)), name="table"), cr.placeholder((2, 3), "int64", name="ids")
    feed = {ids: np.array([[1, 4, 1], [0, 2, 2]])}
    output = cr.nn.embedding(ids, table).sum(axis=2)
    values = all_values([output], feed)
    found = cone({output: single(output, (0, 1))}, values)
    assert np.argwhere(found[table]).tolist() == [[4, 0], [4, 1]]
    assert np.argwhere(found[ids]).tolist() == [[0, 1]]


def test_a_composite_reads_what_its_parts_read() -> None:
    x = cr.variable(np.arange(6.0).reshape(2, 3))
    output = cr.softmax(x) * 2
    found = cone({output: single(output, (1, 0))}, all_values([output], {}))
    assert found[x].tolist() == [[False] * 3, [True] * 3]


def test_where_reads_the_chosen_operand() -> None:
    x, y = cr.variable([1.0, 2.0]), cr.variable([3.0, 4.0])
    output = cr.where(np.array([True, False]), x, y)
    found = cone({output: np.array([True, True])}, all_values([output], {}))
    assert found[x].tolist() == [True, False]
    assert found[y].tolist() == [False, True]


def test_an_op_of_ones_own_is_taken_to_read_everything() -> None:
    class Mine(cr.Op):
        def forward(self, xp: Any, x: Any) -> Any:
            return xp.flip(x)

    x = cr.variable([1.0, 2.0])
    output = cr.define_op(Mine)(x)
    assert cone({output: np.array([True, False])}, all_values([output], {}))[x].all()
