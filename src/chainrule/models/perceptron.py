"""Feed-forward networks, from the perceptron to the multi-layer perceptron of any dimensions.

=========== ======================================== =========================================
perceptron  ``y = sign(x·w + b)``                    :class:`Perceptron`
MLP1        ``y = g(x W¹ + b¹) W² + b²``             :class:`MLP1`
MLP2        ``y = g²(g¹(x W¹ + b¹) W² + b²) W³``     :class:`MLP2`
any         a list of dimensions                     :class:`MLP`
folded      ``y = [x; 1] W``                         :class:`FoldedLinear`
=========== ======================================== =========================================

Vectors are rows, as in the lectures' compact form: ``x`` is (examples, inputs), ``W`` (inputs, outputs).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from .. import nn
from ..errors import ArgumentError, ShapeError
from ..graph import Array, Node, constant, variable
from ..nn import EVALUATE, Mode, Module
from ..nn.initialisers import Initialiser, Seeds, xavier_uniform
from ..ops import concat, matmul, sigmoid, sign, tanh

Activation = Callable[[Node], Node]


class Perceptron(Module):
    """The neuron with a threshold, ``y = sign(x·w + b)``: one of -1, 0, 1 for each example.

    ``x`` is (examples, inputs), the result (examples,).  The sign has no slope to follow, so it learns
    by :meth:`learn` and not by gradients (Rosenblatt, 1958).

    >>> import chainrule as cr
    >>> unit = Perceptron(2)
    >>> x, gold = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "f"), np.array([-1, 1, 1, 1])
    >>> unit.learn(x, gold), unit(cr.constant(x)).value
    (True, array([-1.,  1.,  1.,  1.], dtype=float32))
    """

    def __init__(self, inputs: int) -> None:
        self.weight = variable(np.zeros(inputs, np.float32))
        self.bias = variable(0.0)

    def forward(self, x: Node) -> Node:
        return sign(matmul(x, self.weight) + self.bias)

    def learn(self, x: Array, gold: Array, *, epochs: int = 100) -> bool:
        """Add ``gold·x`` to the weights at each mistake; true once an epoch has none.

        It ends so whenever a line (a plane, …) separates the classes, and never when none does.
        """
        if x.ndim != 2 or gold.shape != x.shape[:1]:
            raise ShapeError(f"{x.shape} examples and {gold.shape} classes", mend="(N, inputs) and (N,)")
        w, b = self.weight.array.copy(), float(self.bias.array)
        for _ in range(epochs):
            mistakes = 0
            for row, wanted in zip(x, gold, strict=True):
                if np.sign(row @ w + b) != wanted:
                    w, b, mistakes = w + wanted * row, b + float(wanted), mistakes + 1
            if not mistakes:
                break
        self.weight.assign(w.astype(np.float32))
        self.bias.assign(np.float32(b))
        return mistakes == 0

    def describe(self) -> str:
        return f"{self.weight.size} → 1"


class MLP1(Module):
    """One hidden layer, ``g(x W¹ + b¹) W² + b²``.

    x (…, inputs), W¹ (inputs, hidden), b¹ (hidden,), W² (hidden, outputs), b² (outputs,).  Goldberg's
    equation 4.2.

    >>> import chainrule as cr
    >>> net = MLP1(2, 3, 1, seed=0)
    >>> net(cr.placeholder((5, 2))).shape, net.parameter_count()
    ((5, 1), 13)
    """

    def __init__(
        self, inputs: int, hidden: int, outputs: int, *, seed: int | Seeds, activation: Activation = sigmoid
    ) -> None:
        seeds = Seeds(seed)
        self.first = nn.Linear(inputs, hidden, seed=seeds)
        self.second = nn.Linear(hidden, outputs, seed=seeds)
        self.activation = activation

    def forward(self, x: Node) -> Node:
        return self.second(self.activation(self.first(x)))  # type: ignore[no-any-return]  # a module may return anything


class MLP2(Module):
    """Two hidden layers, ``g²(g¹(x W¹ + b¹) W² + b²) W³``; the last layer has no bias.

    Goldberg's equation 4.3, which the lecture also writes with h¹ and h² by name.

    >>> import chainrule as cr
    >>> net = MLP2(4, 3, 2, 1, seed=0)
    >>> net(cr.placeholder((5, 4))).shape, net.parameter_count()
    ((5, 1), 25)
    """

    def __init__(
        self,
        inputs: int,
        first: int,
        second: int,
        outputs: int,
        *,
        seed: int | Seeds,
        activations: tuple[Activation, Activation] = (tanh, tanh),
    ) -> None:
        seeds = Seeds(seed)
        self.first = nn.Linear(inputs, first, seed=seeds)
        self.second = nn.Linear(first, second, seed=seeds)
        self.third = nn.Linear(second, outputs, seed=seeds, bias=False)
        self.activations = activations

    def forward(self, x: Node) -> Node:
        g1, g2 = self.activations
        h1 = g1(self.first(x))
        h2 = g2(self.second(h1))
        return self.third(h2)  # type: ignore[no-any-return]  # a module may return anything


class MLP(Module):
    """Layers of the stated ``dimensions``, with ``activation`` between them and dropout behind it.

    ``[784, 16, 16, 10]`` is 784 inputs, two hidden layers of 16 units, 10 outputs; the outputs are
    logits.  Input axes after the first are flattened, so images may come as they are.

    Errors: ``ArgumentError`` for fewer than two dimensions or one below 1.

    >>> import chainrule as cr
    >>> net = MLP([784, 16, 16, 10], seed=0)
    >>> net(cr.placeholder((32, 28, 28))).shape, net.parameter_count()
    ((32, 10), 13002)
    """

    def __init__(
        self,
        dimensions: Sequence[int],
        *,
        seed: int | Seeds,
        activation: Activation = sigmoid,
        dropout: float = 0.0,
        initial: Initialiser | None = None,
    ) -> None:
        if len(dimensions) < 2 or min(dimensions) < 1:
            raise ArgumentError(
                f"a network of dimensions {list(dimensions)}",
                mend="inputs, hidden layers, outputs: [784, 16, 10]",
            )
        seeds = Seeds(seed)
        self.layers = [
            nn.Linear(inputs, outputs, seed=seeds, initial=initial)
            for inputs, outputs in pairwise(dimensions)
        ]
        self.activation = nn.Function(activation)
        self.dropout = nn.Dropout(dropout) if dropout else None
        self.flatten = nn.Flatten()

    def forward(self, x: Node, mode: Mode = EVALUATE) -> Node:
        h = self.flatten(x) if x.ndim > 2 else x
        *hidden, last = self.layers
        for layer in hidden:
            h = self.activation(layer(h))
            if self.dropout is not None:
                h = self.dropout(h, mode=mode)
        return last(h)  # type: ignore[no-any-return]  # a module may return anything


class FoldedLinear(Module):
    """A layer whose bias is folded into its weights by a constant input: ``[x; 1] W``.

    W is (inputs + 1, outputs); its last row is the bias.  The gradient of that row is the bias's, since
    its input is always 1.

    >>> import chainrule as cr
    >>> plain = cr.nn.Linear(3, 2, seed=0)
    >>> folded = FoldedLinear.of(plain)
    >>> x = cr.constant([[1.0, 2.0, 3.0]])
    >>> folded.weight.shape, bool(np.allclose(folded(x).value, plain(x).value))
    ((4, 2), True)
    """

    def __init__(self, inputs: int, outputs: int, *, seed: int | Seeds) -> None:
        weights = xavier_uniform()(Seeds(seed).key(), (inputs, outputs))
        self.weight = variable(np.vstack([weights, np.zeros((1, outputs), weights.dtype)]))

    @classmethod
    def of(cls, layer: nn.Linear) -> FoldedLinear:
        """The same function as ``layer``, in one matrix."""
        inputs, outputs = layer.weight.shape
        folded = cls(inputs, outputs, seed=0)
        bias = np.zeros(outputs, np.float32) if layer.bias is None else layer.bias.array
        folded.weight.assign(np.vstack([layer.weight.array, bias]))
        return folded

    def forward(self, x: Node) -> Node:
        return matmul(with_constant(x), self.weight)

    def describe(self) -> str:
        inputs, outputs = self.weight.shape
        return f"{inputs - 1} + 1 → {outputs}"


def with_constant(x: Node) -> Node:
    """``x`` with one more feature that is always 1.

    >>> import chainrule as cr
    >>> with_constant(cr.constant([[2.0, 3.0]])).value
    array([[2., 3., 1.]], dtype=float32)
    """
    return concat([x, constant(np.ones((*x.shape[:-1], 1), x.dtype))], axis=-1)
