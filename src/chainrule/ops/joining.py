"""Joining: arrays laid end to end or side by side, cut apart, and repeated."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..dtypes import DType
from ..errors import ArgumentError, Clash, ShapeError
from ..graph import Node, NodeLike, Shape, apply, as_node, call, constant, differing, register, user_place
from .axes import one_axis
from .elementwise import promote_inputs
from .movement import Movement, broadcast_to, expand_dims, reshape
from .slicing import slice_axis


class Concat(Movement):
    """Arrays laid end to end along an axis."""

    def prepare(self, inputs: Sequence[Any]) -> Sequence[Any]:
        return promote_inputs(inputs)

    def infer(self, *inputs: Node, axis: int) -> tuple[Shape, DType]:
        first = inputs[0].shape
        for other in inputs[1:]:
            same = len(other.shape) == len(first) and all(
                a == b or number == axis for number, (a, b) in enumerate(zip(first, other.shape, strict=True))
            )
            if not same:
                raise ShapeError(
                    f"shapes {', '.join(str(x.shape) for x in inputs)} differ off axis {axis}",
                    mend="all axes but the one concatenated must agree",
                    clash=_off(axis, inputs),
                )
        length = sum(x.shape[axis] for x in inputs)
        return (*first[:axis], length, *first[axis + 1 :]), inputs[0].dtype

    def forward(self, xp: Any, *values: Any, axis: int) -> Any:
        return xp.concat(values, axis=axis)

    def vjp(self, ct: Node, out: Node, *inputs: Node) -> tuple[Node | None, ...]:
        axis = out.attributes["axis"]
        found, start = [], 0
        for x in inputs:
            stop = start + x.shape[axis]
            found.append(slice_axis(ct, axis, start, stop))
            start = stop
        return tuple(found)


def _off(axis: int, inputs: Sequence[Node]) -> Clash:
    """The axes that differ, but for the one along which arrays are laid end to end."""
    ndim = inputs[0].ndim
    if any(x.ndim != ndim for x in inputs):
        return ()
    return tuple([(number, at) for number, at in differing(*inputs) if at != axis - ndim])


_CONCAT = Concat()


def concat(arrays: Sequence[NodeLike], axis: int | None = 0) -> Node:
    """Arrays laid end to end along ``axis``; None flattens them first.

    >>> import chainrule as cr
    >>> cr.concat([[1.0, 2.0], [3.0]]).value
    array([1., 2., 3.], dtype=float32)
    """
    nodes = [as_node(x) for x in arrays]
    if not nodes:
        raise ArgumentError("concat: there is nothing to concatenate", where=user_place())
    if axis is None:
        nodes, axis = [reshape(node, -1) for node in nodes], 0
    if len(nodes) == 1:
        return nodes[0]
    return apply(_CONCAT, *nodes, axis=one_axis(axis, nodes[0].ndim, "concat"))


def stack(arrays: Sequence[NodeLike], axis: int = 0) -> Node:
    """Arrays of one shape side by side along a new axis.

    >>> import chainrule as cr
    >>> cr.stack([[1, 2], [3, 4]], axis=1).value
    array([[1, 3],
           [2, 4]])
    """
    nodes = [as_node(x) for x in arrays]
    if not nodes:
        raise ArgumentError("stack: there is nothing to stack", where=user_place())
    shapes = {node.shape for node in nodes}
    if len(shapes) > 1:
        raise ShapeError(
            f"stack: the shapes differ: {', '.join(str(node.shape) for node in nodes)}", where=user_place()
        )
    number = one_axis(axis, nodes[0].ndim + 1, "stack")
    return concat([expand_dims(node, number) for node in nodes], axis=number)


def split(x: NodeLike, parts: int | Sequence[int], axis: int = 0) -> list[Node]:
    """``x`` cut along ``axis`` into ``parts`` equal pieces, or at the given indices.

    >>> import chainrule as cr
    >>> [piece.shape for piece in cr.split(cr.placeholder((6, 2)), 3)]
    [(2, 2), (2, 2), (2, 2)]
    """
    node = as_node(x)
    number = one_axis(axis, node.ndim, "split")
    length = node.shape[number]
    if isinstance(parts, int):
        if parts < 1 or length % parts:
            raise ShapeError(
                f"split: axis {number} of length {length} cannot be cut into {parts} equal pieces",
                where=user_place(),
                mend="give the indices to cut at instead",
            )
        cuts = list(range(0, length, length // parts or 1))[1:parts]
    else:
        cuts = list(parts)
    edges = [0, *cuts, length]
    return [slice_axis(node, number, a, b) for a, b in pairwise(edges)]


def tile(x: NodeLike, repetitions: int | Sequence[int]) -> Node:
    """The whole array repeated along each axis.

    >>> import chainrule as cr
    >>> cr.tile([1, 2], 2).value
    array([1, 2, 1, 2])
    """
    node = as_node(x)
    counts = [repetitions] if isinstance(repetitions, int) else list(repetitions)
    if any(count < 0 for count in counts):
        raise ArgumentError("tile: repetitions cannot be negative", where=user_place())
    ndim = max(node.ndim, len(counts))
    counts = [1] * (ndim - len(counts)) + counts
    sizes = [1] * (ndim - node.ndim) + list(node.shape)
    paired = [length for pair in zip(counts, sizes, strict=True) for length in pair]
    spread = [length for size in sizes for length in (1, size)]
    whole = broadcast_to(reshape(node, spread), paired)
    return reshape(whole, [count * size for count, size in zip(counts, sizes, strict=True)])


def repeat(x: NodeLike, repeats: int | Sequence[int], axis: int | None = None) -> Node:
    """Each element ``repeats`` times in a row along ``axis``; None flattens first.

    >>> import chainrule as cr
    >>> cr.repeat([1, 2], 2).value, cr.repeat([1, 2], [3, 1]).value
    (array([1, 1, 2, 2]), array([1, 1, 1, 2]))
    """
    node = as_node(x)
    if axis is None:
        node, axis = reshape(node, -1), 0
    number = one_axis(axis, node.ndim, "repeat")
    length = node.shape[number]
    counts = np.broadcast_to(np.asarray(repeats, np.int64), (length,))
    if (counts < 0).any():
        raise ArgumentError("repeat: counts cannot be negative", where=user_place())
    if not isinstance(repeats, int):
        return call("take", node, constant(np.repeat(np.arange(length), counts)), axis=number)
    sizes = list(node.shape)
    wide = broadcast_to(expand_dims(node, number + 1), (*sizes[: number + 1], repeats, *sizes[number + 1 :]))
    return reshape(wide, (*sizes[:number], length * repeats, *sizes[number + 1 :]))


for _function in (concat, stack, split, tile, repeat):
    register(_function.__name__, _function)
