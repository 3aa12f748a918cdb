"""Max-over-time pooling behind a product or a convolution: both backward products shrink by the length.

The gradient that reaches the features has one place for each example and filter.  With d[b, f] that
gradient and p[b, f] its place in time, the two products of a convolution over X (b, time, c) are

    ∂L/∂W[k, c, f] = Σ_b d[b, f] · X[b, p[b, f]·stride + k·dilation, c]
    ∂L/∂X[b, p[b, f]·stride + k·dilation, c] += d[b, f] · W[k, c, f]   for every f and k,

written here as take · multiply · sum and as multiply · scatter_add over the rows (b, time) of X.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .. import ops
from ..dtypes import int64
from ..graph import Node
from ..ops import permute_dims, reshape, take
from ..ops.indexing import scatter
from ..rewrite import Rule
from .language import key, pattern, rules_of, steps

sparse = rules_of("pooling")

#: From how many places in time on: a dense product is several times faster for each of its operations.
SHORTEST = 8


class Places(NamedTuple):
    """Rows (b, time) of zeros, each column f of an example b with one number in one place."""

    values: Node
    """(b, f)"""
    times: Node
    """(b, f), int64"""
    batch: int
    length: int
    """How many places in time an example has."""


def _places(rows: Node) -> Places | None:
    """What rows (b · time, f), or (b, time, f), consist of, if they have one number for each b and f."""
    found = rows.inputs[0] if key(rows) == "reshape" else rows
    if key(found) != "scatter_along_axis" or found.ndim < 2:
        return None
    axis, features = found.attributes["axis"], found.shape[-1]
    batch, length = math.prod(found.shape[:-2]), found.shape[-2]
    values, indices = found.inputs
    one_each = axis == found.ndim - 2 and values.shape[axis] == 1
    whole = rows.shape in (found.shape, (batch * length, features))
    if not (one_each and whole and length >= SHORTEST and rows.size):
        return None
    shape = (batch, features)
    times = ops.astype(reshape(indices, shape), int64)
    if key(indices) not in ("argmax", "argmin"):  # which count from the front
        times = ops.where(times < 0, times + length, times)
    return Places(reshape(values, shape), times, batch, length)


class Windows(NamedTuple):
    """Rows (b · windows, k · c) that are the windows of an array (…, time, c)."""

    source: Node
    length: int
    """How many places in time the array has."""
    channels: int
    size: int
    stride: int
    dilation: int


def _windows(rows: Node) -> Windows | None:
    """The windows that a matrix lays out as rows, each with the channels of one place together."""
    if key(rows) != "reshape" or key(turned := rows.inputs[0]) != "permute_dims":
        return None
    view = turned.inputs[0]
    if key(view) != "sliding_windows" or len(view.attributes["places"]) != 1:
        return None
    source = view.inputs[0]
    axis, size, stride, dilation = view.attributes["places"][0]
    last = source.ndim - 1
    in_order = turned.attributes["axes"] == (*range(last), last + 1, last)
    channels = source.shape[-1]
    if axis != last - 1 or not in_order or rows.shape != (rows.shape[0], size * channels):
        return None
    return Windows(source, source.shape[axis], channels, size, stride, dilation)


def _rows_read(places: Places, length: int, size: int, stride: int, dilation: int) -> Node:
    """For each (b, f, k), the row of the array (b · time, c) that element k of the window lies in."""
    begin = places.times * stride if stride != 1 else places.times
    starts = begin + steps(places.batch, length, (places.batch, 1))
    return reshape(starts, (*starts.shape, 1)) + steps(size, dilation, (size,))


def _outer(values: Node, axes: int) -> Node:
    """``values`` with ``axes`` more axes of length 1 behind."""
    return reshape(values, (*values.shape, *(1,) * axes))


def _by_weight(t: Node, x: Node, r: Node) -> Node | None:
    """Xᵀ @ rows: for each filter the sum of the windows it was largest at, each times its gradient."""
    places = _places(r)
    if t.attributes["axes"] != (1, 0) or places is None:
        return None
    windows = _windows(x)
    if windows is None:
        rows = places.times + steps(places.batch, places.length, (places.batch, 1))
        return permute_dims(ops.sum(take(x, rows, axis=0) * _outer(places.values, 1), axis=0), (1, 0))
    source, length, channels, *window = windows
    rows = _rows_read(places, length, *window)
    table = reshape(source, (places.batch * length, channels))
    summed = ops.sum(take(table, rows, axis=0) * _outer(places.values, 2), axis=0)
    return permute_dims(reshape(summed, (places.values.shape[1], windows.size * channels)), (1, 0))


def _by_input(root: Node, t: Node, s: Node, r: Node, w: Node) -> Node | None:
    """overlap_add(rows @ Wᵀ): each filter's weights times its gradient, at the window it was largest at."""
    last = root.ndim - 1
    wanted = root.attributes["places"]
    places = _places(r)
    if places is None or len(wanted) != 1 or wanted[0][0] != last - 1:
        return None
    if t.attributes["axes"] != (*range(last), last + 1, last):
        return None
    (_, size, stride, dilation), (length,) = wanted[0], root.attributes["lengths"]
    features, channels = w.shape[0], root.shape[-1]
    if s.shape != (*root.shape[:-2], places.length, size, channels):
        return None
    rows = _rows_read(places, length, size, stride, dilation)
    values = _outer(places.values, 2) * reshape(w, (features, size, channels))
    added = scatter(values, rows, 0, places.batch * length)
    return reshape(added, root.shape)


def _by_rows(root: Node, r: Node, y: Node) -> Node | None:
    """rows @ y, where it is no convolution's: each number times its row of y, added to its own row."""
    places = _places(r)
    if places is None or y.ndim != 2:
        return None
    rows = places.times + steps(places.batch, places.length, (places.batch, 1))
    added = scatter(_outer(places.values, 1) * y, rows, 0, places.batch * places.length)
    return reshape(added, root.shape)


_ROWS = pattern(["reshape", "scatter_along_axis"], name="r")

POOLING: list[Rule] = [
    sparse(
        "Xᵀ @ (one place in time) gathers windows",
        pattern("matmul", pattern("permute_dims", "x", name="t"), _ROWS),
        _by_weight,
    ),
    sparse(
        "overlap_add((one place in time) @ Wᵀ) adds weights to rows",
        pattern(
            "overlap_add",
            pattern("permute_dims", pattern("reshape", pattern("matmul", _ROWS, "w"), name="s"), name="t"),
        ),
        _by_input,
    ),
]

#: For products that are still there when every convolution has been seen.
PLAIN_PRODUCTS: list[Rule] = [
    sparse("(one place in time) @ W adds rows of W", pattern("matmul", _ROWS, "y"), _by_rows)
]
