"""What one op did to the gradient that passed through it: dead, saturated, masked, cancelled, scaled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from ..dtypes import is_float
from ..engines.lineage import written_at
from ..graph import Array, Constant, Node
from ..ops import Elementwise
from .flow import Edge, norm

_MOST = 0.9
"""From this share on, blocked entries are worth telling; half of them is what a relu is for."""
_HALF = 0.5
"""From this share on, dead units and saturated values are."""
_CANCELLED = 1e-3
"""Terms whose sum is so much smaller than they are have cancelled each other."""


class Cause(NamedTuple):
    """One reason for a gradient's size, and what mends it."""

    kind: str
    """A word for programs: ``dead``, ``saturated``, ``masked``, ``cancelled``, ``scaled``, ``cut``, …"""
    text: str
    node: Node | None = None
    mend: str = ""

    def __str__(self) -> str:
        return self.text


def cause_of(edge: Edge, values: Mapping[Node, Array]) -> Cause | None:
    """What is worth telling about an edge; None where it only hands the gradient on."""
    if (vanished := _underflown(edge)) is not None:
        return vanished
    find = _FINDERS.get(edge.consumer.op.name)
    found = None if find is None else find(edge, values)
    return found or _cancelled(edge) or _silent(edge)


def _underflown(edge: Edge) -> Cause | None:
    """A gradient that became too small for its type on a long way."""
    if edge.downstream.any() or not edge.upstream.any():
        return None
    largest, least = float(np.abs(edge.upstream).max()), float(np.finfo(edge.upstream.dtype).tiny)
    if largest > 1e4 * least:
        return None
    return Cause(
        "underflow",
        f"it has become too small for {edge.upstream.dtype} at {named(edge.consumer)}: what arrives there "
        f"is {largest:.3g}",
        edge.consumer,
        "normalise between the layers (layer_norm), or add skip connections; fewer factors below 1 in a row",
    )


def named(node: Node) -> str:
    """``relu2 (net.py:12)``, with the op where the name does not say it."""
    name = node.name or node.op.name
    place = written_at(node.origin)
    return f"{name} ({place})" if place else name


# -- what each op may do -----------------------------------------------------------------------------------


def _blocked(edge: Edge) -> tuple[float, int]:
    """The share of entries at which something came and nothing went on, and of how many."""
    came = np.broadcast_to(edge.upstream, edge.consumer.shape) != 0
    if edge.downstream.shape != came.shape or not came.any():
        return 0.0, 0
    return float((edge.downstream[came] == 0).mean()), int(came.sum())


def _dead(edge: Edge, values: Mapping[Node, Array]) -> Cause | None:
    share, count, what = _inactive(edge, values)
    if share < (_MOST if what == "entries" else _HALF):
        return None
    x = values[edge.child]
    never = "pass nothing back" if what == "entries" else "give 0 for every example"
    return Cause(
        "dead",
        f"{_share(share)} of {named(edge.consumer)} is dead: {round(share * count)} of {count} {what} "
        f"{never} (its inputs lie between {x.min():.3g} and {x.max():.3g})",
        edge.consumer,
        "lower the learning rate, start with smaller biases or He weights, or use leaky_relu",
    )


def _inactive(edge: Edge, values: Mapping[Node, Array]) -> tuple[float, int, str]:
    """The share of a rectifier's units that no example opens; of its entries, where it has one axis."""
    y = values[edge.consumer]
    if edge.consumer.op.name == "relu" and y.size:
        if y.ndim < 2:
            return float((y == 0).mean()), y.size, "entries"
        units = (y == 0).all(axis=tuple(range(y.ndim - 1)))
        return float(units.mean()), units.size, "units"
    return (*_blocked(edge), "entries")


def _beaten(edge: Edge, values: Mapping[Node, Array]) -> Cause | None:
    share, count = _blocked(edge)
    if share < _MOST:
        return None
    other = edge.consumer.inputs[1 - edge.index]
    return Cause(
        "masked",
        f"at {_share(share)} of {count} entries {named(edge.consumer)} takes its other operand, "
        f"{_called(other)}",
        edge.consumer,
        "the bound is too tight for these values: widen it, or scale what comes in",
    )


