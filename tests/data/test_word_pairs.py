"""Pairs of words and neighbours, against windows that are walked one word at a time."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import ContextPairs, WordPairs, keep_probabilities
from chainrule.errors import ArgumentError, DTypeError

DOCUMENTS = st.lists(st.lists(st.integers(1, 9), max_size=12), min_size=1, max_size=6)
EVEN = [0] + [1] * 9


def near(documents, reach):
    """(word, neighbour) for all neighbours at most ``reach`` away in the same document."""
    return [
        (words[i], words[j])
        for words in documents
        for i in range(len(words))
        for j in range(max(0, i - reach), min(len(words), i + reach + 1))
        if i != j
    ]


def epoch(batches, number, start=0):
    return [[part.tolist() for part in batch] for batch in batches.epoch(number, start)]


@settings(deadline=None, max_examples=80)
@given(DOCUMENTS, st.integers(1, 4), st.integers(1, 5), st.integers(0, 3), st.integers(0, 3))
def test_pairs_are_neighbours_near_ones_always_and_far_ones_sometimes(documents, window, size, seed, number):
    possible, certain = Counter(near(documents, window)), Counter(near(documents, 1))
    if not certain:
        return
    pairs = WordPairs(documents, EVEN, window=window, size=size, threshold=0, seed=seed)
    if number == 0:  # no pair is cut off or comes again, but for what fills no batch
        drawn = Counter(zip(*(a.tolist() for a in pairs._drawn(0)), strict=True))
        assert drawn <= possible
        assert certain <= drawn
        assert pairs.examples == sum(drawn.values()) // pairs.size * pairs.size
    found = epoch(pairs, number)
    assert len(found) == len(pairs)
    assert all(len(words) == len(neighbours) == pairs.size for words, neighbours in found)
    assert {pair for words, others in found for pair in zip(words, others, strict=True)} <= possible.keys()
    assert pairs.size == min(size, pairs.size)


@settings(deadline=None, max_examples=80)
@given(DOCUMENTS, st.integers(1, 4), st.integers(0, 3))
def test_contexts_are_the_pairs_of_the_same_draw_laid_side_by_side(documents, window, seed):
    if not near(documents, 1):
        return
    options = {"window": window, "size": 1, "threshold": 0.0, "seed": seed}
    pairs = epoch(WordPairs(documents, EVEN, **options), 0)
    contexts = epoch(ContextPairs(documents, EVEN, **options), 0)
    unrolled = [([word], [c]) for (row,), (word,) in contexts for c in row if c]
    assert unrolled == [tuple(pair) for pair in pairs]
    assert all(len(row) == 2 * window and any(row) for (row,), _ in contexts)


def test_a_window_reaches_each_distance_equally_often():
    """Distance d is reached by windows of d … W, that is with probability (W - d + 1)/W."""
    ids = np.arange(1, 40_001)
    pairs = WordPairs([ids], [0] + [1] * 40_000, window=4, size=1, threshold=0, seed=3)
    words, neighbours = pairs._drawn(5)
    found = np.bincount(np.abs(words - neighbours), minlength=5)[1:]
    expected = np.array([4, 3, 2, 1]) / 4 * 2 * 40_000
    assert np.abs(found - expected).max() < 5 * math.sqrt(40_000)  # five standard deviations, amply


def test_subsampling_keeps_words_with_their_probability_and_closes_the_gap():
    counts = np.array([0, 90_000, 9_000, 1_000])
    text = np.random.default_rng(0).permutation(np.repeat([1, 2, 3], counts[1:]))
    pairs = WordPairs([text], counts, window=1, size=1, threshold=0.01, seed=1)
    keep = [
        min(1.0, (math.sqrt(share / 0.01) + 1) * 0.01 / share)  # as word2vec's program has it
        for share in (0.9, 0.09, 0.01)
    ]
    assert keep_probabilities(counts, 0.01)[1:] == pytest.approx(keep)
    words, within, _ = pairs._thinned(2)
    kept = np.bincount(words, minlength=4)[1:]
    deviation = np.sqrt(counts[1:] * np.array(keep) * (1 - np.array(keep)))
    assert (np.abs(kept - counts[1:] * keep) <= 5 * deviation).all()
    # All that are left stand side by side: each is its neighbour's neighbour, at distance one.
    assert within.sum() == 2 * (len(words) - 1)


def test_words_that_never_occur_and_no_subsampling():
    assert keep_probabilities([0, 5], 0.0).tolist() == [1, 1]
    assert keep_probabilities([0, 5], 1e-3).tolist()[0] == 1
    assert keep_probabilities([0, 0], 1e-3).tolist() == [1, 1]


def test_an_epoch_depends_on_its_number_and_the_seed_alone():
    documents = [np.random.default_rng(0).integers(1, 10, 200)]

    def made(seed=5):
        return WordPairs(documents, EVEN, window=3, size=7, seed=seed, threshold=0.05)

    walked = made()
    all_epochs = [epoch(walked, number) for number in range(3)]
    assert epoch(made(), 2) == all_epochs[2]
    assert epoch(walked, 0) == all_epochs[0]  # not only forwards
    assert epoch(walked, 2, 4) == all_epochs[2][4:]
    assert all_epochs[0] != all_epochs[1]
    assert epoch(made(6), 0) != all_epochs[0]


def test_a_batch_reads_the_text_at_places_of_equal_distance():
    pairs = WordPairs([np.arange(1, 41)], [0] + [1] * 40, window=1, size=4, threshold=0)
    words = [batch[0] for batch in epoch(pairs, 0)]
    in_order = pairs.arrays[0].tolist()
    assert in_order == sorted(in_order)
    assert [row[0] for row in words] == in_order[: len(pairs)]
    assert pairs.permutation(0).reshape(len(pairs), 4)[0].tolist() == [k * len(pairs) for k in range(4)]


def test_a_long_text_is_taken_in_stretches_that_make_up_the_whole():
    documents = [np.arange(1, 13), np.arange(13, 31)]
    pairs = WordPairs(documents, [0] + [1] * 30, window=1, size=1, threshold=0, stretch=10)
    assert pairs.stretches == 3
    seen = [{word for words, others in epoch(pairs, e) for word in (*words, *others)} for e in range(4)]
    assert [(min(words), max(words)) for words in seen] == [(1, 10), (11, 20), (21, 30), (1, 10)]
    assert pairs.examples == 18
    assert [pairs.arrays_of(e)[0].shape for e in range(3)] == [(18,)] * 3


@pytest.mark.parametrize("kind", [WordPairs, ContextPairs])
def test_shapes_dtypes_and_the_form_of_gather(kind):
    batches = kind([[1, 2, 3], [], [4, 5]], EVEN, window=2, size=100, threshold=0)
    assert batches.size == batches.examples
    first, second = batches.gather(batches.arrays, np.array([0, 1]))
    assert first.dtype == second.dtype == np.int32
    assert first.shape == ((2, 4) if kind is ContextPairs else (2,))


@pytest.mark.parametrize("kind", [WordPairs, ContextPairs])
@pytest.mark.parametrize(
    ("documents", "options", "error", "message"),
    [
        ([[1, 2]], {"window": 0}, ArgumentError, "window 0"),
        ([[1, 2]], {"size": 0}, ArgumentError, "size 0"),
        ([[1, 2]], {"stretch": 0}, ArgumentError, "stretch 0"),
        ([[1], [2]], {}, ArgumentError, "no two words"),
        ([[], []], {}, ArgumentError, "no two words"),
        ([], {}, ArgumentError, "no two words"),
        ([[1.5, 2.0]], {}, DTypeError, "ids must be integers"),
    ],
)
def test_errors(kind, documents, options, error, message):
    with pytest.raises(error, match=message):
        kind(documents, EVEN, **options)
