"""The lectures' losses, optimizers and tricks, where no test of a single file shows them (docs/slides.md)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.tasks import TASKS
from chainrule.tasks.digits import Classifier
from chainrule.train.configuration import OptimizerOptions, make_optimizer, resolve

Array = np.ndarray[Any, Any]


def line_data(count: int) -> tuple[Array, Array]:
    """Points near y = 2x - 1, in float64."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, count)
    return x, 2 * x - 1 + rng.normal(0, 0.1, count)


# -- batch, mini-batch and stochastic descent ---------------------------------------------------------------


@pytest.mark.parametrize("size", [24, 6, 1], ids=["batch", "mini-batch", "stochastic"])
def test_each_step_follows_the_gradient_of_its_batch(size: int) -> None:
    x, y = line_data(24)
    data = cr.data.Batches((x, y), size, seed=3)
    w, b = cr.variable(np.float64(0.5)), cr.variable(np.float64(0.0))
    step = cr.train.TrainingStep(
        lambda x, y, mode: cr.mean(cr.square(w * x + b - y)), cr.optim.SGD([w, b], 0.1)
    )
    by_hand_w, by_hand_b = 0.5, 0.0
    for epoch in range(3):
        for batch_x, batch_y in data.epoch(epoch):
            step((batch_x, batch_y))
            miss = by_hand_w * batch_x + by_hand_b - batch_y
            slopes = 2 * (miss * batch_x).mean(), 2 * miss.mean()
            by_hand_w, by_hand_b = by_hand_w - 0.1 * slopes[0], by_hand_b - 0.1 * slopes[1]
    assert int(step.optimizer.step.array) == 3 * 24 // size
    np.testing.assert_allclose([w.array, b.array], [by_hand_w, by_hand_b], rtol=1e-12)


@pytest.mark.parametrize("size", [1, 6])
def test_the_gradients_of_an_epoch_s_batches_average_to_that_of_all_examples(size: int) -> None:
    x, y = line_data(24)
    w = cr.variable(np.float64(0.5))

    def gradient(x: Array, y: Array) -> float:
        return cr.gradients(cr.mean(cr.square(w * x - y)), w).item()

    parts = [gradient(*batch) for batch in cr.data.Batches((x, y), size, seed=1).epoch(0)]
    assert len(set(parts)) > 1
    np.testing.assert_allclose(np.mean(parts), gradient(x, y), rtol=1e-12)


def test_training_sees_every_example_once_an_epoch_and_in_another_order_each_time() -> None:
    seen: list[list[float]] = []

    class Watched(cr.data.Batches):
        def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
            batches = list(super().epoch(epoch, start))
            seen.append(np.concatenate(batches).tolist())
            return iter(batches)

    layer = cr.nn.Linear(1, 1, seed=0)
    cr.train.fit(
        layer,
        lambda x, mode: cr.mean(cr.square(layer(cr.expand_dims(x, 1)))),
        Watched(np.arange(20, dtype="float32"), 4, seed=5),
        cr.optim.SGD(layer.parameters(), 1e-4),
        settings=cr.train.Settings(epochs=3),
    )
    assert [sorted(order) for order in seen] == [list(range(20))] * 3
    assert len({tuple(order) for order in seen}) == 3


# -- dropout at training time only --------------------------------------------------------------------------


def test_dropout_acts_on_the_steps_of_a_training_run_and_on_nothing_else() -> None:
    drop = cr.nn.Dropout(0.5)
    net = cr.nn.Sequential(cr.nn.Linear(1, 64, seed=0), drop)
    x = np.ones((8, 1), "float32")
    zeros: dict[str, list[float]] = {"training": [], "validation": []}
    measure = cr.train.Evaluation(lambda x: {"zeros": cr.mean(cr.astype(cr.equal(net(x), 0.0), "float32"))})

    def loss(x: cr.Node, mode: cr.nn.Mode) -> cr.Node:
        share = cr.mean(cr.astype(cr.equal(net(x, mode=mode), 0.0), "float32"))
        return share + 0.0 * cr.sum(net(x, mode=mode))

    def validate() -> dict[str, float]:
        found = measure([x])
        zeros["validation"].append(found["zeros"])
        return {"loss": found["zeros"]}

    result = cr.train.fit(
        net,
        loss,
        cr.data.Batches(x, 8),
        cr.optim.SGD(net.parameters(), 0.1),
        settings=cr.train.Settings(epochs=6),
        validate=validate,
    )
    zeros["training"] = [record["loss"] for record in result.records]
    assert zeros["validation"] == [0.0] * 6
    assert all(0.4 < share < 0.6 for share in zeros["training"])
    assert len(set(zeros["training"])) > 1, "another mask at each step"
    assert net(x[:1]).value.all(), "nothing is dropped in use"


# -- early stopping -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("patience", "scores", "epochs", "best", "stopped"),
    [
        (2, [5, 4, 3, 4, 3.5, 1], 5, 3, "patience"),  # the 1 is never reached
        (3, [5, 4, 3, 4, 3.5, 1], 6, 6, "epochs"),
        (1, [5, 5, 1, 1, 1, 1], 2, 1, "patience"),  # an equal score is no improvement
        (2, [math.nan, 2, math.nan, math.nan, 1, 1], 4, 2, "patience"),
        (None, [1, 2, 3, 4, 5, 6], 6, 1, "epochs"),
    ],
)
def test_early_stopping_waits_for_its_patience_and_keeps_the_best_weights(
    patience: int | None, scores: list[float], epochs: int, best: int, stopped: str
) -> None:
    w = cr.variable(0.0)

    class Counter(cr.nn.Module):
        """Its weight falls by 1 at each step, so it tells after which epoch it was kept."""

        def __init__(self) -> None:
            self.weight = w

    told = iter(scores)
    result = cr.train.fit(
        Counter(),
        lambda x, mode: w * cr.sum(x),
        cr.data.Batches(np.ones(1, "float32"), 1),
        cr.optim.SGD([w], 1.0),
        settings=cr.train.Settings(epochs=6, patience=patience),
        validate=lambda: {"loss": next(told)},
    )
    assert (len(result.records), result.best["epoch"], result.stopped) == (epochs, best, stopped)
    assert w.item() == -best


