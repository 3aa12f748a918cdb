from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.engines.stepper import Stepper
from chainrule.optim import SGD, Adadelta, Adagrad, Adam, Clip, Momentum, RMSProp
from chainrule.simplify import Simplified, simplify

from .comparing import op_names

ROWS, WIDTH = 17, 3
TOUCHED = "only the rows that a batch touches are updated"
WAITS = "rows that no batch touches wait, and are caught up when one does"
STEP = "x ± (added rows), times rates: added to those rows of x"


class Problem:
    """Scores of words from two look-ups of one table, trained by an optimizer."""

    def __init__(
        self, make: Callable[..., Any], *, dtype: str = "float64", index: str = "int64", **more: Any
    ):
        rng = np.random.default_rng(8)
        self.table = cr.variable(rng.normal(size=(ROWS, WIDTH)).astype(dtype), name="table")
        self.weight = cr.variable(rng.normal(size=WIDTH).astype(dtype), name="weight")
        self.good, self.bad = (cr.placeholder((4, 2), index, name=name) for name in ("good", "bad"))
        scores = [
            cr.tanh(cr.nn.embedding(words, self.table, **more) @ self.weight)
            for words in (self.good, self.bad)
        ]
        self.loss = cr.mean(cr.square(1 - scores[0] + scores[1]))
        self.optimizer = make([self.table, self.weight])
        self.updates = self.optimizer.updates(self.loss)

    def batches(self, count: int, seed: int = 1) -> list[dict[cr.Node, Any]]:
        rng = np.random.default_rng(seed)
        few = rng.integers(0, ROWS, (count, 3))  # so that rows wait, for longer or shorter
        return [
            {leaf: rng.choice(rows, leaf.shape).astype(leaf.dtype) for leaf in (self.good, self.bad)}
            for rows in few
        ]


def trained(
    outputs: Sequence[cr.Node], updates: Mapping[cr.Variable, cr.Node], batches: Sequence[dict[cr.Node, Any]]
) -> list[float]:
    step = Stepper(outputs, updates)
    return [float(step.run(dict(batch))[0]) for batch in batches]


def compare(problem: Any, found: Simplified, batches: Sequence[Any], rtol: float = 1e-12) -> None:
    """The dense program and the simplified one, from the same start: losses and every variable."""
    start = {v: v.array.copy() for v in problem.updates}
    dense = trained([problem.loss], problem.updates, batches)
    wanted = {v: v.array.copy() for v in problem.updates}
    for v, array in start.items():
        v.assign(array)
    sparse = trained(found.outputs, found.updates, batches)
    if found.flush:
        Stepper([], found.flush).run({})
    np.testing.assert_allclose(sparse, dense, rtol=rtol)
    for v, array in wanted.items():
        np.testing.assert_allclose(v.array, array, rtol=rtol, atol=rtol, err_msg=v.label)


STILL = {
    "sgd": lambda p: SGD(p, 0.1),
    "sgd clipped": lambda p: SGD(p, 0.1, clip=Clip(global_norm=0.05)),
    "adagrad": lambda p: Adagrad(p, 0.1),
    "adagrad clipped": lambda p: Adagrad(p, 0.1, clip=Clip(global_norm=0.05)),
    "schedule": lambda p: Adagrad(p, cr.optim.exponential(0.1, 0.9)),
    "lazy adam": lambda p: Adam([{"parameters": p[:1], "lazy": True}, {"parameters": p[1:]}], 0.1),
}
DECAYING = {
    "adadelta": lambda p: Adadelta(p),
    "rmsprop": lambda p: RMSProp(p, 0.05, rho=0.9),
    "rmsprop centered": lambda p: RMSProp(p, 0.05, rho=0.9, centered=True),
    "rho 0": lambda p: RMSProp(p, 0.05, rho=0.0),
}
MOVING = {
    "adam": lambda p: Adam(p, 0.05),
    "momentum": lambda p: Momentum(p, 0.1),
    "rmsprop momentum": lambda p: RMSProp(p, 0.05, momentum=0.5),
    "coupled decay": lambda p: SGD(p, 0.1, weight_decay=0.1),
    "decoupled decay": lambda p: Adagrad(p, 0.1, weight_decay=0.1, decoupled=True),
    "l1": lambda p: SGD(p, 0.1, l1=0.01),
    "adagrad without epsilon": lambda p: Adagrad(p, 0.1, epsilon=0.0, initial=0.5),  # 0 / 0 is not ruled out
}


def table_sized(found: Simplified, problem: Problem) -> list[str]:
    """The ops, leaves and the writing itself aside, that make an array as large as the table."""
    return [
        node.op.name
        for node in cr.graph.topological([*found.outputs, *found.updates.values()])
        if node.shape == problem.table.shape and node.inputs and node.op.name not in ("put_rows", "add_rows")
    ]


