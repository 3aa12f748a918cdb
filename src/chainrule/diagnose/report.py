"""What a gradient check found, to read and to compute with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..view.text import format_table
from .blame import Fault

_SHOWN = 12


class Entry(NamedTuple):
    """One derivative, twice: by the rules of the ops, and by differences."""

    order: int
    of: str
    """What was differentiated, with its index: ``f[0, 2]``, ``∂f/∂x[3]``, or a random combination."""
    wrt: str
    """With respect to what, with its index, or a random direction."""
    at: float | None
    """The value of that one input entry."""
    analytic: float
    numerical: float
    note: str = ""

    @property
    def difference(self) -> float:
        """|analytic - numerical|, relative to the larger where that is above 1."""
        return abs(self.analytic - self.numerical) / max(1.0, abs(self.analytic), abs(self.numerical))


class Nudge(NamedTuple):
    """A scalar function moved a little: what it does, and what its slope promised."""

    at: float
    step: float
    value: float
    moved: float
    slope: float

    def __str__(self) -> str:
        near, promise = self.at + self.step, self.value + self.slope * self.step
        return (
            f"nudged by {self.step:g}: f({near:g}) = {self.moved:.6g}, "
            f"and the slope promises {self.value:g} + {self.step:g} × {self.slope:g} = {promise:.6g}"
        )


class GradientReport(NamedTuple):
    """All comparisons of one check; ``str()`` is a table with both values side by side."""

    name: str
    dtype: str
    mode: str
    entries: tuple[Entry, ...]
    kinks: tuple[Fault, ...]
    rtol: float
    atol: float
    attainable: float
    evaluations: int
    nudge: Nudge | None = None

    @property
    def worst(self) -> Entry | None:
        """The comparison with the largest difference, where there is a derivative."""
        smooth = [entry for entry in self.entries if not entry.note]
        return max(smooth or self.entries, key=lambda entry: entry.difference, default=None)

    def __str__(self) -> str:
        if self.worst is None:
            return f"{self.name}: nothing to compare, the inputs or the result have no entries"
        many = "" if len(self.entries) == 1 else "s"
        what = "derivative" if self.mode == "full" else "random direction"
        lines = [
            f"{self.name}: {len(self.entries)} {what}{many} compared in {self.dtype}, "
            f"largest difference {self.worst.difference:.0e}, tolerance {self.rtol:.0e}",
            *entry_table(self.entries),
        ]
        if self.dtype == "float32":
            lines.append(f"float32 differences are good to about {self.attainable:.0e} at best")
        lines += [f"not differentiable here: {kink}" for kink in self.kinks]
        if self.nudge is not None:
            lines.append(str(self.nudge))
        return "\n".join(lines)


def entry_table(entries: Sequence[Entry]) -> list[str]:
    """The comparisons as aligned lines; of many, the worst."""
    shown = list(entries)
    if len(shown) > _SHOWN:
        shown = sorted(shown, key=lambda entry: -entry.difference)[:_SHOWN]
    head = ("derivative of", "with respect to", "at", "analytic", "numerical", "difference", "")
    rows = [
        (
            entry.of,
            entry.wrt,
            entry.at,
            f"{entry.analytic:.10g}",
            f"{entry.numerical:.10g}",
            f"{entry.difference:.1e}",
            entry.note,
        )
        for entry in shown
    ]
    table = format_table(head, rows, rule=False, right=range(2, 6))
    lines = [f"  {line}" for line in table.splitlines()]
    if len(entries) > len(shown):
        lines.append(f"  … and {len(entries) - len(shown)} more, with smaller differences")
    return lines


def indexed(name: str, index: Sequence[int]) -> str:
    """``x[0, 2]``; the name alone for a scalar."""
    return f"{name}[{', '.join(map(str, index))}]" if len(index) else name
