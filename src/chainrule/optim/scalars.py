"""Powers of a fixed number to a node, accurate in float32 also where the number is close to 1."""

from __future__ import annotations

import math

import numpy as np

from ..graph import Node, constant
from ..ops import exp, expm1


def power(base: float, exponent: Node) -> Node:
    """``base ** exponent`` for a base above 0, as exp(exponent · log base).

    A base such as 0.99999 loses its last digits in float32; its logarithm does not.

    >>> import chainrule as cr
    >>> float(power(0.5, cr.constant(3.0)))
    0.125
    """
    return exp(exponent * math.log(base))


def one_minus_power(base: float, exponent: Node) -> Node:
    """``1 - base ** exponent`` for a base in [0, 1) and an exponent above 0, without cancellation.

    >>> import chainrule as cr
    >>> round(float(one_minus_power(0.999, cr.constant(1.0))), 9)
    0.001
    """
    if base == 0.0:
        return constant(np.ones(exponent.shape, exponent.dtype))
    return -expm1(exponent * math.log(base))
