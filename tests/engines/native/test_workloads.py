"""The workloads of the benchmarks, on the native engine: the same bits at any number of threads, and the
stepper's numbers after a hundred steps, in both float types."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.bench.workloads import WORKLOADS, Workload
from chainrule.engines.native import Native
from chainrule.engines.stepper import Stepper
from chainrule.graph import Placeholder, Variable, placeholder
from chainrule.train.step import TrainingStep

Updates = dict[Variable, cr.Node]


def widened(model: nn.Module) -> nn.Module:
    """The model with parameters of float64."""
    for path, parameter in list(model.named_parameters()):
        *way, last = path.split(".")
        owner: Any = model
        for name in way:
            owner = owner[int(name)] if name.isdigit() else getattr(owner, name)
        setattr(owner, last, cr.variable(parameter.value.astype(np.float64), "float64", name=path))
    return model


def step_of(work: Workload, dtype: str) -> tuple[cr.Node, Updates, list[Placeholder]]:
    model = work.model() if dtype == "float32" else widened(work.model())
    step = TrainingStep(work.loss(model), work.new_optimizer(model), engine="stepper")
    leaves = [placeholder((work.batch, *array.shape[1:]), array.dtype) for array in work.data()]
    loss, updates = step.graph([""] * len(leaves), leaves)
    return loss, updates, leaves


def values_after(runner: Any, work: Workload, leaves: list[Placeholder], updates: Updates, steps: int) -> Any:
    """All variables after some steps, each on the next batch."""
    data = work.data()
    for number in range(steps):
        start = number % work.batches * work.batch
        runner.run(
            {leaf: array[start : start + work.batch] for leaf, array in zip(leaves, data, strict=True)}
        )
    return {variable.label: variable.value.copy() for variable in updates}


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_bits_are_the_same_at_any_number_of_threads(name: str) -> None:
    work, found = WORKLOADS[name], []
    for threads in (1, 2, 3, 2):
        loss, updates, leaves = step_of(work, "float32")
        runner = Native([loss], updates, threads=threads)
        found.append(values_after(runner, work, leaves, updates, 3))
    for other in found[1:]:
        for label, value in found[0].items():
            assert other[label].tobytes() == value.tobytes(), label


@pytest.mark.parametrize(
    ("dtype", "name", "steps"),
    [
        *[("float32", name, 20) for name in ("mlp16", "mlp128", "ner")],
        *[("float64", name, 20) for name in ("mlp16", "mlp128", "ner")],
        *[
            pytest.param(dtype, name, 100, marks=pytest.mark.long)
            for dtype in ("float32", "float64")
            for name in WORKLOADS
        ],
    ],
)
def test_parameters_stay_the_steppers(dtype: str, name: str, steps: int) -> None:
    work, found = WORKLOADS[name], []
    for engine in (Stepper, Native):
        loss, updates, leaves = step_of(work, dtype)
        found.append(values_after(engine([loss], updates), work, leaves, updates, steps))
    bound = 1e-4 if dtype == "float32" else 1e-10
    for (label, wanted), value in zip(found[0].items(), found[1].values(), strict=True):
        off = np.linalg.norm((value - wanted).astype(np.float64)) / max(np.linalg.norm(wanted), 1e-30)
        assert off <= bound, f"{label}: off by {off:.1e}"
