"""Values that are not finite."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr
from chainrule.graph import Node

from .programs import Net, blobs, classify, regress
from .table import fault


@fault("log of a softmax that underflows", "refusal", "log of 0")
def log_of_zero() -> Any:
    x, y = blobs()
    net = Net(8, 16, 3, gain=30.0)
    return classify(net, x, y, loss=lambda x, y: -cr.mean(cr.log(cr.take_along_axis(
        cr.softmax(net(x)), cr.expand_dims(y, -1), axis=-1))))  # fmt: skip


@fault("a softmax by hand that overflows", "refusal", "exp first gives ∞")
def exp_overflow() -> Any:
    x, y = blobs()
    net = Net(8, 16, 3, gain=30.0)

    def loss(x: Node, y: Node) -> Node:
        powers = cr.exp(net(x))
        p = powers / cr.sum(powers, axis=-1, keepdims=True)
        return -cr.mean(cr.log(cr.take_along_axis(p, cr.expand_dims(y, -1), axis=-1) + 1e-9))

    return classify(net, x, y, loss=loss)


@fault("where hides the root of 0, backward reveals it", "refusal", "the forward pass hid it: where")
def where_trap() -> Any:
    x, y = blobs()
    net = Net(8, 4)
    other = x[::-1].copy()
    other[30] = x[30]  # a pair of equals: their distance is 0

    def loss(x: Node, other: Node, same: Node) -> Node:
        square = cr.sum((net(x) - net(other)) ** 2, axis=-1)
        distance = cr.where(square > 0, cr.sqrt(square), 0.0)
        return cr.mean(cr.where(same, distance, cr.relu(1 - distance)))

    return regress(net, loss, data=(x, other, y == y[::-1]))


@fault("a row of zeros divided by its norm", "refusal", "row 17")
def zero_row() -> Any:
    x, y = blobs()
    x[17] = 0
    net = Net(8, 16, 3)
    return classify(net, x, y, loss=lambda x, y: cr.cross_entropy(
        net(x / cr.sqrt(cr.sum(x * x, axis=-1, keepdims=True))), y))  # fmt: skip


@fault("a NaN in the data", "refusal", "row 41")
def nan_in_data() -> Any:
    x, y = blobs()
    x[41, 3] = np.nan
    return classify(Net(8, 16, 3), x, y)
