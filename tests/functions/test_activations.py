from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special
from scipy.stats import norm

import chainrule as cr
from chainrule.errors import ArgumentError
from chainrule.graph import topological
from chainrule.ops import Composite, expand

from .finite_differences import check_derivatives
from .reference_tables import TABLES, close, leaf, named

POINTS = np.array([-8.0, -2.5, -1.2, -0.4, 0.3, 0.9, 1.7, 6.0])

# name → value, first and second derivative away from corners, from the textbook or SciPy
CLOSED: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], Callable[[Any], Any]]] = {
    "identity": (lambda x: x, lambda x: 1 + 0 * x, lambda x: 0 * x),
    "sign": (np.sign, lambda x: 0 * x, lambda x: 0 * x),
    "sigmoid": (
        special.expit,
        lambda x: special.expit(x) * special.expit(-x),
        lambda x: special.expit(x) * special.expit(-x) * (1 - 2 * special.expit(x)),
    ),
    "tanh": (np.tanh, lambda x: 1 / np.cosh(x) ** 2, lambda x: -2 * np.tanh(x) / np.cosh(x) ** 2),
    "hard_tanh": (lambda x: np.clip(x, -1, 1), lambda x: 1.0 * (np.abs(x) < 1), lambda x: 0 * x),
    "relu": (lambda x: np.maximum(x, 0), lambda x: 1.0 * (x > 0), lambda x: 0 * x),
    "leaky_relu": (
        lambda x: np.where(x > 0, x, 0.01 * x),
        lambda x: np.where(x > 0, 1, 0.01),
        lambda x: 0 * x,
    ),
    "elu": (
        lambda x: np.where(x > 0, x, np.expm1(x)),
        lambda x: np.where(x > 0, 1, np.exp(x)),
        lambda x: np.where(x > 0, 0, np.exp(x)),
    ),
    "gelu": (
        lambda x: x * norm.cdf(x),
        lambda x: norm.cdf(x) + x * norm.pdf(x),
        lambda x: (2 - x * x) * norm.pdf(x),
    ),
    "silu": (
        lambda x: x * special.expit(x),
        lambda x: special.expit(x) * (1 + x * special.expit(-x)),
        lambda x: special.expit(x) * special.expit(-x) * (2 + x * (1 - 2 * special.expit(x))),
    ),
    "softplus": (
        lambda x: np.logaddexp(x, 0),
        special.expit,
        lambda x: special.expit(x) * special.expit(-x),
    ),
}

# name → the limits at -10⁴ and 10⁴ of value and slope
LIMITS = {
    "identity": (-1e4, 1e4, 1, 1),
    "sign": (-1, 1, 0, 0),
    "sigmoid": (0, 1, 0, 0),
    "tanh": (-1, 1, 0, 0),
    "hard_tanh": (-1, 1, 0, 0),
    "relu": (0, 1e4, 0, 1),
    "leaky_relu": (-100, 1e4, 0.01, 1),
    "elu": (-1, 1e4, 0, 1),
    "selu": (-1.0507009873554805 * 1.6732632423543772, 1.0507009873554805e4, 0, 1.0507009873554805),
    "gelu": (0, 1e4, 0, 1),
    "gelu_tanh": (0, 1e4, 0, 1),
    "silu": (0, 1e4, 0, 1),
    "softplus": (0, 1e4, 0, 1),
}


def slopes(name: str, x: cr.Variable) -> tuple[cr.Node, cr.Node, cr.Node]:
    value = cr.ACTIVATIONS[name](x)
    first = cr.gradients(cr.sum(value), x, missing="zero")
    return value, first, cr.gradients(cr.sum(first), x, missing="zero")


def test_the_table_names_every_activation() -> None:
    assert set(cr.ACTIVATIONS) == set(LIMITS)
    assert set(CLOSED) | {"selu", "gelu_tanh"} == set(LIMITS)


