"""Every rule against figures made with PyTorch, or against a plain loop written from the paper."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr
from chainrule import optim
from chainrule.engines.stepper import Stepper
from chainrule.optim import (
    SGD,
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    AdamW,
    Clip,
    Momentum,
    Nesterov,
    Optimizer,
    RMSProp,
)

from .logistic_problem import FIGURES, START, by_hand, fresh, gradients_by_hand, loss_of, row, train

STEPS = 300
Make = Callable[[list[cr.Variable]], Optimizer]


def _groups(ps: list[cr.Variable]) -> list[dict[str, Any]]:
    return [{"parameters": ps[:1]}, {"parameters": ps[1:], "learning_rate": 0.01, "weight_decay": 0.1}]


OURS: dict[str, Make] = {
    "sgd": lambda ps: SGD(ps, 0.3),
    "sgd weight_decay": lambda ps: SGD(ps, 0.3, weight_decay=0.05),
    "sgd l1": lambda ps: SGD(ps, 0.1, l1=0.01),
    "sgd l2": lambda ps: SGD(ps, 0.3, l2=0.02),
    "sgd elastic": lambda ps: SGD(ps, 0.1, l1=0.01, l2=0.02),
    "sgd clip value": lambda ps: SGD(ps, 0.3, clip=Clip(value=0.05)),
    "sgd clip norm": lambda ps: SGD(ps, 0.3, clip=Clip(norm=0.1)),
    "sgd clip global_norm": lambda ps: SGD(ps, 0.3, weight_decay=0.05, clip=Clip(global_norm=0.1)),
    "sgd groups": lambda ps: SGD(_groups(ps), 0.3),
    "sgd step_decay": lambda ps: SGD(ps, optim.step_decay(0.3, 0.5, every=70)),
    "momentum": lambda ps: Momentum(ps, 0.05),
    "momentum weight_decay": lambda ps: Momentum(ps, 0.05, momentum=0.8, weight_decay=0.02),
    "momentum exponential": lambda ps: Momentum(ps, optim.exponential(0.1, 0.99), rate_in_velocity=False),
    "nesterov": lambda ps: Nesterov(ps, 0.05),
    "nesterov exponential": lambda ps: Nesterov(
        ps, optim.exponential(0.1, 0.99), rate_in_velocity=False, weight_decay=0.01
    ),
    "adagrad": lambda ps: Adagrad(ps, 0.1),
    "adagrad initial decay": lambda ps: Adagrad(
        ps, optim.inverse_time(0.2, 0.01), initial=0.1, weight_decay=0.01, epsilon=1e-8
    ),
    "adadelta": lambda ps: Adadelta(ps),
    "adadelta options": lambda ps: Adadelta(ps, 0.5, rho=0.95, epsilon=1e-5, weight_decay=0.01),
    "rmsprop": lambda ps: RMSProp(ps, 0.01),
    "rmsprop centered": lambda ps: RMSProp(ps, 0.005, rho=0.9, epsilon=1e-4, centered=True),
    "rmsprop momentum": lambda ps: RMSProp(ps, 0.002, momentum=0.9, weight_decay=0.01),
    "rmsprop centered momentum": lambda ps: RMSProp(
        ps, 0.002, rho=0.95, epsilon=1e-3, momentum=0.5, centered=True
    ),
    "adam": lambda ps: Adam(ps, 0.01),
    "adam betas": lambda ps: Adam(ps, 0.01, beta1=0.0, beta2=0.9, epsilon=1e-3),
    "adam amsgrad": lambda ps: Adam(ps, 0.02, beta2=0.95, amsgrad=True),
    "adam weight_decay": lambda ps: Adam(ps, 0.01, weight_decay=0.05),
    "adam groups": lambda ps: Adam(_groups(ps), 0.02),
    "adam l1": lambda ps: Adam(ps, 0.01, l1=0.01),
    "adam warmup cosine": lambda ps: Adam(
        ps, optim.warmup(20, optim.cosine(0.02, 280, end=0.001), start=0.1)
    ),
    "adamw": lambda ps: AdamW(ps, 0.01),
    "adamw amsgrad": lambda ps: AdamW(ps, 0.02, weight_decay=0.1, amsgrad=True),
    "adamw linear": lambda ps: AdamW(ps, optim.linear(0.02, 300), weight_decay=0.1),
    "adamw global_norm": lambda ps: AdamW(ps, 0.01, weight_decay=0.1, clip=Clip(global_norm=0.05)),
    "adafactor": lambda ps: Adafactor(ps),
    "adafactor relative": lambda ps: Adafactor(ps, 0.1, decay=-0.5),
    "adafactor options": lambda ps: Adafactor(
        ps, 0.05, epsilon1=1e-4, epsilon2=1e-2, threshold=2.0, weight_decay=0.1
    ),
}


def test_the_gradient_by_hand_is_the_graphs() -> None:
    """The NumPy loops below, and through it the figures' problem, stand on the same gradient."""
    parameters = fresh()
    for found, expected in zip(
        cr.gradients(loss_of(*parameters), parameters), gradients_by_hand(START).values(), strict=True
    ):
        np.testing.assert_allclose(found.value, expected, rtol=1e-13, atol=1e-15)


