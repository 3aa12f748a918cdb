"""The way back of one number: from an element to the element that made it so, down to a row or a parameter.

At each node the operand's element that decides is followed: the zero of a denominator, the largest term of
a sum, the row that was looked up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..dtypes import is_float
from ..graph import Array, Constant, Leaf, Node, Origin, Placeholder
from ..ops import Elementwise
from ..ops.contraction import MatMul
from ..ops.indexing import Take
from .provenance import Mask, first_of, reads, single
from .remedies import PASSING

Index = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Link:
    """One element on the way: a node, the place in it, and the value there."""

    node: Node
    index: Index
    value: float
    note: str = ""

    def __str__(self) -> str:
        name = self.node.op.name if self.node.name or isinstance(self.node.op, Leaf) else ""
        value = f"{indexed(self.node, self.index)} = {spelled(self.value)}"
        return "  ".join(filter(None, [value, name, written_at(self.node.origin), self.note]))


class Hidden(NamedTuple):
    """Where the forward pass threw a value away, so that only the backward pass met its infinite slope."""

    node: Node
    """A node of the backward pass, whose origin is the op that hid it."""
    op: str
    how: str

    def __str__(self) -> str:
        place = written_at(self.node.origin._replace(derived=""))
        op = f"{self.op} ({place})" if place else self.op
        return f"the forward pass hid it: {op} {self.how}; the backward pass met 0 times ∞"


def lineage(node: Node, index: Index, values: Mapping[Node, Array]) -> tuple[Link, ...]:
    """The elements that decided one element's value, from its operands down to a leaf."""
    found: list[Link] = []
    at: tuple[Node, Index, str] | None = (node, index, "")
    while at is not None and at[0].inputs:
        at = _step(at[0], at[1], values)
        if at is not None:
            link = Link(at[0], at[1], float(values[at[0]][at[1]]), at[2])
            found.append(link)
    return tuple(found)


