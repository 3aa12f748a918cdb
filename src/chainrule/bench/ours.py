"""The measuring process of this library's own side: ``python -m chainrule.bench.ours``.

A trainer here is the public way to train, a ``chainrule.train.TrainingStep`` in an ``EpochLoop``, on the
engine that the specification names as its kind.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engines.xla import jax
from ..graph import Array
from ..train import EpochLoop, TrainingStep
from ..version import __version__
from .peers.serving import CPU, Spec, Trainer, serve, without_dropout
from .workloads import Workload


class Rows:
    """Examples that every epoch visits in the same given order."""

    def __init__(self, arrays: Sequence[Array], order: NDArray[np.int32]) -> None:
        self.arrays = tuple(arrays)
        self.order = order.ravel().astype(np.int64)
        self.examples, self.size = order.size, order.shape[1]

    def permutation(self, epoch: int) -> NDArray[np.int64]:
        return self.order

    def gather(self, arrays: Any, rows: Any) -> Any:
        return tuple([array[rows] for array in arrays])


class Epochs:
    """Epochs as ``chainrule train`` runs them: many steps a call, batches gathered inside."""

    chunk = 1

    def __init__(self, spec: Spec) -> None:
        workload = Workload(**spec.workload)
        model = workload.model(spec.parameters)
        step = TrainingStep(workload.loss(model), workload.new_optimizer(model), engine=spec.kind)
        self.loop = EpochLoop(step, Rows(spec.data, spec.order))
        self.loop.begin(0)
        self.at = 0

    def run(self, steps: int) -> None:
        while steps:
            count = min(steps, self.loop.whole - self.at)
            self.loop.run(count)
            steps, self.at = steps - count, self.at + count
            if self.at == self.loop.whole:
                self.loop.begin(0)
                self.at = 0

    def losses(self, steps: int) -> list[float]:
        found, before = [], 0.0
        for _ in range(steps):
            self.loop.run(1)
            found.append((self.loop.loss_sum - before) / self.loop.data.size)
            before = self.loop.loss_sum
        return found


def first_losses(workload: Workload, parameters: list[Array], steps: int) -> list[float]:
    """The first losses without dropout, by the stepper: what every way to train must come to."""
    plain = replace(workload, sizes=without_dropout(workload.sizes))
    model, data = plain.model(parameters), plain.data()
    step = TrainingStep(plain.loss(model), plain.new_optimizer(model), engine="stepper")
    return [step(tuple([array[rows] for array in data])) for rows in plain.order()[:steps]]


def version() -> str:
    return f"chainrule {__version__}"


def device(spec: Spec) -> tuple[str, int]:
    """The first of JAX's devices for the engine xla, the processor for the others."""
    if spec.kind.partition(":")[0] != "xla":
        return CPU, 1
    found = jax().devices()
    return (CPU, 1) if found[0].platform == "cpu" else (str(found[0].device_kind), len(found))


def choices(spec: Spec) -> list[str]:
    return [""]


def trainer(spec: Spec) -> Trainer:
    return Epochs(spec)


if __name__ == "__main__":
    serve(sys.modules[__name__])
