"""Data and networks as a user would have them, and how they are trained."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.graph import Node
from chainrule.train import Evaluation, Settings, Silent, fit


def blobs(rows: int = 300, classes: int = 3, seed: int = 0) -> tuple[Any, Any]:
    """Points around as many centres as there are classes, in eight dimensions."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((classes, 8))
    y = rng.integers(0, classes, rows)
    return (centres[y] + 0.7 * rng.standard_normal((rows, 8))).astype(np.float32), y


def curve(rows: int = 300, seed: int = 0) -> tuple[Any, Any]:
    """y = sin 2x₁ + x₂ with a little noise; y of shape (N,)."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, 2)).astype(np.float32)
    noise = 0.1 * rng.standard_normal(rows)
    return x, (np.sin(2 * x[:, 0]) + x[:, 1] + noise).astype(np.float32)


class Net(cr.nn.Module):
    """Fully connected layers with one activation between them."""

    def __init__(
        self, *sizes: int, activation: Any = cr.relu, drop: float = 0.0, gain: float = 0.0, seed: int = 0
    ) -> None:
        seeds, more = cr.nn.Seeds(seed), {"initial": cr.nn.initialisers.normal(0.0, gain)} if gain else {}
        self.layers = [cr.nn.Linear(a, b, seed=seeds, **more) for a, b in pairwise(sizes)]
        self.activation, self.drop = activation, cr.nn.Dropout(drop) if drop else None

    def forward(self, x: Node, mode: cr.nn.Mode = cr.nn.EVALUATE) -> Node:
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
            x = x if self.drop is None else self.drop(x, mode=mode)
        return self.layers[-1](x)  # type: ignore[no-any-return]


def classify(
    net: Any,
    x: Any,
    y: Any,
    *,
    epochs: int = 15,
    optimizer: Any = None,
    loss: Any = None,
    held_out: tuple[Any, Any] | None = None,
    **batches: Any,
) -> cr.train.Result:
    """Train a classifier as everybody does."""
    score = Evaluation(lambda x, y: {"loss": cr.cross_entropy(net(x), y)})
    return fit(
        net,
        loss or (lambda x, y, mode: cr.cross_entropy(net(x, mode=mode), y)),
        cr.data.Batches((x, y), 20, **batches),
        optimizer or cr.optim.Adam(net.parameters(), 0.01),
        settings=Settings(epochs=epochs),
        validate=None if held_out is None else lambda: score([held_out]),
        reporter=Silent(),
    )


def regress(
    net: Any, loss: Any, *, rows: int = 300, epochs: int = 15, optimizer: Any = None, data: Any = None
) -> cr.train.Result:
    """Train on the curve."""
    return fit(
        net,
        loss,
        cr.data.Batches(data or curve(rows), 20),
        optimizer or cr.optim.Adam(net.parameters(), 0.01),
        settings=Settings(epochs=epochs),
        reporter=Silent(),
    )
