"""Slicing: every so many elements of each axis, forwards or backwards, and its adjoint."""

from __future__ import annotations

from typing import Any

from .. import namespace
from ..dtypes import DType
from ..errors import ArgumentError
from ..graph import Axis, Node, NodeLike, Op, Shape, apply, as_node, register, user_place
from .axes import many_axes, one_axis

Slices = tuple[tuple[int, int, int], ...]
"""For each axis first index, number of elements and step (which may be negative)."""


class Slice(Op):
    """Every so many elements of each axis, forwards or backwards."""

    def infer(self, x: Node, *, slices: Slices) -> tuple[Shape, DType]:
        return tuple([count for _, count, _ in slices]), x.dtype

    def forward(self, xp: Any, x: Any, *, slices: Slices) -> Any:
        return x[python_slices(slices)]

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (apply(_EMBED, ct, slices=out.attributes["slices"], shape=x.shape),)


class Embed(Op):
    """Zeros, with the input put where a slice would read it: the adjoint of :class:`Slice`."""

    def infer(self, x: Node, *, slices: Slices, shape: Shape) -> tuple[Shape, DType]:
        return shape, x.dtype

    def forward(self, xp: Any, x: Any, *, slices: Slices, shape: Shape) -> Any:
        return namespace.place(xp, x, python_slices(slices), shape)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (take_slices(ct, out.attributes["slices"]),)


_SLICE, _EMBED = Slice(), Embed()


def python_slices(slices: Slices) -> tuple[slice, ...]:
    """The slices as Python writes them; a backward one that ends at the first element stops at None."""
    found = []
    for start, count, step in slices:
        stop = start + count * step
        found.append(slice(start, None if stop < 0 else stop, step) if count else slice(0, 0))
    return tuple(found)


def take_slices(x: Node, slices: Slices) -> Node:
    """The elements of ``x`` at ``slices``."""
    return apply(_SLICE, x, slices=slices)


def slice_axis(x: NodeLike, axis: int, start: int | None, stop: int | None, step: int | None = None) -> Node:
    """``x[start:stop:step]`` along one axis, with Python's meaning of all three.

    >>> import chainrule as cr
    >>> slice_axis([0.0, 1.0, 2.0, 3.0], 0, None, None, -2).value
    array([3., 1.], dtype=float32)
    """
    node = as_node(x)
    number = one_axis(axis, node.ndim, "slice")
    return slice_axes(node, {number: slice(start, stop, step)})


def slice_axes(x: Node, wanted: dict[int, slice]) -> Node:
    """Slices along several axes at once; axes not named stay whole."""
    slices: list[tuple[int, int, int]] = []
    for axis, size in enumerate(x.shape):
        try:
            indices = range(size)[wanted[axis]] if axis in wanted else range(size)
        except ValueError:
            raise ArgumentError("a slice's step cannot be zero", where=user_place()) from None
        slices.append((indices.start, len(indices), indices.step) if len(indices) else (0, 0, 1))
    whole = all(item == (0, size, 1) for item, size in zip(slices, x.shape, strict=True))
    return x if whole else take_slices(x, tuple(slices))


def flip(x: NodeLike, axis: Axis = None) -> Node:
    """The elements of ``axis`` (or several, or all) in reverse order.

    >>> import chainrule as cr
    >>> cr.flip([1.0, 2.0, 3.0]).value
    array([3., 2., 1.], dtype=float32)
    """
    node = as_node(x)
    return slice_axes(node, {number: slice(None, None, -1) for number in many_axes(axis, node.ndim, "flip")})


register("flip", flip)
