"""Layer by layer: units that no longer do anything, and gradients that shrink or grow on their way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple
from zlib import crc32

import numpy as np

from ...graph import Array, Variable
from .probe import Probe, Reading, activation_of, place


class Layer(NamedTuple):
    """The units that one line of the program makes, and what share of them is out of use."""

    kind: str
    """relu, sigmoid or tanh."""
    where: str
    units: int
    share: float


def dead(probe: Probe, reading: Reading) -> Iterator[Layer]:
    """Rectified layers, with the share of units that are 0 for every example."""
    for (kind, where), values in _by_line(probe, reading).items():
        if kind == "relu":
            units = max(value.shape[-1] for value in values)
            yield Layer(kind, where, units, min(_never(value) for value in values))


def saturated(probe: Probe, reading: Reading) -> Iterator[Layer]:
    """Layers of sigmoid and tanh, with the share of values whose derivative is below 4 % of the largest."""
    for (kind, where), values in _by_line(probe, reading).items():
        if kind == "relu":
            continue
        height = 0.25 if kind == "sigmoid" else 1.0
        flat = [v * (1 - v) if kind == "sigmoid" else 1 - v * v for v in values]
        share = float(np.mean([np.mean(slope < 0.04 * height) for slope in flat]))
        yield Layer(kind, where, values[0].shape[-1], share)


def _by_line(probe: Probe, reading: Reading) -> dict[tuple[str, str], list[Array]]:
    """The activations of the sample by what made them: a line that runs at many times is one layer."""
    found: dict[tuple[str, str], list[Array]] = {}
    for node in probe.activations:
        if node.ndim >= 2 and node.shape[0] > 1:
            found.setdefault((activation_of(node) or "", place(node)), []).append(reading.values[node])
    return found


def _never(value: Array) -> float:
    """The share of units that are never active, by whichever axis the units lie on: the smallest."""
    active = value > 0
    axes = [axis for axis in range(1, value.ndim) if value.shape[axis] > 1] or [value.ndim - 1]
    others = [tuple(a for a in range(value.ndim) if a != axis) for axis in axes]
    return min(float(1 - active.any(axis=rest).mean()) for rest in others)


class Flow(NamedTuple):
    """How the gradient of one matrix compares with that of the last one, each relative to its matrix."""

    matrix: str
    last: str
    ratio: float
    """(‖∂L/∂W‖ / ‖W‖) / (‖∂L/∂W_last‖ / ‖W_last‖)."""


def flows(probe: Probe, reading: Reading, names: Mapping[Variable, str]) -> list[Flow]:
    """Each matrix against the one nearest to the loss, those nearest to the inputs first."""
    sizes = {p: _norm(p.array) for p in matrices(probe)}
    relative = {p: _norm(reading.gradients[p]) / size for p, size in sizes.items() if size}
    reached = [p for p in probe.order if isinstance(p, Variable) and p in relative]
    if len(reached) < 2 or not relative[reached[-1]]:
        return []
    last = reached[-1]
    return [Flow(names[p], names[last], relative[p] / relative[last]) for p in reached[:-1]]


def matrices(probe: Probe) -> list[Variable]:
    """The parameters that inputs are multiplied by: all but look-up tables, biases and scales."""
    tables = {node.inputs[0] for node in probe.order if node.op.name == "take"}
    return [p for p in probe.flowing if p.ndim >= 2 and p not in tables]


def digest(array: Array, before: int = 0) -> int:
    """A number that differs where any bit of the array does."""
    return crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, before)


def _norm(array: Array) -> float:
    return float(np.linalg.norm(np.ravel(array).astype(np.float64)))
