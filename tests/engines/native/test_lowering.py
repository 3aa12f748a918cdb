"""Every op of the table, lowered and interpreted, gives what the stepper gives; so do its derivatives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

import chainrule as cr
from chainrule import loops
from chainrule.engines.native.lowering import lower
from chainrule.engines.stepper import Stepper
from chainrule.graph import Node, Variable, leaf_value
from chainrule.ops import expand

from ...ops.table import TABLE, Row


def interpreted(outputs: Sequence[Node], updates: dict[Variable, Node] | None = None) -> list[np.ndarray]:
    """Outputs and new values by way of the loop program; raises where a check failed."""
    updates = updates or {}
    opened = expand([*outputs, *updates.values()])
    new = dict(zip(updates, opened[len(outputs) :], strict=True))
    lowered = lower(opened[: len(outputs)], new)
    memory = {
        buffer: np.array(leaf_value(leaf, {}), order="C").reshape(-1)
        for leaf, buffer in lowered.leaves.items()
    }
    assert loops.interpret(lowered.program, memory), "a check failed"
    empty = {b: np.empty(0, b.dtype) for b in lowered.outputs if not b.size}  # no kernel names them
    results = [memory.get(buffer, empty.get(buffer)) for buffer in lowered.outputs]
    results += [memory[lowered.updates[lowered.leaves[variable]]] for variable in updates]
    return [r.reshape(node.shape) for r, node in zip(results, [*outputs, *updates.values()], strict=True)]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_values_and_derivatives_are_the_steppers(row: Row) -> None:
    rng = np.random.default_rng(7)
    for case in row.cases:
        for dtype in row.dtypes:
            samples = [o.sample(rng, s, dtype) for o, s in zip(row.operands, case.shapes, strict=True)]
            leaves = [cr.variable(sample) for sample in samples]
            targets = [row.function(*leaves, **case.attributes)]
            if row.differentiable and targets[0].dtype.kind == "f":
                floats = [leaf for leaf in leaves if leaf.dtype.kind == "f"]
                targets += [g for g in cr.gradients(cr.sum(targets[0] * targets[0]), floats) if g is not None]
            wanted = Stepper(targets).run({})
            for node, a, b in zip(targets, interpreted(targets), wanted, strict=True):
                assert a.dtype == b.dtype
                if a.dtype.kind == "f":
                    close = 1e-12 if a.dtype == np.float64 else 2e-5
                    np.testing.assert_allclose(
                        a, b, rtol=close, atol=close, err_msg=f"{case} {dtype} {node!r}"
                    )
                else:
                    np.testing.assert_array_equal(a, b, err_msg=f"{case} {dtype} {node!r}")


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("smallest", [False, True])
def test_one_search_finds_the_extreme_and_its_place(smallest: bool, axis: int, keepdims: bool) -> None:
    x = np.random.default_rng(3).integers(-3, 3, (4, 5, 6)).astype("f")
    x[0, 1, 2] = x[1, 1, 0] = np.nan
    x[2, 0] = [-0.0, 0.0, np.inf, np.inf, -np.inf, -np.inf]
    extreme, place = (cr.min, cr.argmin) if smallest else (cr.max, cr.argmax)
    for leaf in (cr.variable(x), cr.variable(np.nan_to_num(x, posinf=9, neginf=-9).astype(np.int64))):
        doubled = leaf + leaf
        targets = [extreme(doubled, axis=axis, keepdims=keepdims), place(doubled, axis=axis)]
        for a, b in zip(interpreted(targets), Stepper(targets).run({}), strict=True):
            np.testing.assert_array_equal(a, b)
        steps = lower(targets, {}).program.steps
        bodies = [statement for step in steps for statement in loops.statements(step.body)]
        assert sum(isinstance(statement, loops.Reduce) for statement in bodies) == 1
    other = [
        cr.max(doubled, axis=axis),
        cr.argmax(doubled, axis=(axis + 1) % 3),
        cr.argmin(doubled, axis=axis),
    ]
    for a, b in zip(interpreted(other), Stepper(other).run({}), strict=True):
        np.testing.assert_array_equal(a, b)
