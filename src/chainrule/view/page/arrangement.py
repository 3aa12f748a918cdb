"""The layers and the order of every fold's inside, computed once, so that a page can open folds in place.

Each fold is laid out by itself: its nodes and closed folds, a port below for each value that enters and a
port above for each value that leaves.  Places depend on sizes, and sizes on what is open; the page computes
them, since the order does not change.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ..layout import Ordering, order

Record = dict[str, Any]


class Edge(NamedTuple):
    """A value on its way through one fold, between two vertices of its layout."""

    value: int
    """The node whose value it carries."""
    source: int
    target: int
    argument: int
    """Which input of the target it is, where the target is a node; else -1."""


def layouts(nodes: Sequence[Record], folds: Sequence[Record]) -> list[Record]:
    """One layout a fold: ``items``, ``inputs``, ``outputs``, ``edges``, ``rows`` and ``vertices``.

    Vertices are numbered: first ``items``, pairs of a node and a fold (-1 where it is not one; a composite
    is both); then a port for each of ``inputs`` and of ``outputs`` (the nodes whose values pass), then bend
    points, ``vertices`` in all.  ``edges`` are [value, source, target, input index, bend points], and
    ``rows`` are the layers from below, each from left to right.

    >>> nodes = [dict(id=k, inputs=i, kind="op", shape=[2], fold=f) for k, (i, f) in enumerate(
    ...     [([], 0), ([0], 1), ([1], 1), ([2], 0)])]
    >>> folds = [dict(id=0, parent=None, nodes=[0, 3], folds=[1], node=None, output=None),
    ...          dict(id=1, parent=0, nodes=[1, 2], folds=[], node=None, output=None)]
    >>> top, inner = layouts(nodes, folds)
    >>> top["items"], top["edges"], top["rows"]
    ([[0, -1], [-1, 1], [3, -1]], [[0, 0, 1, -1, []], [2, 1, 2, 0, []]], [[0], [1], [2]])
    >>> inner["inputs"], inner["outputs"], inner["rows"]
    ([0], [2], [[2], [0], [1], [3]])
    """
    levels = [_Level() for _ in folds]
    _Arranger(nodes, folds, levels).run()
    return [level.arranged() for level in levels]


class _Level:
    """The items, ports and edges of one fold, in the order in which they are met."""

    def __init__(self) -> None:
        self.items: dict[tuple[int, int, int], int] = {}
        """(node, fold, copy) to the topological number that it is sorted by."""
        self.inputs: dict[int, None] = {}
        self.outputs: dict[int, None] = {}
        self.edges: dict[tuple[int, Any, Any, int], None] = {}

    def _sorted(self) -> list[tuple[int, int, int]]:
        """The items such that edges rise, near the order in which the graph is computed."""
        waits = dict.fromkeys(self.items, 0)
        readers: dict[Any, list[tuple[int, int, int]]] = {}
        for _, source, target, _ in self.edges:
            if source in waits and target in waits:
                readers.setdefault(source, []).append(target)
                waits[target] += 1
        ready = [(self.items[item], item) for item, count in waits.items() if not count]
        heapq.heapify(ready)
        found = []
        while ready:
            _, item = heapq.heappop(ready)
            found.append(item)
            for reader in readers.get(item, ()):
                waits[reader] -= 1
                if not waits[reader]:
                    heapq.heappush(ready, (self.items[reader], reader))
        return found

    def arranged(self) -> Record:
        items = self._sorted()
        number: dict[Any, int] = {item: k for k, item in enumerate(items)}
        number |= {("in", value): len(number) + k for k, value in enumerate(self.inputs)}
        number |= {("out", value): len(number) + k for k, value in enumerate(self.outputs)}
        edges = [Edge(value, number[a], number[b], index) for value, a, b, index in self.edges]
        first, last = len(items), len(items) + len(self.inputs)
        # Values that take the same way share it, so that a bundle stays a bundle.
        ways = {(edge.source, edge.target): edge for edge in edges}
        ordering = _ordered(list(ways.values()), len(number), range(first, last), range(last, len(number)))
        bends = dict(zip(ways, ordering.chains, strict=True))
        return {
            "items": [[node, fold] for node, fold, _ in items],
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "edges": [[*edge, bends[edge.source, edge.target]] for edge in edges],
            "rows": ordering.rows,
            "vertices": len(ordering.layers),
        }


def _ordered(edges: Sequence[Edge], count: int, bottom: range, top: range) -> Ordering:
    """The ordering, with vertices renumbered on the way: ports below come first where edges must rise."""
    rank = {v: k for k, v in enumerate([*bottom, *(v for v in range(count) if v not in bottom)])}
    back = {k: v for v, k in rank.items()}
    found = order(
        count,
        [(rank[edge.source], rank[edge.target]) for edge in edges],
        bottom={rank[v] for v in bottom},
        top={rank[v] for v in top},
        values=[edge.value for edge in edges],
    )
    return found._replace(rows=[[back.get(v, v) for v in row] for row in found.rows])


class _Arranger:
    """Sends every edge of the graph through the folds that it crosses."""

    def __init__(self, nodes: Sequence[Record], folds: Sequence[Record], levels: Sequence[_Level]) -> None:
        self.nodes, self.folds, self.levels = nodes, folds, levels
        self.opened_by = {fold["node"]: fold["id"] for fold in folds if fold["node"] is not None}
        self.chain: list[tuple[int, ...]] = []
        """For each fold, the folds from the root to it."""
        for fold in folds:
            above = self.chain[fold["parent"]] if fold["parent"] is not None else ()
            self.chain.append((*above, fold["id"]))
        self.last = [0] * len(folds)
        """The last node inside each fold: the number its closed shape is sorted by."""
        for node in nodes:
            for number in self.chain[node["fold"]]:
                self.last[number] = max(self.last[number], node["id"])
        self.copied = self._copied()

    def _copied(self) -> set[int]:
        """Numbers that are written anew beside each reader, as one does on paper."""
        readers: dict[int, list[int]] = {}
        for node in self.nodes:
            for child in node["inputs"]:
                readers.setdefault(child, []).append(node["id"])
        return {
            number
            for number, found in readers.items()
            if self.nodes[number]["kind"] == "constant"
            and all(side == 1 for side in self.nodes[number]["shape"])
            and not any(reader in self.opened_by for reader in found)
        }

    def run(self) -> None:
        for fold in self.folds:
            for number in fold["nodes"]:
                if number not in self.copied:
                    self._item(fold["id"], number)
            for inner in fold["folds"]:
                if self.folds[inner]["node"] is None:
                    self.levels[fold["id"]].items[-1, inner, 0] = self.last[inner]
        for node in self.nodes:
            for index, child in enumerate(node["inputs"]):
                if child in self.copied:
                    level = self.levels[node["fold"]]
                    copy = (child, -1, 1 + len(level.items))
                    level.items[copy] = child
                    level.edges[child, copy, self._item(node["fold"], node["id"]), index] = None
                else:
                    self._send(child, child, node["id"], index)
        for fold in self.folds:
            if fold["output"] is not None:
                self._leave(fold["node"], fold["output"], self.chain[fold["id"]][:-1])

    def _item(self, fold: int, number: int) -> tuple[int, int, int]:
        """The vertex of a node in a fold: itself, or the closed fold that holds it."""
        own = self.chain[self.nodes[number]["fold"]]
        if own[-1] == fold:
            item = (number, self.opened_by.get(number, -1), 0)
        else:
            inner = own[own.index(fold) + 1]
            opened = self.folds[inner]["node"]
            item = (-1 if opened is None else opened, inner, 0)
        self.levels[fold].items.setdefault(item, number if item[1] < 0 else self.last[item[1]])
        return item

    def _send(self, value: int, source: int, target: int, index: int) -> None:
        """An edge through the fold that both ends share, and down into those of the target."""
        mine, theirs = (self.chain[self.nodes[end]["fold"]] for end in (source, target))
        shared = sum(1 for _ in _alike(mine, theirs))
        common = mine[shared - 1]
        start, end = self._item(common, source), self._item(common, target)
        if start != end:  # parts that read their own composite's neighbours inside
            self.levels[common].edges[value, start, end, index if end[1] < 0 else -1] = None
        self._leave(value, source, mine[:shared])
        for fold in theirs[shared:]:
            self.levels[fold].inputs[value] = None
            end = self._item(fold, target)
            self.levels[fold].edges[value, ("in", value), end, index if end[1] < 0 else -1] = None

    def _leave(self, value: int, source: int, above: Sequence[int]) -> None:
        """A value goes out of the folds around its node, up to those ``above``."""
        for fold in self.chain[self.nodes[source]["fold"]][len(above) :]:
            self.levels[fold].outputs[value] = None
            self.levels[fold].edges[value, self._item(fold, source), ("out", value), -1] = None


def _alike(first: Sequence[int], second: Sequence[int]) -> Iterator[int]:
    for a, b in zip(first, second, strict=False):
        if a != b:
            return
        yield a