def shown(links: Sequence[Link], most: int = 8) -> Iterator[str]:
    """The links worth telling, as lines: moves are left out, and the middle of a long way."""
    told = [link for link in links if not isinstance(link.node.op, PASSING) or link.note or link is links[-1]]
    if len(told) <= most:
        yield from map(str, told)
        return
    yield from map(str, told[: most // 2])
    yield f"… {len(told) - most + 1} more"
    yield from map(str, told[-(most // 2 - 1) :])


def _step(node: Node, index: Index, values: Mapping[Node, Array]) -> tuple[Node, Index, str] | None:
    """The deciding element among those that one element reads; None where only constants are left."""
    masks = reads(node, single(node, index), values)
    float_inputs = [
        (child, mask)
        for child, mask in zip(node.inputs, masks, strict=True)
        if is_float(child.dtype) and mask.any()
    ]
    choices = [(c, m) for c, m in float_inputs if not isinstance(c, Constant)]
    if not choices:
        return None
    if isinstance(node.op, MatMul) and len(choices) == 2:
        return (*_term(choices, values), "")
    own = float(values[node][index])
    picks = [(child, _extreme(child, mask, values, index)) for child, mask in choices]
    if isinstance(node.op, Elementwise) and len(picks) > 1:
        elements = [abs(float(values[child][place])) for child, place in picks]
        chosen = picks[_deciding(node.op.name, elements, own)]
    else:
        chosen = max(picks, key=lambda pick: _weight(float(values[pick[0]][pick[1]])))
    note = _looked_up(node, masks, values) if isinstance(node.op, Take) else ""
    return (*chosen, note)


def _weight(value: float) -> float:
    return math.inf if math.isnan(value) else abs(value)


def _extreme(child: Node, mask: Mask, values: Mapping[Node, Array], index: Index) -> Index:
    """Of the elements of one operand: what is not finite, else the same place, else the largest."""
    value = values[child]
    bad = mask & ~np.isfinite(value)
    if bad.any():
        return first_of(bad)
    same = len(index) == value.ndim and all(i < n for i, n in zip(index, value.shape, strict=True))
    if same and mask[index]:  # of a softmax, a normalisation: the others only scale it
        return index
    sizes = np.where(mask, np.abs(value), -1.0)
    return first_of(sizes == sizes.max())


def _small(value: float) -> bool:
    return abs(value) < 1e-6


def _deciding(op: str, sizes: Sequence[float], own: float) -> int:
    """Which operand of an elementwise op made its value what it is, from the operands' magnitudes."""
    if any(math.isnan(size) for size in sizes):
        return next(number for number, size in enumerate(sizes) if math.isnan(size))
    if op == "divide":
        x, y = sizes
        return 1 if y == 0 or math.isinf(y) or (not _small(own) and y < min(1.0, 1 / max(x, 1e-30))) else 0
    if op in ("pow", "arctan2"):
        return 0
    if op == "multiply" and _small(own):
        return int(np.argmin(sizes))
    if op in ("maximum", "minimum"):
        return int(np.argmin([abs(size - abs(own)) for size in sizes]))
    return int(np.argmax(sizes))


def _term(choices: Sequence[tuple[Node, Mask]], values: Mapping[Node, Array]) -> tuple[Node, Index]:
    """The largest product of a contraction, and of its two factors the larger."""
    lines = [(child, np.argwhere(mask)) for child, mask in choices]
    columns = [values[child][tuple(places.T)].astype(np.float64) for child, places in lines]
    with np.errstate(all="ignore"):
        products = np.abs(columns[0] * columns[1])
    k = int(np.argmax(np.where(np.isnan(products), np.inf, products)))
    sizes = [abs(float(column[k])) for column in columns]
    if not products.any():  # nothing but zeros: those of the side that has most of them
        sizes = [float((column == 0).mean()) for column in columns]
    side = 0 if sizes[0] >= sizes[1] else 1
    child, places = lines[side]
    return child, tuple(int(i) for i in places[k])


def _looked_up(node: Node, masks: Sequence[Mask], values: Mapping[Node, Array]) -> str:
    """``row 17, looked up by ids[12, 3]``: which index of the data an embedding's row goes back to."""
    table, indices = node.inputs[:2]
    axis = node.attributes["axis"]
    place = first_of(masks[1])
    row = int(values[indices][place])
    at: Node = indices
    while at.inputs:
        below = reads(at, single(at, place), values)
        following = [
            (child, mask)
            for child, mask in zip(at.inputs, below, strict=True)
            if child.dtype.kind in "iu" and mask.any() and not isinstance(child, Constant)
        ]
        if not following:
            break
        at, place = following[0][0], first_of(following[0][1])
    what = "row" if axis == 0 else f"place {row} of axis {axis}, not row"
    return f"{what} {row} of {table.label}, looked up by {indexed(at, place)}"


def hidden_by(node: Node, index: Index, values: Mapping[Node, Array]) -> Hidden | None:
    """What made an element's upstream gradient exactly 0: where the forward pass ignored its value."""
    if not node.origin.derived.startswith("gradient of "):
        return None
    at, place, came = node, index, False
    while at.inputs:
        masks = reads(at, single(at, place), values)
        zeros = [
            (child, zero)
            for child, mask in zip(at.inputs, masks, strict=True)
            if is_float(child.dtype) and (zero := mask & (values[child] == 0)).any()
        ]
        upstream = [pair for pair in zeros if pair[0].origin.derived and not isinstance(pair[0], Constant)]
        if upstream and not _is_slope(at, upstream[0][0]):
            at, place, came = upstream[0][0], first_of(upstream[0][1]), True
            continue
        return _hider(at) if came else None
    return None


def _is_slope(node: Node, child: Node) -> bool:
    """Whether an operand of a product is the local derivative and not the upstream gradient."""
    return node.op.name == "divide" and child is node.inputs[1]


def _hider(node: Node) -> Hidden | None:
    op = node.origin.derived.removeprefix("gradient of ")
    if op == "where":
        return Hidden(node, op, "chose its other operand there")
    if op in ("maximum", "minimum", "clip", "relu", "leaky_relu", "hard_tanh"):
        return Hidden(node, op, "took its other operand there")
    if op in ("max", "min", "max_pool"):
        return Hidden(node, op, "took another place")
    if op == "multiply":
        return Hidden(node, op, "multiplied it by 0")
    if op in ("divide", "reciprocal"):
        return Hidden(node, op, "divided by ∞, which gives 0")
    if op in ("dropout",):
        return Hidden(node, op, "dropped it")
    return Hidden(node, op, "passed none of it on") if op else None


def written_at(origin: Origin) -> str:
    """The line, if there is one: an expression that was typed has none."""
    return "" if origin.code is None else str(origin)


def indexed(node: Node, index: Sequence[int]) -> str:
    """``ids[12, 3]``; the label alone for a scalar."""
    return f"{node.label}[{', '.join(map(str, index))}]" if len(index) else node.label


def spelled(value: float) -> str:
    """A number in a few characters; NaN, ∞ and -∞ by these names."""
    if math.isfinite(value):
        return f"{value:.6g}"
    return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"


def rows_of(masks: Mapping[Node, Mask]) -> dict[Placeholder, tuple[int, ...]]:
    """Which rows of each input were read, where they were not all of them."""
    found = {}
    for leaf, mask in sorted(masks.items(), key=lambda pair: pair[0].serial):
        if isinstance(leaf, Placeholder) and mask.ndim:
            rows = np.flatnonzero(mask.reshape(mask.shape[0], -1).any(axis=1))
            if len(rows) < mask.shape[0] or mask.shape[0] == 1:
                found[leaf] = tuple(int(row) for row in rows)
    return found
