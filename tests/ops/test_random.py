from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import chainrule as cr
from chainrule import namespace
from chainrule.errors import ArgumentError, DTypeError, ShapeError

from .differences import check_derivatives
from .threefry import MASK, block, stream

random = cr.random

# Random123's kat_vectors, the lines "threefry2x32 20": counter, key, result.
PUBLISHED = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((MASK, MASK), (MASK, MASK), (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]


@pytest.mark.parametrize(("counter", "key", "expected"), PUBLISHED)
def test_the_published_vectors(counter, key, expected):
    words = [np.array([word], np.uint32) for word in counter]
    found = namespace.threefry2x32(np, np.array(key, np.uint32), *words)
    assert tuple(int(word[0]) for word in found) == expected
    assert block(counter, key) == expected


def test_the_published_vector_comes_out_of_a_node():
    assert random.bits(random.key(0), 2).value.tolist() == [0x6B200159, 0x99BA4EFE]


@given(st.integers(0, 2**64 - 1), st.integers(0, 40))
@settings(deadline=None, max_examples=40)
def test_bits_are_the_stream_of_the_key(seed, count):
    assert random.bits(random.key(seed), count).value.tolist() == stream((seed & MASK, seed >> 32), count)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**63 - 1))
@settings(deadline=None, max_examples=40)
def test_folding_in_is_a_block_of_its_own(seed, data):
    key = (seed & MASK, seed >> 32)
    found = random.fold_in(random.key(seed), data).value.tolist()
    assert found == list(block((data & MASK, 1 + (data >> 32)), key))


def test_split_is_a_block_of_its_own():
    found = random.split(random.key(9), 3).value.tolist()
    assert found == [list(block((n, MASK), (9, 0))) for n in range(3)]


def test_words_far_along_are_those_of_their_counters():
    count = 3 * (1 << 16) + 5  # several of the chunks that the stream is made in
    found = random.bits(random.key(11), count).value
    for place in (0, 1, (1 << 16) - 1, 1 << 16, (1 << 17) + 1, count - 1):
        assert int(found[place]) == block((place // 2, 0), (11, 0))[place % 2]


@given(st.integers(0, 9), st.integers(0, 30), st.integers(0, 30))
@settings(deadline=None, max_examples=40)
def test_a_longer_draw_begins_with_the_shorter(seed, short, more):
    key = random.key(seed)
    for draw in (
        random.bits,
        random.uniform,
        lambda key, n: random.uniform(key, n, dtype="float64"),
        random.normal,
        lambda key, n: random.bernoulli(key, 0.3, n),
    ):
        assert np.array_equal(draw(key, short).value, draw(key, short + more).value[:short])


def test_a_shape_is_only_a_shape():
    key = random.key(1)
    assert np.array_equal(random.normal(key, (3, 5)).value.ravel(), random.normal(key, 15).value)
    assert random.uniform(key).shape == ()
    assert random.bits(key, (2, 0)).value.shape == (2, 0)
    assert random.normal(key, (0,)).value.shape == (0,)


def test_a_step_counter_gives_each_step_its_own_mask():
    step = cr.variable(0, dtype="int64")
    mask = random.bernoulli(random.fold_in(random.key(5), step), 0.5, 64)
    seen = []
    for number in (0, 1, 0):
        step.assign(np.array(number))
        seen.append(mask.value.tolist())
    assert seen[0] != seen[1]
    assert seen[0] == seen[2]


def test_one_key_for_each_number():
    many = random.fold_in(random.key(3), np.arange(5)).value
    assert many.shape == (5, 2)
    for number in range(5):
        assert np.array_equal(random.fold_in(random.key(3), number).value, many[number])


def test_no_two_kinds_of_key_meet():
    key = random.key(12)
    folded = random.fold_in(key, np.arange(500)).value
    parts = random.split(key, 500).value
    words = random.bits(key, (500, 2)).value
    assert len({tuple(row) for row in np.concatenate([folded, parts, words]).tolist()}) == 1500


# -- distributions, at fixed seeds ---------------------------------------------------------------------------

N = 100_000


@pytest.mark.parametrize("seed", [0, 1, 2**40])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_is_uniform(seed, dtype):
    found = random.uniform(random.key(seed), N, dtype=dtype).value
    assert found.dtype == dtype
    assert found.min() >= 0
    assert found.max() < 1
    assert stats.kstest(found, "uniform").pvalue > 0.01
    pairs = np.histogram2d(found[0::2], found[1::2], bins=10)[0]  # the two words of a block
    assert stats.chisquare(pairs.ravel()).pvalue > 0.01


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_is_normal(seed, dtype):
    found = random.normal(random.key(seed), N, mean=2.0, std=3.0, dtype=dtype).value
    assert found.dtype == dtype
    assert stats.kstest(found, stats.norm(2.0, 3.0).cdf).pvalue > 0.01
    r, _ = stats.pearsonr(found[0::2], found[1::2])  # the two of a pair
    assert abs(r) < 4 / np.sqrt(N / 2)
    r, _ = stats.pearsonr((found[0::2] - 2) ** 2, (found[1::2] - 2) ** 2)
    assert abs(r) < 4 / np.sqrt(N / 2)


@pytest.mark.parametrize("seed", [0, 1])
def test_every_bit_is_fair(seed):
    words = random.bits(random.key(seed), N).value
    ones = [int((words >> np.uint32(place) & np.uint32(1)).sum()) for place in range(32)]
    assert max(abs(count - N / 2) for count in ones) < 4.5 * np.sqrt(N / 4)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 1.0])
