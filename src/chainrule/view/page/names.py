"""What the page calls each node: the user's own names, the numbers themselves, or a letter with a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ...graph import Constant, Node, Variable

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_LETTERS = {"weight": "W", "bias": "b"}
"""The letters of the lectures for what a layer calls its parameters."""


def symbols(nodes: Sequence[Node]) -> list[str]:
    """The text that stands in rules for each node, in the order of the record; no two share one.

    A name stays as it is; ``layers.0.weight`` is W with a number, as are parameters without a name
    (b where they have one axis); a constant is its number; the last node, without a name, is L; any other
    is v with its own number.

    >>> import chainrule as cr
    >>> x = cr.placeholder((2,), name="x")
    >>> w = cr.variable([1.0, 2.0], name="out.weight")
    >>> symbols([x, w, x * w, cr.constant(2.0), x * w * 2])
    ['x', 'W', 'v₂', '2', 'L']
    """
    wanted = [_wanted(node) for node in nodes]
    if wanted[-1] == (None, "v"):
        wanted[-1] = (None, "L")
    taken = {name for name, _ in wanted if name is not None}
    letters = Counter(letter for _, letter in wanted)
    met: Counter[str] = Counter()
    used: Counter[str] = Counter()
    found = []
    for number, (node, (name, letter)) in enumerate(zip(nodes, wanted, strict=True)):
        if isinstance(node, Constant) and not node.name and node.size == 1:
            found.append(number_text(node))
            continue
        if name is None:
            met[letter] += 1
            alone = letter != "v" and letters[letter] == 1
            count = number if letter == "v" else met[letter]
            name = letter if alone else f"{letter}{count}".translate(_SUBSCRIPTS)
            while name in taken:
                name += "′"
        used[name] += 1
        found.append(name if used[name] == 1 else f"{name}⁽{_raised(used[name])}⁾")
    return found


def _raised(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _wanted(node: Node) -> tuple[str | None, str]:
    """The name, or None and a letter to number."""
    name = node.name
    if name:
        last = name.rpartition(".")[2]
        return (None, _LETTERS[last]) if last in _LETTERS else (name, "")
    if isinstance(node, Variable):
        return None, "W" if node.ndim > 1 else "b" if node.ndim else "w"
    return None, "v" if node.inputs or isinstance(node, Constant) else "x"


def number_text(node: Constant) -> str:
    """A constant's one number as people write it."""
    value = node.array.item()
    return f"{value:.6g}" if isinstance(value, float) else str(value)
