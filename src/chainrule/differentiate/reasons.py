"""Why no gradient reaches a node: the ops at which the flow ends, by name and line."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..dtypes import is_float
from ..graph import Node, constant, depending_on, topological
from ..ops.casts import Cast
from .sweep import sweep


class Cut(NamedTuple):
    """An op at which every path that comes this way ends."""

    node: Node
    how: str
    """What it does to the flow, to be read after its name."""

    def __str__(self) -> str:
        return f"{self.node.op.name} ({self.node.origin}), {self.how}"


_PASSES_NOTHING = "which passes nothing back"
_NOT_FLOAT = "whose result is not a float"


def why_no_gradient(output: Node, x: Node) -> str | None:
    """One sentence that says why ∂output/∂x is None; None where a gradient does flow.

    >>> import chainrule as cr
    >>> x = cr.variable(2.0, name="x")
    >>> print(why_no_gradient(cr.floor(x) * 3, x))
    every path from x ends at floor (<doctest ...>:1), which passes nothing back
    >>> print(why_no_gradient(cr.variable(1.0, name="y") * 3, x))
    the output does not depend on x
    """
    if not is_float(x.dtype):
        return f"{x.label} is {x.dtype}, and derivatives are of floats"
    found = cuts(output, x)
    if found is None:
        return None
    if not found:
        return f"the output does not depend on {x.label}"
    if not is_float(output.dtype) and found[0].node is output:
        return f"the output is {output.dtype} (made by {_named(output)}), and derivatives are of floats"
    told = [
        f"{_listed([_named(cut.node) for cut in found if cut.how == how])}, {how}"
        for how in dict.fromkeys(cut.how for cut in found)
    ]
    return f"every path from {x.label} ends at {'; or at '.join(told)}"


def cuts(output: Node, x: Node) -> list[Cut] | None:
    """The ops at which the paths from ``x`` to the output end; empty without a path, None if one flows.

    >>> import chainrule as cr
    >>> x = cr.variable([2.0, 1.0], name="x")
    >>> [str(cut) for cut in cuts(cr.argmax(x) * 3.0, x)]
    ['argmax (<doctest ...>:1), whose result is not a float']
    """
    order = topological([output])
    paths = depending_on(order, [x])
    if output not in paths:
        return []
    if not is_float(output.dtype):
        return [Cut(output, _NOT_FLOAT)]
    flowing = [node for node in order if node in paths and is_float(node.dtype)]
    table = sweep({output: constant(np.ones(output.shape, output.dtype))}, flowing)
    if x in table:
        return None
    ends = [
        node for node in order
        if node in paths and node in table and any(c in paths and c not in table for c in node.inputs)
    ]  # fmt: skip
    found = []
    for node in ends:
        stop = _first_non_float(node, paths)
        found.append(Cut(stop, _PASSES_NOTHING if stop is node else _how(stop)))
    return sorted(dict.fromkeys(found), key=lambda cut: cut.how != _PASSES_NOTHING)


def _how(node: Node) -> str:
    if isinstance(node.op, Cast):
        return f"a cast to {node.dtype}, {_NOT_FLOAT}"
    return _NOT_FLOAT


def _first_non_float(node: Node, paths: set[Node]) -> Node:
    """The op at which floats end, on the way down through what is no float; else the node itself."""
    for child in node.inputs:
        if child in paths and not is_float(child.dtype):
            while not any(c in paths and is_float(c.dtype) for c in child.inputs):
                below = [c for c in child.inputs if c in paths]
                if not below:
                    break
                child = below[0]
            return child
    return node


def _named(node: Node) -> str:
    return f"{node.op.name} ({node.origin})"


def _listed(names: list[str]) -> str:
    shown = list(dict.fromkeys(names))
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
