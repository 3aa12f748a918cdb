"""Activations: functions of one number, applied to each element.

Each is one node that opens into primitives, and writes its derivative in a form that neither overflows
nor cancels.  ``sign``, ``sigmoid`` and ``tanh`` are primitives themselves (``chainrule.ops``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from ..errors import ArgumentError
from ..graph import Node, NodeLike, apply, as_node, user_place
from ..ops import (
    Composite,
    Elementwise,
    abs,
    erf,
    exp,
    expm1,
    greater,
    less,
    log1p,
    maximum,
    minimum,
    sigmoid,
    sign,
    tanh,
    where,
)


class Activation(Elementwise, Composite):
    """A composite that computes each element on its own: it broadcasts and casts as elementwise ops do."""

    to_float = True


class HardTanh(Activation):
    def build(self, x: Node) -> Node:
        return maximum(minimum(x, 1), -1)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (where(less(abs(x), 1), ct, 0),)


class Relu(Activation):
    formula = "max(0, {x})"

    def build(self, x: Node) -> Node:
        return maximum(x, 0)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (where(greater(x, 0), ct, 0),)


class LeakyRelu(Activation):
    def build(self, x: Node, *, slope: float) -> Node:
        return where(greater(x, 0), x, slope * x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (where(greater(x, 0), ct, out.attributes["slope"] * ct),)


class Elu(Activation):
    """``above·x`` for x > 0, ``below·(eˣ - 1)`` otherwise; SELU is another pair of numbers."""

    def build(self, x: Node, *, above: float, below: float) -> Node:
        straight = x if above == 1 else above * x
        return where(greater(x, 0), straight, below * expm1(minimum(x, 0)))

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        above, below = out.attributes["above"], out.attributes["below"]
        return (ct * where(greater(x, 0), above, below * exp(minimum(x, 0))),)


class Selu(Elu):
    """The same rule under its own name in pictures."""


class Gelu(Activation):
    def build(self, x: Node) -> Node:
        return x * _normal_cdf(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        density = exp(-0.5 * (x * x)) * (1 / math.sqrt(2 * math.pi))
        return (ct * (_normal_cdf(x) + x * density),)


class GeluTanh(Activation):
    def build(self, x: Node) -> Node:
        return 0.5 * x * (1 + tanh(_cubic(x)))

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        t = tanh(_cubic(x))
        slope = _ROOT_2_OVER_PI * (1 + 3 * _CUBE * (x * x))
        return (ct * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope),)


class Silu(Activation):
    formula = "{x} * σ({x})"

    def build(self, x: Node) -> Node:
        return x * sigmoid(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        s = sigmoid(x)
        return (ct * (s * (1 + x * (1 - s))),)


class Softplus(Activation):
    formula = "log(1 + exp({x}))"

    def build(self, x: Node) -> Node:
        return maximum(x, 0) + log1p(exp(-abs(x)))

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct * sigmoid(x),)


_ROOT_2_OVER_PI = math.sqrt(2 / math.pi)
_CUBE = 0.044715


def _normal_cdf(x: Node) -> Node:
    """Φ(x), the probability that a standard normal number is below ``x``."""
    return 0.5 * (1 + erf(x * math.sqrt(0.5)))


def _cubic(x: Node) -> Node:
    """√(2/π)·(x + 0.044715·x³), whose tanh is close to 2·Φ(x) - 1."""
    return _ROOT_2_OVER_PI * (x + _CUBE * (x * x * x))


_HARD_TANH, _RELU, _LEAKY_RELU, _ELU, _SELU = HardTanh(), Relu(), LeakyRelu(), Elu(), Selu()
_GELU, _GELU_TANH, _SILU, _SOFTPLUS = Gelu(), GeluTanh(), Silu(), Softplus()


def identity(x: NodeLike) -> Node:
    """The argument itself, ``f(x) = x``: the activation of a linear layer; its derivative is 1.

    >>> import chainrule as cr
    >>> cr.identity([-1.0, 2.0]).value
    array([-1.,  2.], dtype=float32)
    """
    return as_node(x)


def hard_tanh(x: NodeLike) -> Node:
    """The straight-line form of tanh, ``min(1, max(-1, x))``, element by element.

    Its derivative is 1 for -1 < x < 1 and 0 elsewhere, the two corners included.

    >>> import chainrule as cr
    >>> cr.hard_tanh([-3.0, 0.5, 3.0]).value
    array([-1. ,  0.5,  1. ], dtype=float32)
    """
    return apply(_HARD_TANH, x)


def relu(x: NodeLike) -> Node:
    """The rectifier ``max(0, x)``, element by element.

    Its derivative is 1 for x > 0 and 0 otherwise, at 0 too (Nair and Hinton, 2010, and the lectures).

    >>> import chainrule as cr
    >>> x = cr.variable([-2.0, 0.0, 3.0])
    >>> cr.relu(x).value, cr.gradients(cr.relu(x).sum(), x).value
    (array([0., 0., 3.], dtype=float32), array([0., 0., 1.], dtype=float32))
    """
    return apply(_RELU, x)


def leaky_relu(x: NodeLike, slope: float = 0.01) -> Node:
    """``x`` for x > 0 and ``slope·x`` otherwise, so that no unit dies (Maas et al., 2013).

    The derivative is 1 for x > 0 and ``slope`` otherwise.

    >>> import chainrule as cr
    >>> cr.leaky_relu([-2.0, 3.0], 0.1).value
    array([-0.2,  3. ], dtype=float32)
    """
    return apply(_LEAKY_RELU, x, slope=float(slope))


def elu(x: NodeLike, alpha: float = 1.0) -> Node:
    """The exponential linear unit: ``x`` for x > 0, ``α·(eˣ - 1)`` otherwise (Clevert et al., 2016).

    The derivative is 1 for x > 0 and ``α·eˣ`` otherwise.

    >>> import chainrule as cr
    >>> cr.elu([-1.0, 2.0]).value.round(4)
    array([-0.6321,  2.    ], dtype=float32)
    """
    return apply(_ELU, x, above=1.0, below=float(alpha))


def selu(x: NodeLike) -> Node:
    """The self-normalising unit ``λ·elu(x, α)``: it keeps mean 0 and variance 1 from layer to layer.

    λ = 1.0507009873554805 and α = 1.6732632423543772 (Klambauer et al., 2017).

    >>> import chainrule as cr
    >>> cr.selu([-1.0, 1.0]).value.round(4)
    array([-1.1113,  1.0507], dtype=float32)
    """
    return apply(_SELU, x, above=1.0507009873554805, below=1.0507009873554805 * 1.6732632423543772)


def gelu(x: NodeLike, approximate: Literal["none", "tanh"] = "none") -> Node:
    """The Gaussian error linear unit ``x·Φ(x)``, with Φ the standard normal distribution function.

    ``approximate="tanh"`` takes ``x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))`` instead, which GPT-2 was
    trained with (Hendrycks and Gimpel, 2016).

    >>> import chainrule as cr
    >>> cr.gelu([-1.0, 1.0]).value.round(4), cr.gelu([-1.0, 1.0], "tanh").value.round(4)
    (array([-0.1587,  0.8413], dtype=float32), array([-0.1588,  0.8412], dtype=float32))
    """
    if approximate not in ("none", "tanh"):
        raise ArgumentError(
            f"gelu: approximate={approximate!r} is unknown", where=user_place(), mend="'none' or 'tanh'"
        )
    return apply(_GELU if approximate == "none" else _GELU_TANH, x)


def silu(x: NodeLike) -> Node:
    """``x·σ(x)``, also called swish; its derivative is ``σ(x)·(1 + x·(1 - σ(x)))`` (Elfwing et al., 2018).

    >>> import chainrule as cr
    >>> cr.silu([-1.0, 1.0]).value.round(4)
    array([-0.2689,  0.7311], dtype=float32)
    """
    return apply(_SILU, x)


def softplus(x: NodeLike) -> Node:
    """``log(1 + eˣ)``, a smooth rectifier whose derivative is σ(x) (Dugas et al., 2001).

    Computed as ``max(x, 0) + log(1 + exp(-|x|))``, which overflows on neither side.

    >>> import chainrule as cr
    >>> [round(y, 4) for y in cr.softplus([-1e4, 0.0, 1e4]).value.tolist()]
    [0.0, 0.6931, 10000.0]
    """
    return apply(_SOFTPLUS, x)


#: Every activation by name, for configurations and plots.
ACTIVATIONS: dict[str, Callable[[Any], Node]] = {
    "identity": identity,
    "sign": sign,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "hard_tanh": hard_tanh,
    "relu": relu,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "selu": selu,
    "gelu": gelu,
    "gelu_tanh": partial(gelu, approximate="tanh"),
    "silu": silu,
    "softplus": softplus,
}
