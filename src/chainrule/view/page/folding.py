"""Folds: the parts of a graph that a picture shows as one shape until somebody opens them.

Composites fold over their parts, modules over what they wrote, equal neighbours over their count, and what
is still too long is cut into runs.  Every fold is convex, so that the folded picture has no cycle: phases
keep two calls of one module apart where something else stands between them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .quotient import Quotient

MOST_ITEMS = 160
"""Ops on one level; a longer level is cut into runs."""
_RUN = 48
_MOST_PERIOD = 400
_MOST_SEARCH = 400_000
"""Edges looked at, in all, to join the calls of a module."""

Record = dict[str, Any]


@dataclass
class _Group:
    """Something on a level: one node, or a fold with what is inside."""

    nodes: list[int]
    """All nodes, in topological order, inner ones too."""
    label: str = ""
    kind: str = ""
    """Empty for a single node."""
    composite: int | None = None
    inside: list[_Group] = field(default_factory=list)
    count: int | None = None


def fold(nodes: Sequence[Record], parts: Mapping[int, tuple[Sequence[int], int]]) -> list[Record]:
    """The folds of a record, root first; writes the number of each node's own fold to ``node["fold"]``.

    ``nodes`` have ``id`` (topological), ``inputs``, ``op``, ``kind``, ``shape`` and ``module``; ``parts``
    gives a composite's direct parts and the one of them that has its value.  Each fold has ``id``,
    ``parent``, ``name``, ``kind`` (root, module, composite, repeat, part), ``count`` (of a repeat),
    ``nodes`` and ``folds`` directly inside, and of a composite ``node`` and ``output``.

    >>> def node(id, op, inputs, module=""):
    ...     kind = "op" if inputs else "parameter" if module else "input"
    ...     return dict(id=id, op=op, inputs=inputs, kind=kind, shape=[2], module=module)
    >>> layer = [node(0, "x", []), node(1, "W", [], "layer"), node(2, "matmul", [0, 1], "layer")]
    >>> graph = [*layer, node(3, "tanh", [2], "layer"), node(4, "sum", [3])]
    >>> [(f["name"], f["kind"], f["nodes"]) for f in fold(graph, {})]
    [('', 'root', [0, 4]), ('layer', 'module', [1, 2, 3])]
    """
    graph = _Graph(nodes, parts)
    root = _Group(list(range(len(nodes))), kind="root", inside=graph.level(list(range(len(nodes))), 0))
    folds: list[Record] = []
    waiting: list[tuple[_Group, int | None]] = [(root, None)]
    while waiting:
        group, parent = waiting.pop()
        number = len(folds)
        if parent is not None:
            folds[parent]["folds"].append(number)
        own = [inner.nodes[0] for inner in group.inside if not inner.kind]
        # A composite stands on its own level, as the closed form of its fold.
        own = sorted(own + [inner.composite for inner in group.inside if inner.composite is not None])
        folds.append(
            {
                "id": number, "parent": parent, "name": group.label, "kind": group.kind,
                "count": group.count, "nodes": own, "folds": [], "node": group.composite,
                "output": None if group.composite is None else parts[group.composite][1],
            }
        )  # fmt: skip
        for node in own:
            nodes[node]["fold"] = number
        waiting += [(inner, number) for inner in reversed(group.inside) if inner.kind]
    return folds


class _Graph:
    """The nodes of a record, with the path of names under which each of them is found."""

    def __init__(self, nodes: Sequence[Record], parts: Mapping[int, tuple[Sequence[int], int]]) -> None:
        self.nodes, self.parts = nodes, parts
        self.readers: list[list[int]] = [[] for _ in nodes]
        for node in nodes:
            for child in set(node["inputs"]):
                self.readers[child].append(node["id"])
        owner = {part: composite for composite, (inner, _) in parts.items() for part in inner}
        self.paths: list[tuple[str | int, ...]] = [()] * len(nodes)
        for node in reversed(nodes):  # a composite comes after its parts
            number = node["id"]
            if number in owner:
                self.paths[number] = (*self.paths[owner[number]], owner[number])
            else:
                self.paths[number] = tuple(filter(None, str(node["module"]).split(".")))
            own = node["kind"] == "parameter" or (node["kind"] == "constant" and not node.get("name"))
            if own and not self.paths[number]:
                self.paths[number] = self._home(number)

    def _home(self, leaf: int) -> tuple[str | int, ...]:
        """A leaf that names no module goes where all of its readers are, but not into a composite."""
        paths = [self.paths[reader] for reader in self.readers[leaf]]
        shared = paths[0] if paths else ()
        for path in paths[1:]:
            same = [a == b for a, b in zip(shared, path, strict=False)]
            shared = shared[: same.index(False) if False in same else len(same)]
        listed = [c for c in shared if isinstance(c, int) and leaf in self.nodes[c]["inputs"]]
        return shared[: shared.index(listed[0])] if listed else shared

    def leaf(self, number: int) -> bool:
        return not self.nodes[number]["inputs"]

    # -- one level --------------------------------------------------------------------------------------

    def level(self, members: list[int], depth: int) -> list[_Group]:
        """What stands on one level: nodes and folds, the folds with their insides."""
        label = [self._key(number, depth) for number in members]
        while members and label[0] is not None and isinstance(label[0], str) and len(set(label)) == 1:
            depth += 1  # a module that holds everything here adds nothing to the picture
            label = [self._key(number, depth) for number in members]
        groups = [self._group(cluster, key, depth) for key, cluster in self._clusters(members, label)]
        flat: list[_Group] = []
        for group in groups:
            flat += [group] if group.kind or len(group.nodes) == 1 else group.inside
        flat.sort(key=lambda group: group.nodes[-1])
        return self._shortened(self._repeats(flat))

    def _key(self, number: int, depth: int) -> str | int | None:
        path = self.paths[number]
        if len(path) > depth:
            return path[depth]
        return number if number in self.parts and self.parts[number][0] else None

    def _group(self, members: list[int], key: str | int | None, depth: int) -> _Group:
        if key is None:
            return _Group(members)
        if isinstance(key, int):
            inner = [number for number in members if number != key]
            if key not in members or not inner:  # parts that another composite holds already
                return _Group(members, inside=[_Group([number]) for number in members])
            name = self.nodes[key]["op"]
            return _Group(members, name, "composite", key, self.level(inner, depth + 1))
        if len(members) == 1:
            return _Group(members)
        inside = self.level(members, depth + 1)
        if sum(not self.leaf(number) for number in members) < 2:
            return _Group(members, inside=inside)
        if len(inside) == 1 and inside[0].kind in ("module", "repeat"):
            inner_group = inside[0]
            if not inner_group.label.startswith(str(key)):
                inner_group.label = f"{key}.{inner_group.label}"
            return inner_group
        return _Group(members, self._name(members[0], depth), "module", inside=inside)

    def _name(self, number: int, depth: int) -> str:
        """``layers.0``, since a number alone says little."""
        path, first = self.paths[number], depth
        while first and str(path[first]).isdigit() and isinstance(path[first - 1], str):
            first -= 1
        return ".".join(map(str, path[first : depth + 1]))

    def _clusters(self, members: list[int], label: Sequence[Hashable]) -> list[tuple[Any, list[int]]]:
        """Nodes of one label together, as far as no cycle arises between the clusters."""
        key: dict[int, Hashable] = {}
        for number, name in zip(members, label, strict=True):
            key[number] = ("alone", number) if name is None else name
        phase: dict[int, int] = {}
        here = set(members)
        for number in members:
            above = [child for child in self.nodes[number]["inputs"] if child in phase]
            if not self.leaf(number):
                phase[number] = max((phase[c] + (key[c] != key[number]) for c in above), default=0)
        for number in members:
            if self.leaf(number):
                readers = [r for r in self.readers[number] if r in here]
                phase[number] = min((phase[r] - (key[r] != key[number]) for r in readers), default=0)
        clusters: dict[tuple[Hashable, int], list[int]] = {}
        for number in members:
            clusters.setdefault((key[number], phase[number]), []).append(number)
        joined = self._joined(clusters)
        names = dict(zip(members, label, strict=True))
        return [(names[cluster[0]], cluster) for cluster in joined]

    def _joined(self, clusters: Mapping[tuple[Hashable, int], list[int]]) -> list[list[int]]:
        """Clusters of one label made one again, where no way leads from one to the other through a third."""
        by_label: dict[Hashable, list[tuple[Hashable, int]]] = {}
        for name in clusters:
            by_label.setdefault(name[0], []).append(name)
        if all(len(names) == 1 for names in by_label.values()):
            return list(clusters.values())
        groups = Quotient(list(clusters.values()), self.nodes)
        index = {name: k for k, name in enumerate(clusters)}
        budget = _MOST_SEARCH
        for names in by_label.values():
            ordered = [index[name] for name in sorted(names, key=lambda name: name[1])]
            current = ordered[0]
            for other in ordered[1:]:
                if budget <= 0:
                    break
                apart, looked = groups.joinable(current, other, budget)
                budget -= looked
                if apart:
                    groups.join(current, other)
                else:
                    current = other
        return [sorted(cluster) for cluster in groups.members if cluster]

    # -- repeats ----------------------------------------------------------------------------------------

    def _signature(self, group: _Group) -> Hashable:
        """Equal for folds that hold the same ops, joined in the same way."""
        place = {number: k for k, number in enumerate(group.nodes)}
        return group.kind, tuple(
            (
                self.nodes[number]["op"], self.nodes[number]["kind"], tuple(self.nodes[number]["shape"]),
                tuple(place.get(child, -1) for child in self.nodes[number]["inputs"]),
            )
            for number in group.nodes
        )  # fmt: skip

    def _repeats(self, groups: list[_Group]) -> list[_Group]:
        """Three and more equal modules in a row become one shape with a count."""
        modules = [k for k, group in enumerate(groups) if group.kind == "module"]
        if len(modules) < 3:
            return groups
        alike: dict[Hashable, list[int]] = {}
        for k in modules:
            alike.setdefault(self._signature(groups[k]), []).append(k)
        for same in alike.values():
            if len(same) < 3:
                continue
            quotient = Quotient([group.nodes for group in groups], self.nodes)
            closure = quotient.between(same)
            if any(not groups[k].nodes for k in closure) or len(closure) > 4 * len(same):
                continue
            hull = sorted(closure)
            if sum(groups[k].kind not in ("", "composite") for k in hull) > len(same):
                continue  # something else that folds stands between
            inside = [groups[k] for k in hull]
            inside += self._private(groups, hull)
            nodes = sorted(number for group in inside for number in group.nodes)
            name = _common([groups[k].label for k in same])
            made = _Group([*nodes], name, "repeat", inside=self._shortened(inside), count=len(same))
            taken = {id(group) for group in inside}
            groups = [group for group in groups if id(group) not in taken] + [made]
            return self._repeats(groups)
        return groups

    def _private(self, groups: Sequence[_Group], hull: Iterable[int]) -> list[_Group]:
        """Leaves beside a hull that nothing else reads."""
        chosen = set(hull)
        held = {number for k in chosen for number in groups[k].nodes}
        return [
            group
            for k, group in enumerate(groups)
            if k not in chosen
            and not group.kind
            and self.nodes[group.nodes[0]]["kind"] in ("parameter", "constant")
            and self.readers[group.nodes[0]]
            and all(reader in held for reader in self.readers[group.nodes[0]])
        ]

    # -- runs -------------------------------------------------------------------------------------------

    def _shortened(self, groups: list[_Group]) -> list[_Group]:
        """A level of at most MOST_ITEMS ops: repetitions are found, the rest is cut into runs."""
        ops = [group for group in groups if group.kind or not self.leaf(group.nodes[0])]
        if len(ops) <= MOST_ITEMS:
            return groups
        ops = [ops[k] for k in Quotient([group.nodes for group in ops], self.nodes).order()]
        leaves = [group for group in groups if not group.kind and self.leaf(group.nodes[0])]
        found = _period(np.array(_numbered([self._mark(group) for group in ops])))
        if found is not None:
            start, period, count = found
            blocks = [ops[start + k * period : start + (k + 1) * period] for k in range(count)]
            steps = [self._run(block, leaves, f"{k + 1} of {count}") for k, block in enumerate(blocks)]
            if len(steps) > MOST_ITEMS:
                steps = self._cut(steps, leaves)
            repeat = self._holding(steps, leaves, "repeated", "repeat")
            repeat.count = count
            rest = [*ops[:start], repeat, *ops[start + count * period :]]
            return self._shortened([*rest, *self._left(leaves, rest)])
        cut = self._cut(ops, leaves)
        return [*cut, *self._left(leaves, cut)]

    def _mark(self, group: _Group) -> Hashable:
        return self._signature(group) if group.kind else self._signature(_Group(group.nodes[:1]))

    def _cut(self, ops: Sequence[_Group], leaves: Sequence[_Group]) -> list[_Group]:
        """Runs of about _RUN, and runs of runs, until few enough are left."""
        found = list(ops)
        while len(found) > MOST_ITEMS:
            runs = max(-(-len(found) // _RUN), 2)
            ends = [round(k * len(found) / runs) for k in range(runs + 1)]
            found = [self._run(found[a:b], leaves, "") for a, b in pairwise(ends)]
        return found

    def _run(self, block: Sequence[_Group], leaves: Sequence[_Group], name: str) -> _Group:
        made = self._holding(block, leaves, name, "part")
        if not name:
            made.label = f"{made.nodes[0]} to {made.nodes[-1]}"
        return made

    def _holding(self, block: Sequence[_Group], leaves: Sequence[_Group], name: str, kind: str) -> _Group:
        """A fold around ``block``, with the leaves that only it reads."""
        held = {number for group in block for number in group.nodes}
        own = [
            leaf
            for leaf in leaves
            if leaf.nodes[0] not in held
            and self.nodes[leaf.nodes[0]]["kind"] != "input"
            and self.readers[leaf.nodes[0]]
            and all(reader in held for reader in self.readers[leaf.nodes[0]])
        ]
        nodes = sorted(held.union(leaf.nodes[0] for leaf in own))
        return _Group(nodes, name, kind, inside=[*block, *own])

    def _left(self, leaves: Sequence[_Group], groups: Iterable[_Group]) -> list[_Group]:
        held = {number for group in groups for number in group.nodes}
        return [leaf for leaf in leaves if leaf.nodes[0] not in held]


def _common(labels: Sequence[str]) -> str:
    """What numbered names share: ``blocks`` of blocks.0, blocks.1; else the first and the last."""
    heads = {label.rsplit(".", 1)[0] if "." in label else "" for label in labels}
    if len(set(labels)) == 1:
        return labels[0]
    head = heads.pop() if len(heads) == 1 else ""
    return head or f"{labels[0]} to {labels[-1]}"


def _numbered(marks: Sequence[Hashable]) -> list[int]:
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(mark, len(numbers)) for mark in marks]


def _period(marks: NDArray[np.int64]) -> tuple[int, int, int] | None:
    """Where a sequence repeats itself most: start, period and count, of three repetitions and more.

    >>> _period(np.array([9, 1, 2, 3, 1, 2, 3, 1, 2, 3, 7]))
    (1, 3, 3)
    """
    best: tuple[int, int, int] | None = None
    covered = 0
    for period in range(1, min(len(marks) // 3, _MOST_PERIOD) + 1):
        same = np.concatenate([[0], marks[period:] == marks[:-period], [0]])
        change = np.flatnonzero(np.diff(same))
        if not len(change):
            continue
        lengths = change[1::2] - change[::2]
        longest = int(lengths.argmax())
        count = (int(lengths[longest]) + period) // period
        if count >= 3 and count * period > 1.05 * covered:
            best, covered = (int(change[2 * longest]), period, count), count * period
    return best if best is not None and 2 * covered >= len(marks) and best[1] > 1 else None
