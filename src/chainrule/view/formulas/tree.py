"""The tree of a formula: immutable, compared by content, knowing nothing of nodes and engines.

Each kind of formula says here how tightly it binds and how it is put together; what the pieces look like
as text, MathML or LaTeX is the affair of a style.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from .latex import LATEX
from .mathml import MATHML
from .styles import Style, spell
from .text import TEXT

Convention = Literal["row", "column"]
"""What an array of one axis is in a matrix product: a row (x W) or a column (W x)."""
Compute = Callable[..., Any]
"""The value of a formula from those of its parts, in NumPy."""

# How tightly a formula binds; what stands inside another and binds less is put in parentheses.
CHOICE, LOGIC, QUESTION, SUM, BIG, PRODUCT, MATRIX, ATOM = 0, 5, 10, 20, 25, 30, 40, 60
_FRACTION_SET = 50  # where a fraction is set with a bar: an atom, but not the base of a power


@dataclass(frozen=True)
class Math:
    """A formula, which reads as plain text, as MathML and as LaTeX.

    >>> from chainrule.view.formulas import Power, Product, Sum, number, symbol
    >>> formula = Product((symbol("ȳ", 1), Sum((number(1), Power(symbol("h", 1), number(2))), (1, -1))))
    >>> formula.text()
    'ȳ ⊙ (1 − h²)'
    >>> print(formula.latex())
    \\bar{\\mathbf{y}} \\odot (1 - \\mathbf{h}^{2})
    >>> formula.mathml()[:90]
    '<math><mrow><mover accent="true"><mi class="tensor">y</mi><mo>¯</mo></mover><mo>⊙</mo><mro'
    """

    binding: ClassVar[int] = ATOM

    def text(self) -> str:
        """In one line of plain text."""
        return self.write(TEXT)

    def latex(self) -> str:
        """For LaTeX, to stand between dollar signs; amsmath is needed."""
        return self.write(LATEX)

    def mathml(self, *, display: bool = False) -> str:
        """As a ``<math>`` element of MathML Core; ``display`` sets it as a line of its own."""
        how = ' display="block"' if display else ""
        return f"<math{how}>{self.write(MATHML)}</math>"

    def write(self, style: Style) -> str:
        """In a style."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it is written")

    def parts(self) -> Sequence[Math]:
        """The formulas that this one is made of."""
        return ()

    @property
    def ndim(self) -> int:
        """How many axes the value has: elementwise, those of the part that has most."""
        return max([part.ndim for part in self.parts()], default=0)

    def at(self, style: Style, binding: int) -> str:
        """In a style, in parentheses where it binds less than is needed."""
        written = self.write(style)
        return style.fence("(", written, ")") if self.bound(style) < binding else written

    def bound(self, style: Style) -> int:
        """How tightly it binds when set in a style."""
        return self.binding

    def __str__(self) -> str:
        return self.text()


@dataclass(frozen=True)
class Number(Math):
    """A number."""

    value: float | int | bool

    def write(self, style: Style) -> str:
        return style.number(spell(self.value))

    def bound(self, style: Style) -> int:
        return SUM if spell(self.value)[0] in "−" else ATOM


@dataclass(frozen=True)
class Vector(Math):
    """The numbers of a short array, ``[1, −2]``, and in rows ``[[1, 2], [3, 4]]``."""

    items: tuple[Any, ...]
    axes: int = 1

    @property
    def ndim(self) -> int:
        return self.axes

    def write(self, style: Style) -> str:
        inner = [
            Vector(item, self.axes - 1).write(style) if isinstance(item, tuple) else style.number(spell(item))
            for item in self.items
        ]
        return style.fence("[", style.listed(inner), "]")


@dataclass(frozen=True)
class Symbol(Math):
    """A name: ``x``, ``W_1``, ``h2``, ``ȳ``, ``δ⁽²⁾``."""

    name: str
    axes: int = 0

    @property
    def ndim(self) -> int:
        return self.axes

    def write(self, style: Style) -> str:
        return style.symbol(self.name, self.axes > 0)


@dataclass(frozen=True)
class Words(Math):
    """Something said in words."""

    words: str

    def write(self, style: Style) -> str:
        return style.words(self.words)


@dataclass(frozen=True)
class Sum(Math):
    """Terms with their signs, 1 or -1: ``x + y − z``."""

    terms: tuple[Math, ...]
    signs: tuple[int, ...]
    binding: ClassVar[int] = SUM

    def parts(self) -> Sequence[Math]:
        return self.terms

    def write(self, style: Style) -> str:
        pieces: list[str] = []
        for place, (term, sign) in enumerate(zip(self.terms, self.signs, strict=True)):
            if sign < 0:
                pieces.append(style.sign("−", prefix=place == 0))
            elif place:
                pieces.append(style.sign("+"))
            pieces.append(term.at(style, SUM + 1 if place or sign < 0 else SUM))
        return style.row(pieces)


