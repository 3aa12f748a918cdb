"""Reductions over axes.

Sums and products run over any set of axes; ``max``, ``min``, ``argmax`` and ``argmin`` over one (the
functions flatten several into one), because their derivative goes to a *place*: the first that attains
the maximum.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .. import dtypes
from ..dtypes import DType, bool_, int64
from ..errors import DTypeError, ShapeError
from ..graph import Axis, Node, NodeLike, Op, Shape, apply, as_node, call, constant, register, user_place
from .axes import many_axes, one_axis, without
from .casts import astype, cast
from .joining import concat
from .movement import broadcast_to, expand_dims, permute_dims, reshape
from .slicing import flip, slice_axis


class Reduction(Op):
    """An op that folds the given axes; ``keepdims`` leaves them with length 1."""

    def infer(self, x: Node, *, axis: tuple[int, ...], keepdims: bool) -> tuple[Shape, DType]:
        return without(x.shape, axis, keepdims), x.dtype

    def spread(self, y: Node, x: Node, axis: tuple[int, ...], keepdims: bool) -> Node:
        """``y`` of the result's shape, spread back over the axes of ``x``."""
        if not keepdims:
            y = reshape(y, without(x.shape, axis, keepdims=True))
        return broadcast_to(y, x.shape)


class Sum(Reduction):
    """The sum over axes."""

    formula = "Σ {x}"

    def forward(self, xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
        return xp.sum(x, axis=axis, keepdims=keepdims, dtype=x.dtype)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (self.spread(ct, x, **out.attributes),)


class Prod(Reduction):
    """The product over axes."""

    formula = "Π {x}"

    def forward(self, xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
        return xp.prod(x, axis=axis, keepdims=keepdims, dtype=x.dtype)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        others = product_of_others(x, out.attributes["axis"])
        return (self.spread(ct, x, **out.attributes) * others,)


class Any_(Reduction):
    """Whether any element holds."""

    name = "any"

    def infer(self, x: Node, **attributes: Any) -> tuple[Shape, DType]:
        if x.dtype is not bool_:
            raise DTypeError(f"the operand is {x.dtype}, not bool", mend="compare first, for example x != 0")
        return super().infer(x, **attributes)

    def forward(self, xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
        return xp.any(x, axis=axis, keepdims=keepdims)


class All(Any_):
    """Whether all elements hold."""

    name = "all"

    def forward(self, xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
        return xp.all(x, axis=axis, keepdims=keepdims)


class Extremum(Op):
    """The largest or smallest element along one axis; ties and NaNs belong to the first place."""

    locate: ClassVar[str]

    def infer(self, x: Node, *, axis: int, keepdims: bool) -> tuple[Shape, DType]:
        if x.shape[axis] == 0:
            raise ShapeError(
                f"axis {axis} of shape {x.shape} is empty and has no {self.name}",
                mend="reduce an axis that has elements",
            )
        return without(x.shape, (axis,), keepdims), x.dtype

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        axis, keepdims = out.attributes["axis"], out.attributes["keepdims"]
        place = call(self.locate, x, axis=axis, keepdims=True)
        upstream = ct if keepdims else expand_dims(ct, axis)
        return (call("scatter_along_axis", upstream, place, axis=axis, length=x.shape[axis]),)


class Max(Extremum):
    """The largest element along an axis."""

    formula = "max {x}"
    locate = "argmax"

    def forward(self, xp: Any, x: Any, *, axis: int, keepdims: bool) -> Any:
        return xp.max(x, axis=axis, keepdims=keepdims)


class Min(Extremum):
    """The smallest element along an axis."""

    formula = "min {x}"
    locate = "argmin"

    def forward(self, xp: Any, x: Any, *, axis: int, keepdims: bool) -> Any:
        return xp.min(x, axis=axis, keepdims=keepdims)


class ArgMax(Extremum):
    """The first place of the largest element along an axis, as int64."""

    name = "argmax"

    def infer(self, x: Node, **attributes: Any) -> tuple[Shape, DType]:
        return super().infer(x, **attributes)[0], int64

    def forward(self, xp: Any, x: Any, *, axis: int, keepdims: bool) -> Any:
        return xp.argmax(x, axis=axis, keepdims=keepdims).astype(np.int64)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (None,)


class ArgMin(ArgMax):
    """The first place of the smallest element along an axis, as int64."""

    name = "argmin"

    def forward(self, xp: Any, x: Any, *, axis: int, keepdims: bool) -> Any:
        return xp.argmin(x, axis=axis, keepdims=keepdims).astype(np.int64)


class CumulativeSum(Op):
    """The running total along one axis."""

    def infer(self, x: Node, *, axis: int) -> tuple[Shape, DType]:
        return x.shape, x.dtype

    def forward(self, xp: Any, x: Any, *, axis: int) -> Any:
        return xp.cumulative_sum(x, axis=axis, dtype=x.dtype)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        axis = out.attributes["axis"]
        return (flip(cumulative_sum(flip(ct, axis=axis), axis=axis), axis=axis),)


_SUM, _PROD, _ANY, _ALL = Sum(), Prod(), Any_(), All()
_MAX, _MIN, _ARGMAX, _ARGMIN, _CUMULATIVE_SUM = Max(), Min(), ArgMax(), ArgMin(), CumulativeSum()


def _fold(op: Op, x: NodeLike, axis: Axis, keepdims: bool) -> Node:
    node = as_node(x)
    axes = many_axes(axis, node.ndim, op.name)
    if not axes and isinstance(op, Sum | Prod):
        return node
    return apply(op, node, axis=axes, keepdims=bool(keepdims))


def _countable(x: NodeLike) -> Node:
    """Booleans and int32 are added up as int64, as the array API standard has it."""
    node = as_node(x)
    return cast(node, int64) if node.dtype in (dtypes.bool_, dtypes.int32) else node


def sum(x: NodeLike, axis: Axis = None, *, keepdims: bool = False) -> Node:
    """The sum over ``axis`` (an axis, several, or None for all); of nothing, 0.

    The derivative with respect to each element is 1: the cotangent is spread over the summed axes.
    Booleans and int32 are counted in int64.

    >>> import chainrule as cr
    >>> cr.sum([[1.0, 2.0], [3.0, 4.0]], axis=0).value
    array([4., 6.], dtype=float32)
    """
    return _fold(_SUM, _countable(x), axis, keepdims)


def prod(x: NodeLike, axis: Axis = None, *, keepdims: bool = False) -> Node:
    """The product over ``axis`` (an axis, several, or None for all); of nothing, 1.

    ∂/∂xᵢ is the product of the other elements, exact also where elements are zero.

    >>> import chainrule as cr
    >>> x = cr.variable([2.0, 0.0, 4.0])
    >>> cr.gradients(cr.prod(x), x).value
    array([0., 8., 0.], dtype=float32)
    """
    return _fold(_PROD, _countable(x), axis, keepdims)


def mean(x: NodeLike, axis: Axis = None, *, keepdims: bool = False) -> Node:
    """The arithmetic mean over ``axis``, Σx / n; of integers in float32; of nothing, NaN.

    >>> import chainrule as cr
    >>> float(cr.mean([1.0, 4.0, 2.0, 3.0]))
    2.5
    """
    node = astype(x, dtypes.to_float(as_node(x).dtype))
    axes = many_axes(axis, node.ndim, "mean")
    count = 1
    for number in axes:
        count *= node.shape[number]
    total = sum(node, axis=axes, keepdims=keepdims)
    return total / count if count != 1 else total


def var(x: NodeLike, axis: Axis = None, *, correction: float = 0.0, keepdims: bool = False) -> Node:
    """The variance Σ(x - mean)² / (n - correction) over ``axis``; NaN where n is too small for it.

    >>> import chainrule as cr
    >>> float(cr.var([1.0, 2.0, 3.0, 4.0]))
    1.25
    """
    node = astype(x, dtypes.to_float(as_node(x).dtype))
    axes = many_axes(axis, node.ndim, "var")
    deviation = node - mean(node, axis=axes, keepdims=True)
    count = 1
    for number in axes:
        count *= node.shape[number]
    return sum(deviation * deviation, axis=axes, keepdims=keepdims) / float(np.maximum(count - correction, 0))


def std(x: NodeLike, axis: Axis = None, *, correction: float = 0.0, keepdims: bool = False) -> Node:
    """The standard deviation, the root of :func:`var`.

    Where it is 0 its derivative is NaN, as that of every root of a sum of squares: it has a kink there,
    and no slope.  ``sqrt(var(x) + ε)`` has one.

    >>> import chainrule as cr
    >>> float(cr.std([1.0, 3.0]))
    1.0
    """
    node = as_node(x)
    axes = many_axes(axis, node.ndim, "std")
    return call("sqrt", var(node, axes, correction=correction, keepdims=keepdims))


def any(x: NodeLike, axis: Axis = None, *, keepdims: bool = False) -> Node:
    """Whether any boolean over ``axis`` holds; of nothing, False.

    >>> import chainrule as cr
    >>> bool(cr.any([False, True]))
    True
    """
    return _fold(_ANY, x, axis, keepdims)


def all(x: NodeLike, axis: Axis = None, *, keepdims: bool = False) -> Node:
    """Whether all booleans over ``axis`` hold; of nothing, True.

    >>> import chainrule as cr
    >>> bool(cr.all([False, True]))
    False
    """
    return _fold(_ALL, x, axis, keepdims)


def _along_one_axis(op: Op, x: NodeLike, axis: Axis, keepdims: bool) -> Node:
    """Apply an op of one axis over several, by moving them together to the end."""
    node = as_node(x)
    axes = many_axes(axis, node.ndim, op.name)
    if len(axes) == 1:
        return apply(op, node, axis=axes[0], keepdims=bool(keepdims))
    kept = [number for number in range(node.ndim) if number not in axes]
    folded = 1
    for number in axes:
        folded *= node.shape[number]
    flat = reshape(permute_dims(node, (*kept, *axes)), (*[node.shape[number] for number in kept], folded))
    result = apply(op, flat, axis=flat.ndim - 1, keepdims=False)
    return reshape(result, without(node.shape, axes, keepdims=True)) if keepdims else result


def max(x: NodeLike, axis: Axis = None, *, keepdims: bool = False) -> Node:
    """The largest element over ``axis``; a NaN wins; an empty axis is an error.

    The derivative is 1 at the first place that attains the maximum and 0 elsewhere.

    >>> import chainrule as cr
    >>> x = cr.variable([1.0, 4.0, 2.0, 4.0])
    >>> float(cr.max(x)), cr.gradients(cr.max(x), x).value
    (4.0, array([0., 1., 0., 0.], dtype=float32))
    """
    return _along_one_axis(_MAX, x, axis, keepdims)


def min(x: NodeLike, axis: Axis = None, *, keepdims: bool = False) -> Node:
    """The smallest element over ``axis``; a NaN wins; an empty axis is an error.

    The derivative is 1 at the first place that attains the minimum and 0 elsewhere.

    >>> import chainrule as cr
    >>> float(cr.min([3.0, 1.0, 2.0]))
    1.0
    """
    return _along_one_axis(_MIN, x, axis, keepdims)


def argmax(x: NodeLike, axis: int | None = None, *, keepdims: bool = False) -> Node:
    """The first place of the largest element along ``axis`` (None: of the flattened array), int64.

    >>> import chainrule as cr
    >>> int(cr.argmax([3.0, 5.0, 5.0]))
    1
    """
    return _along_one_axis(_ARGMAX, x, axis, keepdims)


def argmin(x: NodeLike, axis: int | None = None, *, keepdims: bool = False) -> Node:
    """The first place of the smallest element along ``axis`` (None: of the flattened array), int64.

    >>> import chainrule as cr
    >>> int(cr.argmin([3.0, 1.0, 1.0]))
    1
    """
    return _along_one_axis(_ARGMIN, x, axis, keepdims)


def cumulative_sum(x: NodeLike, axis: int | None = None, *, include_initial: bool = False) -> Node:
    """The running total along ``axis``, which may be left out for a vector.

    ``include_initial`` puts a 0 in front.

    >>> import chainrule as cr
    >>> cr.cumulative_sum([1.0, 2.0, 3.0]).value
    array([1., 3., 6.], dtype=float32)
    """
    node = _countable(x)
    if axis is None and node.ndim != 1:
        raise ShapeError(
            f"cumulative_sum: of {node.ndim} axes, which one?", mend="give axis=", where=user_place()
        )
    along = one_axis(0 if axis is None else axis, node.ndim, "cumulative_sum")
    total = apply(_CUMULATIVE_SUM, node, axis=along)
    if not include_initial:
        return total
    start = constant(np.zeros(without(node.shape, (along,), keepdims=True), node.dtype))
    return concat([start, total], axis=along)


def product_of_others(x: Node, axes: tuple[int, ...]) -> Node:
    """For each element, the product of all other elements over ``axes``.

    Written as (product of those before) × (product of those after), by doubling: log n steps, no
    division, so zeros are no special case.
    """
    kept = [number for number in range(x.ndim) if number not in axes]
    order = (*kept, *axes)
    moved = permute_dims(x, order)
    flat = reshape(moved, (*[x.shape[number] for number in kept], -1)) if moved.size else moved
    if not moved.size:
        return x
    others = _running_product(flat) * flip(_running_product(flip(flat, axis=-1)), axis=-1)
    back = tuple(order.index(number) for number in range(x.ndim))
    return permute_dims(reshape(others, moved.shape), back)


def _running_product(x: Node) -> Node:
    """The product of all elements before each one along the last axis."""
    last = x.ndim - 1
    length = x.shape[last]
    one = constant(np.ones((*x.shape[:last], 1), x.dtype))
    total = concat([one, slice_axis(x, last, 0, length - 1)], axis=last) if length > 1 else one
    step = 1
    while step < length:
        ones = constant(np.ones((*x.shape[:last], step), x.dtype))
        total = total * concat([ones, slice_axis(total, last, 0, length - step)], axis=last)
        step *= 2
    return total


for _function in (sum, prod, mean, var, std, any, all, max, min, argmax, argmin, cumulative_sum):
    register(_function.__name__, _function)
