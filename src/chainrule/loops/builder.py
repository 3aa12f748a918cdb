"""The constructors of scalars and statements: each checks its operands, so a wrong type stops here.

An op's ``lower(loops, …)`` receives these functions.  A Python number beside a scalar takes the
scalar's dtype.  Only what is exact for every operand is folded: ``x·1``, ``where(c, x, x)``, a cast to
the dtype that is there already; never ``x + 0`` of a float, which turns -0 into 0.

Sums, differences and products by constants of bounded int64 scalars go into the affine normal form of
``index.py``, so that a condition on an index and an offset made of the same index look alike.

>>> i = axis(Axis("i", 8))
>>> x = load(Buffer("x", 8, float32), i)
>>> mul(x, 1.0) is x, sub(add(i, 3), 3) is i
(True, True)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ..dtypes import DType, bool_, float32, float64, int32, int64, is_float, is_integer, uint32
from ..errors import LoopError
from . import index
from .folding import decided, index_form, is_index, is_number, trivial
from .ir import (
    COMPARISONS,
    INDEX,
    REDUCTIONS,
    Accumulate,
    Axis,
    Buffer,
    Check,
    Kernel,
    Let,
    Local,
    Loop,
    Part,
    Reduce,
    Scalar,
    Statement,
    Store,
    scalar,
)

Operand = Scalar | bool | int | float

DTYPES = (bool_, int32, int64, uint32, float32, float64)
_WIDTHS = {dtype: dtype.itemsize for dtype in DTYPES if dtype is not bool_}


# ── leaves ────────────────────────────────────────────────────────────────────────────────────────


def constant(value: bool | int | float, dtype: DType) -> Scalar:
    """A number as a scalar of ``dtype``; a float is rounded to it, an integer must fit it."""
    plain = value.item() if isinstance(value, np.generic) else value
    if dtype is bool_:
        return scalar("constant", (), dtype, bool(plain))
    if is_float(dtype):
        with np.errstate(over="ignore"):
            return scalar("constant", (), dtype, float(dtype.type(plain)))
    if not is_integer(dtype):
        raise LoopError(f"a constant cannot have the dtype {dtype}", mend=f"use one of {_names(DTYPES)}")
    limits = np.iinfo(dtype)
    if (isinstance(plain, float) and not plain.is_integer()) or not limits.min <= plain <= limits.max:
        raise LoopError(f"the constant {plain!r} is no {dtype}", mend="cast the other operand first")
    return scalar("constant", (), dtype, int(plain))


def axis(of: Axis) -> Scalar:
    """The place along an axis, as an int64 scalar."""
    return index.of(of)


def local(name: Local, dtype: DType) -> Scalar:
    """What a ``Let`` or a ``Reduce`` has named."""
    return scalar("local", (), dtype, name)


def load(buffer: Buffer, offset: Scalar | int, where: Scalar | None = None) -> Scalar:
    """``buffer[offset]``; with ``where``, 0 and no access to memory wherever that is false."""
    place = _offset("load", buffer, offset)
    if where is None or is_number(where, True):
        return scalar("load", (place,), buffer.dtype, buffer)
    _expect("load", "where", where, bool_)
    if is_number(where, False):
        return constant(0, buffer.dtype)
    return scalar("load", (place, where), buffer.dtype, buffer)


# ── conversions ───────────────────────────────────────────────────────────────────────────────────


def cast(x: Scalar, dtype: DType) -> Scalar:
    """``x`` converted to ``dtype``; anything to bool is "≠ 0"."""
    if x.dtype is dtype:
        return x
    if dtype not in DTYPES:
        raise LoopError(f"cast: no scalar has the dtype {dtype}", mend=f"use one of {_names(DTYPES)}")
    if x.op == "constant":
        return _cast_constant(x, dtype)
    if dtype is bool_:
        return ne(x, constant(0, x.dtype))
    return scalar("cast", (x,), dtype)


def _cast_constant(x: Scalar, dtype: DType) -> Scalar:
    value = x.payload
    if is_integer(dtype) and isinstance(value, float):
        limits = np.iinfo(dtype)
        if not limits.min <= value <= limits.max:  # unspecified: left to the machine that meets it
            return scalar("cast", (x,), dtype)
    with np.errstate(over="ignore"):
        return constant(np.asarray(value, x.dtype).astype(dtype)[()].item(), dtype)


def bitcast(x: Scalar, dtype: DType) -> Scalar:
    """The bits of ``x`` read as another dtype of the same width."""
    if x.dtype is dtype:
        return x
    if _WIDTHS.get(x.dtype, 0) != _WIDTHS.get(dtype):
        raise LoopError(f"bitcast: {x.dtype} and {dtype} differ in width", mend="cast changes the width")
    return scalar("bitcast", (x,), dtype)


def within(x: Scalar, low: int, high: int) -> Scalar:
    """``x``, of which it is known that ``low ≤ x < high``: what a ``Check`` of an earlier kernel showed."""
    if not is_integer(x.dtype):
        raise LoopError(f"within: an index has an integer dtype, not {x.dtype}", mend="cast to int64 first")
    x = cast(x, INDEX)
    least, greatest = index.bounds(x)
    if low <= least and greatest < high:
        return x
    return scalar("within", (x,), INDEX, (low, high))


# ── arithmetic ────────────────────────────────────────────────────────────────────────────────────


def where(condition: Scalar, then: Operand, otherwise: Operand) -> Scalar:
    """``then`` where the condition holds, else ``otherwise``; both may be computed."""
    _expect("where", "condition", condition, bool_)
    a, b = _pair("where", then, otherwise)
    if a is b or is_number(condition, True):
        return a
    if is_number(condition, False):
        return b
    return scalar("where", (condition, a, b), a.dtype)


def fma(a: Operand, b: Operand, c: Operand) -> Scalar:
    """``a·b + c``, rounded once."""
    known = [x for x in (a, b, c) if isinstance(x, Scalar)]
    if not known or not is_float(known[0].dtype):
        raise LoopError(f"fma: operands are floats, not {_names(x.dtype for x in known)}")
    x, y, z = (_operand(v, known[0].dtype) for v in (a, b, c))
    if len({v.dtype for v in (x, y, z)}) > 1:
        raise LoopError(f"fma: operands of {x.dtype}, {y.dtype} and {z.dtype}", mend="cast them to one dtype")
    return scalar("fma", (x, y, z), x.dtype)


_WHOLE = ["floor", "ceil", "round", "trunc"]


def _unary(op: str) -> Callable[[Scalar], Scalar]:
    def build(x: Scalar) -> Scalar:
        if op in _WHOLE and is_integer(x.dtype):
            return x  # an integer is whole
        if op in ("isnan", "isfinite"):
            return scalar(op, (x,), bool_) if is_float(x.dtype) else constant(op == "isfinite", bool_)
        if op == "not":
            return _not(x)
        if op == "abs" and x.dtype in (bool_, uint32):
            return x
        if x.dtype is bool_ or not (is_float(x.dtype) or op in ("neg", "abs", "sign")):
            raise LoopError(f"{op}: an operand of {x.dtype} is not taken", mend="cast to a float first")
        if op == "neg" and is_index(x):
            return index.scale(x, -1)
        if op == "neg" and x.op == "neg":
            return x.args[0]
        return scalar(op, (x,), x.dtype)

    build.__name__ = build.__qualname__ = op
    build.__doc__ = f"The operation ``{op}`` of one scalar."
    return build


def _not(x: Scalar) -> Scalar:
    if is_float(x.dtype):
        raise LoopError(f"not: an operand of {x.dtype} is not taken", mend="compare with 0 first")
    if x.op == "not":
        return x.args[0]
    if x.op == "constant" and x.dtype is bool_:
        return constant(not x.payload, bool_)
    return scalar("not", (x,), x.dtype)


neg, abs_, sign, sqrt = _unary("neg"), _unary("abs"), _unary("sign"), _unary("sqrt")
floor, ceil, round_, trunc = _unary("floor"), _unary("ceil"), _unary("round"), _unary("trunc")
exp, expm1, log, log1p = _unary("exp"), _unary("expm1"), _unary("log"), _unary("log1p")
tanh, sigmoid, erf, sin, cos = map(_unary, ("tanh", "sigmoid", "erf", "sin", "cos"))
isfinite, isnan, not_ = _unary("isfinite"), _unary("isnan"), _unary("not")

_BITS = frozenset(["and", "or", "xor"])
_FLOAT_ONLY = frozenset(["div", "pow", "atan2"])
_SHIFTS = frozenset(["shl", "shr"])


def _binary(op: str) -> Callable[[Operand, Operand], Scalar]:
    def build(a: Operand, b: Operand) -> Scalar:
        x, y = _pair(op, a, b)
        if x.dtype is bool_ and op in _OF_BOOLEANS:
            return _OF_BOOLEANS[op](x, y)
        if op == "pow" and is_integer(x.dtype):
            return _integer_power(x, y)
        _admit(op, x.dtype)
        if (found := index_form(op, x, y)) is not None:
            return found
        if op in COMPARISONS and (truth := decided(op, x, y)) is not None:
            return constant(truth, bool_)
        if (found := trivial(op, x, y)) is not None:
            return found
        return scalar(op, (x, y), bool_ if op in COMPARISONS else x.dtype)

    build.__name__ = build.__qualname__ = op
    build.__doc__ = f"The operation ``{op}`` of two scalars of one dtype."
    return build


def _admit(op: str, dtype: DType) -> None:
    if op in _FLOAT_ONLY and not is_float(dtype):
        raise LoopError(f"{op}: operands are floats, not {dtype}", mend="cast them to a float first")
    if (op in _SHIFTS and not is_integer(dtype)) or (op in _BITS and is_float(dtype)):
        raise LoopError(f"{op}: operands of {dtype} are not taken", mend="cast or bitcast them to integers")
    if dtype is bool_ and op not in _BITS and op not in ("eq", "ne"):
        raise LoopError(f"{op}: operands of bool are not taken", mend="cast them to a number first")


add, sub, mul, div = _binary("add"), _binary("sub"), _binary("mul"), _binary("div")
floordiv, mod, min_, max_ = _binary("floordiv"), _binary("mod"), _binary("min"), _binary("max")
pow_, atan2, and_, or_, xor = map(_binary, ("pow", "atan2", "and", "or", "xor"))
shl, shr, eq, ne = _binary("shl"), _binary("shr"), _binary("eq"), _binary("ne")
lt, le, gt, ge = _binary("lt"), _binary("le"), _binary("gt"), _binary("ge")

#: Arithmetic and order of booleans, False before True, in terms of logic.
_OF_BOOLEANS: dict[str, Callable[[Scalar, Scalar], Scalar]] = {
    "add": lambda x, y: or_(x, y),
    "mul": lambda x, y: and_(x, y),
    "min": lambda x, y: and_(x, y),
    "max": lambda x, y: or_(x, y),
    "lt": lambda x, y: and_(not_(x), y),
    "le": lambda x, y: or_(not_(x), y),
    "gt": lambda x, y: and_(x, not_(y)),
    "ge": lambda x, y: or_(x, not_(y)),
}


def _integer_power(x: Scalar, y: Scalar) -> Scalar:
    """By squaring; an integer to a negative power is 0."""
    bits = 63 if x.dtype is int64 else 31 if x.dtype is int32 else 32
    if y.op == "constant":
        if y.payload < 0:
            return constant(0, x.dtype)
        bits = int(y.payload).bit_length()
    result, square = constant(1, x.dtype), x
    for bit in range(bits):
        if y.op == "constant":
            result = mul(result, square) if y.payload >> bit & 1 else result
        else:
            taken = ne(and_(shr(y, bit), 1), 0)
            result = where(taken, mul(result, square), result)
        square = mul(square, square) if bit + 1 < bits else square
    if y.op == "constant" or x.dtype is uint32:
        return result
    return where(lt(y, 0), 0, result)


# ── statements ────────────────────────────────────────────────────────────────────────────────────


def let(value: Scalar, name: str = "x") -> tuple[Let, Scalar]:
    """The statement that computes ``value`` now, and the scalar that names the result."""
    named = Local(name)
    return Let(named, value), local(named, value.dtype)


def reductions(axes: Sequence[Axis], parts: Sequence[tuple[str, Scalar]]) -> tuple[Reduce, list[Scalar]]:
    """One reduction with several (kind, value) parts, and the scalars that name their results."""
    made, results = [], []
    for kind, value in parts:
        result = Local(kind)
        made.append(Part(kind, value, result))
        results.append(local(result, reduced_dtype(kind, value.dtype)))
    if not axes:
        raise LoopError("a reduction needs an axis", mend="an empty reduction is its value itself")
    return Reduce(tuple(axes), tuple(made)), results


def reduce(kind: str, value: Scalar, *axes: Axis) -> tuple[Reduce, Scalar]:
    """The reduction of ``value`` over ``axes``, outermost first, and the scalar that names the result."""
    statement, (result,) = reductions(axes, [(kind, value)])
    return statement, result


def reduced_dtype(kind: str, dtype: DType) -> DType:
    """The dtype of a reduction: int64 of a place, bool of any and all, else the value's own."""
    if kind not in REDUCTIONS:
        raise LoopError(f"no reduction is called {kind!r}", mend=f"use one of {', '.join(REDUCTIONS)}")
    if (dtype is bool_) != (kind in ("any", "all")):
        raise LoopError(f"{kind}: values of {dtype} are not taken", mend="cast them first")
    return INDEX if kind in ("argmax", "argmin") else dtype


