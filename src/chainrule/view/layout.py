"""Layered layout of a directed acyclic graph whose nodes have sizes.

Layers come from the longest path, with leaves pulled up to their readers; the order within a layer is
igraph's (Sugiyama, Tagawa and Toda, 1981); the places follow here, since sizes matter: each vertex is
drawn to the mean of its neighbours as far as its layer leaves room, which is an isotonic regression.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingExtraError

Point = tuple[float, float]
_SWEEPS = 12
_MOST_BENDS = 6000
"""Bend points in all; where long edges need more, the longest run straight."""


class Placed(NamedTuple):
    """Where everything goes: along the layers' direction (``along``) and across it."""

    across: list[float]
    along: list[float]
    bends: list[list[Point]]
    """For each edge, the (across, along) points it passes between its ends."""
    breadth: float
    length: float


class Ordering(NamedTuple):
    """What a layout decides before sizes are known: the layers, and who stands beside whom."""

    rows: list[list[int]]
    """The vertices of each layer, from left to right; numbers from the count on are bend points."""
    chains: list[list[int]]
    """For each edge, the bend points it passes between its ends."""
    layers: list[int]
    """The layer of each vertex and bend point."""
    links: list[tuple[int, int]]
    """The edges, cut at their bend points."""


def order(
    count: int,
    edges: Sequence[tuple[int, int]],
    *,
    bottom: Collection[int] = (),
    top: Collection[int] = (),
    values: Sequence[int] | None = None,
) -> Ordering:
    """Layers of ``count`` vertices such that every edge goes up at least one, ordered for few crossings.

    Vertices are numbered so that edges go from smaller to larger numbers; those of ``bottom`` and ``top``
    stand in a layer of their own below and above all others.  Edges of one of ``values`` (each edge's
    source, if not given) go together as far as they can.

    >>> order(3, [(0, 2), (1, 2)]).rows
    [[0, 1], [2]]
    """
    layers = _pinned(_layers(count, edges), bottom, top)
    chains, links = _split(edges, layers, [source for source, _ in edges] if values is None else values)
    return Ordering(_tidied(_rows(layers, links), links), chains, layers, links)


def place(
    sizes: Sequence[tuple[float, float]],
    edges: Sequence[tuple[int, int]],
    *,
    gap: float = 26.0,
    layer_gap: float = 44.0,
) -> Placed:
    """Places for vertices of ``sizes`` (across, along), such that every edge goes up at least a layer.

    Vertices are numbered so that edges go from smaller to larger numbers.
    """
    rows, chains, layers, links = order(len(sizes), edges)
    widths = [size[0] for size in sizes] + [0.0] * (len(layers) - len(sizes))
    across = _across(rows, widths, links, len(sizes), gap)
    heights = [max((sizes[v][1] for v in row if v < len(sizes)), default=0.0) for row in rows]
    middles = [sum(heights[:k]) + heights[k] / 2 + k * layer_gap for k in range(len(rows))]
    along = [middles[layer] for layer in layers]
    left = min((across[v] - widths[v] / 2 for v in range(len(widths))), default=0.0)
    right = max((across[v] + widths[v] / 2 for v in range(len(widths))), default=0.0)
    across = [x - left for x in across]
    bends = [
        [(across[v], edge) for v in chain for edge in _pass_through(middles, heights, layers[v])]
        for chain in chains
    ]
    length = sum(heights) + layer_gap * max(len(rows) - 1, 0)
    return Placed(across[: len(sizes)], along[: len(sizes)], bends, right - left, length)


def _pass_through(middles: Sequence[float], heights: Sequence[float], layer: int) -> tuple[float, float]:
    """A long edge crosses a layer straight, between its neighbours' backs and faces."""
    return middles[layer] - heights[layer] / 2, middles[layer] + heights[layer] / 2