def test_bernoulli_holds_as_often_as_it_says(p):
    found = random.bernoulli(random.key(8), p, N).value
    assert found.dtype == np.bool_
    if p in (0.0, 1.0):
        assert (found == bool(p)).all()
    else:
        assert stats.binomtest(int(found.sum()), N, p).pvalue > 0.01


def test_neighbouring_keys_are_strangers():
    base = random.key(0)
    keys = [base, random.key(1), random.key(2**32), *random.split(base, 3), random.fold_in(base, 0)]
    draws = [random.normal(key, 20_000, dtype="float64").value for key in keys]
    for a, b in itertools.combinations(draws, 2):
        assert abs(stats.pearsonr(a, b)[0]) < 4.5 / np.sqrt(20_000)


def test_permutations_of_three_are_equally_likely():
    keys = random.split(random.key(4), 3000)
    orders = [tuple(random.permutation(keys[n], 3).value.tolist()) for n in range(3000)]
    counts = [orders.count(order) for order in itertools.permutations(range(3))]
    assert sum(counts) == 3000
    assert stats.chisquare(counts).pvalue > 0.01


@given(st.integers(0, 99), st.integers(0, 50))
@settings(deadline=None, max_examples=40)
def test_a_permutation_has_each_number_once(seed, n):
    found = random.permutation(random.key(seed), n).value
    assert found.dtype == np.int64
    assert sorted(found.tolist()) == list(range(n))


def test_an_array_is_shuffled_by_rows():
    rows = np.arange(12.0).reshape(6, 2)
    order = random.permutation(random.key(1), 6).value
    assert np.array_equal(random.permutation(random.key(1), rows).value, rows[order])


# -- parameters ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high"), [(1.0, 2.0), (-1.0, 1.0), (1000.0, 1000.001), (0.0, 3e-39), (5.0, 5.0)]
)
def test_high_is_never_drawn(low, high):
    found = random.uniform(random.key(2), N, low=low, high=high).value
    low, high = np.float32(low), np.float32(high)
    assert found.min() >= low
    assert (found < high).all() or low == high


def test_the_largest_word_stays_below_high():
    unit = np.float32(1 - 2.0**-24)  # the largest number of the grid; 1 + it rounds to 2
    assert np.float32(1) + unit == 2
    low, high = cr.variable(1.0), cr.variable(2.0)
    drawn = random.uniform(random.key(0), 8, low=low, high=high)
    (words,) = [node for node in cr.graph.topological([drawn]) if node.op.name == "unit_interval"]
    found = cr.evaluate(cr.graph.substitute([drawn], {words: cr.constant(np.full(8, unit))})[0])
    assert (found < 2).all()


def test_derivatives_flow_to_the_parameters():
    key, low, high = random.key(3), np.array([-1.0, 0.5]), np.array([[2.0], [1.5], [4.0]])
    check_derivatives(lambda a, b: random.uniform(key, (3, 2), a, b, dtype="float64"), [low, high])
    check_derivatives(lambda m, s: random.normal(key, (3, 2), m, s, dtype="float64"), [low, high])


def test_a_nan_parameter_is_seen():
    found = random.uniform(random.key(0), 3, low=cr.variable(0.0), high=cr.variable(np.nan)).value
    assert np.isnan(found).all()


def test_random_nodes_open_into_parts():
    z = random.normal(random.key(0), 7)
    (opened,) = cr.ops.expand([z])
    assert z.op.name == "standard_normal"
    assert np.array_equal(opened.value, z.value)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: random.key(-1), ArgumentError, "-1 is no seed"),
        (lambda: random.key(2**64), ArgumentError, "is no seed"),
        (lambda: random.key(1.5), ArgumentError, "1.5 is no seed"),
        (lambda: random.uniform(7, 3), DTypeError, r"a key is uint32 of shape \(2,\), not int64"),
        (lambda: random.fold_in(7, 3), DTypeError, "a key is uint32"),
        (lambda: random.fold_in(random.key(0), 0.5), DTypeError, "not an integer"),
        (lambda: random.bits(random.key(0), (2, -1)), ShapeError, "sizes cannot be negative"),
        (lambda: random.bits(random.key(0), 2**34), ShapeError, "longer than a key's stream"),
        (lambda: random.uniform(random.key(0), 3, dtype="int64"), DTypeError, "int64 is no float"),
        (lambda: random.uniform(random.key(0), 3, 2, 1), ArgumentError, "from 2 to 1 is no range"),
        (lambda: random.normal(random.key(0), 3, mean=np.zeros(4)), ShapeError, "mean has shape .4,."),
        (lambda: random.normal(random.key(0), (), mean=np.zeros(4)), ShapeError, "mean has shape .4,."),
        (lambda: random.bernoulli(random.key(0), 1.5, 3), ArgumentError, "no probability"),
        (lambda: random.permutation(random.key(0), cr.constant(3)), ShapeError, "a scalar has no rows"),
    ],
)
def test_what_does_not_fit_is_said(call, error, said):
    with pytest.raises(error, match=said) as raised:
        call()
    assert "test_random.py" in raised.value.where
    assert raised.value.mend
