from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.errors import ArgumentError, ShapeError
from chainrule.functions import ACTIVATIONS
from chainrule.models.perceptron import MLP, MLP1, MLP2, FoldedLinear, Perceptron, with_constant

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)


@pytest.mark.parametrize(
    ("gold", "separable"),
    [([-1, -1, -1, 1], True), ([-1, 1, 1, 1], True), ([1, 1, 1, -1], True), ([-1, 1, 1, -1], False)],
    ids=["and", "or", "nand", "xor"],
)
def test_a_perceptron_learns_what_a_line_separates_and_no_more(gold: list[int], separable: bool) -> None:
    unit = Perceptron(2)
    assert unit.learn(CORNERS, np.array(gold)) is separable
    assert bool((unit(cr.constant(CORNERS)).value == gold).all()) is separable


def test_a_perceptron_says_which_examples_it_wants() -> None:
    with pytest.raises(ShapeError):
        Perceptron(2).learn(CORNERS, np.ones(3))


def test_xor_needs_a_hidden_layer() -> None:
    """Minsky and Papert's example, with weights by hand: h = [x₁ + x₂ ≥ ½, x₁ + x₂ ≥ 1½], y = h₁ - h₂."""
    net = MLP1(2, 2, 1, seed=0, activation=lambda z: (cr.sign(z) + 1) / 2)
    net.first.weight.assign(np.ones((2, 2)))
    net.first.bias.assign([-0.5, -1.5])
    net.second.weight.assign([[1.0], [-1.0]])
    np.testing.assert_array_equal(net(cr.constant(CORNERS)).value[:, 0], [0, 1, 1, 0])


def test_the_forms_equal_the_equations_in_numpy() -> None:
    x = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    one = MLP1(4, 3, 2, seed=1)
    w1, b1, w2, b2 = (p.value for p in one.parameters())
    expected = 1 / (1 + np.exp(-(x @ w1 + b1))) @ w2 + b2
    np.testing.assert_allclose(one(cr.constant(x)).value, expected, rtol=1e-5, atol=1e-6)
    two = MLP2(4, 3, 2, 1, seed=1)
    w1, b1, w2, b2, w3 = (p.value for p in two.parameters())
    expected = np.tanh(np.tanh(x @ w1 + b1) @ w2 + b2) @ w3
    np.testing.assert_allclose(two(cr.constant(x)).value, expected, rtol=1e-5, atol=1e-6)
    many = MLP([4, 3, 2], seed=1)
    np.testing.assert_array_equal(many(cr.constant(x)).value, one(cr.constant(x)).value)


@given(st.lists(st.integers(1, 40), min_size=2, max_size=5))
@settings(deadline=None, max_examples=20)
def test_the_number_of_parameters_is_the_lectures_sum(dimensions: list[int]) -> None:
    expected = sum(n * m + m for n, m in pairwise(dimensions))
    assert MLP(dimensions, seed=0).parameter_count() == expected


def test_784_16_16_10_has_13002_parameters() -> None:
    net = MLP([784, 16, 16, 10], seed=0)
    assert net.parameter_count() == 13_002
    assert "13,002 parameters" in str(cr.nn.summary(net, (1, 784)))


@pytest.mark.parametrize("dimensions", [[], [3], [3, 0], [3, -1, 2]])
def test_impossible_dimensions(dimensions: list[int]) -> None:
    with pytest.raises(ArgumentError, match="a network of dimensions"):
        MLP(dimensions, seed=0)


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"sign"}))
def test_gradients_of_networks_are_right(name: str) -> None:
    net = MLP([3, 4, 2], seed=3, activation=ACTIVATIONS[name])
    x = np.random.default_rng(1).standard_normal((4, 3)).astype(np.float32)
    target = np.array([0, 1, 1, 0])
    report = cr.check_gradients(cr.cross_entropy(net(cr.constant(x)), target), wrt=net.parameters())
    assert report.worst is not None
    assert report.worst.difference < 1e-6


def test_images_are_flattened() -> None:
    net, images = MLP([6, 2], seed=0), np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    flat = net(cr.constant(images.reshape(4, 6))).value
    np.testing.assert_array_equal(net(cr.constant(images)).value, flat)


def test_dropout_stands_behind_hidden_layers_in_training_only() -> None:
    net = MLP([4, 1000, 2], seed=0, dropout=0.5)
    x = cr.constant(np.ones((1, 4), np.float32))
    still = net(x).value
    np.testing.assert_array_equal(net(x).value, still)
    first, second = (net(x, mode=cr.nn.training(cr.random.key(seed))).value for seed in (0, 1))
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, still)


def test_a_bias_folded_into_the_weights_has_the_same_gradient() -> None:
    plain = cr.nn.Linear(3, 2, seed=0)
    plain.bias.assign([0.5, -1.0])
    folded = FoldedLinear.of(plain)
    x = cr.constant(np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32))
    np.testing.assert_allclose(folded(x).value, plain(x).value, rtol=1e-6)
    weight, bias = cr.gradients(cr.tanh(plain(x)).sum(), [plain.weight, plain.bias])
    together = cr.gradients(cr.tanh(folded(x)).sum(), folded.weight)
    np.testing.assert_allclose(together.value, np.vstack([weight.value, bias.value]), rtol=1e-5)


def test_a_folded_layer_begins_with_a_bias_of_zero() -> None:
    layer = FoldedLinear(3, 2, seed=0)
    np.testing.assert_array_equal(layer.weight.value[-1], [0, 0])
    assert repr(layer) == "FoldedLinear(3 + 1 → 2)"
    assert with_constant(cr.placeholder((7, 5, 3))).shape == (7, 5, 4)
