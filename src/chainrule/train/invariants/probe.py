"""The loss of the training step on a few examples, looked at node by node; nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ...differentiate import gradients
from ...dtypes import is_float
from ...engines import Stepper
from ...functions.targets import ClassIndex
from ...graph import Array, Constant, Node, Variable, depending_on, placeholder, topological
from ...ops import Elementwise
from ...ops.casts import Cast
from ...ops.movement import Movement
from ..step import Batch, TrainingStep, batch_arrays
from .comparisons import Comparison, comparisons


class Reading(NamedTuple):
    """The values at one moment."""

    loss: float
    values: Mapping[Node, Array]
    gradients: Mapping[Variable, Array]

    @property
    def finite(self) -> bool:
        """Whether there is anything to be read off: a loss that is not finite stops training anyway."""
        return bool(np.isfinite(self.loss)) and all(np.isfinite(g).all() for g in self.gradients.values())


class Probe:
    """The graph of the loss over one small batch, made ready to be looked at several times.

    ``trained`` are the variables that count as parameters, with their names.  The graph is that of a training
    step, dropout included, with composites closed, so that its nodes are those that the user wrote.
    """

    def __init__(self, step: TrainingStep, trained: Mapping[Variable, str], batch: Batch) -> None:
        self.names = trained
        names, self.arrays = batch_arrays(batch)
        self.leaves = [
            placeholder(array.shape, array.dtype, name=name or f"input {index}")
            for index, (name, array) in enumerate(zip(names, self.arrays, strict=True))
        ]
        self.loss = step.loss_on(names, self.leaves)[0]
        self.order = topological([self.loss])
        present = set(self.order)
        self.parameters = [variable for variable in trained if variable in present]
        self.dependent = depending_on(self.order, self.parameters)
        self.fed = depending_on(self.order, self.leaves)
        found = gradients(self.loss, self.parameters) if self.parameters else []
        self.flowing = {p: g for p, g in zip(self.parameters, found, strict=True) if g is not None}
        self.comparisons, self.between = comparisons(self.loss, self.dependent, self.fed)
        outside = set(self.between)  # a hinge loss is 0 where all is well: no unit that died
        self.activations = [
            node
            for node in self.order
            if node in self.dependent and node not in outside and activation_of(node) is not None
        ]
        self.inputs = [found for node in self.order for found in self._inputs_of(node)]
        self.slopes = self._slopes()
        targets = {self.loss, *self.activations, *self.inputs}
        for compared in self.comparisons:
            targets |= {compared.node, compared.prediction, compared.target}
        forward = [node for node in self.order if node in targets]
        self._targets = [*forward, *self.slopes.values()]
        self._stepper = Stepper([*self._targets, *self.flowing.values()])

    def _inputs_of(self, node: Node) -> list[Node]:
        """Floats of the batch, as they are when they first meet a matrix of parameters."""
        if isinstance(node.op, Elementwise) or not any(
            isinstance(child, Variable) and child.ndim >= 2 and child in self.dependent
            for child in node.inputs
        ):
            return []
        return [
            child
            for child in node.inputs
            if child in self.fed and child not in self.dependent and is_float(child.dtype)
        ]

    def _slopes(self) -> dict[Comparison, Node]:
        """∂loss/∂(each comparison): its sign says whether agreement is rewarded or punished."""
        nodes = [compared.node for compared in self.comparisons]
        if not nodes:
            return {}
        found = gradients(self.loss, nodes)
        return {c: g for c, g in zip(self.comparisons, found, strict=True) if g is not None}

    @property
    def examples(self) -> int:
        """How many examples the sample has."""
        return next((len(array) for array in self.arrays if array.ndim), 1)

    def read(self) -> Reading:
        """The values with the parameters as they are now."""
        values = self._stepper.run(dict(zip(self.leaves, self.arrays, strict=True)))
        seen = dict(zip(self._targets, values, strict=False))
        arrived = dict(zip(self.flowing, values[len(self._targets) :], strict=True))
        return Reading(float(seen[self.loss].reshape(())), seen, arrived)

    def part_of(self, node: Node) -> int | None:
        """Which array of the batch ``node`` is, up to its type and its form; None where it is computed."""
        numbers: dict[Node, int] = {leaf: number for number, leaf in enumerate(self.leaves)}
        while node not in numbers:
            if len(node.inputs) != 1 or not isinstance(node.op, Cast | ClassIndex | Movement):
                return None
            node = node.inputs[0]
        return numbers[node]


def activation_of(node: Node) -> str | None:
    """``relu``, ``sigmoid`` or ``tanh``, however it was written; None for other nodes.

    >>> import chainrule as cr
    >>> x = cr.placeholder((3,))
    >>> [activation_of(node) for node in (cr.relu(x), cr.maximum(0, x), cr.tanh(x), cr.maximum(x, 1))]
    ['relu', 'relu', 'tanh', None]
    """
    name = node.op.name
    if name in ("relu", "sigmoid", "tanh"):
        return name
    if name == "maximum" and any(isinstance(x, Constant) and not x.array.any() for x in node.inputs):
        return "relu"
    return None


def place(node: Node) -> str:
    """Where a node was written: the user's line, and the module."""
    return str(node.origin)
