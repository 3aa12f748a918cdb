"""Reads a formula's plain text and computes it: written apart from the library's own, for its tests.

Letters that index arrays are axes with a name: a value is an array whose first axes belong to letters,
in the order of ``letters``, and whose other axes are its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.special

Array = np.ndarray[Any, np.dtype[Any]]
_TOKEN = re.compile(
    r"(?P<space> +)|(?P<number>\d+(?:\.\d+)?(?:e[−-]?\d+)?|∞)|(?P<name>[^\W\d_⁰¹²³⁴-⁹ᵀ√Σ][^\W⁰¹²³⁴-⁹ᵀᵢⱼₖₗ]*)"
    r"|(?P<power>[⁻⁰¹²³⁴-⁹]+)|(?P<sign>[+−·⊙/^=≠<≤>≥∧∨⊻¬√|⌊⌋⌈⌉()\[\],;:ᵀ])|(?P<big>Σ[ᵢⱼₖₗ]+)"
)
_DIGITS = dict(zip("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789", strict=True))
_LETTERS = dict(zip("ᵢⱼₖₗ", "ijkl", strict=True))
_NUMPYS = (
    "exp log log2 sin cos tan sinh cosh tanh arcsin arccos arctan arcsinh arccosh arctanh arctan2 sign "
    "isfinite isnan round"
)
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in _NUMPYS.split(" ")},
    "max": np.maximum,
    "min": np.minimum,
    "σ": scipy.special.expit,
    "Φ": scipy.special.ndtr,
    "erf": scipy.special.erf,
    "softmax": lambda x: scipy.special.softmax(x, axis=-1),
    "mean": lambda x: np.mean(x, axis=-1, keepdims=True),
    "var": lambda x: np.var(x, axis=-1, keepdims=True),
    "stop_gradient": lambda x: x,
}
_COMPARE = {
    "=": np.equal, "≠": np.not_equal, "<": np.less, "≤": np.less_equal, ">": np.greater,
    "≥": np.greater_equal,
}  # fmt: skip
_LOGIC = {"∧": np.logical_and, "∨": np.logical_or, "⊻": np.logical_xor}


class Named(NamedTuple):
    array: Array
    letters: tuple[str, ...] = ()


def read(text: str, values: Mapping[str, Any]) -> Array:
    """The value of a formula's text."""
    reader = Reader(text, values)
    found = reader.choice()
    assert reader.next() == "", f"{text!r}: {reader.next()!r} is left over"
    return found.array


def together(function: Callable[..., Any], *values: Named) -> Named:
    """A function of arrays that broadcast: letters meet letters, axes meet axes."""
    letters = tuple(sorted({letter for value in values for letter in value.letters}))
    own = max(value.array.ndim - len(value.letters) for value in values)
    arrays = []
    for value in values:
        sizes = dict(zip(value.letters, value.array.shape, strict=False))
        order = sorted(range(len(value.letters)), key=lambda n: value.letters[n])
        rest = value.array.shape[len(value.letters) :]
        moved = value.array.transpose(*order, *range(len(value.letters), value.array.ndim))
        front = [sizes.get(letter, 1) for letter in letters]
        arrays.append(moved.reshape((*front, *[1] * (own - len(rest)), *rest)))
    with np.errstate(all="ignore"):
        return Named(np.asarray(function(*arrays)), letters)


