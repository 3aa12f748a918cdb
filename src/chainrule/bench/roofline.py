"""How fast a step could be: what it must compute and move, over what the machine can do at most.

The bound is the longer of FLOPs over the measured peak and bytes over the measured bandwidth; nothing can be
faster that computes the same numbers in float32 on the same cores.

Counted as **FLOPs** are the matrix products, two for each multiply-add: forward, and backward for weights and
(except of data) inputs.  Behind max over time only the places that won are counted, since the gradient of
all others is 0.  Counted as **bytes** are the inputs of the batch, read once, and parameters with the
optimizer's state, read and written once; of embeddings under SGD and Adadelta only the rows that the batch
looks up (the others stay, or decay by a known factor, which can wait until they are looked up).  Activations
and gradients are not counted: they can stay in the caches.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..errors import ChainruleError
from .workloads import Workload

STATES = {"sgd": 0, "adam": 2, "adadelta": 2}
"""Arrays that the optimizer keeps for each parameter."""
DENSE = {"sgd": False, "adam": True, "adadelta": False}
"""Whether a row without a gradient must be visited at every step."""

CORES = ("", "SkylakeX", "Zen", "Haswell")
"""OpenBLAS's kinds of kernels: it takes some machines for weaker ones than they are, so all are tried."""


@dataclass(frozen=True)
class Work:
    """What one step takes at least."""

    flops: int
    bytes: int


@dataclass(frozen=True)
class Machine:
    """What so many cores can do at most."""

    threads: int
    flops: float
    """Float32 operations a second."""
    bandwidth: dict[int, float]
    """Bytes a second, by the bytes that a step moves: small ones stay in the caches."""
    core: str = ""
    """The kind of processor that OpenBLAS had to be told of for this, empty where it knew best."""

    def bound(self, work: Work) -> float:
        """The seconds that a step cannot go below.

        >>> Machine(1, flops=2e9, bandwidth={8: 1e9}).bound(Work(flops=4, bytes=8))
        8e-09
        """
        return max(work.flops / self.flops, work.bytes / self.bandwidth[work.bytes])

    def or_better(self, other: Machine) -> Machine:
        """The higher of two measurements: what else runs on a machine can only lower them."""
        faster = max(self, other, key=lambda machine: machine.flops)
        both = self.bandwidth.keys() | other.bandwidth.keys()
        bandwidth = {
            size: max(self.bandwidth.get(size, 0.0), other.bandwidth.get(size, 0.0)) for size in sorted(both)
        }
        return Machine(self.threads, faster.flops, bandwidth, faster.core)


def at_least(machines: Mapping[int, Machine]) -> dict[int, Machine]:
    """What so many cores can do, fewer cores may have shown: no count stands below a smaller one.

    >>> found = at_least({2: Machine(2, 1.5, {8: 3.0}), 1: Machine(1, 2.0, {8: 1.0})})
    >>> found[2].flops, found[2].bandwidth[8], found[1].flops
    (2.0, 3.0, 2.0)
    """
    found: dict[int, Machine] = {}
    for count in sorted(machines):
        found[count] = machines[count]
        for smaller in list(found.values())[:-1]:
            found[count] = found[count].or_better(smaller)
    return {count: found[count] for count in machines}


def work(workload: Workload) -> Work:
    """FLOPs and bytes of one step of ``workload``.

    >>> from chainrule.bench.workloads import WORKLOADS
    >>> work(WORKLOADS["mlp16"]).flops  # of the first layer only two products, of the others three
    1685504
    """
    return Work(_flops(workload), _bytes(workload))


def _flops(workload: Workload) -> int:
    s, batch = workload.sizes, workload.batch
    if workload.network == "mlp":
        layers = list(pairwise(s["dimensions"]))
        return sum(_product(batch, *layer, inputs=place > 0) for place, layer in enumerate(layers))
    if workload.network == "cnn":
        pooled = batch * s["filters"]
        convolutions: int = sum(
            2 * size * s["width"] * (batch * (s["window"] - size + 1) * s["filters"] + 2 * pooled)
            for size in s["filter_sizes"]
        )
        return convolutions + _product(batch, s["filters"] * len(s["filter_sizes"]), s["classes"])
    rows = batch * (2 if workload.network == "ranking" else 1)
    return _product(rows, s["window"] * s["width"], s["hidden"]) + _product(rows, s["hidden"], s["classes"])


def _product(rows: int, fan_in: int, fan_out: int, *, inputs: bool = True) -> int:
    """A layer's products: forward, for its weights, and unless these are data for its inputs."""
    return 2 * rows * fan_in * fan_out * (3 if inputs else 2)


def _bytes(workload: Workload) -> int:
    numbers, data = workload.parameter_count(), workload.data()
    if workload.network != "mlp" and not DENSE[workload.optimizer]:
        touched = np.mean([np.unique(data[0][rows]).size for rows in workload.order()])
        numbers -= round((workload.sizes["words"] - touched) * workload.sizes["width"])
    inputs = sum(array[: workload.batch].nbytes for array in data)
    return int(2 * 4 * numbers * (1 + STATES[workload.optimizer]) + inputs)


def probe(
    threads: int, sizes: Iterable[int], *, cores: Sequence[str] = CORES, seconds: float = 0.4
) -> Machine:
    """Measure the machine with so many threads, for steps that move so many bytes.

    ``cores`` are the kinds of processor to have OpenBLAS take this one for; ``seconds`` is how long each
    measurement repeats.  Raises ``ChainruleError`` where none can be measured.
    """
    best: Machine | None = None
    for core in cores:
        # Moving bytes does not depend on the kind of BLAS kernel: once is enough.
        found = _run(core, threads, sorted(set(sizes)) if best is None else [], seconds)
        if found is not None:
            best = found if best is None else best.or_better(found)
    if best is None:
        raise ChainruleError("the machine's peak could not be measured: NumPy's products end the process")
    return best


def _run(core: str, threads: int, sizes: Sequence[int], seconds: float) -> Machine | None:
    """One probe; None where it cannot run, as with kernels that this processor lacks instructions for."""
    count = str(threads)
    environment = os.environ | {"OMP_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count}
    if core:
        environment["OPENBLAS_CORETYPE"] = core
    script = str(Path(__file__).with_name("probe.py"))
    ran = subprocess.run(
        [sys.executable, script, count, str(seconds), *map(str, sizes)],
        env=environment,
        capture_output=True,
        text=True,
    )
    if ran.returncode:
        return None
    answer = json.loads(ran.stdout)
    bandwidth = {int(size): value for size, value in answer["bandwidth"].items()}
    return Machine(threads, answer["flops"], bandwidth, core)