def store(buffer: Buffer, offset: Scalar | int, value: Operand, where: Scalar | None = None) -> Store:
    """``buffer[offset] = value``, if ``where``."""
    return Store(buffer, *_written("store", buffer, offset, value, where))


def accumulate(
    buffer: Buffer, offset: Scalar | int, value: Operand, where: Scalar | None = None
) -> Accumulate:
    """``buffer[offset] += value``, if ``where``."""
    if buffer.dtype is bool_:
        raise LoopError(f"accumulate: {buffer.name} holds booleans", mend="accumulate into integers")
    return Accumulate(buffer, *_written("accumulate", buffer, offset, value, where))


def check(condition: Scalar) -> Check:
    """Unless ``condition``, the run is refused."""
    _expect("check", "condition", condition, bool_)
    return Check(condition)


def loop(over: Axis, body: Sequence[Statement], ordered: bool = False) -> Loop:
    """``body`` for each place of an axis."""
    return Loop(over, tuple(body), ordered)


def kernel(name: str, over: Axis | None, body: Sequence[Statement]) -> Kernel:
    """``body`` for each place of an axis by any number of threads, or once."""
    if over is not None and over.limit is not None:
        raise LoopError(
            f"the axis {over.name} of the kernel {name} has a limit",
            mend="give it to a loop inside the kernel: work is shared out before the kernel starts",
        )
    return Kernel(name, over, tuple(body))