def _masked(edge: Edge, values: Mapping[Node, Array]) -> Cause | None:
    share, count = _blocked(edge)
    if share < _MOST:
        return None
    verb = "drops" if edge.consumer.op.name == "dropout" else "masks"
    return Cause(
        "masked",
        f"{named(edge.consumer)} {verb} {_share(share)} of {count} entries",
        edge.consumer,
        "a lower rate" if verb == "drops" else "look at its condition: where it holds, this operand is "
        + ("not " if edge.index == 2 else "") + "chosen",
    )  # fmt: skip


def _saturated(low: float, high: float) -> Callable[[Edge, Mapping[Node, Array]], Cause | None]:
    def find(edge: Edge, values: Mapping[Node, Array]) -> Cause | None:
        y = values[edge.consumer]
        share = float(((y <= low) | (y >= high)).mean()) if y.size else 0.0
        if share < _HALF:
            return None
        op = edge.consumer.op.name
        largest = float(np.abs(values[edge.child]).max(initial=0.0))
        return Cause(
            "saturated",
            f"{named(edge.consumer)} is saturated: {_share(share)} of its {y.size} values of {op} are beyond "
            f"{low:g} or {high:g} (inputs up to ±{largest:.3g}), where its slope is about 0",
            edge.consumer,
            "scale its inputs down: smaller initial weights, inputs of unit variance, or a normalisation "
            "before it",
        )

    return find


def _certain(edge: Edge, values: Mapping[Node, Array]) -> Cause | None:
    """A softmax that puts everything on one place."""
    y, axis = values[edge.consumer], edge.consumer.attributes["axis"]
    highest = y.max(axis=axis)
    share = float((highest > 0.999).mean()) if highest.size else 0.0
    if share < _HALF:
        return None
    return Cause(
        "saturated",
        f"{named(edge.consumer)} is saturated: at {_share(share)} of its rows one place has all of the "
        "probability, and its slope is about 0",
        edge.consumer,
        "scale the logits down, or take the loss from the logits: cr.cross_entropy does not vanish there",
    )


def _satisfied(edge: Edge, values: Mapping[Node, Array]) -> Cause | None:
    """A loss that has nothing left to say."""
    value = float(np.mean(values[edge.consumer])) if edge.consumer.size else 0.0
    if edge.index or not np.isfinite(value) or abs(value) > 1e-4:
        return None
    return Cause(
        "satisfied",
        f"{named(edge.consumer)} is {value:.3g}: every example is already right, so nothing is left to learn",
        edge.consumer,
    )


def _scaled(edge: Edge, values: Mapping[Node, Array]) -> Cause | None:
    others = [child for number, child in enumerate(edge.consumer.inputs) if number != edge.index]
    if not others or 1e-3 < edge.gain < 1e3 or not edge.upstream.any():
        return None
    other = others[0]
    size = float(np.abs(values[other]).max(initial=0.0))
    verb = "multiplies by" if edge.consumer.op.name == "multiply" else "divides by"
    if edge.consumer.op.name == "divide" and edge.index == 1:
        return None
    if not edge.gain:
        return Cause(
            "masked",
            f"{named(edge.consumer)} {verb} {_called(other)}, which is {size:.3g} everywhere",
            edge.consumer,
            "let the factor be other than 0",
        )
    of_size = "" if isinstance(other, Constant) and other.size == 1 else f", of size {size:.3g}"
    return Cause(
        "scaled",
        f"{named(edge.consumer)} {verb} {_called(other)}{of_size}: a factor of {edge.gain:.3g}",
        edge.consumer,
        "take the factor out, or make up for it in the learning rate",
    )


def _rows(edge: Edge, values: Mapping[Node, Array]) -> Cause | None:
    table = edge.downstream
    if edge.index or table.ndim < 1 or edge.consumer.attributes.get("axis", 0) != 0:
        return None
    reached = int(np.count_nonzero(table.reshape(table.shape[0], -1).any(axis=1)))
    if reached > _HALF * table.shape[0]:
        return None
    return Cause(
        "rows",
        f"{named(edge.consumer)} looks up {reached} of the {table.shape[0]} rows; the others get nothing "
        "from this batch",
        edge.consumer,
    )


