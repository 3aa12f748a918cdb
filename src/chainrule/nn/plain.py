"""Layers without parameters: activations, pooling, flattening."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from .. import functions
from ..graph import Node
from ..ops import reshape, sigmoid, sign, tanh
from ..ops.windows import Numbers, Padding
from .module import Module, function_text


class Function(Module):
    """A function of one node as a layer, with its options fixed; activations and pooling are such.

    >>> import chainrule as cr
    >>> leaky = cr.nn.Function(cr.leaky_relu, slope=0.5)
    >>> leaky, float(leaky(cr.constant(-3.0)))
    (Function(leaky_relu, slope=0.5), -1.5)
    """

    function: Callable[..., Node]

    def __init__(self, function: Callable[..., Node], **options: Any) -> None:
        self.function = function
        self.options = options

    def forward(self, x: Node) -> Node:
        return self.function(x, **self.options)

    def describe(self) -> str:
        options = [f"{name}={value}" for name, value in self.options.items()]
        return ", ".join([function_text(self.function), *options] if type(self) is Function else options)


class Identity(Function):
    """The activation x: none at all.

    >>> import chainrule as cr
    >>> cr.nn.Identity()(cr.constant([-2.0, 0.0, 2.0])).value.round(4)
    array([-2.,  0.,  2.], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(functions.identity)


class Sign(Function):
    """-1, 0 or 1 by the sign of x: the perceptron's activation, whose gradient is 0.

    >>> import chainrule as cr
    >>> cr.nn.Sign()(cr.constant([-2.0, 0.0, 2.0])).value.round(4)
    array([-1.,  0.,  1.], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(sign)


class Sigmoid(Function):
    """1 / (1 + e⁻ˣ).

    >>> import chainrule as cr
    >>> cr.nn.Sigmoid()(cr.constant([-2.0, 0.0, 2.0])).value.round(4)
    array([0.1192, 0.5   , 0.8808], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(sigmoid)


class Tanh(Function):
    """The hyperbolic tangent.

    >>> import chainrule as cr
    >>> cr.nn.Tanh()(cr.constant([-2.0, 0.0, 2.0])).value.round(4)
    array([-0.964,  0.   ,  0.964], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(tanh)


class HardTanh(Function):
    """x held in [-1, 1].

    >>> import chainrule as cr
    >>> cr.nn.HardTanh()(cr.constant([-2.0, 0.0, 2.0])).value.round(4)
    array([-1.,  0.,  1.], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(functions.hard_tanh)


class ReLU(Function):
    """max(0, x).

    >>> import chainrule as cr
    >>> cr.nn.ReLU()(cr.constant([-2.0, 0.0, 2.0])).value.round(4)
    array([0., 0., 2.], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(functions.relu)


class SELU(Function):
    """The self-normalising ELU (Klambauer et al., 2017).

    >>> import chainrule as cr
    >>> cr.nn.SELU()(cr.constant([-2.0, 0.0, 2.0])).value.round(4)
    array([-1.5202,  0.    ,  2.1014], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(functions.selu)


class SiLU(Function):
    """x·σ(x).

    >>> import chainrule as cr
    >>> cr.nn.SiLU()(cr.constant([-2.0, 0.0, 2.0])).value.round(4)
    array([-0.2384,  0.    ,  1.7616], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(functions.silu)


class Softplus(Function):
    """log(1 + eˣ).

    >>> import chainrule as cr
    >>> cr.nn.Softplus()(cr.constant([-2.0, 0.0, 2.0])).value.round(4)
    array([0.1269, 0.6931, 2.1269], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(functions.softplus)


class LeakyReLU(Function):
    """x for x > 0, ``slope``·x below.

    >>> import chainrule as cr
    >>> cr.nn.LeakyReLU(0.1)(cr.constant([-2.0, 0.0, 2.0])).value.round(4)
    array([-0.2,  0. ,  2. ], dtype=float32)
    """

    def __init__(self, slope: float = 0.01) -> None:
        super().__init__(functions.leaky_relu, slope=slope)


class ELU(Function):
    """x for x > 0, ``alpha``·(eˣ - 1) below.

    >>> import chainrule as cr
    >>> cr.nn.ELU()(cr.constant([-2.0, 0.0, 2.0])).value.round(4)
    array([-0.8647,  0.    ,  2.    ], dtype=float32)
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__(functions.elu, alpha=alpha)


class GELU(Function):
    """x·Φ(x), exact, or with ``approximate="tanh"`` in the form that GPT-2 was trained with.

    >>> import chainrule as cr
    >>> cr.nn.GELU()(cr.constant([-2.0, 0.0, 2.0])).value.round(4)
    array([-0.0455,  0.    ,  1.9545], dtype=float32)
    """

    def __init__(self, approximate: Literal["none", "tanh"] = "none") -> None:
        super().__init__(functions.gelu, approximate=approximate)


class Softmax(Function):
    """Positive numbers that sum to 1 along ``axis``.

    >>> import chainrule as cr
    >>> cr.nn.Softmax()(cr.constant([-2.0, 0.0, 2.0])).value.round(4)
    array([0.0159, 0.1173, 0.8668], dtype=float32)
    """

    def __init__(self, axis: int = -1) -> None:
        super().__init__(functions.softmax, axis=axis)


class MaxPool1d(Function):
    """The largest of each window of ``size`` along axis 1 of (batch, length, channels).

    ``stride`` is the window's size unless given.

    >>> import chainrule as cr
    >>> cr.nn.MaxPool1d(2)(cr.constant([[[1.0], [4.0], [2.0], [3.0]]])).value.ravel()
    array([4., 3.], dtype=float32)
    """

    def __init__(self, size: int, stride: int | None = None, padding: Padding = 0) -> None:
        super().__init__(functions.max_pool1d, size=size, stride=stride, padding=padding)


class AveragePool1d(Function):
    """The mean of each window of ``size`` along axis 1 of (batch, length, channels).

    Padding does not count as an element unless ``count_padding`` says so.

    >>> import chainrule as cr
    >>> cr.nn.AveragePool1d(4)(cr.constant([[[1.0], [4.0], [2.0], [3.0]]])).value.ravel()
    array([2.5], dtype=float32)
    """

    def __init__(
        self, size: int, stride: int | None = None, padding: Padding = 0, count_padding: bool = False
    ) -> None:
        super().__init__(
            functions.average_pool1d, size=size, stride=stride, padding=padding, count_padding=count_padding
        )


class MaxPool2d(Function):
    """The largest of each window over axes 1 and 2 of (batch, height, width, channels).

    >>> import chainrule as cr
    >>> cr.nn.MaxPool2d(2)(cr.constant([[[[1.0], [4.0]], [[2.0], [3.0]]]])).value.ravel()
    array([4.], dtype=float32)
    """

    def __init__(self, size: Numbers, stride: Numbers | None = None, padding: Padding = 0) -> None:
        super().__init__(functions.max_pool2d, size=size, stride=stride, padding=padding)


class AveragePool2d(Function):
    """The mean of each window over axes 1 and 2 of (batch, height, width, channels).

    >>> import chainrule as cr
    >>> cr.nn.AveragePool2d(2)(cr.constant([[[[1.0], [4.0]], [[2.0], [3.0]]]])).value.ravel()
    array([2.5], dtype=float32)
    """

    def __init__(
        self,
        size: Numbers,
        stride: Numbers | None = None,
        padding: Padding = 0,
        count_padding: bool = False,
    ) -> None:
        super().__init__(
            functions.average_pool2d, size=size, stride=stride, padding=padding, count_padding=count_padding
        )


class MaxOverTime(Function):
    """The largest over axis 1: one number for each example and feature map.

    >>> import chainrule as cr
    >>> cr.nn.MaxOverTime()(cr.constant([[[1.0, 8.0], [4.0, 5.0]]])).value
    array([[4., 8.]], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(functions.max_over_time)


class Flatten(Module):
    """All axes but the first in one: (batch, …) becomes (batch, product of the rest).

    >>> import chainrule as cr
    >>> cr.nn.Flatten()(cr.placeholder((2, 3, 4))).shape
    (2, 12)
    """

    def forward(self, x: Node) -> Node:
        return reshape(x, (x.shape[0], -1))
