"""Word vectors: the loss and its gradient by hand, the sampler and its distribution, vectors that tell."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.data import ContextPairs, WordPairs
from chainrule.errors import ArgumentError, IndexRangeError
from chainrule.models.word2vec import (
    CBOW,
    NegativeSampler,
    SkipGram,
    negative_sampling_loss,
    with_negatives,
)

RNG = np.random.default_rng(3)


def filled(model):
    """The model with tables that are not zero."""
    for variable in model.parameters():
        variable.assign(RNG.standard_normal(variable.shape).astype("float32"))
    return model


def sigma(x):
    return 1 / (1 + math.exp(-x))


WORDS, CANDIDATES = (
    [3, 1],
    [[2, 4, 2, 0], [1, 3, 3, 4]],
)  # a negative that is the word itself, one drawn twice


def word2vec_by_hand(h, asked):
    """J and its derivatives by h and by each v, pair by pair, as the papers have them."""
    loss, dh, dv = 0.0, np.zeros_like(h), np.zeros_like(asked)
    for row, candidates in enumerate(CANDIDATES):
        for place, candidate in enumerate(candidates):
            if place and candidate == candidates[0]:
                continue
            label, score = float(place == 0), float(h[row] @ asked[candidate])
            loss -= math.log(sigma(score) if label else sigma(-score))
            dh[row] += (sigma(score) - label) * asked[candidate]
            dv[candidate] += (sigma(score) - label) * h[row]
    return loss / 2, dh / 2, dv / 2


def test_skip_gram_is_logistic_regression_on_pairs():
    model = filled(SkipGram(5, 3, seed=0))
    u, v = model.given.weight, model.asked.weight
    loss = negative_sampling_loss(model(cr.constant(WORDS), cr.constant(CANDIDATES)), cr.constant(CANDIDATES))
    expected, dh, dv = word2vec_by_hand(u.value[WORDS].astype(float), v.value.astype(float))
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    du = np.zeros((5, 3))
    du[WORDS] = dh
    found = cr.gradients(loss, [u, v])
    np.testing.assert_allclose(found[0].value, du, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[1].value, dv, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("undivided", [False, True])
def test_cbow_gives_each_word_of_the_context_its_share_or_all(undivided):
    contexts = [[1, 4, 0, 0], [2, 2, 3, 0]]  # 0 is no word; a word may stand there twice
    model = filled(CBOW(5, 3, seed=0, undivided=undivided))
    u, v = model.given.weight, model.asked.weight
    real = [[w for w in row if w] for row in contexts]
    h = np.array([u.value[row].astype(float).mean(axis=0) for row in real])
    loss = negative_sampling_loss(
        model(cr.constant(contexts), cr.constant(CANDIDATES)), cr.constant(CANDIDATES)
    )
    expected, dh, dv = word2vec_by_hand(h, v.value.astype(float))
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    du = np.zeros((5, 3))
    for row, words in enumerate(real):
        for word in words:
            du[word] += dh[row] if undivided else dh[row] / len(words)
    found = cr.gradients(loss, [u, v])
    np.testing.assert_allclose(found[0].value, du, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[1].value, dv, rtol=1e-4, atol=1e-6)


def test_the_gradient_is_the_slope():
    model = filled(CBOW(5, 3, seed=0))
    contexts, candidates = cr.constant([[1, 4, 0], [2, 3, 0]]), cr.constant(CANDIDATES)
    loss = negative_sampling_loss(model(contexts, candidates), candidates)
    report = cr.check_gradients(loss, wrt=model.parameters())
    assert report.worst is not None
    assert report.worst.difference < 1e-6


def test_an_empty_context_scores_zero_and_learns_nothing():
    model = filled(CBOW(5, 3, seed=0))
    scores = model(cr.constant([[0, 0]]), cr.constant([[1, 2]]))
    assert scores.value.tolist() == [[0, 0]]
    for gradient in cr.gradients(cr.sum(scores), model.parameters()):
        assert not gradient.value.any()


def test_how_the_tables_start():
    model = SkipGram(1000, 20, seed=1)
    u = model.given.weight.value
    assert np.abs(u).max() <= 1 / 20 < np.abs(u).max() * 1.01
    assert not model.asked.weight.value.any()
    assert (u != SkipGram(1000, 20, seed=2).given.weight.value).any()


# -- the sampler -----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=40).filter(any), st.sampled_from([0.0, 0.75, 1.0])
)
def test_the_slots_add_up_to_the_distribution(counts, power):
    sampler = NegativeSampler(counts, power)
    weights = [count**power if count else 0.0 for count in counts]
    expected = np.array(weights) / sum(weights)
    np.testing.assert_allclose(sampler.probabilities, expected, rtol=1e-12)
    share = sampler._share / 2.0**32
    found = share.copy()
    np.add.at(found, sampler._alias, 1 - share)
    np.testing.assert_allclose(found / len(counts), expected, atol=1e-9)
    assert not found[np.array(counts) == 0].any()


def test_draws_follow_the_distribution_and_never_name_what_does_not_occur():
    counts = np.array([0, 50, 0, 400, 1, 3000, 20, 0])
    sampler = NegativeSampler(counts)
    total = 200_000
    found = np.bincount(sampler(cr.random.key(4), (total // 5, 5)).value.ravel(), minlength=len(counts))
    assert not found[counts == 0].any()
    expected = sampler.probabilities * total
    deviation = np.sqrt(expected * (1 - sampler.probabilities))
    assert (np.abs(found - expected) <= 4.5 * deviation).all()


def test_a_great_vocabulary_has_every_word_drawn_alike():
    """The upper half of random · n must not leave words out, where n is no power of two."""
    size = 300_001
    found = np.bincount(NegativeSampler(np.ones(size))(cr.random.key(1), 3_000_000).value, minlength=size)
    variance = float(np.var(found))
    assert found.mean() == pytest.approx(10, rel=1e-3)
    assert variance == pytest.approx(10, rel=0.02)  # of a Poisson distribution


def test_candidates_are_the_word_and_what_is_drawn_with_the_key():
    sampler = NegativeSampler([0, 5, 5])
    one, same, other = (
        with_negatives(cr.constant([1, 2]), sampler, 3, cr.random.key(seed)).value for seed in (0, 0, 1)
    )
    assert one[:, 0].tolist() == [1, 2]
    assert one.shape == (2, 4)
    assert one.tolist() == same.tolist()
    assert one.tolist() != other.tolist()


@pytest.mark.parametrize("counts", [[], [0, 0]])
def test_nothing_to_draw(counts):
    with pytest.raises(ArgumentError, match="no word has a count"):
        NegativeSampler(counts)


def test_a_word_that_is_none_is_refused():
    with pytest.raises(IndexRangeError):
        _ = SkipGram(5, 3, seed=0)(cr.constant([5]), cr.constant([[1]])).value


# -- learning --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [SkipGram, CBOW])
def test_words_of_the_same_company_come_to_lie_together(kind):
    """Two circles of four words each; only a word's company tells which circle it is of."""
    chance = np.random.default_rng(0)
    text = [chance.integers(1, 5, 8) + 4 * (line % 2) for line in range(300)]
    counts = np.bincount(np.concatenate(text))
    pairs = (WordPairs if kind is SkipGram else ContextPairs)(text, counts, window=3, size=32, threshold=0)
    model, sampler = kind(9, 8, seed=0), NegativeSampler(counts)

    def loss(words, others, mode):
        candidates = with_negatives(others, sampler, 4, mode.key)
        return negative_sampling_loss(model(words, candidates), candidates)

    optimizer = cr.optim.SGD(model.parameters(), 0.1 * 32)
    cr.train.fit(model, loss, pairs, optimizer, epochs=8)
    u = model.given.weight.value[1:]
    cosines = (u @ u.T) / np.outer(*[np.linalg.norm(u, axis=1)] * 2)
    together = np.arange(8)[:, None] // 4 == np.arange(8) // 4
    assert cosines[together].min() > cosines[~together].max() + 0.5
