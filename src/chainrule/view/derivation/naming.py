"""Symbols for nodes, as the lectures choose them: x, W⁽¹⁾, b⁽¹⁾, z⁽¹⁾, h⁽¹⁾, p, y, L.

A name that the user gave is kept, if it is short and plain; a module's path is not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ...dtypes import is_float, is_integer
from ...graph import Constant, Node, Variable
from ..formulas.styles import raise_
from .regions import TARGETS, Region, is_number

_PLAIN = re.compile(r"[^\W\d_][^\W_]{0,11}(_\w{1,8})?")
_ARITHMETIC = frozenset(
    {"add", "subtract", "multiply", "divide", "negative", "pow", "square", "sqrt", "where"}
)
#: What modules call their parameters: a letter says more.
_ATTRIBUTES = frozenset({"weight", "bias", "scale", "shift"})
#: What a node is called by its op, where nobody named it; activations are h, and all else v.
_LETTERS = {
    "softmax": "p", "masked_softmax": "p", "log_softmax": "q", "take": "e", "concat": "c", "max": "m",
    "max_pool": "m", "average_pool": "m", "attention": "a", "layer_norm": "n", "rms_norm": "n",
    "dropout": "d", "sum": "s", "divide": "v",
    "cross_entropy": "J", "nll_loss": "J", "binary_cross_entropy": "J",
}  # fmt: skip
#: What a leaf is called by the op that reads it, and as which of its inputs.
_ROLES = {
    ("convolution", 1): "K", ("take", 0): "E", ("take", 1): "i", ("cross_entropy", 2): "w",
    **dict.fromkeys(TARGETS, "t"),
}  # fmt: skip
_MOVEMENTS = frozenset({"reshape", "permute_dims", "broadcast_to", "cast", "class_index", "negative"})


class Named(NamedTuple):
    """Symbols of nodes, and the layer to which each belongs."""

    names: dict[Node, str]
    layers: dict[Node, int]


def choose(regions: Sequence[Region], loss: Node) -> Named:
    """A symbol for the node of every region, and for every leaf that one of them reads."""
    letters: dict[Node, str] = {}
    layers: dict[Node, int] = {}
    own: dict[Node, str] = {}
    layer = 0
    equations = {region.node for region in regions}
    for region in regions:
        node = region.node
        if region.is_layer and node is not loss:
            layer += 1
        for leaf in region.below:
            if leaf in letters or leaf in own or leaf in equations or is_number(leaf, region.opened):
                continue
            if (name := _own_name(leaf)) is not None:
                own[leaf] = name
            else:
                letters[leaf] = _leaf_letter(leaf, region)
                if isinstance(leaf, Variable) and region.is_layer and node is not loss:
                    layers[leaf] = layer
        if (name := _own_name(node)) is not None:
            own[node] = name
        elif node is loss:
            own[node] = "L"
        else:
            letters[node] = _node_letter(region, own, letters)
        if node is not loss and (region.is_layer or _is_activation(region)):
            layers[node] = layer
    return Named(_unlike(letters, layers, own, layer), layers)


def _own_name(node: Node) -> str | None:
    name = node.name
    return name if name is not None and _PLAIN.fullmatch(name) and name not in _ATTRIBUTES else None


def _node_letter(region: Region, own: Mapping[Node, str], letters: Mapping[Node, str]) -> str:
    if region.is_layer:
        return "z"
    if _is_activation(region):
        return "h"
    return _LETTERS.get(region.node.op.name, "v")


def _is_activation(region: Region) -> bool:
    """A function of each element, which is no arithmetic, of one array."""
    node = region.node
    return len(node.inputs) == 1 and node.op.name not in _ARITHMETIC and _is_elementwise(node)


def _is_elementwise(node: Node) -> bool:
    return node.shape == node.inputs[0].shape and node.op.name not in _LETTERS and is_float(node.dtype)


def _leaf_letter(leaf: Node, region: Region) -> str:
    node = leaf
    while True:  # past movements, to what the leaf is there for
        reader = next((each for each in region.opened if any(child is node for child in each.inputs)), None)
        if reader is None or reader.op.name not in _MOVEMENTS:
            break
        node = reader
    kind = reader.op.name if reader is not None else ""
    index = (
        next((n for n, child in enumerate(reader.inputs) if child is node), 0) if reader is not None else 0
    )
    if (kind, index) in _ROLES:
        return _ROLES[kind, index]
    if is_integer(leaf.dtype):
        return "i"
    if not is_float(leaf.dtype):
        return "m"
    if not isinstance(leaf, Variable):
        return "x" if not isinstance(leaf, Constant) or leaf.ndim else "c"
    if kind in ("matmul", "einsum"):
        return "W" if leaf.ndim > 1 else "u"
    return "b" if kind in ("add", "subtract") else "g" if kind == "multiply" else "θ"


def _unlike(
    letters: Mapping[Node, str], layers: Mapping[Node, int], own: Mapping[Node, str], count: int
) -> dict[Node, str]:
    """The letters with what tells them apart: the layer's number above, else a number below."""
    found: dict[Node, str] = {}
    taken: set[str] = set()
    for node, name in own.items():
        while name in taken:  # two nodes that the user called the same
            name += "′"
        taken.add(name)
        found[node] = name
    groups: dict[tuple[str, int | None], list[Node]] = {}
    for node, letter in letters.items():
        groups.setdefault((letter, layers.get(node) if count > 1 else None), []).append(node)
    many = {letter for letter, _ in groups if sum(key[0] == letter for key in groups) > 1}
    for (letter, layer), nodes in groups.items():
        above = f"⁽{raise_(str(layer))}⁾" if layer else ""
        for place, node in enumerate(nodes, 1):
            alone = len(nodes) == 1 and (layer or letter not in many)
            number = place
            name = f"{letter}{above}" if alone else f"{letter}{number}{above}"
            while name in taken:
                number += 1
                name = f"{letter}{number}{above}"
            taken.add(name)
            found[node] = name
    return found