def test_each_figure_has_its_optimizer() -> None:
    assert OURS.keys() == FIGURES["trajectories"].keys()


@pytest.mark.parametrize("name", OURS)
def test_trajectory_is_that_of_the_reference(name: str) -> None:
    found = train(OURS[name], STEPS)
    for step, expected in FIGURES["trajectories"][name].items():
        np.testing.assert_allclose(found[int(step)], expected, rtol=0, atol=1e-9, err_msg=f"step {step}")


# -- what PyTorch has no form of: plain loops ----------------------------------------------------------


def _rate(t: int) -> float:
    """exponential(0.1, 0.99) at the t-th step, t = 1, 2, …"""
    return 0.1 * 0.99 ** (t - 1)


def _momentum_of_the_lectures(p: Any, g: Any, memory: dict[str, Any], t: int) -> NDArray[Any]:
    memory["v"] = 0.9 * memory.get("v", 0.0) + _rate(t) * g
    return p - memory["v"]


def _decoupled_sgd(p: Any, g: Any, memory: dict[str, Any], t: int) -> NDArray[Any]:
    return p - _rate(t) * (g + 0.3 * p)


def _centered_rmsprop_decoupled(p: Any, g: Any, memory: dict[str, Any], t: int) -> NDArray[Any]:
    memory["s"] = 0.9 * memory.get("s", 0.0) + 0.1 * g * g
    memory["m"] = 0.9 * memory.get("m", 0.0) + 0.1 * g
    return p - _rate(t) * (g / (np.sqrt(memory["s"] - memory["m"] ** 2) + 1e-2) + 0.1 * p)


def _adafactor_of_the_paper(p: Any, g: Any, memory: dict[str, Any], t: int) -> NDArray[Any]:
    """Algorithms 4 to 6 of Shazeer and Stern: sums over rows and columns, ε₁ = 1e-30 added to g²."""
    beta = 1 - t**-0.8
    squares = g * g + 1e-30
    if g.ndim == 2:
        memory["R"] = beta * memory.get("R", 0.0) + (1 - beta) * squares.sum(axis=1)
        memory["C"] = beta * memory.get("C", 0.0) + (1 - beta) * squares.sum(axis=0)
        moments = np.outer(memory["R"], memory["C"]) / memory["R"].sum()
    else:
        moments = memory["V"] = beta * memory.get("V", 0.0) + (1 - beta) * squares
    update = g / np.sqrt(moments)
    update = update / max(1.0, np.sqrt(np.mean(update**2)) / 1.0)
    return p - max(1e-3, np.sqrt(np.mean(p**2))) * min(1e-2, 1 / math.sqrt(t)) * update


_FALLING = optim.exponential(0.1, 0.99)


