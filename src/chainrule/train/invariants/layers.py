"""Layer by layer: units that no longer do anything, and gradients that shrink or grow on their way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple
from zlib import crc32

import numpy as np

from ...graph import Array, Node, Variable
from ...ops import Elementwise
from ...ops.movement import Movement
from .probe import Probe, Reading, activation_of, place


class Layer(NamedTuple):
    """The activations behind one matrix, wherever it is used, and what share of them is out of use."""

    kind: str
    """relu, sigmoid or tanh."""
    where: str
    units: int
    share: float
    name: str = ""
    """What it stands behind, shorter than ``where``: the path of the matrix, or the module, or the line."""


def dead(probe: Probe, reading: Reading) -> Iterator[Layer]:
    """Rectified layers, with the share of units that are 0 for every example."""
    for kind, where, values, name in _layers(probe, reading):
        if kind == "relu":
            yield Layer(kind, where, values[0].shape[-1], min(_never(value) for value in values), name)


def saturated(probe: Probe, reading: Reading) -> Iterator[Layer]:
    """Layers of sigmoid and tanh, with the share of values whose derivative is below 4 % of the largest."""
    for kind, where, values, name in _layers(probe, reading):
        if kind != "relu":
            height = 0.25 if kind == "sigmoid" else 1.0
            slopes = [v * (1 - v) if kind == "sigmoid" else 1 - v * v for v in values]
            share = float(np.mean([np.mean(slope < 0.04 * height) for slope in slopes]))
            yield Layer(kind, where, values[0].shape[-1], share, name)


def _layers(probe: Probe, reading: Reading) -> Iterator[tuple[str, str, list[Array], str]]:
    """The activations of the sample, by kind and matrix: what is used at many times is one layer."""
    found: dict[tuple[str, Node], list[Node]] = {}
    for node in probe.activations:
        if node.ndim >= 2 and node.shape[0] > 1:
            key = activation_of(node) or "", _matrix_before(node, probe)
            found.setdefault(key, []).append(node)
    for (kind, matrix), nodes in found.items():
        behind = f", after {probe.names[matrix]}" if isinstance(matrix, Variable) else ""
        name = probe.names[matrix] if isinstance(matrix, Variable) else nodes[0].origin.module
        values = [reading.values[node] for node in nodes]
        yield kind, f"{place(nodes[0])}{behind}", values, name or nodes[0].origin.place


def _matrix_before(node: Node, probe: Probe) -> Node:
    """The matrix that the nearest product before ``node`` multiplies by; without one, the node itself."""
    stack, seen = list(node.inputs), set(node.inputs)
    while stack:
        at = stack.pop()
        direct = [x for x in at.inputs if isinstance(x, Variable) and x.ndim >= 2 and x in probe.names]
        if direct and not isinstance(at.op, Elementwise):
            return direct[0]
        if isinstance(at.op, Elementwise | Movement):
            fresh = [x for x in at.inputs if x not in seen and x in probe.dependent]
            seen.update(fresh)
            stack += fresh
    return node


def before_activations(probe: Probe) -> list[Variable]:
    """The matrices whose products go into an activation: those of hidden layers."""
    found = dict.fromkeys(_matrix_before(node, probe) for node in probe.activations)
    return [p for p in found if isinstance(p, Variable) and p in probe.flowing]


def _never(value: Array) -> float:
    """The share of units that are never active, by whichever axis the units lie on: the smallest."""
    active = value > 0
    axes = [axis for axis in range(1, value.ndim) if value.shape[axis] > 1] or [value.ndim - 1]
    others = [tuple(a for a in range(value.ndim) if a != axis) for axis in axes]
    return min(float(1 - active.any(axis=rest).mean()) for rest in others)


class Flow(NamedTuple):
    """How much gradient arrives at a matrix."""

    matrix: str
    relative: float
    """‖∂L/∂W‖ / ‖W‖, or over the norm that Xavier's initialisation gives where W is smaller."""


def flows(probe: Probe, reading: Reading, names: Mapping[Variable, str]) -> list[Flow]:
    """The matrices, those nearest to the inputs first."""
    compared = set(matrices(probe))
    return [
        Flow(names[p], norm(reading.gradients[p]) / max(norm(p.array), _usual_norm(p)))
        for p in probe.order
        if isinstance(p, Variable) and p in compared
    ]


def _usual_norm(matrix: Variable) -> float:
    """√(size · variance) with Xavier's variance, 2 / (inputs + outputs)."""
    outputs = matrix.shape[-1]
    return float(np.sqrt(2 * matrix.size / (outputs + matrix.size // max(outputs, 1))))


def matrices(probe: Probe) -> list[Variable]:
    """The parameters that inputs are multiplied by: all but look-up tables, biases and scales."""
    tables = {node.inputs[0] for node in probe.order if node.op.name == "take"}
    return [
        p
        for p in probe.order
        if isinstance(p, Variable) and p in probe.flowing and p.ndim >= 2 and p not in tables
    ]


def digest(array: Array, before: int = 0) -> int:
    """A number that differs where any bit of the array does."""
    return crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, before)


def norm(array: Array) -> float:
    """The Euclidean norm, whatever the form."""
    return float(np.linalg.norm(np.ravel(array).astype(np.float64)))
