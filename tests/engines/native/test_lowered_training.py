"""Whole training steps, simplified, lowered and interpreted, do what the stepper does to every variable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import loops, nn, optim
from chainrule.bench.workloads import SentenceCNN, WindowNetwork
from chainrule.engines.native.lowering import Lowered, lower
from chainrule.graph import Node, Variable, leaf_value, placeholder
from chainrule.models import MLP
from chainrule.simplify import simplify
from chainrule.train.step import TrainingStep

Arrays = tuple[np.ndarray[Any, Any], ...]


def window_tagger() -> tuple[nn.Module, Callable[..., Node], Arrays]:
    model = WindowNetwork(23, 5, 3, 7, 4, activation=cr.tanh, seed=1)
    rng = np.random.default_rng(1)
    words, tags = rng.integers(23, size=(6, 3)), rng.integers(4, size=6)
    return model, lambda words, tags: cr.nn.cross_entropy(model(words), tags), (words, tags)


def ranking() -> tuple[nn.Module, Callable[..., Node], Arrays]:
    model = WindowNetwork(40, 4, 3, 5, 1, activation=cr.tanh, seed=2)

    def loss(pairs: Node) -> Node:
        scores = model(pairs)
        return cr.nn.max_margin(scores[:, 0, 0], scores[:, 1, 0])

    return model, loss, (np.random.default_rng(2).integers(40, size=(4, 2, 3)),)


def text_cnn() -> tuple[nn.Module, Callable[..., Node], Arrays]:
    model = SentenceCNN(50, 4, 3, (2, 3), 2, dropout=0.5, seed=3)
    rng = np.random.default_rng(3)
    words, labels = rng.integers(50, size=(3, 6)), rng.integers(2, size=3)
    return (
        model,
        lambda words, labels, mode: cr.nn.cross_entropy(model(words, mode=mode), labels),
        (words, labels),
    )


def perceptron() -> tuple[nn.Module, Callable[..., Node], Arrays]:
    model = MLP([6, 5, 4, 3], seed=4, activation=cr.relu)
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((7, 6)).astype("f"), rng.integers(3, size=7)
    return model, lambda x, y: cr.nn.cross_entropy(model(x), y), (x, y)


NETWORKS = [perceptron, window_tagger, ranking, text_cnn]
OPTIMIZERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "sgd": lambda p: optim.SGD(p, learning_rate=0.1),
    "momentum": lambda p: optim.Momentum(p, learning_rate=0.1),
    "adam": lambda p: optim.Adam(p, learning_rate=0.01),
    "adagrad": lambda p: optim.Adagrad(p, learning_rate=0.1),
    "adadelta": lambda p: optim.Adadelta(p, learning_rate=1.0),
    "rmsprop": lambda p: optim.RMSProp(p, learning_rate=0.01),
}


def stepped(lowered: Lowered, fed: dict[Node, Any], variables: list[Variable]) -> float:
    """One step of the loop program, whose variables are the graph's."""
    memory = {
        buffer: np.array(leaf_value(leaf, fed), order="C").reshape(-1)
        for leaf, buffer in lowered.leaves.items()
    }
    assert loops.interpret(lowered.program, memory), "a check failed"
    for variable in variables:
        buffer = lowered.leaves[variable]
        variable.assign(memory[lowered.updates.get(buffer, buffer)].reshape(variable.shape))
    return float(memory[lowered.outputs[0]][0])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("network", NETWORKS, ids=lambda f: f.__name__)
def test_three_steps_are_the_steppers(network: Callable[[], Any], optimizer: str) -> None:
    found = []
    for native in (False, True):
        model, loss, arrays = network()
        step = TrainingStep(loss, OPTIMIZERS[optimizer](model.parameters()), engine="stepper")
        if native:
            leaves = [placeholder(a.shape, a.dtype) for a in arrays]
            target, updates = step.graph([""] * len(leaves), leaves)
            simple = simplify([target], updates)
            lowered = lower(simple.outputs, simple.updates)
            losses = [
                stepped(lowered, dict(zip(leaves, arrays, strict=True)), list(updates)) for _ in range(3)
            ]
        else:
            losses = [step(arrays) for _ in range(3)]
        found.append((losses, [p.value for p in model.parameters()]))
    (one, first), (two, second) = found
    np.testing.assert_allclose(two, one, rtol=1e-5)
    for a, b in zip(second, first, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-6)


def test_a_table_is_never_written_as_a_whole_by_plain_descent() -> None:
    model, loss, arrays = window_tagger()
    step = TrainingStep(loss, OPTIMIZERS["sgd"](model.parameters()))
    leaves = [placeholder(a.shape, a.dtype) for a in arrays]
    target, updates = step.graph(["", ""], leaves)
    simple = simplify([target], updates)
    lowered = lower(simple.outputs, simple.updates)
    table = model.embedding.weight.size
    axes = [axis.extent for step in lowered.program.steps for axis in [getattr(step, "axis", None)] if axis]
    assert max(axes) < table
