"""Layers: the functions of the functional room with parameters of their own."""

from __future__ import annotations

from typing import Any

from .. import functions
from ..errors import ArgumentError
from ..graph import Node, NodeLike, variable
from ..ops import astype
from ..ops.windows import Numbers, Padding
from . import initialisers
from .initialisers import Initialiser, Seeds
from .mode import EVALUATE, Mode
from .module import Module

Seed = int | Seeds


class Linear(Module):
    """``x @ W + b``, with ``W`` of shape (inputs, outputs).

    Weights start from Xavier's uniform distribution, biases from zero.

    >>> import chainrule as cr
    >>> layer = cr.nn.Linear(784, 16, seed=0)
    >>> layer(cr.placeholder((32, 784))).shape, layer.parameter_count()
    ((32, 16), 12560)
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        seed: Seed,
        bias: bool = True,
        initial: Initialiser | None = None,
    ) -> None:
        key = Seeds(seed).key()
        self.weight = variable((initial or initialisers.xavier_uniform())(key, (inputs, outputs)))
        self.bias = variable(initialisers.zeros(key, (outputs,))) if bias else None

    def forward(self, x: Node) -> Node:
        return functions.linear(x, self.weight, self.bias)

    def describe(self) -> str:
        inputs, outputs = self.weight.shape
        return f"{inputs} → {outputs}" + ("" if self.bias is not None else ", no bias")


class Embedding(Module):
    """A table with one row of ``width`` numbers for each of ``count`` symbols; indices look rows up.

    ``padding`` names a row that stays zero: it starts so and no gradient reaches it from here.
    ``frozen`` rows are not trained.  ``initial`` may be word vectors made elsewhere:
    ``cr.nn.initialisers.from_array(vectors)``.

    >>> import chainrule as cr
    >>> table = cr.nn.Embedding(1000, 50, seed=0, padding=0)
    >>> table(cr.constant([[1, 2, 0]])).shape
    (1, 3, 50)
    """

    def __init__(
        self,
        count: int,
        width: int,
        *,
        seed: Seed,
        padding: int | None = None,
        frozen: bool = False,
        initial: Initialiser | None = None,
    ) -> None:
        weights = (initial or initialisers.uniform())(Seeds(seed).key(), (count, width))
        if padding is not None:
            if not 0 <= padding < count:
                raise ArgumentError(f"the padding row {padding} is not among the {count} rows")
            weights = weights.copy()
            weights[padding] = 0
        self.padding = padding
        self.weight = variable(weights)
        if frozen:
            self.fixed = ("weight",)

    def forward(self, indices: NodeLike) -> Node:
        return functions.embedding(indices, self.weight, self.padding)

    def describe(self) -> str:
        count, width = self.weight.shape
        notes = [f"{count} × {width}"]
        notes += [f"padding row {self.padding}"] if self.padding is not None else []
        notes += ["frozen"] if self.fixed else []
        return ", ".join(notes)


class _Convolution(Module):
    """What convolutions over words and over images share: the weights, and the options of their windows."""

    def __init__(
        self,
        window: tuple[int, ...],
        channels: int,
        filters: int,
        seed: Seed,
        bias: bool,
        initial: Initialiser | None,
        options: dict[str, Any],
    ) -> None:
        groups = options["groups"]
        if groups < 1 or channels % groups or filters % groups:
            raise ArgumentError(f"{groups} groups do not divide {channels} channels and {filters} filters")
        key = Seeds(seed).key()
        shape = (*window, channels // groups, filters)
        self.weight = variable((initial or initialisers.xavier_uniform())(key, shape))
        self.bias = variable(initialisers.zeros(key, (filters,))) if bias else None
        self.options = options

    def describe(self) -> str:
        *window, channels, filters = self.weight.shape
        usual = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
        notes = [f"{name} {value}" for name, value in self.options.items() if value != usual[name]]
        return ", ".join([f"{channels} → {filters}", f"window {'×'.join(map(str, window))}", *notes])


class Conv1d(_Convolution):
    """A convolution along words: ``filters`` windows of ``width`` words, all channels at once.

    Input (batch, length, channels), output (batch, windows, filters).

    >>> import chainrule as cr
    >>> layer = cr.nn.Conv1d(50, 100, 3, seed=0)
    >>> layer(cr.placeholder((8, 20, 50))).shape
    (8, 18, 100)
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        width: int,
        *,
        seed: Seed,
        stride: int = 1,
        padding: Padding = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        initial: Initialiser | None = None,
    ) -> None:
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        super().__init__((width,), channels, filters, seed, bias, initial, options)

    def forward(self, x: Node) -> Node:
        return functions.conv1d(x, self.weight, self.bias, **self.options)


