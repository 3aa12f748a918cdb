"""What the page calls each node: the user's own names, the numbers themselves, or v with a number."""

from __future__ import annotations

from collections.abc import Iterable

from ...graph import Constant, Node

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


class Symbols:
    """Gives each node of a record the text that stands for it in rules; no two share one."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._taken = set(reserved)

    def of(self, node: Node, number: int) -> str:
        """The symbol of the node that has this number in the record."""
        if isinstance(node, Constant) and not node.name and node.size == 1:
            return number_text(node)
        wanted = node.name or f"v{number}".translate(_SUBSCRIPTS)
        symbol, count = wanted, 1
        while symbol in self._taken:
            count += 1
            symbol = f"{wanted}′" if count == 2 else f"{wanted}_{count}"
        self._taken.add(symbol)
        return symbol


def number_text(node: Constant) -> str:
    """A constant's one number as people write it."""
    value = node.array.item()
    return f"{value:.6g}" if isinstance(value, float) else str(value)
