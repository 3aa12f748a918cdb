"""Dropout: units set to zero at random while training, and only then."""

from __future__ import annotations

import numpy as np

import chainrule as cr


class Net(cr.nn.Module):
    """A hidden layer with dropout behind it.  The mode is handed on: there is no switch to forget."""

    def __init__(self, seed: int) -> None:
        seeds = cr.nn.Seeds(seed)
        self.hidden, self.output = cr.nn.Linear(4, 8, seed=seeds), cr.nn.Linear(8, 1, seed=seeds)
        self.dropout = cr.nn.Dropout(0.5)

    def units(self, x: cr.Node, mode: cr.nn.Mode = cr.nn.EVALUATE) -> cr.Node:
        return self.dropout(cr.sigmoid(self.hidden(x)), mode=mode)

    def forward(self, x: cr.Node, mode: cr.nn.Mode = cr.nn.EVALUATE) -> cr.Node:
        return self.output(self.units(x, mode))


net, x = Net(seed=0), cr.constant([[0.5, -1.0, 0.25, 2.0]])
whole = net.units(x).value

# In training about half the units are 0, and the rest doubled, so that the sum keeps its size.
mode = cr.nn.training(cr.random.key(1))
print((net.units(x, mode) / whole).value.astype(int))  # [[0 0 0 0 0 0 2 2]]

# The key decides the mask: the same key, the same units.  Each step of training has its own.
again = net.units(x, cr.nn.training(cr.random.key(1)))
print(np.array_equal(again.value, net.units(x, mode).value))  # False
key = cr.random.key(1)
for step in range(3):
    dropped = net.units(x, cr.nn.training(cr.random.fold_in(key, step))).value == 0
    print(f"step {step}: {dropped.sum()} of 8 dropped")
# step 0: 5 of 8 dropped
# step 1: 1 of 8 dropped
# step 2: 4 of 8 dropped

# Over many steps the mean is that of the whole layer.
many = [net.units(x, cr.nn.training(cr.random.fold_in(key, step))).value for step in range(2000)]
print(bool(np.allclose(np.mean(many, axis=0), whole, atol=0.05)))  # True

# In evaluation, the default, nothing is dropped, and the same input always has the same output.
print(net(x).value == net(x).value)  # [[ True]]

# Training that forgets to hand the mode on is an error, not a silent difference.
forgetful = cr.nn.Sequential(lambda x: net.dropout(x), net.hidden)
try:
    forgetful(x, mode=mode)
except cr.errors.ArgumentError as error:
    print(error.what)  # Dropout was called in training without the mode
