"""Movement: the same elements in another arrangement.  Every rule's adjoint is again a movement."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dtypes import DType, of_weak_scalar
from ..errors import ArgumentError, DTypeError, ShapeError
from ..graph import (
    Axis,
    Node,
    NodeLike,
    Op,
    Shape,
    apply,
    as_node,
    register,
    user_place,
)
from .axes import many_axes, one_axis
from .slicing import take_slices


class Movement(Op):
    """An op that only moves elements: dtype kept."""


class Reshape(Movement):
    """The same elements in row-major order under another shape."""

    def infer(self, x: Node, *, shape: Shape) -> tuple[Shape, DType]:
        if math.prod(shape) != x.size:
            raise ShapeError(
                f"{x.size} elements of shape {x.shape} do not fill the shape {shape}",
                mend="one of the sizes may be -1, and is then computed",
            )
        return shape, x.dtype

    def forward(self, xp: Any, x: Any, *, shape: Shape) -> Any:
        return xp.reshape(x, shape)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (reshape(ct, x.shape),)


class PermuteDims(Movement):
    """The axes in another order."""

    def infer(self, x: Node, *, axes: tuple[int, ...]) -> tuple[Shape, DType]:
        return tuple([x.shape[axis] for axis in axes]), x.dtype

    def forward(self, xp: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
        return xp.permute_dims(x, axes)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        axes = out.attributes["axes"]
        return (permute_dims(ct, tuple([axes.index(axis) for axis in range(x.ndim)])),)

    def render(self, *inputs: str, **attributes: Any) -> str:
        axes = attributes["axes"]
        return f"{inputs[0]}ᵀ" if axes == (1, 0) else super().render(*inputs, **attributes)


class BroadcastTo(Movement):
    """Axes of length 1, and missing ones in front, repeated to a larger shape."""

    def infer(self, x: Node, *, shape: Shape) -> tuple[Shape, DType]:
        lead = len(shape) - x.ndim
        if lead < 0 or any(have not in (1, want) for have, want in zip(x.shape, shape[lead:], strict=True)):
            raise ShapeError(
                f"shape {x.shape} does not broadcast to {shape}",
                mend="only axes of length 1 can be stretched, and axes are matched from the last",
            )
        return shape, x.dtype

    def forward(self, xp: Any, x: Any, *, shape: Shape) -> Any:
        return xp.broadcast_to(x, shape)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct,)  # the sweep sums over the stretched axes


class Pad(Movement):
    """A border of one value around the array."""

    def infer(self, x: Node, *, widths: tuple[tuple[int, int], ...], value: float) -> tuple[Shape, DType]:
        sizes = [before + size + after for size, (before, after) in zip(x.shape, widths, strict=True)]
        return tuple(sizes), x.dtype

    def forward(self, xp: Any, x: Any, *, widths: tuple[tuple[int, int], ...], value: float) -> Any:
        return xp.pad(x, widths, constant_values=value)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        inner = [
            (before, size, 1) for size, (before, _) in zip(x.shape, out.attributes["widths"], strict=True)
        ]
        return (take_slices(ct, tuple(inner)),)


class Roll(Movement):
    """Elements moved along axes, those that fall off the end coming back at the start."""

    def infer(self, x: Node, **attributes: Any) -> tuple[Shape, DType]:
        return x.shape, x.dtype

    def forward(self, xp: Any, x: Any, *, shift: tuple[int, ...], axis: tuple[int, ...]) -> Any:
        return xp.roll(x, shift, axis=axis)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        back = tuple([-step for step in out.attributes["shift"]])
        return (apply(_ROLL, ct, shift=back, axis=out.attributes["axis"]),)


_RESHAPE, _PERMUTE_DIMS, _BROADCAST_TO = Reshape(), PermuteDims(), BroadcastTo()
_ROLL, _PAD = Roll(), Pad()


def reshape(x: NodeLike, shape: int | Sequence[int]) -> Node:
    """The same elements, row by row, under another shape; one size may be -1.

    >>> import chainrule as cr
    >>> cr.reshape([1.0, 2.0, 3.0, 4.0], (2, -1)).shape
    (2, 2)
    """
    node = as_node(x)
    sizes = [shape] if isinstance(shape, int) else [operator.index(size) for size in shape]
    if sizes.count(-1) == 1:
        rest = math.prod(size for size in sizes if size != -1)
        if rest and node.size % rest == 0:
            sizes[sizes.index(-1)] = node.size // rest
    if any(size < 0 for size in sizes):
        raise ShapeError(
            f"reshape: {node.size} elements of shape {node.shape} do not fill the shape {tuple(sizes)}",
            where=user_place(),
            mend="one of the sizes may be -1, and the others must divide the number of elements",
        )
    return node if tuple(sizes) == node.shape else apply(_RESHAPE, node, shape=tuple(sizes))


def permute_dims(x: NodeLike, axes: Sequence[int]) -> Node:
    """The axes in the order ``axes``: axis i of the result is axis ``axes[i]`` of ``x``.

    >>> import chainrule as cr
    >>> cr.permute_dims(cr.placeholder((2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    """
    node = as_node(x)
    order = tuple([one_axis(axis, node.ndim, "permute_dims") for axis in axes])
    if sorted(order) != list(range(node.ndim)):
        raise ShapeError(
            f"permute_dims: {tuple(axes)} is not an order of the {node.ndim} axes", where=user_place()
        )
    return node if order == tuple(range(node.ndim)) else apply(_PERMUTE_DIMS, node, axes=order)


def matrix_transpose(x: NodeLike) -> Node:
    """The last two axes exchanged.

    >>> import chainrule as cr
    >>> cr.matrix_transpose([[1, 2], [3, 4]]).value
    array([[1, 3],
           [2, 4]])
    """
    node = as_node(x)
    if node.ndim < 2:
        raise ShapeError(
            f"matrix_transpose: shape {node.shape} has no two axes to exchange",
            where=user_place(),
            mend="make a row or a column first: x[None, :] or x[:, None]",
        )
    last = node.ndim - 1
    return permute_dims(node, (*range(last - 1), last, last - 1))


def broadcast_to(x: NodeLike, shape: Sequence[int]) -> Node:
    """``x`` stretched to ``shape`` by NumPy's rules; the derivative is summed over the copies.

    >>> import chainrule as cr
    >>> cr.broadcast_to([1.0, 2.0], (3, 2)).shape
    (3, 2)
    """
    node, sizes = as_node(x), tuple([operator.index(size) for size in shape])
    return node if sizes == node.shape else apply(_BROADCAST_TO, node, shape=sizes)


def expand_dims(x: NodeLike, axis: Axis = 0) -> Node:
    """A new axis of length 1 at ``axis`` (or several).

    >>> import chainrule as cr
    >>> cr.expand_dims(cr.placeholder((2, 3)), 1).shape
    (2, 1, 3)
    """
    node = as_node(x)
    count = len(axis) if isinstance(axis, tuple | list) else 1
    axes = many_axes(axis, node.ndim + count, "expand_dims")
    sizes = list(node.shape)
    for number in axes:
        sizes.insert(number, 1)
    return reshape(node, sizes)


def squeeze(x: NodeLike, axis: Axis = None) -> Node:
    """Axes of length 1 taken away: ``axis``, or all of them.

    >>> import chainrule as cr
    >>> cr.squeeze(cr.placeholder((2, 1, 3)), 1).shape
    (2, 3)
    """
    node = as_node(x)
    if axis is None:
        axes = tuple([number for number, size in enumerate(node.shape) if size == 1])
    else:
        axes = many_axes(axis, node.ndim, "squeeze")
    long = [number for number in axes if node.shape[number] != 1]
    if long:
        raise ShapeError(
            f"squeeze: axis {long[0]} of shape {node.shape} has length {node.shape[long[0]]}, not 1",
            where=user_place(),
            mend="index it (x[:, 0]) or reduce it (x.sum(axis=…))",
        )
    return reshape(node, [size for number, size in enumerate(node.shape) if number not in axes])


def roll(x: NodeLike, shift: int | Sequence[int], axis: Axis = None) -> Node:
    """Elements moved by ``shift`` places along ``axis``, around the end; None rolls the flattened array.

    >>> import chainrule as cr
    >>> cr.roll([1, 2, 3], 1).value
    array([3, 1, 2])
    """
    node = as_node(x)
    if axis is None:
        return reshape(roll(reshape(node, -1), shift, 0), node.shape)
    numbers = [axis] if not isinstance(axis, tuple | list) else list(axis)
    axes = tuple([one_axis(number, node.ndim, "roll") for number in numbers])
    shifts = (shift,) * len(axes) if isinstance(shift, int) else tuple(shift)
    if len(shifts) != len(axes):
        raise ArgumentError(f"roll: {len(shifts)} shifts for {len(axes)} axes", where=user_place())
    return apply(_ROLL, node, shift=shifts, axis=axes)


def pad(x: NodeLike, widths: int | Sequence[int] | Sequence[Sequence[int]], value: float = 0) -> Node:
    """A border of ``value`` around ``x``: ``widths`` is one number, (before, after), or a pair for each axis.

    >>> import chainrule as cr
    >>> cr.pad([1.0, 2.0], (1, 2)).value
    array([0., 1., 2., 0., 0.], dtype=float32)
    """
    node = as_node(x)
    pairs = np.broadcast_to(np.asarray(widths, np.int64), (node.ndim, 2))
    if (pairs < 0).any():
        raise ArgumentError("pad: widths cannot be negative", where=user_place(), mend="slice instead")
    kind = of_weak_scalar(value, node.dtype)
    if kind is not node.dtype:
        raise DTypeError(f"pad: {value!r} is no value for {node.dtype}", where=user_place())
    fill = kind.type(value).item()
    if not pairs.any():
        return node
    return apply(_PAD, node, widths=tuple((int(a), int(b)) for a, b in pairs), value=fill)


for _function in (reshape, permute_dims, matrix_transpose, broadcast_to, expand_dims, squeeze, roll, pad):
    register(_function.__name__, _function)
