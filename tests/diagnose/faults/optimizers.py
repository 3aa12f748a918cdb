"""Optimizers that are given the wrong parameters, or the wrong numbers."""

from __future__ import annotations

from typing import Any

import chainrule as cr

from .programs import Net, blobs, classify
from .table import fault


@fault("a layer left out of the optimizer", "run", "left-out")
def left_out() -> Any:
    x, y = blobs()
    net = Net(8, 16, 16, 3)
    trained = [p for p in net.parameters() if p is not net.layers[1].weight]
    return classify(net, x, y, optimizer=cr.optim.Adam(trained, 0.01))


@fault("a layer left out of the optimizer, asked of its weight", "why", "frozen, or left out")
def why_left_out() -> Any:
    x, y = blobs()
    net = Net(8, 16, 3)
    optimizer = cr.optim.Adam(net.layers[1].parameters(), 0.01)
    loss = cr.cross_entropy(net(cr.constant(x)), y)
    return cr.diagnose.why_gradient(loss, net.layers[0].weight, optimizer=optimizer)


@fault("a group whose learning rate is 0", "run", "unmoved")
def frozen_by_rate() -> Any:
    x, y = blobs()
    net = Net(8, 16, 3)
    groups = [
        {"parameters": net.layers[0].parameters(), "learning_rate": 0.0},
        {"parameters": net.layers[1].parameters()},
    ]
    return classify(net, x, y, optimizer=cr.optim.Adam(groups, 0.01))


@fault("two instances of the model mixed up", "run", "foreign")
def two_instances() -> Any:
    x, y = blobs()
    net, other = Net(8, 16, 3), Net(8, 16, 3)
    return classify(net, x, y, optimizer=cr.optim.Adam(other.parameters(), 0.01),
                    loss=lambda x, y: cr.cross_entropy(other(x), y))  # fmt: skip


@fault("the optimizer of another instance", "refusal", "does not depend on")
def other_optimizer() -> Any:
    x, y = blobs()
    return classify(Net(8, 16, 3), x, y, optimizer=cr.optim.Adam(Net(8, 16, 3).parameters(), 0.01))


@fault("a learning rate that is too high", "run", "rate-high")
def rate_high() -> Any:
    x, y = blobs()
    net = Net(8, 32, 32, 3, activation=cr.tanh)
    return classify(net, x, y, optimizer=cr.optim.Adam(net.parameters(), 3.0))


@fault("a learning rate that is too low", "run", "rate-low")
def rate_low() -> Any:
    x, y = blobs()
    net = Net(8, 16, 3)
    return classify(net, x, y, optimizer=cr.optim.SGD(net.parameters(), 1e-5))


@fault("weight decay that dominates", "run", "decay")
def decay() -> Any:
    x, y = blobs()
    net = Net(8, 16, 3, activation=cr.tanh)
    return classify(net, x, y, optimizer=cr.optim.SGD(net.parameters(), 0.1, weight_decay=1.0))


@fault("dropout of 0.98, meant as the share that is kept", "run", "dropout")
def dropout_rate() -> Any:
    x, y = blobs()
    return classify(Net(8, 16, 3, drop=0.98), x, y)
