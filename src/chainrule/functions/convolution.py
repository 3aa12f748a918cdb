"""Convolutions over words and images, channels last: windows laid out as rows, then one matrix product.

As in the whole field, "convolution" is the correlation: the kernel is not turned round.  With the
channels in the last axis a window over words is a stretch of memory, and a kernel over whole rows of
words is a matrix with one column a filter, as the lectures draw it.
"""

from __future__ import annotations

import math

from ..errors import ArgumentError, ShapeError
from ..graph import Node, NodeLike, apply, shape_error, user_place
from ..ops import (
    Composite,
    matmul,
    pad,
    permute_dims,
    reshape,
    sliding_windows,
)
from ..ops.elementwise import promote_inputs
from ..ops.windows import Numbers, Padding, geometry
from .linear import with_bias

Sizes = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


class Convolution(Composite):
    """Inputs: x (…, *lengths, in) and weight (*kernel, in/groups, out); the result is (…, *windows, out)."""

    def build(
        self, x: Node, weight: Node, *, stride: Sizes, dilation: Sizes, padding: Pairs, groups: int
    ) -> Node:
        kernel = weight.shape[:-2]
        axes = _axes(x, len(kernel))
        padded = pad(x, [*((0, 0) for _ in x.shape[: axes[0]]), *padding, (0, 0)])
        windows = sliding_windows(padded, kernel, axis=axes, stride=stride, dilation=dilation)
        rows = matmul(_as_rows(windows, len(kernel), groups), _as_matrix(weight, groups))
        if groups > 1:
            rows = permute_dims(rows, (1, 0, 2))
        lead = windows.shape[: x.ndim - 1]
        return reshape(rows, (*lead, weight.shape[-1]))


_CONVOLUTION = Convolution()


def _axes(x: Node, count: int) -> tuple[int, ...]:
    return tuple(range(x.ndim - 1 - count, x.ndim - 1))


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
        raise shape_error(
            what,
            f"x has {inputs} channels (its last axis, of shape {x.shape}) and the weight of shape "
            f"{weight.shape} reads {weight.shape[-2]} in each of {groups} group(s)",
            (x, weight),
            ((0, -1), (1, -2)),
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
    >>> cr.conv2d(image, cr.reshape([1.0, 0.0, 0.0, 1.0], (2, 2, 1, 1))).value
    array([[[5.]]], dtype=float32)
    """
    return _convolve("conv2d", 2, x, weight, bias, stride, padding, dilation, groups)
