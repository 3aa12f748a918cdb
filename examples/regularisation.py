"""What L1, L2 and elastic net do to weights: L2 makes all of them smaller, L1 makes some of them zero."""

from __future__ import annotations

import numpy as np

import chainrule as cr

# Six features, of which the answer uses the first two; the third is nearly a copy of the first.
rng = np.random.default_rng(0)
x = rng.normal(0, 1, (200, 6)).astype("float32")
x[:, 2] = x[:, 0] + 0.1 * x[:, 2]
y = (2 * x[:, 0] - x[:, 1] + rng.normal(0, 0.5, 200)).astype("float32")


def train(**penalty: float) -> np.ndarray:
    """The six weights after training with these options of the optimizer."""
    w = cr.variable(np.zeros(6, "float32"), name="w")

    def loss(x: cr.Node, y: cr.Node, mode: cr.nn.Mode) -> cr.Node:
        return cr.mse_loss(x @ w, y)

    step = cr.train.TrainingStep(loss, cr.optim.SGD([w], cr.optim.cosine(0.1, 1000), **penalty))
    for _ in range(1000):
        step((x, y))
    return w.array


for name, penalty in {
    "none": {},
    "L2": {"l2": 0.5},
    "L1": {"l1": 0.5},
    "elastic net": {"l1": 0.5, "l2": 0.5},
}.items():
    weights = train(**penalty)
    print(
        f"{name:11}",
        " ".join(f"{weight:5.1f}" for weight in weights),
        f" {(abs(weights) < 0.01).sum()} are zero",
    )
# none          1.3  -1.0   0.7   0.0   0.0  -0.1  0 are zero
# L2            0.8  -0.6   0.8   0.0   0.1  -0.1  0 are zero
# L1            1.0  -0.7   0.7   0.0  -0.0  -0.0  3 are zero
# elastic net   0.7  -0.4   0.7   0.0   0.0  -0.0  3 are zero

# The options add the gradient of a penalty, which can as well stand in the loss, where it is seen.
w = cr.variable([3.0, -4.0])
print(cr.optim.l1([w], 0.5).item(), cr.optim.l2([w], 0.5).item())  # 3.5 12.5
print(cr.gradients(cr.optim.elastic_net([w], l1=0.5, l2=0.5), w).value)  # [ 3.5 -4.5]

# Biases are usually left alone: penalise=cr.optim.except_biases.
layer = cr.nn.Linear(2, 1, seed=0)
layer.bias.assign([1.0])
optimizer = cr.optim.SGD(layer.parameters(), 0.1, l2=1.0, penalise=cr.optim.except_biases)
new = optimizer.updates(0.0 * cr.sum(layer(cr.constant([[1.0, 1.0]]))))
print(
    new[layer.bias].value, bool(np.allclose(new[layer.weight].value, 0.8 * layer.weight.value))
)  # [1.] True
