"""Thirty steps of every optimizer, disturbed at random: looked at, assigned, saved, loaded, refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import Variable, optim
from chainrule.compile import ENGINES
from chainrule.engines.native import Native
from chainrule.errors import ChainruleError
from chainrule.optim import Clip, Optimizer
from chainrule.train.step import TrainingStep

STEPS, WORDS, WIDTH, LENGTH, HIDDEN, CLASSES = 30, 120, 5, 3, 7, 4


def rule(kind: Callable[..., Optimizer], rate: Any, **options: Any) -> Callable[[Any], Optimizer]:
    return lambda parameters: kind(parameters, rate, **options)


def lazy(parameters: list[Variable]) -> Optimizer:
    table, *rest = parameters
    return optim.Adam([{"parameters": [table], "lazy": True}, {"parameters": rest}], 0.01, epsilon=1e-3)


OPTIMIZERS: dict[str, Callable[[Any], Optimizer]] = {
    "sgd": rule(optim.SGD, optim.step_decay(0.2, 0.5, 7), clip=Clip(global_norm=0.5)),
    "sgd, l1 and l2": rule(optim.SGD, 0.2, l1=1e-3, l2=1e-3, penalise=optim.except_biases),
    "momentum": rule(optim.Momentum, optim.warmup(5, 0.1), weight_decay=0.01),
    "nesterov": rule(optim.Nesterov, optim.cosine(0.1, 20), clip=Clip(value=0.05)),
    "adagrad": rule(optim.Adagrad, optim.inverse_time(0.1, 0.1), initial=0.1),
    "adagrad, clipped": rule(optim.Adagrad, 0.1, initial=0.1, clip=Clip(global_norm=0.2)),
    "adadelta": rule(optim.Adadelta, 1.0, epsilon=1e-3),
    "adadelta, clipped": rule(optim.Adadelta, optim.linear(1.0, 25), epsilon=1e-3, clip=Clip(norm=0.3)),
    "rmsprop": rule(optim.RMSProp, 0.01, epsilon=1e-3),
    "rmsprop, centred": rule(optim.RMSProp, 0.01, epsilon=1e-2, centered=True),
    "rmsprop, momentum": rule(optim.RMSProp, 0.01, epsilon=1e-3, momentum=0.5, weight_decay=0.01),
    "adam": rule(optim.Adam, optim.exponential(0.01, 0.95), epsilon=1e-3),
    "adamw": rule(optim.AdamW, 0.01, epsilon=1e-3, clip=Clip(global_norm=0.5)),
    "amsgrad": rule(optim.Adam, optim.polynomial(0.01, 25, power=2.0), epsilon=1e-3, amsgrad=True),
    "adafactor": rule(optim.Adafactor, 0.01),
    "lazy": lazy,
}


class Network:
    """A classifier of sentences by the mean, or the largest, of their words; every variable by name."""

    def __init__(self, optimizer: str, pool: Callable[[cr.Node], cr.Node], engine: str) -> None:
        rng = np.random.default_rng(1)
        shapes = {"table": (WORDS, WIDTH), "w": (WIDTH, HIDDEN), "b": (HIDDEN,), "u": (HIDDEN, CLASSES)}
        self.pool = pool
        parameters = {name: cr.variable(0.5 * rng.normal(size=s), name=name) for name, s in shapes.items()}
        self.table, self.w, self.b, self.u = parameters.values()
        self.rule = OPTIMIZERS[optimizer](list(parameters.values()))
        self.step = TrainingStep(self.loss, self.rule, engine=engine)
        self.variables = parameters | {f"state {name}": v for name, v in self.rule.state.items()}

    def loss(self, words: cr.Node, labels: cr.Node, scale: cr.Node) -> cr.Node:
        sentences = self.pool(cr.nn.embedding(words, self.table))
        return cr.cross_entropy(cr.tanh(sentences @ self.w + self.b) @ self.u, labels) * scale

    def try_step(self, *batch: Any) -> Any:
        try:
            return self.step(batch)
        except ChainruleError as error:
            return type(error), str(error)


def disturb(networks: list[Network], rng: np.random.Generator, saved: list[Any]) -> list[list[Any]]:
    """Something done to both between two steps; what each has to show for it."""
    name = str(rng.choice(list(networks[0].variables)))
    what = rng.choice(["look", "copy", "assign", "save", "load", "nothing", "nothing", "nothing"])
    if what == "look":
        return [[network.variables[name].value] for network in networks]
    if what == "copy":
        return [[network.variables[name].copy()] for network in networks]
    if what == "assign" and networks[0].variables[name].dtype == np.float64:
        changed = np.abs(networks[0].variables[name].value) * 0.9
        for network in networks:
            network.variables[name].assign(changed)
    if what == "save":
        saved[:] = [
            (network.rule.state_dict(), [p.copy() for p in network.rule.parameters]) for network in networks
        ]
    if what == "load":
        for network, (state, parameters) in zip(networks, saved, strict=False):
            network.rule.load_state_dict(state)
            for variable, array in zip(network.rule.parameters, parameters, strict=True):
                variable.assign(array)
    return [[], []]


@pytest.mark.parametrize("seed", range(len(OPTIMIZERS)), ids=list(OPTIMIZERS))
def test_disturbed_training(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    optimizer, odd = list(OPTIMIZERS)[seed], seed % 2
    monkeypatch.setitem(ENGINES, "native", partial(Native, threads=3 if odd else 1))
    pool = cr.max_over_time if seed // 2 % 2 else cr.mean_over_time
    networks = [Network(optimizer, pool, engine) for engine in ("stepper", "native")]
    rng, saved, refused = np.random.default_rng(seed + 1), [], 0
    for _ in range(STEPS):
        size = int(rng.choice([4, 4, 9]))  # two programs over the same variables
        words, labels = rng.integers(WORDS, size=(size, LENGTH)), rng.integers(CLASSES, size=size)
        scale = np.float64(rng.choice([1.0] * 8 + [np.nan, np.inf]))
        if rng.random() < 0.1:
            words[rng.integers(size), 0] = rng.choice([WORDS, -WORDS - 1])
        wanted, found = [network.try_step(words, labels, scale) for network in networks]
        if isinstance(wanted, tuple):
            refused += 1
            assert found == wanted
        else:
            assert found == pytest.approx(wanted, rel=1e-8)
        for a, b in zip(*disturb(networks, rng, saved), strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-7, atol=1e-10)
    assert refused
    for name, variable in networks[0].variables.items():
        found = networks[1].variables[name].value
        np.testing.assert_allclose(found, variable.value, rtol=1e-7, atol=1e-10, err_msg=name)
