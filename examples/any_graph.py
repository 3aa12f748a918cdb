"""Networks that are no chain of layers: skip connections, shared weights, a loss of one's own."""

from __future__ import annotations

import numpy as np

import chainrule as cr

x = cr.constant(np.random.default_rng(0).uniform(-1, 1, (3, 8)).astype("float32"))

# A skip connection, x + f(x): the 1 in 1 + f'(x) lets the gradient past f.  Thirty layers deep, a plain
# network's gradient has all but vanished at the input; with skips it arrives.
seeds = cr.nn.Seeds(0)
layers = [cr.nn.Sequential(cr.nn.Linear(8, 8, seed=seeds), cr.nn.Sigmoid()) for _ in range(30)]
plain = cr.nn.Sequential(*layers)
skipping = cr.nn.Sequential(*[cr.nn.Residual(layer) for layer in layers])
for name, net in (("plain", plain), ("skipping", skipping)):
    slope = cr.grad(lambda inputs, net=net: cr.sum(net(inputs)))(x)
    print(f"{name}: gradient at the input {np.linalg.norm(slope):.0e}")
# plain: gradient at the input 2e-20
# skipping: gradient at the input 6e+00

# Shared weights: one layer used twice is one parameter, and its gradient the sum over both uses.
first, second = cr.constant([[1.0, 2.0]]), cr.constant([[3.0, -1.0]])
W = cr.variable([[0.5], [0.25]])
both = cr.sum(first @ W) * 2 + cr.sum(second @ W)
print(cr.gradients(both, W).value.ravel(), (2 * first + second).value.ravel())  # [5. 3.] [5. 3.]


class Siamese(cr.nn.Module):
    """How alike two things are, read by the same network."""

    def __init__(self, seed: int) -> None:
        self.read = cr.nn.Linear(2, 4, seed=seed)

    def forward(self, left: cr.Node, right: cr.Node) -> cr.Node:
        return cr.cosine_similarity(cr.tanh(self.read(left)), cr.tanh(self.read(right)))


twins = Siamese(seed=0)
print(f"{twins(first, first).item():.4f}", twins.parameter_count())  # 1.0000 12

# A special loss is an expression too.  Max-margin: a true score should be 1 above a corrupted one.
true, corrupted = cr.variable([3.0, 0.5]), cr.variable([1.0, 0.0])
loss = cr.sum(cr.maximum(0, 1 + corrupted - true))
print(loss.item(), cr.max_margin(true, corrupted, reduction="sum").item())  # 0.5 0.5
print(cr.gradients(loss, true).value, cr.gradients(loss, corrupted).value)  # [-0. -1.] [0. 1.]

# Any expression: squared error where the answer is too low counted four times.
answer, gold = cr.variable([1.0, 3.0]), cr.constant([2.0, 2.0])
miss = gold - answer
lopsided = cr.mean(cr.where(miss > 0, 4.0, 1.0) * cr.square(miss))
print(lopsided.item(), cr.gradients(lopsided, answer).value)  # 2.5 [-4.  1.]
print(cr.check_gradients(lopsided, order=2).worst.difference < 1e-6)  # True