@pytest.mark.parametrize("make", STILL.values(), ids=STILL)
@pytest.mark.parametrize("index", ["int64", "int32"])
def test_rows_that_stay_as_they_are_are_not_visited(make, index) -> None:
    problem = Problem(make, index=index)
    found = simplify([problem.loss], problem.updates)
    assert not found.flush
    clipped = problem.optimizer.clip is not None
    counts = found.journal.counts()
    assert (counts.get(STEP, 0), counts.get(TOUCHED, 0)) == {"add_rows": (1, 0), "put_rows": (0, 2)}[
        found.updates[problem.table].op.name
    ] or isinstance(problem.optimizer, Adam)
    assert clipped or table_sized(found, problem) == []
    compare(problem, found, problem.batches(6))


@pytest.mark.parametrize("make", DECAYING.values(), ids=DECAYING)
def test_state_that_decays_waits_and_is_caught_up(make) -> None:
    problem = Problem(make)
    found = simplify([problem.loss], problem.updates, catch_up=True)
    counts = found.journal.counts()
    assert counts[TOUCHED] == 1
    assert counts[WAITS] == len(found.flush) - 2
    assert table_sized(found, problem) == []
    assert set(found.flush) >= {v for v in found.updates if v.shape == problem.table.shape} - {problem.table}
    compare(problem, found, problem.batches(12))


@pytest.mark.parametrize("make", DECAYING.values(), ids=DECAYING)
def test_state_that_decays_does_not_wait_unless_somebody_flushes(make) -> None:
    problem = Problem(make)
    found = simplify([problem.loss], problem.updates)
    assert not found.flush
    assert set(found.updates) == set(problem.updates)
    compare(problem, found, problem.batches(5))


def test_a_flush_in_the_middle_changes_nothing_and_sets_the_clock_back() -> None:
    problem = Problem(DECAYING["adadelta"])
    found = simplify([problem.loss], problem.updates, catch_up=True)
    start = {v: v.array.copy() for v in problem.updates}
    batches = problem.batches(8)
    trained([problem.loss], problem.updates, batches)
    wanted = {v: v.array.copy() for v in problem.updates}
    for v, array in start.items():
        v.assign(array)
    for part in (batches[:3], batches[3:4], batches[4:]):
        trained(found.outputs, found.updates, part)
        for _ in range(2):  # once more does no harm
            Stepper([], found.flush).run({})
        own = [v for v in found.updates if v not in problem.updates]
        assert [v.label for v in own] == ["clock", "table.squares.last"] or len(own) == 2
        assert not any(v.array.any() for v in own)
    for v, array in wanted.items():
        np.testing.assert_allclose(v.array, array, rtol=1e-12, atol=1e-15)


def test_powers_are_exact_to_rounding_over_thousands_of_steps() -> None:
    problem = Problem(DECAYING["adadelta"], dtype="float32")
    found = simplify([problem.loss], problem.updates, catch_up=True)
    squares = problem.optimizer.state["table.squares"]
    squares.assign(np.full(squares.shape, 3.0, "float32"))
    once = {problem.good: np.zeros((4, 2), int), problem.bad: np.zeros((4, 2), int)}
    trained(found.outputs, found.updates, [once] * 300)
    Stepper([], found.flush).run({})
    decay = float(np.float32(0.9)) ** 300
    np.testing.assert_allclose(squares.array[1:], 3.0 * decay, rtol=1e-6)


@pytest.mark.parametrize("make", MOVING.values(), ids=MOVING)
def test_what_moves_without_a_gradient_stays_dense(make) -> None:
    problem = Problem(make)
    found = simplify([problem.loss], problem.updates, catch_up=True)
    assert not {TOUCHED, WAITS, STEP} & found.journal.counts().keys()
    assert not found.flush
    compare(problem, found, problem.batches(5))


def test_state_that_somebody_else_reads_cannot_wait() -> None:
    problem = Problem(DECAYING["adadelta"])
    squares = problem.optimizer.state["table.squares"]
    for watched in (cr.sum(squares), squares * 1.0):
        found = simplify([problem.loss, watched], problem.updates, catch_up=True)
        assert TOUCHED not in found.journal.counts()
    fading = 0.9 * squares  # a part of the update
    assert TOUCHED not in simplify([fading], problem.updates, catch_up=True).journal.counts()
    whole = problem.updates[squares]
    assert TOUCHED not in simplify([whole], problem.updates, catch_up=True).journal.counts()
    copy = cr.variable(np.zeros(squares.shape))
    found = simplify([problem.loss], {**problem.updates, copy: whole}, catch_up=True)
    assert TOUCHED not in found.journal.counts()
    found = simplify([problem.loss], {**problem.updates, copy: squares + 0.0}, catch_up=True)
    assert TOUCHED not in found.journal.counts()


