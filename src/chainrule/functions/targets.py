"""What losses ask of their targets: equal shapes, class indices in range, a reduction that exists."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from .. import namespace
from ..dtypes import DType
from ..errors import ArgumentError, IndexRangeError
from ..graph import Constant, Node, NodeLike, Op, Shape, apply, as_node, differing, shape_error, user_place
from ..ops import mean, sum
from ..ops.elementwise import promote_inputs
from ..ops.indexing import as_indices

Reduction = Literal["mean", "sum", "none"]
"""What becomes of the examples' losses: their mean, their sum, or all of them."""


def check_reduction(reduction: str, what: str) -> str:
    """``reduction`` if there is such a one; raises ``ArgumentError``."""
    if reduction not in ("mean", "sum", "none"):
        raise ArgumentError(
            f"{what}: reduction={reduction!r} is unknown", where=user_place(), mend="'mean', 'sum' or 'none'"
        )
    return reduction


def reduced(losses: Node, reduction: str, what: str) -> Node:
    """The losses of all examples as one number, or as they are."""
    kind = check_reduction(reduction, what)
    return mean(losses) if kind == "mean" else sum(losses) if kind == "sum" else losses


def same_shape(what: str, **operands: NodeLike) -> list[Node]:
    """The operands in one float type; raises ``ShapeError`` where shapes differ at all.

    Broadcasting ``(N, 1)`` against ``(N,)`` would give N² losses and train on nonsense.
    """
    nodes = promote_inputs(list(operands.values()), to_float=True)
    shapes = {node.shape for node in nodes}
    if len(shapes) > 1:
        shown = ", ".join(f"{name} {node.shape}" for name, node in zip(operands, nodes, strict=True))
        raise shape_error(
            what,
            f"the shapes differ: {shown}; a loss compares like with like and broadcasts nothing",
            nodes,
            differing(*nodes),
            mend=_shape_mend(list(operands), [node.shape for node in nodes]),
        )
    return nodes


def _shape_mend(names: list[str], shapes: list[Shape]) -> str:
    shorter, *_, longer = sorted(range(len(shapes)), key=lambda i: len(shapes[i]))
    a, b = shapes[longer], shapes[shorter]
    if len(a) == len(b) + 1:
        for axis in reversed(range(len(a))):
            if a[axis] == 1 and a[:axis] + a[axis + 1 :] == b:
                return f"take the axis of length 1 away: cr.squeeze({names[longer]}, axis={axis})"
    if sorted(a) == sorted(b):
        return "the axes are in another order: cr.permute_dims"
    if not b:
        return f"give every element its own: cr.broadcast_to({names[shorter]}, {names[longer]}.shape)"
    return "check which of the two has the wrong shape"


class ClassIndex(Op):
    """Indices as they are, each held to ``0 … count-1``.

    Reading at -1 means the last place elsewhere; as a class or a word it is a mistake.
    """

    name = "class_index"

    def infer(self, indices: Node, *, count: int, what: str, of: str) -> tuple[Shape, DType]:
        return indices.shape, indices.dtype

    def forward(self, xp: Any, indices: Any, *, count: int, what: str, of: str) -> Any:
        def fail(found: Any) -> None:
            check_range(found, count, what, of)

        namespace.require_range(xp, xp.asarray(indices), count, fail)
        return indices

    def vjp(self, ct: Node, out: Node, indices: Node) -> tuple[Node | None, ...]:
        return (None,)


_CLASS_INDEX = ClassIndex()
_MENDS = {
    "classes": "examples that do not count are left out with ignore_index=",
    "rows": "the table is too short, or the indices come from another vocabulary",
}


def check_range(
    indices: Any, count: int, what: str, of: str, *, ignore: int | None = None, where: str | None = None
) -> None:
    """Raise ``IndexRangeError`` for the first index outside ``0 … count-1`` that is not ``ignore``."""
    if not indices.size or (indices.min() >= 0 and indices.max() < count):
        return
    bad = (indices < 0) | (indices >= count)
    if ignore is not None:
        bad &= indices != ignore
    if bad.any():
        place = tuple([int(i) for i in np.argwhere(bad)[0]])
        at = f" at {list(place)}" if place else ""
        raise IndexRangeError(
            f"{what}: the index {indices[place]}{at} is not one of the {count} {of}",
            where=where,
            mend=f"{of} run from 0 to {count - 1}; {_MENDS[of]}",
        )


def as_targets(value: NodeLike, what: str) -> Node:
    """Targets as a node; NumPy's narrow integers, in which labels are often stored, become int64."""
    if not isinstance(value, Node) and np.asarray(value).dtype.kind in "iu":
        return as_indices(value, what)
    return as_node(value)


def class_indices(
    indices: NodeLike, count: int, what: str, of: str = "classes", ignore: int | None = None
) -> Node:
    """``indices`` as a node of integers; those known already are checked where they are written.

    :func:`in_range` puts the check of the others into the graph.
    """
    node = as_indices(indices, what)
    if isinstance(node, Constant):
        check_range(node.array, count, what, of, ignore=ignore, where=user_place())
    return node


def in_range(indices: Node, count: int, what: str, of: str = "classes") -> Node:
    """The indices, checked when they are computed; constants have been by :func:`class_indices`."""
    if isinstance(indices, Constant):
        return indices
    return apply(_CLASS_INDEX, indices, count=count, what=what, of=of)
