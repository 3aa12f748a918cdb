"""Learning-rate schedules: functions from the step counter to the rate, as graph.

A :data:`Schedule` takes the number of steps already made (0 at the first update, as a float node) and
gives the rate of the next one.  So it is part of the training step's graph, and a compiled step needs
no host to set its rate.  Schedules are elementwise: give them all steps at once to see the curve.

>>> import chainrule as cr
>>> steps = cr.constant([0.0, 1.0, 2.0, 3.0, 4.0])
>>> warmup(2, linear(1.0, 2))(steps).value.round(4)
array([0.3333, 0.6667, 1.    , 0.5   , 0.    ], dtype=float32)

Your own is any function of that kind, and may call another:

>>> def restarts(step):
...     return cosine(0.1, 10)(step % 10)
>>> float(restarts(cr.constant(10.0))) == float(restarts(cr.constant(0.0)))
True
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import graph
from ..errors import ArgumentError
from ..graph import Node, user_place
from ..ops import cos, floor, maximum, minimum
from .checks import FRACTION, NOT_NEGATIVE, in_range, is_number, positive, whole
from .scalars import power

#: From the number of steps made so far (a float node, 0 at first) to the learning rate of the next.
Schedule = Callable[[Node], Node]


def as_schedule(rate: Any, whose: str) -> Schedule:
    """A number as the schedule that stays there; a schedule as it is.  Messages begin with ``whose``."""
    if callable(rate):
        return rate  # type: ignore[no-any-return]  # taken at its word
    if not is_number(rate):
        raise ArgumentError(
            f"{whose}: the learning rate is {rate!r}, neither a number nor a schedule",
            where=user_place(),
            mend="give a number such as 0.01, or a schedule such as cosine(0.01, steps=1000)",
        )
    return constant(in_range(f"{whose}: the learning rate", rate, NOT_NEGATIVE))


def constant(rate: float) -> Schedule:
    """The same rate at every step: η(t) = η₀.

    >>> import chainrule as cr
    >>> constant(0.5)(cr.constant(7.0)).item()
    0.5
    """
    value = in_range("constant: the learning rate", rate, NOT_NEGATIVE)
    return lambda step: graph.constant(np.full(step.shape, value, step.dtype))


def step_decay(rate: float, factor: float, every: int) -> Schedule:
    """The rate times ``factor`` after each ``every`` steps: η(t) = η₀ · factor^⌊t / every⌋.

    >>> import chainrule as cr
    >>> step_decay(1.0, 0.5, every=10)(cr.constant([9.0, 10.0, 20.0])).value
    array([1.  , 0.5 , 0.25], dtype=float32)
    """
    rate = in_range("step_decay: the learning rate", rate, NOT_NEGATIVE)
    factor, every = positive("step_decay: factor", factor), whole("step_decay: every", every)
    return lambda step: rate * power(factor, floor(step / every))


def exponential(rate: float, factor: float, every: int = 1) -> Schedule:
    """The rate times ``factor`` for each ``every`` steps, smoothly: η(t) = η₀ · factor^(t / every).

    >>> import chainrule as cr
    >>> round(exponential(1.0, 0.5, every=2)(cr.constant(1.0)).item(), 4)
    0.7071
    """
    rate = in_range("exponential: the learning rate", rate, NOT_NEGATIVE)
    factor, every = positive("exponential: factor", factor), whole("exponential: every", every)
    return lambda step: rate * power(factor, step / every)


def inverse_time(rate: float, decay: float) -> Schedule:
    """The rate divided by a growing number: η(t) = η₀ / (1 + decay · t).

    Its sum over all steps diverges and that of its squares does not (Robbins and Monro, 1951).

    >>> import chainrule as cr
    >>> inverse_time(1.0, decay=0.5)(cr.constant([0.0, 2.0])).value
    array([1. , 0.5], dtype=float32)
    """
    rate = in_range("inverse_time: the learning rate", rate, NOT_NEGATIVE)
    decay = in_range("inverse_time: decay", decay, NOT_NEGATIVE)
    return lambda step: rate / (1.0 + decay * step)


def polynomial(rate: float, steps: int, end: float = 0.0, power: float = 1.0) -> Schedule:
    """From ``rate`` to ``end`` in ``steps`` steps, and ``end`` from there on.

    η(t) = end + (η₀ - end) · (1 - min(t, steps) / steps)^power

    >>> import chainrule as cr
    >>> polynomial(1.0, 4, power=2.0)(cr.constant([0.0, 2.0, 4.0, 9.0])).value
    array([1.  , 0.25, 0.  , 0.  ], dtype=float32)
    """
    exponent = positive("polynomial: power", power)
    return _falling("polynomial", rate, steps, end, lambda left: left**exponent)


def linear(rate: float, steps: int, end: float = 0.0) -> Schedule:
    """A straight line from ``rate`` to ``end`` in ``steps`` steps, and ``end`` from there on.

    >>> import chainrule as cr
    >>> linear(1.0, 4)(cr.constant([0.0, 1.0, 4.0, 9.0])).value
    array([1.  , 0.75, 0.  , 0.  ], dtype=float32)
    """
    return _falling("linear", rate, steps, end, lambda left: left)


def _falling(what: str, rate: float, steps: int, end: float, shape: Schedule) -> Schedule:
    """``end + (rate - end) · shape(left)``, where ``left`` falls from 1 to 0 in ``steps`` steps."""
    rate = in_range(f"{what}: the learning rate", rate, NOT_NEGATIVE)
    end, steps = in_range(f"{what}: end", end, NOT_NEGATIVE), whole(f"{what}: steps", steps)
    return lambda step: end + (rate - end) * shape(1.0 - minimum(step, steps) / steps)


def cosine(rate: float, steps: int, end: float = 0.0) -> Schedule:
    """Half a cosine from ``rate`` to ``end`` in ``steps`` steps, and ``end`` from there on.

    η(t) = end + (η₀ - end) · (1 + cos(π · min(t, steps) / steps)) / 2   (Loshchilov and Hutter, 2017)

    >>> import chainrule as cr
    >>> cosine(1.0, 4)(cr.constant([0.0, 2.0, 4.0, 9.0])).value.round(6)
    array([1. , 0.5, 0. , 0. ], dtype=float32)
    """
    return _falling("cosine", rate, steps, end, lambda left: 0.5 - 0.5 * cos(math.pi * left))


def warmup(steps: int, after: Schedule | float, start: float | None = None) -> Schedule:
    """A straight rise to the first rate of ``after`` in ``steps`` steps, then ``after`` from its beginning.

    η(t) = min(1, start + (1 - start) · t / steps) · after(max(0, t - steps))

    ``start`` is the fraction of the rate at the first step; without it 1 / (steps + 1), so that the
    rise is even and no step is wasted at a rate of 0.

    >>> import chainrule as cr
    >>> warmup(4, 1.0)(cr.constant([0.0, 1.0, 4.0, 9.0])).value
    array([0.2, 0.4, 1. , 1. ], dtype=float32)
    """
    steps, main = whole("warmup: steps", steps), as_schedule(after, "warmup")
    first = 1.0 / (steps + 1) if start is None else in_range("warmup: start", start, FRACTION)

    def schedule(step: Node) -> Node:
        rise = minimum(first + (1.0 - first) / steps * step, 1.0)
        return rise * main(maximum(step - steps, 0.0))

    return schedule
