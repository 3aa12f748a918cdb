"""What a new scalar may be replaced by: only what is the same for every operand that it can have.

Never ``x + 0`` of a float by ``x``, which would keep -0; never ``x · 0`` by 0, which would lose a NaN.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from ..dtypes import bool_, is_float
from . import index
from .ir import INDEX, Scalar, scalar


def index_form(op: str, x: Scalar, y: Scalar) -> Scalar | None:
    """The affine form of index arithmetic, where bounds show that nothing can wrap around."""
    if op not in ("add", "sub", "mul", "floordiv", "mod") or not (is_index(x) and is_index(y)):
        return None
    if op == "add":
        return index.add(x, y)
    if op == "sub":
        return index.add(x, index.scale(y, -1))
    if op == "mul":
        factor, other = (x, y) if x.op == "constant" else (y, x)
        return index.scale(other, factor.payload) if factor.op == "constant" else None
    if y.op == "constant" and y.payload > 0:
        return (index.floordiv if op == "floordiv" else index.mod)(x, y.payload)
    return None


def decided(op: str, x: Scalar, y: Scalar) -> bool | None:
    """A comparison of numbers, or of indices whose bounds say how it must come out."""
    if x.op == y.op == "constant":
        return bool(_COMPARE[op](x.payload, y.payload))
    if not (is_index(x) and is_index(y)):
        return None
    low, high = index.bounds(index.add(x, index.scale(y, -1)))
    outcomes = {_COMPARE[op](difference, 0) for difference in (low, high, 0) if low <= difference <= high}
    return outcomes.pop() if len(outcomes) == 1 else None


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


def is_index(x: Scalar) -> bool:
    if x.dtype is not INDEX:
        return False
    low, high = index.bounds(x)
    return low > -_SMALL and high < _SMALL


_SMALL = 1 << 31
"""Products and sums of a few numbers below this stay far from the ends of int64."""


def trivial(op: str, x: Scalar, y: Scalar) -> Scalar | None:
    """What is exact whatever the operands hold."""
    whole = not is_float(x.dtype)
    truth = x.dtype is bool_
    if (
        (op == "mul" and is_number(y, 1))
        or (op == "div" and is_number(y, 1))
        or (op == "sub" and is_number(y, 0))
    ):
        return x  # x - 0 keeps -0; x + 0 does not
    if op == "mul" and is_number(x, 1):
        return y
    if whole and (op in ("add", "or", "xor", "shl", "shr") and is_number(y, 0)):
        return x
    if whole and (op in ("add", "or", "xor") and is_number(x, 0)):
        return y
    if whole and op in ("mul", "and") and (is_number(x, 0) or is_number(y, 0)):
        return scalar("constant", (), x.dtype, False if x.dtype is bool_ else 0)
    if truth and op == "and" and (is_number(x, True) or is_number(y, True)):
        return y if is_number(x, True) else x
    if truth and op == "or" and (is_number(x, True) or is_number(y, True)):
        return scalar("constant", (), bool_, True)
    if x is y and op in ("min", "max", "and", "or"):
        return x
    return None


def is_number(x: Scalar, value: Any) -> bool:
    """Whether a scalar is the constant ``value``."""
    return x.op == "constant" and bool(x.payload == value)
