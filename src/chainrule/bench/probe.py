"""What this machine can do at most: float32 matrix products, and passes over memory.

    OPENBLAS_CORETYPE=SkylakeX python …/bench/probe.py THREADS SECONDS BYTES…

A process of its own, because the kind of BLAS kernel and its threads are chosen when NumPy is loaded; it
needs NumPy alone.  It prints one line of JSON: ``flops`` a second, and for each BYTES ``bandwidth``, the
bytes a second of reading and writing a buffer of half so many in place.
"""

from __future__ import annotations

import json
import os
import sys
import time
from threading import Thread

import numpy as np
from numpy.typing import NDArray

SIZES = (768, 1536)
SMALLEST = 1 << 20
"""A buffer below this is measured as one of this size: smaller ones are limited by the interpreter."""


def flops(seconds: float) -> float:
    """Operations a second of the fastest square product."""
    best = 0.0
    for size in SIZES:
        a = np.random.default_rng(0).random((size, size), np.float32)
        out, b = np.empty_like(a), a.T.copy()
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            began = time.perf_counter()
            np.matmul(a, b, out=out)
            best = max(best, 2 * size**3 / (time.perf_counter() - began))
    return best


def bandwidth(moved: int, threads: int, seconds: float) -> float:
    """Bytes a second while each thread scales its share of a buffer of ``moved / 2`` bytes in place."""
    size = max(moved // 2, SMALLEST)
    shares = np.array_split(np.ones(size // 4, np.float32), threads)
    passes = max(1, (64 << 20) // size)

    def scale(share: NDArray[np.float32]) -> None:
        for _ in range(passes):
            np.multiply(share, np.float32(1.0), out=share)

    best, until = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        team = [Thread(target=scale, args=(share,)) for share in shares[1:]]
        began = time.perf_counter()
        for thread in team:
            thread.start()
        scale(shares[0])
        for thread in team:
            thread.join()
        best = max(best, 2 * size * passes / (time.perf_counter() - began))
    return best


def main(arguments: list[str]) -> None:
    threads, seconds, sizes = int(arguments[0]), float(arguments[1]), map(int, arguments[2:])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    found = {
        "flops": flops(seconds),
        "bandwidth": {size: bandwidth(size, threads, seconds) for size in sizes},
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
