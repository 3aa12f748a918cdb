"""Nested tuples, lists and dicts of values, flattened and put together again.

A list of plain numbers is one value, a vector, and so is a list of such lists.

>>> flatten(([1.0, 2.0], 3.0))[0]
[[1.0, 2.0], 3.0]
>>> leaves, tree = flatten({"w": (1, 2), "b": 3})
>>> leaves, rebuild_tree(tree, [10 * leaf for leaf in leaves])
([1, 2, 3], {'w': (10, 20), 'b': 30})
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

_LEAF = object()


def flatten(value: Any) -> tuple[list[Any], Any]:
    """The leaves of ``value`` from left to right, and the tree that they hung on."""
    leaves: list[Any] = []

    def walk(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: walk(child) for key, child in item.items()}
        if isinstance(item, tuple | list) and not _is_vector(item):
            return _like(item, [walk(child) for child in item])
        leaves.append(item)
        return _LEAF

    return leaves, walk(value)


def rebuild_tree(tree: Any, leaves: Sequence[Any]) -> Any:
    """The tree with ``leaves`` on it again."""
    supply: Iterator[Any] = iter(leaves)

    def walk(item: Any) -> Any:
        if item is _LEAF:
            return next(supply)
        if isinstance(item, dict):
            return {key: walk(child) for key, child in item.items()}
        return _like(item, [walk(child) for child in item])

    return walk(tree)


def _is_vector(item: Any) -> bool:
    return isinstance(item, bool | int | float) or (
        isinstance(item, list) and bool(item) and all(map(_is_vector, item))
    )


def _like(original: Any, children: list[Any]) -> Any:
    """``children`` in the kind of sequence that ``original`` is, named tuples included."""
    if hasattr(original, "_fields"):
        return type(original)(*children)
    return type(original)(children)
