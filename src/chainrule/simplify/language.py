"""The node graph as a language for rewriting, and the words that rules are written in."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import lru_cache
from inspect import signature
from typing import Any

import numpy as np

from .. import ops
from ..graph import Constant, Node, Op, Shape, constant, derived_from, rebuilt
from ..ops.comparison import Where
from ..rewrite import Language, Pattern, Rule, node

_LIBRARY = __name__.partition(".")[0] + "."


class _Keys(dict[Op, Hashable]):
    """What rules know an op by: its name, but a user's op by itself, whatever it is called."""

    def __missing__(self, op: Op) -> Hashable:
        if not type(op).__module__.startswith(_LIBRARY):
            return op
        self[op] = op.name
        return op.name


_KEYS = _Keys()


def key(found: Node) -> Hashable:
    """What rules know the node's op by."""
    return _KEYS[found.op]


def is_elementwise(found: Node) -> bool:
    """Whether each element of the node comes from its inputs' elements at that place."""
    return isinstance(found.op, ops.Elementwise | Where) or key(found) in ("cast", "stop_gradient")


def show(found: Node, depth: int = 3) -> str:
    """The node as nested calls, cut off where it goes deep: ``multiply(exp(sum⟨32×1⟩), 2.0)``."""
    if isinstance(found, Constant):
        return found.short if found.size <= 8 else f"constant⟨{_sizes(found)}⟩"
    if not found.inputs:
        return found.label
    if depth == 0:
        return f"{found.label}⟨{_sizes(found)}⟩"
    inner = [show(child, depth - 1) for child in found.inputs]
    return f"{found.op.name}({', '.join([*inner, *found.shown_attributes()])})"


def _sizes(found: Node) -> str:
    return "×".join(map(str, found.shape))


GRAPH: Language[Node] = Language(
    op=key,
    inputs=lambda found: found.inputs,
    rebuild=rebuilt,
    text=show,
    scope=lambda found, rule: derived_from(found.origin, "simplified"),
)


# -- constants ---------------------------------------------------------------------------------------------

_SMALL = 256  # constants up to this many elements are looked into


def is_filled_with(value: float) -> Callable[[Node], bool]:
    """A question: is the node a constant all of whose elements are ``value``, the sign of zero included?"""
    sign = math.copysign(1.0, value)

    def holds(found: Node) -> bool:
        common = number(found)
        if common is None or common != value:
            return False
        if value != 0 or found.dtype.kind != "f":
            return True
        array: np.ndarray[Any, Any] = found.array  # type: ignore[attr-defined]  # number() looked
        return bool((np.signbit(array) == (sign < 0)).all())

    return holds


def number(found: Node) -> Any:
    """The one number that a small constant is filled with, of its own dtype; None if it is not so."""
    if not isinstance(found, Constant):
        return None
    array = found.array
    if array.size == 1:
        return array[()] if not array.shape else array.reshape(-1)[0]
    if not 0 < array.size <= _SMALL:
        return None
    first = array.reshape(-1)[0]
    return first if (array == first).all() else None


def is_number(found: Node) -> bool:
    """Whether the node is a small constant of one number."""
    return number(found) is not None


def a_constant(when: Callable[[Node], bool], name: str | None = None) -> Pattern:
    """A constant of which ``when`` holds."""
    return node("constant", name=name, when=when)


ZERO = a_constant(is_filled_with(0.0))
ONE = a_constant(is_filled_with(1.0))
NUMBER = a_constant(is_number, "c")


@lru_cache(maxsize=256)  # equal ones are one node, so that what is built on them is shared as well
def steps(count: int, step: int, shape: Shape) -> Node:
    """The integers 0, step, 2·step, … as int64, in ``shape``."""
    return constant((np.arange(count, dtype=np.int64) * step).reshape(shape))


# -- how rules are written ---------------------------------------------------------------------------------

_COMMUTATIVE = frozenset(
    {"add", "multiply", "maximum", "minimum", "equal", "not_equal", "logical_and", "logical_or"}
)


def pattern(op: str | Sequence[str], *inputs: Pattern | str, name: str | None = None) -> Pattern:
    """A node of ``op`` on these inputs; where the order of two does not matter, either way round."""
    return node(op, *inputs, name=name, commutes=isinstance(op, str) and op in _COMMUTATIVE)


def rules_of(group: str) -> Callable[..., Rule]:
    """A maker of rules of one group: name, left side, and a function that builds the right side.

    The function is given the nodes captured, and ``root``, the whole left side, if it has a parameter of
    that name.  What it builds is broadcast to the shape of the left side.
    """

    def rule(
        name: str, left: Pattern, build: Callable[..., Node | None], *, alone: str | None = None
    ) -> Rule:
        wants_root = "root" in signature(build).parameters

        def fitted(root: Node, **bound: Node) -> Node | None:
            result = build(root=root, **bound) if wants_root else build(**bound)
            return None if result is None else ops.broadcast_to(result, root.shape)

        return Rule(name, replace(left, name="root"), fitted, group, alone)

    return rule
