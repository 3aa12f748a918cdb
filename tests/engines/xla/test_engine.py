"""The XLA engine gives what the stepper gives: step by step, and in errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines.native import Native
from chainrule.engines.stepper import Stepper
from chainrule.engines.xla import Xla
from chainrule.errors import ArgumentError, IndexRangeError, NonFiniteError, OutOfMemoryError
from chainrule.graph import placeholder
from chainrule.train import EpochLoop, TrainingStep

pytestmark = pytest.mark.xla


class Middle(cr.graph.Op):
    """A user's own op, written for NumPy alone: the median of a vector."""

    def infer(self, x: cr.Node) -> Any:
        return (), x.dtype

    def forward(self, xp: Any, x: Any) -> Any:
        if (x < -100).any():
            raise ArgumentError("far too cold")
        return np.median(x).astype(x.dtype)

    def vjp(self, ct: cr.Node, out: cr.Node, x: cr.Node) -> Any:
        return (ct * (x == out),)


def test_an_op_that_jax_cannot_trace_calls_back_to_python() -> None:
    x = cr.variable([3.0, 1.0, 2.0])
    node = cr.define_op(Middle)(x * 2) * 10
    program = Xla([node, *cr.gradients(node, [x])])
    value, slope = program.run({})
    assert value == 40
    assert slope.tolist() == [0, 0, 20]
    assert "in Python: middle" in program.explain()
    x.assign([-1000.0, 0, 0])
    with pytest.raises(ArgumentError, match="far too cold"):
        program.run({})


# ── what must not be ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("write", "index"),
    [
        (lambda x, i: cr.take(x, i, axis=0), 4),
        (lambda x, i: cr.take(x, i, axis=0), -5),
        (lambda x, i: cr.scatter_add(x, i, np.ones((1, 3), "f")), 4),
        (lambda x, i: cr.cross_entropy(x[:1], i), 3),
        (lambda x, i: cr.cross_entropy(x[:1], i), -1),
    ],
)
def test_an_index_out_of_range_is_the_steppers_error(write: Any, index: int) -> None:
    table, i = cr.variable(np.ones((4, 3), "f")), placeholder((1,), "int64")
    target = cr.sum(write(table, i))
    told = []
    for engine in (Stepper, Xla):
        program = engine([target], {table: table + 1})
        with pytest.raises(IndexRangeError) as caught:
            program.run({i: np.array([index])})
        told.append(str(caught.value))
        assert (table.value == 1).all(), "nothing was updated"
    assert told[0] == told[1]


def falling(engine: str) -> tuple[EpochLoop, cr.Variable]:
    """w halves at each step, and 1/(w - 1/16) is in the loss: infinite at the fifth."""
    w = cr.variable(1.0, name="w")

    def loss(x: cr.Node) -> cr.Node:
        return cr.sum(w * w / 4 + 0 * x) + cr.stop_gradient(1 / (w - 1 / 16))

    step = TrainingStep(loss, cr.optim.SGD([w], 1.0), engine=engine)
    data = cr.data.Batches(np.zeros((32, 1), "f"), 1, shuffle=False)
    return EpochLoop(step, data), w


def test_a_step_that_is_not_finite_is_undone_also_within_many() -> None:
    states, told = [], []
    for engine in ("stepper", "xla"):
        loop, w = falling(engine)
        loop.begin(0)
        with pytest.raises(NonFiniteError) as caught:
            loop.run(12)
        told.append(str(caught.value))
        states.append((loop.batch, float(w), float(loop.loss_sum)))
    assert states[0] == pytest.approx(states[1], rel=1e-6)
    assert states[1][:2] == (4, 1 / 16)
    assert told[0] == told[1]


def test_a_device_with_too_little_memory_is_told() -> None:
    tall, wide = placeholder((1 << 21, 1)), placeholder((1, 1 << 22))
    program = Xla([cr.sum(cr.tanh(tall @ wide), axis=0) + (tall @ wide)[0]])
    ones = {leaf: np.ones(leaf.shape, np.float32) for leaf in (tall, wide)}
    with pytest.raises(OutOfMemoryError, match="smaller batches"):
        program.run(ones)


# ── variables on the device ───────────────────────────────────────────────────────────────────────


