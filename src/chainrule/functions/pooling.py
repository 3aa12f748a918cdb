"""Pooling: the largest or the mean element of windows, of bins, or of all time.

The derivative of a maximum goes to one place, the first that attains it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence

import numpy as np

from ..dtypes import bool_, int64
from ..errors import ArgumentError, DTypeError, ShapeError
from ..graph import Node, NodeLike, apply, as_node, constant, user_place
from ..ops import (
    Composite,
    any,
    argmax,
    astype,
    concat,
    max,
    maximum,
    mean,
    pad,
    reshape,
    slice_axis,
    sliding_windows,
    sum,
    take_along_axis,
    where,
)
from ..ops.axes import one_axis
from ..ops.windows import Numbers, Padding, Places, geometry
from .softmax import as_float

Pairs = tuple[tuple[int, int], ...]


def _flat_windows(x: Node, places: Places, widths: Pairs, fill: float) -> Node:
    """The windows with their elements in one last axis, ``fill`` standing outside ``x``."""
    axes, sizes, strides, dilations = zip(*places, strict=True)
    windows = sliding_windows(pad(x, widths, fill), sizes, axis=axes, stride=strides, dilation=dilations)
    return reshape(windows, (*windows.shape[: x.ndim], math.prod(sizes)))


class MaxPool(Composite):
    """The largest element of each window."""

    def build(self, x: Node, *, places: Places, widths: Pairs) -> Node:
        return max(_flat_windows(x, places, widths, -math.inf), axis=-1)


class AveragePool(Composite):
    """The mean of each window, over what lies inside the array or over the padding as well."""

    def build(self, x: Node, *, places: Places, widths: Pairs, count_padding: bool) -> Node:
        windows = _flat_windows(x, places, widths, 0.0)
        if count_padding or not np.any(widths):
            return mean(windows, axis=-1)
        return sum(windows, axis=-1) * constant(1 / _inside(x, places, widths), x.dtype)


def _inside(x: Node, places: Places, widths: Pairs) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """How many elements of each window lie inside, to broadcast against the result."""
    result = np.ones((1,) * x.ndim)
    for axis, size, stride, _ in places:
        before, after = widths[axis]
        real = np.pad(np.ones(x.shape[axis]), (before, after))
        counts = np.lib.stride_tricks.sliding_window_view(real, size)[::stride].sum(axis=-1)
        result = result * counts.reshape([-1 if number == axis else 1 for number in range(x.ndim)])
    return result


_MAX_POOL, _AVERAGE_POOL = MaxPool(), AveragePool()


def _geometry(
    what: str, count: int, x: Node, size: Numbers, stride: Numbers | None, padding: Padding
) -> tuple[Places, Pairs]:
    if x.ndim < count + 1:
        axes = "length" if count == 1 else "height, width"
        raise ShapeError(f"{what}: x of shape {x.shape}; (…, {axes}, channels) is needed", where=user_place())
    axes_numbers = tuple(range(x.ndim - 1 - count, x.ndim - 1))
    places, widths = geometry(
        what, x.shape, size, axes_numbers, size if stride is None else stride, 1, padding
    )
    for axis, width, step, _ in places:
        before, after = widths[axis]
        length = x.shape[axis]
        windows = (length + before + after - width) // step + 1
        if before >= width or (windows > 0 and (windows - 1) * step - before >= length):
            raise ArgumentError(
                f"{what}: with padding {(before, after)} a window of {width} along axis {axis} "
                "lies on padding alone",
                where=user_place(),
                mend=f"at most {width - 1} on either side",
            )
    return places, tuple(widths)


def _max_pool(
    what: str, count: int, x: NodeLike, size: Numbers, stride: Numbers | None, padding: Padding
) -> Node:
    node = as_float(x)
    places, widths = _geometry(what, count, node, size, stride, padding)
    return apply(_MAX_POOL, node, places=places, widths=widths)


def _average_pool(
    what: str,
    count: int,
    x: NodeLike,
    size: Numbers,
    stride: Numbers | None,
    padding: Padding,
    count_padding: bool,
) -> Node:
    node = as_float(x)
    places, widths = _geometry(what, count, node, size, stride, padding)
    return apply(_AVERAGE_POOL, node, places=places, widths=widths, count_padding=bool(count_padding))


def max_pool1d(x: NodeLike, size: int, *, stride: Numbers | None = None, padding: Padding = 0) -> Node:
    """The largest element of each window of ``size`` along a sequence, channel by channel.

    ``x`` is (…, length, channels); the result (…, windows, channels), windows being ``stride`` apart
    (``size``, where it is not given).  ``padding`` is as in :func:`conv1d`, and is never a maximum.

    The derivative is 1 at the first place that attains the maximum, 0 elsewhere.

    >>> import chainrule as cr
    >>> cr.max_pool1d([[1.0], [4.0], [2.0], [3.0]], 4).value
    array([[4.]], dtype=float32)
    """
    return _max_pool("max_pool1d", 1, x, size, stride, padding)


def max_pool2d(x: NodeLike, size: Numbers, *, stride: Numbers | None = None, padding: Padding = 0) -> Node:
    """The largest element of each window of an image, channel by channel.

    ``x`` is (…, height, width, channels); ``size`` and ``stride`` are one number or one for each axis,
    ``padding`` is as in :func:`conv2d`, and is never a maximum.

    The derivative is 1 at the first place that attains the maximum (row by row), 0 elsewhere.

    >>> import chainrule as cr
    >>> cr.max_pool2d([[[1.0], [4.0]], [[2.0], [3.0]]], 2).value
    array([[[4.]]], dtype=float32)
    """
    return _max_pool("max_pool2d", 2, x, size, stride, padding)


def average_pool1d(
    x: NodeLike,
    size: int,
    *,
    stride: Numbers | None = None,
    padding: Padding = 0,
    count_padding: bool = False,
) -> Node:
    """The mean of each window of ``size`` along a sequence, channel by channel.

    ``x`` is (…, length, channels); the result (…, windows, channels), windows being ``stride`` apart
    (``size``, where it is not given).  The mean is of the elements inside; ``count_padding`` counts the
    zeros outside as well.

    >>> import chainrule as cr
    >>> cr.average_pool1d([[1.0], [4.0], [2.0], [3.0]], 4).value
    array([[2.5]], dtype=float32)
    """
    return _average_pool("average_pool1d", 1, x, size, stride, padding, count_padding)


def average_pool2d(
    x: NodeLike,
    size: Numbers,
    *,
    stride: Numbers | None = None,
    padding: Padding = 0,
    count_padding: bool = False,
) -> Node:
    """The mean of each window of an image, channel by channel.

    ``x`` is (…, height, width, channels); ``size`` and ``stride`` are one number or one for each axis.
    The mean is of the elements inside; ``count_padding`` counts the zeros outside as well.

    >>> import chainrule as cr
    >>> cr.average_pool2d([[[1.0], [4.0]], [[2.0], [3.0]]], 2).value
    array([[[2.5]]], dtype=float32)
    """
    return _average_pool("average_pool2d", 2, x, size, stride, padding, count_padding)


def _mask_for(what: str, x: Node, axis: int, mask: NodeLike) -> Node:
    """The mask, of the axes of ``x`` up to ``axis``, with axes of length 1 for the rest."""
    node = as_node(mask)
    if node.dtype is not bool_:
        raise DTypeError(
            f"{what}: the mask is {node.dtype}, not bool",
            where=user_place(),
            mend="True marks real words: mask != 0",
        )
    if node.shape != x.shape[: axis + 1]:
        raise ShapeError(
            f"{what}: a mask of shape {node.shape} for x of shape {x.shape} and axis {axis}",
            where=user_place(),
            mend=f"one boolean for each place: shape {x.shape[: axis + 1]}",
        )
    return reshape(node, (*node.shape, *(1,) * (x.ndim - node.ndim)))


def max_over_time(x: NodeLike, axis: int = 1, mask: NodeLike | None = None) -> Node:
    """The largest value of each feature over ``axis``, the words of a sentence (Collobert et al., 2011).

    ``x`` is (batch, time, features) for axis 1, the result (batch, features).  ``mask`` (batch, time) is
    True where there is a word; a sentence without any gives zeros.  The derivative goes to one word for
    each feature, the first that attains the maximum.

    >>> import chainrule as cr
    >>> x = cr.constant([[[1.0], [4.0], [2.0], [9.0]]])
    >>> cr.max_over_time(x, mask=[[True, True, True, False]]).value
    array([[4.]], dtype=float32)
    """
    node = as_float(x)
    number = one_axis(axis, node.ndim, "max_over_time")
    if mask is None:
        return max(node, axis=number)
    real = _mask_for("max_over_time", node, number, mask)
    highest = max(where(real, node, -math.inf), axis=number)
    return where(any(real, axis=number), highest, 0)


def k_max_over_time(x: NodeLike, k: int, axis: int = 1, mask: NodeLike | None = None) -> Node:
    """The ``k`` largest values of each feature over ``axis``, in the order in which they stand there.

    ``x`` is (batch, time, features) for axis 1, the result (batch, k, features).  ``mask`` (batch, time) is
    True where there is a word; zeros stand behind the values of a sentence with fewer than ``k`` words.
    The derivative goes to the places chosen; among equals those that stand first.

    Raises ``ArgumentError`` for a ``k`` below 1 or beyond the length.  (Kalchbrenner et al., 2014)

    >>> import chainrule as cr
    >>> x = cr.constant([[[1.0], [4.0], [2.0], [9.0], [3.0]]])
    >>> cr.k_max_over_time(x, 3).value.ravel()
    array([4., 9., 3.], dtype=float32)
    >>> cr.k_max_over_time(x, 3, mask=[[True, True, False, False, False]]).value.ravel()
    array([1., 4., 0.], dtype=float32)
    """
    node, count = as_float(x), operator.index(k)
    number = one_axis(axis, node.ndim, "k_max_over_time")
    length = node.shape[number]
    if not 1 <= count <= length:
        raise ArgumentError(
            f"k_max_over_time: k is {count}, and axis {number} has {length} places",
            where=user_place(),
            mend=f"choose k from 1 to {length}",
        )
    real = None if mask is None else _mask_for("k_max_over_time", node, number, mask)
    places = _largest_places(node, count, number, real)
    # Each finds its slot by counting those that stand before it: small comparisons instead of a sort.
    slots = [
        sum(
            concat([astype(other < place, int64) for other in places], axis=number),
            axis=number,
            keepdims=True,
        )
        for place in places
    ]
    ordered = concat(
        [
            sum(concat([where(slot == wanted, place, 0) for slot, place in zip(slots, places, strict=True)],
                       axis=number), axis=number, keepdims=True)
            for wanted in range(count)
        ],
        axis=number,
    )  # fmt: skip
    if real is None:
        return take_along_axis(node, ordered, axis=number)
    found = take_along_axis(node, where(ordered < length, ordered, 0), axis=number)
    return where(ordered < length, found, 0)


def _largest_places(x: Node, k: int, axis: int, real: Node | None) -> list[Node]:
    """The places of the ``k`` largest along ``axis``, largest first; beyond the end where there is none."""
    shape = [x.shape[axis] if number == axis else 1 for number in range(x.ndim)]
    steps = constant(np.arange(x.shape[axis]).reshape(shape))
    # What is no candidate must be below every number, infinities too.
    least = np.finfo(x.dtype).min
    rest = maximum(x, least) if real is None else where(real, maximum(x, least), -math.inf)
    found: list[Node] = []
    for turn in range(k):
        place = argmax(rest, axis=axis, keepdims=True)
        rest = where(steps == place, -math.inf, rest)
        if real is not None:
            # Missing ones stand behind all others, one after the other, so that no two share a slot.
            enough = sum(astype(real, int64), axis=axis, keepdims=True) > turn
            place = where(enough, place, x.shape[axis] + turn)
        found.append(place)
    return found


def mean_over_time(x: NodeLike, axis: int = 1, mask: NodeLike | None = None) -> Node:
    """The mean of each feature over ``axis``, of the words that ``mask`` marks; of none, zeros.

    ``x`` is (batch, time, features) for axis 1, ``mask`` (batch, time), the result (batch, features).

    >>> import chainrule as cr
    >>> x = cr.constant([[[1.0], [4.0], [2.0], [9.0]]])
    >>> float(cr.mean_over_time(x)), float(cr.mean_over_time(x, mask=[[True, True, False, False]]))
    (4.0, 2.5)
    """
    node = as_float(x)
    number = one_axis(axis, node.ndim, "mean_over_time")
    if mask is None:
        return mean(node, axis=number)
    real = _mask_for("mean_over_time", node, number, mask)
    count = maximum(sum(astype(real, node.dtype), axis=number), 1)
    return sum(where(real, node, 0), axis=number) / count


def _adaptive(
    what: str, count: int, x: NodeLike, size: int | Sequence[int], reduce: Callable[..., Node]
) -> Node:
    """Bins of nearly equal length: bin i of n reads from ⌊i·L/n⌋ up to ⌈(i + 1)·L/n⌉.

    The last axis goes first, so that among equals the first in reading order is the maximum.
    """
    node = as_float(x)
    sizes = (size,) * count if isinstance(size, int) else tuple(size)
    if node.ndim < count + 1 or len(sizes) != count:
        raise ShapeError(f"{what}: x of shape {node.shape} and size {size}", where=user_place())
    for axis, bins in reversed(list(zip(range(node.ndim - 1 - count, node.ndim - 1), sizes, strict=True))):
        length = node.shape[axis]
        if bins < 1 or not length:
            raise ArgumentError(f"{what}: {bins} bins for axis {axis} of length {length}", where=user_place())
        if length % bins == 0:
            cut = (*node.shape[:axis], bins, length // bins, *node.shape[axis + 1 :])
            node = reduce(reshape(node, cut), axis=axis + 1)
            continue
        pieces = [
            slice_axis(node, axis, i * length // bins, -(-(i + 1) * length // bins)) for i in range(bins)
        ]
        node = concat([reduce(piece, axis=axis, keepdims=True) for piece in pieces], axis=axis)
    return node


def adaptive_average_pool1d(x: NodeLike, size: int) -> Node:
    """The means of ``size`` bins along a sequence, whatever its length.

    ``x`` is (…, length, channels), the result (…, size, channels).  Bin i reads from
    ⌊i·length/size⌋ up to ⌈(i + 1)·length/size⌉.

    >>> import chainrule as cr
    >>> cr.adaptive_average_pool1d([[1.0], [2.0], [3.0]], 2).value
    array([[1.5],
           [2.5]], dtype=float32)
    """
    return _adaptive("adaptive_average_pool1d", 1, x, size, mean)


def adaptive_average_pool2d(x: NodeLike, size: int | Sequence[int]) -> Node:
    """The means of ``size`` bins of an image, one number or (rows, columns), whatever its height and width.

    ``x`` is (…, height, width, channels); bins are as in :func:`adaptive_average_pool1d`.

    >>> import chainrule as cr
    >>> cr.adaptive_average_pool2d([[[1.0], [4.0]], [[2.0], [3.0]]], 1).value
    array([[[2.5]]], dtype=float32)
    """
    return _adaptive("adaptive_average_pool2d", 2, x, size, mean)


def adaptive_max_pool1d(x: NodeLike, size: int) -> Node:
    """The maxima of ``size`` bins along a sequence, whatever its length.

    ``x`` is (…, length, channels), the result (…, size, channels).  Bin i reads from
    ⌊i·length/size⌋ up to ⌈(i + 1)·length/size⌉.

    >>> import chainrule as cr
    >>> cr.adaptive_max_pool1d([[1.0], [2.0], [3.0]], 2).value
    array([[2.],
           [3.]], dtype=float32)
    """
    return _adaptive("adaptive_max_pool1d", 1, x, size, max)


def adaptive_max_pool2d(x: NodeLike, size: int | Sequence[int]) -> Node:
    """The maxima of ``size`` bins of an image, one number or (rows, columns), whatever its height and width.

    ``x`` is (…, height, width, channels); bins are as in :func:`adaptive_max_pool1d`.

    >>> import chainrule as cr
    >>> cr.adaptive_max_pool2d([[[1.0], [4.0]], [[2.0], [3.0]]], 1).value
    array([[[4.]]], dtype=float32)
    """
    return _adaptive("adaptive_max_pool2d", 2, x, size, max)
