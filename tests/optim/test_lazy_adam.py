from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines.stepper import Stepper
from chainrule.errors import ArgumentError

ROWS, WIDTH = 7, 3
BATCHES = [[1, 4, 1, 6], [4, 4, 2, 0], [6, 3, 1, 1], [0, 0, 0, 5]]


def written_out(table, gradients, *, rate=0.05, beta1=0.9, beta2=0.999, epsilon=1e-8, amsgrad=False):
    """The rows that each step's gradient names, updated one by one: g = {row: sum} for each step."""
    table = table.copy()
    mean, squares, largest = (np.zeros_like(table) for _ in range(3))
    for t, step in enumerate(gradients, start=1):
        for row, g in step.items():
            mean[row] = beta1 * mean[row] + (1 - beta1) * g
            squares[row] = beta2 * squares[row] + (1 - beta2) * g * g
            largest[row] = np.maximum(largest[row], squares[row])
            spread = largest[row] if amsgrad else squares[row]
            corrected = mean[row] / (1 - beta1**t)
            table[row] -= rate * corrected / (np.sqrt(spread / (1 - beta2**t)) + epsilon)
    return table, {"mean": mean, "squares": squares, "largest": largest}


def by_row(indices, weights, scale=1.0):
    sums: dict[int, np.ndarray] = {}
    for index, weight in zip(indices, weights, strict=True):
        sums[index % ROWS] = sums.get(index % ROWS, 0) + scale * weight
    return sums


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("twice", [False, True], ids=["one look-up", "two look-ups"])
def test_only_the_rows_looked_up_change_as_written_out(amsgrad: bool, twice: bool) -> None:
    rng = np.random.default_rng(3)
    start = rng.normal(size=(ROWS, WIDTH))
    weights = rng.normal(size=(len(BATCHES), 4, WIDTH))
    table = cr.variable(start, name="table")
    words, factors = cr.placeholder((4,), "int64"), cr.placeholder((4, WIDTH), "float64")
    loss = cr.sum(cr.take(table, words, axis=0) * factors)
    if twice:  # the same table again, from the end: -1 is its last row
        loss = loss + cr.sum(cr.take(table, -words, axis=0) * factors) * 0.5
    optimizer = cr.optim.Adam([table], 0.05, amsgrad=amsgrad, lazy=True)
    program = Stepper([loss], optimizer.updates(loss))
    expected = []
    for indices, weight in zip(BATCHES, weights, strict=True):
        step = by_row(indices, weight)
        if twice:
            for row, extra in by_row([-i for i in indices], weight, 0.5).items():
                step[row] = step.get(row, 0) + extra
        expected.append(step)
        program.run({words: np.array(indices), factors: weight})
    wanted, state = written_out(start, expected, amsgrad=amsgrad)
    np.testing.assert_allclose(table.array, wanted, rtol=1e-12, atol=1e-14)
    for name, held in optimizer.state.items():
        if "." in name:
            np.testing.assert_allclose(held.array, state[name.split(".")[1]], rtol=1e-12, atol=1e-14)


def test_rows_that_every_batch_touches_move_as_in_adam_and_the_others_not_at_all() -> None:
    start = np.random.default_rng(0).normal(size=(5, 2))
    tables = []
    for lazy in (False, True):
        table = cr.variable(start)
        loss = cr.sum(cr.square(cr.take(table, [3, 1], axis=0)))
        step = Stepper([], cr.optim.Adam([table], 0.1, lazy=lazy).updates(loss))
        for _ in range(6):
            step.run({})
        tables.append(table.array)
    np.testing.assert_allclose(tables[1][[1, 3]], tables[0][[1, 3]], rtol=1e-13)
    np.testing.assert_array_equal(tables[1][[0, 2, 4]], start[[0, 2, 4]])


def test_a_group_of_tables_beside_dense_parameters() -> None:
    table, weight = cr.variable(np.ones((4, 2)), name="table"), cr.variable(np.ones(2), name="weight")
    loss = cr.sum(cr.take(table, [0, 2, 0], axis=0) @ weight)
    optimizer = cr.optim.Adam([{"parameters": [table], "lazy": True}, {"parameters": [weight]}], 0.5)
    Stepper([], optimizer.updates(loss)).run({})
    np.testing.assert_allclose(table.array, [[0.5, 0.5], [1, 1], [0.5, 0.5], [1, 1]], rtol=1e-7)
    np.testing.assert_allclose(weight.array, [0.5, 0.5], rtol=1e-7)


def test_clipping_by_the_norm_leaves_the_gradient_a_sum_of_look_ups() -> None:
    start = np.arange(8.0).reshape(4, 2)
    table = cr.variable(start)
    loss = cr.sum(cr.square(cr.take(table, [1, 1, 3], axis=0)))
    optimizer = cr.optim.Adam([table], 0.1, lazy=True, clip=cr.optim.Clip(global_norm=1.0))
    Stepper([], optimizer.updates(loss)).run({})
    gradient = {1: 4 * start[1], 3: 2 * start[3]}
    norm = np.sqrt(sum(float(np.sum(g * g)) for g in gradient.values()))
    wanted, _ = written_out(start, [{row: g / norm for row, g in gradient.items()}], rate=0.1)
    np.testing.assert_allclose(table.array, wanted, rtol=1e-9)


@pytest.mark.parametrize(
    ("loss_of", "options"),
    [
        (lambda table: cr.sum(table * table), {}),
        (lambda table: cr.sum(cr.take(table, [0], axis=0)), {"weight_decay": 0.1}),
        (lambda table: cr.sum(cr.take(table, [0], axis=1)), {}),
    ],
    ids=["dense", "coupled decay", "columns"],
)
def test_a_gradient_that_is_no_sum_of_look_ups_is_refused(loss_of, options) -> None:
    table = cr.variable(np.ones((3, 2)), name="table")
    optimizer = cr.optim.Adam([table], lazy=True, **options)
    with pytest.raises(ArgumentError, match=r"lazy=True.*gradient of table.*not a sum of look-ups"):
        optimizer.updates(loss_of(table))
