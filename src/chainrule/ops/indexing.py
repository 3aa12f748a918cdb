"""Indexing: reading at places that are themselves values, and its adjoint, adding at those places.

Indices are int32, int64 or uint32.  As in NumPy, -1 is the last place of an axis; an index outside
``-length … length - 1`` is an error, at construction where the indices are constants, else when the
node is computed.  Nothing is ever clamped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import namespace
from ..dtypes import DType, as_dtype, bool_, int64, is_integer
from ..errors import DTypeError, IndexRangeError, ShapeError
from ..graph import Constant, Node, NodeLike, Op, Shape, apply, as_node, constant, register, user_place
from .axes import one_axis
from .elementwise import broadcast_shapes, promote_inputs
from .movement import broadcast_to, expand_dims


class Indexing(Op):
    """An op whose last input is an array of indices, through which no derivative flows."""

    def places(self, xp: Any, indices: Any, axis: int, length: int) -> Any:
        """The indices as numbers in ``[0, length)``; raises ``IndexRangeError``."""
        return namespace.checked_index(xp, indices, length, f"{self.name}: axis {axis}")


def _slab(shape: Shape, axis: int, count: int, new: Shape) -> Shape:
    """``shape`` with ``count`` axes from ``axis`` on replaced by ``new``."""
    return shape[:axis] + new + shape[axis + count :]


class Take(Indexing):
    """The slabs of one axis that the indices name: rows of a matrix, for axis 0."""

    formula = "{x}[{y}]"

    def infer(self, x: Node, indices: Node, *, axis: int) -> tuple[Shape, DType]:
        return _slab(x.shape, axis, 1, indices.shape), x.dtype

    def forward(self, xp: Any, x: Any, indices: Any, *, axis: int) -> Any:
        return namespace.take(xp, x, self.places(xp, indices, axis, x.shape[axis]), axis)

    def vjp(self, ct: Node, out: Node, x: Node, indices: Node) -> Sequence[Node | None]:
        axis = out.attributes["axis"]
        return apply(_SCATTER, ct, indices, axis=axis, length=x.shape[axis]), None


class Scatter(Indexing):
    """Zeros, with slabs added along one axis at the places that the indices name: the adjoint of take."""

    name = "scatter_add"

    def infer(self, updates: Node, indices: Node, *, axis: int, length: int) -> tuple[Shape, DType]:
        if updates.shape[axis : axis + indices.ndim] != indices.shape:
            raise ShapeError(f"the axes from {axis} on are not those of the indices, {indices.shape}")
        return _slab(updates.shape, axis, indices.ndim, (length,)), updates.dtype

    def forward(self, xp: Any, updates: Any, indices: Any, *, axis: int, length: int) -> Any:
        places = self.places(xp, indices, axis, length)
        before, after = updates.shape[:axis], updates.shape[axis + indices.ndim :]
        rows = math.prod(before)  # each of the axes before has its own block of `length` rows
        starts = xp.reshape(xp.arange(rows) * length, (rows, 1)) + xp.reshape(places, (1, indices.size))
        flat = xp.reshape(updates, (starts.size, math.prod(after)))
        added = namespace.scatter_rows(xp, flat, xp.reshape(starts, (starts.size,)), rows * length)
        return xp.reshape(added, (*before, length, *after))

    def vjp(self, ct: Node, out: Node, updates: Node, indices: Node) -> Sequence[Node | None]:
        return apply(_TAKE, ct, indices, axis=out.attributes["axis"]), None


class TakeAlongAxis(Indexing):
    """Elements of one axis, each line of it with indices of its own."""

    def infer(self, x: Node, indices: Node, *, axis: int) -> tuple[Shape, DType]:
        return indices.shape, x.dtype

    def forward(self, xp: Any, x: Any, indices: Any, *, axis: int) -> Any:
        return namespace.take_along_axis(xp, x, self.places(xp, indices, axis, x.shape[axis]), axis)

    def vjp(self, ct: Node, out: Node, x: Node, indices: Node) -> Sequence[Node | None]:
        axis = out.attributes["axis"]
        return apply(_SCATTER_ALONG_AXIS, ct, indices, axis=axis, length=x.shape[axis]), None


class ScatterAlongAxis(Indexing):
    """Zeros, with each element added at its own index along one axis: the adjoint of take_along_axis."""

    def infer(self, updates: Node, indices: Node, *, axis: int, length: int) -> tuple[Shape, DType]:
        return _slab(updates.shape, axis, 1, (length,)), updates.dtype

    def forward(self, xp: Any, updates: Any, indices: Any, *, axis: int, length: int) -> Any:
        places = self.places(xp, indices, axis, length)
        before, after = math.prod(updates.shape[:axis]), math.prod(updates.shape[axis + 1 :])
        lines = xp.reshape(places, (before, updates.shape[axis], after)) * after
        starts = xp.arange(before) * (length * after)
        flat = lines + xp.reshape(starts, (before, 1, 1)) + xp.arange(after)
        added = namespace.scatter_rows(
            xp,
            xp.reshape(updates, (flat.size, 1)),
            xp.reshape(flat, (flat.size,)),
            before * length * after,
            distinct=updates.shape[axis] == 1,
        )
        return xp.reshape(added, (*updates.shape[:axis], length, *updates.shape[axis + 1 :]))

    def vjp(self, ct: Node, out: Node, updates: Node, indices: Node) -> Sequence[Node | None]:
        return apply(_TAKE_ALONG_AXIS, ct, indices, axis=out.attributes["axis"]), None


class Pick(Indexing):
    """One element of each vector: the probability of the right class, for example."""

    formula = "{x}[{y}]"

    def infer(self, x: Node, index: Node) -> tuple[Shape, DType]:
        if x.ndim == 0:
            raise ShapeError("a scalar has no elements to pick from")
        if index.shape != x.shape[:-1]:
            raise ShapeError(
                f"an index of shape {index.shape} does not name one element of each of the vectors "
                f"of shape {x.shape}: {x.shape[:-1]} is needed",
                mend="for the same place everywhere write x[..., index]",
            )
        return index.shape, x.dtype

    def forward(self, xp: Any, x: Any, index: Any) -> Any:
        places = self.places(xp, index, x.ndim - 1, x.shape[-1])
        return namespace.take_along_axis(xp, x, places[..., None], x.ndim - 1)[..., 0]

    def vjp(self, ct: Node, out: Node, x: Node, index: Node) -> Sequence[Node | None]:
        # The one-hot vector times upstream, written as a scatter: the zeros are exact and cost nothing.
        last = x.ndim - 1
        return scatter_along_axis(expand_dims(ct, last), expand_dims(index, last), last, x.shape[last]), None


class OneHot(Indexing):
    """For each index the vector with a 1 in that place and 0 elsewhere."""

    def infer(self, indices: Node, *, depth: int, dtype: DType) -> tuple[Shape, DType]:
        return (*indices.shape, depth), dtype

    def forward(self, xp: Any, indices: Any, *, depth: int, dtype: DType) -> Any:
        flat = xp.reshape(self.places(xp, indices, indices.ndim, depth), (indices.size,))
        ones = xp.ones((indices.size, 1), dtype=dtype)
        found = namespace.scatter_rows(
            xp, ones, xp.arange(indices.size) * depth + flat, indices.size * depth, distinct=True
        )
        return xp.reshape(found, (*indices.shape, depth))

    def vjp(self, ct: Node, out: Node, indices: Node) -> Sequence[Node | None]:
        return (None,)


class PlaceInAxis(Indexing):
    """Indices of an axis of known length with negative ones resolved, as int64; checks the range."""

    def infer(self, indices: Node, *, axis: int, length: int) -> tuple[Shape, DType]:
        return indices.shape, int64

    def forward(self, xp: Any, indices: Any, *, axis: int, length: int) -> Any:
        return self.places(xp, indices, axis, length).astype(int64)

    def vjp(self, ct: Node, out: Node, indices: Node) -> Sequence[Node | None]:
        return (None,)


_TAKE, _SCATTER, _PICK, _ONE_HOT, _PLACE = Take(), Scatter(), Pick(), OneHot(), PlaceInAxis()
_TAKE_ALONG_AXIS, _SCATTER_ALONG_AXIS = TakeAlongAxis(), ScatterAlongAxis()


def as_indices(value: NodeLike, what: str) -> Node:
    """``value`` as a node of integers; narrow NumPy integers become int64, an empty list is no float."""
    if not isinstance(value, Node):
        array = value if isinstance(value, np.ndarray | np.generic) else np.asarray(value)
        narrow = array.dtype.kind in "iu" and np.can_cast(array.dtype, int64)
        if (narrow and array.dtype.itemsize < 4) or (not array.size and array is not value):
            value = array.astype(int64)
    node = as_node(value)
    if is_integer(node.dtype):
        return node
    mend = "convert first: indices.astype('int64')"
    if node.dtype is bool_:
        mend = "to read where a mask holds write x[mask]; to choose by it, cr.where(mask, x, y)"
    raise DTypeError(f"{what}: indices are integers, not {node.dtype}", where=user_place(), mend=mend)


def check_constant(indices: Node, axis: int, length: int, what: str) -> Node:
    """Indices that are known already are checked where they are written."""
    if isinstance(indices, Constant):
        try:
            namespace.checked_index(np, indices.array, length, f"{what}: axis {axis}")
        except IndexRangeError as error:
            raise IndexRangeError(error.what, where=user_place(), mend=error.mend) from None
    return indices


def place_in_axis(indices: Node, axis: int, length: int, what: str) -> Node:
    """Indices resolved to ``[0, length)`` and checked: constants now, others when they are computed."""
    checked = check_constant(indices, axis, length, what)
    if isinstance(checked, Constant):
        return constant(namespace.checked_index(np, checked.array, length, what).astype(int64))
    return apply(_PLACE, indices, axis=axis, length=length)


def take(x: NodeLike, indices: NodeLike, axis: int | None = None) -> Node:
    """The slabs of ``axis`` that ``indices`` name, in that order: a look-up in a table.

    The result has shape ``x.shape[:axis] + indices.shape + x.shape[axis+1:]``; for a vector ``axis``
    may be left out.  The derivative adds each slab's cotangent to its place, so one that is taken
    twice receives both.

    Raises ``IndexRangeError`` for an index outside the axis, ``DTypeError`` for one that is no integer.

    >>> import chainrule as cr
    >>> table = cr.variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> rows = cr.take(table, [2, 0, 2], axis=0)
    >>> rows.value
    array([[5., 6.],
           [1., 2.],
           [5., 6.]], dtype=float32)
    >>> cr.gradients(rows.sum(), table).value
    array([[1., 1.],
           [0., 0.],
           [2., 2.]], dtype=float32)
    """
    node, places = as_node(x), as_indices(indices, "take")
    if axis is None and node.ndim != 1:
        raise ShapeError(
            f"take: of {node.ndim} axes, which one?", where=user_place(), mend="give axis=, 0 for rows"
        )
    number = one_axis(0 if axis is None else axis, node.ndim, "take")
    check_constant(places, number, node.shape[number], "take")
    return apply(_TAKE, node, places, axis=number)


def scatter(updates: Node, indices: Node, axis: int, length: int) -> Node:
    """Zeros, with slabs added along ``axis`` where the indices say: what the gradient of take is."""
    return apply(_SCATTER, updates, indices, axis=axis, length=length)


def _meet(a: Shape, b: Shape, what: str) -> Shape:
    try:
        return broadcast_shapes(a, b)
    except ShapeError as error:
        raise ShapeError(f"{what}: {error.what}", where=user_place(), mend=error.mend) from None


def _lines_meet(x: Node, indices: Node, axis: int, what: str) -> tuple[Node, Node]:
    """Both operands broadcast against each other on all axes but ``axis``."""
    if x.ndim != indices.ndim:
        raise ShapeError(
            f"{what}: the array has shape {x.shape} and the indices {indices.shape}; both need the same "
            "number of axes",
            where=user_place(),
            mend="to give all lines the same indices use cr.take",
        )
    if _slab(x.shape, axis, 1, ()) == _slab(indices.shape, axis, 1, ()):
        return x, indices
    others = _meet(_slab(x.shape, axis, 1, ()), _slab(indices.shape, axis, 1, ()), f"{what}, off axis {axis}")
    return (
        broadcast_to(x, _slab(others, axis, 0, (x.shape[axis],))),
        broadcast_to(indices, _slab(others, axis, 0, (indices.shape[axis],))),
    )


def take_along_axis(x: NodeLike, indices: NodeLike, axis: int = -1) -> Node:
    """Elements of ``axis``, each line of it with indices of its own: ``argsort`` and the like give them.

    ``out[i, j] = x[i, indices[i, j]]`` for the last of two axes.  Off the axis the shapes broadcast.

    Raises ``IndexRangeError`` for an index outside the axis.

    >>> import chainrule as cr
    >>> cr.take_along_axis([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[2], [0]]).value
    array([[3.],
           [4.]], dtype=float32)
    """
    node, places = as_node(x), as_indices(indices, "take_along_axis")
    number = one_axis(axis, node.ndim, "take_along_axis")
    check_constant(places, number, node.shape[number], "take_along_axis")
    node, places = _lines_meet(node, places, number, "take_along_axis")
    return apply(_TAKE_ALONG_AXIS, node, places, axis=number)


def scatter_along_axis(updates: NodeLike, indices: NodeLike, axis: int, length: int) -> Node:
    """Zeros whose ``axis`` has ``length`` places, with each update added at its index along that axis.

    ``out[i, indices[i, j]] += updates[i, j]`` for the last of two axes: the adjoint of
    :func:`take_along_axis`.  The two arrays broadcast against each other.

    >>> import chainrule as cr
    >>> cr.scatter_along_axis([[1.0, 2.0, 4.0]], [[0, 3, 0]], axis=-1, length=4).value
    array([[5., 0., 0., 2.]], dtype=float32)
    """
    node, places = as_node(updates), as_indices(indices, "scatter_along_axis")
    number = one_axis(axis, node.ndim, "scatter_along_axis")
    check_constant(places, number, length, "scatter_along_axis")
    if node.shape != places.shape:
        shape = _meet(node.shape, places.shape, "scatter_along_axis")
        node, places = broadcast_to(node, shape), broadcast_to(places, shape)
    return apply(_SCATTER_ALONG_AXIS, node, places, axis=number, length=int(length))


def scatter_add(x: NodeLike, indices: NodeLike, updates: NodeLike, axis: int = 0) -> Node:
    """``x`` with ``updates`` added to the slabs of ``axis`` that ``indices`` name; duplicates add up.

    ``updates`` broadcasts to ``x.shape[:axis] + indices.shape + x.shape[axis+1:]``.  Equal indices are
    added in the order in which they stand, so the result is the same every time.

    >>> import chainrule as cr
    >>> cr.scatter_add([10.0, 20.0, 30.0], [0, 2, 0], [1.0, 2.0, 3.0]).value
    array([14., 20., 32.], dtype=float32)
    """
    node, values = promote_inputs((x, updates))
    places = as_indices(indices, "scatter_add")
    number = one_axis(axis, node.ndim, "scatter_add")
    check_constant(places, number, node.shape[number], "scatter_add")
    values = broadcast_to(values, _slab(node.shape, number, 1, places.shape))
    return node + apply(_SCATTER, values, places, axis=number, length=node.shape[number])


def pick(x: NodeLike, index: NodeLike) -> Node:
    """One element of each vector along the last axis: ``out[…] = x[…, index[…]]``.

    ``x`` has shape ``[..., C]`` and ``index`` ``[...]``.  The derivative is the one-hot vector of the
    index times upstream: this is the node that takes the right class's probability out of a softmax.

    Raises ``IndexRangeError`` for an index outside ``-C … C-1``.

    >>> import chainrule as cr
    >>> p = cr.variable([0.2, 0.7, 0.1])
    >>> cr.pick(p, 1).value, cr.gradients(cr.pick(p, 1), p).value
    (array(0.7, dtype=float32), array([0., 1., 0.], dtype=float32))
    """
    node, place = as_node(x), as_indices(index, "pick")
    if node.ndim:
        check_constant(place, node.ndim - 1, node.shape[-1], "pick")
    return apply(_PICK, node, place)


def one_hot(indices: NodeLike, depth: int, dtype: Any = "float32") -> Node:
    """For each index the vector of ``depth`` numbers with a 1 in that place and 0 elsewhere.

    The result has shape ``indices.shape + (depth,)``.  ``one_hot(i, n) @ table`` is ``take(table, i, 0)``.

    Raises ``IndexRangeError`` for an index outside ``-depth … depth-1``.

    >>> import chainrule as cr
    >>> cr.one_hot([2, 0], 3).value
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    places = as_indices(indices, "one_hot")
    if depth < 0:
        raise ShapeError(
            f"one_hot: a depth of {depth}", where=user_place(), mend="give the number of classes"
        )
    check_constant(places, places.ndim, depth, "one_hot")
    return apply(_ONE_HOT, places, depth=int(depth), dtype=as_dtype(dtype))


for _function in (take, take_along_axis, scatter_along_axis, scatter_add, pick, one_hot):
    register(_function.__name__, _function)
