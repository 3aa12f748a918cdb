"""Before the first step: inputs brought to mean 0, and small random weights of the right size."""

from __future__ import annotations

import math

import numpy as np

import chainrule as cr
from chainrule.nn import initialisers

# Two features far from 0 and of very different sizes, as data comes; which class is a matter of both.
rng = np.random.default_rng(0)
x = np.column_stack([rng.normal(180, 10, 200), rng.normal(2000, 5, 200)]).astype("float32")
y = ((x[:, 0] - 180) / 10 > (x[:, 1] - 2000) / 5).astype("float32")

inputs = cr.data.standardise(x)  # the figures of the training data, to be used on all other data too
print(inputs.mean.round(0), inputs.std.round(0))  # [[ 180. 2000.]] [[10.  5.]]
print(np.abs(inputs.apply(x).mean(axis=0)).round(3), inputs.apply(x).std(axis=0).round(3))  # [0. 0.] [1. 1.]


def accuracy(x: np.ndarray, rate: float) -> float:
    """Of a logistic regression, after 100 steps on all the data."""
    neuron = cr.nn.Linear(2, 1, seed=0)

    def loss(x: cr.Node, y: cr.Node, mode: cr.nn.Mode) -> cr.Node:
        return cr.binary_cross_entropy_with_logits(neuron(x)[:, 0], y)

    step = cr.train.TrainingStep(loss, cr.optim.SGD(neuron.parameters(), rate))
    for _ in range(100):
        step((x, y))
    return float(((neuron(cr.constant(x)).value[:, 0] > 0) == y).mean())


print(
    f"as they come: {max(accuracy(x, rate) for rate in (1e-6, 1e-4, 1e-2, 1.0)):.2f} at the best rate"
)  # as they come: 0.53 at the best rate
print(f"at mean 0 and variance 1: {accuracy(inputs.apply(x), 1.0):.2f}")  # at mean 0 and variance 1: 0.99

# Initial weights are functions of a random key and a shape.
key = cr.random.key(0)
small = initialisers.uniform(-0.1, 0.1)(key, (300, 100))
xavier = initialisers.xavier_uniform()(key, (300, 100))
print(f"{small.min():.2f} {small.max():.2f}")  # -0.10 0.10
print(f"{xavier.max():.4f} {math.sqrt(6 / (300 + 100)):.4f}")  # 0.1225 0.1225

# Why the size matters: ten layers of tanh, and how far their outputs still spread.
start = cr.constant(rng.normal(0, 1, (50, 100)).astype("float32"))
for name, initial in {
    "all zero": initialisers.zeros,
    "U[-0.1, 0.1]": initialisers.uniform(-0.1, 0.1),
    "Xavier": initialisers.xavier_uniform(),
    "N(0, 1)": initialisers.normal(0.0, 1.0),
}.items():
    seeds, h = cr.nn.Seeds(1), start
    for _ in range(10):
        h = cr.tanh(cr.nn.Linear(100, 100, seed=seeds, initial=initial)(h))
    print(f"{name:12} deviation {cr.std(h).item():.3f}")
# all zero     deviation 0.000
# U[-0.1, 0.1] deviation 0.003
# Xavier       deviation 0.239
# N(0, 1)      deviation 0.960
