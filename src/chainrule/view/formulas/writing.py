"""From graphs to formulas: a node's value rule, and whole expressions down to what has a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from ...graph import Constant, Node
from ...simplify.language import number as number_of
from .calls import is_own
from .definitions import DEFINITIONS
from .printers import write
from .tree import Convention, Math, Number, Vector, number, symbol

Names = Mapping[Node, str]
_SHORT = 6  # numbers that a constant is written out with


class Writer:
    """Writes nodes as formulas of those nodes that have names; each node is written once."""

    def __init__(self, names: Mapping[Node, Math], convention: Convention = "row") -> None:
        self.convention = convention
        self._known: dict[Node, Math] = dict(names)

    def __call__(self, node: Node) -> Math:
        """The node as a formula: its name, or what it is made of."""
        stack = [node]
        while stack:
            top = stack[-1]
            if top in self._known:
                stack.pop()
                continue
            waiting = [child for child in top.inputs if child not in self._known]
            if waiting:
                stack += waiting
                continue
            self._known[top] = self._written(top)
        return self._known[node]

    def _written(self, node: Node) -> Math:
        if not node.inputs:
            return leaf(node)
        return write(node, [self._known[child] for child in node.inputs], self.convention)


def leaf(node: Node, name: str | None = None) -> Math:
    """A leaf: its number or short array where it is a constant, else its name."""
    if isinstance(node, Constant):
        common = number_of(node)
        if common is not None and (node.dtype.kind != "b" or not node.ndim):
            return number(common)
        if 0 < node.size <= _SHORT:
            return vector(node.array)
    return symbol(name or node.name or node.op.name, node.ndim)


def vector(array: NDArray[Any]) -> Math:
    """A short array, written out."""
    return Vector(_items(array), array.ndim)


def _items(array: NDArray[Any]) -> tuple[Any, ...]:
    return tuple([_items(item) if item.ndim else number(item).value for item in array])


def symbols(nodes: Sequence[Node], names: Names) -> list[Math]:
    """What stands for each node: constants of one number as that number, the rest by name."""
    found: list[Math] = []
    for node in nodes:
        given = names.get(node)
        plain = leaf(node, given) if isinstance(node, Constant) and not node.inputs else None
        found.append(plain if isinstance(plain, Number) else symbol(given or _unnamed(node), node.ndim))
    return found


def _unnamed(node: Node) -> str:
    return node.name or node.op.name


def value_rule(node: Node, names: Names, *, convention: Convention = "row") -> Math:
    """How the node's value comes from its inputs', which ``names`` gives names: ``tanh(z)``.

    A leaf is its own name.  In the row convention an array of one axis is a row in matrix products, in
    the column convention a column; arrays of two axes stand as they are.

    >>> import chainrule as cr
    >>> x, W = cr.placeholder((4,), name="x"), cr.variable([[0.0] * 4] * 3, name="W")
    >>> value_rule(W @ x, {W: "W", x: "x"}, convention="column").text()
    'W x'
    >>> value_rule(W @ x, {W: "W", x: "x"}).text()
    'x Wᵀ'
    """
    if not node.inputs:
        return leaf(node, names.get(node))
    return defined(node, symbols(node.inputs, names), convention)


def defined(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    """What a node is on these operands: composites and movements are spelled out."""
    definition = DEFINITIONS.get(node.op.name) if is_own(node) else None
    if definition is not None and (found := definition(node, operands, convention)) is not None:
        return found
    return write(node, operands, convention)
