"""Epochs inside the program: the same numbers, in the same order, as steps that are called one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.data import Batches, BucketedBatches, ContextBatches, ContextPairs, WordPairs
from chainrule.errors import DTypeError, IndexRangeError, NonFiniteError
from chainrule.graph import Node
from chainrule.train import EpochLoop, Settings, Training, TrainingStep
from chainrule.train.epochs import gathered

RNG = np.random.default_rng(7)
X = RNG.standard_normal((23, 4)).astype(np.float32)
Y = RNG.integers(0, 3, 23)


class Net(cr.nn.Module):
    """Dropout, so that random keys matter, and a table, so that some rows are not touched."""

    def __init__(self) -> None:
        seeds = cr.nn.Seeds(0)
        self.table = cr.nn.Embedding(12, 4, seed=seeds)
        self.drop = cr.nn.Dropout(0.4)
        self.out = cr.nn.Linear(4, 3, seed=seeds)

    def forward(self, x: Node, mode: cr.nn.Mode = cr.nn.EVALUATE) -> Node:
        return self.out(self.drop(cr.tanh(x), mode=mode))  # type: ignore[no-any-return]


def of_tuple(net: Net) -> Any:
    return lambda x, y, mode: cr.cross_entropy(net(x, mode=mode), y)


def of_one(net: Net) -> Any:
    return lambda x, mode: (net(x, mode=mode) ** 2).mean()


def of_words(net: Net) -> Any:
    def loss(contexts: Node, targets: Node, mode: cr.nn.Mode) -> Node:
        return cr.cross_entropy(net(net.table(contexts).mean(axis=1), mode=mode), targets % 3)

    return loss


def wide(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same numbers in memory that is not contiguous."""
    return np.repeat(array, 2, axis=0)[::2]


def of_pairs(net: Net) -> Any:
    return lambda words, others, mode: cr.cross_entropy(net(net.table(words), mode=mode), others % 3)


DOCUMENTS = [RNG.integers(1, 12, length) for length in (9, 1, 14, 5)]
COUNTS = np.bincount(np.concatenate(DOCUMENTS), minlength=12)
CASES: dict[str, tuple[Callable[[], Any], Callable[[Net], Any]]] = {
    "tuple": (lambda: Batches((X, Y), 4, seed=3), of_tuple),
    "dict": (lambda: Batches({"y": Y, "x": X}, 4, seed=3), of_tuple),
    "one array": (lambda: Batches(X, 5, seed=3), of_one),
    "in order": (lambda: Batches((X, Y), 4, shuffle=False), of_tuple),
    "last dropped": (lambda: Batches((X, Y), 4, drop_last=True), of_tuple),
    "no last": (lambda: Batches((X[:20], Y[:20]), 4), of_tuple),
    "one batch": (lambda: Batches((X, Y), 23), of_tuple),
    "single rows": (lambda: Batches((X, Y), 1), of_tuple),
    "not contiguous": (lambda: Batches((wide(X), Y[::-1]), 4), of_tuple),
    "int32, float64": (lambda: Batches((X, Y.astype(np.int32)), 4), of_tuple),
    "contexts": (lambda: ContextBatches(DOCUMENTS, 3, 4, seed=2), of_words),
    "redrawn": (lambda: ContextPairs(DOCUMENTS, COUNTS, window=2, size=4, threshold=0.2, seed=2), of_words),
    "redrawn pairs": (lambda: WordPairs(DOCUMENTS, COUNTS, window=2, size=5, threshold=0.2), of_pairs),
}


def state(net: Net, optimizer: Any) -> dict[str, list[Any]]:
    return {k: v.tolist() for k, v in (net.state_dict() | optimizer.state_dict()).items()}


def arrays(net: Net, optimizer: Any) -> list[Any]:
    return [*net.state_dict().values(), *optimizer.state_dict().values()]


