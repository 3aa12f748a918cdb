"""A line of a derivation: an equation, the steps to it, its shapes, and how exact it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..formulas import Math
from ..formulas.mathml import MATHML

Where = tuple[Math, str | Math, tuple[int, ...]]
"""A symbol, what it stands for, its shape."""


def largest(deviations: Sequence[float]) -> float:
    """The largest of them, of none 0; NaN where one is NaN and none is infinite."""
    most = max((each for each in deviations if not math.isnan(each)), default=0.0)
    return math.nan if most < math.inf and any(map(math.isnan, deviations)) else most


@dataclass(frozen=True)
class Line:
    """One equation, ``left ≡ meaning = forms[0] = forms[1] = …``, checked against the run."""

    left: Math
    forms: tuple[Math, ...]
    """The right sides, each following from the one before."""
    shape: tuple[int, ...]
    meaning: Math | None = None
    """What the left side is a name for: ``∂L/∂z``, of an error signal."""
    factors: str = ""
    """The shapes of a matrix product's factors, ``(3×1)(1×4)``."""
    note: str = ""
    """What the op does with the gradient, in words."""
    deviation: float | None = None
    """The largest difference between a form's value and the run's; None where no form could be computed, NaN
    where the run's value is partly NaN, with which nothing agrees."""
    size: float = 0.0
    """What a deviation is held against: the run's largest element, or the rounding of what it came from."""
    layer: int | None = None
    span: tuple[int, int] | None = None
    """First and last layer that the line stands for, where layers repeat."""
    wanted: bool = False
    """Whether it is a gradient that was asked for."""

    @property
    def relative(self) -> float:
        """The deviation as a part of what it is held against; 0 where no form could be computed."""
        return 0.0 if not self.deviation else self.deviation / (self.size or 1.0)

    def __str__(self) -> str:
        return " = ".join([self.head(), *[form.text() for form in self.forms]])

    def head(self) -> str:
        """The left side, and what it is a name for."""
        return self.left.text() if self.meaning is None else f"{self.left.text()} ≡ {self.meaning.text()}"

    def mathml(self) -> str:
        """One ``<math>`` element, the forms below each other."""
        cell = "<mtd>{}</mtd>".format
        head = self.left.write(MATHML)
        if self.meaning is not None:
            head = f"<mrow>{head}<mo>≡</mo>{self.meaning.write(MATHML)}</mrow>"
        rows = [
            f"<mtr>{cell(head if not place else '')}{cell('<mo>=</mo>')}{cell(form.write(MATHML))}</mtr>"
            for place, form in enumerate(self.forms)
        ]
        return f'<math class="steps"><mtable displaystyle="true">{"".join(rows)}</mtable></math>'

    def latex(self) -> list[str]:
        """The rows of an ``align*`` environment."""
        head = self.left.latex()
        if self.meaning is not None:
            head += f" \\equiv {self.meaning.latex()}"
        return [f"{head if not place else ''} &= {form.latex()}" for place, form in enumerate(self.forms)]

    def shapes(self) -> str:
        """The shape of the line, and of a product's factors: ``3×4 = (3×1)(1×4)``."""
        own = "×".join(map(str, self.shape)) or "scalar"
        return f"{own} = {self.factors}" if self.factors else own

    def spanning(self, first: int, last: int, deviation: float | None) -> Line:
        """The same line for several layers."""
        return replace(self, span=(first, last), deviation=deviation)
