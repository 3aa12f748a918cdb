"""Gradients that are cut, and those that die out or explode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.graph import Node

from .programs import Net, blobs, classify
from .table import fault


class Cut(cr.nn.Module):
    """An encoder and a head, with something between them that passes nothing back."""

    def __init__(self, between: Callable[[Node], Node]) -> None:
        seeds = cr.nn.Seeds(0)
        self.encoder, self.head = cr.nn.Linear(8, 16, seed=seeds), cr.nn.Linear(16, 3, seed=seeds)
        self.between = between

    def forward(self, x: Node) -> Node:
        return self.head(self.between(self.encoder(x)))  # type: ignore[no-any-return]


def cut(between: Callable[[Node], Node]) -> Any:
    x, y = blobs()
    net = Cut(between)
    return classify(net, x, y, loss=lambda x, y: cr.cross_entropy(net(x), y))


@fault("a hard choice by argmax", "run", "no-gradient")
def by_argmax() -> Any:
    return cut(lambda h: cr.one_hot(cr.argmax(h, axis=-1), 16))


@fault("activations rounded", "run", "no-gradient")
def by_rounding() -> Any:
    return cut(lambda h: cr.round(h * 4) / 4)


@fault("stop_gradient left in", "run", "no-gradient")
def by_stop_gradient() -> Any:
    return cut(lambda h: cr.stop_gradient(cr.relu(h)))


@fault("a cast to integers", "run", "no-gradient")
def by_cast() -> Any:
    return cut(lambda h: h.astype("int32").astype("float32"))


@fault("everything cut: the loss is the accuracy", "refusal", "argmax")
def accuracy_as_loss() -> Any:
    x, y = blobs()
    net = Net(8, 16, 3)
    return classify(net, x, y, loss=lambda x, y: -cr.mean(
        cr.equal(cr.argmax(net(x), axis=-1), y).astype("float32")))  # fmt: skip


# -- gradients that die out --------------------------------------------------------------------------------


@fault("dead units: biases far below zero", "run", "dead")
def dead_units() -> Any:
    x, y = blobs()
    net = Net(8, 32, 3)
    net.layers[0].bias.assign(np.full(32, -20.0, np.float32))
    return classify(net, x, y)


@fault("dead units, asked of one parameter", "why", "dead")
def why_dead() -> Any:
    x, y = blobs()
    net = Net(8, 32, 3)
    net.layers[0].bias.assign(np.full(32, -20.0, np.float32))
    return cr.diagnose.why_gradient(cr.cross_entropy(net(cr.constant(x)), y), net.layers[0].weight)


@fault("saturated sigmoids: weights too large", "run", "saturated")
def saturated() -> Any:
    x, y = blobs()
    return classify(Net(8, 32, 3, activation=cr.sigmoid, gain=15.0), x, y)


@fault("twelve sigmoid layers", "run", "vanishing")
def vanishing() -> Any:
    x, y = blobs()
    return classify(Net(8, *[16] * 12, 3, activation=cr.sigmoid), x, y, epochs=4)


@fault("twelve sigmoid layers, asked of the first", "why", "sigmoid")
def why_vanishing() -> Any:
    x, y = blobs()
    net = Net(8, *[16] * 12, 3, activation=cr.sigmoid)
    return cr.diagnose.why_gradient(cr.cross_entropy(net(cr.constant(x)), y), net.layers[0].weight)


@fault("twelve layers of large weights", "run", "exploding")
def exploding() -> Any:
    x, y = blobs()
    net = Net(8, *[32] * 12, 3, gain=0.8)
    return classify(net, x, y, epochs=2, optimizer=cr.optim.SGD(net.parameters(), 1e-9))
