"""A shape error as a picture: the partial graph up to the op that could not be built."""

from __future__ import annotations

import os

from ..dtypes import DType, float32
from ..errors import ArgumentError, ChainruleError
from ..graph import Misfit, Node, Op, Shape, apply, placeholder, rebuild, rebuilt, topological, user_place
from ..view import Drawing, draw

_DEPTH = 6
"""Levels drawn above the failing op; what is further away stands as an input."""


class _Unknown(int):
    """The length of an axis that nobody knows."""

    def __repr__(self) -> str:
        return "?"

    __str__ = __repr__


class _Failing(Op):
    """Stands where the op would be; it has no value, and its shape is not known."""

    def __init__(self, name: str) -> None:
        self.name = f"✗ {name}"
        super().__init__()

    def infer(self, *inputs: Node) -> tuple[Shape, DType]:
        return (_Unknown(),), float32


def draw_error(
    error: ChainruleError, path: str | os.PathLike[str] | None = None, *, depth: int = _DEPTH
) -> Drawing:
    """Draw the graph up to the op that a shape error is about, which has a ✗; write it to ``path`` if given.

    Shapes stand above each node; ``depth`` levels are drawn, and what lies beyond them stands as an input.
    The lengths that disagree stand below the op.

    Raises ``ArgumentError`` for an error that is about no op.

    >>> import chainrule as cr
    >>> try:
    ...     cr.placeholder((2, 3), name="x") + cr.placeholder((4,), name="b")
    ... except cr.errors.ShapeError as error:
    ...     print(draw_error(error))
    <drawing: graph of 3 against 4: 1 ops, 0 parameters, 2 inputs and constants>
    """
    about = error.about if isinstance(error, ChainruleError) else None
    if not isinstance(about, Misfit):
        raise ArgumentError(
            f"draw_error: a {type(error).__name__} that is about no op has nothing to draw",
            where=user_place(),
            mend="give the ShapeError of an op, in the process that raised it",
        )
    failing = apply(_Failing(about.name), *_near(about.inputs, depth))
    return draw(failing.named(about.lengths()) if about.clash else failing, path, origins=True)


def _near(inputs: tuple[Node, ...], depth: int) -> list[Node]:
    """The operands with what is more than ``depth`` levels away replaced by inputs of the same names."""
    level: dict[Node, int] = dict.fromkeys(inputs, 1)
    for node in reversed(topological(inputs)):
        for child in node.inputs:
            level[child] = min(level.get(child, level[node] + 1), level[node] + 1)

    def visit(node: Node, children: tuple[Node, ...]) -> Node:
        if node.inputs and level[node] > depth:
            return placeholder(node.shape, node.dtype, name=f"… {node.label}")
        return rebuilt(node, children)

    return rebuild(inputs, visit)
