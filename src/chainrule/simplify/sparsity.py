"""Structural sparsity: products and sums with zeros whose places the graph knows are not carried out.

Zeros times infinities or NaNs would be NaN; a place that is never looked at is taken to be finite.
"""

from __future__ import annotations

from collections.abc import Callable

from .. import ops
from ..graph import Node, apply
from ..ops import broadcast_to, expand_dims, permute_dims, reshape, take, take_along_axis
from ..ops.indexing import scatter
from ..rewrite import Rule, anything
from .language import ZERO, is_elementwise, key, pattern, rules_of

sparse = rules_of("sparsity")


# -- one-hot rows ------------------------------------------------------------------------------------------


def _rows_of_table(h: Node, y: Node) -> Node | None:
    """one_hot(i) @ W: the rows of W that i names."""
    (indices,) = h.inputs
    return take(y, indices, axis=0) if y.ndim <= 2 else None


def _added_to_rows(h: Node, t: Node, y: Node) -> Node | None:
    """one_hot(i)ᵀ @ d: each row of d added to the row that i names."""
    (indices,) = h.inputs
    if indices.ndim != 1 or y.ndim > 2:
        return None
    return scatter(y, indices, 0, h.attributes["depth"])


def _columns_of_table(x: Node, h: Node, t: Node) -> Node | None:
    """x @ one_hot(i)ᵀ: the columns of x that i names."""
    (indices,) = h.inputs
    return take(x, indices, axis=x.ndim - 1) if indices.ndim == 1 else None


def _picked(root: Node, h: Node, y: Node) -> Node | None:
    """Σ one_hot(i) · y over the last axis: the elements of y that i names."""
    if y.shape != h.shape or root.attributes["axis"] != (h.ndim - 1,):
        return None
    return reshape(ops.pick(y, h.inputs[0]), root.shape)


def _one_in_each_row(root: Node, h: Node, y: Node) -> Node | None:
    """one_hot(i) · y, of a y that is the same along each row: zeros with y in one place."""
    if root.shape != h.shape or (y.ndim and y.shape[-1] != 1):
        return None
    last = h.ndim - 1
    values = broadcast_to(y, (*h.shape[:-1], 1))
    return ops.scatter_along_axis(values, expand_dims(h.inputs[0], last), last, h.shape[-1])


def _flat_one_hot(root: Node, h: Node) -> Node | None:
    depth = h.attributes["depth"]
    if root.shape != (h.inputs[0].size, depth):
        return None
    return apply(h.op, reshape(h.inputs[0], -1), **h.attributes)


def _cast_one_hot(root: Node, h: Node) -> Node:
    return apply(h.op, *h.inputs, depth=h.attributes["depth"], dtype=root.dtype)


_HOT = pattern("one_hot", name="h")
_HOT_TURNED = pattern("permute_dims", pattern("one_hot", name="h"), name="t")


# -- one place in each line --------------------------------------------------------------------------------


def _one_place(found: Node) -> bool:
    """Zeros with one element put into each line along an axis."""
    return key(found) == "scatter_along_axis" and found.inputs[0].shape[found.attributes["axis"]] == 1


def _along(y: Node, indices: Node, axis: int) -> Node:
    """The elements of ``y``, which broadcasts to the array read, at the one place of each line."""
    aligned = reshape(y, (*(1,) * (indices.ndim - y.ndim), *y.shape))
    return aligned if aligned.shape[axis] == 1 else take_along_axis(aligned, indices, axis)


def _inside(operand: int) -> Callable[..., Node | None]:
    """An op that makes zero of zero, whatever its other operands: done to the elements put in."""

    def build(root: Node, s: Node) -> Node | None:
        if root.shape != s.shape:
            return None
        values, places = s.inputs
        axis = s.attributes["axis"]
        operands = [
            values if number == operand else _along(child, places, axis)
            for number, child in enumerate(root.inputs)
        ]
        changed = broadcast_to(apply(root.op, *operands, **root.attributes), values.shape)
        return ops.scatter_along_axis(changed, places, axis, s.shape[axis])

    return build