@dataclass(frozen=True)
class Product(Math):
    """Factors multiplied element by element: ``⊙``, and ``·`` where one of two is a single number."""

    factors: tuple[Math, ...]
    binding: ClassVar[int] = PRODUCT

    def parts(self) -> Sequence[Math]:
        return self.factors

    def write(self, style: Style) -> str:
        pieces = [self.factors[0].at(style, PRODUCT)]
        widest = self.factors[0].ndim
        for factor in self.factors[1:]:
            pieces.append(style.times("⊙" if widest and factor.ndim else "·"))
            pieces.append(factor.at(style, PRODUCT + 1))
            widest = max(widest, factor.ndim)
        return style.row(pieces)


@dataclass(frozen=True)
class MatrixProduct(Math):
    """A product of matrices, rows and columns: factors side by side."""

    factors: tuple[Math, ...]
    axes: int = 2
    binding: ClassVar[int] = MATRIX

    @property
    def ndim(self) -> int:
        return self.axes

    def parts(self) -> Sequence[Math]:
        return self.factors

    def write(self, style: Style) -> str:
        pieces = [self.factors[0].at(style, MATRIX)]
        for factor in self.factors[1:]:
            pieces += [style.times(""), factor.at(style, MATRIX + 1)]
        return style.row(pieces)


@dataclass(frozen=True)
class Fraction(Math):
    """``x / y``, set with a bar where there is room for one."""

    top: Math
    bottom: Math

    def parts(self) -> Sequence[Math]:
        return self.top, self.bottom

    def bound(self, style: Style) -> int:
        return PRODUCT if style.flat else _FRACTION_SET

    def write(self, style: Style) -> str:
        if style.flat:
            top, bottom = self.top.at(style, PRODUCT), self.bottom.at(style, PRODUCT + 1)
            return style.row([top, style.sign("/"), bottom])
        return style.fraction(self.top.write(style), self.bottom.write(style))


@dataclass(frozen=True)
class Power(Math):
    """``x²``, ``x^y``."""

    base: Math
    exponent: Math

    def parts(self) -> Sequence[Math]:
        return self.base, self.exponent

    def bound(self, style: Style) -> int:
        return ATOM - 1  # a power of a power needs parentheses

    def write(self, style: Style) -> str:
        base = self.base.at(style, ATOM)
        if isinstance(self.base, Symbol) and style.raised(self.base.name):
            base = style.fence("(", base, ")")
        exponent = self.exponent.at(style, ATOM) if style.flat else self.exponent.write(style)
        return style.superscript(base, exponent)


@dataclass(frozen=True)
class Root(Math):
    """The square root."""

    body: Math

    def parts(self) -> Sequence[Math]:
        return (self.body,)

    def bound(self, style: Style) -> int:
        return ATOM - 1

    def write(self, style: Style) -> str:
        return style.root(self.body.at(style, ATOM) if style.flat else self.body.write(style))


@dataclass(frozen=True)
class Transpose(Math):
    """``Wᵀ``: the last two axes exchanged; of a row the column, and the other way round."""

    body: Math

    def parts(self) -> Sequence[Math]:
        return (self.body,)

    def write(self, style: Style) -> str:
        return style.transpose(self.body.at(style, ATOM))


# -- how formulas are written ------------------------------------------------------------------------------


def number(value: Any) -> Number:
    """A number, of NumPy or of Python."""
    found = value.item() if hasattr(value, "item") else value
    if isinstance(found, float) and found.is_integer() and abs(found) < 1e6:
        found = int(found)
    return Number(found)


def symbol(name: str, ndim: int = 0) -> Symbol:
    """A name, of an array of so many axes."""
    return Symbol(name, ndim)


def negative(body: Math) -> Math:
    """``−x``."""
    if isinstance(body, Number):
        return number(-body.value)
    return Sum((body,), (-1,))


def substituted(formula: Math, table: Callable[[Math], Math | None]) -> Math:
    """The formula with parts replaced: those for which ``table`` gives another."""
    found = table(formula)
    if found is not None:
        return found
    return rebuilt_formula(formula, lambda part: substituted(part, table))


def rebuilt_formula(formula: Math, change: Callable[[Math], Math]) -> Math:
    """The formula with each of its parts changed."""
    values: dict[str, Any] = {}
    changed = False
    for key, value in vars(formula).items():
        new = value
        if isinstance(value, Math):
            new = change(value)
        elif isinstance(value, tuple) and value and isinstance(value[0], Math):
            new = tuple([change(item) for item in value])
        changed = changed or new is not value
        values[key] = new
    return type(formula)(**values) if changed else formula
