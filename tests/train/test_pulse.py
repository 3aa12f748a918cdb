"""What a run's records say of its layers is what a hand computes from the same sample."""

from __future__ import annotations

import numpy as np

import chainrule as cr
from chainrule.train.invariants.pulse import is_read


def test_readings_are_those_of_the_gradient_and_of_one_step() -> None:
    x = np.random.default_rng(0).normal(size=(40, 3)).astype("f")
    net = cr.nn.Sequential(cr.nn.Linear(3, 9, seed=1), cr.nn.ReLU(), cr.nn.Linear(9, 2, seed=2))
    first, last = net.layers[0], net.layers[2]
    read = []

    def loss(x: cr.Node) -> cr.Node:
        return cr.mean(cr.square(net(x) - 1))

    def validate() -> dict[str, float]:  # called when the epoch's steps are done, before the layers are read
        weight = cr.variable(first.weight.copy())
        inside = cr.relu(cr.constant(x) @ weight + first.bias.copy())
        result = inside @ cr.constant(last.weight.copy()) + last.bias.copy()
        (gradient,) = cr.gradients(cr.mean(cr.square(result - 1)), [weight])
        read.append((weight.value, gradient.value, inside.value))
        return {"loss": 0.0}

    data = cr.data.Batches((x,), 8, seed=2)
    optimizer = cr.optim.SGD(net.parameters(), 0.01)
    result = cr.train.fit(net, loss, data, optimizer, epochs=3, validate=validate)
    for reading, (weight, gradient, inside) in zip(result.layers, read, strict=True):
        told = reading["parameters"]["layers.0.weight"]
        size = np.sqrt(np.mean(weight**2))
        np.testing.assert_allclose(told["weight"], size, rtol=1e-3)
        np.testing.assert_allclose(told["gradient"], np.sqrt(np.mean(gradient**2)), rtol=1e-3)
        np.testing.assert_allclose(told["update"], 0.01 * np.sqrt(np.mean(gradient**2)) / size, rtol=1e-3)
        (units,) = reading["units"].values()
        assert units["idle"] == round(float(np.mean(~(inside > 0).any(axis=0))), 4)


def test_long_runs_are_read_ever_more_rarely() -> None:
    assert all(is_read(epoch) for epoch in range(1, 11))
    assert sum(is_read(epoch) for epoch in range(1, 1001)) < 65


def test_without_invariants_nothing_is_read() -> None:
    layer = cr.nn.Linear(3, 2, seed=1)
    data = cr.data.Batches((np.ones((8, 3), "f"),), 8, seed=2)
    fitted = cr.train.fit(
        layer, lambda x: cr.mean(layer(x)), data, cr.optim.SGD(layer.parameters()), epochs=1, invariants=False
    )
    assert not fitted.layers
