"""What does it cost to write down a node, and to import the library?

The target is below 10 µs for a node and below 0.2 s for ``import chainrule``.

    python benchmarks/node_building.py
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

from machine import machine

import chainrule as cr

COUNT = 5_000
X, ROW, SQUARE = cr.placeholder((3, 4)), cr.placeholder((4,)), cr.placeholder((4, 4))
HELD = X * ROW


def chain(step: Callable[[cr.Node], cr.Node]) -> Callable[[], None]:
    """``COUNT`` new nodes, each on the one before it."""

    def build() -> None:
        h: cr.Node = X
        for _ in range(COUNT):
            h = step(h)

    return build


def found_again() -> None:
    for _ in range(COUNT):
        _ = X * ROW


KINDS: dict[str, Callable[[], None]] = {
    "tanh(h)": chain(cr.tanh),
    "h + row (broadcast)": chain(lambda h: h + ROW),
    "h * 2.0 (a constant too)": chain(lambda h: h * 2.0),
    "h @ W": chain(lambda h: h @ SQUARE),
    "sum(h, keepdims) and back": chain(lambda h: cr.sum(h, axis=0, keepdims=True) * X),
    "x * row, which exists": found_again,
}


def import_time() -> float:
    """Seconds that ``import chainrule`` takes in a fresh process, the interpreter's own start apart."""
    code = "import time; t = time.perf_counter(); import chainrule; print(time.perf_counter() - t)"
    found = [
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        for _ in range(5)
    ]
    return min(float(run.stdout) for run in found)


def main() -> None:
    print(machine())
    for name, build in KINDS.items():
        best = float("inf")
        for _ in range(7):
            began = time.perf_counter()
            build()
            best = min(best, time.perf_counter() - began)
        nodes = 2 if "and back" in name else 1
        print(f"{name:<28} {best / COUNT / nodes * 1e6:6.2f} µs a node")
    print(f"{'import chainrule':<28} {import_time():6.3f} s")


if __name__ == "__main__":
    main()
