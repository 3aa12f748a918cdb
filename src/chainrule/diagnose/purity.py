"""A user's own ``forward`` must be pure: it leaves its inputs alone, and gives the same result each time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..engines.stepper import run_op
from ..graph import Array, Environment, Leaf, Node, leaf_value, topological
from ..ops import expand

_OURS = __name__.partition(".")[0]


def impurity(outputs: Sequence[Node], environment: Environment) -> tuple[Node, str] | None:
    """The first op of the user's own that changes its inputs, or gives two results for the same ones."""
    values: Environment = {}
    with np.errstate(all="ignore"):
        for node in topological(expand(outputs)):
            if isinstance(node.op, Leaf):
                values[node] = leaf_value(node, environment)
                continue
            inputs = [values[child] for child in node.inputs]
            if type(node.op).__module__.partition(".")[0] != _OURS:
                told = _told(node, inputs)
                if told:
                    return node, told
            values[node] = run_op(node, inputs)
    return None


def _told(node: Node, inputs: Sequence[Array]) -> str:
    results = []
    for _ in range(2):
        copies = [np.array(value) for value in inputs]
        try:
            results.append(np.array(node.op.forward(np, *copies, **node.attributes)))
        except (ValueError, TypeError):
            return ""  # the evaluation itself says what is wrong with it
        for number, (copy, value) in enumerate(zip(copies, inputs, strict=True)):
            if not np.array_equal(copy, value, equal_nan=value.dtype.kind == "f"):
                return f"its forward writes to its input {number}, which other ops read too"
    first, second = results
    same = np.array_equal(first, second, equal_nan=first.dtype.kind == "f")
    return "" if same else "its forward gives another result each time for the same inputs"
