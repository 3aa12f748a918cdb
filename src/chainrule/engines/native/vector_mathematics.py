"""Elementary functions of float32 as a few additions, products and operations on bits.

A processor has no instruction for an exponential, and a call of the C library stops a loop from running
on vectors.  :func:`expand` turns ``exp(x)`` and its kin into scalars of plain arithmetic: no branch, no
table, no memory; right within 2 units in the last place of the true value for every one of the 2³²
arguments, through gradual underflow, and exactly C's at ±0, ±∞ and NaN.

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

from ...dtypes import float32, float64, int32, int64
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

# ── numbers ───────────────────────────────────────────────────────────────────────────────────────

_TO_INTEGER = 1.5 * 2.0**23  # float32's spacing here is 1; the low bits count from here
_TO_INTEGER_64 = 1.5 * 2.0**52
_LOG2_E = 1 / math.log(2)
_LN2_HIGH = 0.693359375  # ten bits: times an integer below 2¹⁴, exact
_LN2_LOW = math.log(2) - _LN2_HIGH
_SIGN = -(1 << 31)
_EXPONENT = -(1 << 23)  # the bits of sign and exponent
_ONE = 0x3F800000  # the bits of 1.0
_ROOT_HALF = 0x3F3504F3  # those of √½
_TINY = 2.0**-24  # below this, f(x) = x + O(x²) rounds to x

_EXP = (1.0, 0.4999999403953552, 0.1666652113199234, 0.041668254882097244, 0.008368661627173424,
        0.0013821452157571912)  # fmt: skip
"""(eʳ - 1) / r for |r| ≤ ln 2 / 2."""

_EXPM1 = (0.4999999701976776, 0.1666654646396637, 0.04166744276881218, 0.008366253226995468,
          0.0013869957765564322)  # fmt: skip
"""(eʳ - 1 - r) / r² for |r| ≤ ln 2 / 2."""

_EXP2 = (0.6931471824645996, 0.24022647738456726, 0.05550359934568405, 0.009618505835533142,
         0.0013390809763222933, 0.00015326470020227134)  # fmt: skip
"""(2ʳ - 1) / r for |r| ≤ ½."""

_LOG1P = (-0.49999991059303284, 0.3333394527435303, -0.25001776218414307, 0.19962239265441895,
          -0.16570313274860382, 0.14916355907917023, -0.14307723939418793, 0.08738791942596436)  # fmt: skip
"""(log(1 + f) - f) / f² for √½ ≤ 1 + f ≤ √2."""

_LOG2 = (1.442695040939366, -0.7213475252129925, 0.4808983207254591, -0.3606728005655597,
         0.28854064382171624, -0.24050417353655898, 0.2060962489573458, -0.17904695683644073,
         0.1590015895416499, -0.15698231126786408, 0.15485709836063957, -0.08634542060072899)  # fmt: skip
"""log₂(1 + f) / f for √½ ≤ 1 + f ≤ √2, in float64, to 2⁻³³."""

_ERF = (0.12837916612625122, 0.6366195678710938, 0.10277630388736725, -0.019147822633385658,
        -0.00016950514691416174, 0.001675679231993854, -0.0006373666110448539,
        0.00011886281572515145, -9.38821176532656e-06)  # fmt: skip
"""-log(erfc(a)) / a - 1 for 0 < a ≤ 3.93, weighed by what it does to erf(a)."""

_SIN = (-0.16666652262210846, 0.008332008495926857, -0.00019494496518746018)
"""(sin(r) / r - 1) / r² as a polynomial in r², for |r| ≤ 1.033·π/4."""

_COS = (-0.5, 0.04166664183139801, -0.0013887123204767704, 2.441079413983971e-05)
"""(cos(r) - 1) / r² as a polynomial in r², for |r| ≤ 1.033·π/4."""

_ATAN = (-0.33333152532577515, 0.19993767142295837, -0.14211001992225647, 0.10665769129991531,
         -0.07551661133766174, 0.043204762041568756, -0.01636323146522045, 0.002919439459219575)  # fmt: skip
"""(atan(q) / q - 1) / q² as a polynomial in q², for 0 ≤ q ≤ 1."""

_TWO_OVER_PI = (
    (2.0**48, 0.6366197723675814, -3.935735335036497e-17),
    (2.0**68, 8.528719804229428e-08, 6.074026489649846e-24),
    (2.0**88, 1.4504564269239186e-14, -5.321602079519459e-31),
    (2.0**108, 1.0760572810738749e-19, -1.690193447800753e-36),
    (math.inf, 7.696704864039572e-26, 4.420676015940119e-42),
)
"""2/π in two float64 for arguments below a bound, without the bits that only make whole turns there: an
argument from 2ᵏ on is a multiple of 2ᵏ⁻²³, so bits of 2/π from 2²⁵⁻ᵏ on make multiples of 4 quarters."""


# ── building blocks ───────────────────────────────────────────────────────────────────────────────


def _bits(x: Scalar) -> Scalar:
    return bitcast(x, int32)


def _float(bits: Scalar) -> Scalar:
    return bitcast(bits, float32)


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


def _with_sign(x: Scalar, sign: Scalar) -> Scalar:
    """``x``, which is not negative, with the sign of another number."""
    return _float(or_(_bits(x), and_(_bits(sign), _SIGN)))


def _powers(x: Scalar, per_unit: float, bias: int) -> tuple[Scalar, Scalar]:
    """n = the integer nearest to x·per_unit, as a float, and as bits n + bias."""
    shifted = fma(x, per_unit, _TO_INTEGER + bias)
    return sub(shifted, _TO_INTEGER + bias), _bits(shifted)


def _scale(x: Scalar, twice_biased: Scalar) -> Scalar:
    """x·2ⁿ rounded once, for -252 ≤ n ≤ 254 given in bits as n + 254: in two steps, the first exact."""
    half = shr(twice_biased, 1)
    return mul(mul(x, _float(shl(half, 23))), _float(shl(sub(twice_biased, half), 23)))


def _without_ln2(x: Scalar, n: Scalar) -> Scalar:
    """x - n·ln 2."""
    return fma(n, -_LN2_LOW, fma(n, -_LN2_HIGH, x))


def _expm1_reduced(r: Scalar, factor: float) -> Scalar:
    """e^(factor·r) - 1 for |factor·r| ≤ ln 2 / 2."""
    high = _polynomial(r, [c * factor ** (k + 2) for k, c in enumerate(_EXPM1)])
    return fma(mul(r, r), high, mul(r, factor))


# ── exponentials ──────────────────────────────────────────────────────────────────────────────────


def _exp(x: Scalar) -> Scalar:
    """x = n·ln 2 + r;  eˣ = 2ⁿ·eʳ."""
    x = _at_most(_at_least(x, -104.0), 89.0)  # 0 and ∞ from here on
    n, biased = _powers(x, _LOG2_E, 254)
    r = _without_ln2(x, n)
    return _scale(fma(_polynomial(r, _EXP), r, 1.0), biased)


def _expm1(x: Scalar) -> Scalar:
    """2ⁿ·(eʳ - 1) + (2ⁿ - 1), all halved, for 2¹²⁸ is no float32."""
    clamped = _at_most(_at_least(x, -18.0), 89.0)
    n, biased = _powers(clamped, _LOG2_E, 126)
    r = _without_ln2(clamped, n)
    power = _float(shl(biased, 23))
    half = fma(power, _expm1_reduced(r, 1.0), sub(power, 0.5))
    return where(lt(abs_(x), _TINY), x, add(half, half))


def _sigmoid(x: Scalar) -> Scalar:
    """2ⁿ / (2ⁿ + e⁻ʳ), both times 2⁴⁰: then neither part leaves the range, and the quotient underflows
    as gradually as it should."""
    x = _at_most(_at_least(x, -105.0), 20.0)
    n, biased = _powers(x, _LOG2_E, 127 + 40)
    r = _without_ln2(x, n)
    power, unit = _float(shl(biased, 23)), 2.0**40
    falling = _polynomial(r, [-c * (-1.0) ** k * unit for k, c in enumerate(_EXP)])
    return div(power, add(fma(falling, r, power), unit))


def _tanh(x: Scalar) -> Scalar:
    """(1 - E) / (1 + E) with E = e^(-2|x|) = 2ⁿ·(1 + g); 1 - 2ⁿ and 1 + 2ⁿ are exact.

    One word of ln 2 is enough: where n is far from 0, an error of E matters little."""
    size = _at_most(abs_(x), 9.02)  # 1 from here on
    n, biased = _powers(size, -2 * _LOG2_E, 127)
    r = fma(n, math.log(2) / 2, size)
    power = _float(shl(biased, 23))
    g = _expm1_reduced(r, -2.0)
    above, below = fma(neg(power), g, sub(1.0, power)), fma(power, g, add(power, 1.0))
    return _with_sign(div(above, below), x)


def _erf(x: Scalar) -> Scalar:
    """1 - e⁻ᵘ with u = -log(erfc(|x|)), a smooth function of |x|; e⁻ᵘ = 2ⁿ·(1 + g)."""
    size = _at_most(abs_(x), 3.93)  # 1 from here on
    u = fma(_polynomial(size, _ERF), size, size)
    n, biased = _powers(u, -_LOG2_E, 127)
    r = fma(n, math.log(2), u)
    power = _float(shl(biased, 23))
    return _with_sign(fma(neg(power), _expm1_reduced(r, -1.0), sub(1.0, power)), x)


# ── logarithms ────────────────────────────────────────────────────────────────────────────────────


def _log_reduced(f: Scalar, exponent: Scalar) -> Scalar:
    """log(2ᵉ·(1 + f)), of bits that hold e where a float has its exponent."""
    small = fma(mul(f, f), _polynomial(f, _LOG1P), f)
    return fma(cast(exponent, float32), math.log(2) / 2**23, small)


def _log_ends(x: Scalar, y: Scalar, start: float) -> Scalar:
    """``y`` inside the domain (start, ∞); ∞ at ∞, -∞ at its start and NaN below."""
    outside = where(eq(x, start), constant(-math.inf, float32), math.nan)
    return where(gt(x, start), where(lt(x, math.inf), y, x), outside)


def _log(x: Scalar) -> Scalar:
    """x = 2ᵉ·(1 + f) with √½ ≤ 1 + f < √2;  log x = e·ln 2 + log(1 + f)."""
    bits = where(lt(x, 2.0**-126), sub(_bits(mul(x, 2.0**23)), 23 << 23), _bits(x))
    exponent = and_(sub(bits, _ROOT_HALF), _EXPONENT)
    f = sub(_float(sub(bits, exponent)), 1.0)
    return _log_ends(x, _log_reduced(f, exponent), 0.0)


def _log1p(x: Scalar) -> Scalar:
    """1 + x = 2ᵉ·(1 + f), but f = x·2⁻ᵉ + (2⁻ᵉ - 1), in which nothing of a small x is lost."""
    exponent = and_(sub(_bits(add(x, 1.0)), _ROOT_HALF), _EXPONENT)
    power = _float(sub(_ONE + (2 << 23), exponent))  # 4·2⁻ᵉ: e reaches 128
    f = fma(mul(x, 0.25), power, fma(power, 0.25, -1.0))
    y = where(lt(abs_(x), _TINY), x, _log_reduced(f, exponent))
    return _log_ends(x, y, -1.0)


# ── circular functions ────────────────────────────────────────────────────────────────────────────


def _quarter_turns(size: Scalar, fused: bool) -> tuple[Scalar, Scalar]:
    """``size`` ≥ 0 as k quarter turns and the rest in radians; k in the low bits only.

    The first word of 2/π decides k; the second and the rounding of k add 1/60 of a quarter turn at the
    most to the ½ that the rest can be.  x·2/π is needed to 2⁻⁵⁵, for some float32 comes as near as 2⁻³⁰
    to a multiple of π/2.
    """
    *others, (_, first, second) = _TWO_OVER_PI
    high, low = constant(first, float64), constant(second, float64)
    for bound, first, second in reversed(others):
        below = lt(size, bound)
        high, low = where(below, first, high), where(below, second, low)
    x = cast(size, float64)
    if fused:
        shifted = fma(x, high, _TO_INTEGER_64)
        rest = fma(x, high, neg(sub(shifted, _TO_INTEGER_64)))
    else:  # in halves whose products with 24 bits are exact
        upper = bitcast(and_(bitcast(high, int64), -(1 << 24)), float64)
        lower = sub(high, upper)
        shifted = add(mul(x, high), _TO_INTEGER_64)
        rest = add(sub(mul(x, upper), sub(shifted, _TO_INTEGER_64)), mul(x, lower))
    turns = cast(bitcast(shifted, int64), int32)
    return turns, cast(mul(fma(x, low, rest), math.pi / 2), float32)


def _circular(x: Scalar, shift: int, fused: bool) -> tuple[Scalar, Scalar]:
    """sin(|x| + shift·π/2), as a number and the bit by which its sign has to change."""
    turns, r = _quarter_turns(abs_(x), fused)
    turns = add(turns, shift)
    z = mul(r, r)
    sine = fma(mul(r, z), _polynomial(z, _SIN), r)
    cosine = fma(_polynomial(z, _COS), z, 1.0)
    return where(ne(and_(turns, 1), 0), cosine, sine), and_(shl(turns, 30), _SIGN)


def _sin(x: Scalar, fused: bool) -> Scalar:
    value, flip = _circular(x, 0, fused)
    return _float(xor(xor(_bits(value), flip), and_(_bits(x), _SIGN)))


def _cos(x: Scalar, fused: bool) -> Scalar:
    value, flip = _circular(x, 1, fused)
    return _float(xor(_bits(value), flip))


def _atan2(y: Scalar, x: Scalar) -> Scalar:
    """atan of the smaller over the greater, of which the angle is one of eight reflections."""
    a, b = abs_(y), abs_(x)
    steep = lt(b, a)
    low, high = where(steep, b, a), where(steep, a, b)
    # 0/0 stands for an angle of 0, ∞/∞ for one of π/4
    q = where(eq(low, high), where(gt(low, 0.0), constant(1.0, float32), 0.0), div(low, high))
    z = mul(q, q)
    angle = fma(mul(q, z), _polynomial(z, _ATAN), q)
    angle = where(steep, _minus(math.pi / 2, angle), angle)
    angle = where(lt(_bits(x), 0), _minus(math.pi, angle), angle)
    return _with_sign(angle, y)


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
    shifted = add(exponent, _TO_INTEGER_64 + 254)
    r = cast(sub(exponent, sub(shifted, _TO_INTEGER_64 + 254)), float32)
    biased = cast(bitcast(shifted, int64), int32)
    power = _scale(fma(_polynomial(r, _EXP2), r, 1.0), biased)
    whole, half = eq(round_(y), y), mul(y, 0.5)
    power = where(eq(size, 1.0), where(eq(y, y), 1.0, y), power)  # also to the power ±∞
    odd = and_(whole, ne(round_(half), half))
    power = _float(xor(_bits(power), where(odd, and_(_bits(x), _SIGN), 0)))
    undefined = and_(and_(lt(x, 0.0), gt(x, -math.inf)), eq(whole, False))
    power = where(undefined, math.nan, power)
    return where(or_(eq(x, 1.0), eq(y, 0.0)), 1.0, power)


def _log2(size: Scalar) -> Scalar:
    """log₂ of a float32 ≥ 0 as a float64, right to 2⁻³³ of itself."""
    wide = cast(size, float64)  # where even the smallest is normal
    bits = bitcast(wide, int64)
    above = sub(bits, _ROOT_HALF_64)
    fraction = bitcast(sub(bits, and_(above, -(1 << 52))), float64)
    f = sub(fraction, 1.0)
    # the exponent by way of int32, for not every machine converts vectors of int64
    exponent = cast(and_(cast(shr(above, 32), int32), -(1 << 20)), float64)
    found = fma(exponent, 2.0**-20, mul(f, _polynomial(f, _LOG2)))
    return where(lt(size, math.inf), where(gt(size, 0.0), found, -math.inf), wide)


_ROOT_HALF_64 = 0x3FE6A09E667F3BCD

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

_FUNCTIONS: dict[str, Callable[..., Scalar]] = {
    "exp": _exp, "expm1": _expm1, "log": _log, "log1p": _log1p, "tanh": _tanh, "sigmoid": _sigmoid,
    "erf": _erf, "pow": _pow, "atan2": _atan2,
}  # fmt: skip
_REDUCED_WIDE: dict[str, Callable[[Scalar, bool], Scalar]] = {"sin": _sin, "cos": _cos}


def expand(value: Scalar, fused: bool = True) -> Scalar:
    """An elementary function of float32 as plain arithmetic on its operands; anything else as it is.

    The operands themselves are not looked into.  ``fused`` says whether the target's ``fma`` rounds once.

    >>> from chainrule.loops import builder as loops
    >>> x = loops.load(loops.Buffer("x", 8, float32), 0)
    >>> expand(loops.exp(x)).op, expand(loops.sqrt(x)).op
    ('mul', 'sqrt')
    """
    if value.dtype is not float32:
        return value
    if value.op in _REDUCED_WIDE:
        return _REDUCED_WIDE[value.op](value.args[0], fused)
    function = _FUNCTIONS.get(value.op)
    return value if function is None else function(*value.args)
