"""Random graphs of the public ops: shapes of 0, 1, primes and more, views of arrays, indices that repeat.

Every choice is made by a function ``choose(n)``, one of 0 … n - 1, so that hypothesis can make them and
find the smallest graph that fails.  Numbers are kept where functions are smooth and well conditioned, as
two engines that round differently must agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

import chainrule as cr
from chainrule import Node, Placeholder, Variable

T = TypeVar("T")
Shape = tuple[int, ...]
SIZES = (2, 1, 3, 5, 0, 7, 8, 13, 17, 33)
MOST = 20_000
"""Larger results are left out of the pool."""


class Maker:
    """A pool of nodes that grows by one op after another, and the leaves at its ground."""

    def __init__(self, choose: Callable[[int], int], dtype: str) -> None:
        self._choose, self.dtype, self.rng = choose, dtype, np.random.default_rng(7)
        self.variables: list[Variable] = []
        self.feed: dict[Placeholder, Any] = {}
        self.pool: list[Node] = []

    # -- choices -----------------------------------------------------------------------------------

    def one_of(self, things: Sequence[T]) -> T:
        return things[self._choose(len(things))]

    def below(self, n: int) -> int:
        return self._choose(n)

    def maybe(self) -> bool:
        return bool(self._choose(2))

    def size(self, low: int = 0) -> int:
        return max(low, self.one_of(SIZES))

    def axis(self, x: Node) -> int:
        return self.below(x.ndim)

    # -- leaves ------------------------------------------------------------------------------------

    def leaf(self, shape: Shape) -> Node:
        values = np.asarray(self.rng.normal(size=shape), self.dtype)
        kind = self.one_of(["variable", "placeholder", "turned", "constant"])
        if kind == "constant":
            return cr.constant(values)
        if kind == "variable":
            self.variables.append(cr.variable(values, name=f"v{len(self.variables)}"))
            return self.variables[-1]
        if kind == "turned" and shape:  # strided backwards, along axes in another order
            wide = np.zeros([2 * n for n in reversed(shape)], self.dtype).T[
                (slice(None, None, -2),) * len(shape)
            ]
            wide[...] = values
            values = wide
        return self.fed(values)

    def fed(self, values: Any) -> Node:
        leaf = cr.placeholder(values.shape, values.dtype, name=f"p{len(self.feed)}")
        self.feed[leaf] = values
        return leaf

    def indices(self, shape: Shape, length: int, *, low: int = 0) -> Node:
        """Into an axis of ``length``: any, equal ones, or the last."""
        low = -length if low < 0 and self.maybe() else 0
        kind = self.one_of(["any", "few", "last"])
        high = {"any": length, "few": low + 1 + length // 4, "last": length}[kind]
        found = self.rng.integers(length - 1 if kind == "last" else low, high, shape)
        found = np.asarray(found, self.one_of(["int64", "int32"]))
        return self.fed(found) if self.maybe() else cr.constant(found)

    def node(self, *, low: int = 0) -> Node:
        """One of the last nodes, or a new leaf, of at least ``low`` axes."""
        known = [node for node in self.pool[-6:] if node.ndim >= low]
        if known and self.below(6):
            return self.one_of(known)
        return self.leaf(tuple([self.size() for _ in range(low + self.below(4 - low))]))

    def filled(self, *, low: int = 1) -> Node:
        """A node without empty axes."""
        x = self.node(low=low)
        return x if x.size else self.leaf(tuple([self.size(1) for _ in range(low)]))

    def like(self, shape: Shape) -> Node:
        """A node of just this shape."""
        known = [node for node in self.pool if node.shape == shape][-4:]
        return self.one_of(known) if known and self.below(3) else self.leaf(shape)

    def beside(self, x: Node) -> Node:
        """A node that broadcasts to the shape of ``x``."""
        kept = x.shape[self.below(x.ndim + 1) :]
        return self.like(tuple([n if self.below(4) else 1 for n in kept]))

    def spread(self, x: Node) -> Node:
        """``x`` without ties, and off the kinks at 0, but for rare accidents."""
        noise = np.random.default_rng(x.size).normal(size=x.shape)
        return x + cr.constant(np.asarray(noise, self.dtype))

    def grow(self) -> None:
        found = self.one_of(FAMILIES)(self)
        if found.size <= MOST and found.dtype == self.dtype:
            self.pool.append(found)


def positive(x: Node) -> Node:
    return cr.square(cr.tanh(x)) + 0.2


SMOOTH = [
    cr.tanh, cr.sigmoid, cr.sin, cr.cos, cr.erf, cr.arctan, cr.arcsinh, cr.negative, cr.softplus, cr.gelu,
    cr.silu,
]  # fmt: skip
INSIDE = [cr.exp, cr.expm1, cr.sinh, cr.cosh, cr.square, cr.arctanh, cr.tan, cr.elu, cr.selu]
ABOVE = [cr.sqrt, cr.log, cr.rsqrt, cr.log1p, cr.log2, cr.reciprocal]
KINKED = [cr.relu, cr.abs, cr.sign, cr.floor, cr.leaky_relu, cr.hard_tanh]


def unary(m: Maker) -> Node:
    x = m.node()
    domain: Callable[[Node], Node]
    functions, domain = m.one_of([
        (SMOOTH, lambda x: x), (INSIDE, lambda x: 0.9 * cr.tanh(x)), (ABOVE, positive), (KINKED, m.spread),
    ])  # fmt: skip
    return m.one_of(functions)(domain(x))


def binary(m: Maker) -> Node:
    x = m.node()
    y = m.beside(x)
    return m.one_of([
        lambda: x + y, lambda: y - x, lambda: x * y, lambda: x / positive(y),
        lambda: cr.maximum(m.spread(x), y), lambda: cr.minimum(y, m.spread(x)),
        lambda: positive(x) ** cr.tanh(y), lambda: cr.tanh(x) ** m.one_of([0, 1, 2, 3]),
        lambda: cr.arctan2(x, positive(y)), lambda: cr.where(m.spread(y) > 0.3, x, y),
        lambda: cr.stop_gradient(x) - y,
    ])()  # fmt: skip


def reduction(m: Maker) -> Node:
    x = m.filled()
    axes = tuple([axis for axis in range(x.ndim) if m.maybe()]) or None
    options = {"axis": axes, "keepdims": m.maybe()}
    function = m.one_of([cr.sum, cr.mean, cr.logsumexp, cr.max, cr.min, cr.var, cr.prod])
    if function in (cr.max, cr.min, cr.var):
        x = m.spread(x)
    return function(1 + 0.3 * cr.tanh(x) if function is cr.prod else x, **options)


def along(m: Maker) -> Node:
    x = m.filled()
    axis = m.axis(x)
    places = cr.expand_dims(cr.argmax(m.spread(x), axis=axis), axis=axis)
    return m.one_of([
        lambda: cr.softmax(x, axis=axis), lambda: cr.log_softmax(x, axis=axis),
        lambda: cr.cumulative_sum(x, axis=axis), lambda: cr.sort(m.spread(x), axis=axis),
        lambda: cr.take_along_axis(m.like(x.shape), places, axis=axis),
        lambda: cr.layer_norm(m.spread(x), m.like(x.shape[-1:]), m.like(x.shape[-1:])),
    ])()  # fmt: skip


def product(m: Maker) -> Node:
    x = cr.tanh(m.node(low=1))
    rows, inner, more = x.shape[:-1], x.shape[-1], m.size()
    choices = [
        lambda: x @ m.like((inner,)),
        lambda: x @ m.like((inner, more)),
        lambda: x @ m.like((more, inner)).T,
    ]
    if x.ndim > 1:
        turned = cr.matrix_transpose(x)
        choices += [
            lambda: m.like((more, rows[-1])) @ x, lambda: turned @ m.like((*rows, more)), lambda: x @ turned,
            lambda: cr.einsum("...ij,...ik->...jk", x, x),
        ]  # fmt: skip
    return m.one_of(choices)()


def gather(m: Maker) -> Node:
    x = m.filled()
    axis = m.axis(x)
    if m.maybe():
        shape = tuple([m.size() for _ in range(m.below(3))])
        return cr.take(x, m.indices(shape, x.shape[axis], low=-1), axis=axis)
    lines = (*x.shape[:axis], m.size(), *x.shape[axis + 1 :])
    return cr.take_along_axis(x, m.indices(lines, x.shape[axis], low=-1), axis=axis)


def scatter(m: Maker) -> Node:
    x, count, length = m.filled(), m.size(), m.size(1)
    axis, rows = m.axis(x), m.indices((count,), x.shape[0], low=-1)
    values = m.like((count, *x.shape[1:]))
    one_hot = cr.one_hot(m.indices((count,), length), length, m.dtype)
    return m.one_of([
        lambda: cr.scatter_along_axis(x, m.indices(x.shape, length), axis, length),
        lambda: cr.scatter_add(x, rows, values), lambda: cr.put_rows(x, values, rows),
        lambda: one_hot @ m.like((length, m.size())), lambda: one_hot.T @ m.like((count, m.size())),
    ])()  # fmt: skip


def movement(m: Maker) -> Node:
    x = m.node(low=1)
    axis, n = m.axis(x), x.shape[0]
    order = tuple(np.roll(range(x.ndim), m.below(x.ndim)).tolist())
    return m.one_of([
        lambda: cr.reshape(x, (x.size,)), lambda: cr.permute_dims(x, order), lambda: cr.flip(x),
        lambda: cr.roll(x, m.below(5) - 2, axis=axis), lambda: cr.expand_dims(x, axis=axis),
        lambda: cr.pad(x, [(m.below(3), m.below(3)) for _ in x.shape]),
        lambda: cr.broadcast_to(x, (m.size(), *x.shape)), lambda: cr.repeat(x, 1 + m.below(3), axis=axis),
        lambda: cr.tile(x, [1 + m.below(2) for _ in x.shape]), lambda: x[m.below(n + 1) :: 1 + m.below(3)],
        lambda: x[::-2], lambda: x[..., m.below(n + 1) :],
        lambda: cr.concat([x, m.like((*x.shape[:axis], m.size(), *x.shape[axis + 1 :])), x], axis=axis),
        lambda: cr.stack([x, m.like(x.shape)], axis=axis),
    ])()  # fmt: skip


def network(m: Maker) -> Node:
    """Words looked up, and what a sentence classifier makes of them; or a picture, and a pool."""
    words, width, length, filters = m.size(1), m.size(1), m.size(2), m.size(1)
    table = m.like((words, width))
    looked_up = m.spread(cr.nn.embedding(m.indices((m.size(), length), words), table))
    kernel = m.like((1 + m.below(2), width, filters))
    picture = m.like((2, 5, 4, 3))
    return m.one_of([
        lambda: cr.mean_over_time(looked_up), lambda: cr.max_over_time(looked_up),
        lambda: cr.max_over_time(cr.relu(m.spread(cr.conv1d(looked_up, kernel)))),
        lambda: cr.max_pool1d(looked_up, 2), lambda: cr.sliding_windows(looked_up, 2, axis=1),
        lambda: cr.average_pool2d(cr.conv2d(picture, m.like((2, 3, 3, filters)), padding=1), 2),
    ])()  # fmt: skip


def loss(m: Maker) -> Node:
    x = m.filled(low=2)
    rows = cr.reshape(x, (-1, x.shape[-1]))
    labels = m.indices((rows.shape[0],), x.shape[-1])
    return m.one_of([
        lambda: cr.cross_entropy(rows, labels), lambda: cr.cross_entropy(rows, labels, label_smoothing=0.1),
        lambda: cr.cross_entropy(rows, labels, reduction="none"), lambda: cr.mse_loss(x, m.like(x.shape)),
        lambda: cr.binary_cross_entropy_with_logits(x, cr.sigmoid(m.like(x.shape))),
    ])()  # fmt: skip


def whole_numbers(m: Maker) -> Node:
    shape = (m.size(), m.size())
    i, j = [m.indices(shape, 9, low=-1) for _ in range(2)]
    found = m.one_of([i + j, i * j, i // (j * j + 1), i % 3, cr.maximum(i, j), i // -2, cr.abs(i) - j])
    return cr.astype(cr.sum(found, axis=m.below(2)), m.dtype) * 0.1


def derivative(m: Maker) -> Node:
    x = m.node()
    leaf = m.one_of([*m.variables[-3:], x])
    found = cr.gradients(cr.sum(cr.tanh(x)), [leaf])[0]
    return x if found is None else found


FAMILIES: list[Callable[[Maker], Node]] = [
    unary, binary, reduction, along, product, gather, scatter, movement, network, loss, whole_numbers,
    derivative,
]  # fmt: skip


def total(nodes: Sequence[Node]) -> Node:
    """A scalar that depends on all of them."""
    return sum([cr.sum(cr.tanh(node)) for node in nodes], start=cr.constant(0.0, nodes[0].dtype))
