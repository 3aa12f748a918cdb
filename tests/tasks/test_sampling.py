"""Drawing words: the reshaped distributions in closed form, and what is drawn from them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from chainrule.errors import ArgumentError
from chainrule.tasks.sampling import Sampling, reshaped, sample_words

P = np.array([0.1, 0.4, 0.3, 0.2])


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(), P),
        (Sampling(temperature=0), [0, 1, 0, 0]),
        (Sampling(temperature=0.5), P**2 / (P**2).sum()),
        (Sampling(temperature=2), np.sqrt(P) / np.sqrt(P).sum()),
        (Sampling(temperature=1e-300), [0, 1, 0, 0]),
        (Sampling(temperature=1e300), [0.25] * 4),
        (Sampling(top_k=1), [0, 1, 0, 0]),
        (Sampling(top_k=3), np.array([0, 4, 3, 2]) / 9),
        (Sampling(top_k=9), P),
        (Sampling(top_p=0.05), [0, 1, 0, 0]),  # the likeliest word always stays
        (Sampling(top_p=0.41), np.array([0, 4, 3, 0]) / 7),
        (Sampling(top_p=0.89), np.array([0, 4, 3, 2]) / 9),
        (Sampling(top_p=0.91), P),
        # 0.4 / 0.9 and 0.3 / 0.9 of what top-k left are less than 0.8 together, so the third stays.
        (Sampling(top_k=3, top_p=0.8), np.array([0, 4, 3, 2]) / 9),
        (Sampling(top_k=3, top_p=0.7), np.array([0, 4, 3, 0]) / 7),
        (Sampling(temperature=0.5, top_k=2), np.array([0, 16, 9, 0]) / 25),
    ],
)
def test_reshaped_in_closed_form(sampling, expected):
    given = P.copy()
    assert np.allclose(reshaped(given, sampling), expected, atol=1e-12)
    assert np.array_equal(given, P)


def test_ties_go_to_the_first():
    even = np.full(4, 0.25)
    assert reshaped(even, Sampling(temperature=0)).tolist() == [1, 0, 0, 0]
    assert reshaped(even, Sampling(top_k=2)).tolist() == [0.5, 0.5, 0, 0]
    assert reshaped(even, Sampling(top_p=0.5)).tolist() == [0.5, 0.5, 0, 0]


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=20).filter(lambda weights: sum(weights) > 1e-6),
    st.floats(0, 10),
    st.integers(0, 25),
    st.floats(0.01, 1),
)
def test_reshaped_is_a_distribution_over_the_likeliest(weights, temperature, top_k, top_p):
    p = np.array(weights) / sum(weights)
    found = reshaped(p, Sampling(temperature=temperature, top_k=top_k, top_p=top_p))
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()
    assert not found[p == 0].any()  # what is impossible stays so
    kept = found > 0
    if kept.any() and (~kept).any():
        assert p[kept].min() >= p[~kept].max() * (1 - 1e-9) or temperature > 1
    if top_k:
        assert kept.sum() <= top_k


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"top_k": -1},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_p": float("nan")},
        {"seed": -1},
    ],
)
def test_options_out_of_range(options):
    with pytest.raises(ArgumentError) as caught:
        Sampling(**options)
    assert "is out of range" in caught.value.what
    assert caught.value.mend == "temperature ≥ 0, top_k ≥ 0, 0 < top_p ≤ 1, seed ≥ 0"


def test_draws_follow_the_distribution():
    drawn = sample_words(lambda ids: P, np.array([0]), 4000, Sampling(seed=1))
    counts = np.bincount(drawn, minlength=4)
    assert stats.chisquare(counts, 4000 * P).pvalue > 0.001


def test_each_word_is_drawn_given_all_before_it():
    seen = []

    def cycle(ids):
        seen.append(ids.tolist())
        return np.eye(4)[(ids[-1] + 1) % 4]

    assert sample_words(cycle, np.array([2, 3]), 3, Sampling()) == [0, 1, 2]
    assert seen == [[2, 3], [2, 3, 0], [2, 3, 0, 1]]


def test_the_seed_decides():
    def draw(seed):
        return sample_words(lambda ids: P, np.array([0]), 50, Sampling(seed=seed))

    assert draw(3) == draw(3)
    assert draw(3) != draw(4)
    assert sample_words(lambda ids: P, np.array([0]), 0, Sampling()) == []


@pytest.mark.parametrize(
    "sampling", [Sampling(), Sampling(temperature=0), Sampling(top_k=1), Sampling(top_p=0.1)]
)
def test_words_of_the_list_are_never_drawn(sampling):
    drawn = sample_words(lambda ids: P, np.array([0]), 200, sampling, never=[1, 0])
    assert set(drawn) <= {2, 3}
    if sampling != Sampling():
        assert set(drawn) == {2}


def test_where_nothing_may_be_drawn_that_is_said():
    with pytest.raises(ArgumentError, match="no word has a probability"):
        sample_words(lambda ids: np.array([1.0, 0.0]), np.array([0]), 1, Sampling(), never=[0])
