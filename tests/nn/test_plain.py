"""Layers without parameters: each is its function with its options."""

from __future__ import annotations

from functools import partial
from math import erf, pi, sqrt

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError

X = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype("f") * 2
SEQUENCE = X[:, :, 0, :]


@pytest.mark.parametrize(
    ("layer", "x", "expected"),
    [
        (nn.Identity(), X, X),
        (nn.Sign(), X, np.sign(X)),
        (nn.Sigmoid(), X, 1 / (1 + np.exp(-X))),
        (nn.Tanh(), X, np.tanh(X)),
        (nn.HardTanh(), X, np.clip(X, -1, 1)),
        (nn.ReLU(), X, np.maximum(X, 0)),
        (nn.LeakyReLU(), X, np.where(X > 0, X, 0.01 * X)),
        (nn.LeakyReLU(0.3), X, np.where(X > 0, X, 0.3 * X)),
        (nn.ELU(), X, np.where(X > 0, X, np.expm1(X))),
        (nn.ELU(2.0), X, np.where(X > 0, X, 2 * np.expm1(X))),
        (nn.SELU(), X, 1.0507009873554805 * np.where(X > 0, X, 1.6732632423543772 * np.expm1(X))),
        (nn.SiLU(), X, X / (1 + np.exp(-X))),
        (nn.Softplus(), X, np.log1p(np.exp(X))),
        (nn.Softmax(), X, np.exp(X) / np.exp(X).sum(-1, keepdims=True)),
        (nn.Softmax(axis=1), X, np.exp(X) / np.exp(X).sum(1, keepdims=True)),
        (nn.Flatten(), X, X.reshape(2, 108)),
        (nn.MaxOverTime(), SEQUENCE, SEQUENCE.max(1)),
        (nn.MaxPool1d(2), SEQUENCE, SEQUENCE.reshape(2, 3, 2, 3).max(2)),
        (nn.MaxPool1d(3, stride=1), SEQUENCE, np.stack([SEQUENCE[:, i : i + 3].max(1) for i in range(4)], 1)),
        (nn.AveragePool1d(2), SEQUENCE, SEQUENCE.reshape(2, 3, 2, 3).mean(2)),
        (nn.MaxPool2d(2), X, X.reshape(2, 3, 2, 3, 2, 3).max((2, 4))),
        (nn.MaxPool2d((3, 2), stride=(3, 2)), X, X.reshape(2, 2, 3, 3, 2, 3).max((2, 4))),
        (nn.AveragePool2d(3), X, X.reshape(2, 2, 3, 2, 3, 3).mean((2, 4))),
    ],
)
def test_values(layer, x, expected):
    found = layer(cr.constant(x)).value
    assert found.shape == expected.shape
    assert np.allclose(found, expected, atol=1e-5)
    assert layer.parameters() == []


def test_both_forms_of_gelu():
    exact = np.vectorize(lambda x: x / 2 * (1 + erf(x / sqrt(2))))(X)
    tanh = X / 2 * (1 + np.tanh(sqrt(2 / pi) * (X + 0.044715 * X**3)))
    assert np.allclose(nn.GELU()(cr.constant(X)).value, exact, atol=1e-5)
    assert np.allclose(nn.GELU("tanh")(cr.constant(X)).value, tanh, atol=1e-5)
    assert np.abs(exact - tanh).max() > 1e-4
    with pytest.raises(ArgumentError):
        nn.GELU("erf")(cr.constant(X))


def test_padding_of_pools():
    x = cr.constant(-np.ones((1, 2, 1), "f"))
    assert nn.MaxPool1d(2, padding=1)(x).value.ravel().tolist() == [-1, -1]  # what pads is never the largest
    assert nn.AveragePool1d(2, padding=1)(x).value.ravel().tolist() == [-1, -1]
    assert nn.AveragePool1d(2, padding=1, count_padding=True)(x).value.ravel().tolist() == [-0.5, -0.5]
    image = cr.constant(-np.ones((1, 2, 2, 1), "f"))
    counted = nn.AveragePool2d(2, padding=1, count_padding=True)(image)
    assert counted.value.ravel().tolist() == [-0.25] * 4


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.ReLU(), "ReLU()"),
        (nn.LeakyReLU(0.2), "LeakyReLU(slope=0.2)"),
        (nn.GELU("tanh"), "GELU(approximate=tanh)"),
        (nn.MaxPool1d(2), "MaxPool1d(size=2, stride=None, padding=0)"),
        (nn.Function(cr.square), "Function(square)"),
        (nn.Function(partial(cr.gelu, approximate="tanh")), "Function(gelu, approximate='tanh')"),
    ],
)
def test_repr(layer, text):
    assert repr(layer) == text


def test_every_activation_works_as_a_layer():
    for name, activation in nn.ACTIVATIONS.items():
        layer = nn.Function(activation)
        assert layer(cr.constant(X)).shape == X.shape, name
        assert repr(layer).startswith("Function(")


def test_sequential_takes_modules_and_functions():
    net = nn.Sequential(nn.Linear(3, 4, seed=0), cr.tanh, lambda x: 2 * x, nn.Dropout(0.5))
    x = X[0, 0]
    expected = 2 * np.tanh(x @ net[0].weight.value)
    assert np.allclose(net(cr.constant(x)).value, expected, atol=1e-6)
    assert len(net) == 4
    assert len(nn.Sequential()) == 0
    dropped = net(cr.constant(x), mode=nn.training(cr.random.key(0))).value
    assert np.allclose(dropped[dropped != 0], 2 * expected[dropped != 0], atol=1e-6)


@pytest.mark.parametrize("layer", [nn.ReLU, 3, None])
def test_sequential_refuses_what_is_no_layer(layer):
    with pytest.raises(ArgumentError) as caught:
        nn.Sequential(nn.Tanh(), layer)
    assert caught.value.what == f"layer 1 of a Sequential is {layer!r}"
    assert caught.value.mend == "give modules or functions; a class is called first: cr.nn.ReLU()"


def test_residual_adds_its_input_in_both_modes():
    x = cr.constant(X[0, 0])
    block = nn.Residual(nn.Sequential(nn.Linear(3, 3, seed=0), nn.Dropout(0.5)))
    inner = X[0, 0] @ block.inner[0].weight.value
    assert np.allclose(block(x).value, X[0, 0] + inner, atol=1e-6)
    drops = block(x, mode=nn.training(cr.random.key(0))).value - X[0, 0]
    assert np.allclose(drops[np.abs(drops) > 1e-6], 2 * inner[np.abs(drops) > 1e-6], atol=1e-5)
    slope = cr.jacobian(nn.Residual(nn.Linear(3, 3, seed=0, initial=nn.initialisers.zeros)))(X[0, 0, 0])
    assert np.array_equal(slope, np.eye(3))  # the gradient has a way past a block that does nothing
