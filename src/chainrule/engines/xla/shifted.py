"""Products with windows that slide over an array, as sums of products with the shifted array.

A convolution lays its windows out as rows and multiplies once.  The native engine reads them where they
are; XLA would write all of them to memory, and read them again.  So the three products of a convolution,

    windows(x) · W        windows(x)ᵀ · δ        overlap_add(δ · Wᵀ)

become, with x[o] the part of x that stands at offset o of its windows, Σₒ x[o] · W[o], the stack of the
x[o]ᵀ · δ, and Σₒ of δ · W[o]ᵀ put back at its places.  The same sums, added up in another order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ...graph import Node
from .array_functions import Place, put_window, window
from .setting import jax

_MOST = 64
"""Offsets in a window: of more, one product of all windows is the better way."""


class Windows(NamedTuple):
    """Rows that are the windows of ``source``, channels last, offset by offset."""

    source: Node
    places: tuple[Place, ...]
    counts: dict[int, int]
    """How many windows along each axis."""

    @property
    def channels(self) -> int:
        return self.source.shape[-1]

    @property
    def offsets(self) -> Iterator[tuple[int, ...]]:
        return np.ndindex(*[size for _, size, _, _ in self.places])

    def at(self, x: Any, offsets: tuple[int, ...]) -> Any:
        """The part of the source that stands at these offsets, one row a window."""
        part = x[window(x.ndim, self.places, self.counts, offsets)]
        return part.reshape(-1, self.channels)


def _windows(rows: Node) -> Windows | None:
    """What ``reshape(permute_dims(sliding_windows(source)))`` lays out, if that is what the rows are."""
    turned = rows.inputs[0] if rows.op.name == "reshape" and rows.ndim == 2 else rows
    if turned.op.name != "permute_dims" or (spread := turned.inputs[0]).op.name != "sliding_windows":
        return None
    places, axes = spread.attributes["places"], turned.attributes["axes"]
    return _laid_out(spread.inputs[0], places, spread.shape, axes, rows.shape)


def _laid_out(
    source: Node,
    places: tuple[Place, ...],
    spread: tuple[int, ...],
    axes: tuple[int, ...],
    shape: tuple[int, ...],
) -> Windows | None:
    """Windows, ``spread`` as axes at the end, whose offsets and channels are the columns of rows."""
    lead = source.ndim - 1
    columns = math.prod([size for _, size, _, _ in places]) * source.shape[-1]
    last = tuple(axes) == (*range(lead), *range(lead + 1, lead + 1 + len(places)), lead)
    if not last or any(axis >= lead for axis, *_ in places) or len(shape) != 2 or shape[1] != columns:
        return None
    if columns > _MOST * source.shape[-1]:
        return None
    return Windows(source, places, {axis: spread[axis] for axis, *_ in places})


def product(node: Node, found: Mapping[Node, Any]) -> Any | None:
    """The value of a node that is one of the three products; None for any other."""
    for rule in (_forward, _to_weights, _to_source):
        if (value := rule(node, found)) is not None:
            return value
    return None


def _forward(node: Node, found: Mapping[Node, Any]) -> Any | None:
    if node.op.name != "matmul" or (windows := _windows(node.inputs[0])) is None:
        return None
    x, weight, c = found[windows.source], found[node.inputs[1]], windows.channels
    parts = [
        windows.at(x, o) @ weight[number * c : (number + 1) * c] for number, o in enumerate(windows.offsets)
    ]
    return sum(parts[1:], parts[0])


def _to_weights(node: Node, found: Mapping[Node, Any]) -> Any | None:
    if node.op.name != "matmul" or (turned := node.inputs[0]).op.name != "permute_dims" or turned.ndim != 2:
        return None
    if (windows := _windows(turned.inputs[0])) is None:
        return None
    x, delta = found[windows.source], found[node.inputs[1]]
    return jax().numpy.concatenate([windows.at(x, o).T @ delta for o in windows.offsets])


def _to_source(node: Node, found: Mapping[Node, Any]) -> Any | None:
    if node.op.name != "overlap_add" or (turned := node.inputs[0]).op.name != "permute_dims":
        return None
    spread = turned.inputs[0]
    rows = spread.inputs[0] if spread.op.name == "reshape" else spread
    if rows.op.name != "matmul" or rows.ndim != 2 or (weight := rows.inputs[1]).op.name != "permute_dims":
        return None
    back = tuple(np.argsort(turned.attributes["axes"]).tolist())
    windows = _laid_out(node, node.attributes["places"], turned.shape, back, rows.shape)
    if windows is None:
        return None
    delta, matrix, c = found[rows.inputs[0]], found[weight.inputs[0]], windows.channels
    shape = (*turned.shape[: node.ndim - 1], c)
    total: Any = None
    for number, o in enumerate(windows.offsets):
        part = (delta @ matrix[number * c : (number + 1) * c].T).reshape(shape)
        placed = put_window(part, windows.places, node.shape, o)
        total = placed if total is None else total + placed
    return total
