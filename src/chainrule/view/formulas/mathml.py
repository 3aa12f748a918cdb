"""Formulas as MathML Core: what browsers set, and screen readers read, without a script."""

from __future__ import annotations

from collections.abc import Sequence

from ..text import escape
from .styles import parts_of

_ACCENTS = {"bar": "¯", "hat": "^", "tilde": "~", "dot": "˙"}
_INVISIBLE_TIMES, _APPLY = "&#x2062;", "&#x2061;"


class MathML:
    """The style of MathML; every piece is one element, so that it can stand anywhere."""

    flat = False

    def number(self, digits: str) -> str:
        if digits[0] == "−":
            return f"<mrow><mo>−</mo>{self.number(digits[1:])}</mrow>"
        if "e" in digits and digits[0].isdigit():
            mantissa, _, exponent = digits.partition("e")
            power = self.number(str(int(exponent.replace("−", "-"))).replace("-", "−"))
            ten = f"<msup><mn>10</mn>{power}</msup>"
            return ten if mantissa == "1" else f"<mrow><mn>{mantissa}</mn><mo>·</mo>{ten}</mrow>"
        return f"<mn>{digits}</mn>"

    def symbol(self, name: str, tensor: bool) -> str:
        base, accent, subscript, superscript = parts_of(name)
        found = f'<mi class="tensor">{escape(base)}</mi>' if tensor else f"<mi>{escape(base)}</mi>"
        if accent:
            found = f'<mover accent="true">{found}<mo>{_ACCENTS[accent]}</mo></mover>'
        if subscript and superscript:
            return f"<msubsup>{found}{_mark(subscript)}{_mark(superscript)}</msubsup>"
        if subscript:
            return f"<msub>{found}{_mark(subscript)}</msub>"
        return f"<msup>{found}{_mark(superscript)}</msup>" if superscript else found

    def words(self, words: str) -> str:
        return f"<mtext>{escape(words)}</mtext>"

    def sign(self, sign: str, *, prefix: bool = False) -> str:
        if sign.isalpha() and sign != "∂":
            return f'<mo lspace="0.3em" rspace="0.3em">{sign}</mo>'
        return f'<mo form="prefix">{escape(sign)}</mo>' if prefix else f"<mo>{escape(sign)}</mo>"

    def times(self, sign: str) -> str:
        return f"<mo>{sign or _INVISIBLE_TIMES}</mo>" if sign != "" else '<mspace width="0.17em"></mspace>'

    def row(self, pieces: Sequence[str]) -> str:
        return pieces[0] if len(pieces) == 1 else f"<mrow>{''.join(pieces)}</mrow>"

    def listed(self, items: Sequence[str], separator: str = ",") -> str:
        return f"<mrow>{f'<mo>{separator}</mo>'.join(items)}</mrow>"

    def fence(self, left: str, body: str, right: str) -> str:
        tall = any(tag in body for tag in ("<mfrac", "<munder", "<mtable"))
        return f"<mrow>{_fence(left, 'prefix', tall)}{body}{_fence(right, 'postfix', tall)}</mrow>"

    def fraction(self, top: str, bottom: str) -> str:
        return f"<mfrac>{top}{bottom}</mfrac>"

    def superscript(self, base: str, exponent: str) -> str:
        return f"<msup>{base}{exponent}</msup>"

    def transpose(self, base: str) -> str:
        return f"<msup>{base}<mo>⊤</mo></msup>"

    def root(self, body: str) -> str:
        return f"<msqrt>{body}</msqrt>"

    def call(self, function: str, arguments: Sequence[str]) -> str:
        name = f'<mi mathvariant="normal">{escape(function)}</mi>'
        return f"<mrow>{name}<mo>{_APPLY}</mo>{self.fence('(', self.listed(arguments), ')')}</mrow>"

    def index(self, base: str, places: Sequence[str]) -> str:
        return f"<msub>{base}{self.listed(places)}</msub>"

    def big(self, sign: str, letters: Sequence[str], body: str, limits: tuple[int, int] | None = None) -> str:
        head = f"<mo>{ {'Σ': '∑', 'Π': '∏'}.get(sign, sign) }</mo>".replace(" ", "")
        below = "".join(f"<mi>{letter}</mi>" for letter in letters)
        if limits is not None:
            below, above = f"{below}<mo>=</mo><mn>{limits[0]}</mn>", f"<mn>{limits[1]}</mn>"
            return f"<mrow><munderover>{head}<mrow>{below}</mrow>{above}</munderover>{body}</mrow>"
        head = f"<munder>{head}<mrow>{below}</mrow></munder>" if letters else head
        return f"<mrow>{head}{body}</mrow>"

    def cases(self, value: str, condition: str, otherwise: str) -> str:
        rows = [
            (value, f"<mrow><mtext>if&#xA0;</mtext>{condition}</mrow>"),
            (otherwise, "<mtext>otherwise</mtext>"),
        ]
        cells = "".join(f"<mtr><mtd>{a}</mtd><mtd>{b}</mtd></mtr>" for a, b in rows)
        return f'<mrow><mo form="prefix">{{</mo><mtable>{cells}</mtable></mrow>'

    def raised(self, name: str) -> bool:
        return bool(parts_of(name).superscript)


def _fence(sign: str, form: str, tall: bool) -> str:
    stretchy = "" if tall else ' stretchy="false"'
    return f'<mo form="{form}" fence="true"{stretchy}>{escape(sign)}</mo>'


def _mark(text: str) -> str:
    return f"<mn>{text}</mn>" if text.isdigit() else f"<mi>{escape(text)}</mi>"


MATHML = MathML()
