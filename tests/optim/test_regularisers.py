from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import chainrule as cr
from chainrule.errors import ArgumentError
from chainrule.optim import elastic_net, l1, l2
from chainrule.optim.regularisers import penalty_gradient

ARRAYS = npst.arrays(
    np.float64,
    npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    elements=st.floats(-10, 10, width=32),
)


@settings(deadline=None, max_examples=50)
@given(ARRAYS, ARRAYS)
def test_penalties_are_their_sums(a: np.ndarray, b: np.ndarray) -> None:
    parameters = [cr.variable(a), cr.variable(b)]
    absolute, squared = np.abs(a).sum() + np.abs(b).sum(), (a**2).sum() + (b**2).sum()
    assert float(l1(parameters, 0.3)) == pytest.approx(0.3 * absolute, rel=1e-12)
    assert float(l2(parameters, 0.3)) == pytest.approx(0.3 * squared, rel=1e-12)
    assert float(elastic_net(parameters, l1=0.1, l2=0.2)) == pytest.approx(
        0.1 * absolute + 0.2 * squared, rel=1e-12
    )


@settings(deadline=None, max_examples=50)
@given(ARRAYS, st.sampled_from([0.0, 0.3]), st.sampled_from([0.0, 0.7]))
def test_what_the_optimizer_adds_is_the_gradient_of_the_penalty(
    a: np.ndarray, first: float, second: float
) -> None:
    w = cr.variable(a)
    expected = cr.gradients(elastic_net([w], l1=first, l2=second), w).value
    found = penalty_gradient(w, first, second)
    np.testing.assert_allclose(np.zeros_like(a) if found is None else found.value, expected, rtol=1e-15)


def test_a_shared_parameter_is_penalised_once() -> None:
    w = cr.variable([1.0, 2.0])
    assert float(l2([w, w], 1.0)) == 5.0
    assert float(elastic_net(iter([w, w]), l1=1.0, l2=1.0)) == 8.0


def test_errors_name_the_penalty() -> None:
    with pytest.raises(ArgumentError, match="l1: there are no parameters to penalise"):
        l1([], 0.1)
    with pytest.raises(ArgumentError, match=r"l2: strength is -0\.1; it must be a finite number, at least 0"):
        l2([cr.variable(1.0)], -0.1)
