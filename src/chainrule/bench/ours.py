"""The measuring process of this library's own side: ``python -m chainrule.bench.ours``.

A trainer here is the public way to train, ``chainrule.train.TrainingStep``, on the engine that the
specification names as its kind.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from ..graph import Array
from ..train import TrainingStep
from ..version import __version__
from .peers.serving import Spec, Trainer, serve, without_dropout
from .workloads import Workload


class Stepwise:
    """One call of a training step for each batch."""

    chunk = 1

    def __init__(self, spec: Spec) -> None:
        workload = Workload(**spec.workload)
        model = workload.model(spec.parameters)
        optimizer = workload.new_optimizer(model)
        self.step = TrainingStep(workload.loss(model), optimizer, engine=spec.kind)
        self.data, self.order, self.at = spec.data, spec.order, 0

    def run(self, steps: int) -> list[float]:
        found = []
        for _ in range(steps):
            rows = self.order[self.at]
            found.append(self.step(tuple([array[rows] for array in self.data])))
            self.at = (self.at + 1) % len(self.order)
        return found

    def losses(self, result: Any) -> list[float]:
        return list(result)


def first_losses(workload: Workload, parameters: list[Array], steps: int) -> list[float]:
    """The first losses without dropout, by the stepper: what every way to train must come to."""
    plain = replace(workload, sizes=without_dropout(workload.sizes))
    model, data = plain.model(parameters), plain.data()
    step = TrainingStep(plain.loss(model), plain.new_optimizer(model), engine="stepper")
    return [step(tuple([array[rows] for array in data])) for rows in plain.order()[:steps]]


def version() -> str:
    return f"chainrule {__version__}"


def choices(spec: Spec) -> list[str]:
    return [""]


def trainer(spec: Spec) -> Trainer:
    return Stepwise(spec)


if __name__ == "__main__":
    serve(sys.modules[__name__])
