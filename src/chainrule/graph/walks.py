"""Walks over the graph, all of them loops: a chain of a million nodes is as fine as one of ten."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from .node import Node


def topological(outputs: Iterable[Node], stop: Callable[[Node], bool] | None = None) -> list[Node]:
    """The nodes that ``outputs`` depend on, every node after its inputs (Algorithm 5.3's order).

    The order depends on the structure alone.  ``stop(node)`` true means that the node's inputs are not
    visited.

    >>> import chainrule as cr
    >>> x = cr.variable(2.0, name="x")
    >>> [node.op.name for node in topological([x * x + 1])]
    ['variable', 'multiply', 'constant', 'add']
    """
    order: list[Node] = []
    done: set[Node] = set()
    stack: list[tuple[Node, bool]] = [(node, False) for node in outputs][::-1]
    while stack:
        node, inputs_done = stack.pop()
        if inputs_done:
            order.append(node)
            continue
        if node in done:
            continue
        done.add(node)
        if not node.inputs or (stop is not None and stop(node)):
            order.append(node)
            continue
        stack.append((node, True))
        stack += [(child, False) for child in reversed(node.inputs) if child not in done]
    return order


def consumers(order: Iterable[Node]) -> dict[Node, list[Node]]:
    """For each node of ``order``, the nodes that read it, once for each input they read it as."""
    table: dict[Node, list[Node]] = {}
    for node in order:
        table.setdefault(node, [])
        for child in node.inputs:
            table.setdefault(child, []).append(node)
    return table


def depending_on(order: Sequence[Node], leaves: Iterable[Node]) -> set[Node]:
    """The nodes of ``order`` (topological) with a path to one of ``leaves``, those included."""
    reached = set(leaves)
    for node in order:
        if node not in reached and any(child in reached for child in node.inputs):
            reached.add(node)
    return reached
