"""The summary: a row a module, every number counted once."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ShapeError


def test_the_lectures_network_has_13002_parameters():
    seeds = nn.Seeds(0)
    net = nn.Sequential(
        nn.Linear(784, 16, seed=seeds),
        nn.Sigmoid(),
        nn.Linear(16, 16, seed=seeds),
        nn.Sigmoid(),
        nn.Linear(16, 10, seed=seeds),
    )
    found = nn.summary(net, (32, 784))
    assert found.parameters == net.parameter_count() == 784 * 16 + 16 + 16 * 16 + 16 + 16 * 10 + 10 == 13_002
    assert str(found).splitlines()[-1] == "13,002 parameters"


class Tagger(nn.Module):
    """Shared and frozen parts, a parameter of its own, two outputs, and a layer that never runs."""

    def __init__(self):
        seeds = nn.Seeds(0)
        self.embedding = nn.Embedding(10, 4, seed=seeds, frozen=True)
        self.shared = nn.Linear(4, 4, seed=seeds)
        self.body = nn.Sequential(self.shared, nn.BatchNorm(4), self.shared)
        self.unused = nn.Linear(4, 100, seed=seeds)
        self.bias = cr.variable(np.zeros(10, "f"))

    def forward(self, ids, mode=nn.EVALUATE):
        h = self.body(self.shared(self.embedding(ids)), mode=mode)
        return h, h @ cr.matrix_transpose(self.embedding.weight) + self.bias


def test_shared_fixed_own_and_unused_numbers():
    model = Tagger()
    found = nn.summary(model, cr.placeholder((2, 3), "int32"))
    assert str(found) == (
        "module         kind                       output                 parameters\n"
        "───────────────────────────────────────────────────────────────────────────\n"
        "embedding      Embedding(10 × 4, frozen)  (2, 3, 4)                       0\n"
        "shared         Linear(4 → 4)              (2, 3, 4)                      20\n"
        "shared         Linear(4 → 4)              (2, 3, 4)                       0\n"
        "body.layers.1  BatchNorm(4)               (2, 3, 4)                       8\n"
        "shared         Linear(4 → 4)              (2, 3, 4)                       0\n"
        "               Tagger()                   (2, 3, 4), (2, 3, 10)          10\n"
        "538 parameters, and 48 numbers that are not trained"
    )
    assert found.parameters == model.parameter_count() == 20 + 8 + 10 + 500
    assert found.fixed == 40 + 8


def test_an_input_that_does_not_fit_is_named():
    with pytest.raises(ShapeError, match=r"inputs of shape \(2, 5\)"):
        nn.summary(nn.Sequential(nn.Linear(4, 3, seed=0)), (2, 5))
