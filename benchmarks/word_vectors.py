"""How long does a file of word vectors take to read, and how much memory?

Files of random vectors are written as GloVe text, and read in processes of their own: into an empty
cache, out of it, a few words only, and without a cache.  The memory is the largest resident size of the
process, less that after the import.  (Linux and macOS.)

    python benchmarks/word_vectors.py [--words 20000 160000] [--dimension 300]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
from machine import machine

from chainrule.data import read_vectors

BLOCK = 1000
KEPT = 5000
WAYS = ("only", "cold", "warm", "memory")  # ``only`` first, while the cache is empty


def peak() -> float:
    """The largest resident size of this process so far, in MiB."""
    if sys.platform == "linux":  # whose getrusage counts the process that started this one, too
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / (1 << 10)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


def write(path: Path, words: int, dimension: int) -> None:
    rng = np.random.default_rng(0)
    with open(path, "w", encoding="ascii") as stream:
        for start in range(0, words, BLOCK):
            for row, vector in enumerate(rng.standard_normal((BLOCK, dimension)).tolist(), start=start):
                stream.write(f"word{row} " + " ".join(f"{x:.5f}" for x in vector) + "\n")


def read(path: Path, way: str, words: int) -> None:
    """Read in this process, and print seconds, MiB and the number of vectors."""
    before, start = peak(), perf_counter()
    only = {f"word{i}" for i in range(0, words, max(1, words // KEPT))} if way == "only" else None
    vectors = read_vectors(path, only, cache=way != "memory")
    print(f"{perf_counter() - start:8.2f} s  {peak() - before:8.0f} MiB  {len(vectors):9,} vectors")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--words", type=int, nargs="+", default=[20_000, 160_000])
    parser.add_argument("--dimension", type=int, default=300)
    parser.add_argument("--read", nargs=2, metavar=("FILE", "WAY"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        read(Path(arguments.read[0]), arguments.read[1], arguments.words[0])
        return
    print(machine())
    for words in arguments.words:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "vectors.txt")
            write(path, words, arguments.dimension)
            print(f"{words:,} words × {arguments.dimension}, {path.stat().st_size / 2**20:,.0f} MiB of text")
            for way in WAYS:
                print(f"  {way:7}", end="", flush=True)
                command = [sys.executable, __file__, "--words", str(words), "--read", str(path), way]
                environment = os.environ | {"CHAINRULE_CACHE_DIR": str(Path(folder, "cache"))}
                subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    main()
