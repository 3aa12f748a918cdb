"""Every op of the table in a page: recorded, told in rules, and its derivative held against differences."""

from __future__ import annotations

import json
from zlib import crc32

import numpy as np
import pytest

import chainrule as cr
from chainrule.view.page import decode

from ...ops.table import TABLE, Case, Row

CASES = [
    pytest.param(row, case, id=f"{row.name} {case}")
    for row in TABLE
    for case in {len(case.attributes): case for case in reversed(row.cases)}.values()
]


def scalar(row: Row, case: Case, dtype: str) -> tuple[cr.Node, dict[cr.Node, np.ndarray]]:
    """A curved scalar of the row's result, integers and booleans included."""
    rng = np.random.default_rng(crc32(f"{row.name} {case}".encode()))
    arrays = [
        operand.sample(rng, shape, dtype) for operand, shape in zip(row.operands, case.shapes, strict=True)
    ]
    leaves = [cr.placeholder(array.shape, array.dtype) for array in arrays]
    y = row.function(*leaves, **case.attributes)
    weights = cr.variable(rng.normal(size=y.shape), name="weights")
    return (cr.astype(y, "float64") * cr.exp(weights)).sum(), dict(zip(leaves, arrays, strict=True))


@pytest.mark.parametrize(("row", "case"), CASES)
def test_every_op_has_its_place_in_a_page(row: Row, case: Case) -> None:
    dtype = next(name for name in ("float64", *row.dtypes) if name in row.dtypes)
    output, feed = scalar(row, case, dtype)
    explanation = cr.view.explain(output, feed)
    record = explanation.record
    json.dumps(record, allow_nan=False)
    trace = cr.step_through(output, feed)
    value = decode(record["tensors"][record["nodes"][-1]["value"]])[0]
    assert value.tobytes() == trace[output].value.tobytes()
    for node in record["nodes"]:
        assert bool(node["rule"]["text"]) == bool(node["inputs"])
        assert all(term["rule"]["text"] and term["rule"]["mathml"] for term in node["terms"])
        if row.differentiable and node["check"] is not None:
            assert node["check"]["agrees"], (node["symbol"], node["op"], node["check"])
    assert explanation.html
