"""From an op's ``formula``, the line of text that says what it computes, to the tree of it.

The grammar is that of Python's operators with the signs that people write: ``{x} * σ({x})``, ``|{x}|``,
``√{x}``, ``⌊{x} / {y}⌋``, ``{x}²``, ``not {x}``, ``{x}[{y}]``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from .notation import Call, Fence, Index, Infix, Not
from .tree import (
    Fraction,
    Math,
    MatrixProduct,
    Power,
    Product,
    Root,
    Sum,
    Symbol,
    Transpose,
    negative,
    number,
    substituted,
)

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:e-?\d+)?)|(?P<hole>\{\w+\})|(?P<word>[^\W\d_²³ᵀ][^\W²³ᵀ]*)"
    r"|(?P<sign>\*\*|==|!=|<=|>=|[-+*/@%()\[\],|<>^²³ᵀ⌊⌋⌈⌉√−·⊙≤≥≠]))"
)
_SIGNS = {"−": "-", "·": "*", "⊙": "*", "≠": "!=", "≤": "<=", "≥": ">=", "^": "**"}
_INFIX = {
    "==": "=",
    "!=": "≠",
    "<=": "≤",
    ">=": "≥",
    "<": "<",
    ">": ">",
    "and": "∧",
    "or": "∨",
    "xor": "⊻",
    "%": "mod",
}
_BINDING = {
    "or": 1, "xor": 2, "and": 3, "==": 5, "!=": 5, "<": 5, "<=": 5, ">": 5, ">=": 5, "+": 6, "-": 6,
    "*": 7, "/": 7, "%": 7, "@": 7, "**": 9,
}  # fmt: skip
_FENCES = {"|": "|", "⌊": "⌋", "⌈": "⌉"}


class _Unreadable(Exception):
    """What was read is no formula."""


class _Parser:
    """Precedence climbing over the tokens of one formula."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        place = 0
        while text[place:].strip():
            found = _TOKEN.match(text, place)
            if found is None:
                raise _Unreadable(text[place:])
            kind = str(found.lastgroup)
            self.tokens.append((kind, _SIGNS.get(found[kind], found[kind])))
            place = found.end()
        self.text, self.place = text, 0

    def peek(self) -> str:
        """The next token; of operators and marks only, so that a name is never taken for one."""
        return self.tokens[self.place][1] if self.place < len(self.tokens) else ""

    def take(self, *wanted: str) -> tuple[str, str]:
        if self.place >= len(self.tokens) or (wanted and self.peek() not in wanted):
            raise _Unreadable(f"{wanted or 'more'} expected")
        self.place += 1
        return self.tokens[self.place - 1]

    def whole(self) -> Math:
        found = self.expression(0)
        if self.place < len(self.tokens):
            raise _Unreadable(self.peek())
        return found

    def expression(self, least: int) -> Math:
        if self.peek() == "-":
            self.take()
            left: Math = negative(self.expression(7))
        elif self.peek() == "not":
            self.take()
            left = Not(self.expression(4))
        else:
            left = self.postfixed(self.atom())
        while (sign := self.peek()) and _BINDING.get(sign, -1) >= least:
            self.take()
            right = self.expression(_BINDING[sign] + (sign != "**"))
            left = _combined(sign, left, right)
        return left

    def postfixed(self, found: Math) -> Math:
        while (mark := self.peek()) in ("²", "³", "ᵀ", "["):
            self.take()
            if mark == "[":
                found = Index(found, tuple(self.items("]")))
            elif mark == "ᵀ":
                found = Transpose(found)
            else:
                found = Power(found, number(2 if mark == "²" else 3))
        return found

    def atom(self) -> Math:
        kind, token = self.take()
        if kind == "number":
            return number(float(token) if "." in token or "e" in token else int(token))
        if kind == "hole":
            return Symbol(token)
        if kind == "word":
            if self.peek() != "(":
                return Symbol(token)
            self.take("(")
            arguments = tuple(self.items(")"))
            if token == "floor" and len(arguments) == 1:
                return Fence("⌊", arguments[0], "⌋")
            return Call(token, arguments)
        if token == "(":
            found = self.expression(0)
            self.take(")")
            return found
        if token == "√":
            return Root(self.postfixed(self.atom()))
        if token in _FENCES:
            found = self.expression(0)
            self.take(_FENCES[token])
            return Fence(token, found, _FENCES[token])
        raise _Unreadable(token)

    def items(self, end: str) -> list[Math]:
        found: list[Math] = []
        while self.peek() != end:
            found.append(self.expression(0))
            if self.peek() != end:
                self.take(",")
        self.take(end)
        return found


def _combined(sign: str, left: Math, right: Math) -> Math:
    if sign in _INFIX:
        return Infix(_INFIX[sign], left, right)
    if sign in "+-":
        terms = left if isinstance(left, Sum) else Sum((left,), (1,))
        return Sum((*terms.terms, right), (*terms.signs, 1 if sign == "+" else -1))
    if sign == "*":
        factors = left.factors if isinstance(left, Product) else (left,)
        return Product((*factors, right))
    if sign == "@":
        return MatrixProduct((left, right))
    return Fraction(left, right) if sign == "/" else Power(left, right)


@lru_cache(maxsize=512)
def parse(formula: str) -> Math | None:
    """The tree of a formula, with symbols named ``{x}`` where its operands stand; None for words.

    Words are what is no formula of this grammar: ``the {x} before``.

    >>> parse("log(1 + exp({x}))").text()
    'log(1 + exp({x}))'
    """
    try:
        return _Parser(formula).whole()
    except _Unreadable:
        return None


def filled(formula: str, operands: Mapping[str, Math]) -> Math | None:
    """The tree of a formula on these operands; None for words.

    >>> filled("{x} * σ({x})", {"x": Symbol("z", 1)}).text()
    'z ⊙ σ(z)'
    """

    def operand(part: Math) -> Math | None:
        if isinstance(part, Symbol) and part.name[0] == "{":
            return operands.get(part.name[1:-1], Symbol(part.name[1:-1]))
        return None

    found = parse(formula)
    return None if found is None else substituted(found, operand)
