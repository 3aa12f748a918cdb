"""Windows that slide along axes, and their adjoint, which adds the windows up again where they overlap.

Window i along an axis begins at ``i·stride`` and reads every ``dilation``-th element, ``size`` of them.
An axis of length L therefore holds ``(L - (size - 1)·dilation - 1) // stride + 1`` windows.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from .. import namespace
from ..dtypes import DType, bool_
from ..errors import ArgumentError, DTypeError, ShapeError
from ..graph import Node, NodeLike, Shape, apply, as_node, register, user_place
from .axes import one_axis
from .movement import Movement, pad

Numbers = int | Sequence[int]
"""One number for all the axes, or one for each."""
Padding = Numbers | Sequence[Sequence[int]] | Literal["valid", "same"]
Places = tuple[tuple[int, int, int, int], ...]
"""For each axis along which windows slide: its number, and the windows' size, stride and dilation."""

_T = TypeVar("_T")


def _count(length: int, size: int, stride: int, dilation: int) -> int:
    """How many whole windows an axis holds; 0 where not one fits."""
    return max((length - (size - 1) * dilation - 1) // stride + 1, 0)


class SlidingWindows(Movement):
    """Each window's elements, as axes at the end; the axes that windows slide along count the windows."""

    def infer(self, x: Node, *, places: Places) -> tuple[Shape, DType]:
        shape = list(x.shape)
        for axis, size, stride, dilation in places:
            shape[axis] = _count(x.shape[axis], size, stride, dilation)
            if not shape[axis]:
                span = (size - 1) * dilation + 1
                wide = f"{size}" if dilation == 1 else f"{size}, {span} with its dilation of {dilation}"
                raise ShapeError(
                    f"a window of {wide} does not fit axis {axis}, of length {x.shape[axis]} when padded",
                    mend="take a smaller window, or give padding=",
                )
        return (*shape, *[size for _, size, _, _ in places]), x.dtype

    def forward(self, xp: Any, x: Any, *, places: Places) -> Any:
        return namespace.windows(xp, x, places)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        places = out.attributes["places"]
        return (apply(_OVERLAP_ADD, ct, places=places, lengths=tuple([x.shape[a] for a, *_ in places])),)


class OverlapAdd(Movement):
    """Windows put back where they were read, sums where they overlap: the adjoint of sliding windows."""

    def infer(self, x: Node, *, places: Places, lengths: Shape) -> tuple[Shape, DType]:
        if x.dtype is bool_:
            raise DTypeError("operands of bool are not taken", mend="convert first: x.astype('float32')")
        shape = list(x.shape[: x.ndim - len(places)])
        for (axis, size, stride, dilation), length in zip(places, lengths, strict=True):
            fitting = _count(length, size, stride, dilation)
            if shape[axis] != fitting:
                raise ShapeError(
                    f"axis {axis} of shape {x.shape} has {shape[axis]} windows of {size}; "
                    f"a length of {length} holds {fitting}",
                    mend="give the length, stride and dilation that the windows were taken with",
                )
            shape[axis] = length
        return tuple(shape), x.dtype

    def forward(self, xp: Any, x: Any, *, places: Places, lengths: Shape) -> Any:
        return namespace.add_windows(xp, x, places, lengths)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (apply(_SLIDING_WINDOWS, ct, places=out.attributes["places"]),)


_SLIDING_WINDOWS, _OVERLAP_ADD = SlidingWindows(), OverlapAdd()


def sliding_windows(
    x: NodeLike,
    size: Numbers,
    *,
    axis: Numbers,
    stride: Numbers = 1,
    dilation: Numbers = 1,
    padding: Padding = 0,
) -> Node:
    """All windows of ``size`` along ``axis`` (an axis or several): the window's elements become last axes.

    An axis of length L becomes the number of windows, ``(L + padding - (size - 1)·dilation - 1) // stride
    + 1``.  ``padding`` adds zeros: a number for both ends, ``"valid"`` (none), ``"same"`` (as many as make
    ``⌈L / stride⌉`` windows, the odd one behind); for one axis also ``(before, after)``; for several, a
    sequence with a number or a pair for each.  Nothing is copied but what is padded.

    Raises ``ShapeError`` for a window that does not fit, ``ArgumentError`` for a size, stride or dilation
    below 1.

    >>> import chainrule as cr
    >>> cr.sliding_windows([1.0, 2.0, 3.0, 4.0, 5.0], 3, axis=0, stride=2).value
    array([[1., 2., 3.],
           [3., 4., 5.]], dtype=float32)
    >>> words = cr.placeholder((7, 5))  # seven words of five dimensions: a 2×5 kernel in steps of two
    >>> cr.sliding_windows(words, (2, 5), axis=(0, 1), stride=(2, 1)).shape
    (3, 1, 2, 5)
    """
    node = as_node(x)
    places, widths = geometry("sliding_windows", node.shape, size, axis, stride, dilation, padding)
    zero = False if node.dtype is bool_ else 0
    return apply(_SLIDING_WINDOWS, pad(node, widths, zero), places=places)


def overlap_add(
    x: NodeLike, length: Numbers, *, axis: Numbers, stride: Numbers = 1, dilation: Numbers = 1
) -> Node:
    """Windows added up at the places that they were read from: the adjoint of :func:`sliding_windows`.

    The last axes of ``x`` are the windows' elements, one for each of ``axis``, which count the windows and
    become of ``length``.  ⟨sliding_windows(a), x⟩ = ⟨a, overlap_add(x)⟩ for all a.

    Raises ``ShapeError`` where an axis of that length holds another number of windows.

    >>> import chainrule as cr
    >>> cr.overlap_add([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]], 5, axis=0, stride=2).value
    array([ 1.,  2., 13., 20., 30.], dtype=float32)
    """
    node = as_node(x)
    lengths = _numbers("overlap_add: length", length, len(axis) if isinstance(axis, Sequence) else 1, least=0)
    ndim = node.ndim - len(lengths)
    if ndim < len(lengths):
        raise ShapeError(
            f"overlap_add: shape {node.shape} has no room for {len(lengths)} axes of windows and as many "
            "of their elements",
            where=user_place(),
        )
    places = _places("overlap_add", ndim, node.shape[ndim:], axis, stride, dilation)
    return apply(_OVERLAP_ADD, node, places=places, lengths=lengths)


def geometry(
    what: str,
    shape: Shape,
    size: Numbers,
    axis: Numbers,
    stride: Numbers,
    dilation: Numbers,
    padding: Padding,
) -> tuple[Places, list[tuple[int, int]]]:
    """Where windows lie in an array of ``shape``, and what is padded before and after each of its axes."""
    places = _places(what, len(shape), size, axis, stride, dilation)
    widths = [(0, 0)] * len(shape)
    for place, amount in zip(places, _padding_of(what, padding, len(places)), strict=True):
        widths[place[0]] = _both_ends(what, amount, shape[place[0]], place)
    return places, widths


def _places(what: str, ndim: int, size: Numbers, axis: Numbers, stride: Numbers, dilation: Numbers) -> Places:
    wanted = list(axis) if isinstance(axis, Sequence) else [axis]
    axes = [one_axis(number, ndim, what) for number in wanted]
    if len(set(axes)) < len(axes):
        raise ShapeError(f"{what}: an axis is given twice in {tuple(wanted)}", where=user_place())
    count = len(axes)
    return tuple(
        zip(
            axes,
            _numbers(f"{what}: size", size, count),
            _numbers(f"{what}: stride", stride, count),
            _numbers(f"{what}: dilation", dilation, count),
            strict=True,
        )
    )


def _numbers(what: str, given: Numbers, count: int, least: int = 1) -> tuple[int, ...]:
    """One number for each axis, none below ``least``."""
    numbers = _for_each(what, operator.index(given) if not isinstance(given, Sequence) else given, count)
    found = tuple([operator.index(number) for number in numbers])
    if any(number < least for number in found):
        raise ArgumentError(f"{what}={given!r} must be {least} or more", where=user_place())
    return found


def _for_each(what: str, given: _T | Sequence[_T], count: int) -> list[_T]:
    if not isinstance(given, Sequence) or isinstance(given, str):
        return [given] * count
    if len(given) != count:
        raise ArgumentError(
            f"{what}={given!r} has {len(given)} entries for {count} axes",
            where=user_place(),
            mend="give one for all of the axes, or one for each",
        )
    return list(given)


def _padding_of(what: str, padding: Any, count: int) -> list[Any]:
    """What each axis is padded with; a flat pair beside one axis is (before, after)."""
    is_pair = isinstance(padding, Sequence) and len(padding) == 2 and not isinstance(padding, str)
    if count == 1 and is_pair and not isinstance(padding[0], Sequence):
        return [padding]
    return _for_each(f"{what}: padding", padding, count)


def _both_ends(what: str, padding: Any, length: int, place: tuple[int, int, int, int]) -> tuple[int, int]:
    """The zeros before and after one axis."""
    _, size, stride, dilation = place
    if padding == "valid":
        return 0, 0
    if padding == "same":
        reach = (-(-length // stride) - 1) * stride + (size - 1) * dilation + 1
        total = max(reach - length, 0)
        return total // 2, total - total // 2
    if isinstance(padding, str):
        raise ArgumentError(f"{what}: padding={padding!r} is neither 'valid' nor 'same'", where=user_place())
    before, after = _numbers(f"{what}: padding", padding, 2, least=0)
    return before, after


register("sliding_windows", sliding_windows)
register("overlap_add", overlap_add)
