"""Steps that are refused leave what the steps before them have made: of any program, and waiting rows too."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import Program, optim
from chainrule.errors import ChainruleError, IndexRangeError, NonFiniteError
from chainrule.train.step import TrainingStep

ROWS = 150
OPTIMIZERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "momentum": lambda p: optim.Momentum(p, learning_rate=0.05),
    "adagrad": lambda p: optim.Adagrad(p, learning_rate=0.1),
    "adadelta": lambda p: optim.Adadelta(p, learning_rate=1.0),
    "rmsprop": lambda p: optim.RMSProp(p, learning_rate=0.01),
    "adam": lambda p: optim.Adam(p, learning_rate=0.01, clip=optim.Clip(global_norm=1.0)),
    "lazy adam": lambda p: optim.Adam(p, learning_rate=0.01, lazy=True),
}


class Trained:
    """A table of word vectors that learns to be 1/2, and everything about it that anyone could see."""

    def __init__(self, optimizer: str, engine: str) -> None:
        self.table = cr.variable(np.random.default_rng(1).normal(size=(ROWS, 3)), name="table")
        self.rule = OPTIMIZERS[optimizer]([self.table])
        self.step = TrainingStep(self.loss, self.rule, engine=engine)

    def loss(self, words: cr.Node, scale: cr.Node) -> cr.Node:
        return cr.sum(cr.square(cr.nn.embedding(words, self.table) * scale - 0.5))

    @property
    def waits(self) -> bool:
        return any(getattr(program._engine, "_waits", False) for program in self.step._programs.values())

    def try_step(self, words: Any, scale: float) -> type[Exception] | float:
        try:
            return self.step((words, np.float64(scale)))
        except ChainruleError as error:
            return type(error)

    def see(self) -> list[Any]:
        return [self.table.value, *self.rule.state_dict().values()]


def refusals(rng: np.random.Generator, steps: int, sizes: list[int]) -> list[tuple[Any, float]]:
    """Batches of words, of which one in three is refused: for a number, or for a word that there is not."""
    found = []
    for number in range(steps):
        words, scale = rng.integers(ROWS, size=sizes[number % len(sizes)]), 1.0
        if number and rng.random() < 0.2:
            words[-1] = rng.choice([ROWS, -ROWS - 1, 10**12])
        elif number and rng.random() < 0.2:
            scale = rng.choice([np.nan, np.inf])
        found.append((words, scale))
    return found


@pytest.mark.parametrize("sizes", [[7], [7, 7, 4], [2, 5]], ids=["one program", "two", "in turns"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_refused_step_takes_nothing_with_it(optimizer: str, sizes: list[int]) -> None:
    engines = [Trained(optimizer, engine) for engine in ("stepper", "native")]
    batches = refusals(np.random.default_rng(len(sizes)), 24, sizes)
    kinds = set()
    for number, (words, scale) in enumerate(batches):
        waited = engines[1].waits
        wanted, found = [trained.try_step(words, scale) for trained in engines]
        if isinstance(wanted, type):
            assert found is wanted
            kinds.add((wanted, waited))
        else:
            np.testing.assert_allclose(found, wanted, rtol=1e-9)
        if number % 8 == 7:
            for a, b in zip(*[trained.see() for trained in engines], strict=True):
                np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-12)
    assert {kind for kind, _ in kinds} == {IndexRangeError, NonFiniteError}
    if optimizer in ("adadelta", "rmsprop"):
        assert (NonFiniteError, True) in kinds
        assert (IndexRangeError, True) in kinds


@pytest.mark.parametrize("refused", ["first", "second"])
def test_what_another_program_has_written_is_not_undone(refused: str) -> None:
    """Two programs write to one variable in turns, and neither has seen what the other did."""
    x, count = cr.placeholder((), name="x"), cr.variable(np.zeros(3, np.float32), name="count")
    first, second = [Program([x], [x], {count: count + by + 0 * x}, finite=True) for by in (1, 10)]
    for program in (first, second, first, second):
        program(0.0)
    with pytest.raises(NonFiniteError):
        (first if refused == "first" else second)(np.inf)
    assert count.value.tolist() == [22] * 3


@pytest.mark.parametrize("optimizer", ["adadelta", "adam", "momentum"])
def test_ctrl_c_leaves_whole_steps(optimizer: str) -> None:
    """As many as the counter says: the same that a run of so many gives."""
    words = np.random.default_rng(3).integers(ROWS, size=6)

    def program(trained: Trained) -> Program:
        loss = trained.loss(cr.constant(words), cr.constant(np.float64(1)))
        return Program([], [loss], trained.rule.updates(loss), finite=True)

    stopped, again = Trained(optimizer, "native"), Trained(optimizer, "native")
    endless = program(stopped)
    endless.run_steps(1)
    timer = threading.Timer(0.1, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        endless.run_steps(1 << 40)
    timer.join()
    steps = int(stopped.rule.step.value)
    assert steps > 1
    program(again).run_steps(steps)
    for a, b in zip(stopped.see(), again.see(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_to_undo_a_step_others_run_again_and_write_to_nothing_that_was_given_away() -> None:
    x, count = cr.placeholder((), name="x"), cr.variable(np.zeros(3, np.float32), name="count")
    first, second = [
        Program([x], [count + x], {count: count + by + 0 * x}, finite=True) for by in (1, 10)
    ]  # fmt: skip
    given = [first(0.0)[0], second(0.0)[0], first(0.0)[0], second(0.0)[0]]
    for result in given:
        result += 0.5  # they are the caller's
    with pytest.raises(NonFiniteError):
        first(np.inf)
    assert [result[0] for result in given] == [0.5, 1.5, 11.5, 12.5]
    assert second(0.0)[0].tolist() == [22] * 3
    assert count.value.tolist() == [32] * 3


def test_two_threads_train_the_same_variables_by_two_programs() -> None:
    """Some of whose steps are refused, and undone, while the other waits for its turn."""
    x, count = cr.placeholder((), name="x"), cr.variable(np.zeros(500, np.float64), name="count")
    programs = [Program([x], [x], {count: count + by + 0 * x}, finite=True) for by in (1, 1000)]
    refused = []

    def train(program: Program) -> None:
        for number in range(60):
            try:
                program(np.inf if number % 5 == 4 else 0.0)
            except NonFiniteError:
                refused.append(number)

    threads = [threading.Thread(target=train, args=(program,)) for program in programs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(refused) == 24
    assert set(count.value.tolist()) == {48_048.0}
