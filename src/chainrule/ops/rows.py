"""Rows of a table: reading, adding to and replacing a few of them, where most stay as they are.

The sparse form of a gradient that reaches few rows.  Indices here are one axis of integers, and name
slabs of the first axis of a table; as everywhere -1 is the last row, and an index out of range is an
error.  A row may be named several times:

- :func:`add_rows` adds every occurrence, in the order in which they stand;
- :func:`first_places` says of each occurrence where the same row was named first, so that
  ``scatter_add(zeros(n), first_places, values)`` is each distinct row's sum, in the place of its first
  occurrence and with zeros in the others; and :func:`put_rows` writes from those places alone.

So an update of the rows that a batch touches is, all shapes static and no table-sized array in between,

    first   = first_places(indices, length)                  (n,)
    sums    = scatter_add(zeros(n, d), first, values)        (n, d)
    new     = f(take(table, indices), sums)                  (n, d)   what the others hold does not matter
    table'  = put_rows(table, new, indices, first)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import namespace
from ..dtypes import DType, int64, is_integer
from ..errors import DTypeError, ShapeError
from ..graph import Node, NodeLike, Shape, apply, constant, register, user_place
from .arithmetic import Add, Multiply, Negative
from .axes import one_axis
from .casts import cast
from .comparison import equal, where
from .elementwise import promote_inputs
from .indexing import Indexing, Scatter, as_indices, check_constant, scatter, take, take_along_axis
from .joining import concat
from .movement import broadcast_to, reshape
from .slicing import slice_axis


class FirstPlaces(Indexing):
    """For each index the place at which the same row is named first."""

    def infer(self, indices: Node, *, length: int) -> tuple[Shape, DType]:
        _one_axis_of_integers(indices)
        return indices.shape, int64

    def forward(self, xp: Any, indices: Any, *, length: int) -> Any:
        return namespace.first_places(xp, self.places(xp, indices, 0, length))

    def vjp(self, ct: Node, out: Node, indices: Node) -> Sequence[Node | None]:
        return (None,)


class PutRows(Indexing):
    """The table with some rows replaced, each from the place that names it first."""

    def infer(self, x: Node, rows: Node, indices: Node, first: Node) -> tuple[Shape, DType]:
        _one_axis_of_integers(indices)
        _rows_fit(x, rows, indices)
        if first.shape != indices.shape or not is_integer(first.dtype):
            raise ShapeError(f"first places of shape {first.shape} for indices of {indices.shape}")
        return x.shape, x.dtype

    def forward(self, xp: Any, x: Any, rows: Any, indices: Any, first: Any) -> Any:
        places = self.places(xp, indices, 0, x.shape[0])
        return namespace.put_rows(xp, x, rows, places, first == xp.arange(first.size))

    def vjp(
        self, ct: Node, out: Node, x: Node, rows: Node, indices: Node, first: Node
    ) -> Sequence[Node | None]:
        counts = equal(first, constant(np.arange(first.size)))
        counts = reshape(counts, (first.size, *(1,) * (x.ndim - 1)))
        none = constant(np.zeros((), ct.dtype))
        kept = apply(_PUT, ct, broadcast_to(none, rows.shape), indices, first)
        return kept, where(counts, take(ct, indices, axis=0), none), None, None


class AddRows(Indexing):
    """The table with values added to some rows, in the order in which they are named."""

    def infer(self, x: Node, values: Node, indices: Node) -> tuple[Shape, DType]:
        _one_axis_of_integers(indices)
        _rows_fit(x, values, indices)
        return x.shape, x.dtype

    def forward(self, xp: Any, x: Any, values: Any, indices: Any) -> Any:
        return namespace.add_rows(xp, x, values, self.places(xp, indices, 0, x.shape[0]))

    def vjp(self, ct: Node, out: Node, x: Node, values: Node, indices: Node) -> Sequence[Node | None]:
        return ct, take(ct, indices, axis=0), None


class AddAlongAxis(Indexing):
    """The array with each value added at its own index along one axis."""

    def infer(self, x: Node, values: Node, indices: Node, *, axis: int) -> tuple[Shape, DType]:
        if values.shape != indices.shape or values.dtype is not x.dtype:
            raise ShapeError(
                f"values of shape {values.shape}, {values.dtype}, for indices of {indices.shape}"
            )
        if _off(values.shape, axis) != _off(x.shape, axis):
            raise ShapeError(f"values of shape {values.shape} do not fit {x.shape} off axis {axis}")
        return x.shape, x.dtype

    def forward(self, xp: Any, x: Any, values: Any, indices: Any, *, axis: int) -> Any:
        places = self.places(xp, indices, axis, x.shape[axis])
        return namespace.add_along_axis(xp, x, values, places, axis)

    def vjp(self, ct: Node, out: Node, x: Node, values: Node, indices: Node) -> Sequence[Node | None]:
        return ct, take_along_axis(ct, indices, axis=out.attributes["axis"]), None


_FIRST, _PUT, _ADD, _ADD_ALONG = FirstPlaces(), PutRows(), AddRows(), AddAlongAxis()


def _off(shape: Shape, axis: int) -> Shape:
    return (*shape[:axis], *shape[axis + 1 :])


def _one_axis_of_integers(indices: Node) -> None:
    if indices.ndim != 1:
        raise ShapeError(
            f"indices of shape {indices.shape}: one axis is needed", mend="flatten them: cr.reshape(i, -1)"
        )
    if not is_integer(indices.dtype):
        raise DTypeError(f"indices are integers, not {indices.dtype}")


def _rows_fit(x: Node, rows: Node, indices: Node) -> None:
    if not x.ndim:
        raise ShapeError("a scalar has no rows")
    wanted = (*indices.shape, *x.shape[1:])
    if rows.shape != wanted:
        raise ShapeError(
            f"rows of shape {rows.shape} for {indices.size} indices into a table of shape {x.shape}",
            mend=f"one row for each index: shape {wanted}",
        )
    if rows.dtype is not x.dtype:
        raise DTypeError(f"rows of {rows.dtype} for a table of {x.dtype}")


def _table_and_rows(x: NodeLike, rows: NodeLike, indices: Node) -> tuple[Node, Node]:
    """Both in one dtype, the rows broadcast to one for each index."""
    node, values = promote_inputs((x, rows))
    wanted = (*indices.shape, *node.shape[1:])
    fits = node.ndim and indices.ndim == 1 and values.ndim <= len(wanted)
    return node, broadcast_to(values, wanted) if fits else values


def first_places(indices: NodeLike, length: int) -> Node:
    """For each index the place at which the same row of a table of ``length`` is named first, int64.

    The distinct rows are those at the places i with ``out[i] = i``.  Raises ``IndexRangeError`` for an
    index outside the table, ``ShapeError`` for indices of other than one axis.

    >>> import chainrule as cr
    >>> cr.first_places([7, 2, 7, 2, -1], 8).value
    array([0, 1, 0, 1, 0])
    """
    places = as_indices(indices, "first_places")
    if places.ndim == 1:
        check_constant(places, 0, int(length), "first_places")
    return apply(_FIRST, places, length=int(length))


def put_rows(x: NodeLike, rows: NodeLike, indices: NodeLike, first: NodeLike | None = None) -> Node:
    """``x`` with row ``indices[i]`` replaced by ``rows[i]``; of a row named twice the first time counts.

    ``rows`` broadcasts to (n, …) for n indices.  ``first`` is :func:`first_places` of the indices, where
    it is known already.

    >>> import chainrule as cr
    >>> cr.put_rows([0.0, 0.0, 0.0], [1.0, 2.0, 3.0], [2, 0, 2]).value
    array([2., 0., 1.], dtype=float32)
    """
    places = as_indices(indices, "put_rows")
    table, values = _table_and_rows(x, rows, places)
    if table.ndim:
        check_constant(places, 0, table.shape[0], "put_rows")
    if first is None:
        first = first_places(places, table.shape[0]) if table.ndim else places
    return apply(_PUT, table, values, places, as_indices(first, "put_rows"))


def add_rows(x: NodeLike, values: NodeLike, indices: NodeLike) -> Node:
    """``x`` with ``values[i]`` added to row ``indices[i]``, for i = 0, 1, 2, …; duplicates add up.

    As ``scatter_add(x, indices, values)``, but each value is added to the row itself instead of to a sum
    that starts at zero: only the rows named are ever read or written.  ``values`` broadcasts to (n, …).

    >>> import chainrule as cr
    >>> cr.add_rows([10.0, 20.0, 30.0], [1.0, 2.0, 3.0], [0, 2, 0]).value
    array([14., 20., 32.], dtype=float32)
    """
    places = as_indices(indices, "add_rows")
    table, rows = _table_and_rows(x, values, places)
    if table.ndim:
        check_constant(places, 0, table.shape[0], "add_rows")
    return apply(_ADD, table, rows, places)


def add_along_axis(x: NodeLike, values: NodeLike, indices: NodeLike, axis: int = -1) -> Node:
    """``x`` with each value added at its own index along ``axis``; duplicates add up in order.

    ``out[i, indices[i, j]] += values[i, j]`` for the last of two axes: ``x`` plus
    :func:`scatter_along_axis`, without the zeros.  ``values`` and ``indices`` have one shape, that of
    ``x`` off the axis.

    >>> import chainrule as cr
    >>> cr.add_along_axis([[0.25, 0.75], [0.5, 0.5]], [[-1.0], [-1.0]], [[1], [0]]).value
    array([[ 0.25, -0.25],
           [-0.5 ,  0.5 ]], dtype=float32)
    """
    node, amounts = promote_inputs((x, values))
    places = as_indices(indices, "add_along_axis")
    number = one_axis(axis, node.ndim, "add_along_axis")
    check_constant(places, number, node.shape[number], "add_along_axis")
    if not amounts.ndim == places.ndim == node.ndim:
        raise ShapeError(
            f"add_along_axis: values of shape {amounts.shape} and indices of {places.shape} for an array of "
            f"shape {node.shape}",
            where=user_place(),
            mend="all three need the same axes",
        )
    return apply(_ADD_ALONG, node, amounts, places, axis=number)


# -- gradients that are few rows ---------------------------------------------------------------------------


class Look(NamedTuple):
    """One look-up's gradient: ``values`` (n, …) are to be added to the rows ``indices`` (n,) of zeros."""

    values: Node
    indices: Node


