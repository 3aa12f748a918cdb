"""What each operation on scalars computes, one number at a time: the interpreter's half of the definition.

Floats are NumPy scalars of their dtype; integers and truth values are Python's, wrapped around to their
dtype after each operation.  An elementary function of float32 is computed in float64 and rounded, which
is as near to right as float32 can say.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from ..dtypes import DType, bool_, float32, int32, int64, is_float, uint32
from ..errors import LoopError
from .ir import Scalar

Number = Any
"""A NumPy float, a Python int or a Python bool."""

Function = Callable[..., Number]


def operation(value: Scalar) -> Function:
    """The function of numbers that a scalar applies to its operands."""
    op, dtype = value.op, value.args[0].dtype if value.args else value.dtype
    if op in _OF_ANY:
        return _OF_ANY[op]
    if op == "cast":
        return _cast(dtype, value.dtype)
    if op == "bitcast":
        return lambda x: native(np.asarray(x, dtype).view(value.dtype)[()])
    table = _OF_BOOLEANS if dtype is bool_ else _OF_FLOATS if is_float(dtype) else _OF_INTEGERS
    if op not in table:
        raise LoopError(f"{op} of {dtype} has no meaning", mend="build scalars with the functions of `loops`")
    function = table[op]
    if op in _ROUNDED and dtype is float32:
        return lambda *x: np.float32(function(*map(np.float64, x)))
    if op in _WRAPPED and dtype in _WRAP:
        return lambda *x: _WRAP[dtype](function(*x))
    if op in ("shl", "shr"):
        return lambda a, b: _WRAP[dtype](_shift(op, 8 * dtype.itemsize, a, b))
    if op == "fma":
        return fma32 if dtype is float32 else fma64
    return function


def native(x: Number) -> Number:
    """A NumPy scalar as this module holds it: floats as they are, the rest as Python's."""
    return x if x.dtype.kind == "f" else x.item()


# ── integers ──────────────────────────────────────────────────────────────────────────────────────


def _wrap(width: int, signed: bool) -> Callable[[int], int]:
    half, mask = (1 << width - 1 if signed else 0), (1 << width) - 1
    return lambda x: (x + half & mask) - half


_WRAP: dict[DType, Callable[[int], int]] = {
    int32: _wrap(32, True),
    int64: _wrap(64, True),
    uint32: _wrap(32, False),
}


def _shift(op: str, width: int, a: int, count: int) -> int:
    if not 0 <= count < width:
        return 0 if op == "shl" or a >= 0 else -1
    return a << count if op == "shl" else a >> count


# ── floats ────────────────────────────────────────────────────────────────────────────────────────


def fma64(a: Number, b: Number, c: Number) -> Number:
    """a·b + c rounded once, in float64: by exact fractions wherever the plain sum is finite."""
    rough = a * b + c
    if not (math.isfinite(a) and math.isfinite(b) and math.isfinite(c)):
        return rough
    exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
    if exact == 0:
        product = a * b
        # Rounding may have made the product 0, or it cancelled c: then the zero is positive.
        return product + c if a == 0 or b == 0 else np.float64(0.0)
    try:
        return np.float64(exact.numerator / exact.denominator)
    except OverflowError:
        return np.float64(math.inf if exact > 0 else -math.inf)


def fma32(a: Number, b: Number, c: Number) -> Number:
    """a·b + c rounded once, in float32: the product is exact in float64, the sum is rounded to odd there."""
    product, addend = np.float64(a) * np.float64(b), np.float64(c)
    total = product + addend
    if not math.isfinite(total):
        return np.float32(total)
    shadow = total - product
    error = (product - (total - shadow)) + (addend - shadow)
    if error != 0 and not total.view(np.int64) & 1:  # towards the side that was cut off
        total = np.nextafter(total, np.float64(math.copysign(math.inf, error)))
    return np.float32(total)


def _sigmoid(x: Number) -> Number:
    e = np.exp(-abs(x))
    return 1 / (1 + e) if x >= 0 else e / (1 + e)


def _power(a: Number, b: Number) -> Number:
    """C's pow.  NumPy takes a square root for a lone exponent of ½, which is NaN of -∞ where pow is ∞."""
    return np.power(np.array([a]), np.array([b]))[0]


def _cast(source: DType, target: DType) -> Function:
    if target is bool_:
        return lambda x: bool(x != 0)
    if source is bool_:
        return int if not is_float(target) else target.type
    if not is_float(source) and not is_float(target):
        return _WRAP[target]
    return lambda x: native(np.asarray(x, source).astype(target)[()])


# ── the tables ────────────────────────────────────────────────────────────────────────────────────

_ROUNDED = frozenset(("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erf", "sin", "cos", "pow", "atan2"))
_WRAPPED = frozenset(("add", "sub", "mul", "neg", "abs", "not", "floordiv"))

_OF_ANY: dict[str, Function] = {
    "where": lambda condition, then, otherwise: then if condition else otherwise,
    "eq": lambda a, b: bool(a == b),
    "ne": lambda a, b: bool(a != b),
    "lt": lambda a, b: bool(a < b),
    "le": lambda a, b: bool(a <= b),
    "gt": lambda a, b: bool(a > b),
    "ge": lambda a, b: bool(a >= b),
}

_OF_BOOLEANS: dict[str, Function] = {
    "not": operator.not_,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
}

_OF_INTEGERS: dict[str, Function] = {
    "neg": operator.neg,
    "abs": abs,
    "sign": lambda a: (a > 0) - (a < 0),
    "not": operator.invert,
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "floordiv": lambda a, b: a // b if b else 0,
    "mod": lambda a, b: a % b if b else 0,
    "min": min,
    "max": max,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
    "shl": operator.lshift,
    "shr": operator.rshift,
}

_OF_FLOATS: dict[str, Function] = {
    "neg": operator.neg,
    "abs": abs,
    "sign": np.sign,
    "sqrt": np.sqrt,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
    "trunc": np.trunc,
    "isfinite": math.isfinite,
    "isnan": math.isnan,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "erf": lambda x: np.float64(math.erf(x)),
    "sin": np.sin,
    "cos": np.cos,
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
    "min": lambda a, b: a if a <= b or a != a else b,
    "max": lambda a, b: a if a >= b or a != a else b,
    "pow": _power,
    "atan2": np.arctan2,
    "fma": fma64,
}


# ── reductions ────────────────────────────────────────────────────────────────────────────────────


def start_of(kind: str, dtype: DType) -> Number:
    """The result of a reduction over no places."""
    if kind in ("any", "all"):
        return kind == "all"
    if kind in ("argmax", "argmin"):
        return 0
    if kind in ("sum", "prod"):
        return native(dtype.type(kind == "prod"))
    if is_float(dtype):
        return dtype.type(-math.inf if kind == "max" else math.inf)
    limits = np.iinfo(dtype)
    return int(limits.min if kind == "max" else limits.max)


def step_of(kind: str, dtype: DType) -> Function:
    """How a reduction takes in one more value."""
    if kind in ("any", "all"):
        return operator.or_ if kind == "any" else operator.and_
    op = {"sum": "add", "prod": "mul", "max": "max", "min": "min"}[kind]
    if is_float(dtype):
        return _OF_FLOATS[op]
    function = _OF_INTEGERS[op]
    return lambda a, b: _WRAP[dtype](function(a, b))


def is_further(kind: str, new: Number, best: Number) -> bool:
    """Whether ``new``, met later, takes the place of ``best`` in an argmax or argmin."""
    if new != new:  # a NaN is the extreme, and the first of them stays
        return bool(best == best)
    return bool(new > best if kind == "argmax" else new < best)
