"""Sorting along an axis.  Equal elements keep their order, and a NaN counts as larger than any number.

So a NaN stands last in ascending order and first in descending order, as it also wins ``max``.  The
derivative of what is sorted goes back through the permutation.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from ..dtypes import DType, int64
from ..errors import ArgumentError
from ..graph import Node, NodeLike, Op, Shape, apply, as_node, register, user_place
from .axes import one_axis
from .indexing import scatter_along_axis, take_along_axis
from .slicing import slice_axis


class ArgSort(Op):
    """The places of the elements along an axis in ascending or descending order, equal ones in order."""

    name = "argsort"

    def infer(self, x: Node, *, axis: int, descending: bool) -> tuple[Shape, DType]:
        return x.shape, int64

    def forward(self, xp: Any, x: Any, *, axis: int, descending: bool) -> Any:
        if not descending:
            return xp.argsort(x, axis=axis, stable=True).astype(int64)
        # Sorted from the far end and read backwards: equal elements keep their order, none is negated.
        backwards = xp.argsort(xp.flip(x, axis=axis), axis=axis, stable=True)
        return (x.shape[axis] - 1 - xp.flip(backwards, axis=axis)).astype(int64)

    def vjp(self, ct: Node, out: Node, x: Node) -> Sequence[Node | None]:
        return (None,)


class Sort(Op):
    """The elements along an axis in ascending order."""

    def infer(self, x: Node, *, axis: int) -> tuple[Shape, DType]:
        return x.shape, x.dtype

    def forward(self, xp: Any, x: Any, *, axis: int) -> Any:
        return xp.sort(x, axis=axis, stable=True)

    def vjp(self, ct: Node, out: Node, x: Node) -> Sequence[Node | None]:
        axis = out.attributes["axis"]
        order = argsort(x, axis=axis)
        return (scatter_along_axis(ct, order, axis=axis, length=x.shape[axis]),)


_ARGSORT, _SORT = ArgSort(), Sort()


def argsort(x: NodeLike, axis: int = -1, *, descending: bool = False, stable: bool = True) -> Node:
    """The places of the elements along ``axis`` in order, as int64: ``x`` taken along them is sorted.

    Equal elements keep their order, whatever ``stable`` says.  A NaN counts as larger than any number.

    >>> import chainrule as cr
    >>> cr.argsort([3.0, 1.0, 2.0, 1.0]).value, cr.argsort([3.0, 1.0, 2.0, 1.0], descending=True).value
    (array([1, 3, 2, 0]), array([0, 2, 1, 3]))
    """
    node = as_node(x)
    return apply(_ARGSORT, node, axis=one_axis(axis, node.ndim, "argsort"), descending=bool(descending))


def sort(x: NodeLike, axis: int = -1, *, descending: bool = False, stable: bool = True) -> Node:
    """The elements along ``axis`` in ascending or descending order.

    Equal elements keep their order, whatever ``stable`` says.  A NaN counts as larger than any number.
    The derivative of each place goes to the element that stands there: that of a rank statistic.

    >>> import chainrule as cr
    >>> x = cr.variable([3.0, 1.0, 2.0])
    >>> cr.sort(x).value, cr.gradients(cr.sort(x)[-1], x).value
    (array([1., 2., 3.], dtype=float32), array([1., 0., 0.], dtype=float32))
    """
    node = as_node(x)
    number = one_axis(axis, node.ndim, "sort")
    if descending:
        return take_along_axis(node, argsort(node, number, descending=True), axis=number)
    return apply(_SORT, node, axis=number)


def top_k(x: NodeLike, k: int, axis: int = -1) -> tuple[Node, Node]:
    """The ``k`` largest elements along ``axis``, largest first, and their places (int64).

    Of equal elements the first place comes first, as in ``argmax``; a NaN counts as larger than any
    number.  Raises ``ArgumentError`` for a ``k`` that the axis does not have.

    >>> import chainrule as cr
    >>> values, places = cr.top_k([1.0, 4.0, 2.0, 4.0], 3)
    >>> values.value, places.value
    (array([4., 4., 2.], dtype=float32), array([1, 3, 2]))
    """
    node, count = as_node(x), operator.index(k)
    number = one_axis(axis, node.ndim, "top_k")
    if not 0 <= count <= node.shape[number]:
        raise ArgumentError(
            f"top_k: k is {count}, and axis {number} has {node.shape[number]} elements",
            where=user_place(),
            mend=f"choose k from 0 to {node.shape[number]}",
        )
    places = slice_axis(argsort(node, number, descending=True), number, 0, count)
    return take_along_axis(node, places, axis=number), places


for _function in (argsort, sort, top_k):
    register(_function.__name__, _function)
