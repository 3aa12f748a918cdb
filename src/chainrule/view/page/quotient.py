"""A graph whose nodes are taken in groups: what may be joined, what lies between, in which order."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class Quotient:
    """The graph of groups of nodes: an edge where a node of one reads a node of the other."""

    def __init__(self, members: list[list[int]], nodes: Sequence[Mapping[str, Any]]) -> None:
        self.members = members
        of = {number: k for k, group in enumerate(members) for number in group}
        self.below: list[set[int]] = [set() for _ in members]
        self.above: list[set[int]] = [set() for _ in members]
        for number, k in of.items():
            for child in nodes[number]["inputs"]:
                source = of.get(child, k)
                if source != k:
                    self.below[k].add(source)
                    self.above[source].add(k)

    def joinable(self, first: int, second: int, budget: int) -> tuple[bool, int]:
        """Whether no way leads from one to the other through a third; and how many edges were looked at."""
        looked = 0
        for start, goal in ((first, second), (second, first)):
            stack = [k for k in self.above[start] if k != goal]
            seen = set(stack)
            while stack:
                for k in self.above[stack.pop()]:
                    looked += 1
                    if k == goal or looked > budget:
                        return False, looked
                    if k not in seen:
                        seen.add(k)
                        stack.append(k)
        return True, looked

    def join(self, first: int, second: int) -> None:
        """``second`` becomes part of ``first``."""
        self.members[first] = self.members[first] + self.members[second]
        self.members[second] = []
        for side, other in ((self.above, self.below), (self.below, self.above)):
            for k in side[second]:
                other[k].discard(second)
                if k != first:
                    other[k].add(first)
                    side[first].add(k)
            side[first].discard(second)
            side[second] = set()

    def between(self, chosen: Sequence[int]) -> set[int]:
        """The groups on ways between the chosen ones, with them: the least convex set that holds them."""
        return _reached(chosen, self.above) & _reached(chosen, self.below)

    def order(self) -> list[int]:
        """The groups in a topological order, near that of their last nodes."""
        missing = [len(sources) for sources in self.below]
        ready = [(self.members[k][-1], k) for k, count in enumerate(missing) if not count]
        heapq.heapify(ready)
        found = []
        while ready:
            _, k = heapq.heappop(ready)
            found.append(k)
            for reader in self.above[k]:
                missing[reader] -= 1
                if not missing[reader]:
                    heapq.heappush(ready, (self.members[reader][-1], reader))
        return found


def _reached(start: Iterable[int], edges: Sequence[set[int]]) -> set[int]:
    seen = set(start)
    stack = list(seen)
    while stack:
        fresh = edges[stack.pop()] - seen
        seen |= fresh
        stack += fresh
    return seen
