"""Function transforms against closed forms: nested, over trees, of several arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import errors

RNG = np.random.default_rng(0)
A = RNG.normal(size=(4, 4))
X = RNG.normal(size=4)
V = RNG.normal(size=4)


def quadratic(x: Any) -> cr.Node:
    """xᵀAx: gradient (A + Aᵀ)x, Hessian A + Aᵀ."""
    return x @ (A @ x)


def test_gradient_hessian_and_their_products_of_a_quadratic() -> None:
    symmetric = A + A.T
    value, gradient = cr.value_and_grad(quadratic)(X)
    np.testing.assert_allclose(value, X @ A @ X)
    np.testing.assert_allclose(gradient, symmetric @ X)
    np.testing.assert_allclose(cr.hessian(quadratic)(X), symmetric)
    np.testing.assert_allclose(cr.hvp(quadratic, (X,), (V,)), symmetric @ V)
    change = cr.jvp(quadratic, (X,), (V,))[1]
    np.testing.assert_allclose(change, symmetric @ X @ V)
    back = cr.vjp(quadratic, X)[1](3.0)[0]
    np.testing.assert_allclose(back, 3 * symmetric @ X)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 5), m=st.integers(1, 5))
def test_pushforward_pullback_and_jacobian_agree(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    w, x, t, ct = rng.normal(size=(m, n)), rng.normal(size=n), rng.normal(size=n), rng.normal(size=m)

    def layer(y: Any) -> cr.Node:
        return cr.tanh(w @ y)

    matrix = cr.jacobian(layer)(x)
    expected = (1 - np.tanh(w @ x) ** 2)[:, None] * w
    np.testing.assert_allclose(matrix, expected, atol=1e-14)
    np.testing.assert_allclose(cr.jvp(layer, (x,), (t,))[1], expected @ t, atol=1e-13)
    np.testing.assert_allclose(cr.vjp(layer, x)[1](ct)[0], expected.T @ ct, atol=1e-13)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_nested_gradients(order: int) -> None:
    """The n-th derivative of x⁵ at 2."""
    function: Any = lambda x: x**5  # noqa: E731
    factor, power = 1, 5
    for _ in range(order):
        function = cr.grad(function)
        factor, power = factor * power, power - 1
    assert float(function(2.0)) == factor * 2**power


def test_perturbations_are_not_confused() -> None:
    """d/dx of x·(d/dy (x + y)) is 1: the inner derivative is 1, whatever x is."""
    assert float(cr.grad(lambda x: x * cr.grad(lambda y: x + y)(x))(3.0)) == 1.0
    assert float(cr.grad(lambda x: x * cr.grad(lambda y: x * y)(2.0))(3.0)) == 6.0


def test_a_gradient_inside_a_function_is_differentiated_through() -> None:
    """The squared norm of a gradient, |∇f|² with f = Σ x³, has gradient 36x³."""

    def penalty(x: Any) -> cr.Node:
        slope = cr.grad(lambda y: cr.sum(y**3))(x)
        return cr.sum(slope * slope)

    x = np.array([1.0, 2.0])
    np.testing.assert_allclose(cr.grad(penalty)(x), 36 * x**3)


def test_transforms_of_nodes_answer_in_nodes() -> None:
    x = cr.variable(3.0)
    slope = cr.grad(lambda y: y * y)(x)
    assert isinstance(slope, cr.Node)
    x.assign(5.0)
    assert float(slope) == 10.0


def test_trees_of_arguments_and_results() -> None:
    parameters = {"w": np.array([[1.0, 2.0]]), "layers": [(np.array([3.0]), 2.0)]}

    def loss(p: Any, scale: float) -> cr.Node:
        ((b, c),) = p["layers"]
        return cr.sum(p["w"]) * cr.sum(b) * c * scale

    gradient = cr.grad(loss)(parameters, 10.0)
    assert set(gradient) == {"w", "layers"}
    assert gradient["w"].tolist() == [[60.0, 60.0]]
    assert gradient["layers"][0][0].tolist() == [60.0]
    assert gradient["layers"][0][1].item() == 90.0
    both = cr.grad(loss, argnums=(1, 0))(parameters, 10.0)
    assert both[0].item() == 18.0
    value, pullback = cr.vjp(lambda x: {"twice": 2 * x, "square": (x * x,)}, 3.0)
    assert (value["twice"].item(), value["square"][0].item()) == (6.0, 9.0)
    assert pullback({"twice": 1.0, "square": (10.0,)})[0].item() == 62.0


def test_several_arguments() -> None:
    def f(x: Any, y: Any) -> cr.Node:
        return x**2 * y**3

    assert float(cr.grad(f, 1)(2.0, 3.0)) == 4 * 27
    assert [float(g) for g in cr.grad(f, (0, 1))(2.0, 3.0)] == [4 * 27, 4 * 27]
    products = cr.hvp(f, (2.0, 3.0), (1.0, 0.0))
    assert [float(p) for p in products] == [2 * 27, 2 * 2 * 3 * 9]
    assert cr.jacobian(lambda x, y: cr.stack([x, y, x * y]), 1)(2.0, 3.0).tolist() == [0.0, 1.0, 2.0]


def test_the_hessian_of_a_matrix_argument() -> None:
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    found = cr.hessian(lambda y: cr.sum(y * y * y))(x)
    expected = np.zeros((2, 2, 2, 2))
    for place in np.ndindex(2, 2):
        expected[place + place] = 6 * x[place]
    np.testing.assert_allclose(found, expected)


def test_keywords_are_options_and_not_differentiated() -> None:
    assert float(cr.grad(lambda x, power: x**power)(2.0, power=3)) == 12.0


def test_integers_among_the_arguments() -> None:
    def picked(x: Any, i: Any) -> cr.Node:
        return cr.pick(x, i)

    assert cr.grad(picked)([1.0, 2.0, 3.0], 1).tolist() == [0.0, 1.0, 0.0]
    gradient, nothing = cr.vjp(picked, [1.0, 2.0, 3.0], 2)[1](1.0)
    assert (gradient.tolist(), nothing) == ([0.0, 0.0, 1.0], None)


def test_where_nothing_flows() -> None:
    assert cr.grad(lambda x: cr.sum(cr.floor(x)))([1.5, 2.5]).tolist() == [0.0, 0.0]
    assert cr.grad(lambda x: cr.sum(cr.floor(x)), missing="none")([1.5]) is None
    with pytest.raises(errors.DerivativeError, match="floor"):
        cr.grad(lambda x: cr.sum(cr.floor(x)), missing="error")([1.5])
    assert cr.jvp(cr.floor, (1.5,), (1.0,))[1].item() == 0.0


ERRORS = {
    "not a scalar": (lambda: cr.grad(lambda x: x * 2)([1.0, 2.0]), "it returned float32 (2,)"),
    "two results": (lambda: cr.grad(lambda x: (x, x))(1.0), "it returned float32 (), float32 ()"),
    "integer result": (lambda: cr.grad(lambda x: cr.argmax(x))([1.0]), "it returned int64 ()"),
    "integer argument": (lambda: cr.grad(lambda x: x * 2.0)(3), "an argument is int64"),
    "argnums": (lambda: cr.grad(lambda x: x, 1)(3.0), "argnums=1 with 1 argument(s)"),
    "cotangents": (lambda: cr.vjp(lambda x: x, 1.0)[1]((1.0, 2.0)), "2 cotangents for 1 results"),
    "cotangent's shape": (
        lambda: cr.vjp(lambda x: x, 1.0)[1]([1.0]),
        "the cotangent of x0 has shape (1,), not ()",
    ),
    "tangents": (lambda: cr.jvp(lambda x: x, (1.0,), ()), "0 tangents for 1 arguments"),
    "tangent's shape": (lambda: cr.jvp(lambda x: x, (1.0,), ([1.0],)), "a tangent of shape (1,)"),
    "hessian of a vector": (lambda: cr.hessian(lambda x: x)([1.0, 2.0]), "must return one float scalar"),
    "a value too early": (lambda: cr.grad(lambda x: x * float(x))(1.0), "the placeholder x0 has no value"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error_texts(name: str) -> None:
    make, text = ERRORS[name]
    with pytest.raises(errors.ChainruleError) as caught:
        make()
    assert text in str(caught.value)
    assert "test_transforms.py:" in str(caught.value)
