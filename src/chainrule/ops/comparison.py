"""Comparison, logic and choice, elementwise.  Their results are booleans, so no derivative flows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dtypes import DType, bool_
from ..errors import DTypeError
from ..graph import Node, NodeLike, Op, Shape, apply, as_node, constant, register
from .defining import binary, unary
from .elementwise import Elementwise, broadcast_shapes, promote_inputs


class Comparison(Elementwise):
    """An elementwise question: the result is boolean."""

    result = bool_

    def vjp(self, ct: Node, out: Node, *inputs: Node) -> Sequence[Node | None]:
        return (None,) * len(inputs)


class Equal(Comparison):
    """Whether ``x == y``, elementwise; a NaN equals nothing.

    >>> import chainrule as cr
    >>> cr.equal([1, 2], 2).value
    array([False,  True])
    """

    formula = "{x} == {y}"

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return xp.equal(x, y)

    def lower(self, loops: Any, x: Any, y: Any) -> Any:
        return loops.eq(x, y)


class NotEqual(Comparison):
    """Whether ``x != y``, elementwise.

    >>> import chainrule as cr
    >>> cr.not_equal([1, 2], 2).value
    array([ True, False])
    """

    formula = "{x} != {y}"

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return xp.not_equal(x, y)

    def lower(self, loops: Any, x: Any, y: Any) -> Any:
        return loops.ne(x, y)


class Less(Comparison):
    """Whether ``x < y``, elementwise.

    >>> import chainrule as cr
    >>> cr.less([1, 2], 2).value
    array([ True, False])
    """

    formula = "{x} < {y}"

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return xp.less(x, y)

    def lower(self, loops: Any, x: Any, y: Any) -> Any:
        return loops.lt(x, y)


class LessEqual(Comparison):
    """Whether ``x <= y``, elementwise.

    >>> import chainrule as cr
    >>> cr.less_equal([1, 2, 3], 2).value
    array([ True,  True, False])
    """

    formula = "{x} <= {y}"

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return xp.less_equal(x, y)

    def lower(self, loops: Any, x: Any, y: Any) -> Any:
        return loops.le(x, y)


class Greater(Comparison):
    """Whether ``x > y``, elementwise.

    >>> import chainrule as cr
    >>> cr.greater([1, 2, 3], 2).value
    array([False, False,  True])
    """

    formula = "{x} > {y}"

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return xp.greater(x, y)

    def lower(self, loops: Any, x: Any, y: Any) -> Any:
        return loops.gt(x, y)


class GreaterEqual(Comparison):
    """Whether ``x >= y``, elementwise.

    >>> import chainrule as cr
    >>> cr.greater_equal([1, 2, 3], 2).value
    array([False,  True,  True])
    """

    formula = "{x} >= {y}"

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return xp.greater_equal(x, y)

    def lower(self, loops: Any, x: Any, y: Any) -> Any:
        return loops.ge(x, y)


class Logical(Comparison):
    """Logic of booleans, and of booleans only: a number is no truth value here."""

    kinds = "b"


class LogicalAnd(Logical):
    """Whether both hold, elementwise (also ``x & y``).

    >>> import chainrule as cr
    >>> cr.logical_and([True, True], [True, False]).value
    array([ True, False])
    """

    formula = "{x} and {y}"

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return xp.logical_and(x, y)

    def lower(self, loops: Any, x: Any, y: Any) -> Any:
        return loops.and_(x, y)


class LogicalOr(Logical):
    """Whether either holds, elementwise (also ``x | y``).

    >>> import chainrule as cr
    >>> cr.logical_or([True, False], [False, False]).value
    array([ True, False])
    """

    formula = "{x} or {y}"

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return xp.logical_or(x, y)

    def lower(self, loops: Any, x: Any, y: Any) -> Any:
        return loops.or_(x, y)


class LogicalXor(Logical):
    """Whether exactly one holds, elementwise (also ``x ^ y``).

    >>> import chainrule as cr
    >>> cr.logical_xor([True, True], [True, False]).value
    array([False,  True])
    """

    formula = "{x} xor {y}"

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return xp.logical_xor(x, y)

    def lower(self, loops: Any, x: Any, y: Any) -> Any:
        return loops.xor(x, y)


class LogicalNot(Logical):
    """Whether it does not hold, elementwise (also ``~x``).

    >>> import chainrule as cr
    >>> cr.logical_not([True, False]).value
    array([False,  True])
    """

    formula = "not {x}"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.logical_not(x)

    def lower(self, loops: Any, x: Any) -> Any:
        return loops.not_(x)


class IsFinite(Comparison):
    """Whether ``x`` is neither infinite nor NaN, elementwise.

    >>> import chainrule as cr
    >>> cr.isfinite([1.0, float("inf"), float("nan")]).value
    array([ True, False, False])
    """

    name = "isfinite"
    to_float = True

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.isfinite(x)

    def lower(self, loops: Any, x: Any) -> Any:
        return loops.isfinite(x)


class IsNaN(Comparison):
    """Whether ``x`` is NaN, elementwise.

    >>> import chainrule as cr
    >>> cr.isnan([1.0, float("inf"), float("nan")]).value
    array([False, False,  True])
    """

    name = "isnan"
    to_float = True

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.isnan(x)

    def lower(self, loops: Any, x: Any) -> Any:
        return loops.isnan(x)


equal = binary(Equal)
not_equal = binary(NotEqual)
less = binary(Less)
less_equal = binary(LessEqual)
greater = binary(Greater)
greater_equal = binary(GreaterEqual)
logical_and = binary(LogicalAnd)
logical_or = binary(LogicalOr)
logical_xor = binary(LogicalXor)
logical_not = unary(LogicalNot)
isfinite = unary(IsFinite)
isnan = unary(IsNaN)


class Where(Op):
    """``x`` where the condition holds, ``y`` elsewhere."""

    formula = "where({x}, {y}, {z})"

    def prepare(self, inputs: Sequence[Any]) -> Sequence[Any]:
        condition, x, y = inputs
        return as_node(condition), *promote_inputs((x, y))

    def infer(self, condition: Node, x: Node, y: Node) -> tuple[Shape, DType]:
        if condition.dtype is not bool_:
            raise DTypeError(
                f"the condition is {condition.dtype}, not bool", mend="compare first, for example x != 0"
            )
        return broadcast_shapes(condition.shape, x.shape, y.shape), x.dtype

    def forward(self, xp: Any, condition: Any, x: Any, y: Any) -> Any:
        return xp.where(condition, x, y)

    def vjp(self, ct: Node, out: Node, condition: Node, x: Node, y: Node) -> Sequence[Node | None]:
        zeros = constant(np.zeros((), ct.dtype))
        return None, where(condition, ct, zeros), where(condition, zeros, ct)


_WHERE = Where()


def where(condition: NodeLike, x: NodeLike, y: NodeLike) -> Node:
    """``x`` where ``condition`` holds and ``y`` elsewhere; all three broadcast.

    A derivative flows to the chosen operand only.  Where the other one's rule gives NaN, choose the
    argument before the function too: ``log(where(x > 0, x, 1))``.

    >>> import chainrule as cr
    >>> cr.where([True, False], [1.0, 2.0], 0).value
    array([1., 0.], dtype=float32)
    """
    return apply(_WHERE, condition, x, y)


register("where", where)
