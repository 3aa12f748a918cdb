"""State of table rows that waits, decaying, while no batch names them is never seen waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.train.step import TrainingStep

OPTIMIZERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "adadelta": lambda p: optim.Adadelta(p, learning_rate=1.0),
    "rmsprop": lambda p: optim.RMSProp(p, learning_rate=0.01),
}


def trained(
    engine: str, optimizer: str, sizes: list[int], look: Callable[[int], bool]
) -> tuple[list[Any], bool]:
    """All values that were seen on the way, and whether a program put anything off."""
    table = nn.Embedding(200, 3, seed=1)
    rule = OPTIMIZERS[optimizer](table.parameters())

    def loss(words: cr.Node) -> cr.Node:
        return cr.sum(cr.square(table(words) - 0.5))

    step, seen = TrainingStep(loss, rule, engine=engine), []
    rng = np.random.default_rng(5)
    for number, size in enumerate(sizes):
        step(rng.integers(200, size=size))
        if look(number):
            seen += [value.copy() for value in rule.state_dict().values()]
            seen += [parameter.value for parameter in table.parameters()]
    runners = [program._engine for program in step._programs.values()]
    return seen, any(getattr(runner, "_late", ()) for runner in runners)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    ("sizes", "look"),
    [
        ([7] * 12, lambda n: n == 11),
        ([7] * 12, lambda n: n % 3 == 0),
        ([7, 7, 4, 7, 4, 4, 7], lambda n: n > 1),
    ],
    ids=["at the end", "on the way", "two programs"],
)
def test_whoever_looks_sees_what_dense_updates_give(
    optimizer: str, sizes: list[int], look: Callable[[int], bool]
) -> None:
    wanted, none = trained("stepper", optimizer, sizes, look)
    found, waits = trained("native", optimizer, sizes, look)
    assert waits
    assert not none
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-7)
