"""How much gradient flows along each edge of a graph: the numbers behind ``why_gradient``.

An edge leads from a consumer to one of its inputs.  Its *gain* is ‖downstream‖ / ‖upstream‖: by how much
this one product of the chain rule made the gradient larger or smaller.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..differentiate import sweep
from ..dtypes import is_float
from ..engines.provenance import all_values
from ..graph import Array, Environment, Node, bind, constant, topological


@dataclass(frozen=True, eq=False)
class Edge:
    """One product of the chain rule, in numbers."""

    consumer: Node
    index: int
    """Which of the consumer's inputs the gradient goes to."""
    upstream: Array
    downstream: Array

    @property
    def child(self) -> Node:
        """The input that receives it."""
        return self.consumer.inputs[self.index]

    @property
    def gain(self) -> float:
        """‖downstream‖ / ‖upstream‖; 0 where nothing came."""
        above = norm(self.upstream)
        return norm(self.downstream) / above if above else 0.0


class Flow:
    """Both passes over a scalar, with the gradient along each edge on a way to ``wrt``."""

    def __init__(self, loss: Node, wrt: Sequence[Node], feed: Mapping[Any, Any] | None = None) -> None:
        self.loss = loss
        pairs: list[tuple[Node, int, Node]] = []
        self._table = sweep(
            {loss: constant(np.ones(loss.shape, loss.dtype))},
            wrt,
            lambda consumer, index, part: pairs.append((consumer, index, part)),
        )
        self.values: Environment = all_values(
            [loss, *self._table.values(), *(part for *_, part in pairs)], bind(feed)
        )
        edges: dict[tuple[Node, Node], Edge] = {}
        for consumer, index, part in pairs:  # x * x reads one node twice: that is one edge
            key, below = (consumer, consumer.inputs[index]), self.values[part]
            if key in edges:
                edges[key] = replace(edges[key], downstream=edges[key].downstream + below)
            else:
                edges[key] = Edge(consumer, index, self.values[self._table[consumer]], below)
        self._to: dict[Node, list[Edge]] = {}
        for (_, child), edge in edges.items():
            self._to.setdefault(child, []).append(edge)

    def gradient(self, node: Node) -> Array | None:
        """∂loss/∂node; None where nothing flows."""
        found = self._table.get(node)
        return None if found is None else self.values[found]

    def edges(self, node: Node) -> list[Edge]:
        """What a node receives: a term for each of its consumers."""
        return self._to.get(node, [])

    def main_path(self, node: Node) -> list[Edge]:
        """From the loss to ``node``, along the largest term at each node."""
        found: list[Edge] = []
        while node is not self.loss and self.edges(node):
            edge = max(self.edges(node), key=_strength)
            found.append(edge)
            node = edge.consumer
        return found[::-1]

    def stops(self, node: Node, most: int = 8) -> list[Edge]:
        """The edges nearest to ``node`` whose upstream gradient is not 0 and whose downstream one is."""
        found: list[Edge] = []
        seen = {node}
        ahead = [node]
        while ahead and len(found) < most:
            at = ahead.pop(0)
            for edge in self.edges(at):
                if edge.downstream.any():
                    continue
                if edge.upstream.any():
                    found.append(edge)
                elif edge.consumer not in seen:
                    seen.add(edge.consumer)
                    ahead.append(edge.consumer)
        return found


def _strength(edge: Edge) -> tuple[float, float]:
    return norm(edge.downstream), norm(edge.upstream)


def norm(array: Array) -> float:
    """‖array‖₂ in float64; a NaN counts as an infinity."""
    size = float(np.linalg.norm(np.ravel(array).astype(np.float64)))
    return math.inf if math.isnan(size) else size


def float_leaves(loss: Node, kind: type[Node]) -> list[Node]:
    """The float leaves of one kind that a node depends on."""
    return [node for node in topological([loss]) if isinstance(node, kind) and is_float(node.dtype)]
