"""Conversions between element types: the only way in which a dtype changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dtypes import DType, as_dtype, is_float, is_integer
from ..errors import DTypeError
from ..graph import Constant, Node, NodeLike, Op, Shape, apply, as_node, constant, register, user_place


def whole_range(dtype: DType) -> tuple[float, float]:
    """The least value of an integer type, and the first one that is too large for it: floats of any width.

    >>> whole_range(np.dtype("int32"))
    (-2147483648.0, 2147483648.0)
    """
    info = np.iinfo(dtype)
    return float(info.min), float(info.max + 1)


def converted(xp: Any, x: Any, dtype: DType) -> Any:
    """``x`` as ``dtype``; of an integer type the nearest end for a float beyond it, and 0 for NaN.

    Left alone, processors and array libraries each do something else with such floats.
    """
    if not (is_float(x.dtype) and is_integer(dtype)):
        return x.astype(dtype)
    (low, end), info = whole_range(dtype), np.iinfo(dtype)
    inside = (x >= low) & (x < end)
    if xp is np and inside.all():
        return x.astype(dtype)
    beyond = xp.where(x >= end, dtype.type(info.max), xp.where(x < low, dtype.type(info.min), dtype.type(0)))
    return xp.where(inside, xp.where(inside, x, x.dtype.type(0)).astype(dtype), beyond)


class Cast(Op):
    """The same values in another element type; float to integer cuts towards zero.

    A float beyond the integers of the type becomes the nearest of them, NaN becomes 0.

    >>> import chainrule as cr
    >>> cr.astype(cr.constant([1.7, -1.7, 1e20]), "int64").value
    array([                  1,                  -1, 9223372036854775807])
    """

    def infer(self, x: Node, *, dtype: DType) -> tuple[Shape, DType]:
        return x.shape, dtype

    def forward(self, xp: Any, x: Any, *, dtype: DType) -> Any:
        return converted(xp, x, dtype)

    def vjp(self, ct: Node, out: Node, x: Node) -> Sequence[Node | None]:
        return (cast(ct, x.dtype) if is_float(x.dtype) else None,)

    def render(self, *inputs: str, **attributes: Any) -> str:
        return f"{attributes['dtype'].name}({inputs[0]})"


_CAST = Cast()


def cast(x: Node, dtype: DType) -> Node:
    """``x`` as ``dtype``; ``x`` itself where it is that already, a constant at once."""
    if x.dtype is dtype:
        return x
    if isinstance(x, Constant):
        return constant(converted(np, x.array, dtype))
    return apply(_CAST, x, dtype=dtype)


def astype(x: NodeLike, dtype: Any) -> Node:
    """The same values in the element type ``dtype``; float to integer cuts towards zero.

    A float beyond the integers of the type becomes the nearest of them, NaN becomes 0.

    >>> import chainrule as cr
    >>> cr.astype([1.7, -1.7], "int64").value
    array([ 1, -1])
    """
    node = as_node(x)
    try:
        kind = as_dtype(dtype)
    except DTypeError as error:
        raise DTypeError(f"astype: {error.what}", where=user_place(), mend=error.mend) from None
    return cast(node, kind)


class StopGradient(Op):
    """The identity, through which no derivative flows."""

    formula = "stop_gradient({x})"

    def infer(self, x: Node) -> tuple[Shape, DType]:
        return x.shape, x.dtype

    def forward(self, xp: Any, x: Any) -> Any:
        return x

    def vjp(self, ct: Node, out: Node, x: Node) -> Sequence[Node | None]:
        return (None,)


_STOP_GRADIENT = StopGradient()


def stop_gradient(x: NodeLike) -> Node:
    """The identity in the forward pass; in the backward pass nothing flows through it.

    >>> import chainrule as cr
    >>> x = cr.variable(3.0)
    >>> float(cr.gradients(x * cr.stop_gradient(x), x))
    3.0
    """
    return apply(_STOP_GRADIENT, x)


register("astype", astype)
register("stop_gradient", stop_gradient)
