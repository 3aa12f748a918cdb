"""What a page asks its reader: some values, local derivatives and gradients, in the order of the walk."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from ...graph import Array
from .tensors import decode

#: So many of each kind are asked.
VALUES, LOCALS, GRADIENTS = 3, 3, 4

#: Of an array with more entries one entry is asked, the largest; of one with still more, nothing.
ENTRIES, MOST_ENTRIES = 12, 400

#: An entry that is the sum of more products than that is no work for a person.
MOST_PRODUCTS = 12

_T = TypeVar("_T")


def exercise(record: Mapping[str, Any], *, start: bool = False) -> dict[str, Any]:
    """The questions that suit a record: ``{"start": …, "hide": [place, …]}``; the same ones every time.

    A place is ``"value:3"``, ``"gradient:3"``, ``"local:3:0"`` (node 3, its term 0), with ``@5`` behind it
    where only the entry with that flat index is asked.  Values stand in the order of the forward pass,
    then local derivatives and gradients in that of the backward pass, so that whoever answers one knows
    what came before it.  ``start`` makes the page begin with all of them hidden.
    """
    nodes = [node for node in record["nodes"] if not _is_inside_composite(record, node)]
    values = [
        node
        for node in nodes
        if node["inputs"]
        and _is_askable(record, node["value"])
        and _array(record, node["value"]).any()
        and _products(record, node) <= MOST_PRODUCTS
    ]
    asked = [_place(record, f"value:{node['id']}", node["value"]) for node in _spread(values, VALUES)]
    backward = [*_locals(record, nodes), *_gradients(record, nodes)]
    asked += [place for _, place in sorted(backward, key=lambda found: -found[0])]
    return {"start": start, "hide": asked}


def _locals(record: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> Iterator[tuple[float, str]]:
    """Local derivatives that are not plain ones or zeros; with each the time at which it is asked."""
    found = [
        (node, number, term)
        for node in nodes
        for number, term in enumerate(node["terms"])
        if term["within"] is None
        and term["local"] is not None
        and record["nodes"][term["consumer"]]["kind"] == "op"
        and _is_askable(record, term["local"])
        and not np.isin(_array(record, term["local"]), (0, 1)).all()
    ]
    for node, number, term in _spread(found, LOCALS):
        # Just before the gradient of its node.
        yield node["id"] + 0.5, _place(record, f"local:{node['id']}:{number}", term["local"])


def _gradients(record: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> Iterator[tuple[float, str]]:
    """Gradients that add several terms first, then those of parameters and inputs, then others."""
    found = [
        node
        for node in nodes
        if node["gradient"] is not None
        and node["id"] != record["output"]
        and _is_askable(record, node["gradient"])
        and _array(record, node["gradient"]).any()
        and all(
            _products(record, record["nodes"][term["consumer"]], node) <= MOST_PRODUCTS
            for term in _own_terms(node)
        )
    ]
    several = [node for node in found if len(_own_terms(node)) > 1]
    leaves = [node for node in found if not node["inputs"] and node not in several]
    others = [node for node in found if node["inputs"] and node not in several]
    chosen: list[Mapping[str, Any]] = []
    for group, most in ((several, 2), (leaves, 2), (others, GRADIENTS), (leaves, GRADIENTS)):
        room = min(most, GRADIENTS - len(chosen))
        chosen += _spread([node for node in group if node not in chosen], room)
    for node in chosen:
        yield float(node["id"]), _place(record, f"gradient:{node['id']}", node["gradient"])


def _own_terms(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [term for term in node["terms"] if term["within"] is None]


def _spread(items: Sequence[_T], count: int) -> list[_T]:
    """Up to ``count`` of them, evenly from first to last."""
    if len(items) <= count or count < 1:
        return list(items)[: max(count, 0)]
    last = len(items) - 1
    return [items[round(k * last / (count - 1)) if count > 1 else last] for k in range(count)]


def _is_inside_composite(record: Mapping[str, Any], node: Mapping[str, Any]) -> bool:
    fold = record["folds"][node["fold"]]
    while fold["kind"] != "composite":
        if fold["parent"] is None:
            return False
        fold = record["folds"][fold["parent"]]
    return True


def _array(record: Mapping[str, Any], number: int) -> Array:
    return decode(record["tensors"][number])[0]


def _products(
    record: Mapping[str, Any], node: Mapping[str, Any], of: Mapping[str, Any] | None = None
) -> float:
    """How many products or elements go into an entry of the node, or of the gradient of ``of`` through it."""
    inputs = [record["nodes"][number]["shape"] for number in node["inputs"]]
    total = max(math.prod(shape) for shape in [node["shape"], *inputs])
    if node["op"] == "matmul":
        total = math.prod(node["shape"]) * inputs[0][-1]
    return float(total / max(math.prod((of or node)["shape"]), 1))


def _is_askable(record: Mapping[str, Any], number: int) -> bool:
    """Whether all entries are there, are floats and are finite, and are not too many."""
    tensor = record["tensors"][number]
    if tensor["rows"] is not None or tensor["columns"] is not None:
        return False
    if math.prod(tensor["shape"]) > MOST_ENTRIES:
        return False
    array = _array(record, number)
    return bool(array.size and array.dtype.kind == "f" and np.isfinite(array).all())


def _place(record: Mapping[str, Any], place: str, number: int) -> str:
    array = _array(record, number)
    return place if array.size <= ENTRIES else f"{place}@{int(np.abs(array).argmax())}"
