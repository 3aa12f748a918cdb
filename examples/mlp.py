"""Multi-layer perceptrons with stated dimensions, and biases folded into the weights."""

from __future__ import annotations

import numpy as np

import chainrule as cr
from chainrule.models.perceptron import MLP1, MLP2, FoldedLinear, with_constant

# MLP1(x) = g(x W¹ + b¹) W² + b², with x in R^4, one hidden layer of 3 units, and 2 outputs.
net = MLP1(4, 3, 2, seed=0, activation=cr.tanh)
for name, parameter in net.named_parameters():
    print(name, parameter.shape)
# first.weight (4, 3)
# first.bias (3,)
# second.weight (3, 2)
# second.bias (2,)

# The same as one formula.  Rows are examples: five of them here.
x = cr.constant(np.random.default_rng(0).uniform(-1, 1, (5, 4)).astype("float32"))
W1, b1, W2, b2 = net.parameters()
print(np.array_equal((cr.tanh(x @ W1 + b1) @ W2 + b2).value, net(x).value))  # True

# MLP2(x) = g²(g¹(x W¹ + b¹) W² + b²) W³: a second hidden layer, and no bias at the end.
print(cr.nn.summary(MLP2(4, 3, 6, 2, seed=0), (5, 4)))
# module  kind                    output  parameters
# ──────────────────────────────────────────────────
# first   Linear(4 → 3)           (5, 3)          15
# second  Linear(3 → 6)           (5, 6)          24
# third   Linear(6 → 2, no bias)  (5, 2)          12
# 51 parameters

# A bias is the weight of an input that is always 1: x W + b = [x; 1] W'.
plain = cr.nn.Linear(4, 3, seed=1)
plain.bias.assign([0.5, -0.5, 1.0])
folded = FoldedLinear.of(plain)
print(with_constant(x).shape, folded.weight.shape)  # (5, 5) (5, 3)
print(bool(np.allclose(folded(x).value, plain(x).value)))  # True

# And it learns as a bias does: the last row of ∂L/∂W' is ∂L/∂b.
by_bias = cr.gradients(cr.sum(cr.tanh(plain(x))), plain.bias).value
by_row = cr.gradients(cr.sum(cr.tanh(folded(x))), folded.weight).value[-1]
print(bool(np.allclose(by_bias, by_row)))  # True