class Reader:
    def __init__(self, text: str, values: Mapping[str, Any]) -> None:
        self.text, self.values, self.place = text, values, 0
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            assert found is not None, f"{text!r} cannot be read from {text[at:]!r} on"
            self.tokens.append((str(found.lastgroup), found[0]))
            at = found.end()

    def next(self, ahead: int = 0) -> str:
        rest = [token for token in self.tokens[self.place :] if token[0] != "space"]
        return rest[ahead][1] if len(rest) > ahead else ""

    def take(self, wanted: str = "") -> tuple[str, str]:
        while self.tokens[self.place][0] == "space":
            self.place += 1
        token = self.tokens[self.place]
        assert not wanted or token[1] == wanted, f"{self.text!r}: {wanted!r} expected, not {token[1]!r}"
        self.place += 1
        return token

    def choice(self) -> Named:
        value = self.level(0)
        if self.next() != "if":
            return value
        self.take("if")
        condition = self.level(0)
        self.take("else")
        return together(np.where, condition, value, self.choice())

    def level(self, number: int) -> Named:
        if number == 2:
            return self.sum()
        found = self.level(number + 1)
        table = (_LOGIC, _COMPARE)[number]
        while self.next() in table:
            found = together(table[self.take()[1]], found, self.level(number + 1))
        return found

    def sum(self) -> Named:
        sign = -1 if self.next() == "−" else 1
        if sign < 0:
            self.take()
        found = together(lambda a: sign * a, self.term()) if sign < 0 else self.term()
        while self.next() in ("+", "−"):
            plus = self.take()[1] == "+"
            found = together(np.add if plus else np.subtract, found, self.term())
        return found

    def term(self) -> Named:
        if self.next()[:1] == "Σ":
            letters = [_LETTERS[c] for c in self.take()[1][1:]]
            body = self.product()
            axes = tuple(body.letters.index(letter) for letter in letters)
            left = tuple(letter for letter in body.letters if letter not in letters)
            return Named(np.sum(body.array, axis=axes), left)
        return self.product()

    def product(self) -> Named:
        found = self.postfix()
        while self.next() in ("·", "⊙", "/", "mod"):
            sign = self.take()[1]
            function = {"/": np.divide, "mod": np.mod}.get(sign, np.multiply)
            found = together(function, found, self.postfix())
        return found

    def postfix(self) -> Named:
        found = self.atom()
        while True:
            kind, token = self.tokens[self.place] if self.place < len(self.tokens) else ("", "")
            if kind == "power":
                exponent = int("".join(_DIGITS[c] for c in self.take()[1]))
                found = together(lambda a: np.power(np.asarray(a, float), exponent), found)  # noqa: B023
            elif token == "^":
                self.take()
                found = together(lambda a, b: np.power(np.asarray(a, float), b), found, self.postfix())
            elif token == "[":
                found = self.indexed(found)
            else:
                return found

    def atom(self) -> Named:
        kind, token = self.take()
        if kind == "number":
            if token == "1" and self.tokens[self.place : self.place + 1] == [("sign", "[")]:
                return together(lambda a: a.astype(float), self.inside("]", self.take("[")))
            return Named(np.array(np.inf if token == "∞" else float(token.replace("−", "-"))))
        if kind == "name":
            if self.tokens[self.place : self.place + 1] == [("sign", "(")] and token not in self.values:
                return self.call(token)
            return Named(np.asarray({"π": np.pi, "true": True, "false": False, **self.values}[token]))
        if token in "(|⌊⌈":
            end = {"(": ")", "|": "|", "⌊": "⌋", "⌈": "⌉"}[token]
            inner = self.inside(end)
            function = {"|": np.abs, "⌊": np.floor, "⌈": np.ceil}.get(token)
            return inner if function is None else together(function, inner)
        assert token in "√¬", f"{self.text!r}: {token!r} begins nothing"
        return together(np.sqrt if token == "√" else np.logical_not, self.postfix())

    def inside(self, end: str, opened: Any = None) -> Named:
        found = self.choice()
        self.take(end)
        return found

    def call(self, function: str) -> Named:
        self.take("(")
        arguments = [self.choice()]
        while self.next() == ",":
            self.take()
            arguments.append(self.choice())
        self.take(")")
        return together(_FUNCTIONS[function], *arguments)

    def indexed(self, base: Named) -> Named:
        """``base[i, :, t[i]]``, of a base without letters."""
        self.take("[")
        places: list[Named | None] = []
        new: list[int] = []
        while self.next() != "]":
            if self.next() == ":":
                self.take()
                places.append(None)
            elif self.next() == "None":
                self.take()
                new.append(len(new) + sum(place is None for place in places))
            elif re.fullmatch("[ijkl]", self.next()) and self.next(1) in (",", "]"):
                letter = self.take()[1]
                length = base.array.shape[len(base.letters) + len(places)]
                places.append(Named(np.arange(length), (letter,)))
            else:
                places.append(self.choice())
            if self.next() == ",":
                self.take()
        self.take("]")
        assert not base.letters
        found = _at(base.array, places)
        axes = tuple(len(found.letters) + place for place in new)
        return Named(np.expand_dims(found.array, axes), found.letters)


def _at(array: Array, places: Sequence[Named | None]) -> Named:
    fixed = [n for n, place in enumerate(places) if place is not None]
    moved = np.moveaxis(array, fixed, range(len(fixed)))
    indices = [place for place in places if place is not None]
    letters = tuple(sorted({letter for place in indices for letter in place.letters}))
    grids = [together(lambda a, b: a + 0 * b, place, *_zeros(letters, indices)) for place in indices]
    return Named(moved[tuple(grid.array.astype(int) for grid in grids)], letters)


def _zeros(letters: Sequence[str], places: Sequence[Named]) -> list[Named]:
    total = Named(np.zeros((), int))
    for place in places:
        total = together(lambda a, b: 0 * a + 0 * b, total, place)
    return [total]