@pytest.mark.parametrize("name", sorted(CLOSED))
def test_value_and_two_derivatives_are_the_closed_forms(name: str) -> None:
    for node, form in zip(slopes(name, cr.variable(POINTS)), CLOSED[name], strict=True):
        np.testing.assert_allclose(node.value, form(POINTS), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("row", TABLES["activations"], ids=named(TABLES["activations"]))
def test_values_and_slopes_are_those_of_the_reference(row: dict[str, Any]) -> None:
    value, slope, _ = slopes(row["name"], leaf(row["x"]))
    close(value, row["out"])
    close(slope, row["slope"])


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_derivatives_agree_with_differences_to_second_order(name: str) -> None:
    check_derivatives(cr.ACTIVATIONS[name], POINTS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted(LIMITS))
def test_both_far_ends_are_reached_without_overflow(name: str, dtype: str) -> None:
    value, first, second = slopes(name, cr.variable([-1e4, 1e4], dtype))
    assert value.dtype.name == first.dtype.name == dtype
    low, high, slope_low, slope_high = LIMITS[name]
    np.testing.assert_allclose(value.value, [low, high], rtol=1e-6)
    np.testing.assert_allclose(first.value, [slope_low, slope_high], rtol=1e-6)
    np.testing.assert_array_equal(second.value, [0, 0])


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_both_zeros_and_nan(name: str) -> None:
    value, first, _ = slopes(name, cr.variable([0.0, -0.0, math.nan]))
    assert value.value[0] == value.value[1]
    assert first.value[0] == first.value[1]
    assert np.isfinite(first.value[:2]).all()
    assert np.isnan(value.value[2])


@pytest.mark.parametrize(
    ("function", "at", "slope"),
    [
        (cr.relu, [0.0, -0.0], 0.0),
        (cr.leaky_relu, [0.0], 0.01),
        (cr.hard_tanh, [-1.0, 1.0], 0.0),
        (cr.elu, [0.0], 1.0),
        (lambda x: cr.elu(x, 0.5), [0.0], 0.5),
    ],
)
def test_the_slope_at_a_corner_is_that_from_the_left(
    function: Callable[..., cr.Node], at: list[float], slope: float
) -> None:
    x = cr.variable(at)
    found = cr.gradients(cr.sum(function(x)), x).value
    np.testing.assert_allclose(found, np.full(len(at), slope, np.float32))


def test_softplus_keeps_its_slope_where_naive_forms_lose_it() -> None:
    x = cr.variable(np.array([-700.0, -50.0, 50.0, 800.0]))
    value, first, second = slopes("softplus", x)
    np.testing.assert_allclose(value.value, np.logaddexp(x.array, 0), rtol=1e-14)
    np.testing.assert_allclose(first.value, special.expit(x.array), rtol=1e-14)
    assert second.value[1] == pytest.approx(special.expit(-50.0), rel=1e-12)


@pytest.mark.parametrize("name", sorted(set(LIMITS) - {"identity"}))
def test_shapes_dtypes_and_integers(name: str) -> None:
    function = cr.ACTIVATIONS[name]
    for shape in [(), (0, 3), (1,), (2, 3, 4)]:
        x = cr.variable(np.ones(shape, np.float32))
        assert function(x).value.shape == shape
        assert cr.gradients(cr.sum(function(x)), x, missing="zero").value.shape == shape
    expected = "int64" if name == "sign" else "float32"
    assert function([1, 2]).dtype.name == expected


@pytest.mark.parametrize("name", ["relu", "gelu", "softplus", "selu"])
def test_one_node_in_the_picture_opens_into_its_parts(name: str) -> None:
    node = cr.ACTIVATIONS[name](cr.placeholder((3,)))
    assert node.op.name == name
    inner = topological(expand([node]))
    assert len(inner) > 2
    assert not any(isinstance(part.op, Composite) for part in inner)


def test_a_step_shows_the_local_derivative_of_an_activation() -> None:
    x = cr.variable(2.0, name="x")
    (contribution,) = cr.step_through(3 * cr.relu(x))[x].contributions
    assert (contribution.upstream, contribution.local, contribution.downstream) == (3.0, 1.0, 3.0)


def test_gelu_refuses_an_unknown_approximation() -> None:
    with pytest.raises(ArgumentError, match="approximate='erf' is unknown"):
        cr.gelu([1.0], "erf")  # type: ignore[arg-type]
