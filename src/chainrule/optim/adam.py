"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Unpack

import numpy as np

from ..graph import Array, Node, Variable
from ..ops import maximum, sqrt, square
from .checks import FRACTION, NOT_NEGATIVE, Range
from .groups import CommonOptions, Parameters
from .optimizer import Optimizer
from .scalars import one_minus_power
from .schedules import Schedule


class Adam(Optimizer):
    """Running means of the gradient and of its square, both freed of their start at 0.

    m = β₁m + (1-β₁)g;  v = β₂v + (1-β₂)g²;
    m̂ = m / (1 - β₁ᵗ);  v̂ = v / (1 - β₂ᵗ);  θ = θ - η·m̂ / (√v̂ + ε).

    ``amsgrad``: the largest v so far stands in v's place (Reddi, Kale and Kumar, 2018).
    State: ``mean``, ``squares``, with ``amsgrad`` also ``largest``.  (Kingma and Ba, 2015)

    >>> import chainrule as cr
    >>> from chainrule.engines.stepper import Stepper
    >>> w = cr.variable([4.0, -0.5])
    >>> Stepper([], cr.optim.Adam([w], 0.25).updates(cr.sum(w * w))).run({})
    []
    >>> w.value  # the first step is the rate, whatever the size of the gradient
    array([ 3.75, -0.25], dtype=float32)
    """

    ranges: ClassVar[Mapping[str, Range]] = {"beta1": FRACTION, "beta2": FRACTION, "epsilon": NOT_NEGATIVE}

    def __init__(
        self,
        parameters: Parameters,
        learning_rate: float | Schedule = 1e-3,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        amsgrad: bool = False,
        **common: Unpack[CommonOptions],
    ) -> None:
        self.beta1, self.beta2, self.epsilon, self.amsgrad = beta1, beta2, epsilon, amsgrad
        super().__init__(parameters, learning_rate, **common)

    def slots(self, parameter: Variable) -> Mapping[str, Array]:
        names = ("mean", "squares", "largest") if self.amsgrad else ("mean", "squares")
        return {name: np.zeros(parameter.shape) for name in names}

    def rule(
        self, parameter: Node, gradient: Node, state: Mapping[str, Node], learning_rate: Node, step: Node
    ) -> tuple[Node, Mapping[str, Node]]:
        mean = self.beta1 * state["mean"] + (1 - self.beta1) * gradient
        squares = self.beta2 * state["squares"] + (1 - self.beta2) * square(gradient)
        new, spread = {"mean": mean, "squares": squares}, squares
        if self.amsgrad:
            spread = new["largest"] = maximum(state["largest"], squares)
        # η / (1 - β₁ᵗ) is one scalar for all parameters, so m̂ costs no pass over the array.
        rate = learning_rate / one_minus_power(self.beta1, step)
        root = sqrt(spread / one_minus_power(self.beta2, step))
        return parameter - rate * mean / (root + self.epsilon), new


class AdamW(Adam):
    """Adam with decoupled weight decay: θ = θ - η·(m̂ / (√v̂ + ε) + λθ).

    As :class:`Adam` with ``decoupled=True`` and ``weight_decay=0.01``.  (Loshchilov and Hutter, 2019)

    >>> import chainrule as cr
    >>> from chainrule.engines.stepper import Stepper
    >>> w = cr.variable([4.0])
    >>> Stepper([], cr.optim.AdamW([w], 0.25, weight_decay=0.5).updates(cr.sum(w * w))).run({})
    []
    >>> w.value  # 4 - 0.25 · (1 + 0.5 · 4)
    array([3.25], dtype=float32)
    """

    def __init__(
        self,
        parameters: Parameters,
        learning_rate: float | Schedule = 1e-3,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        amsgrad: bool = False,
        **common: Unpack[CommonOptions],
    ) -> None:
        common.setdefault("decoupled", True)
        common.setdefault("weight_decay", 0.01)
        super().__init__(
            parameters,
            learning_rate,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            amsgrad=amsgrad,
            **common,
        )
