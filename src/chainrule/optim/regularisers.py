"""Penalties on the size of parameters, to be added to a loss; the optimizer's options use the same.

``loss + l2(weights, 1e-4)`` and ``SGD(weights, l2=1e-4)`` train alike; the first also shows the penalty
in the loss.  Biases are left out by leaving them out of the list, or with ``penalise=except_biases``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .. import ops
from ..errors import ArgumentError
from ..graph import Node, user_place
from .checks import NOT_NEGATIVE, in_range


def l1(parameters: Iterable[Node], strength: float) -> Node:
    """λ Σ |w|, which draws small weights to zero; its gradient is λ·sign(w), and 0 at 0.

    A scalar in the parameters' widest dtype; a parameter given twice counts once.  Raises
    ``ArgumentError`` for a negative strength, or where there are no parameters.

    >>> import chainrule as cr
    >>> w = cr.variable([1.0, -2.0])
    >>> float(l1([w], 0.5)), cr.gradients(l1([w], 0.5), w).value
    (1.5, array([ 0.5, -0.5], dtype=float32))
    """
    strength = in_range("l1: strength", strength, NOT_NEGATIVE)
    return _total(strength, "l1", [ops.sum(ops.abs(w)) for w in dict.fromkeys(parameters)])


def l2(parameters: Iterable[Node], strength: float) -> Node:
    """λ Σ w², which draws all weights towards zero in proportion; its gradient is 2λ·w.

    So it equals a coupled weight decay of 2λ.  A scalar; a parameter given twice counts once.  Errors
    as in :func:`l1`.

    >>> import chainrule as cr
    >>> float(l2([cr.variable([1.0, -2.0])], 0.5))
    2.5
    """
    strength = in_range("l2: strength", strength, NOT_NEGATIVE)
    return _total(strength, "l2", [ops.sum(ops.square(w)) for w in dict.fromkeys(parameters)])


def elastic_net(parameters: Iterable[Node], *, l1: float, l2: float) -> Node:
    """λ₁ Σ |w| + λ₂ Σ w²: both penalties at once (Zou and Hastie, 2005).

    >>> import chainrule as cr
    >>> float(elastic_net([cr.variable([1.0, -2.0])], l1=0.5, l2=0.5))
    4.0
    """
    weights = list(parameters)
    return _l1(weights, l1) + _l2(weights, l2)


def penalty_gradient(parameter: Node, l1: float, l2: float) -> Node | None:
    """The gradient of :func:`elastic_net` at one parameter, λ₁·sign(w) + 2λ₂·w; None if both are 0.

    >>> import chainrule as cr
    >>> penalty_gradient(cr.variable([3.0, 0.0]), l1=0.5, l2=0.25).value
    array([2., 0.], dtype=float32)
    """
    terms = []
    if l1:
        terms.append(l1 * ops.sign(parameter))
    if l2:
        terms.append(2.0 * l2 * parameter)
    return None if not terms else terms[0] if len(terms) == 1 else terms[0] + terms[1]


def every_parameter(parameter: Node) -> bool:
    """Weight decay and penalties apply to every parameter."""
    return True


def except_biases(parameter: Node) -> bool:
    """Weight decay and penalties apply to matrices and beyond: not to biases, nor to a norm's scale.

    >>> import chainrule as cr
    >>> except_biases(cr.variable([[1.0]])), except_biases(cr.variable([1.0]))
    (True, False)
    """
    return parameter.ndim > 1


#: Whether weight decay and penalties apply to a parameter.
Penalise = Callable[[Node], bool]

_l1, _l2 = l1, l2  # elastic_net's keywords hide the functions of these names


def _total(strength: float, what: str, terms: list[Node]) -> Node:
    if not terms:
        raise ArgumentError(f"{what}: there are no parameters to penalise", where=user_place())
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return strength * total
