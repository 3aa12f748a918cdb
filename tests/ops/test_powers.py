"""Powers at their edges: integers to negative powers, and the derivative by the exponent."""

from __future__ import annotations

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError

WHOLE = cr.variable(np.array([2, 3]))


@pytest.mark.parametrize(
    "build",
    [
        lambda: WHOLE**-1,
        lambda: 2 ** cr.constant(-1),
        lambda: WHOLE ** cr.constant(np.array([2, -1], np.int32)),
        lambda: cr.pow([2, 3], -1),
    ],
)
def test_an_integer_to_a_negative_power_is_refused_where_it_is_written(build) -> None:
    with pytest.raises(ArgumentError, match="pow: an integer to the power -1 is no integer") as caught:
        build()
    assert caught.value.mend == "make the base a float first: x.astype('float32') ** power"
    assert "test_powers.py" in caught.value.where


def test_floats_take_negative_powers_and_integers_take_others() -> None:
    np.testing.assert_allclose((WHOLE**-1.0).value, [1 / 2, 1 / 3], rtol=1e-6)
    np.testing.assert_allclose((WHOLE.astype("float64") ** -1).value, [1 / 2, 1 / 3])
    assert (WHOLE**2).value.tolist() == [4, 9]
    assert (WHOLE**0).value.tolist() == [1, 1]


@pytest.mark.parametrize("engine", ["stepper", "native"])
def test_a_negative_power_that_comes_up_in_a_run_gives_zero(engine: str) -> None:
    assert cr.evaluate(WHOLE ** (WHOLE - 4), engine=engine).tolist() == [0, 0]


@pytest.mark.parametrize("leaf", [cr.variable, cr.constant, lambda y, d: cr.variable(y, d) * 1])
@pytest.mark.parametrize("y", [3.0, -0.5, 0.0])
def test_the_derivative_by_an_exponent_of_any_kind(leaf, y: float) -> None:
    exponent = leaf(y, "float64")
    (found,) = cr.gradients(cr.constant(2.0, "float64") ** exponent, [exponent])
    assert float(found) == pytest.approx(math.log(2) * 2**y, rel=1e-14)
