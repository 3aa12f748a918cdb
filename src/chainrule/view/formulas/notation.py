"""Kinds of formulas beyond arithmetic: functions, indices, sums over letters, questions and choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .styles import Style
from .tree import ATOM, BIG, CHOICE, LOGIC, MATRIX, PRODUCT, QUESTION, SUM, Compute, Math


@dataclass(frozen=True)
class Infix(Math):
    """Two formulas with a sign between them: a question (``x > 0``), logic (``a ∧ b``), ``x mod y``."""

    sign: str
    left: Math
    right: Math

    def parts(self) -> Sequence[Math]:
        return self.left, self.right

    def bound(self, style: Style) -> int:
        return LOGIC if self.sign in "∧∨⊻" else PRODUCT if self.sign == "mod" else QUESTION

    def write(self, style: Style) -> str:
        inner = self.bound(style) + 1
        return style.row([self.left.at(style, inner), style.sign(self.sign), self.right.at(style, inner)])


@dataclass(frozen=True)
class Not(Math):
    """``¬a``."""

    body: Math

    def parts(self) -> Sequence[Math]:
        return (self.body,)

    def write(self, style: Style) -> str:
        return style.row([style.sign("¬", prefix=True), self.body.at(style, ATOM)])


@dataclass(frozen=True)
class Indicator(Math):
    """1 where a condition holds, 0 elsewhere: ``1[x > 0]``."""

    condition: Math

    def parts(self) -> Sequence[Math]:
        return (self.condition,)

    def write(self, style: Style) -> str:
        return style.row([style.number("1"), style.fence("[", self.condition.write(style), "]")])


@dataclass(frozen=True)
class Fence(Math):
    """A formula between two signs: ``|x|``, ``⌊x⌋``."""

    left: str
    body: Math
    right: str

    def parts(self) -> Sequence[Math]:
        return (self.body,)

    def write(self, style: Style) -> str:
        return style.fence(self.left, self.body.write(style), self.right)


@dataclass(frozen=True)
class Call(Math):
    """A function of formulas, with options in words: ``tanh(z)``, ``reshape(x, 2×3)``."""

    function: str
    arguments: tuple[Math, ...]
    options: tuple[str, ...] = ()
    axes: int | None = None
    compute: Compute | None = field(default=None, compare=False, repr=False)

    @property
    def ndim(self) -> int:
        return super().ndim if self.axes is None else self.axes

    def parts(self) -> Sequence[Math]:
        return self.arguments

    def write(self, style: Style) -> str:
        inner = [argument.write(style) for argument in self.arguments]
        return style.call(
            self.function, [*inner, *[style.words(option) for option in self.options if option]]
        )


@dataclass(frozen=True)
class Joined(Math):
    """Arrays laid end to end along the last axis: ``[x; y]``."""

    items: tuple[Math, ...]
    compute: Compute | None = field(default=None, compare=False, repr=False)

    def parts(self) -> Sequence[Math]:
        return self.items

    def write(self, style: Style) -> str:
        return style.fence("[", style.listed([item.write(style) for item in self.items], ";"), "]")


@dataclass(frozen=True)
class Index(Math):
    """Elements of an array: ``x[i]``, ``E[rows]``, ``x[:, 0]``; a place in words stands as it is.

    ``compute`` gives the value from those of ``operands``.
    """

    base: Math
    places: tuple[Math, ...]
    axes: int = 0
    operands: tuple[Math, ...] = ()
    compute: Compute | None = field(default=None, compare=False, repr=False)

    @property
    def ndim(self) -> int:
        return self.axes

    def parts(self) -> Sequence[Math]:
        return (self.base, *self.places)

    def write(self, style: Style) -> str:
        return style.index(self.base.at(style, ATOM), [place.write(style) for place in self.places])


@dataclass(frozen=True)
class Ones(Math):
    """An array of ones, ``𝟏``: what spreads a number."""

    shape: tuple[int, ...]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def write(self, style: Style) -> str:
        return style.symbol("𝟏", bool(self.shape))


@dataclass(frozen=True)
class Shaped(Math):
    """A formula as it stands, whose value has another shape: a vector seen as a column."""

    body: Math
    shape: tuple[int, ...]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def parts(self) -> Sequence[Math]:
        return (self.body,)

    def bound(self, style: Style) -> int:
        return self.body.bound(style)

    def write(self, style: Style) -> str:
        return self.body.write(style)


@dataclass(frozen=True)
class Big(Math):
    """An operation over the letters that index its body: ``Σᵢ x[i]``, ``max_j x[i, j]``.

    ``operand`` is the body without its indices, of which ``compute`` gives the value; ``limits`` are where
    the letter begins and ends, where that is not the whole of an axis.
    """

    sign: str
    letters: tuple[str, ...]
    body: Math
    axes: int = 0
    operand: Math | None = None
    compute: Compute | None = field(default=None, compare=False, repr=False)
    limits: tuple[int, int] | None = None

    @property
    def ndim(self) -> int:
        return self.axes

    def parts(self) -> Sequence[Math]:
        return (self.body,)

    def write(self, style: Style) -> str:
        if not self.sign:
            return self.body.write(style)
        return style.big(self.sign, self.letters, self.body.at(style, PRODUCT), self.limits)

    def bound(self, style: Style) -> int:
        return BIG if self.sign else self.body.bound(style)


@dataclass(frozen=True)
class Cases(Math):
    """One formula where a condition holds, another elsewhere."""

    value: Math
    condition: Math
    otherwise: Math

    def parts(self) -> Sequence[Math]:
        return self.value, self.condition, self.otherwise

    def bound(self, style: Style) -> int:
        return CHOICE if style.flat else SUM

    def write(self, style: Style) -> str:
        inner = CHOICE + 1 if style.flat else CHOICE
        value, otherwise = (part.at(style, inner) for part in (self.value, self.otherwise))
        return style.cases(value, self.condition.write(style), otherwise)


@dataclass(frozen=True)
class Derivative(Math):
    """``∂L/∂W``."""

    of: Math
    by: Math

    @property
    def ndim(self) -> int:
        return self.by.ndim

    def bound(self, style: Style) -> int:
        return MATRIX + 1 if style.flat else ATOM - 1

    def write(self, style: Style) -> str:
        of, by = (
            style.row([style.sign("∂", prefix=True), part.at(style, ATOM)]) for part in (self.of, self.by)
        )
        return f"{of}/{by}" if style.flat else style.fraction(of, by)
