"""A run that meets a NaN says which epoch, batch, row of the data and op, in each engine and kind of data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.data import Batches
from chainrule.errors import NonFiniteError
from chainrule.graph import Node
from chainrule.train import fit
from chainrule.train.refusals import Refusal

RNG = np.random.default_rng(4)
X = RNG.uniform(0.5, 1.5, size=(23, 3)).astype(np.float32)
ENGINES = ["stepper", "native"]


class Streamed:
    """Batches that only an iterator knows: the loop asks for them one by one."""

    def __init__(self, inner: Batches) -> None:
        self.inner = inner

    def __len__(self) -> int:
        return len(self.inner)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
        return self.inner.epoch(epoch, start)


def refused(data: Any, engine: str, loss: Any = None) -> tuple[str, Refusal]:
    line = cr.nn.Linear(3, 1, seed=0)

    def usual(x: Node) -> Node:
        return (cr.log(x[:, 1]) * line(x)[:, 0]).mean()

    settings = cr.train.Settings(epochs=3, engine=engine)
    with pytest.raises(NonFiniteError) as caught:
        fit(line, loss or usual, data, cr.optim.SGD(line.parameters(), 0.01), settings=settings)
    return str(caught.value), caught.value.about


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("row", [0, 7, 22])
def test_the_row_of_the_data_is_named(engine: str, row: int) -> None:
    x = X.copy()
    x[row, 1] = -1.0
    batches = Batches(x, 4, seed=3)
    text, refusal = refused(batches, engine)
    place = int(np.flatnonzero(batches.permutation(0) == row)[0])
    assert refusal.data_rows == (row,)
    assert refusal.examples == (place % 4,)
    assert f"in epoch 1, batch {place // 4 + 1} of 6 (step {place // 4 + 1})" in text
    assert f"by example {place % 4} of the batch: row {row} of the data" in text
    assert "log first gives NaN" in text
    assert f"input 0[{place % 4}, 1] = -1" in text
    assert "mend:  keep the argument above 0" in text


@pytest.mark.parametrize("engine", ENGINES)
def test_data_that_only_an_iterator_knows(engine: str) -> None:
    x = X.copy()
    x[10, 1] = 0.0
    text, refusal = refused(Streamed(Batches(x, 4, shuffle=False)), engine)
    assert (refusal.examples, refusal.data_rows) == ((2,), ())
    assert "in epoch 1, batch 3 of 6 (step 3)" in text
    assert "by example 2 of the batch\n" in text


@pytest.mark.parametrize("engine", ENGINES)
def test_a_later_epoch_and_a_parameter_that_has_grown(engine: str) -> None:
    w = cr.variable(np.ones(3, np.float32), name="w")

    class Holder(cr.nn.Module):
        def __init__(self) -> None:
            self.w = w

        def forward(self, x: Node) -> Node:
            return cr.exp(x @ self.w)

    model = Holder()
    settings = cr.train.Settings(epochs=50, engine=engine)
    with pytest.raises(NonFiniteError) as caught:
        fit(
            model,
            lambda x: -model(x).mean(),
            Batches(X, 23, shuffle=False),
            cr.optim.SGD([w], 100.0),
            settings=settings,
        )
    text = str(caught.value)
    assert "in epoch 2, batch 1 of 1 (step 2)" in text
    assert "exp first gives ∞" in text
    assert "  w[" in text
    assert "by example" not in text, "all of them did it"
    assert "the parameter w has grown to" in text
    assert "lower the learning rate, or clip the gradients" in text


@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_random_keys_are_replayed(engine: str) -> None:
    """Only where dropout keeps the second feature is its zero seen by the logarithm."""
    x = np.ones((12, 3), np.float32)
    x[:, 1] = -1e-3
    w = cr.variable(np.ones(3, np.float32), name="w")

    def loss(x: Node, mode: cr.nn.Mode) -> Node:
        kept = cr.dropout(x, 0.9, mode.key)
        return (cr.log(1 + 1e4 * kept) * w).sum()

    class Holder(cr.nn.Module):
        def __init__(self) -> None:
            self.w = w

    settings = cr.train.Settings(epochs=3, engine=engine)
    with pytest.raises(NonFiniteError) as caught:
        fit(Holder(), loss, Batches(x, 4, shuffle=False), cr.optim.SGD([w], 1e-3), settings=settings)
    refusal: Refusal = caught.value.about
    assert refusal.finding is not None
    assert refusal.finding.index[1] == 1
    assert refusal.finding.chain[-1].index == (refusal.examples[0], 1)