def _both_placed(root: Node, s: Node, r: Node) -> Node | None:
    """Two arrays with numbers in the same places: the op on the numbers."""
    same = s.inputs[1] is r.inputs[1] and s.attributes == r.attributes and s.shape == r.shape == root.shape
    if not same:
        return None
    axis = s.attributes["axis"]
    values = [
        child.inputs[0] if child is s or child is r else _along(child, s.inputs[1], axis)
        for child in root.inputs
    ]
    return ops.scatter_along_axis(apply(root.op, *values), s.inputs[1], axis, s.shape[axis])


_PLACED, _PLACED_TOO = anything("s", _one_place), anything("r", _one_place)
_CHEAP = frozenset({
    "add", "subtract", "multiply", "negative", "square", "maximum", "minimum", "where", "cast",
    "greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "logical_and", "logical_or",
    "logical_not",
})  # fmt: skip


def _read_inside(root: Node, y: Node, i: Node) -> Node | None:
    """Elements of a cheap function of arrays: the function of the arrays' elements."""
    axis = root.attributes["axis"]
    if root.shape[axis] != 1 or y.shape[axis] == 1 or key(y) not in _CHEAP or not is_elementwise(y):
        return None
    return apply(y.op, *[_along(child, i, axis) for child in y.inputs], **y.attributes)


def _largest(root: Node, y: Node, i: Node) -> Node | None:
    """The element at the place of the largest is the largest."""
    axis = root.attributes["axis"]
    if i.attributes["axis"] != axis or not i.attributes["keepdims"]:
        return None
    highest = (ops.max if key(i) == "argmax" else ops.min)(y, axis=axis)
    return reshape(highest, root.shape)


def _positive_at_largest(root: Node, x: Node, y: Node, i: Node, zero: Node) -> Node | None:
    """x > 0 where max(x, 0) is largest: whether that is above 0."""
    found = None if zero.ndim else _largest(root, y, i)
    return None if found is None else ops.greater(found, zero)


def _sum_of_placed(root: Node, s: Node) -> Node | None:
    """The sum of a line is that of what was put into it."""
    axes = root.attributes["axis"]
    if s.attributes["axis"] not in axes:
        return None
    return apply(root.op, s.inputs[0], **root.attributes)


def _sum_of_rows(root: Node, s: Node) -> Node | None:
    """The sum over the axis that rows were added along."""
    axis, (values, indices) = s.attributes["axis"], s.inputs
    axes = root.attributes["axis"]
    if axis not in axes or root.attributes["keepdims"]:
        return None
    more = indices.ndim - 1
    spread = {number if number < axis else number + more for number in axes if number != axis}
    return ops.sum(values, axis=tuple(sorted(spread | set(range(axis, axis + indices.ndim)))))


# -- products with one number in each row ------------------------------------------------------------------


def _one_a_row(found: Node) -> bool:
    """Rows of zeros with one number in each: a one-hot row times a number."""
    return _one_place(found) and found.attributes["axis"] == found.ndim - 1


def _scaled_rows(s: Node, y: Node) -> Node | None:
    """rows @ W: the rows of W, each times its number."""
    values, indices = s.inputs
    return values * take(y, reshape(indices, s.shape[:-1]), axis=0) if y.ndim == 2 else None


def _added_scaled(s: Node, t: Node, y: Node) -> Node | None:
    """rowsᵀ @ d: each row of d, times its number, added where that stands."""
    values, indices = s.inputs
    if s.ndim != 2 or y.ndim != 2:
        return None
    return scatter(values * y, reshape(indices, -1), 0, s.shape[1])


def _added_scaled_columns(t: Node, x: Node, s: Node) -> Node | None:
    """xᵀ @ rows: the transpose of the product that adds rows of x."""
    turned = None if x.ndim != 2 else _added_scaled(s, t, x)
    return None if turned is None else permute_dims(turned, (1, 0))


_NUMBERED = anything("s", _one_a_row)