class Conv2d(_Convolution):
    """A convolution over images: input (batch, height, width, channels), output with ``filters`` channels.

    >>> import chainrule as cr
    >>> layer = cr.nn.Conv2d(1, 8, 3, seed=0, padding=1)
    >>> layer(cr.placeholder((2, 28, 28, 1))).shape
    (2, 28, 28, 8)
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        size: int | tuple[int, int],
        *,
        seed: Seed,
        stride: Numbers = 1,
        padding: Padding = 0,
        dilation: Numbers = 1,
        groups: int = 1,
        bias: bool = True,
        initial: Initialiser | None = None,
    ) -> None:
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        window = (size, size) if isinstance(size, int) else size
        super().__init__(window, channels, filters, seed, bias, initial, options)

    def forward(self, x: Node) -> Node:
        return functions.conv2d(x, self.weight, self.bias, **self.options)


class Dropout(Module):
    """In training each unit is set to zero with probability ``rate``, and the rest scaled by 1/(1 - rate).

    Hinton et al., 2012.  In evaluation the identity.

    >>> import chainrule as cr
    >>> drop, x = cr.nn.Dropout(0.5), cr.constant([1.0] * 8)
    >>> drop(x).value
    array([1., 1., 1., 1., 1., 1., 1., 1.], dtype=float32)
    >>> sorted(set(drop(x, mode=cr.nn.training(cr.random.key(0))).value.tolist()))
    [0.0, 2.0]
    """

    depends_on_mode = True

    def __init__(self, rate: float = 0.5) -> None:
        if not 0 <= rate < 1:
            raise ArgumentError(f"the rate of a dropout lies in [0, 1), not {rate}")
        self.rate = rate

    def forward(self, x: Node, mode: Mode = EVALUATE) -> Node:
        if not mode.training or self.rate == 0:
            return x
        return functions.dropout(x, self.rate, mode.key_here())

    def describe(self) -> str:
        return f"{self.rate:g}"


class LayerNorm(Module):
    """Each example normalised over its last axis, ``(x - μ)/√(σ² + ε)·scale + shift``.  Ba et al., 2016.

    >>> import chainrule as cr
    >>> norm = cr.nn.LayerNorm(2, eps=0.0)
    >>> norm(cr.constant([[1.0, 3.0], [10.0, 30.0]])).value
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    def __init__(self, width: int, *, eps: float = 1e-5) -> None:
        self.scale = variable([1.0] * width)
        self.shift = variable([0.0] * width)
        self.eps = eps

    def forward(self, x: Node) -> Node:
        return functions.layer_norm(x, self.scale, self.shift, eps=self.eps)

    def describe(self) -> str:
        return str(self.scale.shape[0])


class RMSNorm(Module):
    """Each example divided by its root mean square, ``x/√(mean(x²) + ε)·scale``.  Zhang, Sennrich, 2019.

    >>> import chainrule as cr
    >>> cr.nn.RMSNorm(2, eps=0.0)(cr.constant([[3.0, 3.0], [-5.0, 5.0]])).value
    array([[ 1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    def __init__(self, width: int, *, eps: float = 1e-6) -> None:
        self.scale = variable([1.0] * width)
        self.eps = eps

    def forward(self, x: Node) -> Node:
        return functions.rms_norm(x, self.scale, eps=self.eps)

    def describe(self) -> str:
        return str(self.scale.shape[0])


class BatchNorm(Module):
    """Each feature (last axis) normalised over all others, ``(x - μ)/√(σ² + ε)·scale + shift``.

    In training μ and σ² are the batch's, and the mode collects the next running averages as updates,
    with m = ``momentum`` and the variance taken over n - 1 as that of a sample::

        mean     ← (1 - m)·mean + m·μ
        variance ← (1 - m)·variance + m·σ²·n/(n - 1)

    In evaluation μ and σ² are those averages.  Source: Ioffe and Szegedy, 2015.

    >>> import chainrule as cr
    >>> norm, x = cr.nn.BatchNorm(1, momentum=0.5, eps=0.0), cr.constant([[1.0], [3.0]])
    >>> mode = cr.nn.training()
    >>> norm(x, mode=mode).value.ravel(), float(mode.updates[norm.mean])
    (array([-1.,  1.], dtype=float32), 1.0)
    >>> norm(x).value.ravel()  # nothing has run the updates: mean 0, variance 1
    array([1., 3.], dtype=float32)
    """

    fixed = ("mean", "variance")
    depends_on_mode = True

    def __init__(self, width: int, *, momentum: float = 0.1, eps: float = 1e-5) -> None:
        if not 0 <= momentum <= 1:
            raise ArgumentError(f"the momentum of a batch norm lies in [0, 1], not {momentum}")
        self.scale = variable([1.0] * width)
        self.shift = variable([0.0] * width)
        self.mean = variable([0.0] * width)
        self.variance = variable([1.0] * width)
        self.momentum, self.eps = momentum, eps

    def forward(self, x: Node, mode: Mode = EVALUATE) -> Node:
        if not mode.training:
            return functions.batch_norm(x, self.mean, self.variance, self.scale, self.shift, eps=self.eps)
        mean, variance = functions.batch_statistics(x)
        count = x.size // x.shape[-1]
        unbiased = variance * (count / max(count - 1, 1))
        for running, now in ((self.mean, mean), (self.variance, unbiased)):
            before = mode.updates.get(running, running)  # another call in this step may have come first
            mode.updates[running] = (1 - self.momentum) * before + self.momentum * astype(now, running.dtype)
        return functions.batch_norm(x, mean, variance, self.scale, self.shift, eps=self.eps)

    def describe(self) -> str:
        return str(self.scale.shape[0])