def test_variables_are_seen_and_assigned_between_runs() -> None:
    w, x = cr.variable([1.0, 2.0], name="w"), placeholder((2,))
    add, double = Xla([], {w: w + x}), Xla([cr.sum(w)], {w: w * 2})
    ones = np.ones(2, np.float32)
    add.run({x: ones})
    seen = w.value
    double.run({})
    assert seen.tolist() == [2, 3], "what somebody has seen stays as it was"
    assert w.value.tolist() == [4, 6]
    w.assign([10.0, 20.0])
    assert double.run({})[0] == 30
    add.run_steps({x: ones}, 5)
    assert w.copy().tolist() == [25, 45]


def test_a_call_that_fails_leaves_the_variables_that_were_donated_to_it() -> None:
    """As where a device has no memory left: JAX has taken the arrays away by then."""
    w = cr.variable([1.0, 2.0], name="w")
    program = Xla([], {w: w * 2})
    program.run_steps({}, 3)
    runs = program._run_many

    def fails(variables: Any, *_: Any) -> Any:
        for array in variables:
            array.delete()
        raise MemoryError

    program._run_many = fails
    with pytest.raises(MemoryError):
        program.run_steps({}, 5)
    program._run_many = runs
    assert w.value.tolist() == [8, 16]
    program.run_steps({}, 1)
    assert w.value.tolist() == [16, 32]


def test_engines_may_take_turns() -> None:
    w = cr.variable([1.0, 2.0], name="w")
    for engine in (Xla, Stepper, Native, Xla):
        engine([], {w: w * 3 + 1}).run({})
    assert w.value.tolist() == [121, 202]


# ── training ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "Adagrad", "Adadelta", "RMSProp"])
def test_training_in_one_call_is_training_step_by_step(optimizer: str) -> None:
    """A look-up table, dropout and 200 steps: parameters within 1e-5."""
    found = []
    for engine in ("stepper", "xla"):
        rng = np.random.default_rng(3)
        table = cr.nn.Embedding(30, 8, seed=1)
        out = cr.nn.Linear(16, 5, seed=2)
        drop = cr.nn.Dropout(0.3)
        model = cr.nn.Sequential(out)
        parameters = [*table.parameters(), *model.parameters()]

        def loss(words: cr.Node, tags: cr.Node, mode: Any) -> cr.Node:
            hidden = drop(cr.tanh(cr.reshape(table(words), (-1, 16))), mode)  # noqa: B023
            return cr.cross_entropy(out(hidden), tags)  # noqa: B023

        words, tags = rng.integers(0, 30, (80, 2)), rng.integers(0, 5, 80)
        step = TrainingStep(loss, getattr(cr.optim, optimizer)(parameters), engine=engine, seed=4)
        loop = EpochLoop(step, cr.data.Batches((words, tags), 8, seed=5))
        for epoch in range(20):
            loop.begin(epoch)
            loop.run(10)
        found.append([parameter.value for parameter in parameters])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


CONVOLUTIONS = [
    # axes, kernel, stride, dilation, padding, groups
    (1, 3, 1, 1, 0, 1), (1, 3, 2, 1, 1, 1), (1, 2, 1, 3, 2, 1), (2, (3, 2), (1, 2), 1, 1, 1),
    (2, 3, 1, 2, 0, 1), (1, 3, 1, 1, 0, 2), (2, 5, 1, 1, 2, 1),
]  # fmt: skip


@pytest.mark.parametrize(("axes", "size", "stride", "dilation", "padding", "groups"), CONVOLUTIONS)
def test_convolutions_write_no_windows(
    axes: int, size: Any, stride: Any, dilation: int, padding: int, groups: int
) -> None:
    rng = np.random.default_rng(7)
    kernel = (size,) * axes if isinstance(size, int) else size
    x = cr.variable(rng.normal(size=(2, *[11] * axes, 4)).astype("f"))
    weight = cr.variable(rng.normal(size=(*kernel, 4 // groups, 6)).astype("f"))
    convolution = cr.conv1d if axes == 1 else cr.conv2d
    options: dict[str, Any] = {"stride": stride, "dilation": dilation, "padding": padding, "groups": groups}
    found = convolution(x, weight, **options)
    nodes = [found, *cr.gradients(cr.sum(found * found), [x, weight])]
    program = Xla(nodes)
    for one, other in zip(program.run({}), Stepper(nodes).run({}), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-4)
    if groups == 1:
        rows, columns = found.size // 6, weight.size // 6
        assert f"tensor<{rows}x{columns}xf32>" not in program.explain(whole=True)
