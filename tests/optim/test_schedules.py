from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.engines.stepper import Stepper
from chainrule.errors import ArgumentError
from chainrule.optim import SGD, Schedule
from chainrule.optim.scalars import one_minus_power, power

from .logistic_problem import FIGURES

OURS: dict[str, Schedule] = {
    "constant": optim.constant(0.5),
    "step_decay": optim.step_decay(0.5, 0.3, every=7),
    "exponential": optim.exponential(0.5, 0.93),
    "linear": optim.linear(0.5, 25, end=0.05),
    "polynomial": optim.polynomial(0.5, 30, power=2.5),
    "cosine": optim.cosine(0.5, 40, end=0.02),
    "warmup": optim.warmup(8, optim.cosine(0.5, 32, end=0.01), start=0.2),
}


def curve(schedule: Schedule, steps: Any, dtype: str = "float64") -> Any:
    return schedule(cr.constant(np.asarray(steps, dtype))).value


def test_each_figure_has_its_schedule() -> None:
    assert OURS.keys() == FIGURES["schedules"].keys()


@pytest.mark.parametrize("name", OURS)
def test_rates_are_those_of_the_reference(name: str) -> None:
    """All at once, and one after the other from the counter of an optimizer."""
    expected = FIGURES["schedules"][name]
    np.testing.assert_allclose(curve(OURS[name], range(len(expected))), expected, rtol=0, atol=1e-11)
    w = cr.variable(1.0, dtype="float64")
    optimizer = SGD([w], OURS[name])
    step = Stepper([optimizer.learning_rate()], optimizer.updates(w * w))
    found = [step.run({})[0].item() for _ in expected]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


CLOSED_FORMS: list[tuple[Schedule, Callable[[float], float]]] = [
    (optim.inverse_time(0.5, 0.2), lambda t: 0.5 / (1 + 0.2 * t)),
    (optim.exponential(0.5, 0.5, every=10), lambda t: 0.5 * 2 ** (-t / 10)),
    (optim.warmup(9, 0.5), lambda t: 0.5 * min(1, (t + 1) / 10)),
    (optim.warmup(5, optim.inverse_time(1.0, 1.0), start=0.0), lambda t: t / 5 if t < 5 else 1 / (t - 4)),
    (optim.cosine(1.0, 10, end=0.1), lambda t: 0.55 + 0.45 * math.cos(math.pi * min(t, 10) / 10)),
    (optim.polynomial(1.0, 10, end=0.2, power=2), lambda t: 0.2 + 0.8 * max(0, 1 - t / 10) ** 2),
    (optim.warmup(3, optim.warmup(4, 1.0)), lambda t: (t + 1) / 4 / 5 if t < 3 else min(1, (t - 2) / 5)),
]


@pytest.mark.parametrize(("schedule", "closed_form"), CLOSED_FORMS)
def test_rates_are_the_closed_form_also_after_the_end(
    schedule: Schedule, closed_form: Callable[[float], float]
) -> None:
    expected = [closed_form(t) for t in range(50)]
    np.testing.assert_allclose(curve(schedule, range(50)), expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", OURS)
def test_rates_in_float32_are_right_and_stay_float32(name: str) -> None:
    found = curve(OURS[name], range(40), "float32")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, FIGURES["schedules"][name], rtol=2e-6, atol=1e-7)


def test_powers_of_numbers_near_one_keep_their_digits_in_float32() -> None:
    t = np.array([1, 1000, 100_000, 1_000_000])
    narrow = cr.constant(t.astype(np.float32))
    np.testing.assert_allclose(power(0.99999, narrow).value, 0.99999**t, rtol=1e-5)
    np.testing.assert_allclose(one_minus_power(0.9999, narrow).value, 1 - 0.9999**t, rtol=3e-7)
    assert one_minus_power(0.0, narrow).value.tolist() == [1.0] * 4


def test_the_scale_multiplies_every_schedule() -> None:
    a, b = cr.variable(1.0), cr.variable(1.0)
    groups = [{"parameters": [a]}, {"parameters": [b], "learning_rate": optim.linear(1.0, 10)}]
    optimizer = SGD(groups, 0.5)
    optimizer.learning_rate_scale.assign(0.25)
    assert [float(optimizer.learning_rate(group)) for group in (0, 1)] == [0.125, 0.25]


NOT_NEGATIVE = "it must be a finite number, at least 0"
ERRORS: list[tuple[Callable[[], Schedule], str]] = [
    (lambda: optim.step_decay(0.1, 0.0, 5), "step_decay: factor is 0.0; it must be a finite number above 0"),
    (lambda: optim.step_decay(0.1, 0.5, 0), "step_decay: every is 0; it must be a whole number, at least 1"),
    (
        lambda: optim.cosine(0.1, 10.0),  # type: ignore[arg-type]
        "cosine: steps is 10.0; it must be a whole number, at least 1",
    ),
    (lambda: optim.linear(0.1, 5, -1.0), f"linear: end is -1.0; {NOT_NEGATIVE}"),
    (lambda: optim.polynomial(-0.1, 5), f"polynomial: the learning rate is -0.1; {NOT_NEGATIVE}"),
    (lambda: optim.inverse_time(math.inf, 1.0), f"inverse_time: the learning rate is inf; {NOT_NEGATIVE}"),
    (lambda: optim.warmup(5, 0.1, start=1.0), f"warmup: start is 1.0; {NOT_NEGATIVE} and below 1"),
    (
        lambda: optim.warmup(5, None),  # type: ignore[arg-type]
        "warmup: the learning rate is None, neither a number nor a schedule",
    ),
    (lambda: optim.constant(True), f"constant: the learning rate is True; {NOT_NEGATIVE}"),
]


@pytest.mark.parametrize(("make", "what"), ERRORS)
def test_errors_name_schedule_and_argument(make: Callable[[], Schedule], what: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert caught.value.what == what
