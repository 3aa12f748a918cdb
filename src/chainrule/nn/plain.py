"""Layers without parameters: activations, pooling, flattening."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import functions
from ..graph import Node
from ..ops import reshape, sigmoid, sign, tanh
from .module import Module


class Function(Module):
    """A function of one node as a layer, with its options fixed; activations and pooling are such.

    >>> import chainrule as cr
    >>> square = cr.nn.Function(cr.square)
    >>> float(square(cr.constant(3.0)))
    9.0
    """

    function: Callable[..., Node]

    def __init__(self, function: Callable[..., Node], **options: Any) -> None:
        self.function = function
        self.options = options

    def forward(self, x: Node) -> Node:
        return self.function(x, **self.options)

    def __repr__(self) -> str:
        return f"{_title(self.function.__name__)}({self.describe()})"

    def describe(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.options.items())


def _title(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


class Identity(Function):
    """The activation x."""

    def __init__(self) -> None:
        super().__init__(functions.identity)


class Sign(Function):
    """The activation -1, 0 or 1: the perceptron's activation."""

    def __init__(self) -> None:
        super().__init__(sign)


class Sigmoid(Function):
    """The activation 1 / (1 + e⁻ˣ)."""

    def __init__(self) -> None:
        super().__init__(sigmoid)


class Tanh(Function):
    """The activation the hyperbolic tangent."""

    def __init__(self) -> None:
        super().__init__(tanh)


class HardTanh(Function):
    """The activation x held in [-1, 1]."""

    def __init__(self) -> None:
        super().__init__(functions.hard_tanh)


class ReLU(Function):
    """The activation max(0, x)."""

    def __init__(self) -> None:
        super().__init__(functions.relu)


class SELU(Function):
    """The activation the self-normalising ELU."""

    def __init__(self) -> None:
        super().__init__(functions.selu)


class SiLU(Function):
    """The activation x·σ(x)."""

    def __init__(self) -> None:
        super().__init__(functions.silu)


class Softplus(Function):
    """The activation log(1 + eˣ)."""

    def __init__(self) -> None:
        super().__init__(functions.softplus)


class LeakyReLU(Function):
    """The activation x for x > 0, ``slope``·x below."""

    def __init__(self, slope: float = 0.01) -> None:
        super().__init__(functions.leaky_relu, slope=slope)


class ELU(Function):
    """The activation x for x > 0, ``alpha``·(eˣ - 1) below."""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__(functions.elu, alpha=alpha)


class GELU(Function):
    """The activation x·Φ(x), exact or in its tanh form (``approximate``)."""

    def __init__(self, approximate: bool = False) -> None:
        super().__init__(functions.gelu, approximate=approximate)


class Softmax(Function):
    """Positive numbers that sum to 1 along ``axis``."""

    def __init__(self, axis: int = -1) -> None:
        super().__init__(functions.softmax, axis=axis)


class MaxPool1d(Function):
    """The largest of each window of ``size`` along axis 1 of (batch, length, channels)."""

    def __init__(self, size: int, stride: int | None = None, padding: Any = 0) -> None:
        super().__init__(functions.max_pool1d, size=size, stride=stride, padding=padding)


class AveragePool1d(Function):
    """The mean of each window of ``size`` along axis 1 of (batch, length, channels)."""

    def __init__(self, size: int, stride: int | None = None, padding: Any = 0) -> None:
        super().__init__(functions.average_pool1d, size=size, stride=stride, padding=padding)


class MaxPool2d(Function):
    """The largest of each window over axes 1 and 2 of (batch, height, width, channels)."""

    def __init__(self, size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__(functions.max_pool2d, size=size, stride=stride, padding=padding)


class AveragePool2d(Function):
    """The mean of each window over axes 1 and 2 of (batch, height, width, channels)."""

    def __init__(self, size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__(functions.average_pool2d, size=size, stride=stride, padding=padding)


class MaxOverTime(Function):
    """The largest over axis 1: one number for each example and feature map."""

    def __init__(self) -> None:
        super().__init__(functions.max_over_time)


class Flatten(Module):
    """All axes but the first in one."""

    def forward(self, x: Node) -> Node:
        return reshape(x, (x.shape[0], -1))
