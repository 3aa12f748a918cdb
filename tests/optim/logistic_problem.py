"""The problem of the reference figures, twice: as graph, and by hand in NumPy for plain loops."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import chainrule as cr
from chainrule.engines.stepper import Stepper
from chainrule.optim import Optimizer

FIGURES: dict[str, Any] = json.loads(
    Path(__file__).parent.joinpath("reference", "trajectories.json").read_text(encoding="utf-8")
)
DATA = {name: np.asarray(value) for name, value in FIGURES["problem"].items()}
START = {name: DATA[name] for name in ("W", "v", "c")}

Arrays = dict[str, NDArray[Any]]


def fresh(dtype: str = "float64") -> list[cr.Variable]:
    """The parameters W (4, 3), v (3) and c () at their start."""
    return [cr.variable(value, dtype=dtype, name=name) for name, value in START.items()]


def loss_of(W: cr.Node, v: cr.Node, c: cr.Node) -> cr.Node:
    X, y, T = (cr.constant(DATA[name], dtype=W.dtype) for name in ("X", "y", "T"))
    hidden = X @ W
    margin = y * (cr.sum(cr.maximum(hidden, 0.0) * v, axis=1) + c)
    return cr.mean(cr.log1p(cr.exp(-margin))) + 0.05 * cr.mean(cr.square(hidden - T))


def gradients_by_hand(p: Mapping[str, NDArray[Any]]) -> Arrays:
    """The gradients of :func:`loss_of`, derived on paper."""
    X, y, T = DATA["X"], DATA["y"], DATA["T"]
    hidden = X @ p["W"]
    active = np.maximum(hidden, 0)
    margin = y * (active @ p["v"] + p["c"])
    d_score = -y / (1 + np.exp(margin)) / len(y)
    d_hidden = np.outer(d_score, p["v"]) * (hidden > 0) + 0.1 * (hidden - T) / T.size
    return {"W": X.T @ d_hidden, "v": active.T @ d_score, "c": np.asarray(d_score.sum())}


def train(
    make: Callable[[list[cr.Variable]], Optimizer],
    steps: int,
    penalty: Callable[[list[cr.Variable]], cr.Node] | None = None,
    dtype: str = "float64",
) -> dict[int, NDArray[Any]]:
    """The parameters in one row after each step."""
    parameters = fresh(dtype)
    optimizer = make(parameters)
    loss = loss_of(*parameters)
    step = Stepper([loss], optimizer.updates(loss if penalty is None else loss + penalty(parameters)))
    found = {}
    for number in range(1, steps + 1):
        step.run({})
        found[number] = row(parameters)
    return found


def row(parameters: list[cr.Variable]) -> NDArray[Any]:
    return np.concatenate([p.array.reshape(-1) for p in parameters])


def by_hand(
    advance: Callable[[NDArray[Any], NDArray[Any], dict[str, Any], int], NDArray[Any]], steps: int
) -> NDArray[Any]:
    """The last parameters of a plain loop: ``advance(parameter, gradient, memory, t)`` gives the next."""
    p = {name: value.copy() for name, value in START.items()}
    memory: dict[str, dict[str, Any]] = {name: {} for name in p}
    for t in range(1, steps + 1):
        gradients = gradients_by_hand(p)
        p = {name: np.asarray(advance(p[name], gradients[name], memory[name], t)) for name in p}
    return np.concatenate([value.reshape(-1) for value in p.values()])
