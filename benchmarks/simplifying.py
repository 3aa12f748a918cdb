"""What does simplifying a training step cost, and what is left of the step?

The target is a few milliseconds for a graph of 300 nodes, so that a first call can be quick.  The cost is
set against that of building the graph, gradients and updates included.

    python benchmarks/simplifying.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from machine import machine

from chainrule.bench.workloads import WORKLOADS, Workload
from chainrule.graph import placeholder, topological
from chainrule.simplify import simplify
from chainrule.train import TrainingStep


def best(function: Callable[[], Any], rounds: int = 15) -> float:
    """The least milliseconds of processor time that a call took."""
    found = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        function()
        found = min(found, time.process_time() - began)
    return found * 1e3


def step_of(work: Workload) -> Callable[[], Any]:
    """What builds the graph of a training step: loss and updates."""
    model = work.model()
    step = TrainingStep(work.loss(model), work.new_optimizer(model))
    leaves = [placeholder((work.batch, *array.shape[1:]), array.dtype) for array in work.data()]
    return lambda: step.graph([""] * len(leaves), leaves)


def main() -> None:
    print(machine())
    print(f"{'':8} {'nodes':>6} {'after':>6} {'firings':>8} {'simplify':>9} {'ratio to building':>18}")
    for name, work in WORKLOADS.items():
        build = step_of(work)
        building = best(build)
        loss, updates = build()
        found = simplify([loss], updates, catch_up=True)
        spent = best(lambda loss=loss, updates=updates: simplify([loss], updates, catch_up=True))  # type: ignore[misc]  # bound now
        before = len(topological([loss, *updates.values()]))
        after = len(topological([*found.outputs, *found.updates.values()]))
        ratio = f"{spent / building:.2f}"
        print(f"{name:8} {before:6} {after:6} {len(found.journal):8} {spent:6.1f} ms {ratio:>18}")


if __name__ == "__main__":
    main()