def _layers(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The longest path from a leaf; then leaves go up to just below their first reader."""
    layers = [0] * count
    first_reader = [count] * count
    has_inputs = [False] * count
    for source, target in sorted(edges, key=lambda edge: edge[1]):
        layers[target] = max(layers[target], layers[source] + 1)
        has_inputs[target] = True
    for source, target in edges:
        first_reader[source] = min(first_reader[source], layers[target])
    return [
        layers[v] if has_inputs[v] or first_reader[v] == count else first_reader[v] - 1 for v in range(count)
    ]


def _pinned(layers: list[int], bottom: Collection[int], top: Collection[int]) -> list[int]:
    """``layers`` with ``bottom`` and ``top`` outside of all others, and no layer empty."""
    inner = [layer for v, layer in enumerate(layers) if v not in bottom and v not in top]
    low, high = min(inner, default=0), max(inner, default=-1)
    shift = (1 if bottom else 0) - low
    return [
        0 if v in bottom else high + 1 + shift if v in top else layer + shift
        for v, layer in enumerate(layers)
    ]


def _split(
    edges: Sequence[tuple[int, int]], layers: list[int], values: Sequence[int]
) -> tuple[list[list[int]], list[tuple[int, int]]]:
    """Long edges cut into links of one layer each by bend points, whose layers are appended.

    Edges of one value share their bend points as far as they go together: a value that hundreds read runs
    up as one line, from which its readers branch off.
    """
    reach: dict[tuple[int, int], int] = {}
    for (source, target), value in zip(edges, values, strict=True):
        reach[source, value] = max(reach.get((source, value), 0), layers[target] - layers[source])
    total, longest = 0, 1
    for span in sorted(reach.values()):
        total += span - 1
        if total > _MOST_BENDS:
            break
        longest = span
    shared: dict[tuple[int, int, int], int] = {}
    chains: list[list[int]] = []
    links: dict[tuple[int, int], None] = {}
    for (source, target), value in zip(edges, values, strict=True):
        chain: list[int] = []
        if layers[target] - layers[source] <= longest:
            for layer in range(layers[source] + 1, layers[target]):
                if (source, value, layer) not in shared:
                    shared[source, value, layer] = len(layers)
                    layers.append(layer)
                chain.append(shared[source, value, layer])
        links.update(dict.fromkeys(pairwise([source, *chain, target])))
        chains.append(chain)
    return chains, list(links)


def _rows(layers: Sequence[int], links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The vertices of each layer, ordered for few crossings."""
    try:
        import igraph
    except ImportError:
        raise MissingExtraError("igraph", "draw", "drawing a graph") from None
    graph = igraph.Graph(directed=True)
    graph.add_vertices(len(layers))
    graph.add_edges(list(links))
    coordinates = graph.layout_sugiyama(layers=list(layers), maxiter=60).coords[: len(layers)]
    rows: list[list[int]] = [[] for _ in range(max(layers, default=-1) + 1)]
    for vertex, layer in enumerate(layers):
        rows[layer].append(vertex)
    for row in rows:
        row.sort(key=lambda vertex: (coordinates[vertex][0], vertex))
    return rows


def _tidied(rows: list[list[int]], links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Neighbours exchanged where that saves crossings, or puts a reader's inputs in their order for free."""
    below: dict[int, list[int]] = {}
    above: dict[int, list[int]] = {}
    for source, target in links:
        below.setdefault(target, []).append(source)
        above.setdefault(source, []).append(target)
    position = {v: place_ for row in rows for place_, v in enumerate(row)}

    def cost(left: int, right: int) -> tuple[int, int]:
        """Crossings of the two vertices' links, and readers that have them in the other order."""
        crossings = 0
        for side in (below, above):
            mine = [position[u] for u in side.get(left, ())]
            theirs = sorted(position[u] for u in side.get(right, ()))
            crossings += sum(bisect_left(theirs, place_) for place_ in mine)
        readers = set(above.get(left, ())) & set(above.get(right, ()))
        return crossings, sum(below[w].index(left) > below[w].index(right) for w in readers)

    for _ in range(_SWEEPS):
        changed = False
        for row in rows:
            for k in range(len(row) - 1):
                left, right = row[k], row[k + 1]
                if cost(right, left) < cost(left, right):
                    row[k], row[k + 1] = right, left
                    position[left], position[right] = k + 1, k
                    changed = True
        if not changed:
            break
    return rows


def _across(
    rows: Sequence[list[int]],
    widths: Sequence[float],
    links: Sequence[tuple[int, int]],
    real: int,
    gap: float,
) -> list[float]:
    """Coordinates within the layers: sweeps that move each vertex to the mean of its neighbours."""
    below: list[list[int]] = [[] for _ in widths]
    above: list[list[int]] = [[] for _ in widths]
    for source, target in links:
        below[target].append(source)
        above[source].append(target)
    x = np.zeros(len(widths))
    offsets = []
    for row in rows:
        middles = np.zeros(len(row))
        for k in range(1, len(row)):
            reach = (widths[row[k - 1]] + widths[row[k]]) / 2
            middles[k] = middles[k - 1] + reach + (gap if row[k] < real or row[k - 1] < real else gap / 2)
        offsets.append(middles)
        x[row] = middles - (middles[-1] / 2 if len(row) else 0)
    pull = [8.0 if v >= real else 1.0 if below[v] else 0.05 for v in range(len(widths))]
    for sweep in range(_SWEEPS + 1):  # the last goes up, so that chains of ops stand upright
        upwards = sweep % 2 == 0
        order = range(len(rows)) if upwards else range(len(rows) - 1, -1, -1)
        for k in order:
            row = rows[k]
            wish, weight = x[row].copy(), np.ones(len(row))
            for number, v in enumerate(row):
                near = (below[v] or above[v]) if upwards else (above[v] or below[v])
                if near:
                    # Bend points hold together, so long edges run straight; leaves follow their readers.
                    pulls = [pull[u] if v >= real or u < real else 1.0 for u in near]
                    wish[number] = sum(p * x[u] for p, u in zip(pulls, near, strict=True)) / sum(pulls)
                    weight[number] = 4.0 if v >= real else sum(pulls) if below[v] else 0.05
            x[row] = _isotonic(wish - offsets[k], weight) + offsets[k]
    return [float(value) for value in x]


def _isotonic(wish: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """The non-decreasing sequence nearest to ``wish`` in weighted squares (pool adjacent violators)."""
    means: list[float] = []
    weights: list[float] = []
    counts: list[int] = []
    for value, mass in zip(wish, weight, strict=True):
        means.append(float(value))
        weights.append(float(mass))
        counts.append(1)
        while len(means) > 1 and means[-2] > means[-1]:
            total = weights[-2] + weights[-1]
            means[-2] = (means[-2] * weights[-2] + means[-1] * weights[-1]) / total
            weights[-2], counts[-2] = total, counts[-2] + counts[-1]
            del means[-1], weights[-1], counts[-1]
    return np.repeat(means, counts)
