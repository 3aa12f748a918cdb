"""Composites: named inner graphs.  One node in the picture that opens into its parts.

A composite is defined by ``build``, which writes its value in other ops.  Every engine sees the parts
(:func:`expand`); the derivative is that of the parts, unless the class gives a better-conditioned
``vjp`` of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..dtypes import DType
from ..errors import ChainruleError
from ..graph import Node, Op, Shape, derived_from, forward_pass, placeholder, rebuilt, topological


class Composite(Op):
    """An op whose value is an inner graph."""

    def build(self, *inputs: Any, **attributes: Any) -> Node:
        """The inner graph on these inputs."""
        raise ChainruleError(f"the composite {self.name!r} does not say what it consists of")

    def infer(self, *inputs: Any, **attributes: Any) -> tuple[Shape, DType]:
        inner = self.build(*inputs, **attributes)
        return inner.shape, inner.dtype

    def forward(self, xp: Any, *values: Any, **attributes: Any) -> Any:
        leaves = [placeholder(value.shape, value.dtype) for value in values]
        inner = self.build(*leaves, **attributes)
        return forward_pass([inner], dict(zip(leaves, values, strict=True)), xp)[0]

    @classmethod
    def has_own_derivative(cls) -> bool:
        """Whether the class writes its own ``vjp`` instead of leaving it to its parts."""
        return cls.vjp is not Op.vjp


def parts(node: Node, inputs: Sequence[Node] | None = None) -> Node:
    """The inner graph of a composite's node, on its own inputs or on others."""
    assert isinstance(node.op, Composite)
    with derived_from(node.origin, f"in {node.op.name}"):
        return node.op.build(*(node.inputs if inputs is None else inputs), **node.attributes)


def expand(outputs: Sequence[Node]) -> list[Node]:
    """``outputs`` with every composite opened into its parts, to the bottom.

    >>> import chainrule as cr
    >>> x = cr.placeholder((2, 3), name="x")
    >>> [node.op.name for node in cr.graph.topological(expand([cr.softplus(x)]))]
    ['placeholder', 'constant', 'maximum', 'abs', 'negative', 'exp', 'log1p', 'add']
    """
    if not any(isinstance(node.op, Composite) for node in topological(outputs)):
        return list(outputs)
    opened: dict[Node, Node] = {}

    def walk(targets: Sequence[Node]) -> None:
        for node in topological(targets, stop=opened.__contains__):
            if node in opened:
                continue
            inputs = tuple([opened[child] for child in node.inputs])
            if isinstance(node.op, Composite):
                inner = parts(node, inputs)
                opened.update((child, child) for child in inputs)
                walk([inner])
                opened[node] = opened[inner]
            else:
                opened[node] = rebuilt(node, inputs)

    walk(outputs)
    return [opened[node] for node in outputs]
