"""Rows of random numbers, on a fixed key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr

from .. import threefry
from .row import FLOATS, POSITIVE, REAL, Operand, Row, cases

KEY = (7, 11)


def drawn(function: Callable[..., cr.Node]) -> Callable[..., cr.Node]:
    """``function`` on a fixed key, in float64."""
    return lambda *parameters, shape=(3,): function(
        np.array(KEY, np.uint32), shape, *parameters, dtype="float64"
    )


def reference_of(sample: Callable[..., Any]) -> Callable[..., Any]:
    """The numbers that ``sample`` draws, of the given shape; float32's coarser grid is in test_random.py."""
    return lambda first, shape: sample(KEY, int(np.prod(shape)), first.dtype.name).reshape(shape)


_UNIT, _NORMAL = reference_of(threefry.unit), reference_of(threefry.standard_normal)
_DRAWS = cases(
    *[([a, b], [{"shape": shape}]) for a, b, shape in [
        ((), (), (3, 4)), ((3, 1), (4,), (3, 4)), ((2,), (), (2,)), ((), (), ()), ((0,), (), (0,)),
        ((1,), (1,), (5,)),
    ]]
)  # fmt: skip

RANDOM = [
    Row(
        "uniform", drawn(cr.random.uniform),
        lambda low, high, shape: low + (high - low) * _UNIT(low, shape),
        (Operand(-2, 1), Operand(2, 4)), _DRAWS, ("float64",), nonfinite=False,
    ),
    Row(
        "normal", drawn(cr.random.normal),
        lambda mean, std, shape: mean + std * _NORMAL(mean, shape),
        (REAL, POSITIVE), _DRAWS, ("float64",), nonfinite=False, tolerance=4,
    ),
    Row(
        "bernoulli", lambda p, shape=(3,): cr.random.bernoulli(np.array(KEY, np.uint32), p, shape),
        lambda p, shape: threefry.unit(KEY, int(np.prod(shape)), "float32").reshape(shape) < p,
        (Operand(0.1, 0.9),), cases(([()], [{"shape": (3, 4)}]), ([(4,)], [{"shape": (3, 4)}])), FLOATS,
        result="bool", differentiable=False, nonfinite=False,
    ),
    Row(
        "permutation", lambda x: cr.random.permutation(np.array(KEY, np.uint32), x),
        lambda x: x[np.argsort(threefry.unit(KEY, len(x), "float64"))],
        cases=cases(*[([shape], [{}]) for shape in [(5,), (4, 2), (1,), (0,)]]), wrong=((1.0,),),
    ),
]  # fmt: skip
