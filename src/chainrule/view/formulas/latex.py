"""Formulas as LaTeX, with amsmath and nothing else."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from .styles import FUNCTIONS, parts_of

_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi "
    "psi omega"
)
_LETTERS = {
    unicodedata.lookup(f"GREEK SMALL LETTER {word.replace('lambda', 'lamda').upper()}"): f"\\{word}"
    for word in _GREEK.split()
}
_LETTERS |= {
    unicodedata.lookup(f"GREEK CAPITAL LETTER {word.replace('lambda', 'lamda').upper()}"): f"\\{word.title()}"
    for word in ["gamma", "delta", "theta", "lambda", "xi", "sigma", "upsilon", "phi", "psi", "omega"]
}
_LETTERS |= {"π": "\\pi", "ℓ": "\\ell", "′": "\\prime ", "𝟏": "\\mathbf{1}", "−": "-"}
_SIGNS = {
    "−": "-", "·": "\\cdot", "⊙": "\\odot", "≠": "\\neq", "≤": "\\leq", "≥": "\\geq", "∧": "\\land",
    "∨": "\\lor", "⊻": "\\veebar", "¬": "\\lnot ", "∂": "\\partial ", "mod": "\\bmod", "Σ": "\\sum",
    "Π": "\\prod", "∞": "\\infty", "⌊": "\\lfloor ", "⌋": "\\rfloor", "⌈": "\\lceil ", "⌉": "\\rceil",
    "≡": "\\equiv", "∈": "\\in", "×": "\\times", "∗": "\\ast", "⋆": "\\star", "{": "\\{", "}": "\\}",
}  # fmt: skip
_ESCAPES = {c: f"\\{c}" for c in "%&_#${}"} | {"\\": "\\textbackslash{}", "^": "\\^{}", "~": "\\~{}"}
_IN_WORDS = {"×": "\\times ", "−": "-", "…": "\\dots ", "∞": "\\infty ", "ᵀ": "^{\\top}"}


class LaTeX:
    """The style of LaTeX."""

    flat = False

    def number(self, digits: str) -> str:
        if digits in ("true", "false", "NaN"):
            return f"\\text{{{digits}}}"
        mantissa, e, exponent = digits.replace("−", "-").replace("∞", "\\infty").partition("e")
        if not e:
            return mantissa
        ten = f"10^{{{int(exponent)}}}"
        return ten if mantissa == "1" else f"{mantissa} \\cdot {ten}"

    def symbol(self, name: str, tensor: bool) -> str:
        base, accent, subscript, superscript = parts_of(name)
        found = _letters(base, tensor)
        if accent:
            found = f"\\{accent}{{{found}}}"
        if subscript:
            found += f"_{{{_mark(subscript)}}}"
        return f"{found}^{{{_mark(superscript)}}}" if superscript else found

    def words(self, words: str) -> str:
        pieces = re.split(f"([{''.join(_IN_WORDS)}])", words)
        return "".join(_IN_WORDS.get(piece) or f"\\text{{{escape(piece)}}}" for piece in pieces if piece)

    def sign(self, sign: str, *, prefix: bool = False) -> str:
        set_ = _SIGNS.get(sign, sign)
        return set_ if prefix else f" {set_.strip()} "

    def times(self, sign: str) -> str:
        return f" {_SIGNS[sign]} " if sign else "\\,"

    def row(self, pieces: Sequence[str]) -> str:
        return "".join(pieces)

    def listed(self, items: Sequence[str], separator: str = ",") -> str:
        return f"{separator} ".join(items)

    def fence(self, left: str, body: str, right: str) -> str:
        tall = "\\frac" in body or "\\sum" in body or "\\prod" in body
        before, after = _SIGNS.get(left, left), _SIGNS.get(right, right)
        return f"\\left{before}{body}\\right{after}" if tall else f"{before}{body}{after}"

    def fraction(self, top: str, bottom: str) -> str:
        return f"\\frac{{{top}}}{{{bottom}}}"

    def superscript(self, base: str, exponent: str) -> str:
        return f"{base}^{{{exponent}}}"

    def transpose(self, base: str) -> str:
        return f"{{{base}}}^{{\\top}}" if "^" in base else f"{base}^{{\\top}}"

    def root(self, body: str) -> str:
        return f"\\sqrt{{{body}}}"

    def call(self, function: str, arguments: Sequence[str]) -> str:
        inner = self.fence("(", self.listed(arguments), ")")
        if function in FUNCTIONS and not function.startswith("arg"):
            return f"\\{function}{inner}"
        if function in _LETTERS:
            return f"{_LETTERS[function]}{inner}"
        if function.endswith("ᵀ"):
            return f"\\operatorname{{{escape(function[:-1])}}}^{{\\top}}{inner}"
        return f"\\operatorname{{{escape(function)}}}{inner}"

    def index(self, base: str, places: Sequence[str]) -> str:
        return f"{{{base}}}_{{{self.listed(places)}}}"

    def big(self, sign: str, letters: Sequence[str], body: str, limits: tuple[int, int] | None = None) -> str:
        head = _SIGNS.get(sign) or (f"\\{sign}" if sign in ("max", "min") else f"\\operatorname*{{{sign}}}")
        below = " ".join(_LETTERS.get(letter, letter) for letter in letters)
        if limits is not None:
            return f"{head}_{{{below}={limits[0]}}}^{{{limits[1]}}} {body}"
        return f"{head}_{{{below}}} {body}" if letters else f"{head} {body}"

    def cases(self, value: str, condition: str, otherwise: str) -> str:
        rows = f"{value} & \\text{{if }} {condition} \\\\ {otherwise} & \\text{{otherwise}}"
        return f"\\begin{{cases}}{rows}\\end{{cases}}"

    def raised(self, name: str) -> bool:
        return bool(parts_of(name).superscript)


def escape(words: str) -> str:
    """Words for LaTeX's text."""
    return "".join(_ESCAPES.get(c, c) for c in words)


def _letters(base: str, tensor: bool) -> str:
    if base in _LETTERS:
        return f"\\boldsymbol{{{_LETTERS[base]}}}" if tensor and base != "𝟏" else _LETTERS[base]
    if len(base) == 1 and base.isascii() and base.isalpha():
        return f"\\mathbf{{{base}}}" if tensor else base
    if base.isascii() and base.isalnum():
        return f"\\mathbf{{{base}}}" if tensor else f"\\mathit{{{base}}}"
    return f"\\text{{{escape(base)}}}"


def _mark(text: str) -> str:
    plain = "".join(_LETTERS.get(c, c) for c in text)
    if len(text) < 2 or not text.replace("(", "").replace(")", "").isalpha() or "ℓ" in text:
        return plain if text.isascii() or plain != text else f"\\text{{{escape(text)}}}"
    return f"\\text{{{escape(text)}}}"


LATEX = LaTeX()
