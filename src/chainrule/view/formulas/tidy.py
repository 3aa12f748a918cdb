"""Formulas put in order: numbers first, then conditions, then the upstream; what is common, outside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction as Ratio
from typing import NamedTuple

from .movements import transposed
from .notation import Big, Call, Cases, Indicator, Ones, Shaped
from .tree import (
    Fraction,
    Math,
    MatrixProduct,
    Number,
    Power,
    Product,
    Root,
    Sum,
    Symbol,
    Transpose,
    negative,
    number,
    rebuilt_formula,
    substituted,
)


def tidy(formula: Math, upstream: Math | None = None) -> Math:
    """The same formula as people write it: ``ȳ ⊙ (1 − h²)`` for ``(1 − h ⊙ h) ⊙ ȳ``."""
    found = rebuilt_formula(formula, lambda part: tidy(part, upstream))
    match found:
        case Product() | Fraction() | MatrixProduct():
            return _product(found, upstream)
        case Sum():
            return _sum(found, upstream)
        case Cases():
            return _cases(found, upstream)
        case Big(sign="Σ"):
            return _summed(found, upstream)
        case Transpose() | Shaped():
            return _turned(found, upstream)
    return found


# -- products ----------------------------------------------------------------------------------------------


class Term(NamedTuple):
    """A number times the factors above a bar over those below it."""

    coefficient: float | int
    top: list[Math]
    bottom: list[Math]


def _term(formula: Math) -> Term:
    if isinstance(formula, Number):
        return Term(formula.value, [], [])
    if isinstance(formula, Sum) and len(formula.terms) == 1:
        inner = _term(formula.terms[0])
        return Term(inner.coefficient * formula.signs[0], inner.top, inner.bottom)
    if isinstance(formula, Product):
        inners = [_term(factor) for factor in formula.factors]
        coefficient = math.prod(inner.coefficient for inner in inners)
        return Term(coefficient, [f for i in inners for f in i.top], [f for i in inners for f in i.bottom])
    if isinstance(formula, Fraction):
        upper, lower = _term(formula.top), _term(formula.bottom)
        if lower.coefficient:
            quotient = _whole_or_not(upper.coefficient / lower.coefficient)
            return Term(quotient, upper.top + lower.bottom, upper.bottom + lower.top)
    if isinstance(formula, MatrixProduct):
        inners = [_term(factor) for factor in formula.factors]
        coefficient = math.prod(inner.coefficient for inner in inners)
        if coefficient == 0:
            return Term(0, [], [])
        if coefficient != 1:
            plain = [_written(inner._replace(coefficient=1), None) for inner in inners]
            return Term(coefficient, [replace(formula, factors=tuple(plain))], [])
    return Term(1, [formula], [])


def _whole_or_not(value: float) -> float | int:
    return int(value) if float(value).is_integer() and abs(value) < 2**53 else value


def _product(formula: Math, upstream: Math | None) -> Math:
    term = _term(formula)
    if term.coefficient == 0:
        return number(0)
    return formula if term.top == [formula] else _written(term, upstream)


def _written(term: Term, upstream: Math | None) -> Math:
    size = abs(term.coefficient)
    above, below = _constant(size, alone=not term.top and not term.bottom)
    over = _joined([*above, *_collected(_without_ones(term.top), upstream)])
    under = _joined([*below, *_collected(term.bottom, None)])
    found = over if under == Number(1) else Fraction(over, under)
    return negative(found) if term.coefficient < 0 else _recognised(found)


def _constant(size: float, *, alone: bool) -> tuple[list[Math], list[Math]]:
    """A positive number as what stands above and below the bar; a part of something is a fraction."""
    if size == 1:
        return [], []
    if not math.isfinite(size):
        return [number(size)], []
    for value, above, below in _CONSTANTS:
        if abs(size - value) < 1e-6 * value:
            return above, below
    if not alone and size < 1 and abs(1 / size - round(1 / size)) < 1e-6 / size and 1 / size < 1e9:
        return [], [number(round(1 / size))]
    ratio, short = Ratio(size).limit_denominator(100), float(f"{size:.4g}")
    if ratio.denominator > 1 and abs(size - ratio) < 1e-6 * size < abs(size - short):
        return [number(ratio.numerator)], [number(ratio.denominator)]
    return [number(size)], []


_PI, _TWO = Symbol("π"), Number(2)
#: Numbers that have a better name than their digits.
_CONSTANTS: list[tuple[float, list[Math], list[Math]]] = [
    (2 / math.sqrt(math.pi), [_TWO], [Root(_PI)]),
    (math.sqrt(2 / math.pi), [Root(Fraction(_TWO, _PI))], []),
    (1 / math.sqrt(2 * math.pi), [], [Root(Product((_TWO, _PI)))]),
    (math.sqrt(0.5), [], [Root(_TWO)]),
    (1 / math.log(2), [], [Call("log", (_TWO,))]),
    (math.log(2), [Call("log", (_TWO,))], []),
]


def _without_ones(factors: list[Math]) -> list[Math]:
    """A factor of ones says nothing beside another that has its axes."""
    return [
        factor
        for factor in factors
        if not (_is_ones(factor) and any(f is not factor and f.ndim >= factor.ndim for f in factors))
    ]


def _is_ones(formula: Math) -> bool:
    return isinstance(formula.body if isinstance(formula, Transpose) else formula, Ones)


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

    def place(factor: Math) -> int:
        return 0 if isinstance(factor, Indicator) else 1 if _is_upstream(factor, upstream) else 2

    return sorted(found, key=place)


def _is_upstream(factor: Math, upstream: Math | None) -> bool:
    """Whether it is the upstream, or that as a row or a column."""
    bare = factor.body if isinstance(factor, Shaped) else factor
    return upstream is not None and bare in (upstream, Transpose(upstream))


def _power(factor: Math) -> tuple[Math, float | int]:
    if isinstance(factor, Power) and isinstance(factor.exponent, Number):
        return factor.base, factor.exponent.value
    return factor, 1


# -- sums --------------------------------------------------------------------------------------------------


def _sum(formula: Sum, upstream: Math | None) -> Math:
    """Sums within the sum opened, no term with a sign of its own, and what all terms share outside."""
    terms: list[Term] = []
    for part, sign in zip(formula.terms, formula.signs, strict=True):
        inner = zip(part.terms, part.signs, strict=True) if isinstance(part, Sum) else [(part, 1)]
        for one, own in inner:
            term = _term(one)
            if term.coefficient:
                terms.append(term._replace(coefficient=term.coefficient * sign * own))
    if not terms:
        return number(0)
    if len(terms) > 1 and (found := _factored(terms, upstream)) is not None:
        return found
    return _added(terms, upstream)


def _added(terms: Sequence[Term], upstream: Math | None) -> Math:
    """The sum, equal terms together; it begins with a term that is added, if there is one."""
    terms = _merged(terms)
    if not terms:
        return number(0)
    first = next((place for place, term in enumerate(terms) if term.coefficient > 0), 0)
    order = [terms[first], *terms[:first], *terms[first + 1 :]]
    if len(order) == 1 and order[0].coefficient > 0:
        return _written(order[0], upstream)
    signs = tuple([1 if term.coefficient > 0 else -1 for term in order])
    return Sum(tuple([_written(t._replace(coefficient=abs(t.coefficient)), upstream) for t in order]), signs)


def _merged(terms: Sequence[Term]) -> list[Term]:
    """Terms that differ in their coefficient alone, as one."""
    found: list[Term] = []
    for term in terms:
        for place, other in enumerate(found):
            if (term.top, term.bottom) == (other.top, other.bottom) and term.top:
                found[place] = other._replace(coefficient=other.coefficient + term.coefficient)
                break
        else:
            found.append(term)
    return [term for term in found if term.coefficient]


def _factored(terms: Sequence[Term], upstream: Math | None) -> Math | None:
    """The terms over their common factors, where the upstream is among them: ``ȳ ⊙ (p − y)``."""
    common = [f for f in dict.fromkeys(terms[0].top) if all(f in term.top for term in terms)]
    below = [f for f in dict.fromkeys(terms[0].bottom) if all(f in term.bottom for term in terms)]
    sizes = {abs(term.coefficient) for term in terms}
    scale = sizes.pop() if len(sizes) == 1 else 1
    shared = upstream == Number(1) and (scale != 1 or below)
    if not shared and not any(_is_upstream(factor, upstream) for factor in common):
        return None
    rest = [
        Term(_whole_or_not(term.coefficient / scale), _less(term.top, common), _less(term.bottom, below))
        for term in terms
    ]
    return _written(Term(scale, [*common, _added(rest, upstream)], below), upstream)


def _less(factors: Sequence[Math], taken: Sequence[Math]) -> list[Math]:
    left = list(factors)
    for factor in taken:
        left.remove(factor)
    return left


def _summed(formula: Big, upstream: Math | None) -> Math:
    """Numbers and signs stand before the sum."""
    term = _term(formula.body)
    if formula.operand is None or term.coefficient in (0, 1) or not (term.top or term.bottom):
        return formula
    whole = _term(formula.operand)
    if whole.coefficient != term.coefficient:
        return formula
    one = term._replace(coefficient=1), whole._replace(coefficient=1)
    body, operand = (_written(part, upstream) for part in one)
    return _written(Term(term.coefficient, [replace(formula, body=body, operand=operand)], []), upstream)


# -- choices and transposes --------------------------------------------------------------------------------


def _cases(formula: Cases, upstream: Math | None) -> Math:
    """A factor of both branches stands outside."""
    formula = _in_branch(formula)
    a, b = _term(formula.value), _term(formula.otherwise)
    common = [factor for factor in a.top if factor in b.top]
    if not common or a.bottom or b.bottom:
        return formula
    value, otherwise = (_written(part._replace(top=_less(part.top, common)), upstream) for part in (a, b))
    choice = Cases(value, formula.condition, otherwise)
    return _product(Product((*common, choice)), upstream)


def _in_branch(formula: Cases) -> Cases:
    """Where x > 0 does not hold, min(x, 0) is x."""
    condition = formula.condition
    if getattr(condition, "sign", "") != ">" or getattr(condition, "right", None) != Number(0):
        return formula
    x: Math = condition.left  # type: ignore[attr-defined]  # a question, by its sign
    cut = (Call("min", (x, Number(0))), Call("min", (Number(0), x)))
    return replace(formula, otherwise=substituted(formula.otherwise, lambda part: x if part in cut else None))


def _turned(formula: Transpose | Shaped, upstream: Math | None) -> Math:
    """Numbers and ones need no transposing, nor being seen as a column."""
    term = _term(formula.body)
    arrays = [factor for factor in term.top if factor.ndim]
    if any(factor.ndim for factor in term.bottom) or len(arrays) > 1:
        return formula
    top = [_turned_factor(formula, factor) if factor.ndim else factor for factor in term.top]
    return _written(term._replace(top=top), upstream)


def _turned_factor(formula: Transpose | Shaped, factor: Math) -> Math:
    if isinstance(formula, Transpose):
        return transposed(factor)
    return Ones(formula.shape) if isinstance(factor, Ones) else replace(formula, body=factor)


# -- functions with a name of their own --------------------------------------------------------------------


def _recognised(formula: Math) -> Math:
    """The normal distribution function and its density, by which GELU is known."""
    if not isinstance(formula, Fraction):
        return formula
    top, bottom = formula.top, formula.bottom
    if bottom == _TWO and isinstance(top, Sum) and top.signs == (1, 1) and Number(1) in top.terms:
        other = next((t for t in top.terms if isinstance(t, Call) and t.function == "erf"), None)
        inner = other.arguments[0] if other is not None else None
        if isinstance(inner, Fraction) and inner.bottom == Root(_TWO):
            return Call("Φ", (inner.top,))
    return formula
