"""Random expressions over given ones, with what stays known of their values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from chainrule import loops
from chainrule.dtypes import DType, bool_, float32, float64, int32, int64, is_float, uint32
from chainrule.loops import Scalar

from .maker import Expr, Maker

Build = Callable[[Scalar, Scalar], Scalar]

COMPARE: tuple[Build, ...] = (loops.eq, loops.ne, loops.lt, loops.le, loops.gt, loops.ge)
LOGIC: tuple[Build, ...] = (loops.and_, loops.or_, loops.xor)
FLOAT_UNARY = (
    loops.neg,
    loops.abs_,
    loops.sign,
    loops.sqrt,
    loops.floor,
    loops.ceil,
    loops.round_,
    loops.trunc,
)
FLOAT_BINARY: tuple[Build, ...] = (loops.add, loops.sub, loops.mul, loops.min_, loops.max_)
EXPOSING: tuple[Build, ...] = (loops.div, loops.mod, loops.floordiv)
"""What tells a zero divisor's sign."""
WHOLE_UNARY = (loops.neg, loops.abs_, loops.sign, loops.not_)
WHOLE_BINARY: tuple[Build, ...] = (
    *(loops.add, loops.sub, loops.mul, loops.min_, loops.max_, loops.floordiv, loops.mod),
    *(loops.and_, loops.or_, loops.xor, loops.shl, loops.shr),
)
ELEMENTARY_UNARY = (
    *(loops.exp, loops.expm1, loops.log, loops.log1p, loops.tanh, loops.sigmoid),
    *(loops.erf, loops.sin, loops.cos),
)


def expression(m: Maker, given: Sequence[Expr], depth: int) -> Expr:
    """A tree of operations over ``given`` (all of one dtype) and constants, in that dtype."""
    dtype = given[0].dtype
    if depth == 0 or m.chance(4):
        return m.choice(given)
    a, b = expression(m, given, depth - 1), expression(m, given, depth - 1)
    if dtype is bool_:
        return Expr(loops.not_(a.value) if m.chance(4) else m.choice(LOGIC)(a.value, b.value))
    form = m.integer(0, 9)
    if form == 0:
        c = truth(m, [a, b])
        return known(loops.where(c.value, a.value, b.value), a, b)
    if form == 1:
        return converted(m, a, dtype)
    if form == 2:
        number = m.choice((0, 1, -1, 2, 3, 0.5, -1.5)) if is_float(dtype) else m.choice((0, 1, 2, 3, 5, 31))
        b = Expr(loops.constant(number, dtype))
    if not is_float(dtype):
        if form < 5:
            return Expr(m.choice(WHOLE_UNARY)(a.value))
        return Expr(m.choice(WHOLE_BINARY)(a.value, b.value))
    if form < 4:
        return known(m.choice(FLOAT_UNARY)(a.value), a)
    if form == 4:
        c = m.choice(given)
        return known(loops.fma(a.value, b.value, c.value), a, b, c)
    if form == 5 and b.signed:
        return known(m.choice(EXPOSING)(a.value, b.value), a, b)
    result = m.choice(FLOAT_BINARY)(a.value, b.value)
    return replace(known(result, a, b), signed=a.signed and b.signed and result.op not in ("min", "max"))


def known(value: Scalar, *operands: Expr) -> Expr:
    """A value exact as far as its operands are, and on no grid."""
    return Expr(value, near=any(x.near for x in operands), signed=all(x.signed for x in operands))


def tame_expression(m: Maker, given: Sequence[Expr], depth: int) -> Expr:
    """Like ``expression``, of what keeps floats on their grid."""
    if not is_float(given[0].dtype):
        return expression(m, given, depth)
    a = m.choice(given)
    if depth == 0 or m.chance(3):
        return a
    b = tame_expression(m, given, depth - 1)
    step, bound = min(a.step, b.step), max(a.bound, b.bound)
    match m.integer(0, 5):
        case 0:
            return replace(a, value=m.choice((loops.neg, loops.abs_))(a.value))
        case 1:
            return Expr(loops.add(a.value, b.value), step, a.bound + b.bound, signed=False)
        case 2:
            return Expr(loops.sub(a.value, b.value), step, a.bound + b.bound, signed=False)
        case 3:
            signed = a.signed and b.signed
            return Expr(loops.mul(a.value, b.value), a.step * b.step, a.bound * b.bound, signed=signed)
        case 4:
            return Expr(m.choice((loops.min_, loops.max_))(a.value, b.value), step, bound, signed=False)
    c = truth(m, [a, b])
    return Expr(loops.where(c.value, a.value, b.value), step, bound, signed=a.signed and b.signed)


def truth(m: Maker, given: Sequence[Expr]) -> Expr:
    """A condition on exact values."""
    a, b = m.choice(given), m.choice(given)
    if a.dtype is bool_:
        return Expr(m.choice((*LOGIC, loops.eq, loops.ne))(a.value, b.value))
    if is_float(a.dtype) and m.chance(4):
        return Expr(m.choice((loops.isfinite, loops.isnan))(a.value))
    if m.chance(2):
        return Expr(m.choice(COMPARE)(a.value, b.value))
    return Expr(m.choice(COMPARE)(a.value, loops.constant(m.integer(0, 2), a.dtype)))


def converted(m: Maker, a: Expr, dtype: DType) -> Expr:
    """``a`` by way of another dtype, and back."""
    if is_float(dtype):
        clear = loops.where(loops.isnan(a.value), 0.0, a.value)
        clear = loops.min_(loops.max_(clear, -1000.0), 1000.0)
        other = m.choice((float32, float64, int32, int64, bool_))
        if other in (float32, float64):
            return known(loops.cast(loops.cast(a.value, other), dtype), a)
        return Expr(loops.cast(loops.cast(clear, other), dtype), signed=False)
    if dtype is not int64 and m.chance(2):  # the bits as a float, and back through integers
        bits = loops.bitcast(a.value, float32)
        return Expr(loops.cast(loops.isnan(bits), dtype))
    return Expr(loops.cast(loops.cast(a.value, m.choice((int32, int64, uint32, bool_))), dtype))


def elementary(m: Maker, a: Expr) -> Expr:
    """An elementary function, then what keeps a tolerance meaningful."""
    form = m.integer(0, 11)
    if form == 0 and a.signed:
        base = loops.abs_(a.value)
        value = loops.pow_(base, m.choice((2.0, 0.5, -1.5, 3.0)))
    elif form == 1 and a.signed:
        value = loops.atan2(a.value, loops.constant(m.choice((1.0, -2.0)), a.dtype))
    else:
        value = m.choice(ELEMENTARY_UNARY)(a.value)
    if m.chance(3):
        value = loops.add(value, m.choice((1.0, -0.5)))
    if m.chance(3):
        value = loops.mul(value, m.choice((0.5, -2.0)))
    return Expr(value, near=True, signed=False)