def assert_same(engine: str, found: Any, expected: Any) -> None:
    if engine == "stepper":
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("engine", "slices"),
    [("stepper", [1]), ("stepper", [3]), ("stepper", [2, 1, 5]), ("stepper", [100]), ("native", [2, 1, 5])],
)
@pytest.mark.parametrize("case", CASES)
def test_inside_and_one_by_one_are_the_same(case: str, engine: str, slices: list[int]) -> None:
    """To the bit by the stepper; machine code may add in another order."""
    make_data, make_loss = CASES[case]
    data = make_data()
    one, inside = Net(), Net()
    adam, other = (cr.optim.Adam(net.parameters(), 0.05) for net in (one, inside))
    step = TrainingStep(make_loss(one), adam, seed=5, engine=engine)
    loop = EpochLoop(TrainingStep(make_loss(inside), other, seed=5, engine=engine), data)
    assert loop.whole == len(data) or loop.whole == len(data) - 1
    for epoch in range(2):
        loss_sum = 0.0
        batches = list(data.epoch(epoch))
        for batch in batches[: loop.whole]:
            loss_sum += step(batch) * data.size
        loop.begin(epoch)
        while loop.batch < loop.whole:
            loop.run(min(slices[loop.batch % len(slices)], loop.whole - loop.batch))
        assert_same(engine, loop.loss_sum, loss_sum)
        for found, expected in zip(arrays(inside, other), arrays(one, adam), strict=True):
            assert_same(engine, found, expected)
        for number, batch in enumerate(batches):
            again = loop.take(number)
            assert all(np.array_equal(p, q) for p, q in zip(parts(batch), parts(again), strict=True))


def parts(batch: Any) -> list[Any]:
    return [*batch.values()] if isinstance(batch, dict) else [*batch] if isinstance(batch, tuple) else [batch]


