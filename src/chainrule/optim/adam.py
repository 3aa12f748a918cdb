"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Unpack

import numpy as np

from ..errors import ArgumentError
from ..graph import Array, Node, Variable
from ..ops import maximum, put_rows, sqrt, square, take
from ..ops.rows import gathered, looks_of
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
    ``lazy``: for a table of which a batch looks up few rows, such as word vectors.  Those rows and their
    m, v are updated as above, with t counting all steps; the others stay as they are, where the rule
    proper would let their m and v fade and move them on.  Not the same method, but the step costs what
    the batch touches and not the table.  The gradient must be a sum of look-ups (``ArgumentError``
    otherwise), so put tables into a group of their own: ``{"parameters": [table], "lazy": True}``.

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
        lazy: bool = False,
        **common: Unpack[CommonOptions],
    ) -> None:
        self.beta1, self.beta2, self.epsilon, self.amsgrad = beta1, beta2, epsilon, amsgrad
        self.lazy = lazy
        super().__init__(parameters, learning_rate, **common)

    def slots(self, parameter: Variable) -> Mapping[str, Array]:
        names = ("mean", "squares", "largest") if self.amsgrad else ("mean", "squares")
        return {name: np.zeros(parameter.shape) for name in names}

    def rule(
        self, parameter: Node, gradient: Node, state: Mapping[str, Node], learning_rate: Node, step: Node
    ) -> tuple[Node, Mapping[str, Node]]:
        if not self.lazy:
            return self._step(parameter, gradient, state, learning_rate, step)
        sums, rows, first = self._looked_up(parameter, gradient)
        held = {name: take(slot, rows, axis=0) for name, slot in state.items()}
        new, changed = self._step(take(parameter, rows, axis=0), sums, held, learning_rate, step)
        return (
            put_rows(parameter, new, rows, first),
            {name: put_rows(state[name], changed[name], rows, first) for name in state},
        )

    def _step(
        self, parameter: Node, gradient: Node, state: Mapping[str, Node], learning_rate: Node, step: Node
    ) -> tuple[Node, dict[str, Node]]:
        mean = self.beta1 * state["mean"] + (1 - self.beta1) * gradient
        squares = self.beta2 * state["squares"] + (1 - self.beta2) * square(gradient)
        new, spread = {"mean": mean, "squares": squares}, squares
        if self.amsgrad:
            spread = new["largest"] = maximum(state["largest"], squares)
        # η / (1 - β₁ᵗ) is one scalar for all parameters, so m̂ costs no pass over the array.
        rate = learning_rate / one_minus_power(self.beta1, step)
        root = sqrt(spread / one_minus_power(self.beta2, step))
        return parameter - rate * mean / (root + self.epsilon), new

    def _looked_up(self, parameter: Node, gradient: Node) -> tuple[Node, Node, Node]:
        """The gradient's sum for each row looked up, the rows, and where each is named first."""
        looks = looks_of(gradient)
        if looks is None:
            raise ArgumentError(
                f"{type(self).__name__}(lazy=True): the gradient of {parameter.label}, {parameter.shape}, "
                "is not a sum of look-ups of its rows",
                where=str(gradient.origin),
                mend="make only tables lazy that the loss reads by cr.take or cr.embedding, without coupled "
                "weight decay: {'parameters': [table], 'lazy': True}",
            )
        return gathered(looks, parameter.shape[0])


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
