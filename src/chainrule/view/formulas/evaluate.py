"""Formulas computed as they stand: what is printed, held against what the engines gave."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...namespace import erf
from .calls import conformed
from .notation import Big, Call, Cases, Derivative, Fence, Index, Indicator, Infix, Joined, Not, Ones, Shaped
from .tree import (
    Convention,
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
    Vector,
)

Array = NDArray[Any]


class _InWords(Exception):
    """A part of a formula is words, or a Jacobian that is not written out."""


def evaluate(formula: Math, values: Mapping[str, Any], convention: Convention = "row") -> Array | None:
    """The value of a formula, given those of its names; None where a part of it is only words.

    >>> from chainrule.view.formulas import parse
    >>> formula = parse("x * (1 - h²)")
    >>> evaluate(formula, {"x": np.array([1.0, 2.0]), "h": np.array([0.0, 0.5])})
    array([1. , 1.5])
    """
    try:
        with np.errstate(all="ignore"):
            return np.asarray(_Evaluation(values, convention)(formula))
    except _InWords:
        return None


class _Evaluation:
    def __init__(self, values: Mapping[str, Any], convention: Convention) -> None:
        self.values, self.row = values, convention == "row"

    def __call__(self, formula: Math) -> Any:
        match formula:
            case Number(value):
                return value
            case Vector(items):
                return np.array(items)
            case Symbol(name):
                return self._named(name)
            case Sum(terms, signs):
                return sum(sign * self(term) for term, sign in zip(terms, signs, strict=True))
            case Product(factors):
                return _folded(np.multiply, [self(factor) for factor in factors])
            case Fraction(top, bottom):
                return self(top) / self(bottom)
            case Power(base, exponent):
                return np.power(np.asarray(self(base), float), self(exponent))
            case Root(body):
                return np.sqrt(self(body))
            case MatrixProduct():
                return self._matrices(formula)
            case Transpose(body):
                return self._turned(self(body))
            case Ones(shape):
                return np.ones(shape)
            case Shaped(body, shape):
                return conformed(np.asarray(self(body)), shape)
        return self._notation(formula)

    def _notation(self, formula: Math) -> Any:
        match formula:
            case Infix(sign, left, right):
                return _INFIX[sign](self(left), self(right))
            case Not(body):
                return np.logical_not(self(body))
            case Indicator(condition):
                return np.asarray(self(condition)).astype(float)
            case Derivative():
                return self._named(formula.text())
            case Fence(left, body):
                return _FENCES[left](self(body))
            case Cases(value, condition, otherwise):
                return np.where(self(condition), self(value), self(otherwise))
            case Joined(items, compute) if compute is not None:
                return compute(*[self(item) for item in items])
            case Call(function, arguments, options, compute=None):
                if function not in _FUNCTIONS or any(options):
                    raise _InWords
                return _FUNCTIONS[function](*[self(argument) for argument in arguments])
            case Call(_, arguments, compute=compute) if compute is not None:
                return compute(*[self(argument) for argument in arguments])
            case Index(compute=compute) if compute is not None:
                return compute(*[self(operand) for operand in formula.operands])
            case Big(operand=operand) if operand is not None:
                value = self(operand)
                return value if formula.compute is None else formula.compute(value)
        raise _InWords

    def _named(self, name: str) -> Any:
        if name in self.values:
            return self.values[name]
        if name in _NAMES:
            return _NAMES[name]
        raise _InWords

    def _turned(self, value: Any) -> Any:
        array = np.asarray(value)
        if array.ndim == 1:
            return array[:, None] if self.row else array[None, :]
        return np.swapaxes(array, -1, -2) if array.ndim else array

    def _matrices(self, formula: MatrixProduct) -> Any:
        arrays = [np.asarray(self(factor)) for factor in formula.factors]
        matrices = [
            (array[None, :] if self.row else array[:, None]) if array.ndim == 1 else array for array in arrays
        ]
        found = matrices[0]
        for other in matrices[1:]:
            found = np.multiply(found, other) if not found.ndim or not other.ndim else found @ other
        if formula.axes == 0 and found.size == 1:
            return found.reshape(())
        return found.reshape(-1) if formula.axes == 1 and found.ndim == 2 and 1 in found.shape else found


def _folded(function: Callable[[Any, Any], Any], values: list[Any]) -> Any:
    found = values[0]
    for value in values[1:]:
        found = function(found, value)
    return found


def _softmax(x: Any) -> Any:
    powers = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


_NAMES = {"π": math.pi, "I": 1.0}
_INFIX: dict[str, Callable[[Any, Any], Any]] = {
    "=": np.equal, "≠": np.not_equal, "<": np.less, "≤": np.less_equal, ">": np.greater,
    "≥": np.greater_equal, "∧": np.logical_and, "∨": np.logical_or, "⊻": np.logical_xor, "mod": np.mod,
}  # fmt: skip
_FENCES: dict[str, Callable[[Any], Any]] = {"|": np.abs, "⌊": np.floor, "⌈": np.ceil}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in (
        "exp", "log", "log2", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan",
        "arcsinh", "arccosh", "arctanh", "arctan2", "sign", "where",
    )},
    "max": lambda *values: _folded(np.maximum, list(values)),
    "min": lambda *values: _folded(np.minimum, list(values)),
    "σ": lambda x: 0.5 * (1 + np.tanh(0.5 * np.asarray(x, float))),
    "erf": lambda x: erf(np, np.asarray(x, float)),
    "Φ": lambda x: 0.5 * (1 + erf(np, np.asarray(x, float) / math.sqrt(2))),
    "softmax": _softmax,
    "stop_gradient": lambda x: x,
    "diag": np.diag,
}  # fmt: skip
