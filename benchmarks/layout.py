"""How long does it take to lay out a graph for a drawing, and to fold one for the page?

Three kinds of graphs: one op after the other with a second input from near by; an unrolled loop; modules of
forty ops each.  `flat` places every node on one level, as `draw` does; `folded` groups the nodes and orders
the inside of every fold, as the step-through page needs it.  Best of a few rounds.

    python benchmarks/layout.py [--rounds 3] [nodes ...]
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

from machine import machine

from chainrule.view.layout import place
from chainrule.view.page.arrangement import layouts
from chainrule.view.page.folding import fold

FLAT = 3000
"""A drawing holds no more nodes."""

Graph = list[dict[str, Any]]


def node(number: int, inputs: list[int], op: str, module: str = "") -> dict[str, Any]:
    kind = "op" if inputs else "input"
    return {"id": number, "inputs": inputs, "op": op, "kind": kind, "shape": [], "module": module}


def chain(count: int, module: Callable[[int], str] = lambda k: "") -> Graph:
    """An op after the other, each with a second input among the nine before it."""
    draw = random.Random(0)
    ops = draw.choices(["add", "multiply", "tanh", "sin"], k=count)
    later = [node(k, [k - 1, draw.randrange(max(0, k - 9), k)], ops[k], module(k)) for k in range(1, count)]
    return [node(0, [], "x"), *later]


def loop(count: int) -> Graph:
    """Steps of five ops that read one another and the step before."""
    graph = [node(0, [], "x"), node(1, [], "w")]
    while len(graph) < count:
        state = len(graph) - 1 if len(graph) > 2 else 0
        for op in ("matmul", "add", "tanh", "multiply", "add"):
            graph.append(node(len(graph), [len(graph) - 1 if len(graph) > 2 else 0, state], op))
    return graph


GRAPHS: dict[str, Callable[[int], Graph]] = {
    "chain": chain,
    "loop": loop,
    "modules": lambda count: chain(count, lambda k: f"layers.{k // 40}"),
}


def seconds(run: Callable[[], object], rounds: int) -> float:
    found = []
    for _ in range(rounds):
        began = perf_counter()
        run()
        found.append(perf_counter() - began)
    return min(found)


def flat(graph: Graph) -> None:
    edges = sorted({(child, one["id"]) for one in graph for child in one["inputs"]}, key=lambda edge: edge[1])
    place([(90.0, 40.0)] * len(graph), edges)


def folded(graph: Graph) -> None:
    layouts(graph, fold(graph, {}))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("nodes", nargs="*", type=int, default=[1000, 10_000])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(machine())
    print(f"{'graph':10}{'nodes':>8}{'flat, s':>10}{'folded, s':>11}{'folds':>7}")
    for name, make in GRAPHS.items():
        for count in options.nodes:
            graph = make(count)
            alone = f"{seconds(partial(flat, graph), options.rounds):.2f}" if count <= FLAT else "–"
            together = seconds(partial(folded, graph), options.rounds)
            print(f"{name:10}{len(graph):>8}{alone:>10}{together:>11.2f}{len(fold(graph, {})):>7}")


if __name__ == "__main__":
    main()