#: Products with such rows, once what they are made of has its final form.
ROW_PRODUCTS: list[Rule] = [
    sparse("(one number in a row) @ W scales rows of W", pattern("matmul", _NUMBERED, "y"), _scaled_rows),
    sparse(
        "(one number in a row)ᵀ @ d adds rows of d",
        pattern("matmul", pattern("permute_dims", _NUMBERED, name="t"), "y"),
        _added_scaled,
    ),
    sparse(
        "xᵀ @ (one number in a row) adds rows of x",
        pattern("matmul", pattern("permute_dims", "x", name="t"), _NUMBERED),
        _added_scaled_columns,
    ),
]


def _taken_flat(root: Node, x: Node, i: Node) -> Node | None:
    """The same rows under other axes: one array of them is enough."""
    return reshape(take(x, i, axis=0), root.shape) if root.attributes["axis"] == 0 else None


#: One form for what has two, so that it is computed once.
ONE_FORM: list[Rule] = [
    sparse("x[reshape(i)] = reshape(x[i])", pattern("take", "x", pattern("reshape", "i")), _taken_flat),
    sparse(
        "argmax with its axis kept is argmax, reshaped",
        pattern(["argmax", "argmin"], "x"),
        lambda root, x: (
            reshape(apply(root.op, x, axis=root.attributes["axis"], keepdims=False), root.shape)
            if root.attributes["keepdims"]
            else None
        ),
    ),
]

SPARSITY: list[Rule] = [
    sparse("one_hot(i) @ W = W[i]", pattern("matmul", _HOT, "y"), _rows_of_table),
    sparse("one_hot(i)ᵀ @ d adds d to the rows i", pattern("matmul", _HOT_TURNED, "y"), _added_to_rows),
    sparse("x @ one_hot(i)ᵀ = x[:, i]", pattern("matmul", "x", _HOT_TURNED), _columns_of_table),
    sparse("Σ one_hot(i) · y = y[i]", pattern("sum", pattern("multiply", _HOT, "y")), _picked),
    sparse("one_hot(i) · y puts y in one place", pattern("multiply", _HOT, "y"), _one_in_each_row),
    sparse("reshape(one_hot(i)) = one_hot(reshape(i))", pattern("reshape", _HOT), _flat_one_hot),
    sparse("cast(one_hot(i)) = one_hot(i)", pattern("cast", _HOT), _cast_one_hot),
    sparse("what is put in one place, negated", pattern(["negative", "cast"], _PLACED), _inside(0)),
    sparse("what is put in one place, masked", pattern("where", "c", _PLACED, ZERO),
           lambda root, c, s: _inside(1)(root=root, s=s)),
    sparse("what is put in one place, masked", pattern("where", "c", ZERO, _PLACED),
           lambda root, c, s: _inside(2)(root=root, s=s)),
    sparse("two that are put in the same places", pattern("where", "c", _PLACED, _PLACED_TOO),
           lambda root, c, s, r: _both_placed(root, s, r)),
    sparse("two that are put in the same places", pattern(["add", "subtract"], _PLACED, _PLACED_TOO),
           _both_placed),
    sparse("what is put in one place, scaled", pattern("multiply", _PLACED, "y"),
           lambda root, s, y: _inside(0 if root.inputs[0] is s else 1)(root=root, s=s)),
    sparse("what is put in one place, divided", pattern("divide", _PLACED, "y"),
           lambda root, s, y: _inside(0)(root=root, s=s)),
    sparse("y[argmax y] = max y",
           pattern("take_along_axis", "y", pattern(["argmax", "argmin"], "y", name="i")), _largest),
    sparse(
        "(x > 0)[argmax max(x, 0)] = max max(x, 0) > 0",
        pattern(
            "take_along_axis",
            pattern("greater", "x", anything("zero")),
            pattern("argmax", pattern("maximum", "x", "zero", name="y"), name="i"),
        ),
        _positive_at_largest,
    ),
    sparse("f(x, y)[i] = f(x[i], y[i])", pattern("take_along_axis", "y", "i"), _read_inside),
    sparse("the sum of what is put in one place", pattern("sum", pattern("scatter_along_axis", name="s")),
           _sum_of_placed),
    sparse("the sum of rows that were added", pattern("sum", pattern("scatter_add", name="s")), _sum_of_rows),
]  # fmt: skip
