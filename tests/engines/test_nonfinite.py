"""Where a NaN came from: one row for each way to make one, found by op, place and hint."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines.nonfinite import first_nonfinite
from chainrule.graph import Node
from chainrule.ops import Composite


def v(*values: float) -> Node:
    return cr.variable(list(values), name="x")


# how to build the node; the op that is at fault; its place; words of the hint
BIRTHS = {
    "log of 0": (lambda: cr.log(v(1, 0)), "log", (1,), "log of 0"),
    "log of -1": (lambda: cr.log(v(1, -1)), "log", (1,), "log of a negative"),
    "log2 of 0": (lambda: cr.log2(v(0, 1)), "log2", (0,), "log of 0"),
    "log1p of -1": (lambda: cr.log1p(v(-1, 1)), "log1p", (0,), "at x = -1"),
    "1 / 0": (lambda: 1 / v(1, 2, 0), "divide", (2,), "division by 0"),
    "0 / 0": (lambda: v(0) / v(0), "divide", (0,), "0 / 0"),
    "reciprocal": (lambda: cr.reciprocal(v(0)), "reciprocal", (0,), "1 / 0"),
    "sqrt of -4": (lambda: cr.sqrt(v(4, -4)), "sqrt", (1,), "root of a negative"),
    "rsqrt of 0": (lambda: cr.rsqrt(v(4, 0)), "rsqrt", (1,), "1 / √0"),
    "exp overflow": (lambda: cr.exp(v(1, 89)), "exp", (1,), "its limit is 88.72"),
    "sinh overflow": (lambda: cr.sinh(v(100)), "sinh", (0,), "overflows float32"),
    "pow": (lambda: v(-8) ** (1 / 3), "pow", (0,), "fractional power"),
    "0 ** -1": (lambda: v(0) ** -1.0, "pow", (0,), "0 to a negative power"),
    "arcsin": (lambda: cr.arcsin(v(1, 1.5)), "arcsin", (1,), "outside [-1, 1]"),
    "arctanh": (lambda: cr.arctanh(v(1)), "arctanh", (0,), "inside (-1, 1)"),
    "arccosh": (lambda: cr.arccosh(v(0.5)), "arccosh", (0,), "from 1 upwards"),
    "remainder": (lambda: v(1) % v(0), "remainder", (0,), "division by 0"),
    "product overflow": (lambda: v(1e30) * v(1e30), "multiply", (0,), "whose largest number is 3.403e+38"),
    "sum overflow": (lambda: v(3e38, 3e38).sum(), "sum", (), "whose largest number"),
}


@pytest.mark.parametrize("name", BIRTHS)
def test_the_birth_is_named(name: str) -> None:
    build, op, index, words = BIRTHS[name]
    node = build()
    finding = first_nonfinite([cr.tanh(node * 0 + node).sum()], {})
    assert finding is not None
    assert (finding.node.op.name, finding.index) == (op, index)
    assert words in finding.hint
    assert "test_nonfinite.py:" in str(finding)


def test_nothing_is_found_where_all_is_finite() -> None:
    assert first_nonfinite([cr.log(v(1, 2)).sum()], {}) is None


def test_the_derivative_of_a_root_at_zero() -> None:
    x = v(0, 1)
    finding = first_nonfinite([cr.gradients(cr.sqrt(x).sum(), x)], {})
    assert finding is not None
    assert finding.node.op.name == "divide"
    assert "slope of √x is infinite at x = 0" in finding.hint


def test_an_infinity_that_did_no_harm_is_not_accused() -> None:
    x = v(-200.0)
    harmless = 1 / (1 + cr.exp(-x))  # exp overflows, and the division takes it back to 0
    finding = first_nonfinite([(harmless + cr.log(v(0))).sum()], {})
    assert finding is not None
    assert finding.node.op.name == "log"


def test_a_mask_of_infinities_is_meant() -> None:
    scores = v(1, 2) + np.float32(-np.inf)
    shifted = scores - cr.max(scores)  # every place masked: ∞ - ∞
    finding = first_nonfinite([shifted.sum()], {})
    assert finding is not None
    assert (finding.node.op.name, finding.hint) == ("subtract", "∞ - ∞")


def test_an_infinity_that_became_a_nan_is_told_with_both_places() -> None:
    p = v(0.5, 0.0)
    finding = first_nonfinite([(p * cr.log(p)).sum()], {})
    assert finding is not None
    assert finding.node.op.name == "log"
    assert finding.became is not None
    assert (finding.became.node.op.name, finding.became.hint) == ("multiply", "0 · ∞")
    assert "it turns into NaN in multiply" in str(finding)


def test_a_bad_input_is_named_itself() -> None:
    x = cr.placeholder((2, 2), name="pixels")
    values = np.array([[1, 2], [3, np.nan]], np.float32)
    finding = first_nonfinite([(x * x).sum()], {x: values})
    assert finding is not None
    assert finding.node is x
    assert finding.index == (1, 1)
    assert str(finding).startswith("placeholder 'pixels' holds NaN at [1, 1] (1 of 4 elements")


class Ratio(Composite):
    """x / Σx, as a composite."""

    def build(self, x: Node) -> Node:  # type: ignore[override]
        return x / cr.sum(x)


def test_a_composite_is_opened() -> None:
    ratio = cr.graph.apply(Ratio(), v(0, 0))
    finding = first_nonfinite([ratio.sum()], {})
    assert finding is not None
    assert finding.node.op.name == "divide"
    assert finding.inside is ratio
    assert "divide, part of ratio" in str(finding)


def test_broadcast_operands_are_shown_at_the_entry() -> None:
    x, y = cr.variable(np.ones((2, 3))), cr.variable([1.0, 0.0, 2.0])
    finding = first_nonfinite([x / y], {})
    assert finding is not None
    assert (finding.index, finding.count) == ((0, 1), 2)
    assert [operand.value for operand in finding.operands] == [1.0, 0.0]
