"""Variances of fewer numbers than their correction, which no table of NumPy's own results has."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr


@pytest.mark.parametrize("statistic", [cr.var, cr.std])
@pytest.mark.parametrize(
    ("shape", "correction"), [((0,), 0), ((0,), 1), ((1,), 1), ((1,), 2), ((0, 3), 1), ((2, 0), 1)]
)
def test_a_variance_of_too_few_numbers_is_not_a_number(statistic, shape, correction):
    found = statistic(cr.variable(np.full(shape, 5.0)), axis=0, correction=correction).value
    assert found.shape == shape[1:]
    assert np.isnan(found).all()


def test_a_variance_over_its_correction_does_not_turn_negative():
    assert np.isposinf(cr.var([1.0, 3.0], correction=3).value)