# -- L1, L2 and elastic net ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.3), (0.4, 0.0), (0.4, 0.3)], ids=["L2", "L1", "elastic net"])
def test_penalties_lead_to_their_closed_forms(l1: float, l2: float) -> None:
    """For XᵀX/n = 1 and least squares w*: soft-threshold w* at λ₁/2, then divide by 1 + λ₂ (Zou, Hastie)."""
    rng = np.random.default_rng(0)
    q, _ = np.linalg.qr(rng.standard_normal((40, 4)))
    x = q * math.sqrt(40)
    free = np.array([2.0, -1.0, 0.15, -0.1])
    y = x @ free
    w = cr.variable(np.zeros(4))
    optimizer = cr.optim.SGD([w], cr.optim.linear(0.1, 2000), l1=l1, l2=l2)
    step = cr.train.TrainingStep(lambda x, y, mode: cr.mse_loss(x @ w, y), optimizer)
    for _ in range(2000):
        step((x, y))
    expected = np.sign(free) * np.maximum(abs(free) - l1 / 2, 0) / (1 + l2)
    np.testing.assert_allclose(w.array, expected, atol=1e-3)
    assert (abs(w.array) < 1e-3).sum() == (2 if l1 else 0), "L1 makes small weights zero, L2 does not"


# -- learning-rate decay ------------------------------------------------------------------------------------


def test_a_training_run_follows_its_schedule_and_records_it() -> None:
    layer = cr.nn.Linear(1, 1, seed=0)
    result = cr.train.fit(
        layer,
        lambda x, mode: cr.mean(cr.square(layer(x))),
        cr.data.Batches(np.ones((10, 1), "float32"), 2),
        cr.optim.SGD(layer.parameters(), cr.optim.step_decay(0.08, 0.5, every=5)),
        settings=cr.train.Settings(epochs=3),
    )
    assert [round(record["learning_rate"], 6) for record in result.records] == [0.04, 0.02, 0.01]


# -- the tricks are options of every task -------------------------------------------------------------------

#: Word vectors descend as their papers do, by plain steps of a falling rate, and have no hidden layer.
TRICKED = [name for name in TASKS if name != "word2vec"]
OPTIONS = {
    "optimizer.rule": "momentum",
    "optimizer.l1": 0.01,
    "optimizer.l2": 0.02,
    "optimizer.schedule": "inverse_time",
    "optimizer.decay": 0.25,
    "training.patience": 7,
    "training.batch": 16,
    "training.seed": 3,
    "model.dropout": 0.4,
    "model.activation": "sigmoid",
}


@pytest.mark.parametrize("task", TRICKED)
@pytest.mark.parametrize(("key", "value"), OPTIONS.items(), ids=OPTIONS)
def test_every_task_takes_the_tricks_as_options(task: str, key: str, value: object) -> None:
    config = resolve(TASKS[task].Config, settings=[f"{key}={value}"])
    section, name = key.split(".")
    assert getattr(getattr(config, section), name) == value
    assert getattr(getattr(TASKS[task].Config(), section), name) != value


def test_the_options_reach_the_optimizer() -> None:
    options = OptimizerOptions(
        rule="momentum", learning_rate=0.5, l1=0.1, l2=0.2, schedule="inverse_time", decay=1.0, momentum=0.25
    )
    w = cr.variable(np.array([2.0, -3.0]))
    optimizer = make_optimizer(options, [w], steps_per_epoch=1, epochs=4)
    step = cr.train.TrainingStep(lambda x, mode: cr.sum(x * w), optimizer)
    by_hand, velocity = np.array([2.0, -3.0]), 0.0
    for t in range(4):
        step(np.array([1.0, 1.0]))
        gradient = 1.0 + 0.1 * np.sign(by_hand) + 2 * 0.2 * by_hand
        velocity = 0.25 * velocity + 0.5 / (1 + t) * gradient
        by_hand = by_hand - velocity
    np.testing.assert_allclose(w.array, by_hand, rtol=1e-12)


# -- before the first step ----------------------------------------------------------------------------------


def test_the_inputs_of_a_network_are_brought_to_mean_0_by_the_training_data_s_figures() -> None:
    images = np.random.default_rng(0).uniform(0, 1, (50, 4, 4)).astype("float32")
    received: list[cr.Node] = []

    class Probe(cr.nn.Module):
        def forward(self, x: cr.Node, mode: cr.nn.Mode = cr.nn.EVALUATE) -> cr.Node:
            received.append(x)
            return x

    model = Classifier(Probe(), cr.data.standardise(images, axis=None))
    model(cr.constant(images))
    np.testing.assert_allclose([received[0].value.mean(), received[0].value.std()], [0, 1], atol=1e-5)
    assert not model.parameters(), "the figures are saved and not trained"
    assert set(model.state_dict()) == {"mean", "std"}
