"""Losses and data that are hardly meant."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr
from chainrule.train import Evaluation, Silent, fit

from .programs import Net, blobs, classify, regress
from .table import fault


@fault("(N, 1) against (N,)", "run", "broadcast-loss")
def broadcast_loss() -> Any:
    net = Net(2, 16, 1)
    return regress(net, lambda x, y: cr.mean((net(x) - y) ** 2))


@fault("softmax before cross_entropy", "run", "double-softmax")
def double_softmax() -> Any:
    x, y = blobs()
    net = Net(8, 16, 3)
    return classify(net, x, y, loss=lambda x, y: cr.cross_entropy(cr.softmax(net(x)), y))


@fault("the loss has the wrong sign", "run", "maximised")
def maximised() -> Any:
    x, y = blobs()
    net = Net(8, 16, 3)
    return classify(net, x, y, epochs=2, loss=lambda x, y: -cr.cross_entropy(net(x), y))


@fault("labels shuffled", "run", "no-better")
def shuffled_labels() -> Any:
    x, y = blobs()
    return classify(Net(8, 3), x, np.random.default_rng(1).permutation(y))


@fault("labels shuffled, and a network that learns them by heart", "run", "by-heart")
def shuffled_by_heart() -> Any:
    (x, y), (vx, vy) = blobs(), blobs(100, seed=1)
    y, vy = np.random.default_rng(1).permutation(y), np.random.default_rng(2).permutation(vy)
    return classify(Net(8, 128, 128, 3), x, y, epochs=40, held_out=(vx, vy))


@fault("labels shuffled, and a network that learns a few of them", "run", "by-heart")
def shuffled_in_part() -> Any:
    (x, y), (vx, vy) = blobs(), blobs(100, seed=1)
    y, vy = np.random.default_rng(1).permutation(y), np.random.default_rng(2).permutation(vy)
    net = Net(8, 16, 3)
    return classify(net, x, y, optimizer=cr.optim.SGD(net.parameters(), 0.3), held_out=(vx, vy))


@fault("all labels the same", "run", "one-class")
def one_class() -> Any:
    x, y = blobs()
    return classify(Net(8, 16, 3), x, 0 * y + 1)


@fault("inputs between 0 and 255", "run", "inputs")
def unnormalised() -> Any:
    x, y = blobs()
    return classify(Net(8, 16, 3, activation=cr.sigmoid), np.round(60 * x + 128).astype(np.float32), y)


@fault("validation rows among the training rows", "run", "leak")
def leak() -> Any:
    x, y = blobs()
    return classify(Net(8, 16, 3), x, y, held_out=(x[200:], y[200:]))


@fault("the same order in every epoch", "run", "order")
def fixed_order() -> Any:
    x, y = blobs()
    return classify(Net(8, 16, 3), x, y, shuffle=False)


@fault("dropout left on in the validation", "run", "evaluation")
def dropout_in_validation() -> Any:
    (x, y), (vx, vy) = blobs(), blobs(100, seed=1)
    net = Net(8, 16, 3, drop=0.3)

    def validate() -> dict[str, float]:
        mode = cr.nn.training(cr.random.key(0))
        return {"loss": float(cr.cross_entropy(net(cr.constant(vx), mode=mode), vy))}

    return fit(
        net, lambda x, y, mode: cr.cross_entropy(net(x, mode=mode), y), cr.data.Batches((x, y), 20),
        cr.optim.Adam(net.parameters(), 0.01), epochs=5, validate=validate, reporter=Silent(),
    )  # fmt: skip


@fault("dropout in a program that was made before", "run", "evaluation")
def dropout_in_a_program() -> Any:
    (x, y), (vx, vy) = blobs(), blobs(100, seed=1)
    net = Net(8, 16, 3, drop=0.3)
    score = Evaluation(lambda x, y: {"loss": cr.cross_entropy(
        net(x, mode=cr.nn.training(cr.random.key(0))), y)})  # fmt: skip
    score([(vx, vy)])
    return fit(
        net, lambda x, y, mode: cr.cross_entropy(net(x, mode=mode), y), cr.data.Batches((x, y), 20),
        cr.optim.Adam(net.parameters(), 0.01), epochs=5, reporter=Silent(),
        validate=lambda: score([(vx, vy)]),
    )  # fmt: skip


@fault("(N, 1) against (N,) in a loss of the library", "refusal", "take the axis of length 1 away")
def refused_broadcast() -> Any:
    net = Net(2, 16, 1)
    return regress(net, lambda x, y: cr.mse_loss(net(x), y))


@fault("all weights 0 at the start", "run", "symmetric")
def zeros() -> Any:
    x, y = blobs()
    net = Net(8, 16, 16, 3, activation=cr.tanh)
    for layer in net.layers:
        layer.weight.assign(np.zeros(layer.weight.shape, np.float32))
    return classify(net, x, y)


@fault("a weight that the matrix product cannot take", "refusal", "transpose the second")
def transposed_weight() -> Any:
    x, y = blobs()
    w = cr.variable(np.ones((3, 8), np.float32), name="w")
    return classify(Net(8, 3), x, y, loss=lambda x, y: cr.cross_entropy(x @ w, y))
