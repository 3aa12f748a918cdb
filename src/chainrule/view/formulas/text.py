"""Formulas as plain text: one line, Unicode signs, indices in brackets."""

from __future__ import annotations

from collections.abc import Sequence

from .styles import lower, parts_of, raise_


class Text:
    """The style of plain text."""

    flat = True

    def number(self, digits: str) -> str:
        return digits

    def symbol(self, name: str, tensor: bool) -> str:
        return name

    def words(self, words: str) -> str:
        return words

    def sign(self, sign: str, *, prefix: bool = False) -> str:
        return sign if prefix else f" {sign} "

    def times(self, sign: str) -> str:
        return sign if sign == "·" else f" {sign} " if sign else " "

    def row(self, pieces: Sequence[str]) -> str:
        return "".join(pieces)

    def listed(self, items: Sequence[str], separator: str = ",") -> str:
        return f"{separator} ".join(items)

    def fence(self, left: str, body: str, right: str) -> str:
        return f"{left}{body}{right}"

    def fraction(self, top: str, bottom: str) -> str:
        return f"{top} / {bottom}"

    def superscript(self, base: str, exponent: str) -> str:
        raised = raise_(exponent.removeprefix("(").removesuffix(")"))
        return f"{base}{raised}" if raised else f"{base}^{exponent}"

    def transpose(self, base: str) -> str:
        return f"{base}ᵀ"

    def root(self, body: str) -> str:
        return f"√{body}"

    def call(self, function: str, arguments: Sequence[str]) -> str:
        return f"{function}({', '.join(arguments)})"

    def index(self, base: str, places: Sequence[str]) -> str:
        return f"{base}[{', '.join(places)}]"

    def big(self, sign: str, letters: Sequence[str], body: str, limits: tuple[int, int] | None = None) -> str:
        below = "".join(letters)
        if limits is not None:
            return f"{sign}({below}={limits[0]}…{limits[1]}) {body}"
        return f"{sign}{lower(below) or ('_' + below if below else '')} {body}"

    def cases(self, value: str, condition: str, otherwise: str) -> str:
        return f"{value} if {condition} else {otherwise}"

    def raised(self, name: str) -> bool:
        return bool(parts_of(name).superscript)


TEXT = Text()
