"""Convolutions over words and images, channels last: windows laid out as rows, then one matrix product.

As in the whole field, "convolution" is the correlation: the kernel is not turned round.  With the
channels in the last axis a window over words is a stretch of memory, and a kernel over whole rows of
words is a matrix with one column a filter, as the lectures draw it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ..errors import ArgumentError, ShapeError
from ..graph import Node, NodeLike, apply, user_place
from ..ops import (
    Composite,
    flip,
    matmul,
    matrix_transpose,
    overlap_add,
    pad,
    permute_dims,
    reshape,
    sliding_windows,
)
from ..ops.elementwise import promote_inputs
from ..ops.movement import slice_axes
from ..ops.windows import Numbers, Padding, geometry
from .linear import with_bias

Sizes = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


class _Geometry(NamedTuple):
    """A convolution's attributes, one entry for each axis that windows slide along."""

    stride: Sizes
    dilation: Sizes
    padding: Pairs
    groups: int


class Convolution(Composite):
    """Inputs: x (…, *lengths, in) and weight (*kernel, in/groups, out); the result is (…, *windows, out)."""

    def build(
        self, x: Node, weight: Node, *, stride: Sizes, dilation: Sizes, padding: Pairs, groups: int
    ) -> Node:
        places = _Geometry(stride, dilation, padding, groups)
        windows = _windows(x, weight.shape[:-2], places)
        rows = matmul(_as_rows(windows, weight.ndim - 2, groups), _as_matrix(weight, groups))
        if groups > 1:
            rows = permute_dims(rows, (1, 0, 2))
        lead = windows.shape[: x.ndim - 1]
        return reshape(rows, (*lead, weight.shape[-1]))

    def vjp(self, ct: Node, out: Node, x: Node, weight: Node) -> tuple[Node | None, ...]:
        places = _Geometry(**out.attributes)
        groups, outputs = places.groups, weight.shape[-1]
        rows = _as_rows(_windows(x, weight.shape[:-2], places), weight.ndim - 2, groups)
        upstream = reshape(ct, (-1, outputs)) if ct.size else reshape(ct, (rows.shape[-2], outputs))
        if groups > 1:
            upstream = permute_dims(reshape(upstream, (rows.shape[1], groups, outputs // groups)), (1, 0, 2))
        by_weight = matmul(matrix_transpose(rows), upstream)
        if groups > 1:
            by_weight = permute_dims(by_weight, (1, 0, 2))
        by_weight = reshape(by_weight, weight.shape)
        if all(step == 1 for step in places.stride):
            return _turned(ct, x, weight, places), by_weight
        return _put_back(
            matmul(upstream, matrix_transpose(_as_matrix(weight, groups))), x, ct, weight, places
        ), by_weight


_CONVOLUTION = Convolution()


def _axes(x: Node, count: int) -> tuple[int, ...]:
    return tuple(range(x.ndim - 1 - count, x.ndim - 1))


def _windows(x: Node, kernel: Sizes, places: _Geometry) -> Node:
    """(…, *windows, in, *kernel), of zeros outside ``x``."""
    count = len(kernel)
    padded = pad(x, [(0, 0)] * (x.ndim - 1 - count) + [*places.padding, (0, 0)])
    return sliding_windows(
        padded, kernel, axis=_axes(x, count), stride=places.stride, dilation=places.dilation
    )


def _as_rows(windows: Node, count: int, groups: int) -> Node:
    """One row a window, (rows, kernel·in), its elements in the order of the weight's; (groups, rows, …)."""
    lead = windows.ndim - 1 - count
    kernel, channels = windows.shape[lead + 1 :], windows.shape[lead]
    rows, size = math.prod(windows.shape[:lead]), math.prod(kernel)
    turned = permute_dims(windows, (*range(lead), *range(lead + 1, windows.ndim), lead))
    if groups == 1:
        return reshape(turned, (rows, size * channels))
    split = permute_dims(reshape(turned, (rows, size, groups, channels // groups)), (2, 0, 1, 3))
    return reshape(split, (groups, rows, size * channels // groups))


def _as_matrix(weight: Node, groups: int) -> Node:
    """The weight as (kernel·in, out), one column a filter; (groups, …) of them."""
    size, outputs = math.prod(weight.shape[:-1]), weight.shape[-1]
    if groups == 1:
        return reshape(weight, (size, outputs))
    return permute_dims(reshape(weight, (size, groups, outputs // groups)), (1, 0, 2))


def _turned(ct: Node, x: Node, weight: Node, places: _Geometry) -> Node:
    """∂L/∂x where every window is one step from the next: a convolution of ``ct`` with the turned kernel."""
    count, groups = weight.ndim - 2, places.groups
    inputs, outputs = weight.shape[-2:]
    kernel = weight.shape[:-2]
    turned = reshape(flip(weight, axis=tuple(range(count))), (*kernel, inputs, groups, outputs // groups))
    turned = permute_dims(turned, (*range(count), count + 2, count + 1, count))
    turned = reshape(turned, (*kernel, outputs // groups, groups * inputs))
    padding, cut = [], {}
    for axis, size, dilation, (before, _) in zip(
        _axes(x, count), kernel, places.dilation, places.padding, strict=True
    ):
        front = (size - 1) * dilation - before
        back = x.shape[axis] + before - ct.shape[axis]
        cut[axis] = slice(max(-front, 0), ct.shape[axis] + min(back, 0))  # windows on padding alone
        padding.append((max(front, 0), max(back, 0)))
    ones = (1,) * count
    return apply(
        _CONVOLUTION,
        slice_axes(ct, cut),
        turned,
        stride=ones,
        dilation=places.dilation,
        padding=tuple(padding),
        groups=groups,
    )


def _put_back(rows: Node, x: Node, ct: Node, weight: Node, places: _Geometry) -> Node:
    """∂L/∂x from the gradient of each window: windows added up where they were read."""
    count, groups = weight.ndim - 2, places.groups
    kernel, lead, channels = weight.shape[:-2], ct.shape[:-1], x.shape[-1]
    if groups > 1:
        size = math.prod(kernel)
        rows = permute_dims(reshape(rows, (groups, rows.shape[1], size, channels // groups)), (1, 2, 0, 3))
    windows = reshape(rows, (*lead, *kernel, channels))
    first = len(lead)
    windows = permute_dims(windows, (*range(first), first + count, *range(first, first + count)))
    axes = _axes(x, count)
    lengths = [x.shape[axis] + sum(pair) for axis, pair in zip(axes, places.padding, strict=True)]
    padded = overlap_add(windows, lengths, axis=axes, stride=places.stride, dilation=places.dilation)
    inner = {
        axis: slice(before, before + x.shape[axis])
        for axis, (before, _) in zip(axes, places.padding, strict=True)
    }
    return slice_axes(padded, inner)


def _convolve(
    what: str,
    count: int,
    x: NodeLike,
    weight: NodeLike,
    bias: NodeLike | None,
    stride: Numbers,
    padding: Padding,
    dilation: Numbers,
    groups: int,
) -> Node:
    node, kernel = promote_inputs((x, weight), to_float=True)
    _check_shapes(what, count, node, kernel, groups)
    places, widths = geometry(
        what, node.shape, kernel.shape[:-2], _axes(node, count), stride, dilation, padding
    )
    result = apply(
        _CONVOLUTION,
        node,
        kernel,
        stride=tuple([place[2] for place in places]),
        dilation=tuple([place[3] for place in places]),
        padding=tuple([widths[place[0]] for place in places]),
        groups=int(groups),
    )
    return with_bias(what, result, bias)


def _check_shapes(what: str, count: int, x: Node, weight: Node, groups: int) -> None:
    lengths = ("length",) if count == 1 else ("height", "width")
    widths = ("width",) if count == 1 else ("height", "width")
    if x.ndim < count + 1 or weight.ndim != count + 2:
        raise ShapeError(
            f"{what}: x of shape {x.shape} and a weight of shape {weight.shape}; "
            f"(…, {', '.join(lengths)}, in) and ({', '.join(widths)}, in/groups, out) are needed",
            where=user_place(),
            mend="channels stand last, and a kernel's filters are its last axis",
        )
    inputs, outputs = x.shape[-1], weight.shape[-1]
    if groups < 1 or inputs % groups or outputs % groups:
        raise ArgumentError(
            f"{what}: {inputs} channels in and {outputs} out do not divide into groups={groups}",
            where=user_place(),
        )
    if weight.shape[-2] * groups != inputs:
        raise ShapeError(
            f"{what}: x has {inputs} channels (its last axis, of shape {x.shape}) and the weight of shape "
            f"{weight.shape} reads {weight.shape[-2]} in each of {groups} group(s)",
            where=user_place(),
            mend=f"the weight's last but one axis must be {inputs // groups}",
        )


def conv1d(
    x: NodeLike,
    weight: NodeLike,
    bias: NodeLike | None = None,
    *,
    stride: Numbers = 1,
    padding: Padding = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Node:
    """Filters slid along a sequence: ``out[t, o] = Σₖᵢ x[t·stride + k·dilation, i]·W[k, i, o] + b[o]``.

    ``x`` is (…, length, in), ``weight`` (width, in/groups, out), ``bias`` (out,); the result is
    (…, windows, out) with windows = ``(length + padding - (width - 1)·dilation - 1) // stride + 1``.
    ``padding`` is a number of zeros for both ends, ``(before, after)``, ``"valid"`` (none) or ``"same"``
    (as many as make ⌈length / stride⌉ windows).  ``groups`` cuts the channels into sets that do not mix.

    Over word vectors this is the text CNN of the lectures (Kim, 2014): each filter reads ``width`` whole
    words.  Raises ``ShapeError`` where shapes do not fit, ``ArgumentError`` for sizes that are none.

    >>> import chainrule as cr
    >>> words = cr.constant([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]])
    >>> cr.conv1d(words, [[[1.0], [0.0]], [[0.0], [10.0]]]).value
    array([[11.],
           [20.]], dtype=float32)
    """
    return _convolve("conv1d", 1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: NodeLike,
    weight: NodeLike,
    bias: NodeLike | None = None,
    *,
    stride: Numbers = 1,
    padding: Padding = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Node:
    """Filters slid over images: ``out[y, x, o] = Σ in[y·s + i, x·s + j, c]·W[i, j, c, o] + b[o]``.

    ``x`` is (…, height, width, in), channels last; ``weight`` (kernel height, kernel width, in/groups,
    out), ``bias`` (out,); the result is (…, rows, columns, out).  ``stride`` and ``dilation`` are one
    number or one for each axis, ``padding`` a number, ``"valid"``, ``"same"``, or for each axis a number
    or ``(before, after)``.

    Raises ``ShapeError`` where shapes do not fit, ``ArgumentError`` for sizes that are none.

    >>> import chainrule as cr
    >>> image = cr.constant([[[1.0], [2.0]], [[3.0], [4.0]]])
    >>> cr.conv2d(image, cr.ops.reshape([1.0, 0.0, 0.0, 1.0], (2, 2, 1, 1))).value
    array([[[5.]]], dtype=float32)
    """
    return _convolve("conv2d", 2, x, weight, bias, stride, padding, dilation, groups)
