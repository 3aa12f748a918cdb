"""Early stopping: watch a validation set, stop with some patience, and keep the best weights."""

from __future__ import annotations

import numpy as np

import chainrule as cr
from chainrule.models.perceptron import MLP1

# Few noisy examples, nine useless features of ten, and a network with room to learn the noise by heart.
rng = np.random.default_rng(1)
x = rng.normal(0, 1, (130, 10)).astype("float32")
y = (x[:, :1] + rng.normal(0, 0.5, (130, 1))).astype("float32")
train, validation = (x[:30], y[:30]), (x[30:], y[30:])

net = MLP1(10, 32, 1, seed=0, activation=cr.tanh)


def loss(x: cr.Node, y: cr.Node, mode: cr.nn.Mode) -> cr.Node:
    return cr.mse_loss(net(x), y)


score = cr.train.Evaluation(lambda x, y: {"loss": cr.mse_loss(net(x), y)})
result = cr.train.fit(
    net,
    loss,
    cr.data.Batches(train, 10, seed=0),
    cr.optim.Adam(net.parameters(), 0.01),
    settings=cr.train.Settings(epochs=1000, patience=20),
    validate=lambda: score([validation]),
)
best, last = result.best, result.records[-1]
print(result.stopped, len(result.records) == best["epoch"] + 20)  # patience True
print(f"best epoch: validation loss {best['validation_loss']:.2f}, training loss {best['loss']:.2f}")
# best epoch: validation loss 0.48, training loss 0.13
print(f"last epoch: validation loss {last['validation_loss']:.2f}, training loss {last['loss']:.2f}")
# last epoch: validation loss 0.59, training loss 0.03

# The network holds the weights of the best epoch, not those of the last.
print(score([validation])["loss"] == best["validation_loss"])  # True

# The rule by itself: patience is counted from the best score so far.
watch = cr.train.EarlyStopping(patience=2)
for value in (0.9, 0.7, 0.8, 0.6, 0.65, 0.61):
    print(value, "best" if watch.observe(value) else "", "stop" if watch.exhausted else "")
# 0.9 best
# 0.7 best
# 0.8
# 0.6 best
# 0.65
# 0.61  stop
