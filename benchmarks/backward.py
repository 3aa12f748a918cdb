"""What does the backward pass cost, in forward passes?  At most 2.5 on an engine that fuses well.

Each workload's loss alone against its loss with all gradients, on the same batch: the difference is the
backward pass.  Both are medians of rounds in turns.

    python benchmarks/backward.py [--engine native] [--rounds 15] [mlp128 pos nlm]
"""

from __future__ import annotations

import argparse
import statistics
import time

from machine import machine

import chainrule as cr
from chainrule.bench import WORKLOADS, Workload, workload_named
from chainrule.compile import DEFAULT_ENGINE

SECONDS = 0.05
"""About how long a round of either program takes."""


def programs(workload: Workload, engine: str) -> tuple[cr.Program, cr.Program, list[cr.graph.Array]]:
    """The loss, the loss with its gradients, and a batch for both."""
    model = workload.model()
    batch = [array[workload.order()[0]] for array in workload.data()]
    leaves = [cr.placeholder(array.shape, array.dtype) for array in batch]
    more = {"mode": cr.nn.training(cr.random.key(0))} if workload.network == "cnn" else {}
    loss = workload.loss(model)(*leaves, **more)
    gradients = cr.gradients(loss, list(model.parameters()))
    forward = cr.Program(leaves, [loss], engine=engine)
    return forward, cr.Program(leaves, [loss, *gradients], engine=engine), batch


def seconds(program: cr.Program, batch: list[cr.graph.Array], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        program(*batch)
    return (time.perf_counter() - began) / times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=["mlp128", "pos", "nlm"], help=", ".join(WORKLOADS))
    parser.add_argument("--engine", default=DEFAULT_ENGINE)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    print(f"{machine()}; engine {options.engine}")
    print(f"{'workload':<8}  {'forward µs':>12}  {'backward µs':>12}  {'ratio':>6}")
    for name in options.names:
        forward, both, batch = programs(workload_named(name), options.engine)
        times = [
            max(1, round(SECONDS / min(seconds(p, batch, 1) for _ in range(3)))) for p in (forward, both)
        ]
        rounds = [
            [seconds(p, batch, n) for p, n in zip((forward, both), times, strict=True)]
            for _ in range(options.rounds)
        ]
        fore, whole = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(
            f"{name:<8}  {fore * 1e6:>12,.1f}  {(whole - fore) * 1e6:>12,.1f}  {(whole - fore) / fore:>6.2f}"
        )


if __name__ == "__main__":
    main()
