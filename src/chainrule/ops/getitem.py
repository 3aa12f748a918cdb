"""Reading with brackets: ``x[key]`` as NumPy reads it, written in slices, reshapes and one take.

A key is a tuple of items.  Integers, slices, None and Ellipsis only move a window over the array.
Integer arrays ("advanced" items) name places: all of them together become one axis of numbers into
the axes they read, merged, and one :func:`take`.  A boolean mask is the integer arrays of its places.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dtypes import bool_
from ..errors import ArgumentError, DTypeError, IndexRangeError, ShapeError
from ..graph import (
    Constant,
    Node,
    NodeLike,
    Placeholder,
    as_node,
    constant,
    register,
    topological,
    user_place,
)
from .elementwise import broadcast_shapes
from .indexing import as_indices, check_constant, place_in_axis, take
from .joining import stack
from .movement import permute_dims, reshape
from .slicing import slice_axes

Mask = NDArray[np.bool_]


def getitem(x: NodeLike, key: Any) -> Node:
    """``x[key]`` with NumPy's meaning: integers, slices, None, ``...``, integer arrays, boolean masks.

    Index arrays may be nodes, NumPy arrays or lists; they broadcast together, and their axes stand
    where they stood if they were neighbours in the key, else first.  A derivative is added up where a
    place is read twice.  A mask decides the result's shape, so it is read when the line is written: it
    may not depend on a placeholder, and a later change of a variable does not reach it.

    Raises ``IndexRangeError`` for a place outside its axis, ``ShapeError`` for a key that does not fit.

    >>> import chainrule as cr
    >>> x = cr.variable([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    >>> x[1, ::-1].value, x[[0, 1], [2, 0]].value, x[x.value > 4].value
    (array([6., 5., 4.], dtype=float32), array([3., 4.], dtype=float32), array([5., 6.], dtype=float32))
    >>> cr.gradients(x[:, [0, 0, 2]].sum(), x).value
    array([[2., 0., 1.],
           [2., 0., 1.]], dtype=float32)
    """
    node = as_node(x)
    what = f"{node.label}[…]"
    items = [_item(value, what) for value in (key if isinstance(key, tuple) else (key,))]
    items = _spelled_out(items, node, what)
    window: dict[int, slice] = {}  # of each axis of x that is not read whole
    layout: list[int | None] = []  # the axes left when the window has been cut, None for a new one
    arrays: dict[int, tuple[Node, int]] = {}  # by place in the layout: an index array and the axis it reads
    axis = 0
    for item in items:
        if isinstance(item, Node):
            arrays[len(layout)] = item, axis
        elif isinstance(item, np.ndarray):
            for offset, found in enumerate(_places(item, axis, node, what)):
                arrays[len(layout) + offset] = found, axis + offset
        elif isinstance(item, slice):
            window[axis] = item
        elif isinstance(item, int):
            window[axis] = _one(item, axis, node, what)
        width = _width(item)
        if item is None:
            layout.append(None)
        elif not isinstance(item, int):
            layout.extend(range(axis, axis + width))
        axis += width
    cut = slice_axes(node, window)
    cut = reshape(cut, [1 if place is None else cut.shape[place] for place in layout])
    return _gather(cut, arrays, _apart(items), what) if arrays else cut


def _width(item: Any) -> int:
    """How many axes an item of a key reads."""
    return item.ndim if isinstance(item, np.ndarray) else int(item is not None and item is not Ellipsis)


def _item(value: Any, what: str) -> Any:
    """An item of a key as None, Ellipsis, a slice of Python integers, an int, a node or a mask."""
    if value is None or value is Ellipsis:
        return value
    if isinstance(value, slice):
        return slice(*[_bound(part, what) for part in (value.start, value.stop, value.step)])
    if isinstance(value, list | tuple) and any(isinstance(part, Node) for part in value):
        value = stack(value)
    if not isinstance(value, Node):
        if type(value) is int:
            return value
        array = np.asarray(value)
        value = array if array.dtype == bool_ else as_indices(value, what)
    if value.dtype == bool_:
        return _mask(value, what)
    value = as_indices(value, what)
    return int(value.array) if isinstance(value, Constant) and not value.shape else value


def _bound(value: Any, what: str) -> int | None:
    try:
        return None if value is None else operator.index(value)
    except TypeError:
        raise DTypeError(
            f"{what}: {value!r} cannot bound a slice",
            where=user_place(),
            mend="shapes are known when the graph is built, so bounds are Python integers; "
            "to read at places that are computed use x[places] or cr.take",
        ) from None


def _mask(value: Node | NDArray[Any], what: str) -> Mask:
    if isinstance(value, Node):
        for leaf in topological([value]):
            if isinstance(leaf, Placeholder):
                raise ArgumentError(
                    f"{what}: the mask depends on the placeholder {leaf.label}, so how many elements it "
                    "holds, and with it the shape of the result, is not known before a value is fed",
                    where=user_place(),
                    mend="keep the shape and choose values with cr.where(mask, x, 0)",
                )
        value = value.value
    if not value.ndim:
        raise ArgumentError(
            f"{what}: a single truth value is no index",
            where=user_place(),
            mend="choose with cr.where(condition, x, y), or compare elementwise",
        )
    return value


def _spelled_out(items: list[Any], x: Node, what: str) -> list[Any]:
    """The items with Ellipsis, which stands at the end if nowhere else, followed by the slices it means."""
    dots = [position for position, item in enumerate(items) if item is Ellipsis]
    if len(dots) > 1:
        raise ArgumentError(f"{what}: only one ... may stand in a key", where=user_place())
    read = sum(map(_width, items))
    if read > x.ndim:
        raise ShapeError(
            f"{what}: the key reads {read} axes, and shape {x.shape} has {x.ndim}", where=user_place()
        )
    position = dots[0] + 1 if dots else len(items)
    return [*items[:position], *[slice(None)] * (x.ndim - read), *items[position:]]


def _one(index: int, axis: int, x: Node, what: str) -> slice:
    length = x.shape[axis]
    if not -length <= index < length:
        raise IndexRangeError(
            f"{what}: axis {axis} has length {length}; the index {index} is outside it",
            where=user_place(),
            mend=f"indices run from {-length} to {length - 1}" if length else "an empty axis has no places",
        )
    start = index % length
    return slice(start, start + 1)


def _apart(items: Sequence[Any]) -> bool:
    """Whether something stands between the integers and arrays of a key: their axes then come first."""
    at = [n for n, item in enumerate(items) if isinstance(item, int | Node | np.ndarray)]
    return at[-1] - at[0] >= len(at)


def _places(mask: Mask, axis: int, x: Node, what: str) -> list[Node]:
    """For each axis of a mask, the places at which it holds."""
    covered = x.shape[axis : axis + mask.ndim]
    if mask.shape != covered:
        raise ShapeError(
            f"{what}: a mask of shape {mask.shape} stands at axes of shape {covered}", where=user_place()
        )
    return [constant(found.astype(np.int64)) for found in np.nonzero(mask)]


def _gather(x: Node, arrays: dict[int, tuple[Node, int]], first: bool, what: str) -> Node:
    """The elements that the index arrays name, the arrays' common axes ``first`` or where they stood."""
    axes = list(arrays)
    at = axes[0] if axes[-1] - axes[0] < len(axes) else 0
    if len(axes) == 1:
        indices, axis = arrays[at]
        result = take(x, check_constant(indices, axis, x.shape[at], what), axis=at)
    else:
        others = [axis for axis in range(x.ndim) if axis not in arrays]
        sizes = [x.shape[axis] for axis in others]
        merged = math.prod(x.shape[axis] for axis in axes)
        together = permute_dims(x, (*others[:at], *axes, *others[at:]))
        indices = _numbers(x, arrays, what)
        result = take(reshape(together, (*sizes[:at], merged, *sizes[at:])), indices, axis=at)
    if not first or not at:
        return result
    stop = at + indices.ndim
    return permute_dims(result, (*range(at, stop), *range(at), *range(stop, result.ndim)))


def _numbers(x: Node, arrays: dict[int, tuple[Node, int]], what: str) -> Node:
    """One number for each place that several index arrays name, counting row by row over their axes."""
    try:
        broadcast_shapes(*[indices.shape for indices, _ in arrays.values()])
    except ShapeError as error:
        raise ShapeError(f"{what}, index arrays: {error.what}", where=user_place(), mend=error.mend) from None
    number: Any = None
    for place, (indices, axis) in arrays.items():
        found: Any = place_in_axis(indices, axis, x.shape[place], what)
        if isinstance(found, Constant) and not isinstance(number, Node):
            found = found.array  # numbers that are known are put together now
        number = found if number is None else number * x.shape[place] + found
    return as_node(number)


register("getitem", getitem)
