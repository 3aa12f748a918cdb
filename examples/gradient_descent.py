"""Batch, mini-batch and stochastic gradient descent: one rule, θ ← θ - η·∇J, over more or fewer examples."""

from __future__ import annotations

import numpy as np

import chainrule as cr

# 240 points on the line y = 2x - 1, with noise; the best line through them has a loss of about 0.01.
rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, 240).astype("float32")
y = (2 * x - 1 + rng.normal(0, 0.1, 240)).astype("float32")


def descend(examples: int, rate: float, epochs: int) -> tuple[list[float], int]:
    """The loss over all data after each epoch, and how many steps were made."""
    w, b = cr.variable(0.0), cr.variable(0.0)

    def loss(x: cr.Node, y: cr.Node, mode: cr.nn.Mode) -> cr.Node:
        return cr.mse_loss(w * x + b, y)

    optimizer = cr.optim.SGD([w, b], rate)
    step = cr.train.TrainingStep(loss, optimizer)
    data = cr.data.Batches((x, y), examples, seed=0)  # another order each epoch
    losses = []
    for epoch in range(epochs):
        for batch in data.epoch(epoch):
            step(batch)
        losses.append(float(((w.array * x + b.array - y) ** 2).mean()))
    return losses, int(optimizer.step.array)


print("examples a step  steps  loss after each epoch")
for examples in (240, 24, 1):  # batch, mini-batch, stochastic
    losses, steps = descend(examples, rate=0.1, epochs=4)
    print(f"{examples:15}  {steps:5}  {'  '.join(f'{loss:.3f}' for loss in losses)}")
# examples a step  steps  loss after each epoch
#             240      4  1.789  1.451  1.192  0.991
#              24     40  0.455  0.080  0.026  0.014
#               1    960  0.304  0.011  0.011  0.012

# One example at a time is quick to arrive and then unsteady: its gradient is a guess at the whole one's.
# A learning rate that decays steadies it (learning_rate_decay.py).
steady, _ = descend(240, 0.5, 40)
unsteady, _ = descend(1, 0.2, 40)
print(f"the last ten epochs differ by {max(steady[-10:]) - min(steady[-10:]):.4f} (batch)")
# the last ten epochs differ by 0.0000 (batch)
print(f"the last ten epochs differ by {max(unsteady[-10:]) - min(unsteady[-10:]):.3f} (stochastic)")
# the last ten epochs differ by 0.009 (stochastic)
