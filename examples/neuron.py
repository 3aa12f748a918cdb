"""A neuron, the perceptron, and two layers with sigmoids: by hand and in compact form."""

from __future__ import annotations

import math

import numpy as np

import chainrule as cr
from chainrule.models.perceptron import Perceptron

# A neuron: a weighted sum of its inputs and a bias, through an activation.  a = σ(w·x + b).
x, w, b = cr.constant([1.0, 2.0]), cr.variable([0.5, -1.0]), cr.variable(0.25)
z = cr.vecdot(w, x) + b
print(z.value, round(cr.sigmoid(z).item(), 4))  # -1.25 0.2227
print(round(1 / (1 + math.exp(1.25)), 4))  # 0.2227

# The same sum through other activations.
for activation in (cr.identity, cr.sign, cr.tanh, cr.hard_tanh, cr.relu, cr.leaky_relu):
    print(activation.__name__, round(activation(z).item(), 4))
# identity -1.25
# sign -1.0
# tanh -0.8483
# hard_tanh -1.0
# relu 0.0
# leaky_relu -0.0125

# With sign it is the perceptron.  Its slope is 0 everywhere, so no gradient can train it; Rosenblatt's
# rule can: add gold·x to the weights at each mistake.  It finds OR, and no line there is finds XOR.
print(cr.grad(lambda v: cr.sign(v))(0.5))  # 0.0
corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
perceptron = Perceptron(2)
print(
    perceptron.learn(corners, np.array([-1, 1, 1, 1])), perceptron(cr.constant(corners)).value
)  # True [-1.  1.  1.  1.]
print(Perceptron(2).learn(corners, np.array([-1, 1, 1, -1])))  # False

# Two layers, unit by unit: three hidden units, one output.
x1, x2 = 1.0, 2.0
W = [[0.1, -0.2, 0.3], [0.4, 0.5, -0.6]]  # W[i][j]: from input i to hidden unit j
v = [0.7, -0.8, 0.9]


def sigma(number: float) -> float:
    return 1 / (1 + math.exp(-number))


h1 = sigma(W[0][0] * x1 + W[1][0] * x2)
h2 = sigma(W[0][1] * x1 + W[1][1] * x2)
h3 = sigma(W[0][2] * x1 + W[1][2] * x2)
print(round(sigma(v[0] * h1 + v[1] * h2 + v[2] * h3), 6))  # 0.551277

# The compact form, f(x) = σ(vᵀ σ(Wᵀ x)), is the same number.
f = cr.sigmoid(cr.vecdot(v, cr.sigmoid(cr.constant(W).T @ x)))
print(round(f.item(), 6))  # 0.551277
