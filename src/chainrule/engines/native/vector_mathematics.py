"""Elementary functions as a few additions, products and operations on bits.

A processor has no instruction for an exponential, and a call of the C library stops a loop from running
on vectors.  :func:`expand` turns ``exp(x)`` and its kin into scalars of plain arithmetic: no branch, no
table, no memory; within 2 units in the last place of the true value, for every one of the 2³² arguments
that a float32 can be, through gradual underflow, and exactly C's at ±0, ±∞ and NaN.  exp, expm1,
log, log1p, tanh and sigmoid have the same form in float64, within 2½; the others stay calls there.

How they are made.  *Reduce* the argument to a small interval around 0 by what the function does with
powers of two or quarter turns; there, a polynomial whose greatest error is least (fitted by
``benchmarks/elementary_coefficients.py``, its coefficients rounded to float32 one after another and the
others fitted again each time); then *put together* the parts in an order in which the last rounding is
nearly the only one.  Three devices recur:

- adding 1.5·2²³ rounds to an integer, and leaves that integer in the low bits of the sum, whence one
  shift makes it the exponent of a power of two;
- ln 2 is taken off in two parts, the first with so few bits that its multiples are exact;
- a sign is kept aside where it would be lost: 0 has one, and a sum that is 0 has forgotten it.

``fma`` makes this fast, and is not needed for the bound: where it is two roundings (machines without the
instruction) it still holds.  Only the reduction of sin and cos has to know which it is.

sin, cos and pow go part of the way in float64.  For sin and cos two words of 2/π, chosen from five pairs
by the size of the argument, are all that a float32 of any size needs: fewer operations than exact products of
integers, and no memory, as a table by exponent would be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...dtypes import DType, float32, float64, int32, int64
from ...loops.builder import (
    abs_,
    add,
    and_,
    bitcast,
    cast,
    constant,
    div,
    eq,
    fma,
    gt,
    lt,
    mul,
    ne,
    neg,
    or_,
    round_,
    shl,
    shr,
    sqrt,
    sub,
    where,
    xor,
)
from ...loops.ir import Scalar
from . import vector_coefficients as numbers

# ── the formats ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Format:
    """A floating-point format: how its bits lie, where functions saturate in it, and its polynomials."""

    dtype: DType
    integer: DType
    mantissa: int  # bits of it that are stored
    bias: int  # of the exponent
    ln2: tuple[float, float]  # the first part has so few bits that its multiples are exact
    exp_ends: tuple[float, float]  # eˣ is 0 and ∞ from here on
    expm1_least: float  # -1
    tanh_greatest: float  # 1
    sigmoid_greatest: float  # 1
    unit: float  # a power of two: eˣ times it is normal even where eˣ is the least there is
    exp: tuple[float, ...]
    expm1: tuple[float, ...]
    log1p: tuple[float, ...]

    @property
    def to_integer(self) -> float:
        """Added to a number, it leaves the nearest integer in the lowest bits: here the spacing is 1."""
        return 1.5 * 2.0**self.mantissa

    @property
    def sign(self) -> int:
        """The bits of -0."""
        return -(1 << 8 * self.dtype.itemsize - 1)

    @property
    def exponent(self) -> int:
        """The mask of sign and exponent."""
        return -(1 << self.mantissa)

    @property
    def tiny(self) -> float:
        """A function x + O(x²) rounds to x below this."""
        return 2.0 ** -(self.mantissa + 1)

    def bits(self, x: Scalar | float) -> Any:
        """The bits of a scalar, or of a number."""
        if isinstance(x, float):
            return int(np.asarray(x, self.dtype).view(self.integer))
        return bitcast(x, self.integer)

    def value(self, bits: Scalar) -> Scalar:
        return bitcast(bits, self.dtype)

    def power(self, biased: Scalar) -> Scalar:
        """2ⁿ, of n + bias."""
        return self.value(shl(biased, self.mantissa))


SINGLE = Format(
    float32, int32, 23, 127, (0.693359375, math.log(2) - 0.693359375), (-104.0, 89.0), -18.0, 9.02, 20.0,
    2.0**40, numbers.EXP, numbers.EXPM1, numbers.LOG1P,
)  # fmt: skip
DOUBLE = Format(
    float64, int64, 52, 1023, (0.6931471803691238, 1.9082149292705877e-10), (-746.0, 710.0), -40.0, 19.1,
    40.0, 2.0**60, numbers.EXP_64, numbers.EXPM1_64, numbers.LOG1P_64,
)  # fmt: skip

_LOG2_E = 1 / math.log(2)


# ── building blocks ───────────────────────────────────────────────────────────────────────────────


def _polynomial(x: Scalar, coefficients: Sequence[float]) -> Scalar:
    """Σ coefficient·xᵏ by Horner's rule, the constant first."""
    result = constant(coefficients[-1], x.dtype)
    for coefficient in coefficients[-2::-1]:
        result = fma(result, x, coefficient)
    return result


