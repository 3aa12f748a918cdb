"""The networks that are derived, and what is read off a derivation."""

from __future__ import annotations

import numpy as np

import chainrule as cr
from chainrule.view import Derivation, derive

rng = np.random.default_rng(0)


def variable(name: str, *shape: int) -> cr.Variable:
    return cr.variable(rng.normal(size=shape), name=name)


def lecture(activation=cr.tanh) -> tuple[cr.Node, dict[str, cr.Node]]:
    """s = uᵀ f(Wx + b), of the lecture: x of 4, W 8×4, b and u of 8."""
    leaves = {"W": variable("W", 8, 4), "b": variable("b", 8), "u": variable("u", 8)}
    x = cr.constant(rng.normal(size=4)).named("x")
    s = leaves["u"] @ activation(leaves["W"] @ x + leaves["b"])
    return s.named("s"), {**leaves, "x": x}


def told(derivation: Derivation) -> dict[str, str]:
    """Left side → last form, as text."""
    return {line.left.text(): line.forms[-1].text() for line in derivation.lines}


def deep(layers: int, width: int = 5) -> Derivation:
    net = cr.models.MLP([6, *[width] * layers, 3], seed=0, activation=cr.tanh)
    x = cr.constant(rng.normal(size=(4, 6)).astype("float32"))
    return derive(cr.nn.cross_entropy(net(x), [0, 1, 2, 0]), net.parameters())
