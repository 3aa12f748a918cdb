"""Initial weights: what a parameter holds before the first step.

An initialiser is a function of a random key and a shape.  For a weight of shape ``(…, in, out)`` the
fan-in is the number of inputs that feed one output, the fan-out the number of outputs that one input
feeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ArgumentError, ShapeError
from ..graph import Node, Shape
from ..ops import random

Initialiser = Callable[[Node, Shape], NDArray[Any]]


class Seeds:
    """A supply of random keys from one seed, one for each parameter, in the order of construction.

    >>> seeds = Seeds(0)
    >>> first, second = seeds.key(), seeds.key()
    >>> bool((first.value == second.value).all())
    False
    """

    def __init__(self, seed: int | Seeds) -> None:
        self._supply: Seeds | None = seed if isinstance(seed, Seeds) else None
        self._root = random.key(seed) if not isinstance(seed, Seeds) else None
        self._drawn = 0

    def key(self) -> Node:
        """The next key."""
        if self._supply is not None:
            return self._supply.key()
        assert self._root is not None
        self._drawn += 1
        return random.fold_in(self._root, self._drawn)


def fans(shape: Shape) -> tuple[int, int]:
    """Fan-in and fan-out of a weight of this shape.

    >>> fans((784, 16)), fans((3, 50, 100))
    ((784, 16), (150, 300))
    """
    if len(shape) < 2:
        raise ShapeError(
            f"a parameter of shape {shape} has no fan-in and fan-out",
            mend="use zeros, uniform or normal for vectors",
        )
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


def zeros(key: Node, shape: Shape) -> NDArray[Any]:
    """All zeros: what biases start from.

    >>> import chainrule as cr
    >>> zeros(cr.random.key(0), (2,))
    array([0., 0.], dtype=float32)
    """
    return np.zeros(shape, np.float32)


def ones(key: Node, shape: Shape) -> NDArray[Any]:
    """All ones: what scales start from.

    >>> import chainrule as cr
    >>> ones(cr.random.key(0), (2,))
    array([1., 1.], dtype=float32)
    """
    return np.ones(shape, np.float32)


def uniform(low: float = -0.1, high: float = 0.1) -> Initialiser:
    """U[low, high): the lectures' [-0.1, 0.1] unless said otherwise.

    >>> import chainrule as cr
    >>> w = uniform()(cr.random.key(0), (100, 100))
    >>> bool((abs(w) <= 0.1).all())
    True
    """
    return lambda key, shape: random.uniform(key, shape, low, high).value


def normal(mean: float = 0.0, std: float = 0.01) -> Initialiser:
    """N(mean, std²).

    >>> import chainrule as cr
    >>> w = normal(std=0.5)(cr.random.key(0), (100, 100))
    >>> bool(abs(w.std() - 0.5) < 0.02)
    True
    """
    return lambda key, shape: random.normal(key, shape, mean, std).value


def truncated_normal(mean: float = 0.0, std: float = 0.02, bound: float = 2.0) -> Initialiser:
    """N(mean, std²), drawn again where further than ``bound`` standard deviations from the mean.

    Raises ``ArgumentError`` for a bound that leaves next to nothing.

    >>> import chainrule as cr
    >>> w = truncated_normal(std=0.5)(cr.random.key(0), (100, 100))
    >>> bool((abs(w) <= 1).all())
    True
    """

    def draw(key: Node, shape: Shape) -> NDArray[Any]:
        values = random.normal(key, shape).value.copy()
        for attempt in range(1, 1000):
            outside = np.abs(values) > bound
            if not outside.any():
                return (mean + std * values).astype(np.float32)
            again = random.normal(random.fold_in(key, attempt), shape).value
            values[outside] = again[outside]
        raise ArgumentError(f"truncated_normal: a bound of {bound} leaves too little to draw from")

    return draw


def xavier_uniform(gain: float = 1.0) -> Initialiser:
    """U[-a, a], a = gain·√(6 / (fan-in + fan-out)): keeps variances equal in both passes.

    Glorot and Bengio, 2010.

    >>> import chainrule as cr
    >>> w = xavier_uniform()(cr.random.key(0), (2, 4))
    >>> bool((abs(w) <= 1).all())
    True
    """

    def draw(key: Node, shape: Shape) -> NDArray[Any]:
        bound = gain * math.sqrt(6 / max(sum(fans(shape)), 1))
        return random.uniform(key, shape, -bound, bound).value

    return draw


def xavier_normal(gain: float = 1.0) -> Initialiser:
    """N(0, gain²·2 / (fan-in + fan-out)).  Glorot and Bengio, 2010.

    >>> import chainrule as cr
    >>> w = xavier_normal()(cr.random.key(0), (100, 100))
    >>> bool(abs(w.std() - 0.1) < 0.005)
    True
    """
    return lambda key, shape: (
        random.normal(key, shape, 0.0, gain * math.sqrt(2 / max(sum(fans(shape)), 1))).value
    )


def kaiming_uniform(gain: float = math.sqrt(2)) -> Initialiser:
    """U[-a, a], a = gain·√(3 / fan-in); the gain √2 suits ReLU.  He et al., 2015.

    >>> import chainrule as cr
    >>> w = kaiming_uniform()(cr.random.key(0), (6, 4))
    >>> bool((abs(w) <= 1).all())
    True
    """

    def draw(key: Node, shape: Shape) -> NDArray[Any]:
        bound = gain * math.sqrt(3 / max(fans(shape)[0], 1))
        return random.uniform(key, shape, -bound, bound).value

    return draw


def kaiming_normal(gain: float = math.sqrt(2)) -> Initialiser:
    """N(0, gain² / fan-in); the gain √2 suits ReLU.  He et al., 2015.

    >>> import chainrule as cr
    >>> w = kaiming_normal()(cr.random.key(0), (200, 50))
    >>> bool(abs(w.std() - 0.1) < 0.005)
    True
    """
    return lambda key, shape: random.normal(key, shape, 0.0, gain / math.sqrt(max(fans(shape)[0], 1))).value


def orthogonal(gain: float = 1.0) -> Initialiser:
    """A matrix with orthonormal rows or columns, whichever are fewer, times ``gain``.  Saxe et al., 2014.

    >>> import chainrule as cr
    >>> w = orthogonal()(cr.random.key(0), (3, 5))
    >>> bool(np.allclose(w @ w.T, np.eye(3), atol=1e-6))
    True
    """

    def draw(key: Node, shape: Shape) -> NDArray[Any]:
        fans(shape)  # at least two axes
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = random.normal(key, (max(rows, columns), min(rows, columns)), dtype="float64").value
        q, r = np.linalg.qr(tall)
        q = q * np.sign(np.diagonal(r))  # makes the decomposition, and so the draw, unique
        matrix = q if rows >= columns else q.T
        found: NDArray[np.float32] = (gain * matrix).reshape(shape).astype(np.float32)
        return found

    return draw


def from_array(array: ArrayLike) -> Initialiser:
    """A given array, such as word vectors made elsewhere; its shape must be the parameter's.

    A NumPy array of floats keeps its dtype; lists and integers become float32.

    >>> import chainrule as cr
    >>> cr.nn.Embedding(2, 2, seed=0, initial=from_array([[1, 2], [3, 4]])).weight.value
    array([[1., 2.],
           [3., 4.]], dtype=float32)
    """
    found = np.asarray(array)
    is_float = isinstance(array, np.ndarray) and found.dtype.kind == "f"
    values = found if is_float else found.astype(np.float32)

    def given(key: Node, shape: Shape) -> NDArray[Any]:
        if values.shape != shape:
            raise ShapeError(
                f"the array given has shape {values.shape}, the parameter {shape}",
                mend="one row for each symbol, in the order of the vocabulary, or another layer's sizes",
            )
        return values

    return given
