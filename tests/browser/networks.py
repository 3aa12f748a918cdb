"""The graphs that the tests of the page open."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr
from chainrule.models import TextCNN
from chainrule.view.page import Explanation, explain


def fork() -> Explanation:
    """(x + y)·max(y, z) of the lectures: y is read twice."""
    x, y, z = (cr.variable(value, name=name) for name, value in [("x", 1.0), ("y", 2.0), ("z", 0.0)])
    return explain(((x + y).named("a") * cr.maximum(y, z).named("b")).named("f"), title="a fork")


def digits(batch: int = 8) -> Explanation:
    """784-16-16-10 with cross-entropy, on random pictures."""
    rng = np.random.default_rng(0)
    x, y = cr.placeholder((batch, 784), name="X"), cr.placeholder((batch,), "int64", name="y")
    sizes = [(784, 16), (16, 16), (16, 10)]
    first, second, third = (cr.nn.Linear(*size, seed=k) for k, size in enumerate(sizes))
    net = cr.nn.Sequential(first, cr.nn.Tanh(), second, cr.nn.Tanh(), third)
    loss = cr.nn.cross_entropy(net(x), y).named("loss")
    feed = {x: rng.random((batch, 784), np.float32), y: rng.integers(0, 10, batch)}
    return explain(loss, feed, title="784-16-16-10")


def text_cnn() -> Explanation:
    """Two sentences of twelve words through filters of three widths."""
    rng = np.random.default_rng(0)
    net = TextCNN(500, 24, 2, seed=0, windows=(3, 4, 5), filters=8)
    words, y = cr.placeholder((2, 12), "int32", name="words"), cr.placeholder((2,), "int64", name="y")
    loss = cr.nn.cross_entropy(net(words), y).named("loss")
    return explain(loss, {words: rng.integers(1, 500, (2, 12), np.int32), y: rng.integers(0, 2, 2)})


class Block(cr.nn.Module):
    """x + second(relu(first(x)))."""

    def __init__(self, seed: int) -> None:
        self.first, self.second = cr.nn.Linear(4, 4, seed=seed), cr.nn.Linear(4, 4, seed=100 + seed)

    def forward(self, x: cr.Node) -> cr.Node:
        return x + self.second(cr.nn.relu(self.first(x)))


class Deep(cr.nn.Module):
    """Equal blocks, one after the other."""

    def __init__(self, blocks: int) -> None:
        self.blocks = [Block(k) for k in range(blocks)]
        self.head = cr.nn.Linear(4, 3, seed=7)

    def forward(self, x: cr.Node) -> cr.Node:
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def deep(blocks: int = 6) -> Explanation:
    rng = np.random.default_rng(0)
    x, y = cr.constant(rng.normal(size=(2, 4)).astype(np.float32)).named("x"), cr.constant([0, 2])
    return explain(cr.nn.cross_entropy(Deep(blocks)(x), y).named("loss"), check=False)


def long_chain(nodes: int) -> Explanation:
    """An op after the other, none in a module, each reading one before it, too."""
    rng = np.random.default_rng(0)
    made: list[Any] = [cr.variable(0.5, name="x")]
    for k in range(nodes):
        other = made[int(rng.integers(max(0, k - 7), k + 1))]
        op = [cr.add, cr.multiply, lambda a, _: cr.tanh(a), lambda a, _: cr.sin(a)][int(rng.integers(4))]
        made.append(op(made[-1], other))
    return explain(made[-1].named("L"), check=False)


def not_finite() -> Explanation:
    """The logarithm of zero and of a negative number."""
    x = cr.variable(np.array([[0.0, 1.0, -1.0], [2.0, 0.5, 4.0]]), name="x")
    return explain(cr.sum(cr.log(x).named("y")).named("L"))


def unrolled(steps: int) -> Explanation:
    """A loop that reads one weight at every step."""
    w, h = cr.variable(0.9, name="w"), cr.constant(0.5)
    for _ in range(steps):
        h = cr.tanh(w * h)
    return explain(h.named("L"), check=False)
