"""The graph as numbered lines of text."""

from __future__ import annotations

from collections.abc import Sequence

from .leaves import Constant
from .node import Node
from .walks import topological


def format_graph(outputs: Node | Sequence[Node], *, origins: bool = True) -> str:
    """One line a node, in topological order: number, op and inputs, shape, dtype, origin.

    >>> import chainrule as cr
    >>> a, b = cr.variable(3.0, name="a"), cr.variable(1.0, name="b")
    >>> print(format_graph((a * b + 1) * (a * b + 2), origins=False))
    %0 = variable a        ()  float32
    %1 = variable b        ()  float32
    %2 = multiply(%0, %1)  ()  float32
    %3 = constant 1.0      ()  float32
    %4 = add(%2, %3)       ()  float32
    %5 = constant 2.0      ()  float32
    %6 = add(%2, %5)       ()  float32
    %7 = multiply(%4, %6)  ()  float32
    """
    nodes = topological([outputs] if isinstance(outputs, Node) else outputs)
    number = {node: index for index, node in enumerate(nodes)}
    rows = []
    for node in nodes:
        row = [f"%{number[node]} = {_definition(node, number)}", str(node.shape), node.dtype.name]
        if origins:
            row.append(str(node.origin))
        rows.append(row)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _definition(node: Node, number: dict[Node, int]) -> str:
    if isinstance(node, Constant):
        return f"constant {node.short}"
    if not node.inputs and node.name:
        return f"{node.op.name} {node.name}"
    arguments = [f"%{number[child]}" for child in node.inputs]
    text = f"{node.op.name}({', '.join([*arguments, *node.shown_attributes()])})"
    return f"{text}  # {node.name}" if node.name else text