# ── checks ────────────────────────────────────────────────────────────────────────────────────────


def _written(
    what: str, buffer: Buffer, offset: Scalar | int, value: Operand, where: Scalar | None
) -> tuple[Scalar, Scalar, Scalar | None]:
    put = _operand(value, buffer.dtype)
    _expect(what, f"value for {buffer.name}", put, buffer.dtype)
    if where is not None:
        _expect(what, "where", where, bool_)
    return _offset(what, buffer, offset), put, None if where is not None and is_number(where, True) else where


def _offset(what: str, buffer: Buffer, offset: Scalar | int) -> Scalar:
    place = index.number(offset) if isinstance(offset, int) else offset
    _expect(what, f"offset into {buffer.name}", place, INDEX)
    return place


def _expect(what: str, role: str, value: Scalar, dtype: DType) -> None:
    if value.dtype is not dtype:
        raise LoopError(f"{what}: the {role} is a {value.dtype}, not a {dtype}", mend=f"cast it to {dtype}")


def _operand(value: Operand, dtype: DType) -> Scalar:
    return value if isinstance(value, Scalar) else constant(value, dtype)


def _pair(op: str, a: Operand, b: Operand) -> tuple[Scalar, Scalar]:
    if isinstance(a, Scalar):
        x, y = a, _operand(b, a.dtype)
    elif isinstance(b, Scalar):
        x, y = _operand(a, b.dtype), b
    else:
        raise LoopError(f"{op}: two plain numbers", mend="make one of them a constant with a dtype")
    if x.dtype is not y.dtype:
        raise LoopError(f"{op}: operands of {x.dtype} and {y.dtype}", mend="cast one of them")
    return x, y


def _names(dtypes: Iterable[DType]) -> str:
    return ", ".join(str(dtype) for dtype in dtypes)