def _at_most(x: Scalar, limit: float) -> Scalar:
    """The smaller; NaN stays NaN.  This form is one instruction on x86."""
    return where(gt(x, limit), limit, x)


def _at_least(x: Scalar, limit: float) -> Scalar:
    return where(lt(x, limit), limit, x)


def _with_sign(form: Format, x: Scalar, sign: Scalar) -> Scalar:
    """``x``, which is not negative, with the sign of another number."""
    return form.value(or_(form.bits(x), and_(form.bits(sign), form.sign)))


def _powers(form: Format, x: Scalar, per_unit: float, bias: int) -> tuple[Scalar, Scalar]:
    """n = the integer nearest to x·per_unit, as a float, and as bits n + bias."""
    shifted = fma(x, per_unit, form.to_integer + bias)
    return sub(shifted, form.to_integer + bias), form.bits(shifted)


def _scale(form: Format, x: Scalar, twice_biased: Scalar) -> Scalar:
    """x·2ⁿ rounded once, of n + 2·bias: in two steps, the first exact, for 2ⁿ may be no float itself."""
    half = shr(twice_biased, 1)
    return mul(mul(x, form.power(half)), form.power(sub(twice_biased, half)))


def _without_ln2(form: Format, x: Scalar, n: Scalar) -> Scalar:
    """x - n·ln 2."""
    return fma(n, -form.ln2[1], fma(n, -form.ln2[0], x))


def _expm1_reduced(form: Format, r: Scalar, factor: float) -> Scalar:
    """e^(factor·r) - 1 for |factor·r| ≤ ln 2 / 2."""
    high = _polynomial(r, [c * factor ** (k + 2) for k, c in enumerate(form.expm1)])
    return fma(mul(r, r), high, mul(r, factor))


# ── exponentials ──────────────────────────────────────────────────────────────────────────────────


def _exp(form: Format, x: Scalar) -> Scalar:
    """x = n·ln 2 + r;  eˣ = 2ⁿ·eʳ."""
    x = _at_most(_at_least(x, form.exp_ends[0]), form.exp_ends[1])
    n, biased = _powers(form, x, _LOG2_E, 2 * form.bias)
    r = _without_ln2(form, x, n)
    return _scale(form, fma(_polynomial(r, form.exp), r, 1.0), biased)


def _expm1(form: Format, x: Scalar) -> Scalar:
    """2ⁿ·(eʳ - 1) + (2ⁿ - 1), all halved, for 2ⁿ may be just too large for a float."""
    clamped = _at_most(_at_least(x, form.expm1_least), form.exp_ends[1])
    n, biased = _powers(form, clamped, _LOG2_E, form.bias - 1)
    power = form.power(biased)
    half = fma(power, _expm1_reduced(form, _without_ln2(form, clamped, n), 1.0), sub(power, 0.5))
    return where(lt(abs_(x), form.tiny), x, add(half, half))


