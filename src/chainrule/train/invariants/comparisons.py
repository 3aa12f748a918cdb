"""Where a loss compares what was predicted with what was wanted: found in its graph, whoever wrote it."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from ...dtypes import is_float
from ...functions.cross_entropy import CrossEntropy, NllLoss
from ...functions.losses import BinaryCrossEntropy
from ...graph import Node
from ...ops import Elementwise
from ...ops.casts import Cast
from ...ops.comparison import Where
from ...ops.movement import Movement
from ...ops.reduction import Reduction


class Comparison(NamedTuple):
    """A node that compares a prediction with a target."""

    kind: str
    """``classes``, ``log classes``, ``yes or no``, or ``numbers`` (a difference)."""
    node: Node
    prediction: Node
    target: Node


_LOSSES: dict[type, str] = {
    CrossEntropy: "classes",
    NllLoss: "log classes",
    BinaryCrossEntropy: "yes or no",
}
_THROUGH = (Elementwise, Reduction, Movement, Cast, Where)


def comparisons(
    loss: Node, dependent: Collection[Node], fed: Collection[Node]
) -> tuple[list[Comparison], list[Node]]:
    """The comparisons that ``loss`` is a mean or sum of, and the nodes between it and them.

    ``dependent`` are the nodes that the parameters have a part in, ``fed`` those that the batch has.

    >>> import chainrule as cr
    >>> w, x, y = cr.variable(1.0), cr.placeholder((3,)), cr.placeholder((3,))
    >>> squares = (w * x - y) ** 2
    >>> found, between = comparisons(cr.sum(squares), {w, w * x, w * x - y, squares}, {x, y})
    >>> [(c.kind, c.target is y) for c in found], between[1] is squares
    ([('numbers', True)], True)
    """
    found: list[Comparison] = []
    between: list[Node] = []
    seen, stack = {loss}, [loss]
    while stack:
        node = stack.pop()
        between.append(node)
        compared = _comparison(node, dependent, fed)
        if compared is not None:
            found.append(compared)
            continue
        if not isinstance(node.op, _THROUGH):
            continue
        for child in node.inputs:
            if child not in seen and child in dependent:
                seen.add(child)
                stack.append(child)
    return found, between


def _comparison(node: Node, dependent: Collection[Node], fed: Collection[Node]) -> Comparison | None:
    kind = _LOSSES.get(type(node.op))
    if kind is not None:
        prediction, target = node.inputs[:2]
        return Comparison(kind, node, prediction, target) if prediction in dependent else None
    if node.op.name != "subtract" or not is_float(node.dtype):
        return None
    one, other = node.inputs
    for prediction, target in ((one, other), (other, one)):
        if prediction in dependent and target in fed and target not in dependent:
            return Comparison("numbers", node, prediction, target)
    return None