_MOST_LOOKS = 64  # a table looked up more often than that is better summed up dense


def looks_of(gradient: Node) -> list[Look] | None:
    """The look-ups whose gradients ``gradient`` is the sum of, each times what it is multiplied by.

    None if it is anything but sums of rows added to zeros (what the derivative of take along the first
    axis is), times factors that are the same for all rows.
    """
    looks: list[Look] = []
    pending: list[tuple[Node, tuple[tuple[Node, Node], ...]]] = [(gradient, ())]
    while pending:
        if len(looks) + len(pending) > _MOST_LOOKS:
            return None
        term, way = pending.pop()
        if isinstance(term.op, Add) and term.inputs[0].shape == term.inputs[1].shape:
            pending += [(child, way) for child in reversed(term.inputs)]
        elif isinstance(term.op, Scatter) and term.attributes["axis"] == 0:
            values, indices = term.inputs
            values = reshape(values, (indices.size, *term.shape[1:]))
            for scaled, operand in reversed(way):
                factors = [values if child is operand else child for child in scaled.inputs]
                values = apply(scaled.op, *factors)
            looks.append(Look(values, reshape(indices, -1)))
        elif (scaled_rows := _scaled_rows(term)) is not None:
            pending.append((scaled_rows, (*way, (term, scaled_rows))))
        else:
            return None
    return looks


def _scaled_rows(term: Node) -> Node | None:
    """The operand that a product with factors alike for all rows, or a negation, scales."""
    if not isinstance(term.op, Multiply | Negative):
        return None
    whole = [child for child in term.inputs if child.shape == term.shape]
    even = [child for child in term.inputs if child.ndim < term.ndim or child.shape[:1] == (1,)]
    return whole[0] if len(whole) == 1 and len(whole) + len(even) == len(term.inputs) else None


def gathered(looks: Sequence[Look], length: int) -> tuple[Node, Node, Node]:
    """The sum for each distinct row, at the place that names it first: (sums, indices, first places).

    The other places hold zeros.  ``length`` is how many rows the table has.
    """
    indices = looks[0].indices
    if len(looks) > 1:
        indices = concat([cast(look.indices, int64) for look in looks])
    first = first_places(indices, length)
    sums, start = None, 0
    for look in looks:
        stop = start + look.indices.size
        slots = slice_axis(first, 0, start, stop)
        sums = (
            scatter(look.values, slots, 0, first.size) if sums is None else add_rows(sums, look.values, slots)
        )
        start = stop
    assert sums is not None
    return sums, indices, first


for _function in (first_places, put_rows, add_rows, add_along_axis):
    register(_function.__name__, _function)
