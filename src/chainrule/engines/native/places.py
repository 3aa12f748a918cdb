"""Places that need no check: index arrays that are sums of terms whose bounds are known.

``argmax`` lies below the length of its axis, constants are known exactly, and axes are what they are.  An
index made of those by sums, differences and multiples keeps its form, such as ``56·i + argmax + k``: it
is seen to be in range, and that rows of different i never meet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ... import loops
from ...dtypes import is_integer
from ...graph import Constant, Node
from ...loops import Scalar, index
from ...ops.casts import Cast
from ...ops.reduction import ArgMax, ArgMin
from ...ops.rows import FirstPlaces
from .elements import Indices, broadcast, element, is_view

if TYPE_CHECKING:
    from .lowering import Lowering


def known_place(
    lowering: Lowering, node: Node, indices: Indices, length: int, guard: Scalar | None
) -> Scalar | None:
    """An element of an index array as a sum of terms with bounds, if it is shown to lie in [0, length)."""
    try:
        found = _Sums(lowering).at(node, indices, guard)
    except _Unknown:
        return None
    low, high = index.bounds(found)
    return found if low >= 0 and high < length else None


class _Unknown(Exception):
    """An element of which nothing is known."""


class _Sums:
    """A reader of index arrays that are sums of bounded terms."""

    def __init__(self, lowering: Lowering) -> None:
        self.lowering = lowering
        self._found: dict[tuple[Node, tuple[Scalar, ...]], Scalar] = {}

    def at(self, node: Node, indices: Indices, guard: Scalar | None = None) -> Scalar:
        key = (node, tuple(indices))
        found = self._found.get(key)
        if found is None:
            if not is_integer(node.dtype):
                raise _Unknown
            found = self._found[key] = self._read(node, indices, guard)
            low, high = index.bounds(found)
            limits = np.iinfo(node.dtype)
            if low < limits.min or limits.max < high:
                raise _Unknown  # it may have wrapped around
        return found

    def place(self, node: Node, indices: Indices, length: int, guard: Scalar | None = None) -> Scalar:
        raise _Unknown

    def _read(self, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
        op = node.op
        if isinstance(node, Constant):
            return _counted(node, indices)
        if is_view(op):
            return element(self, node, indices, guard)
        if isinstance(op, ArgMax | ArgMin | FirstPlaces):
            (x,) = node.inputs
            length = x.size if isinstance(op, FirstPlaces) else x.shape[node.attributes["axis"]]
            return loops.within(self.lowering.at(node, indices, guard), 0, max(length, 1))
        if isinstance(op, Cast):
            return self.at(node.inputs[0], indices, guard)
        if op.name not in ("add", "subtract", "multiply", "negative"):
            raise _Unknown
        operands = [self.at(x, broadcast(indices, x.shape), guard) for x in node.inputs]
        if op.name == "negative":
            return index.scale(operands[0], -1)
        a, b = operands
        if op.name == "multiply":
            if a.op == "constant":
                a, b = b, a
            if b.op != "constant":
                raise _Unknown
            return index.scale(a, int(b.payload))
        return index.add(a, b if op.name == "add" else index.scale(b, -1))


def _counted(node: Constant, indices: Indices) -> Scalar:
    """An element of an array that counts on in even steps along each of its axes."""
    array = node.array.astype(np.int64)
    if not array.size:
        raise _Unknown
    start = array[(0,) * array.ndim]
    total, place = np.asarray(start), index.number(int(start))
    for axis, size in enumerate(array.shape):
        if size > 1:
            step = array[tuple([int(n == axis) for n in range(array.ndim)])] - start
            along = np.arange(size).reshape([size if n == axis else 1 for n in range(array.ndim)])
            total = total + step * along
            place = index.add(place, index.scale(indices[axis], int(step)))
    if not (total == array).all():
        raise _Unknown
    return place
