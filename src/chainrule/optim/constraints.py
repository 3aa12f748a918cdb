"""What parameters are held to after each step: a map from the new value to one that is allowed.

Given to an optimizer's group as ``constraint=``, it is part of the step's graph, so the engine makes it
in the same pass as the update.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import ShapeError
from ..graph import Node, user_place
from ..ops import maximum, sqrt, square
from ..ops import sum as sum_
from .checks import positive

#: From a parameter's new value to the one that it takes; the shape stays.
Constraint = Callable[[Node], Node]


def max_norm(limit: float, axis: int | tuple[int, ...] = 0) -> Constraint:
    """Vectors longer than ``limit`` are shortened to it: w ← w · limit / max(‖w‖, limit).

    Norms are taken over ``axis``: with 0, in a weight of shape (inputs, outputs), over what each output
    reads.  A vector within the limit stays as it is, to the bit.  (Srebro and Shraibman, 2005; with
    dropout Hinton et al., 2012; in text CNNs Kim, 2014, who holds the output's weights to 3)

    Raises ``ArgumentError`` for a limit that is not above 0, ``ShapeError`` for a parameter without the axis.

    >>> import chainrule as cr
    >>> max_norm(1.0)(cr.constant([[3.0, 0.5], [4.0, 0.5]])).value
    array([[0.6, 0.5],
           [0.8, 0.5]], dtype=float32)
    >>> w = cr.variable([[1.0], [0.0]])
    >>> step = cr.optim.SGD([w], 1.0, constraint=max_norm(2.0)).updates(cr.sum(-4.0 * w))
    >>> step[w].value.ravel().round(4)
    array([1.5617, 1.2494], dtype=float32)
    """
    bound = positive("max_norm: limit", limit)
    axes = (axis,) if isinstance(axis, int) else tuple(axis)

    def constrained(parameter: Node) -> Node:
        if any(not -parameter.ndim <= number < parameter.ndim for number in axes):
            raise ShapeError(
                f"max_norm: {parameter.label} of shape {parameter.shape} has no axis {axis}",
                where=user_place(),
                mend="put what is constrained into a group of its own: {'parameters': [w], 'constraint': …}",
            )
        norm = sqrt(sum_(square(parameter), axis=axes, keepdims=True))
        return parameter * (bound / maximum(norm, bound))

    return constrained