def _sigmoid(form: Format, x: Scalar) -> Scalar:
    """2ⁿ / (2ⁿ + e⁻ʳ), both times a large unit: then neither part leaves the range, and the quotient
    underflows as gradually as it should."""
    x = _at_most(_at_least(x, form.exp_ends[0] - 1), form.sigmoid_greatest)
    n, biased = _powers(form, x, _LOG2_E, form.bias + int(math.log2(form.unit)))
    power = form.power(biased)
    falling = [-c * (-1.0) ** k * form.unit for k, c in enumerate(form.exp)]
    r = _without_ln2(form, x, n)
    return div(power, add(fma(_polynomial(r, falling), r, power), form.unit))


def _tanh(form: Format, x: Scalar) -> Scalar:
    """(1 - E) / (1 + E) with E = e^(-2|x|) = 2ⁿ·(1 + g); 1 - 2ⁿ and 1 + 2ⁿ are exact.

    One word of ln 2 is enough: where n is far from 0, an error of E matters little."""
    size = _at_most(abs_(x), form.tanh_greatest)
    n, biased = _powers(form, size, -2 * _LOG2_E, form.bias)
    power, g = form.power(biased), _expm1_reduced(form, fma(n, math.log(2) / 2, size), -2.0)
    above, below = fma(neg(power), g, sub(1.0, power)), fma(power, g, add(power, 1.0))
    return _with_sign(form, div(above, below), x)


def _erf(x: Scalar) -> Scalar:
    """1 - e⁻ᵘ with u = -log(erfc(|x|)), a smooth function of |x|; e⁻ᵘ = 2ⁿ·(1 + g)."""
    size = _at_most(abs_(x), 3.93)  # 1 from here on
    u = fma(_polynomial(size, numbers.ERF), size, size)
    n, biased = _powers(SINGLE, u, -_LOG2_E, 127)
    power, g = SINGLE.power(biased), _expm1_reduced(SINGLE, fma(n, math.log(2), u), -1.0)
    return _with_sign(SINGLE, fma(neg(power), g, sub(1.0, power)), x)


# ── logarithms ────────────────────────────────────────────────────────────────────────────────────


def _exponent(form: Format, bits: Scalar) -> Scalar:
    """Of a number 2ᵉ·m with √½ ≤ m < √2: e, in the place of an exponent."""
    return and_(sub(bits, form.bits(math.sqrt(0.5))), form.exponent)


def _as_number(form: Format, exponent: Scalar) -> tuple[Scalar, float]:
    """Such an exponent as a multiple of a power of two.

    That of a float64 goes by way of int32: not every machine converts vectors of int64."""
    if form is SINGLE:
        return cast(exponent, float32), 2.0**-23
    return cast(cast(shr(exponent, 32), int32), float64), 2.0**-20


def _log_reduced(form: Format, f: Scalar, exponent: Scalar) -> Scalar:
    """log(2ᵉ·(1 + f))."""
    number, unit = _as_number(form, exponent)
    return fma(number, math.log(2) * unit, fma(mul(f, f), _polynomial(f, form.log1p), f))


def _log_ends(x: Scalar, y: Scalar, start: float) -> Scalar:
    """``y`` inside the domain (start, ∞); ∞ at ∞, -∞ at its start and NaN below."""
    outside = where(eq(x, start), constant(-math.inf, x.dtype), math.nan)
    return where(gt(x, start), where(lt(x, math.inf), y, x), outside)


def _log(form: Format, x: Scalar) -> Scalar:
    """x = 2ᵉ·(1 + f) with √½ ≤ 1 + f < √2;  log x = e·ln 2 + log(1 + f)."""
    lifted = sub(form.bits(mul(x, 2.0**form.mantissa)), form.mantissa << form.mantissa)
    bits = where(lt(x, 2.0 ** (1 - form.bias)), lifted, form.bits(x))
    exponent = _exponent(form, bits)
    f = sub(form.value(sub(bits, exponent)), 1.0)
    return _log_ends(x, _log_reduced(form, f, exponent), 0.0)


def _log1p(form: Format, x: Scalar) -> Scalar:
    """1 + x = 2ᵉ·(1 + f), but f = x·2⁻ᵉ + (2⁻ᵉ - 1), in which nothing of a small x is lost."""
    exponent = _exponent(form, form.bits(add(x, 1.0)))
    power = form.value(sub(form.bits(4.0), exponent))  # 4·2⁻ᵉ, for the greatest e is one too many
    f = fma(mul(x, 0.25), power, fma(power, 0.25, -1.0))
    y = where(lt(abs_(x), form.tiny), x, _log_reduced(form, f, exponent))
    return _log_ends(x, y, -1.0)


