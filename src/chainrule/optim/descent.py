"""Gradient descent, with and without momentum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Unpack

import numpy as np

from ..graph import Array, Node, Variable
from .checks import FRACTION, Range
from .groups import CommonOptions, Parameters
from .optimizer import Optimizer
from .schedules import Schedule


class SGD(Optimizer):
    """Gradient descent: θ = θ - η·∇J(θ).

    Batch, mini-batch or stochastic descent is a matter of how many examples the loss is taken over.
    Common options: :class:`Optimizer`.  (Robbins and Monro, 1951)

    >>> import chainrule as cr
    >>> from chainrule.engines.stepper import Stepper
    >>> w = cr.variable(4.0)
    >>> step = Stepper([], cr.optim.SGD([w], learning_rate=0.25).updates(w * w))
    >>> [(step.run({}), float(w))[1] for _ in range(3)]
    [2.0, 1.0, 0.5]
    """

    def rule(
        self, parameter: Node, gradient: Node, state: Mapping[str, Node], learning_rate: Node, step: Node
    ) -> tuple[Node, Mapping[str, Node]]:
        return parameter - learning_rate * gradient, {}


class Momentum(Optimizer):
    """Descent with a velocity: v = γv + η·∇J(θ); θ = θ - v.

    With ``rate_in_velocity=False``: v = γv + ∇J(θ); θ = θ - η·v, as other libraries have it.  The two
    are the same at a constant rate.  When the rate falls, steps already in the velocity keep the rate
    they were made with in the first form, and are slowed too in the second.

    ``momentum`` is γ.  State: ``velocity``.  (Polyak, 1964; the lectures' form is the first)

    >>> import chainrule as cr
    >>> from chainrule.engines.stepper import Stepper
    >>> w = cr.variable(4.0)
    >>> step = Stepper([], cr.optim.Momentum([w], 0.125, momentum=0.5).updates(w * w))
    >>> [(step.run({}), float(w))[1] for _ in range(3)]
    [3.0, 1.75, 0.6875]
    """

    ranges: ClassVar[Mapping[str, Range]] = {"momentum": FRACTION}

    def __init__(
        self,
        parameters: Parameters,
        learning_rate: float | Schedule = 0.01,
        *,
        momentum: float = 0.9,
        rate_in_velocity: bool = True,
        **common: Unpack[CommonOptions],
    ) -> None:
        self.momentum, self.rate_in_velocity = momentum, rate_in_velocity
        super().__init__(parameters, learning_rate, **common)

    def slots(self, parameter: Variable) -> Mapping[str, Array]:
        return {"velocity": np.zeros(parameter.shape)}

    def rule(
        self, parameter: Node, gradient: Node, state: Mapping[str, Node], learning_rate: Node, step: Node
    ) -> tuple[Node, Mapping[str, Node]]:
        if self.rate_in_velocity:
            velocity = self.momentum * state["velocity"] + learning_rate * gradient
            return parameter - velocity, {"velocity": velocity}
        velocity = self.momentum * state["velocity"] + gradient
        return parameter - learning_rate * velocity, {"velocity": velocity}


class Nesterov(Momentum):
    """Nesterov's accelerated gradient: v = γv + η·∇J(θ - γv); θ = θ - v.

    The gradient is taken where the velocity is about to lead.  The parameter held here is that point,
    θ' = θ - γv, so that the loss needs no second evaluation: v = γv + η·∇J(θ'); θ' = θ' - γv - η·∇J(θ').

    With ``rate_in_velocity=False``: v = γv + ∇J(θ'); θ' = θ' - η·(γv + ∇J(θ')), the same at a constant
    rate (see :class:`Momentum`).  State: ``velocity``.  (Nesterov, 1983; Sutskever et al., 2013)

    >>> import chainrule as cr
    >>> from chainrule.engines.stepper import Stepper
    >>> w = cr.variable(4.0)
    >>> step = Stepper([], cr.optim.Nesterov([w], 0.125, momentum=0.5).updates(w * w))
    >>> [(step.run({}), float(w))[1] for _ in range(3)]
    [2.5, 1.3125, 0.5390625]
    """

    def rule(
        self, parameter: Node, gradient: Node, state: Mapping[str, Node], learning_rate: Node, step: Node
    ) -> tuple[Node, Mapping[str, Node]]:
        if self.rate_in_velocity:
            push = learning_rate * gradient
            velocity = self.momentum * state["velocity"] + push
            return parameter - (self.momentum * velocity + push), {"velocity": velocity}
        velocity = self.momentum * state["velocity"] + gradient
        ahead = self.momentum * velocity + gradient
        return parameter - learning_rate * ahead, {"velocity": velocity}
