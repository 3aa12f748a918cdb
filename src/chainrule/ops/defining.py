"""From an op's class to the function that people call."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Any

from ..errors import ArgumentError
from ..graph import Node, NodeLike, Op, apply, register, user_place

Unary = Callable[[NodeLike], Node]
Binary = Callable[[NodeLike, NodeLike], Node]


def define_op(kind: type[Op]) -> Callable[..., Node]:
    """The function of an op of your own; also a decorator of its class.

    The class has two methods: ``forward(self, xp, *values)`` and ``vjp(self, ct, out, *inputs)``; its
    keyword-only parameters of ``forward`` are attributes.  The function carries the class's docstring,
    and the op itself as ``.op``.

    >>> import chainrule as cr
    >>> class Cube(cr.Op):
    ...     def forward(self, xp, x):
    ...         return x * x * x
    ...     def vjp(self, ct, out, x):
    ...         return (ct * 3 * x * x,)
    >>> cube = cr.define_op(Cube)
    >>> x = cr.variable(2.0)
    >>> float(cube(x)), float(cr.gradients(cube(x), x))
    (8.0, 12.0)
    """
    op = kind()
    operands, arity = _operands(op)
    known = {parameter.name for parameter in operands if parameter.kind is Parameter.KEYWORD_ONLY}
    any_attribute = any(parameter.kind is Parameter.VAR_KEYWORD for parameter in operands)

    def function(*inputs: NodeLike, **attributes: Any) -> Node:
        if arity is not None and len(inputs) != arity:
            raise ArgumentError(
                f"{op.name} takes {arity} operand{'s' * (arity != 1)}, {len(inputs)} were given",
                where=user_place(),
            )
        if attributes and not any_attribute and not attributes.keys() <= known:
            raise ArgumentError(
                f"{op.name} has no attribute {', '.join(sorted(attributes.keys() - known))}",
                where=user_place(),
                mend=f"it has: {', '.join(sorted(known))}"
                if known
                else "it takes operands alone, by position",
            )
        return apply(op, *inputs, **attributes)

    function.__name__ = function.__qualname__ = op.name
    function.__code__ = function.__code__.replace(co_name=op.name)  # tracebacks and errors say it too
    function.__doc__ = kind.__doc__
    function.__module__ = kind.__module__
    shown = [parameter.replace(annotation=Parameter.empty) for parameter in operands]
    function.__signature__ = Signature(shown)  # type: ignore[attr-defined]  # what help() prints
    function.op = op  # type: ignore[attr-defined]  # a function may carry what it was made from
    return function


def _operands(op: Op) -> tuple[list[Parameter], int | None]:
    """The parameters of ``forward`` after ``xp``, and how many are operands (None: any number)."""
    _, *parameters = signature(op.forward).parameters.values()
    if any(parameter.kind is Parameter.VAR_POSITIONAL for parameter in parameters):
        return parameters, None
    positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return parameters, sum(parameter.kind in positional for parameter in parameters)


def function_of(kind: type[Op]) -> Callable[..., Node]:
    """The function of an op of the library's own, entered into the table of functions."""
    function = define_op(kind)
    register(function.__name__, function)
    return function


def unary(kind: type[Op]) -> Unary:
    """The function of an op of one operand."""
    return function_of(kind)


def binary(kind: type[Op]) -> Binary:
    """The function of an op of two operands."""
    return function_of(kind)
