"""Values for the names of an expression or a function: ``x=[1, -2.5]``, numbers and lists of them alone."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

import numpy as np

from .expressions import ExpressionError


def read_binding(text: str) -> tuple[str, Any]:
    """``name=value``, the value a number or nested lists of numbers.

    >>> read_binding("x=[1, -2.5]")
    ('x', [1.0, -2.5])
    """
    name, sign, written = text.partition("=")
    name = name.strip()
    if not sign or not name.isidentifier():
        raise ExpressionError(f"{text!r} gives no value", mend="write name=value, such as a=3 or x=[1,2]")
    start = len(text) - len(written.lstrip())
    try:
        tree = ast.parse(written.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        tree = None
    if tree is None:
        raise ExpressionError(
            f"the value of {name} is no number", text, start, mend="write 3, -0.5 or [1, 2]"
        )
    value = _numbers(tree, text, start)
    try:
        np.asarray(value)
    except ValueError:
        raise ExpressionError(f"the lists of {name} are not of equal length", text, start) from None
    return name, value


def _numbers(tree: ast.expr, text: str, start: int) -> Any:
    if isinstance(tree, ast.List | ast.Tuple):
        return [_numbers(item, text, start) for item in tree.elts]
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub | ast.UAdd):
        value = _numbers(tree.operand, text, start)
        if isinstance(value, float):
            return -value if isinstance(tree.op, ast.USub) else value
    if isinstance(tree, ast.Constant) and isinstance(tree.value, int | float):
        try:
            return float(tree.value)
        except OverflowError:
            raise ExpressionError("the number is too large", text, start + tree.col_offset) from None
    raise ExpressionError("this is no number", text, start + tree.col_offset, mend="write 3, -0.5 or [1, 2]")


def binding_table(bindings: Sequence[str]) -> dict[str, Any]:
    """All ``name=value`` arguments; each name once."""
    found: dict[str, Any] = {}
    for text in bindings:
        name, value = read_binding(text)
        if name in found:
            raise ExpressionError(f"{name!r} is given twice", mend="give each name one value")
        found[name] = value
    return found
