"""How nodes are built: arguments become nodes, the op adds its casts, equal structure is found again."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import ChainruleError
from .interning import intern, located
from .leaves import as_node
from .node import Node, NodeLike
from .op import Op
from .walks import topological


def apply(op: Op, /, *inputs: NodeLike, **attributes: Any) -> Node:
    """The node of ``op`` on ``inputs``: arguments become nodes, the op inserts its casts.

    Attributes must be hashable.  Raises the op's ``ShapeError`` or ``DTypeError``, naming the user's
    line and every input.
    """
    try:
        nodes = tuple([value if isinstance(value, Node) else as_node(value) for value in op.prepare(inputs)])
    except ChainruleError as error:
        raise located(error, op, ()) from None
    return intern(op, nodes, attributes)


def rebuilt(node: Node, inputs: tuple[Node, ...]) -> Node:
    """The node's op on other inputs, with its name and origin; the node itself where they are the same."""
    if all(map(operator.is_, inputs, node.inputs)):
        return node
    new = intern(node.op, inputs, dict(node.attributes), node.origin)
    if node.name is not None and new.name is None:
        new.named(node.name)
    return new


def rebuild(outputs: Sequence[Node], visit: Callable[[Node, tuple[Node, ...]], Node]) -> list[Node]:
    """Build a graph anew, bottom up: ``visit(node, new_inputs)`` gives what stands for ``node``."""
    new: dict[Node, Node] = {}
    for node in topological(outputs):
        new[node] = visit(node, tuple([new[child] for child in node.inputs]))
    return [new[node] for node in outputs]


def substitute(outputs: Sequence[Node], replacements: Mapping[Node, Node]) -> list[Node]:
    """``outputs`` with every occurrence of a key of ``replacements`` replaced by its value.

    >>> import chainrule as cr
    >>> x, y = cr.variable(2.0), cr.variable(5.0)
    >>> float(substitute([x * x + 1], {x: y})[0])
    26.0
    """

    def visit(node: Node, inputs: tuple[Node, ...]) -> Node:
        return replacements[node] if node in replacements else rebuilt(node, inputs)

    return rebuild(outputs, visit)