def test_the_table_itself_may_be_read_by_anybody() -> None:
    problem = Problem(DECAYING["adadelta"])
    found = simplify([problem.loss, cr.sum(problem.table)], problem.updates, catch_up=True)
    assert TOUCHED in found.journal.counts()
    batches = problem.batches(4)
    start = {v: v.array.copy() for v in problem.updates}
    step = Stepper([problem.loss, cr.sum(problem.table)], problem.updates)
    wanted = [step.run(dict(batch)) for batch in batches]
    for v, array in start.items():
        v.assign(array)
    step = Stepper(found.outputs, found.updates)
    np.testing.assert_allclose([step.run(dict(batch)) for batch in batches], wanted, rtol=1e-12)


def test_a_gradient_that_is_not_only_rows_stays_dense() -> None:
    problem = Problem(STILL["adagrad"])
    loss = problem.loss + 0.01 * cr.sum(cr.square(problem.table))
    found = simplify([loss], problem.optimizer.updates(loss))
    assert TOUCHED not in found.journal.counts()


def test_a_table_with_fewer_rows_than_look_ups_is_updated_as_a_whole() -> None:
    table = cr.variable(np.ones((5, 2)))
    loss = cr.sum(cr.square(cr.take(table, [0, 1, 2, 2, 1, 0], axis=0)))
    for rule in ("sgd", "adagrad", "adagrad clipped"):
        updates = STILL[rule]([table]).updates(loss)
        assert not {TOUCHED, STEP} & simplify([loss], updates).journal.counts().keys()


def test_two_tables_each_with_rows_of_its_own() -> None:
    rng = np.random.default_rng(0)
    tables = [cr.variable(rng.normal(size=(9, 2)), name=name) for name in ("a", "b")]
    words = [cr.placeholder((3,), "int64", name=name) for name in ("i", "j")]
    loss = cr.sum(cr.sin(cr.take(tables[0], words[0], axis=0) * cr.take(tables[1], words[1], axis=0)))
    optimizer = Adadelta(tables)

    class Both:
        updates = optimizer.updates(loss)

    Both.loss = loss  # type: ignore[attr-defined]
    found = simplify([loss], Both.updates, catch_up=True)
    assert op_names(found.updates.values()).count("first_places") == 2
    assert [v.label for v in found.updates if v not in Both.updates].count("clock") == 1
    batches = [{leaf: rng.integers(-9, 9, 3) for leaf in words} for _ in range(8)]
    compare(Both, found, batches)


def test_a_table_of_vectors_of_numbers_and_one_of_matrices() -> None:
    for shape in ((10,), (10, 2, 3)):
        table = cr.variable(np.random.default_rng(0).normal(size=shape))
        words = cr.placeholder((4,), "int64", name="words")
        loss = cr.sum(cr.square(cr.take(table, words, axis=0)))

        class One:
            updates = Adadelta([table]).updates(loss)

        One.loss = loss  # type: ignore[attr-defined]
        found = simplify([loss], One.updates, catch_up=True)
        assert TOUCHED in found.journal.counts()
        compare(One, found, [{words: np.array(w)} for w in ([1, 1, 2, 9], [0, -1, 3, 3], [1, 2, 5, 6])])


def test_a_padding_row_receives_nothing() -> None:
    problem = Problem(STILL["adagrad"], padding_index=0)
    before = problem.table.array[0].copy()
    found = simplify([problem.loss], problem.updates)
    compare(problem, found, [{problem.good: np.zeros((4, 2), int), problem.bad: np.ones((4, 2), int)}])
    np.testing.assert_array_equal(problem.table.array[0], before)


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.lists(st.integers(-ROWS, ROWS - 1), min_size=5, max_size=5), min_size=1, max_size=6),
    st.sampled_from(["adagrad", "adadelta", "rmsprop centered"]),
)
def test_any_sequence_of_rows(batches, rule) -> None:
    table = cr.variable(np.random.default_rng(0).normal(size=(ROWS, 2)))
    words = cr.placeholder((5,), "int64", name="words")
    loss = cr.sum(cr.sin(cr.take(table, words, axis=0)))

    class Some:
        updates = (STILL | DECAYING)[rule]([table]).updates(loss)

    Some.loss = loss  # type: ignore[attr-defined]
    compare(Some, simplify([loss], Some.updates, catch_up=True), [{words: np.array(b)} for b in batches])