# ── circular functions ────────────────────────────────────────────────────────────────────────────


def _quarter_turns(size: Scalar, fused: bool) -> tuple[Scalar, Scalar]:
    """``size`` ≥ 0 as k quarter turns and the rest in radians; k in the low bits only.

    The first word of 2/π decides k; the second and the rounding of k add 1/60 of a quarter turn at the
    most to the ½ that the rest can be.  x·2/π is needed to 2⁻⁵⁵, for some float32 comes as near as 2⁻³⁰
    to a multiple of π/2.
    """
    *others, (_, first, second) = numbers.TWO_OVER_PI
    high, low = constant(first, float64), constant(second, float64)
    for bound, first, second in reversed(others):
        below = lt(size, bound)
        high, low = where(below, first, high), where(below, second, low)
    x = cast(size, float64)
    if fused:
        shifted = fma(x, high, DOUBLE.to_integer)
        rest = fma(x, high, neg(sub(shifted, DOUBLE.to_integer)))
    else:  # in halves whose products with 24 bits are exact
        upper = bitcast(and_(bitcast(high, int64), -(1 << 24)), float64)
        lower = sub(high, upper)
        shifted = add(mul(x, high), DOUBLE.to_integer)
        rest = add(sub(mul(x, upper), sub(shifted, DOUBLE.to_integer)), mul(x, lower))
    turns = cast(bitcast(shifted, int64), int32)
    return turns, cast(mul(fma(x, low, rest), math.pi / 2), float32)


def _circular(x: Scalar, shift: int, fused: bool) -> tuple[Scalar, Scalar]:
    """sin(|x| + shift·π/2), as a number and the bit by which its sign has to change."""
    turns, r = _quarter_turns(abs_(x), fused)
    turns = add(turns, shift)
    z = mul(r, r)
    sine = fma(mul(r, z), _polynomial(z, numbers.SIN), r)
    cosine = fma(_polynomial(z, numbers.COS), z, 1.0)
    return where(ne(and_(turns, 1), 0), cosine, sine), and_(shl(turns, 30), SINGLE.sign)


def _sin(x: Scalar, fused: bool) -> Scalar:
    value, flip = _circular(x, 0, fused)
    return SINGLE.value(xor(xor(SINGLE.bits(value), flip), and_(SINGLE.bits(x), SINGLE.sign)))


def _cos(x: Scalar, fused: bool) -> Scalar:
    value, flip = _circular(x, 1, fused)
    return SINGLE.value(xor(SINGLE.bits(value), flip))


def _atan2(y: Scalar, x: Scalar) -> Scalar:
    """atan of the smaller over the greater, of which the angle is one of eight reflections."""
    a, b = abs_(y), abs_(x)
    steep = lt(b, a)
    low, high = where(steep, b, a), where(steep, a, b)
    # 0/0 stands for an angle of 0, ∞/∞ for one of π/4
    q = where(eq(low, high), where(gt(low, 0.0), constant(1.0, float32), 0.0), div(low, high))
    z = mul(q, q)
    angle = fma(mul(q, z), _polynomial(z, numbers.ATAN), q)
    angle = where(steep, _minus(math.pi / 2, angle), angle)
    angle = where(lt(SINGLE.bits(x), 0), _minus(math.pi, angle), angle)
    return _with_sign(SINGLE, angle, y)


def _minus(number: float, x: Scalar) -> Scalar:
    """A number of more than 24 bits minus x."""
    high = constant(number, float32)
    return add(sub(high, x), number - high.payload)


# ── powers ────────────────────────────────────────────────────────────────────────────────────────


