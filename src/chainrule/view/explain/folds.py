"""What the page folds: the modules of a network, and the composites that open into their parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["root", "module", "composite", "repeat"]


@dataclass
class Fold:
    """A part of the graph that is drawn as one node until it is opened."""

    id: int
    parent: int | None
    name: str
    kind: Kind
    node: int | None = None
    """Of a composite: the node that it opens."""
    count: int | None = None
    """Of a repeat: how many alike."""
    nodes: list[int] = field(default_factory=list)
    folds: list[int] = field(default_factory=list)

    def as_record(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "parent": self.parent,
            "name": self.name,
            "kind": self.kind,
            "node": self.node,
            "count": self.count,
            "nodes": self.nodes,
            "folds": self.folds,
        }


class Folds:
    """The tree of folds, filled while the nodes are recorded."""

    def __init__(self) -> None:
        self.all = [Fold(0, None, "", "root")]
        self._modules: dict[tuple[int, str], int] = {}

    def new(self, parent: int, name: str, kind: Kind, node: int | None = None) -> int:
        fold = Fold(len(self.all), parent, name, kind, node)
        self.all.append(fold)
        self.all[parent].folds.append(fold.id)
        return fold.id

    def of_module(self, scope: int, path: str) -> int:
        """The fold of a module within a scope (the root, or a composite), those around it made as needed."""
        here, so_far = scope, ""
        for name in _segments(path):
            so_far = f"{so_far}.{name}" if so_far else name
            key = (scope, so_far)
            if key not in self._modules:
                self._modules[key] = self.new(here, name, "module")
            here = self._modules[key]
        return here


def _segments(path: str) -> list[str]:
    """``encoder.layers.0`` is ``encoder`` and ``layers.0``: a list is no module of its own."""
    names: list[str] = []
    for part in filter(None, path.split(".")):
        if part.isdigit() and names:
            names[-1] += f".{part}"
        else:
            names.append(part)
    return names
