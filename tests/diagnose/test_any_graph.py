"""The diagnosis of any graph: it never fails itself, and its numbers are those of the stepper."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.diagnose import explain_nonfinite, why_gradient
from chainrule.engines.lineage import lineage
from chainrule.engines.provenance import all_values, reads, single
from chainrule.graph import Node

from ..ops.table import TABLE, Row

KINDS = {"none", "zero", "tiny", "fine", "huge", "not finite"}


def cases(row: Row) -> Any:
    for case in row.cases[:4]:
        rng = np.random.default_rng(crc32(f"{row.name} {case}".encode()))
        arrays = [o.sample(rng, s, "float64") for o, s in zip(row.operands, case.shapes, strict=True)]
        if all(array.size for array in arrays):
            leaves = [
                cr.placeholder(array.shape, array.dtype, name=f"x{k}") for k, array in enumerate(arrays)
            ]
            output = row.function(*leaves, **case.attributes)
            yield leaves, dict(zip(leaves, arrays, strict=True)), output


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_the_gradient_through_every_op_is_explained(row: Row) -> None:
    for leaves, feed, output in cases(row):
        loss = cr.sum(cr.astype(output, "float64") * 0.5)
        for leaf in leaves:
            if leaf.dtype.kind != "f":
                continue
            found = why_gradient(loss, leaf, feed)
            gradient = cr.gradients(loss, leaf)
            assert found.kind in KINDS
            assert (found.norm is None) is (gradient is None)
            if gradient is not None:
                size = np.linalg.norm(np.ravel(cr.evaluate(gradient, feed)))
                assert found.norm == pytest.approx(size, rel=1e-9)
            assert str(found).startswith("the gradient of the loss with respect to x")


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_nan_that_comes_in_is_found_through_every_op(row: Row) -> None:
    """Wherever it is put, the input and the element are named, unless the op does not hand it on."""
    for leaves, feed, output in cases(row):
        for leaf in leaves:
            if leaf.dtype.kind != "f" or output.dtype.kind != "f":
                continue
            for place in {0, leaf.size - 1}:
                broken = feed[leaf].copy()
                broken.flat[place] = np.nan
                report = explain_nonfinite(output, {**feed, leaf: broken}, gradients=False)
                if not np.isnan(cr.evaluate(output, {**feed, leaf: broken})).any():
                    continue
                assert report.finding is not None
                index = tuple(int(i) for i in np.unravel_index(place, leaf.shape)) if leaf.shape else ()
                assert report.finding.node is leaf
                assert report.finding.index == index


def network(seed: int, depth: int) -> tuple[Node, dict[Node, Any]]:
    """Layers of all sorts on a batch of words."""
    rng = np.random.default_rng(seed)
    ids = cr.placeholder((5, 4), "int64", name="ids")
    table = cr.variable(rng.normal(size=(9, 6)), "float32", name="table")
    h: Node = cr.embedding(ids, table)
    for number in range(depth):
        weight = cr.variable(rng.normal(size=(6, 6)) / 2, "float32", name=f"w{number}")
        layer = rng.integers(6)
        h = (
            cr.relu(h @ weight) if layer == 0
            else cr.tanh(h @ weight) + h if layer == 1
            else cr.softmax(h @ weight) if layer == 2
            else cr.layer_norm(h) if layer == 3
            else cr.maximum(h, h @ weight) if layer == 4
            else cr.scaled_dot_product_attention(h, h @ weight, h)
        )  # fmt: skip
    pooled = cr.max(h, axis=1)
    return cr.cross_entropy(pooled, rng.integers(0, 6, 5)), {ids: rng.integers(0, 9, (5, 4))}


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**16), depth=st.integers(1, 6), data=st.data())
def test_the_way_back_is_read_link_by_link(seed: int, depth: int, data: st.DataObject) -> None:
    loss, feed = network(seed, depth)
    values = all_values([loss], feed)
    inner = [node for node in values if node.inputs and node.dtype.kind == "f" and node.size]
    node = data.draw(st.sampled_from(sorted(inner, key=lambda node: node.serial)))
    index = tuple(data.draw(st.integers(0, size - 1)) for size in node.shape)
    at, place = node, index
    for link in lineage(node, index, values):
        masks = reads(at, single(at, place), values)
        assert any(
            child is link.node and mask[link.index] for child, mask in zip(at.inputs, masks, strict=True)
        )
        assert link.value == values[link.node][link.index]
        at, place = link.node, link.index
    assert (
        not at.inputs
        or at.op.name in ("one_hot", "constant")
        or not any(child.dtype.kind == "f" and child.op.name != "constant" for child in at.inputs)
    )


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**16), depth=st.integers(1, 6), row=st.integers(0, 8))
def test_a_broken_word_vector_is_found_through_any_network(seed: int, depth: int, row: int) -> None:
    loss, feed = network(seed, depth)
    (table,) = [node for node in all_values([loss], feed) if node.name == "table"]
    broken = table.value.copy()
    broken[row, 3] = np.nan
    report = explain_nonfinite(loss, {**feed, table: broken})
    (ids,) = feed.values()
    if not (ids == row).any():
        assert report.finding is None
        return
    assert report.finding is not None
    assert report.finding.node is table
    assert report.finding.index == (row, 3)
    assert f"'table' holds NaN at [{row}, 3]" in str(report)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**16), depth=st.integers(1, 6))
def test_every_parameter_of_any_network_is_explained(seed: int, depth: int) -> None:
    loss, feed = network(seed, depth)
    for node in all_values([loss], feed):
        if isinstance(node, cr.Variable):
            found = why_gradient(loss, node, feed)
            assert found.kind in KINDS
            assert found.norm == pytest.approx(
                float(np.linalg.norm(cr.evaluate(cr.gradients(loss, node), feed))), rel=1e-4, abs=1e-12
            )
            for step in found.path:
                assert step.downstream == pytest.approx(step.gain * step.upstream, rel=1e-6, abs=1e-12)
