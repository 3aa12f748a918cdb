"""What a style must be able to set, and what all of them need: the parts of a name, numbers in words."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol


class Style(Protocol):
    """The pieces of formulas, set in one way: every method gives text."""

    flat: bool
    """Whether everything stands on one line: fractions with a slash, indices in brackets."""

    def number(self, digits: str) -> str: ...
    def symbol(self, name: str, tensor: bool) -> str: ...
    def words(self, words: str) -> str: ...
    def sign(self, sign: str, *, prefix: bool = False) -> str: ...
    def times(self, sign: str) -> str: ...
    def row(self, pieces: Sequence[str]) -> str: ...
    def listed(self, items: Sequence[str], separator: str = ",") -> str: ...
    def fence(self, left: str, body: str, right: str) -> str: ...
    def fraction(self, top: str, bottom: str) -> str: ...
    def superscript(self, base: str, exponent: str) -> str: ...
    def transpose(self, base: str) -> str: ...
    def root(self, body: str) -> str: ...
    def call(self, function: str, arguments: Sequence[str]) -> str: ...
    def index(self, base: str, places: Sequence[str]) -> str: ...
    def big(
        self, sign: str, letters: Sequence[str], body: str, limits: tuple[int, int] | None = None
    ) -> str: ...
    def cases(self, value: str, condition: str, otherwise: str) -> str: ...

    def raised(self, name: str) -> bool:
        """Whether a name ends in a superscript, so that a power of it needs parentheses."""
        ...


class Name(NamedTuple):
    """A name taken apart: ``W_xh⁽²⁾`` is W with the subscript xh and the superscript (2)."""

    base: str
    accent: str
    subscript: str
    superscript: str


_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ˡᵗⁿ′", "0123456789+−()ℓtn′", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₍₎ᵢⱼₖₗₘₙₜ", "0123456789+−()ijklmnt", strict=True))
_ACCENTS = {"\u0304": "bar", "\u0302": "hat", "\u0303": "tilde", "\u0307": "dot"}
_TAIL = re.compile(r"^(.*?)(?:_(\w+)|(\d+))?$", re.DOTALL)


def parts_of(name: str) -> Name:
    """The parts of a name.

    >>> parts_of("W1"), parts_of("δ⁽²⁾").superscript, parts_of("ȳ").accent
    (Name(base='W', accent='', subscript='1', superscript=''), '(2)', 'bar')
    """
    end = len(name)
    while end and name[end - 1] in _SUPERSCRIPTS:
        end -= 1
    superscript = "".join(_SUPERSCRIPTS[c] for c in name[end:])
    rest = name[:end]
    while end and rest[end - 1] in _SUBSCRIPTS:
        end -= 1
    subscript = "".join(_SUBSCRIPTS[c] for c in rest[end:])
    rest = rest[:end]
    if not subscript and rest[:1].isalpha() and "." not in rest:
        found = _TAIL.match(rest)
        assert found is not None
        if found[1]:
            rest, subscript = found[1], found[2] or found[3] or ""
    plain = unicodedata.normalize("NFD", rest)
    accent = _ACCENTS.get(plain[1:2], "") if len(plain) == 2 else ""
    if not rest:  # nothing but marks: a name all the same
        return Name(name, "", "", "")
    return Name(plain[0] if accent else rest, accent, subscript, superscript)


_RAISED = {plain: raised for raised, plain in _SUPERSCRIPTS.items()} | {"-": "⁻"}
_LOWERED = {plain: lowered for lowered, plain in _SUBSCRIPTS.items()} | {"-": "₋"}


def raise_(text: str) -> str | None:
    """The text in superscript characters, if all of it exists."""
    found = [_RAISED.get(c) for c in text]
    return "".join(c for c in found if c) if found and all(found) else None


def lower(text: str) -> str | None:
    """The text in subscript characters, if all of it exists."""
    found = [_LOWERED.get(c) for c in text]
    return "".join(c for c in found if c) if found and all(found) else None


def spell(value: Any) -> str:
    """A number with at most six significant digits and a minus sign: ``−0.25``, ``1e−05``, ``∞``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value).replace("-", "−")
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "−∞"
    return f"{value:.6g}".replace("-", "−")


#: Functions that are written upright and without a sign of multiplication, by the names of the ops.
FUNCTIONS = frozenset({
    "exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "max", "min",
    "argmax", "argmin",
})  # fmt: skip
