"""Ops as calls of their names, and arrays at their places: what printers of formulas share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...graph import Node
from .notation import Big, Call, Index, Indicator, Infix
from .tree import Compute, Convention, Fraction, Math, Power, Product, Sum, Words, number

Printer = Callable[[Node, Sequence[Math], Convention], Math]
"""Writes a node, given the formulas of its inputs."""
LETTERS = "ijklmnpq"
"""The letters of axes, first to last."""
WHOLE = Words(":")
"""Where a whole axis stands in an index."""
NEW = Words("None")
"""Where an index makes an axis of length 1."""


def is_own(node: Node) -> bool:
    """Whether the op is one of the library's: a user's op of the same name is something else."""
    return type(node.op).__module__.partition(".")[0] == __name__.partition(".")[0]


def call(node: Node, operands: Sequence[Math], function: str | None = None, *options: str) -> Math:
    """The op as a call of its name, with its attributes in words unless ``options`` are given."""
    shown = options or tuple(f"{key}={in_words(value)}" for key, value in shown_attributes(node))
    return Call(function or node.op.name, tuple(operands), shown, node.ndim, computing(node))


def computing(node: Node) -> Compute:
    """The op's own rule as a function of arrays, which are brought to the shapes of its inputs."""
    op, attributes = node.op, node.attributes
    shapes = [child.shape for child in node.inputs]

    def compute(*values: Any) -> Any:
        arrays = [conformed(np.asarray(value), shape) for value, shape in zip(values, shapes, strict=True)]
        return op.forward(np, *arrays, **attributes)

    return compute


def conformed(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """A number written for an array of equal ones, or a vector for a column, as the array that it is."""
    if array.shape == shape:
        return array
    return array.reshape(shape) if array.size == math.prod(shape) else np.broadcast_to(array, shape)


def shown_attributes(node: Node) -> list[tuple[str, Any]]:
    """The attributes that say something."""
    return [
        (key, value) for key, value in node.attributes.items() if value is not None and value is not False
    ]


def as_formula(value: Any) -> Math:
    """An attribute as a formula."""
    return number(value) if isinstance(value, int | float) else Words(in_words(value))


def in_words(value: Any) -> str:
    """An attribute in words."""
    if isinstance(value, tuple):
        return in_words(value[0]) if len(value) == 1 else f"({', '.join(map(in_words, value))})"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(getattr(value, "name", value))


def sizes(shape: Sequence[int]) -> str:
    """A shape as people write it: ``2×3``."""
    return "×".join(map(str, shape)) or "one number"


def indexed(body: Math, places: Sequence[Math]) -> Math:
    """``body[places]`` with the index at its factors and terms: ``x[i]·y[i]`` for ``(x ⊙ y)[i]``."""
    if body.ndim == 0:
        return body
    own = tuple(places[len(places) - body.ndim :])
    if isinstance(body, Big) and all(place == WHOLE or place.text() in body.letters for place in own):
        return body  # the axes it ran over have length 1 now
    if isinstance(body, Product):
        return Product(tuple([indexed(part, places) for part in body.factors]))
    if isinstance(body, Sum):
        return Sum(tuple([indexed(part, places) for part in body.terms]), body.signs)
    if isinstance(body, Fraction):
        return Fraction(indexed(body.top, places), indexed(body.bottom, places))
    if isinstance(body, Power) and body.exponent.ndim == 0:
        return Power(indexed(body.base, places), body.exponent)
    if isinstance(body, Indicator):
        return Indicator(indexed(body.condition, places))
    if isinstance(body, Infix):
        return Infix(body.sign, indexed(body.left, places), indexed(body.right, places))
    if isinstance(body, Call) and body.compute is None:
        return Call(body.function, tuple([indexed(part, places) for part in body.arguments]))
    if isinstance(body, Index) and (merged := _merged(body, own)) is not None:
        return merged
    return Index(body, own, _free(own))


def _merged(body: Index, own: Sequence[Math]) -> Index | None:
    """``x[:, None, :]`` at ``[i, :, k]`` is ``x[i, None, k]``; None where a place is a stretch."""
    rest = iter(own)
    places: list[Math] = []
    for place in body.places:
        if place == WHOLE:
            places.append(next(rest))
        elif place == NEW:
            if next(rest) == WHOLE:  # else the only one of a new axis, which is then gone
                places.append(NEW)
        elif isinstance(place, Words) or place.ndim:
            return None
        else:
            places.append(place)
    places += rest
    return Index(body.base, tuple(places), sum(place in (WHOLE, NEW) for place in places))


def _free(places: Sequence[Math]) -> int:
    return sum(place == WHOLE for place in places)
