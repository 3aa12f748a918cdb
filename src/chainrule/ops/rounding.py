"""Rounding and clipping, elementwise.  Steps have no slope: nothing flows through a rounding."""

from __future__ import annotations

from typing import Any

from ..graph import Node, NodeLike, as_node, register
from .arithmetic import maximum, minimum
from .defining import unary
from .elementwise import Elementwise


class Rounding(Elementwise):
    """A step function of floats; integers are left as they are."""

    kinds = "iuf"

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (None,)


class Floor(Rounding):
    """The largest whole number not above ``x``.

    >>> import chainrule as cr
    >>> cr.floor([1.5, -1.5]).value
    array([ 1., -2.], dtype=float32)
    """

    formula = "⌊{x}⌋"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.floor(x)

    def lower(self, loops: Any, x: Any) -> Any:
        return loops.floor(x)


class Ceil(Rounding):
    """The smallest whole number not below ``x``.

    >>> import chainrule as cr
    >>> cr.ceil([1.5, -1.5]).value
    array([ 2., -1.], dtype=float32)
    """

    formula = "⌈{x}⌉"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.ceil(x)

    def lower(self, loops: Any, x: Any) -> Any:
        return loops.ceil(x)


class Round(Rounding):
    """The nearest whole number, halves to the even one.

    >>> import chainrule as cr
    >>> cr.round([0.5, 1.5, 2.4]).value
    array([0., 2., 2.], dtype=float32)
    """

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.round(x)

    def lower(self, loops: Any, x: Any) -> Any:
        return loops.round_(x)


floor = unary(Floor)
ceil = unary(Ceil)
round = unary(Round)


def clip(x: NodeLike, min: NodeLike | None = None, max: NodeLike | None = None) -> Node:
    """``x`` held between ``min`` and ``max``, either of which may be left out.

    The derivative is 1 inside, the bounds included, and 0 outside.

    >>> import chainrule as cr
    >>> cr.clip([-2.0, 0.5, 2.0], -1, 1).value
    array([-1. ,  0.5,  1. ], dtype=float32)
    """
    node = as_node(x)
    if min is not None:
        node = maximum(node, min)
    return node if max is None else minimum(node, max)


register("clip", clip)
