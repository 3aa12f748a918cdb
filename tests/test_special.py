"""The error function against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

from chainrule.special import erf


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (1, 3), (-6, 6), (5, 30), (-1e-300, 1e-300)])
def test_erf_in_float64(low: float, high: float) -> None:
    x = np.linspace(low, high, 20_001)
    np.testing.assert_array_max_ulp(erf(x), scipy.special.erf(x), maxulp=4)


def test_erf_in_float32_is_correctly_rounded_to_a_unit() -> None:
    x = np.linspace(-5, 5, 20_001, dtype=np.float32)
    found = erf(x)
    assert found.dtype == np.float32
    np.testing.assert_array_max_ulp(
        found, scipy.special.erf(x.astype(np.float64)).astype(np.float32), maxulp=1
    )


def test_erf_at_the_ends() -> None:
    x = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1.0, -1.0])
    found = erf(x)
    np.testing.assert_array_equal(found, scipy.special.erf(x))
    assert np.signbit(found[4])
    assert erf(np.zeros((0, 2))).shape == (0, 2)
    assert erf(np.array(0.5)).shape == ()
