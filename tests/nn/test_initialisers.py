"""Initial weights: range, mean, variance, shape, and where the numbers come from."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, ShapeError
from chainrule.nn import initialisers as init

KEY = cr.random.key(0)
SHAPE = (400, 250)
CONVOLUTION = (3, 5, 40, 60)  # fans 600 and 900


def uniform(bound):
    return stats.uniform(-bound, 2 * bound)


@pytest.mark.parametrize(
    ("initialiser", "shape", "law"),
    [
        (init.uniform(), SHAPE, uniform(0.1)),  # the lectures' [-0.1, 0.1]
        (init.uniform(-2, 3), (100_000,), stats.uniform(-2, 5)),
        (init.normal(1.0, 0.5), SHAPE, stats.norm(1.0, 0.5)),
        (init.xavier_uniform(), SHAPE, uniform(math.sqrt(6 / 650))),
        (init.xavier_uniform(2.0), CONVOLUTION, uniform(2 * math.sqrt(6 / 1500))),
        (init.xavier_normal(), SHAPE, stats.norm(0, math.sqrt(2 / 650))),
        (init.kaiming_uniform(), SHAPE, uniform(math.sqrt(6 / 400))),
        (init.kaiming_uniform(1.0), CONVOLUTION, uniform(math.sqrt(3 / 600))),
        (init.kaiming_normal(), CONVOLUTION, stats.norm(0, math.sqrt(2 / 600))),
        (init.truncated_normal(0.5, 0.02), SHAPE, stats.truncnorm(-2, 2, 0.5, 0.02)),
        (init.truncated_normal(0, 1, bound=0.5), SHAPE, stats.truncnorm(-0.5, 0.5)),
    ],
)
def test_weights_follow_their_law(initialiser, shape, law):
    w = initialiser(KEY, shape)
    assert w.shape == shape
    assert w.dtype == np.float32
    flat = w.ravel().astype(np.float64)
    low, high = law.support()
    assert low - 1e-7 <= flat.min()
    assert flat.max() <= high + 1e-7
    assert abs(flat.mean() - law.mean()) < 4 * law.std() / math.sqrt(flat.size)
    assert flat.var() == pytest.approx(law.var(), rel=0.03)
    assert stats.kstest(flat, law.cdf).pvalue > 0.01
    neighbours = np.corrcoef(flat[:-1], flat[1:])[0, 1]
    assert abs(neighbours) < 4 / math.sqrt(flat.size)


def test_xavier_keeps_the_variance_of_signals_in_both_passes():
    x = np.random.default_rng(0).normal(size=(200, 300)).astype("f")
    w = init.xavier_uniform()(KEY, (300, 300))
    assert (x @ w).var() == pytest.approx(1, rel=0.05)
    assert (x @ w.T).var() == pytest.approx(1, rel=0.05)


def test_kaiming_keeps_the_second_moment_through_relu():
    x = np.abs(np.random.default_rng(0).normal(size=(500, 400))).astype("f")
    h = np.maximum(x @ init.kaiming_normal()(KEY, (400, 400)), 0)
    assert (h**2).mean() == pytest.approx((x**2).mean(), rel=0.1)


@pytest.mark.parametrize("shape", [(30, 50), (50, 30), (40, 40), (3, 5, 20), (3, 3, 4, 60), (1, 1)])
@pytest.mark.parametrize("gain", [1.0, 1.5])
def test_orthogonal_has_orthonormal_rows_or_columns(shape, gain):
    w = init.orthogonal(gain)(KEY, shape)
    assert w.shape == shape
    matrix = w.reshape(-1, shape[-1]).astype(np.float64) / gain
    product = matrix @ matrix.T if matrix.shape[0] < matrix.shape[1] else matrix.T @ matrix
    assert np.allclose(product, np.eye(len(product)), atol=1e-6)


def test_orthogonal_matrices_are_spread_evenly():
    """The entries of a uniformly drawn n × n orthogonal matrix have mean 0 and variance 1/n."""
    entries = np.concatenate([init.orthogonal()(cr.random.key(seed), (4, 4)).ravel() for seed in range(300)])
    assert abs(entries.mean()) < 0.03
    assert entries.var() == pytest.approx(1 / 4, rel=0.01)
    determinants = [np.linalg.det(init.orthogonal()(cr.random.key(seed), (3, 3))) for seed in range(60)]
    assert 15 < sum(d > 0 for d in determinants) < 45


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((784, 16), (784, 16)), ((3, 50, 100), (150, 300)), ((3, 3, 1, 8), (9, 72)), ((2, 0), (2, 0))],
)
def test_fans(shape, expected):
    assert init.fans(shape) == expected


@pytest.mark.parametrize("name", ["xavier_uniform", "xavier_normal", "kaiming_uniform", "orthogonal"])
def test_a_vector_has_no_fans(name):
    with pytest.raises(ShapeError) as caught:
        getattr(init, name)()(KEY, (5,))
    assert str(caught.value) == (
        "a parameter of shape (5,) has no fan-in and fan-out\n"
        "  mend:  use zeros, uniform or normal for vectors"
    )


def test_zeros_and_ones():
    assert not init.zeros(KEY, (2, 3)).any()
    assert init.ones(KEY, (2, 3)).tolist() == [[1.0] * 3] * 2


def test_a_truncation_that_leaves_nothing_is_refused():
    with pytest.raises(ArgumentError, match="a bound of 0 leaves too little to draw from"):
        init.truncated_normal(bound=0)(KEY, (3,))


def test_from_array_takes_the_parameters_shape_only():
    with pytest.raises(ShapeError) as caught:
        nn.Embedding(3, 2, seed=0, initial=init.from_array(np.zeros((2, 3))))
    assert caught.value.what == "the array given has shape (2, 3), the parameter (3, 2)"


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        ([[1, 2]], "float32"),
        ([[1.5, 2.5]], "float32"),
        (np.array([[1, 2]]), "float32"),
        (np.array([[1.0, 2.0]], "float32"), "float32"),
        (np.array([[1.0, 2.0]]), "float64"),
    ],
)
def test_from_array_gives_something_that_can_be_trained(given, dtype):
    layer = nn.Embedding(1, 2, seed=0, initial=init.from_array(given))
    assert layer.weight.dtype == dtype
    assert np.array_equal(layer.weight.value, np.asarray(given))


def test_from_array_is_not_written_to():
    vectors = np.ones((3, 2), "f")
    layer = nn.Embedding(3, 2, seed=0, padding=1, initial=init.from_array(vectors))
    assert layer.weight.value.tolist() == [[1, 1], [0, 0], [1, 1]]
    assert vectors.all()


# -- seeds -----------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    def weights(seed):
        seeds = nn.Seeds(seed)
        return [nn.Linear(5, 5, seed=seeds).weight.value for _ in range(3)]

    first, second, other = weights(4), weights(4), weights(5)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    drawn = {w.tobytes() for w in (*first, *other)}
    assert len(drawn) == 6  # layers of one supply differ, and so do supplies


def test_a_supply_handed_on_goes_on():
    seeds = nn.Seeds(0)
    nested = nn.Seeds(seeds)
    keys = [tuple(supply.key().value.tolist()) for supply in (seeds, nested, seeds, nested)]
    assert len(set(keys)) == 4
    fresh = nn.Seeds(0)
    assert keys == [tuple(fresh.key().value.tolist()) for _ in range(4)]


def test_keys_of_different_seeds_do_not_meet():
    keys = {
        tuple(supply.key().value.tolist())
        for seed in range(50)
        for supply in [nn.Seeds(seed)]
        for _ in range(20)
    }
    assert len(keys) == 1000


def test_a_negative_seed_is_refused():
    with pytest.raises(ArgumentError, match="-1 is no seed"):
        nn.Linear(2, 2, seed=-1)