def _pow(x: Scalar, y: Scalar) -> Scalar:
    """|x|^y = 2^(y·log₂|x|), the exponent in float64; the sign, and what has no power, from x and y."""
    if y.op == "constant" and y.payload in _POWERS:
        return _POWERS[y.payload](x)
    size = abs_(x)
    exponent = mul(cast(y, float64), _log2(size))
    exponent = _at_most(_at_least(exponent, -151.0), 129.0)
    shifted = add(exponent, DOUBLE.to_integer + 254)
    r = cast(sub(exponent, sub(shifted, DOUBLE.to_integer + 254)), float32)
    biased = cast(bitcast(shifted, int64), int32)
    power = _scale(SINGLE, fma(_polynomial(r, numbers.EXP2), r, 1.0), biased)
    whole, half = eq(round_(y), y), mul(y, 0.5)
    power = where(eq(size, 1.0), where(eq(y, y), 1.0, y), power)  # also to the power ±∞
    odd = and_(whole, ne(round_(half), half))
    power = SINGLE.value(xor(SINGLE.bits(power), where(odd, and_(SINGLE.bits(x), SINGLE.sign), 0)))
    undefined = and_(and_(lt(x, 0.0), gt(x, -math.inf)), eq(whole, False))
    power = where(undefined, math.nan, power)
    return where(or_(eq(x, 1.0), eq(y, 0.0)), 1.0, power)


def _log2(size: Scalar) -> Scalar:
    """log₂ of a float32 ≥ 0 as a float64, right to 2⁻³³ of itself."""
    wide = cast(size, float64)  # where even the smallest is normal
    bits = DOUBLE.bits(wide)
    exponent = _exponent(DOUBLE, bits)
    f = sub(DOUBLE.value(sub(bits, exponent)), 1.0)
    number, unit = _as_number(DOUBLE, exponent)
    found = fma(number, unit, mul(f, _polynomial(f, numbers.LOG2)))
    return where(lt(size, math.inf), where(gt(size, 0.0), found, -math.inf), wide)


_POWERS: dict[float, Callable[[Scalar], Scalar]] = {
    0.0: lambda x: constant(1.0, float32),
    1.0: lambda x: x,
    2.0: lambda x: mul(x, x),
    3.0: lambda x: mul(mul(x, x), x),
    -1.0: lambda x: div(1.0, x),
    0.5: lambda x: where(eq(x, -math.inf), math.inf, sqrt(add(x, 0.0))),  # √-0 is -0, and (-0)^½ is 0
    -0.5: lambda x: where(eq(x, -math.inf), 0.0, div(1.0, sqrt(add(x, 0.0)))),
}
"""Powers to numbers that are cheaper by themselves."""


# ── the door ──────────────────────────────────────────────────────────────────────────────────────

_IN_BOTH: dict[str, Callable[[Format, Scalar], Scalar]] = {
    "exp": _exp, "expm1": _expm1, "log": _log, "log1p": _log1p, "tanh": _tanh, "sigmoid": _sigmoid,
}  # fmt: skip
_IN_SINGLE: dict[str, Callable[..., Scalar]] = {"erf": _erf, "pow": _pow, "atan2": _atan2}
_CIRCULAR: dict[str, Callable[[Scalar, bool], Scalar]] = {"sin": _sin, "cos": _cos}
_FORMATS = {float32: SINGLE, float64: DOUBLE}


def expand(value: Scalar, fused: bool = True) -> Scalar:
    """An elementary function as plain arithmetic on its operands; anything else as it is.

    The operands themselves are not looked into.  ``fused`` says whether the target's ``fma`` rounds once.

    >>> from chainrule.loops import builder as loops
    >>> x = loops.load(loops.Buffer("x", 8, float32), 0)
    >>> expand(loops.exp(x)).op, expand(loops.sqrt(x)).op
    ('mul', 'sqrt')
    """
    if value.op in _IN_BOTH:
        return _IN_BOTH[value.op](_FORMATS[value.dtype], *value.args)
    if value.dtype is float32 and value.op in _IN_SINGLE:
        return _IN_SINGLE[value.op](*value.args)
    if value.dtype is float32 and value.op in _CIRCULAR:
        return _CIRCULAR[value.op](value.args[0], fused)
    return value
