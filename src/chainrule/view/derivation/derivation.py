"""``derive``: the matrix calculus of a gradient, line by line, each line held against the run."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...data.files import write_atomically
from ...errors import ArgumentError
from ...graph import VARIABLE, Constant, Node, substitute, user_place, variable
from ..formulas import Convention, Derivative, Math
from .building import Builder, check_arguments
from .folding import fold
from .lines import Line, Where, largest
from .writers import document, page, rows_of_latex, rows_of_text


class Derivation:
    """A gradient derived step by step; ``print`` shows it, notebooks set it, :meth:`save` writes it.

    ``values`` are the equations forwards, ``lines`` the gradients backwards, from the loss down; each is
    a :class:`Line` with the largest deviation of its formula's value from the run.
    """

    def __init__(
        self,
        title: str | Sequence[Math],
        convention: Convention,
        values: Sequence[Line],
        lines: Sequence[Line],
        where: Sequence[Where],
        exact: float,
    ) -> None:
        self.heading, self.convention = title, convention
        self.values, self.lines, self.where = list(values), list(lines), list(where)
        self._exact = exact

    @property
    def title(self) -> str:
        """What is derived, in plain text."""
        words = self.heading
        return words if isinstance(words, str) else ", ".join(part.text() for part in words)

    @property
    def worst(self) -> float:
        """The largest deviation of any line, as a part of that line's largest element; NaN as in ``Line``."""
        return largest([line.relative for line in (*self.values, *self.lines)])

    @property
    def verified(self) -> bool:
        """Whether every line that was computed agrees with the run, to rounding; NaN agrees with nothing."""
        return self.worst <= self._exact

    @property
    def text(self) -> str:
        """For a terminal."""
        return rows_of_text(self)

    @property
    def latex(self) -> str:
        """The equations as LaTeX's ``align*`` environments, for a document with amsmath."""
        return rows_of_latex(self)

    @property
    def mathml(self) -> str:
        """The equations backwards as ``<math>`` elements, one a line."""
        return "\n".join(line.mathml() for line in self.lines)

    @property
    def html(self) -> str:
        """A page of its own, without scripts, that fetches nothing."""
        return page(self)

    def _repr_html_(self) -> str:
        return self.html

    def _repr_latex_(self) -> str:
        return self.latex

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<derivation: {self.title}: {len(self.lines)} gradients, {self.verdict}>"

    @property
    def verdict(self) -> str:
        """Whether it agrees with the run, in words."""
        if not self.worst:
            return "every line agrees with the run to the last bit"
        if self.verified:
            return f"every line agrees with the run to {self.worst:.1e} of its largest element"
        lines = (*self.values, *self.lines)
        wrong = [line.left.text() for line in lines if line.relative > self._exact]
        unknown = [line.left.text() for line in lines if math.isnan(line.relative)]
        told = [f"the formulas of {', '.join(wrong)} do not give what the run gave"] if wrong else []
        told += [f"the run gave NaN for {', '.join(unknown)}, which agrees with nothing"] if unknown else []
        return "; ".join(told)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to ``path``, by its ending: .tex, .html or .txt; the file is replaced as a whole."""
        writers = {
            ".tex": lambda: document(self),
            ".html": lambda: self.html,
            ".txt": lambda: self.text + "\n",
        }
        ending = Path(path).suffix.lower()
        if ending not in writers:
            raise ArgumentError(
                f"a derivation cannot be written as {ending or 'a file without an ending'}",
                where=user_place(),
                mend="name it .tex, .html or .txt",
            )
        write_atomically(path, writers[ending]())


def derive(
    loss: Node,
    wrt: Node | Sequence[Node],
    feed: Mapping[Any, Any] | None = None,
    *,
    convention: Convention = "row",
    title: str | None = None,
) -> Derivation:
    """The gradient of a scalar derived by hand, as the lectures do, and verified against the stepper.

    Every sum of products z = Wx + b gets its error signal δ ≡ ∂L/∂z, which is named once and reused:

        δ⁽ˡ⁾ = ∂L/∂h⁽ˡ⁾ ⊙ f′(z⁽ˡ⁾),   ∂L/∂W⁽ˡ⁾ = h⁽ˡ⁻¹⁾ᵀ δ⁽ˡ⁾,   ∂L/∂h⁽ˡ⁻¹⁾ = δ⁽ˡ⁾ W⁽ˡ⁾ᵀ

    A gradient has the shape of what it is the gradient of (the shape convention).  In the row convention
    arrays of one axis are rows, in the column convention columns; arrays of two axes stand as they are.
    The local derivatives are the ops' own rules, so the derivation is what the engines compute; each line
    is then computed as it is printed, and ``deviation`` is the largest difference from the run.

    ``wrt`` is a node or several, ``feed`` gives the placeholders' arrays.  Raises ``ShapeError`` for a
    loss that is no scalar, ``DerivativeError`` where no gradient flows.

    >>> import chainrule as cr
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = cr.constant(rng.normal(size=4))
    >>> W = cr.variable(rng.normal(size=(3, 4)), name="W")
    >>> b, u = (cr.variable(rng.normal(size=3), name=name) for name in "bu")
    >>> s = (u @ cr.tanh(W @ x + b)).named("s")
    >>> for line in derive(s, [W, b], convention="column").lines:
    ...     print(line)
    ∂s/∂h = u
    δ ≡ ∂s/∂z = (∂h/∂z)ᵀ ∂s/∂h = diag(1 − h²) ∂s/∂h = ∂s/∂h ⊙ (1 − h²) = u ⊙ (1 − h²)
    ∂s/∂b = (∂z/∂b)ᵀ δ = I δ = δ
    ∂s/∂W = (∂z/∂W)ᵀ δ = δ xᵀ
    """
    targets = [wrt] if isinstance(wrt, Node) else list(wrt)
    check_arguments(loss, targets)
    if convention not in ("row", "column"):
        raise ArgumentError(
            f"derive: convention={convention!r}", where=user_place(), mend="'row' or 'column'"
        )
    loss, targets, inputs = _with_variables(loss, targets)
    builder = Builder(loss, targets, feed, convention)
    values, lines = builder.forward(), builder.backward()
    name = builder.symbols[loss]
    asked: str | list[Math] = [Derivative(name, builder.symbols[node]) for node in targets]
    if title is not None or len(targets) > _MOST_NAMED:
        asked = title or f"The gradient of {name.text()} by {len(targets)} parameters"
    return Derivation(asked, convention, fold(values), fold(lines), _where(builder, inputs), builder.exact)


def _with_variables(loss: Node, targets: list[Node]) -> tuple[Node, list[Node], set[Node]]:
    """Constants that the gradient is asked of as variables, since a run follows it to those alone."""
    table: dict[Node, Node] = {
        node: variable(node.array, name=node.name) for node in targets if isinstance(node, Constant)
    }
    if not table:
        return loss, targets, set()
    loss, *targets = substitute([loss, *targets], table)
    return loss, targets, set(table.values())


def _where(builder: Builder, inputs: set[Node]) -> list[Where]:
    """What the symbols stand for: leaves, and p and y where they were put in."""
    found: list[Where] = []
    for node, symbol in builder.symbols.items():
        if not node.inputs:
            told = node.name if node.name and node.name != symbol.text() else ""
            kind = "parameter" if node.op is VARIABLE and node not in inputs else "input"
            found.append((symbol, told or kind, node.shape))
        elif node not in builder.regions:
            found.append((symbol, builder.given(node), node.shape))
    for formula, alias in builder.aliases.items():
        found.append((alias, formula, builder.values[alias.name].shape))
    return found


_MOST_NAMED = 4  # gradients that a title names one by one
