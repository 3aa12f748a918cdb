"""Formulas put in order: numbers first, then conditions, then the upstream; powers collected."""

from __future__ import annotations

from collections.abc import Sequence

from .notation import Cases, Indicator
from .tree import Fraction, Math, Number, Power, Product, Sum, negative, number, rebuilt_formula


def tidy(formula: Math, upstream: Math | None = None) -> Math:
    """The same formula as people write it: ``ȳ ⊙ (1 − h²)`` for ``(1 − h ⊙ h) ⊙ ȳ``."""
    found = rebuilt_formula(formula, lambda part: tidy(part, upstream))
    if isinstance(found, Product | Fraction):
        return _product(found, upstream)
    if isinstance(found, Sum):
        return _sum(found)
    if isinstance(found, Cases):
        return _cases(found, upstream)
    return found


# -- products ----------------------------------------------------------------------------------------------


def _flat(formula: Math) -> tuple[float | int, list[Math], list[Math]]:
    """A coefficient, the factors above the bar and those below it."""
    if isinstance(formula, Number):
        return formula.value, [], []
    if isinstance(formula, Sum) and len(formula.terms) == 1:
        coefficient, top, bottom = _flat(formula.terms[0])
        return coefficient * formula.signs[0], top, bottom
    if isinstance(formula, Product):
        coefficient, top, bottom = 1, [], []
        for factor in formula.factors:
            inner, over, under = _flat(factor)
            coefficient *= inner
            top += over
            bottom += under
        return coefficient, top, bottom
    if isinstance(formula, Fraction):
        upper, over, under = _flat(formula.top)
        lower, beneath, above = _flat(formula.bottom)
        if lower == 0:
            return 1, [formula], []
        return _quotient(upper, lower), over + above, under + beneath
    return 1, [formula], []


def _quotient(upper: float | int, lower: float | int) -> float | int:
    value = upper / lower
    return int(value) if float(value).is_integer() and abs(value) < 2**53 else value


def _product(formula: Math, upstream: Math | None) -> Math:
    coefficient, top, bottom = _flat(formula)
    if coefficient == 0:
        return formula
    if abs(coefficient) == 1:
        scale, divisor = 1, 1
    elif abs(coefficient) < 1 and _whole(1 / abs(coefficient)):
        scale, divisor = 1, round(1 / abs(coefficient))
    else:
        scale, divisor = abs(coefficient), 1  # type: ignore[assignment]  # a float now and then
    over, under = _collected(top, upstream), _collected(bottom, None)
    numerator = _joined(([] if scale == 1 else [number(scale)]) + over)
    denominator = _joined(([] if divisor == 1 else [number(divisor)]) + under)
    found = numerator if denominator == Number(1) else Fraction(numerator, denominator)
    return negative(found) if coefficient < 0 else found


def _whole(value: float) -> bool:
    return abs(value - round(value)) < 1e-6 * abs(value) and abs(value) < 1e9


def _joined(factors: Sequence[Math]) -> Math:
    if not factors:
        return number(1)
    return factors[0] if len(factors) == 1 else Product(tuple(factors))


def _collected(factors: Sequence[Math], upstream: Math | None) -> list[Math]:
    """Equal factors as powers; conditions first, then the upstream, then the rest in their order."""
    powers: dict[Math, float | int] = {}
    for factor in factors:
        base, exponent = _power(factor)
        powers[base] = powers.get(base, 0) + exponent
    found = [base if n == 1 else Power(base, number(n)) for base, n in powers.items() if n]
    return sorted(
        found, key=lambda factor: 0 if isinstance(factor, Indicator) else 1 if factor == upstream else 2
    )


def _power(factor: Math) -> tuple[Math, float | int]:
    if isinstance(factor, Power) and isinstance(factor.exponent, Number):
        return factor.base, factor.exponent.value
    return factor, 1


# -- sums --------------------------------------------------------------------------------------------------


def _sum(formula: Sum) -> Math:
    """Sums within the sum opened, and no term with a sign of its own."""
    terms: list[Math] = []
    signs: list[int] = []
    for term, sign in zip(formula.terms, formula.signs, strict=True):
        inner = zip(term.terms, term.signs, strict=True) if isinstance(term, Sum) else [(term, 1)]
        for part, own in inner:
            if isinstance(part, Number) and part.value < 0:
                part, own = number(-part.value), -own
            terms.append(part)
            signs.append(sign * own)
    if signs[0] < 0 and 1 in signs:  # a sum begins with a term that is added
        first = signs.index(1)
        terms.insert(0, terms.pop(first))
        signs.insert(0, signs.pop(first))
    if len(terms) == 1 and signs == [1]:
        return terms[0]
    return Sum(tuple(terms), tuple(signs))


def _cases(formula: Cases, upstream: Math | None) -> Math:
    """A factor of both branches stands outside."""
    a, b = (_flat(part) for part in (formula.value, formula.otherwise))
    common = [factor for factor in a[1] if factor in b[1]]
    if not common or a[2] or b[2]:
        return formula
    rest = []
    for coefficient, top, _ in (a, b):
        left = list(top)
        for factor in common:
            left.remove(factor)
        rest.append(_joined(([number(coefficient)] if coefficient != 1 or not left else []) + left))
    return _product(Product((*common, Cases(rest[0], formula.condition, rest[1]))), upstream)
