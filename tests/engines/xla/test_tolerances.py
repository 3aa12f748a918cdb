"""The table of tolerances holds over operands of all sizes, over long sums, and is what the page says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines.stepper import Stepper
from chainrule.engines.xla import Xla
from chainrule.engines.xla.tolerances import TOLERANCES, allowance, markdown
from chainrule.graph import placeholder

from ...ops.table import TABLE, Row
from .agreement import assert_within

pytestmark = pytest.mark.xla

PAGE = Path(__file__).parents[3] / "docs" / "xla_tolerances.md"
FLOATS = ("float32", "float64")
COUNT = 4000

#: Ops that compute with each element alone, and are one op each.
ELEMENTWISE = [
    row
    for row in TABLE
    if row.cases[0].shapes in (((3, 4),), ((3, 4), (3, 4)))
    and not row.cases[0].attributes
    and set(FLOATS) <= set(row.dtypes)
    and row.name not in ("sort", "argsort", "argmax", "argmin", "flip", "permutation")
]

#: What is computed on the way is smaller than the result: quotients close to the smallest numbers lose more.
PARTS = {"remainder", "floor_divide"}


def special(dtype: str) -> Any:
    info = np.finfo(dtype)
    return np.array(
        [
            0.0, -0.0, np.inf, -np.inf, np.nan, info.max, -info.max, 1, -1, 0.5, -0.5, 1 + info.eps, info.eps,
            1 - info.epsneg, -1 + info.epsneg, np.pi / 2, -np.pi, 2, 3, 88.7, -87.3, 709.7, -708.3, 1.5, 2.5,
            -2.5, 1e5, 1e10, -1e15, 2.0**24, 2.0**53,
        ],
        dtype,
    )  # fmt: skip


def wide(rng: np.random.Generator, dtype: str, bits: int) -> Any:
    """Numbers of every size, half of them near 1, none so small that its last ``bits`` bits are subnormal."""
    info = np.finfo(dtype)
    sizes = np.exp2(rng.uniform(info.minexp + bits, info.maxexp, COUNT))
    near = rng.normal(size=COUNT) * np.exp2(rng.integers(-6, 7, COUNT))
    values = np.concatenate([sizes * rng.choice([-1.0, 1.0], COUNT), near])
    return np.concatenate([rng.permutation(values).astype(dtype), special(dtype)])


def pairs(rng: np.random.Generator, dtype: str, bits: int) -> list[Any]:
    """Two such arrays, with every pair of special numbers."""
    both = np.meshgrid(special(dtype), special(dtype))
    return [np.concatenate([wide(rng, dtype, bits), grid.ravel()]) for grid in both]


@pytest.mark.parametrize("row", ELEMENTWISE, ids=lambda row: row.name)
def test_operands_of_all_sizes_and_special_ones(row: Row) -> None:
    rng = np.random.default_rng(5)
    for dtype in FLOATS:
        bits = np.finfo(dtype).nmant + 2 if row.name in PARTS else 1
        arrays = [wide(rng, dtype, bits)] if len(row.operands) == 1 else pairs(rng, dtype, bits)
        leaves = [placeholder(array.shape, dtype) for array in arrays]
        node = row.function(*leaves)
        feed = dict(zip(leaves, arrays, strict=True))
        (found,), (wanted,) = Xla([node]).run(feed), Stepper([node]).run(feed)
        with np.errstate(all="ignore"):
            bound = allowance(node, arrays, wanted)
        assert_within(found, wanted, bound, f"{row.name} {dtype}")


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_subnormal_number_is_taken_for_itself_or_for_zero(dtype: str) -> None:
    info = np.finfo(dtype)
    small = (info.tiny * np.linspace(-1, 1, 33)[1:-1]).astype(dtype)
    x = placeholder(small.shape, dtype)
    nodes = [cr.tanh(x), cr.sin(x), x * 1.5, x + 1, cr.sqrt(cr.abs(x)), cr.sign(x), x < 0]
    runs = [Stepper(nodes).run({x: values}) for values in (small, np.zeros_like(small))]
    for node, found, itself, zero in zip(nodes, Xla(nodes).run({x: small}), *runs, strict=True):
        near = [np.isclose(found, one, rtol=1e-5, atol=info.tiny) for one in (itself, zero)]
        assert (near[0] | near[1]).all(), repr(node)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("count", [3, 40, 1000, 100_000])
def test_sums_in_another_order(count: int, dtype: str) -> None:
    """Terms of either sign, positive ones, and equal ones, where all roundings lean to one side."""
    rng = np.random.default_rng(count)
    rows = cr.constant(rng.integers(0, 3, count))
    for x in (rng.normal(size=(count, 4)), rng.random((count, 4)), np.full((count, 4), 0.1)):
        x = x.astype(dtype)
        v, across, zero = cr.variable(x), cr.variable(np.ascontiguousarray(x.T)), np.zeros((3, 4), dtype)
        near = cr.variable((1 + x / count).astype(dtype))
        nodes = [
            cr.sum(v, axis=0), cr.sum(v), cr.sum(across, axis=1), across @ v,
            cr.cumulative_sum(v, axis=0), cr.scatter_add(zero, rows, v), cr.prod(near, axis=0),
            cr.add_rows(cr.constant(zero), v, rows),
            cr.scatter_along_axis(v, rows[:, None], axis=0, length=3),
        ]  # fmt: skip
        for node, found, wanted in zip(nodes, Xla(nodes).run({}), Stepper(nodes).run({}), strict=True):
            inputs = Stepper(list(node.inputs)).run({})
            assert_within(found, wanted, allowance(node, inputs, wanted), f"{node!r} {count}")


def test_every_op_of_the_table_exists_and_the_figures_are_tight() -> None:
    names = {part.op.name for row in TABLE for part in cr.graph.topological([_first(row)])}
    assert set(TOLERANCES) <= names
    x = np.ones(3, "f")
    assert (allowance(cr.flip(cr.variable(x)), [x], x) == 0).all(), "what only moves is exact"


def _first(row: Row) -> cr.Node:
    rng, case = np.random.default_rng(0), row.cases[0]
    dtype = next((dtype for dtype in row.dtypes if "float" in dtype), row.dtypes[0])
    samples = [o.sample(rng, s, dtype) for o, s in zip(row.operands, case.shapes, strict=True)]
    (found,) = cr.ops.expand([row.function(*map(cr.variable, samples), **case.attributes)])
    return found


def test_the_page_shows_the_table() -> None:
    assert markdown() in PAGE.read_text(encoding="utf-8")
