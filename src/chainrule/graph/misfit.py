"""Shapes that do not fit, drawn as text: the axes one under the other, and how each operand came about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..errors import Clash, ShapeError
from .node import Node
from .op import Shape
from .origins import capture

_MANY = 4
"""Operands up to which all are shown."""
_DEEP, _LONG = 3, 6
"""Levels and lines shown of an operand's history."""


class Misfit(NamedTuple):
    """An op that could not be built: its name, its operands, and the axes that disagree.

    An axis counts from the last, so that it is negative: -1 is the last one.
    """

    name: str
    inputs: tuple[Node, ...]
    clash: Clash = ()

    def aligned(self) -> list[str]:
        """The shapes axis under axis, counted from the last, with marks under those that disagree.

        >>> import chainrule as cr
        >>> x, b = cr.placeholder((2, 3), name="x"), cr.placeholder((4,), name="b")
        >>> print(*Misfit("add", (x, b), ((0, -1), (1, -1))).aligned(), sep="\\n")
        x  2  3
        b     4
              ^  3 against 4
        """
        if not self.clash:
            return []
        shown = self._shown()
        count = max(len(self.inputs[number].shape) for number in shown)
        cells = {n: _cells(self.inputs[n].shape, count) for n in shown}
        widths = [max(len(row[column]) for row in cells.values()) for column in range(count)]
        labels = max(len(self.inputs[number].label) for number in shown)
        lines = []
        for position, number in enumerate(shown):
            row = [cell.rjust(width) for cell, width in zip(cells[number], widths, strict=True)]
            lines.append("  ".join([self.inputs[number].label.ljust(labels), *row]).rstrip())
            marks = self._marks(number, shown[position + 1 :])
            if marks:
                row = [("^" if c - count in marks else "").rjust(w) for c, w in enumerate(widths)]
                lines.append("  ".join([" " * labels, *row]).rstrip())
        if lines[-1].endswith("^"):
            lines[-1] += f"  {self.lengths()}"
        return lines

    def _shown(self) -> list[int]:
        """All operands, or of many one of each shape."""
        if len(self.inputs) <= _MANY:
            return list(range(len(self.inputs)))
        first: dict[Shape, int] = {}
        for number, node in enumerate(self.inputs):
            first.setdefault(node.shape, number)
        return list(first.values())[:_MANY]

    def _marks(self, number: int, later: Sequence[int]) -> set[int]:
        """The axes to mark under this row: those that no later row with the same clash will have marked."""
        own = {axis for n, axis in self.clash if n == number}
        below = {axis for n, axis in self.clash if n in later}
        return own - below

    def lengths(self) -> str:
        """``3 against 4``: axis by axis where the operands clash along the same ones."""
        axes = dict.fromkeys(axis for _, axis in self.clash)
        alike = all(sum(axis == other for _, other in self.clash) > 1 for axis in axes)
        groups = [[(n, a) for n, a in self.clash if a == axis] for axis in axes] if alike else [self.clash]
        return ", ".join(
            " against ".join(dict.fromkeys(str(self.inputs[n].shape[axis]) for n, axis in group))
            for group in groups
        )

    def history(self, number: int) -> list[str]:
        """How an operand came about, as the branches of a tree; nothing for a leaf, or for one that fits."""
        if self.clash and not any(number == clashing for clashing, _ in self.clash):
            return []
        lines = list(_branches(self.inputs[number], "", _DEEP))
        return lines if len(lines) <= _LONG else [*lines[: _LONG - 1], "…"]


def _cells(shape: Shape, count: int) -> list[str]:
    return [""] * (count - len(shape)) + [str(size) for size in shape]


def _branches(node: Node, indent: str, deep: int) -> Iterator[str]:
    for number, child in enumerate(node.inputs):
        last = number == len(node.inputs) - 1
        yield f"{indent}{'└' if last else '├'} {_card(child)}"
        if deep > 1:
            yield from _branches(child, indent + ("  " if last else "│ "), deep - 1)


def _card(node: Node) -> str:
    named = f"{node.op.name} {node.name}" if node.name and node.inputs else node.label
    return f"{named} {node.shape}"


def differing(*nodes: Node) -> Clash:
    """All axes that are not of one length in every operand, or not there in some."""
    lengths = {
        -axis: {node.shape[-axis] if axis <= node.ndim else None for node in nodes}
        for axis in range(1, max(node.ndim for node in nodes) + 1)
    }
    return tuple(
        (number, axis)
        for axis, found in sorted(lengths.items())
        for number, node in enumerate(nodes)
        if len(found) > 1 and -axis <= node.ndim
    )


def shape_error(
    name: str, what: str, inputs: Sequence[Node], clash: Clash = (), *, mend: str | None = None
) -> ShapeError:
    """The error of a function that checks shapes itself: the user's line, and the shapes drawn.

    >>> import chainrule as cr
    >>> x, w = cr.placeholder((2, 3), name="x"), cr.placeholder((4, 5), name="w")
    >>> raise shape_error("linear", "lengths differ", (x, w), ((0, -1), (1, -2)))
    Traceback (most recent call last):
        ...
    chainrule.errors.ShapeError: linear: lengths differ
      x  2  3
            ^
      w  4  5
         ^  3 against 4
      where: <doctest ...
    """
    misfit = Misfit(name, tuple(inputs), tuple(clash))
    lines = [f"{name}: {what}"]
    for number, node in enumerate(inputs):
        if node.inputs:
            lines.append(f"  {_card(node)}, from {node.origin}")
            lines += [f"    {line}" for line in misfit.history(number)]
    lines += [f"  {line}" for line in misfit.aligned()]
    error = ShapeError("\n".join(lines), where=str(capture()), mend=mend)
    error.about = misfit
    return error
