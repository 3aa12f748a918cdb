"""Does the cost of the backward pass stay a fixed multiple of the forward pass, from 10³ to 10⁶ nodes?

Each length is a chain h ← sin(h) over four numbers, in a process of its own: so much is overhead that
the figures are those of the walks and of the stepper, not of the arithmetic.

    python benchmarks/long_chain.py [--longest 1000000]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

import numpy as np
from machine import machine

import chainrule as cr
from chainrule.engines.stepper import Stepper
from chainrule.graph import topological


def peak_memory() -> float:
    """The most memory this process has held, in bytes; NaN where the system does not tell."""
    try:
        import resource
    except ImportError:
        return float("nan")
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def measure(length: int) -> dict[str, float]:
    """Seconds for each phase at one length, and bytes for each node of the chain."""
    repeats = max(1, 20_000 // length)
    start, times = peak_memory(), dict.fromkeys(("build", "differentiate", "forward", "both"), np.inf)

    def timed(what: str, began: float) -> None:
        times[what] = min(times[what], time.perf_counter() - began)

    for _ in range(repeats):
        x = cr.variable(np.full(4, 0.5))
        began = time.perf_counter()
        h: cr.Node = x
        for _ in range(length):
            h = cr.sin(h)
        out = cr.sum(h)
        timed("build", began)
        began = time.perf_counter()
        gradient = cr.gradients(out, x)
        timed("differentiate", began)
        forward, both = Stepper([out]), Stepper([out, gradient])
        for _ in range(3 if length < 200_000 else 1):
            for what, program in (("forward", forward), ("both", both)):
                began = time.perf_counter()
                program.run({})
                timed(what, began)
    nodes = len(topological([out, gradient]))
    return times | {"nodes": nodes, "bytes": (peak_memory() - start) / nodes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--longest", type=int, default=1_000_000)
    parser.add_argument("--length", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.length:
        print(json.dumps(measure(options.length)))
        return
    print(machine())
    print(
        f"{'length':>9}  {'build':>9}  {'differentiate':>13}  {'forward':>9}  {'fwd + bwd':>9}  "
        f"{'ratio':>5}  {'memory':>11}\n{'':>9}  {'µs/link':>9}  {'µs/link':>13}  {'µs/link':>9}  "
        f"{'µs/link':>9}  {'':>5}  {'bytes/node':>11}"
    )
    for length in (1_000, 10_000, 100_000, 1_000_000):
        if length > options.longest:
            break
        run = subprocess.run(
            [sys.executable, __file__, "--length", str(length)], check=True, capture_output=True, text=True
        )
        found = json.loads(run.stdout)
        build, differentiate, forward, both = (
            found[key] / length * 1e6 for key in ("build", "differentiate", "forward", "both")
        )
        print(
            f"{length:>9,}  {build:>9.2f}  {differentiate:>13.2f}  {forward:>9.2f}  {both:>9.2f}  "
            f"{both / forward:>5.2f}  {found['bytes']:>11,.0f}"
        )


if __name__ == "__main__":
    main()
