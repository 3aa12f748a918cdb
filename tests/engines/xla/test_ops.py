"""Every op of the table on the XLA engine: values, first and second derivatives, within the tolerances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines.stepper import Stepper
from chainrule.engines.xla import Xla

from ...ops.table import TABLE, Case, Row
from .agreement import assert_within, bounds

pytestmark = pytest.mark.xla


def sampled(row: Row, case: Case, dtype: str, rng: np.random.Generator) -> list[Any]:
    return [o.sample(rng, shape, dtype) for o, shape in zip(row.operands, case.shapes, strict=True)]


def spoilt(arrays: list[Any]) -> list[Any]:
    """The same arrays, with infinities, NaNs and zeros in some places."""
    found = [array.copy() for array in arrays]
    for number, array in enumerate(found):
        if array.dtype.kind == "f" and array.size:
            flat = array.reshape(-1)
            flat[number % array.size :: 4] = [np.nan, np.inf, -np.inf, 0.0][number % 4]
            flat[(number + 1) % array.size :: 5] = [np.inf, -np.inf, np.nan, -0.0][number % 4]
    return found


def derivatives(y: cr.Node, leaves: list[cr.Variable], rng: np.random.Generator) -> list[cr.Node]:
    """First and second derivatives of Σ w·sin(y): the second ones are not 0 for linear ops either."""
    floats = [leaf for leaf in leaves if leaf.dtype is y.dtype]
    weights = rng.normal(size=y.shape).astype(y.dtype)
    first = [g for g in cr.gradients(cr.sum(cr.sin(y) * weights), floats) if g is not None]
    along = [cr.sum(g * rng.normal(size=g.shape).astype(g.dtype)) for g in first]
    second = [g for slope in along for g in cr.gradients(slope, floats) if g is not None]
    return [*first, *second]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_values_and_derivatives_are_the_steppers_within_the_tolerances(row: Row) -> None:
    """All cases and dtypes of a row in one program: broadcast and empty shapes, and what is not finite."""
    rng, targets = np.random.default_rng(11), []
    for case in row.cases:
        for dtype in row.dtypes:
            arrays = sampled(row, case, dtype, rng)
            leaves = [cr.variable(array) for array in arrays]
            targets.append(row.function(*leaves, **case.attributes))
            # Derivatives are most of what is compiled: in float64 those of the first case stand for all.
            told = targets[-1].dtype == np.float32 or (
                targets[-1].dtype == np.float64 and case is row.cases[0]
            )
            if row.differentiable and told:
                targets += derivatives(targets[-1], leaves, rng)
            if row.nonfinite and "float" in dtype:
                targets.append(row.function(*map(cr.variable, spoilt(arrays)), **case.attributes))
    found, wanted = Xla(targets).run({}), Stepper(targets).run({})
    for node, a, b, bound in zip(targets, found, wanted, bounds(targets, {}), strict=True):
        assert_within(a, b, bound, f"{row.name}: {node!r}")
