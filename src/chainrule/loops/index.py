"""Arithmetic of indices: sums of axes with coefficients, kept in one normal form, with bounds.

An offset into a buffer is mostly affine: ``constant + Σ coefficient · axis``.  Divisions and
remainders, which come from reshaping, disappear wherever the bounds of the axes allow it; what is left
of them, and what was read from an index array, takes part as an opaque term.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import gcd, prod

from ..dtypes import bool_, int32, uint32
from .ir import INDEX, Axis, Scalar, scalar

INFINITE = 1 << 62


def of(axis: Axis) -> Scalar:
    """The axis as a scalar; an axis of one place is 0."""
    return number(0) if axis.extent == 1 and axis.limit is None else scalar("axis", (), INDEX, axis)


def number(value: int) -> Scalar:
    """A number as an index."""
    return scalar("constant", (), INDEX, value)


def terms(value: Scalar) -> tuple[int, dict[Scalar, int]]:
    """``value`` as its constant and the coefficient of each opaque term."""
    if value.op == "constant":
        return int(value.payload), {}
    if value.op == "affine":
        constant, coefficients = value.payload
        return constant, dict(zip(value.args, coefficients, strict=True))
    return 0, {value: 1}


def from_terms(constant: int, coefficients: dict[Scalar, int]) -> Scalar:
    """The normal form of ``constant + Σ coefficient · term``."""
    kept = {term: c for term, c in coefficients.items() if c}
    if not kept:
        return number(constant)
    if constant == 0 and list(kept.values()) == [1]:
        return next(iter(kept))
    if len(kept) > 1:
        kept = dict(sorted(kept.items(), key=lambda item: (-abs(item[1]), item[0].serial)))
    return scalar("affine", tuple(kept), INDEX, (constant, tuple(kept.values())))


def add(*values: Scalar) -> Scalar:
    """The sum of indices, in normal form."""
    return combine(values, [1] * len(values))


def combine(values: Sequence[Scalar], factors: Sequence[int]) -> Scalar:
    """``Σ factor · value``, in normal form."""
    constant, total = 0, dict[Scalar, int]()
    for value, factor in zip(values, factors, strict=True):
        more, coefficients = terms(value)
        constant += more * factor
        for term, c in coefficients.items():
            total[term] = total.get(term, 0) + c * factor
    return _recombine(constant, total)


def scale(value: Scalar, factor: int) -> Scalar:
    """An index times a number."""
    constant, coefficients = terms(value)
    return _recombine(constant * factor, {term: c * factor for term, c in coefficients.items()})


def shift(value: Scalar, by: int) -> Scalar:
    """An index plus a number."""
    return add(value, number(by))


def _recombine(constant: int, coefficients: dict[Scalar, int]) -> Scalar:
    """``(x // n)·n + x % n`` is x again: a reshape there and back leaves no trace."""
    for term, c in list(coefficients.items()):
        if term.op != "mod" or term.args[1].op != "constant":
            continue
        n = int(term.args[1].payload)
        quotient = floordiv(term.args[0], n)
        if quotient.op == "floordiv" and coefficients.get(quotient) == c * n:
            del coefficients[quotient], coefficients[term]
            more, inner = terms(term.args[0])
            constant += more * c
            for t, k in inner.items():
                coefficients[t] = coefficients.get(t, 0) + k * c
            return _recombine(constant, coefficients)
    return from_terms(constant, coefficients)


def bounds(value: Scalar, known: Callable[[Scalar], tuple[int, int] | None] | None = None) -> tuple[int, int]:
    """The least and the greatest value that an integer scalar can have; wide where nothing is known.

    ``known`` may tell more of a scalar than its own form does, such as of a local.
    """
    if known is not None and (told := known(value)) is not None:
        return told
    args = value.args
    match value.op:
        case "constant":
            return int(value.payload), int(value.payload)
        case "axis":
            return 0, max(value.payload.extent - 1, 0)
        case "within":
            low, high = value.payload
            least, greatest = bounds(args[0], known)
            return max(low, least), max(low, min(high - 1, greatest))
        case "affine":
            low = high = value.payload[0]
            for argument, c in zip(args, value.payload[1], strict=True):
                a, b = bounds(argument, known)
                low, high = low + min(a * c, b * c), high + max(a * c, b * c)
            return low, high
        case "floordiv" if args[1].op == "constant" and args[1].payload > 0:
            low, high = bounds(args[0], known)
            return low // args[1].payload, high // args[1].payload
        case "mod" if args[1].op == "constant" and args[1].payload > 0:
            return 0, args[1].payload - 1
        case "where":
            (a, b), (c, d) = bounds(args[1], known), bounds(args[2], known)
            return min(a, c), max(b, d)
        case "min" | "max":
            (a, b), (c, d) = bounds(args[0], known), bounds(args[1], known)
            return (min(a, c), min(b, d)) if value.op == "min" else (max(a, c), max(b, d))
        case "cast" if args[0].dtype in _RANGES and value.dtype == INDEX:
            return bounds(args[0], known)
    return _RANGES.get(value.dtype, (-INFINITE, INFINITE))


_RANGES = {bool_: (0, 1), int32: (-(1 << 31), (1 << 31) - 1), uint32: (0, (1 << 32) - 1)}


def _split(value: Scalar, n: int) -> tuple[Scalar, Scalar] | None:
    """``value`` as quotient·n + rest with the rest known to lie in [0, n)."""
    constant, coefficients = terms(value)
    whole = {term: c // n for term, c in coefficients.items() if c % n == 0}
    left = {term: c for term, c in coefficients.items() if c % n}
    for base in (constant - constant % n, 0):  # two ways to share the constant out
        rest = from_terms(constant - base, left)
        low, high = bounds(rest)
        if low >= 0 and high < n:
            return from_terms(base // n, whole), rest
    rest = from_terms(constant % n, left)
    low, high = bounds(rest)
    if low // n == high // n:  # the rest lies within one block, if not the first
        block = low // n
        return from_terms(constant // n + block, whole), shift(rest, -block * n)
    return None


def floordiv(value: Scalar, n: int) -> Scalar:
    """An index divided by a positive number and rounded down: without a division where bounds allow it."""
    if n == 1:
        return value
    if (found := _split(value, n)) is not None:
        return found[0]
    if (coarser := _coarser(value, n)) is not None:
        coarse, _, unit = coarser
        return floordiv(coarse, n // unit)
    constant, coefficients = terms(value)
    for term, c in coefficients.items():
        if c == 1 and (inner := _quotient(term)) is not None:  # (x // a + y) // n = (x + a·y) // (a·n)
            x, a = inner
            return floordiv(add(x, scale(add(value, scale(term, -1)), a)), a * n)
    whole = {term: c // n for term, c in coefficients.items() if c % n == 0}
    if not whole and 0 <= constant < n:
        return scalar("floordiv", (value, number(n)), INDEX)
    # What divides is pulled out; what stays is opaque.
    rest = from_terms(constant % n, {t: c for t, c in coefficients.items() if c % n})
    return add(from_terms(constant // n, whole), floordiv(rest, n))


def _quotient(value: Scalar) -> tuple[Scalar, int] | None:
    """The operand and the divisor of a quotient by a positive number."""
    if value.op != "floordiv" or value.args[1].op != "constant" or value.args[1].payload <= 0:
        return None
    return value.args[0], int(value.args[1].payload)


def mod(value: Scalar, n: int) -> Scalar:
    """The remainder, in [0, n), of an index divided by a positive number."""
    if n == 1:
        return number(0)
    if (found := _split(value, n)) is not None:
        return found[1]
    if (coarser := _coarser(value, n)) is not None:
        coarse, rest, unit = coarser
        return add(scale(mod(coarse, n // unit), unit), rest)
    constant, coefficients = terms(value)
    rest = from_terms(constant % n, {t: c for t, c in coefficients.items() if c % n})
    return scalar("mod", (rest, number(n)), INDEX)


def _coarser(value: Scalar, n: int) -> tuple[Scalar, Scalar, int] | None:
    """``value`` as coarse·unit + rest, with 1 < unit < n dividing n and the rest in [0, unit).

    Then value // n is coarse // (n / unit): what lies within a unit does not matter to it.
    """
    constant, coefficients = terms(value)
    for unit in sorted({gcd(c, n) for c in coefficients.values()} - {1, n}, reverse=True):
        rest = from_terms(constant % unit, {t: c for t, c in coefficients.items() if c % unit})
        low, high = bounds(rest)
        if low >= 0 and high < unit:
            coarse = {t: c // unit for t, c in coefficients.items() if c % unit == 0}
            return from_terms(constant // unit, coarse), rest, unit
    return None


def strides_of(shape: Sequence[int]) -> tuple[int, ...]:
    """How far apart neighbours along each axis lie in row-major order."""
    return tuple([prod(shape[axis + 1 :]) for axis in range(len(shape))])


def ravel(indices: Sequence[Scalar], shape: Sequence[int]) -> Scalar:
    """The row-major offset of a place in an array of ``shape``."""
    return combine(indices, strides_of(shape))


def unravel(offset: Scalar, shape: Sequence[int]) -> list[Scalar]:
    """The place in an array of ``shape`` that lies at a row-major offset."""
    places = []
    for size, stride in zip(shape, strides_of(shape), strict=True):
        places.append(number(0) if size == 1 else mod(floordiv(offset, stride), size))
    return places