class OneByOne:
    """Data that says nothing of its arrays."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
        return iter(self.data.epoch(epoch, start))


@pytest.mark.parametrize("case", CASES)
def test_fit_leaves_the_same_records_and_weights_either_way(case: str) -> None:
    make_data, make_loss = CASES[case]
    found = []
    for data in (make_data(), OneByOne(make_data())):
        net = Net()
        optimizer = cr.optim.Adam(net.parameters(), 0.05)
        settings = Settings(epochs=3, seed=1, engine="stepper", ignore=("no-gradient", "order"))
        training = Training(net, make_loss(net), data, optimizer, settings)
        result = training.run()
        assert (training._inside is None) == isinstance(data, OneByOne)
        records = [{k: v for k, v in record.items() if k != "seconds"} for record in result.records]
        found.append((records, state(net, optimizer)))
    assert found[0] == found[1]


def test_an_epoch_can_be_taken_up_in_the_middle() -> None:
    data, nets = Batches((X, Y), 4, seed=3), (Net(), Net())
    loops = [
        EpochLoop(TrainingStep(of_tuple(net), cr.optim.SGD(net.parameters(), 0.1)), data) for net in nets
    ]
    loops[0].begin(2)
    loops[0].run(5)
    loops[1].begin(2)
    loops[1].run(2)
    at = loops[1].batch, loops[1].loss_sum
    loops[1].begin(9)
    loops[1].begin(2, *at)
    loops[1].run(3)
    assert loops[0].loss_sum == loops[1].loss_sum
    assert nets[0].state_dict()["out.weight"].tolist() == nets[1].state_dict()["out.weight"].tolist()


def test_an_epoch_whose_arrays_are_its_own_can_be_taken_up_in_the_middle() -> None:
    def run(*spans: tuple[int, int, int]) -> list[Any]:
        net = Net()
        data = CASES["redrawn pairs"][0]()
        loop = EpochLoop(TrainingStep(of_pairs(net), cr.optim.SGD(net.parameters(), 0.1)), data)
        for epoch, batch, steps in spans:
            loop.begin(epoch, batch)
            loop.run(steps)
        return [array.tolist() for array in net.state_dict().values()]

    assert run((3, 0, 4)) == run((3, 0, 1), (3, 1, 3))
    assert run((3, 0, 4)) != run((2, 0, 4))


def test_data_that_makes_its_batches_otherwise_is_asked_for_them() -> None:
    class Noisy(Batches):
        def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
            return ((x * 2, y) for x, y in super().epoch(epoch, start))

    class Named(Batches):
        """Nothing about its batches is its own."""

    class Gathering(Noisy):
        def gather(self, arrays: Any, rows: Any) -> Any:
            x, y = super().gather(arrays, rows)
            return x * 2, y

    assert gathered(Noisy((X, Y), 4)) is None
    assert gathered(BucketedBatches(DOCUMENTS, 2)) is None
    assert gathered(OneByOne(Batches(X, 4))) is None
    assert gathered(Batches(X, 24)) is None, "no whole batch"
    for kind in (Batches, Named, Gathering):
        data = kind((X, Y), 4)
        assert gathered(data) is data


@pytest.mark.parametrize("engine", ["stepper", "native"])
@pytest.mark.parametrize("slice_", [1, 3, 5])
def test_a_step_that_is_not_finite_is_named_and_everything_is_as_before_it(slice_: int, engine: str) -> None:
    x = X.copy()
    x[9] = np.nan  # in the third batch
    net = Net()
    optimizer = cr.optim.Adam(net.parameters(), 0.05)
    inside = TrainingStep(of_tuple(net), optimizer, seed=5, engine=engine)
    loop = EpochLoop(inside, Batches((x, Y), 4, shuffle=False))
    expected = Net()
    adam = cr.optim.Adam(expected.parameters(), 0.05)
    step = TrainingStep(of_tuple(expected), adam, seed=5, engine=engine)
    loss_sum = sum(step((x[b * 4 : b * 4 + 4], Y[b * 4 : b * 4 + 4])) * 4 for b in range(2))
    loop.begin(0)

    def run() -> None:
        for _ in range(5):
            loop.run(slice_)

    with pytest.raises(NonFiniteError, match="the loss is not finite; nothing was updated") as caught:
        run()
    assert "test_epochs.py" in str(caught.value)
    assert "input 0" in str(caught.value)
    assert loop.batch == 2
    assert_same(engine, loop.loss_sum, loss_sum)
    for array, wanted in zip(arrays(net, optimizer), arrays(expected, adam), strict=True):
        assert_same(engine, array, wanted)


def test_training_stands_where_the_error_stopped_it() -> None:
    x = X.copy()
    x[17] = np.inf
    net = Net()
    optimizer = cr.optim.SGD(net.parameters(), 0.1)
    training = Training(
        net,
        lambda x, mode: (net(x, mode=mode) ** 2).sum() - (x - x).sum(),
        Batches(x, 4, shuffle=False),
        optimizer,
        Settings(),
    )
    with pytest.raises(NonFiniteError):
        training.run()
    at = training.position
    assert (at.batch, at.examples, optimizer.state_dict()["step"]) == (4, 16, 4)


def test_what_a_batch_refuses_is_refused_inside() -> None:
    net = Net()
    optimizer = cr.optim.SGD(net.parameters(), 0.1)
    wrong = Batches((X, np.where(np.arange(23) == 6, 3, Y)), 4, shuffle=False)
    with pytest.raises(IndexRangeError):
        Training(net, of_tuple(net), wrong, optimizer, Settings(epochs=1)).run()
    with pytest.raises(DTypeError):
        Training(net, of_one(net), Batches(X.astype(np.float16), 4), optimizer, Settings(epochs=1)).run()
    hidden = np.ma.array(X, mask=X > 1)
    with pytest.raises(DTypeError, match="masked"):
        Training(net, of_one(net), Batches(hidden, 4), optimizer, Settings(epochs=1)).run()
