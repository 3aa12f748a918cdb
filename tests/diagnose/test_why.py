"""One row a parameter: how much gradient reaches it, and what is odd about it."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.diagnose import explain_nonfinite, gradient_report


def test_norms_ratio_and_share_of_zeros() -> None:
    w = cr.variable([3.0, 4.0, 0.0], name="w")
    x = cr.placeholder((3,), name="x")
    (row,) = gradient_report(cr.sum(w * x), [w], {x: [6.0, 0.0, 8.0]}).rows
    assert (row.name, row.shape, row.value_norm, row.gradient_norm, row.ratio) == ("w", (3,), 5, 10, 2)
    assert row.zeros == pytest.approx(1 / 3)
    assert row.remark == ""


def test_each_remark() -> None:
    names = ["fine", "tiny", "huge", "dead", "unused", "bad"]
    fine, tiny, huge, dead, unused, bad = (cr.variable([2.0, 2.0], name=name) for name in names)
    loss = cr.sum(fine + tiny * 1e-9 + huge * 1e6 + cr.maximum(dead - 5, 0) + cr.sqrt(bad - 2))
    table = gradient_report(loss, [fine, tiny, huge, dead, unused, bad])
    remarks = {row.name: row.remark for row in table.rows}
    words = {
        "tiny": ("vanishing: multiply (", "multiplies by 1e-09: a factor of 1e-09"),
        "huge": ("exploding: multiply (", "multiplies by 1e+06: a factor of 1e+06"),
        "dead": ("zero everywhere: at 100 % of 2 entries maximum (", "takes its other operand, 0"),
    }
    for name, (start, end) in words.items():
        assert remarks[name].startswith(start)
        assert remarks[name].endswith(end)
    assert remarks["fine"] == ""
    assert remarks["unused"] == "the output does not depend on unused"
    assert remarks["bad"] == "not finite: explain_nonfinite(gradient) says where from"
    lines = str(table).splitlines()
    assert len(lines) == 7
    assert lines[5].split() == ["unused", "2", "2.83", "none", *remarks["unused"].split()]


def test_names_may_be_given() -> None:
    w = cr.variable(np.ones((2, 2)))
    table = gradient_report(cr.sum(w), {"layer.weight": w})
    assert str(table).splitlines()[1].startswith("layer.weight  2×2")


def test_nothing_to_explain() -> None:
    x = cr.placeholder((2,), name="x")
    report = explain_nonfinite([cr.log(x), cr.sum(x)], {x: [1.0, 2.0]})
    assert not report
    assert str(report) == "log, sum: every value is finite"


def test_a_gradient_that_is_not_finite() -> None:
    x = cr.variable([0.0, 1.0], name="x")
    report = explain_nonfinite(cr.gradients(cr.sum(cr.sqrt(x)), x))
    assert report
    assert report.finding is not None
    assert report.finding.node.op.name == "divide"
    assert str(report).startswith("multiply: not finite\ndivide first gives ∞ at [0]")


def test_parameters_of_the_same_name_have_a_row_each() -> None:
    first, second = (cr.variable([value], name="w") for value in (1.0, 2.0))
    table = gradient_report(cr.sum(first * second), [first, second])
    assert [(row.name, row.gradient_norm) for row in table.rows] == [("w", 2.0), ("w", 1.0)]


def test_what_is_no_node_is_told() -> None:
    w = cr.variable(1.0, name="w")
    for ask in (
        lambda: gradient_report(w * w, [3]),  # type: ignore[list-item]
        lambda: explain_nonfinite(3.0),  # type: ignore[arg-type]
        lambda: explain_nonfinite([w, None]),  # type: ignore[list-item]
        lambda: cr.diagnose.why_gradient(3.0, w),  # type: ignore[arg-type]
    ):
        with pytest.raises(cr.errors.ArgumentError, match="is not a node"):
            ask()
