"""Why no gradient reaches a node: the ops at which the flow ends, by name and line."""

from __future__ import annotations

import numpy as np

from ..dtypes import is_float
from ..graph import Node, constant, depending_on, topological
from .sweep import sweep


def why_no_gradient(output: Node, x: Node) -> str | None:
    """One sentence that says why ∂output/∂x is None; None where a gradient does flow.

    >>> import chainrule as cr
    >>> x = cr.variable(2.0, name="x")
    >>> print(why_no_gradient(cr.floor(x) * 3, x))
    every path from x ends at floor (<doctest ...>:1), which passes nothing back
    >>> print(why_no_gradient(cr.variable(1.0, name="y") * 3, x))
    the output does not depend on x
    """
    order = topological([output])
    paths = depending_on(order, [x])
    if output not in paths:
        return f"the output does not depend on {x.label}"
    if not is_float(x.dtype):
        return f"{x.label} is {x.dtype}, and derivatives are of floats"
    if not is_float(output.dtype):
        return f"the output is {output.dtype} (made by {_named(output)}), and derivatives are of floats"
    flowing = [node for node in order if node in paths and is_float(node.dtype)]
    table = sweep({output: constant(np.ones(output.shape, output.dtype))}, flowing)
    if x in table:
        return None
    ends = [
        node for node in order
        if node in paths and node in table and any(c in paths and c not in table for c in node.inputs)
    ]  # fmt: skip
    integers = [
        _named(_first_non_float(node, paths)) for node in ends if _first_non_float(node, paths) is not node
    ]
    steps = [_named(node) for node in ends if _first_non_float(node, paths) is node]
    told = []
    if steps:
        told.append(f"{_listed(steps)}, which passes nothing back")
    if integers:
        told.append(f"{_listed(integers)}, whose result is not a float")
    return f"every path from {x.label} ends at {'; or at '.join(told)}"


def _first_non_float(node: Node, paths: set[Node]) -> Node:
    """The non-float input through which the path comes, else the node itself."""
    for child in node.inputs:
        if child in paths and not is_float(child.dtype):
            return child
    return node


def _named(node: Node) -> str:
    return f"{node.op.name} ({node.origin})"


def _listed(names: list[str]) -> str:
    shown = list(dict.fromkeys(names))
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
