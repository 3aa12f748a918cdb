"""A function around one point: its value, its pullback, and its numerical derivative along a direction.

Everything is a flat vector here: the inputs laid end to end (n elements), and the outputs (m).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .. import differentiate
from ..dtypes import DType, is_float
from ..engines.differences import Difference, central, steps
from ..engines.stepper import Stepper
from ..graph import (
    Array,
    Constant,
    Environment,
    Leaf,
    Node,
    apply,
    constant,
    derived_from,
    placeholder,
    rebuild,
    rebuilt,
    substitute,
    topological,
)
from ..ops import expand
from ..ops.casts import StopGradient


class Probe:
    """``outputs`` as a function of the leaves ``inputs``, all floats of one dtype, around a point.

    ``stop_gradient`` means "constant here", so its values are held fixed in the numerical derivative.
    """

    def __init__(self, outputs: Sequence[Node], inputs: Sequence[Node], environment: Environment) -> None:
        self.outputs, self.inputs = list(outputs), list(inputs)
        self.dtype: DType = self.inputs[0].dtype
        self.eps = float(np.finfo(self.dtype).eps)
        self._given, self._environment = dict(environment), dict(environment)
        self._stepper = Stepper(self._frozen())
        self.point = np.concatenate([np.ravel(environment[x]) for x in self.inputs])
        self.evaluations = 0
        self.base = self.at(self.point)
        self._cotangents = [placeholder(y.shape, y.dtype, name="cotangent") for y in self.outputs]
        pulled = differentiate.vjp(self.outputs, self._cotangents, self.inputs)
        self.pulled = [g for g in pulled if g is not None]
        self._flows = [g is not None for g in pulled]
        self._pullback = Stepper(self.pulled)

    @property
    def n(self) -> int:
        return self.point.size

    @property
    def m(self) -> int:
        return self.base.size

    def _frozen(self) -> list[Node]:
        """The outputs with every ``stop_gradient`` replaced by its value at the point."""
        opened = expand(self.outputs)
        stops = [node for node in topological(opened) if isinstance(node.op, StopGradient)]
        if not stops:
            return opened
        values = Stepper(stops).run(self._environment)
        held = [placeholder(node.shape, node.dtype) for node in stops]
        self._environment.update(zip(held, values, strict=True))
        return substitute(opened, dict(zip(stops, held, strict=True)))

    def at(self, point: Array) -> Array:
        """The outputs at another point."""
        self.evaluations += 1
        fed = dict(self._environment)
        fed.update(zip(self.inputs, unflatten(point.astype(self.dtype), self.inputs), strict=True))
        return flat(self._stepper.run(fed), self.dtype).astype(np.float64)

    def pullback(self, u: Array) -> Array:
        """Jᵀu, by the rules of the ops."""
        fed = dict(self._environment)
        fed.update(zip(self._cotangents, unflatten(u.astype(self.dtype), self.outputs), strict=True))
        found = iter(self._pullback.run(fed))
        parts = [
            np.ravel(next(found)) if flows else np.zeros(x.size)
            for flows, x in zip(self._flows, self.inputs, strict=True)
        ]
        return np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)

    def elsewhere(self, number: int, value: Array) -> Probe:
        """The same function around a point with another value of one input."""
        return Probe(
            self.outputs, self.inputs, {**self._given, self.inputs[number]: value.astype(self.dtype)}
        )

    def pullback_environment(self, u: Array) -> Environment:
        """What ``pulled`` is evaluated with, for a search in it."""
        fed = dict(self._environment)
        fed.update(zip(self._cotangents, unflatten(u.astype(self.dtype), self.outputs), strict=True))
        return fed

    def differences(
        self, direction: Array, u: Array | None = None, step: float | None = None
    ) -> Iterator[Difference]:
        """J·direction (or u·J·direction) numerically, at finer and finer steps."""
        for h in [step] if step else steps(self.eps):
            yield self._difference(direction, u, h)

    def _difference(self, direction: Array, u: Array | None, h: float) -> Difference:
        def f(t: float) -> Array:
            y = self.at(self.point + t * direction)
            return y if u is None else np.atleast_1d(y @ u)

        here = self.base if u is None else np.atleast_1d(self.base @ u)
        weight = np.abs(self.base) if u is None else np.atleast_1d(np.abs(self.base) @ np.abs(u))
        return central(f, here, h, self.eps, weight)


def unflatten(vector: Array, like: Sequence[Node]) -> list[Array]:
    """A flat vector cut into arrays of the nodes' shapes."""
    pieces, start = [], 0
    for node in like:
        pieces.append(vector[start : start + node.size].reshape(node.shape))
        start += node.size
    return pieces


def flat(arrays: Sequence[Array], dtype: DType) -> Array:
    """Arrays laid end to end."""
    return np.concatenate([np.ravel(array) for array in arrays]) if arrays else np.zeros(0, dtype)


def retyped(outputs: Sequence[Node], dtype: DType) -> tuple[list[Node], dict[Node, Node]]:
    """The graph with every float in ``dtype``, and for each leaf that changed the one that stands for it."""
    leaves: dict[Node, Node] = {}

    def visit(node: Node, inputs: tuple[Node, ...]) -> Node:
        if isinstance(node.op, Leaf):
            if not is_float(node.dtype) or node.dtype is dtype:
                return node
            if isinstance(node, Constant):
                return constant(node.array.astype(dtype))
            leaves[node] = placeholder(node.shape, dtype, name=node.label)
            return leaves[node]
        attributes = {
            key: dtype if isinstance(value, np.dtype) and is_float(value) else value
            for key, value in node.attributes.items()
        }
        if attributes == dict(node.attributes):
            new = rebuilt_at(node, inputs)
        else:
            with derived_from(node.origin, node.origin.derived):
                new = apply(node.op, *inputs, **attributes)
        return new.named(node.name) if node.name and new is not node else new

    return rebuild(outputs, visit), leaves


def rebuilt_at(node: Node, inputs: tuple[Node, ...]) -> Node:
    """The node's op on other inputs, written where the node was."""
    with derived_from(node.origin, node.origin.derived):
        return rebuilt(node, inputs)
