from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.engines.differences import AGREES, KINK, UNCERTAIN, WRONG, Difference, central, judge, steps

EPS = float(np.finfo(np.float64).eps)


def at(f: Callable[[Any], Any], x: float, h: float | None = None) -> Difference:
    """The derivative of f at x, its value in an array of one."""
    return central(lambda t: np.atleast_1d(f(x + t)), np.atleast_1d(f(x)), h or steps(EPS)[0], EPS)


@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (np.sin, np.cos),
        (np.exp, np.exp),
        (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
        (np.square, lambda x: 2 * x),
    ],
)
@given(x=st.floats(-3, 3))
@settings(deadline=None, max_examples=30)
def test_smooth_functions_to_nine_digits(f: Any, slope: Any, x: float) -> None:
    found = at(f, x)
    assert found.value[0] == pytest.approx(slope(x), rel=1e-9, abs=1e-9)
    assert abs(found.value[0] - slope(x)) <= 4 * found.error[0] + 1e-12
    assert not found.kink[0]


@pytest.mark.parametrize(
    ("f", "left", "right"),
    [
        (np.abs, -1.0, 1.0),
        (lambda t: np.maximum(t, 0), 0.0, 1.0),
        (lambda t: np.where(t < 0, 3 * t, t), 3.0, 1.0),
    ],
)
def test_a_kink_has_two_slopes(f: Any, left: float, right: float) -> None:
    found = at(f, 0.0)
    assert found.kink[0]
    assert (found.left[0], found.right[0]) == (pytest.approx(left), pytest.approx(right))


def test_at_the_edge_of_the_domain_there_is_one_slope() -> None:
    with np.errstate(all="ignore"):
        found = at(np.sqrt, 0.0)
    assert found.kink[0]
    assert np.isinf(found.error[0])


def test_the_better_of_two_is_taken_entry_by_entry() -> None:
    def difference(value: list[float], error: list[float]) -> Difference:
        flags = np.zeros(3, bool)
        return Difference(np.array(value), np.array(error), flags * 0.0, flags * 0.0, flags)

    found = difference([1.0, 2.0, np.nan], [0.1, 0.9, np.inf]).better_of(
        difference([9.0, 8.0, 7.0], [0.5, 0.5, 0.5])
    )
    assert found.value.tolist() == [1.0, 8.0, 7.0]
    assert found.error.tolist() == [0.1, 0.5, 0.5]


@pytest.mark.parametrize(
    ("analytic", "numeric", "error", "kink", "verdict"),
    [
        (2.0, 2.0 + 1e-7, 1e-12, False, AGREES),
        (2.0, 2.1, 1e-12, False, WRONG),
        (2.0, -2.0, 1e-12, False, WRONG),
        (2.0, 2.0 + 1e-4, 1e-4, False, AGREES),  # within the noise, which is small beside the derivative
        (1e-6, 3e-6, 1e-5, False, UNCERTAIN),  # the noise is larger than both
        (0.0, 0.5, 1e-12, True, KINK),
        (0.0, np.nan, np.inf, False, WRONG),
        (0.0, 1e-9, 0.0, False, AGREES),
    ],
)
def test_verdicts(analytic: float, numeric: float, error: float, kink: bool, verdict: int) -> None:
    zero = np.zeros(1)
    found = Difference(np.array([numeric]), np.array([error]), zero, zero, np.array([kink]))
    assert judge(np.array([analytic]), found, 1e-6, 1e-8).tolist() == [verdict]
