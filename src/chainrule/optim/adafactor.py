"""Adafactor: second moments of a matrix in the memory of a row and a column."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Unpack

import numpy as np

from ..graph import Array, Node, Variable
from ..ops import maximum, mean, minimum, rsqrt, sqrt, square
from .checks import NOT_NEGATIVE, Range, in_range
from .groups import CommonOptions, Parameters
from .optimizer import Optimizer
from .schedules import Schedule


class Adafactor(Optimizer):
    """Second moments factored into row and column means, a relative step, and a clipped update.

    With β = 1 - t^decay, for a matrix (for more axes, over the last two):

    R = βR + (1-β)·mean over columns of g²;  C = βC + (1-β)·mean over rows of g²;
    V = R·C / max(mean R, ε₁)      (for a vector or a scalar V = βV + (1-β)g²);
    U = g / √max(V, ε₁²);  ρ = min(η, 1/√t);  α = max(ε₂, RMS(θ))·ρ;
    θ = θ - α·U / max(1, RMS(U) / d).

    ``epsilon1`` ε₁ (without one, the spacing of the dtype's numbers at 1) keeps V above 0, ``epsilon2``
    ε₂ lets parameters leave 0, ``threshold`` d ≥ 1 bounds the update's root mean square.  ``decay`` is
    below 0.  Weight decay is decoupled unless said otherwise.  State: ``rows`` and ``columns``, or
    ``squares``.  (Shazeer and Stern, 2018, without momentum; ε₁ enters as a lower bound and not as a summand)

    >>> import chainrule as cr
    >>> optimizer = cr.optim.Adafactor([cr.variable([[0.0] * 300] * 200, name="w")])
    >>> {name: held.shape for name, held in optimizer.state.items()}
    {'step': (), 'learning_rate_scale': (), 'w.rows': (200, 1), 'w.columns': (1, 300)}
    """

    ranges: ClassVar[Mapping[str, Range]] = {
        "decay": (-math.inf, 0.0),
        "epsilon2": NOT_NEGATIVE,
        "threshold": (1.0, math.inf),
    }

    def __init__(
        self,
        parameters: Parameters,
        learning_rate: float | Schedule = 0.01,
        *,
        decay: float = -0.8,
        epsilon1: float | None = None,
        epsilon2: float = 1e-3,
        threshold: float = 1.0,
        **common: Unpack[CommonOptions],
    ) -> None:
        if epsilon1 is not None:
            epsilon1 = in_range("Adafactor: epsilon1", epsilon1, NOT_NEGATIVE)
        self.decay, self.epsilon1, self.epsilon2, self.threshold = decay, epsilon1, epsilon2, threshold
        common.setdefault("decoupled", True)
        super().__init__(parameters, learning_rate, **common)

    def slots(self, parameter: Variable) -> Mapping[str, Array]:
        shape = parameter.shape
        if len(shape) < 2:
            return {"squares": np.zeros(shape)}
        return {"rows": np.zeros((*shape[:-1], 1)), "columns": np.zeros((*shape[:-2], 1, shape[-1]))}

    def rule(
        self, parameter: Node, gradient: Node, state: Mapping[str, Node], learning_rate: Node, step: Node
    ) -> tuple[Node, Mapping[str, Node]]:
        epsilon1 = float(np.finfo(parameter.dtype).eps) if self.epsilon1 is None else self.epsilon1
        fresh = step**self.decay  # 1 - β: the weight of this step's squares

        def average(slot: str, now: Node) -> Node:
            return (1.0 - fresh) * state[slot] + fresh * now

        squares = square(gradient)
        if parameter.ndim < 2:
            new = {"squares": average("squares", squares)}
            moments = new["squares"]
        else:
            rows = average("rows", mean(squares, axis=-1, keepdims=True))
            columns = average("columns", mean(squares, axis=-2, keepdims=True))
            new = {"rows": rows, "columns": columns}
            moments = rows / maximum(mean(rows, axis=-2, keepdims=True), epsilon1) * columns
        update = gradient * rsqrt(maximum(moments, epsilon1 * epsilon1))
        rate = maximum(_rms(parameter), self.epsilon2) * minimum(learning_rate, rsqrt(step))
        return parameter - rate / maximum(_rms(update) / self.threshold, 1.0) * update, new


def _rms(x: Node) -> Node:
    return sqrt(mean(square(x)))
