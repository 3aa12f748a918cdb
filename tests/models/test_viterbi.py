from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.errors import ArgumentError, ShapeError
from chainrule.models import viterbi

INF = np.inf


def score(tags, f, a, start, end):
    if not tags:
        return 0.0
    own = sum(f[place, tag] for place, tag in enumerate(tags))
    return start[tags[0]] + own + sum(a[x, y] for x, y in pairwise(tags)) + end[tags[-1]]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 5), min_size=1, max_size=5), st.integers(1, 4))
def test_no_other_sequence_scores_more(seed: int, lengths: list[int], classes: int) -> None:
    rng = np.random.default_rng(seed)
    f = rng.normal(size=(sum(lengths), classes))
    a, start, end = (rng.normal(size=shape) for shape in ((classes, classes), classes, classes))
    # Some steps are forbidden, but the first tag may always follow itself.
    a[rng.random(a.shape) < 0.3] = -INF
    a[0, 0] = 0.0
    found = viterbi(f, lengths, a, start, end)
    place = 0
    for length in lengths:
        own = f[place : place + length]
        ours = tuple(found[place : place + length])
        best = max(product(range(classes), repeat=length), key=lambda tags: score(tags, own, a, start, end))
        assert ours == best
        place += length
    assert found.dtype == np.int32


def test_sentences_do_not_see_each_other_whatever_their_number() -> None:
    """More sentences than run side by side, of 1 to 40 words: each as if it were alone."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 40, size=300)
    f, a = rng.normal(size=(lengths.sum(), 45)), rng.normal(size=(45, 45))
    start = rng.normal(size=45)
    together = viterbi(f, lengths, a, start)
    starts = np.cumsum(lengths) - lengths
    for index in range(0, 300, 17):
        some = slice(starts[index], starts[index] + lengths[index])
        np.testing.assert_array_equal(together[some], viterbi(f[some], [lengths[index]], a, start))


def test_ten_thousand_words_in_a_sentence() -> None:
    """Without transitions the best sequence is the best tag of every word."""
    f = np.random.default_rng(1).normal(size=(10_000, 25))
    np.testing.assert_array_equal(viterbi(f, [10_000], np.zeros((25, 25))), f.argmax(axis=1))


def test_a_forbidden_step_is_not_taken_even_where_it_would_pay() -> None:
    a = np.array([[0.0, -INF], [0.0, 0.0]])
    assert viterbi([[5, 0], [0, 4]], [2], a).tolist() == [0, 0]
    assert viterbi([[5, 0], [0, 6]], [2], a).tolist() == [1, 1]
    assert viterbi([[1, 0.0]], [1], a, start=[-INF, 0]).tolist() == [1]
    assert viterbi([[1, 0.0]], [1], a, end=[-INF, 0]).tolist() == [1]


def test_nothing_is_nothing() -> None:
    assert viterbi(np.zeros((0, 3)), [], np.zeros((3, 3))).shape == (0,)
    assert viterbi(np.zeros((0, 3)), [0, 0], np.zeros((3, 3))).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (([[1.0, 2.0]], [2], np.zeros((2, 2))), ShapeError, "sentences of 2 words"),
        (([[1.0, 2.0]], [1], np.zeros((2, 3))), ShapeError, "transitions of shape"),
        (([[1.0, 2.0]], [1], np.zeros((2, 2)), [0.0]), ShapeError, "start of shape"),
        (([[1.0, 2.0]] * 2, [2], np.full((2, 2), -INF)), ArgumentError, "no sequence"),
        (([[np.nan, 2.0]], [1], np.zeros((2, 2))), ArgumentError, "NaN"),
    ],
)
def test_what_cannot_be_decoded_is_said(arguments: tuple, error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        viterbi(*arguments)
