"""One hidden layer fits a continuous function on a bounded set, if the layer is wide enough."""

from __future__ import annotations

import numpy as np

import chainrule as cr
from chainrule.models.perceptron import MLP1

# The curve: y = sin(2x) + x/2 on [-2, 2], at 64 places.
x = np.linspace(-2, 2, 64, dtype="float32")[:, None]
y = np.sin(2 * x) + x / 2


def fit(hidden: int) -> MLP1:
    """MLP1 with this many hidden units, trained to a small squared error on all of the curve at once."""
    net = MLP1(1, hidden, 1, seed=3, activation=cr.tanh)

    def loss(x: cr.Node, y: cr.Node, mode: cr.nn.Mode) -> cr.Node:
        return cr.mse_loss(net(x), y)

    steps = 1000
    optimizer = cr.optim.Adam(net.parameters(), cr.optim.cosine(0.1, steps))
    settings = cr.train.Settings(epochs=steps)
    cr.train.fit(net, loss, cr.data.Batches((x, y), len(x)), optimizer, settings=settings)
    return net


# A unit of tanh bends the curve twice, symmetrically: one cannot follow the waves, a few can.
print("units  parameters  largest error")
for hidden in (1, 4, 16):
    net = fit(hidden)
    error = abs(net(cr.constant(x)).value - y).max()
    print(f"{hidden:5}  {net.parameter_count():10}  {error:13.1f}")
# units  parameters  largest error
#     1           4            0.8
#     4          13            0.0
#    16          49            0.0

# The promise is for the bounded set only: outside it, the network goes its own way.
outside = np.array([[5.0]], "float32")
print(abs(net(cr.constant(outside)).value - (np.sin(2 * outside) + outside / 2)).item() > 0.5)  # True
