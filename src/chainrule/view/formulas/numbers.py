"""Formulas with numbers in the places of names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .notation import Index
from .tree import Math, Symbol, Vector, number, rebuilt_formula

_MOST = 4  # elements of an array that is written out
_DIGITS = 4


def with_numbers(formula: Math, values: Mapping[str, Any]) -> Math:
    """The formula with values for names, to four digits: those of one number and of short vectors.

    Larger arrays keep their names, and so does what is indexed.

    >>> from chainrule.view.formulas import Power, Product, Sum, number, symbol
    >>> rule = Product((symbol("ȳ"), Sum((number(1), Power(symbol("h"), number(2))), (1, -1))))
    >>> with_numbers(rule, {"ȳ": -2.0, "h": 0.5}).text()
    '(−2)·(1 − 0.5²)'
    """
    if isinstance(formula, Symbol):
        return _written(formula, values[formula.name]) if formula.name in values else formula
    if isinstance(formula, Index):
        return formula
    return rebuilt_formula(formula, lambda part: with_numbers(part, values))


def _written(symbol: Symbol, value: Any) -> Math:
    array = np.asarray(value)
    if array.dtype.kind == "b" and not array.ndim:
        return number(array)
    if array.size > _MOST or array.ndim > 2 or not array.size:
        return symbol
    if not array.ndim:
        return number(_rounded(array.item()))
    return Vector(_rows(array.tolist()), array.ndim)


def _rows(items: list[Any]) -> tuple[Any, ...]:
    return tuple([_rows(item) if isinstance(item, list) else number(_rounded(item)).value for item in items])


def _rounded(value: Any) -> Any:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