@pytest.mark.parametrize(
    ("make", "advance"),
    [
        (lambda ps: Momentum(ps, _FALLING), _momentum_of_the_lectures),
        (lambda ps: SGD(ps, _FALLING, weight_decay=0.3, decoupled=True), _decoupled_sgd),
        (
            lambda ps: RMSProp(
                ps, _FALLING, rho=0.9, epsilon=1e-2, centered=True, weight_decay=0.1, decoupled=True
            ),
            _centered_rmsprop_decoupled,
        ),
        # The two ways in which ε₁ enters agree as long as it is far below the moments.
        (lambda ps: Adafactor(ps, 1e-2, epsilon1=1e-15), _adafactor_of_the_paper),
    ],
    ids=["momentum", "decoupled sgd", "centered rmsprop, decoupled", "adafactor"],
)
def test_trajectory_is_that_of_a_plain_loop(make: Make, advance: Any) -> None:
    np.testing.assert_allclose(train(make, STEPS)[STEPS], by_hand(advance, STEPS), rtol=0, atol=1e-9)


def test_nesterov_holds_the_point_ahead() -> None:
    """v = γv + η∇J(θ - γv); θ = θ - v in a plain loop: the optimizer's parameters are θ - γv."""
    theta = {name: value.copy() for name, value in START.items()}
    v = {name: np.zeros_like(value) for name, value in START.items()}
    for t in range(1, STEPS + 1):
        gradients = gradients_by_hand({name: theta[name] - 0.9 * v[name] for name in theta})
        for name in theta:
            v[name] = 0.9 * v[name] + _rate(t) * gradients[name]
            theta[name] = theta[name] - v[name]
    ahead = np.concatenate([(theta[name] - 0.9 * v[name]).reshape(-1) for name in theta])
    np.testing.assert_allclose(
        train(lambda ps: Nesterov(ps, _FALLING), STEPS)[STEPS], ahead, rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("kind", [Momentum, Nesterov])
def test_the_two_forms_agree_at_a_constant_rate_and_only_there(kind: type[Momentum]) -> None:
    def last(rate: Any, inside: bool) -> NDArray[Any]:
        return train(lambda ps: kind(ps, rate, rate_in_velocity=inside), 100)[100]

    np.testing.assert_allclose(last(0.05, True), last(0.05, False), rtol=0, atol=1e-12)
    assert (
        np.abs(last(optim.exponential(0.1, 0.9), True) - last(optim.exponential(0.1, 0.9), False)).max()
        > 1e-3
    )


@pytest.mark.parametrize(
    ("options", "penalty"),
    [
        ({"l1": 0.01}, lambda ps: optim.l1(ps, 0.01)),
        ({"l2": 0.02}, lambda ps: optim.l2(ps, 0.02)),
        ({"l1": 0.01, "l2": 0.02}, lambda ps: optim.elastic_net(ps, l1=0.01, l2=0.02)),
        ({"weight_decay": 0.04}, lambda ps: optim.l2(ps, 0.02)),
    ],
    ids=["l1", "l2", "elastic net", "weight decay is twice l2"],
)
def test_a_penalty_in_the_loss_trains_as_the_option_does(options: dict[str, float], penalty: Any) -> None:
    as_option = train(lambda ps: SGD(ps, 0.1, **options), 100)[100]  # type: ignore[arg-type]
    in_loss = train(lambda ps: SGD(ps, 0.1), 100, penalty)[100]
    np.testing.assert_allclose(as_option, in_loss, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", OURS)
def test_float32_stays_float32_and_follows(name: str) -> None:
    """No scalar of the step is wider than the parameters, and the path stays near that of float64."""
    parameters = fresh("float32")
    optimizer = OURS[name](parameters)
    loss = loss_of(*parameters)
    updates = optimizer.updates(loss)
    kinds = {node.dtype.name for node in cr.graph.topological([loss, *updates.values()])}
    assert kinds <= {"float32", "int64", "bool"}
    assert {held.dtype.name for key, held in optimizer.state.items() if key != "step"} <= {"float32"}
    step = Stepper([loss], updates)
    for _ in range(50):
        step.run({})
    assert all(p.array.dtype == np.float32 for p in parameters)
    np.testing.assert_allclose(row(parameters), FIGURES["trajectories"][name]["50"], rtol=0, atol=5e-4)


def test_the_same_step_gives_the_same_bits() -> None:
    one, other = (train(lambda ps: Adam(ps, 0.01, clip=Clip(global_norm=0.1)), 20)[20] for _ in range(2))
    assert one.tobytes() == other.tobytes()
