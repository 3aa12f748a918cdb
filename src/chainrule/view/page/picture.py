"""The drawing of a record's top level, folds closed: for print, for notebooks, and where no script runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..drawing import Card, Drawing, card_of, compose
from ..scene import Role

_LABEL, _NAME, _SMALL = 14.0, 13.0, 11.0
_LONGEST = 28
_ROLES: dict[str, Role] = {"op": "op", "composite": "composite", "parameter": "parameter"}


def picture(record: Mapping[str, Any]) -> Drawing:
    """The graph of a record as it is before anything is opened.

    >>> import chainrule as cr
    >>> x = cr.variable([1.0, 2.0], name="x")
    >>> from chainrule.view.page import explain
    >>> picture(explain(cr.sum(cr.tanh(x)), check=False).record)
    <drawing: graph of sum: 2 ops, 1 parameters, 0 inputs and constants>
    """
    layout = record["layouts"][0]
    cards = [_card(record, node, fold) for node, fold in layout["items"]]
    # A wire for each input of a node, one for all values that go from one shape into a fold.
    wires = dict.fromkeys(
        (source, target, index if index >= 0 else 0) for _, source, target, index, _ in layout["edges"]
    )
    edges = [(source, target) for source, target, _ in wires]
    return Drawing(compose(cards, edges, [record["nodes"][record["output"]]["label"]]))


def _card(record: Mapping[str, Any], number: int, fold: int) -> Card:
    if number < 0:
        return _fold_card(record, fold)
    node = record["nodes"][number]
    label = node["symbol"] if node["kind"] == "parameter" and not node["name"] else node["label"]
    lines: list[tuple[str, float, Role]] = [(_cut(label), _LABEL, "label")]
    if node["inputs"] and node["name"] and node["name"] != label:
        lines.append((_cut(node["name"]), _NAME, "name"))
    dims = "" if _is_number(node) else _dimensions(node["shape"])
    title = f"{node['op']} {node['symbol']}, {dims or 'scalar'}"
    role = _ROLES.get(node["kind"], "input")
    return card_of(role, "op composite" if role == "composite" else role, lines, dims, title)


def _fold_card(record: Mapping[str, Any], number: int) -> Card:
    fold = record["folds"][number]
    name = f"{fold['name']} × {fold['count']}" if fold["kind"] == "repeat" else fold["name"]
    count = _held(record["folds"], number)
    outputs = [record["nodes"][value] for value in record["layouts"][number]["outputs"]]
    dims = _dimensions(outputs[0]["shape"]) if len(outputs) == 1 else ""
    lines: list[tuple[str, float, Role]] = [
        (_cut(name), _LABEL, "label"),
        (f"{count} nodes", _SMALL, "detail"),
    ]
    return card_of("fold", "op fold", lines, dims, f"{name}, {count} nodes")


def _held(folds: Sequence[Mapping[str, Any]], number: int) -> int:
    """How many nodes are inside, at any depth."""
    fold = folds[number]
    return len(fold["nodes"]) + sum(_held(folds, inner) for inner in fold["folds"])


def _is_number(node: Mapping[str, Any]) -> bool:
    return node["kind"] == "constant" and not node["name"] and all(side == 1 for side in node["shape"])


def _dimensions(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape)) or "scalar"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
