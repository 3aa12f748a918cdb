from __future__ import annotations

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError

from .finite_differences import check_derivatives

KEY = cr.random.key(7)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_share_dropped_and_the_mean_kept(rate: float) -> None:
    found = cr.dropout(np.ones(100_000, np.float32), rate, KEY).value
    assert set(np.unique(found)) == {np.float32(0), np.float32(1 / (1 - rate))}
    spread = math.sqrt(rate * (1 - rate) / found.size)
    assert np.mean(found == 0) == pytest.approx(rate, abs=5 * spread)
    assert found.mean(dtype=np.float64) == pytest.approx(1, abs=5 * spread / (1 - rate))


def test_a_rate_of_zero_is_the_identity() -> None:
    x = cr.placeholder((3,))
    assert cr.dropout(x, 0.0, KEY) is x


def test_a_key_fixes_the_mask_and_another_key_is_another_mask() -> None:
    x = np.ones(1000, np.float32)
    first = cr.dropout(x, 0.5, KEY).value
    np.testing.assert_array_equal(first, cr.dropout(x, 0.5, cr.random.key(7)).value)
    other = cr.dropout(x, 0.5, cr.random.fold_in(KEY, 1)).value
    assert 0.4 < np.mean(first != other) < 0.6


def test_the_gradient_flows_through_what_was_kept() -> None:
    x = cr.variable(np.arange(1.0, 101.0))
    y = cr.dropout(x, 0.25, KEY)
    np.testing.assert_allclose(cr.gradients(cr.sum(y), x).value, y.value / x.array, rtol=1e-14)
    check_derivatives(lambda a: cr.dropout(a, 0.25, KEY), x.array)


def test_the_key_may_be_fed_a_step_at_a_time() -> None:
    key = cr.placeholder((2,), "uint32", name="key")
    y = cr.dropout(np.ones(1000, np.float32), 0.5, key)
    one, two = (cr.evaluate(y, feed={key: np.array([7, step], np.uint32)}) for step in (0, 1))
    np.testing.assert_array_equal(one, cr.dropout(np.ones(1000, np.float32), 0.5, KEY).value)
    assert (one != two).any()


def test_what_is_dropped_does_not_matter_even_if_it_is_infinite() -> None:
    kept = cr.dropout(np.ones(50), 0.5, KEY).value > 0
    x = cr.variable(np.where(kept, 1.0, math.inf))
    y = cr.dropout(x, 0.5, KEY)
    np.testing.assert_array_equal(y.value, 2.0 * kept)
    np.testing.assert_array_equal(cr.gradients(cr.sum(y), x).value, 2.0 * kept)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, math.nan])
def test_a_rate_outside_zero_to_one_is_refused(rate: float) -> None:
    with pytest.raises(ArgumentError, match="is outside"):
        cr.dropout([1.0], rate, KEY)
