"""Rules with a rate for each element: Adagrad, Adadelta, RMSProp."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Unpack

import numpy as np

from ..graph import Array, Node, Variable
from ..ops import maximum, sqrt, square
from .checks import FRACTION, NOT_NEGATIVE, Range
from .groups import CommonOptions, Parameters
from .optimizer import Optimizer
from .schedules import Schedule


class Adagrad(Optimizer):
    """Rates that fall with the squares seen so far: G = G + g²; θ = θ - η·g / (√G + ε).

    An element whose gradient is 0 stays exactly where it is.  ``initial`` is G at the start; a rate
    that also falls with time is ``inverse_time``.  State: ``squares``.
    (Duchi, Hazan and Singer, 2011)

    >>> import chainrule as cr
    >>> from chainrule.engines.stepper import Stepper
    >>> w = cr.variable([4.0, -1.0])
    >>> Stepper([], cr.optim.Adagrad([w], 0.5).updates(cr.sum(w * w))).run({})
    []
    >>> w.value
    array([ 3.5, -0.5], dtype=float32)
    """

    ranges: ClassVar[Mapping[str, Range]] = {"epsilon": NOT_NEGATIVE, "initial": NOT_NEGATIVE}

    def __init__(
        self,
        parameters: Parameters,
        learning_rate: float | Schedule = 0.01,
        *,
        epsilon: float = 1e-10,
        initial: float = 0.0,
        **common: Unpack[CommonOptions],
    ) -> None:
        self.epsilon, self.initial = epsilon, initial
        super().__init__(parameters, learning_rate, **common)

    def slots(self, parameter: Variable) -> Mapping[str, Array]:
        return {"squares": np.full(parameter.shape, float(self.initial))}

    def rule(
        self, parameter: Node, gradient: Node, state: Mapping[str, Node], learning_rate: Node, step: Node
    ) -> tuple[Node, Mapping[str, Node]]:
        squares = state["squares"] + square(gradient)
        return parameter - learning_rate * gradient / (sqrt(squares) + self.epsilon), {"squares": squares}


class Adadelta(Optimizer):
    """Steps in the parameter's own unit, the rate being the ratio of two running averages.

    E[g²] = ρE[g²] + (1-ρ)g²;  Δ = √(E[Δ²] + ε) / √(E[g²] + ε) · g;  E[Δ²] = ρE[Δ²] + (1-ρ)Δ²;
    θ = θ - η·Δ, with η = 1 as published.  State: ``squares`` E[g²], ``steps`` E[Δ²].  (Zeiler, 2012)

    >>> import chainrule as cr
    >>> from chainrule.engines.stepper import Stepper
    >>> w = cr.variable(4.0)
    >>> Stepper([], cr.optim.Adadelta([w]).updates(w * w)).run({})
    []
    >>> round(float(w), 5)  # 4 - √(1e-6 / (0.1·8² + 1e-6)) · 8
    3.99684
    """

    ranges: ClassVar[Mapping[str, Range]] = {"rho": FRACTION, "epsilon": NOT_NEGATIVE}

    def __init__(
        self,
        parameters: Parameters,
        learning_rate: float | Schedule = 1.0,
        *,
        rho: float = 0.9,
        epsilon: float = 1e-6,
        **common: Unpack[CommonOptions],
    ) -> None:
        self.rho, self.epsilon = rho, epsilon
        super().__init__(parameters, learning_rate, **common)

    def slots(self, parameter: Variable) -> Mapping[str, Array]:
        return {"squares": np.zeros(parameter.shape), "steps": np.zeros(parameter.shape)}

    def rule(
        self, parameter: Node, gradient: Node, state: Mapping[str, Node], learning_rate: Node, step: Node
    ) -> tuple[Node, Mapping[str, Node]]:
        rho, epsilon = self.rho, self.epsilon
        squares = rho * state["squares"] + (1 - rho) * square(gradient)
        delta = sqrt(state["steps"] + epsilon) / sqrt(squares + epsilon) * gradient
        steps = rho * state["steps"] + (1 - rho) * square(delta)
        return parameter - learning_rate * delta, {"squares": squares, "steps": steps}


class RMSProp(Optimizer):
    """Gradients divided by the root of a running mean of their squares.

    E[g²] = ρE[g²] + (1-ρ)g²;  θ = θ - η·g / (√E[g²] + ε).

    ``centered``: the variance E[g²] - E[g]² stands under the root (Graves, 2013), held at 0 where
    rounding would make it negative.  ``momentum`` γ above 0: u = γu + g / (√… + ε); θ = θ - η·u.
    State: ``squares``, with ``centered`` also ``mean``, with ``momentum`` also ``velocity``.
    (Tieleman and Hinton, 2012)

    >>> import chainrule as cr
    >>> from chainrule.engines.stepper import Stepper
    >>> w = cr.variable(4.0)
    >>> Stepper([], cr.optim.RMSProp([w], 0.5, rho=0.75).updates(w * w)).run({})
    []
    >>> float(w)  # 4 - 0.5 · 8 / √(0.25 · 8²)
    3.0
    """

    ranges: ClassVar[Mapping[str, Range]] = {
        "rho": FRACTION,
        "epsilon": NOT_NEGATIVE,
        "momentum": FRACTION,
    }

    def __init__(
        self,
        parameters: Parameters,
        learning_rate: float | Schedule = 0.01,
        *,
        rho: float = 0.99,
        epsilon: float = 1e-8,
        momentum: float = 0.0,
        centered: bool = False,
        **common: Unpack[CommonOptions],
    ) -> None:
        self.rho, self.epsilon, self.momentum, self.centered = rho, epsilon, momentum, centered
        super().__init__(parameters, learning_rate, **common)

    def slots(self, parameter: Variable) -> Mapping[str, Array]:
        wanted = {"squares": True, "mean": self.centered, "velocity": self.momentum > 0}
        return {name: np.zeros(parameter.shape) for name, needed in wanted.items() if needed}

    def rule(
        self, parameter: Node, gradient: Node, state: Mapping[str, Node], learning_rate: Node, step: Node
    ) -> tuple[Node, Mapping[str, Node]]:
        squares = self.rho * state["squares"] + (1 - self.rho) * square(gradient)
        new, spread = {"squares": squares}, squares
        if self.centered:
            new["mean"] = self.rho * state["mean"] + (1 - self.rho) * gradient
            spread = maximum(squares - square(new["mean"]), 0.0)
        direction = gradient / (sqrt(spread) + self.epsilon)
        if self.momentum > 0:
            direction = new["velocity"] = self.momentum * state["velocity"] + direction
        return parameter - learning_rate * direction, new
