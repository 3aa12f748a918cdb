"""Derivative rules that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.graph import Node

from .table import fault


def slip(backward: Callable[..., Any], value: Callable[..., Any], *shapes: tuple[int, ...]) -> Any:
    """Check the gradient of an op with this derivative rule."""

    class Mine(cr.Op):
        def forward(self, xp: Any, *values: Any) -> Any:
            return value(xp, *values)

        def vjp(self, ct: Node, out: Node, *inputs: Node) -> Any:
            return backward(ct, out, *inputs)

    op, rng = cr.define_op(Mine), np.random.default_rng(0)
    return cr.check_gradients(
        lambda *x: cr.sum(op(*x) ** 2), *[rng.standard_normal(shape) for shape in shapes]
    )


@fault("backward returns the transpose", "check", "transposed")
def transposed() -> Any:
    return slip(lambda ct, out, x: ((3 * ct).T,), lambda xp, x: 3 * x, (4, 4))


@fault("backward forgets the upstream gradient", "check", "ct")
def upstream_forgotten() -> Any:
    return slip(lambda ct, out, x: (3 * x * x,), lambda xp, x: x**3, (4, 3))


@fault("backward has the wrong sign", "check", "sign")
def wrong_sign() -> Any:
    return slip(lambda ct, out, x: (ct * cr.sin(x),), lambda xp, x: xp.cos(x), (4, 3))


@fault("backward is twice too large", "check", "factor 2")
def factor_two() -> Any:
    return slip(lambda ct, out, x: (2 * ct * cr.exp(x),), lambda xp, x: xp.exp(x), (4, 3))


@fault("backward does not sum over the broadcast axis", "check", "broadcast")
def not_summed() -> Any:
    return slip(
        lambda ct, out, x, y: (ct, ct[0]), lambda xp, x, y: x + y, (5, 3), (3,)
    )  # the bias gets the first row's alone
