"""The one table of named functions of nodes.

``Node.__add__`` looks up ``"add"`` here; the ops fill the table when their room is imported.  So the
graph knows no op, and no import runs in a circle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .node import Node

_FUNCTIONS: dict[str, Callable[..., Any]] = {}


def register(name: str, function: Callable[..., Any]) -> None:
    """Put ``function`` under ``name``; a name is given once."""
    if name in _FUNCTIONS:
        raise ValueError(f"the function {name!r} is already in the table")
    _FUNCTIONS[name] = function


def is_function(name: str) -> bool:
    """Whether the ops registered a function under ``name``."""
    return name in _FUNCTIONS


def call(name: str, /, *arguments: Any, **keywords: Any) -> Node:
    """Call the function that the ops registered under ``name``."""
    node: Node = _FUNCTIONS[name](*arguments, **keywords)
    return node
