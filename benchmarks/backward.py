"""What does the backward pass cost, beside the forward pass?

Each workload's loss alone, and the loss with the gradients of all parameters, are compiled and run in
turns on the same batch; the ratio is (both - forward) / forward, of medians.  An embedding's gradient is
that of the rows looked up: a table of zeros around them is the optimizer's affair, if it wants one.

    python benchmarks/backward.py [--engine native] [--threads 1] [--rounds 15] [workload ...]
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from statistics import median
from time import perf_counter

from machine import machine

import chainrule as cr
from chainrule.bench.workloads import WORKLOADS, Workload
from chainrule.graph import placeholder
from chainrule.train.step import call_on_batch

SECONDS = 0.05
"""How long each is run in a round."""


def programs(workload: Workload, engine: str) -> tuple[Callable[[], object], Callable[[], object]]:
    """The forward pass, and forward and backward, as functions without arguments."""
    model = workload.model()
    arrays = [array[: workload.batch] for array in workload.data()]
    leaves = [placeholder(array.shape, array.dtype) for array in arrays]
    mode = cr.nn.training(cr.random.key(0))
    with cr.nn.in_training():
        loss = call_on_batch(workload.loss(model), [""] * len(leaves), leaves, mode=mode)
    found = [g for g in cr.gradients(loss, list(model.parameters())) if g is not None]
    gradients = [g.inputs[0] if g.op.name == "scatter_add" else g for g in found]
    forward = cr.Program(leaves, [loss], engine=engine)
    both = cr.Program(leaves, [loss, *gradients], engine=engine)
    return lambda: forward(*arrays), lambda: both(*arrays)


def seconds(run: Callable[[], object]) -> float:
    """The time of one run, from as many as fit a moment."""
    count, began = 0, perf_counter()
    while (spent := perf_counter() - began) < SECONDS:
        run()
        count += 1
    return spent / count


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workloads", nargs="*", default=["mlp128", "pos", "nlm"], metavar="workload")
    parser.add_argument("--engine", default="native")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    os.environ["CHAINRULE_THREADS"] = str(options.threads)
    print(machine())
    print(f"engine {options.engine}, threads {options.threads}, medians of {options.rounds} rounds")
    print(f"{'':8} {'forward':>12} {'both':>12} {'backward / forward':>20}")
    for name in options.workloads:
        forward, both = programs(WORKLOADS[name], options.engine)
        forward(), both()
        rounds = [(seconds(forward), seconds(both)) for _ in range(options.rounds)]
        first, whole = median(f for f, _ in rounds), median(b for _, b in rounds)
        print(f"{name:8} {1e6 * first:9.1f} µs {1e6 * whole:9.1f} µs {(whole - first) / first:20.2f}")


if __name__ == "__main__":
    main()