def _weighted(edge: Edge, values: Mapping[Node, Array]) -> Cause | None:
    other = edge.consumer.inputs[1 - edge.index]
    if not edge.gain:
        zeros = not values[other].any()
        return Cause(
            "zero",
            f"{named(edge.consumer)} multiplies by {_called(other)}, "
            + ("which is 0 everywhere" if zeros else "whose entries that matter are 0"),
            edge.consumer,
            "start it from random numbers: zeros pass nothing back" if zeros else "",
        )
    if 1e-2 < edge.gain < 1e2:
        return None
    return Cause(
        "scaled",
        f"{named(edge.consumer)} multiplies by {_called(other)}, of norm {norm(values[other]):.3g}: "
        f"a factor of {edge.gain:.3g}",
        edge.consumer,
        "rescale it: an initialiser for the layer's size (He, Glorot), or a normalisation",
    )


_FINDERS: dict[str, Callable[[Edge, Mapping[Node, Array]], Cause | None]] = {
    "relu": _dead, "leaky_relu": _dead, "hard_tanh": _dead, "elu": _dead, "abs": _dead,
    "maximum": _beaten, "minimum": _beaten,
    "where": _masked, "dropout": _masked,
    "tanh": _saturated(-0.99, 0.99), "sigmoid": _saturated(0.01, 0.99), "erf": _saturated(-0.99, 0.99),
    "softmax": _certain,
    "cross_entropy": _satisfied, "nll_loss": _satisfied, "binary_cross_entropy": _satisfied,
    "multiply": _scaled, "divide": _scaled,
    "take": _rows, "matmul": _weighted,
}  # fmt: skip


def _cancelled(edge: Edge) -> Cause | None:
    """Terms of a broadcast operand that add up to almost nothing: a shift that what follows takes away."""
    if not isinstance(edge.consumer.op, Elementwise) or edge.child.shape == edge.consumer.shape:
        return None
    if edge.consumer.op.name not in ("add", "subtract"):
        return None
    total, terms = float(np.abs(edge.downstream).sum()), float(np.abs(edge.upstream).sum())
    if not terms or total > _CANCELLED * terms:
        return None
    return Cause(
        "cancelled",
        f"the terms of {edge.child.label}'s {edge.consumer.size // max(edge.child.size, 1)} copies in "
        f"{named(edge.consumer)} cancel: they sum to {total:.3g} out of {terms:.3g}",
        edge.consumer,
        "what follows (a normalisation, a softmax) takes every such shift away again: leave this bias out",
    )


def _silent(edge: Edge) -> Cause | None:
    """An op that was given something and passed nothing on, for a reason this table does not know."""
    if edge.downstream.any() or not edge.upstream.any():
        return None
    return Cause(
        "zero", f"the derivative of {named(edge.consumer)} is 0 everywhere on this input", edge.consumer
    )


def cancelled_sum(node: Node, edges: list[Edge], gradient: Array) -> Cause | None:
    """Terms of several consumers that add up to almost nothing."""
    sizes = [norm(edge.downstream) for edge in edges]
    if len(edges) < 2 or not sum(sizes) or norm(gradient) > _CANCELLED * sum(sizes):
        return None
    two = sorted(zip(sizes, edges, strict=True), key=lambda pair: -pair[0])[:2]
    ways = " and ".join(f"{named(edge.consumer)} ({size:.3g})" for size, edge in two)
    count = "two" if len(edges) == 2 else str(len(edges))
    return Cause(
        "cancelled",
        f"{count} terms cancel at {node.label}: those through {ways} sum to {norm(gradient):.3g}",
        node,
        "the loss does not change along this direction: a minimum, or a term that is taken away again",
    )


def _share(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


def _called(node: Node) -> str:
    if isinstance(node, Constant):
        return f"{node.array.item():.6g}" if node.size == 1 else node.short
    return node.label if is_float(node.dtype) else f"{node.label} ({node.dtype})"
