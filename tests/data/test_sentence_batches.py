from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.data import CorruptedWindows, Encoded, SentenceBatches, WindowBatches
from chainrule.errors import ArgumentError, ShapeError


def encoded(lengths: list[int]) -> Encoded:
    """Words numbered from 2 on, and a channel with two ids a word."""
    words = np.arange(2, 2 + sum(lengths), dtype=np.int32)
    return Encoded(np.array(lengths, np.int64), {"word": words, "pair": np.stack([words, -words], axis=1)})


lengths_of = st.lists(st.integers(0, 12), min_size=1, max_size=12).filter(any)


@settings(deadline=None, max_examples=40)
@given(lengths_of, st.integers(0, 2), st.integers(1, 20), st.integers(1, 4), st.integers(3, 12))
def test_each_word_comes_once_with_its_window_and_its_tag(
    lengths: list[int], radius: int, size: int, buckets: int, longest: int
) -> None:
    data = encoded(lengths)
    tags = np.arange(data.tokens) % 5 + 1
    batches = SentenceBatches(data, radius, size, tags=tags, buckets=buckets, longest=longest, seed=3)
    windows = WindowBatches(data, radius, data.tokens, tags=tags, shuffle=False)
    words, pairs, gold = next(iter(windows.epoch(0)))
    seen = []
    for ours, two, own, mask in batches.epoch(1):
        assert ours.shape == (*mask.shape, 2 * radius + 1)
        assert two.shape == (*ours.shape, 2)
        assert mask.shape == (batches.rows(mask.shape[1]), mask.shape[1])
        assert mask.shape[1] in batches.lengths
        assert (mask[:, :-1] >= mask[:, 1:]).all()  # words first
        assert (own[~mask] == 0).all()
        for window, second, tag in zip(ours[mask], two[mask], own[mask], strict=True):
            index = window[radius] - 2
            np.testing.assert_array_equal(window, words[index])
            np.testing.assert_array_equal(second, pairs[index])
            assert tag == gold[index]
            seen.append(index)
    assert sorted(seen) == list(range(data.tokens))


def test_words_of_a_sentence_stand_in_one_row_in_their_order() -> None:
    lengths = [3, 1, 5, 2, 4]
    data = encoded(lengths)
    rows = {
        tuple(windows[row, mask[row], 0].tolist())
        for windows, _, _, mask in SentenceBatches(data, 0, 6, tags=np.zeros(15)).epoch(0)
        for row in range(len(mask))
        if mask[row].any()
    }
    starts = np.cumsum([0, *lengths]) + 2
    assert rows == {tuple(range(starts[i], starts[i + 1])) for i in range(5)}


def test_epochs_depend_on_seed_and_number_alone_and_can_be_entered_anywhere() -> None:
    def words(seed: int, epoch: int, start: int = 0) -> list[list[int]]:
        found = SentenceBatches(data, 0, 8, tags=np.zeros(data.tokens), seed=seed).epoch(epoch, start)
        return [batch[0].ravel().tolist() for batch in found]

    data = encoded([int(length) for length in np.random.default_rng(0).integers(1, 9, size=60)])
    assert words(1, 2) == words(1, 2)
    assert words(1, 2) != words(1, 3)
    assert words(1, 2) != words(2, 2)
    assert words(1, 2, 4) == words(1, 2)[4:]
    batches = SentenceBatches(data, 0, 8, tags=np.zeros(data.tokens))
    assert len(batches) == len(list(batches.epoch(0)))
    with pytest.raises(ArgumentError, match="start at batch"):
        batches.epoch(0, len(batches) + 1)


@pytest.mark.parametrize(
    ("lengths", "size", "tags", "error", "said"),
    [
        ([2], 4, [1], ShapeError, r"tags of shape \(1,\) for 2 tokens"),
        ([2], 0, [1, 1], ArgumentError, "batches of 0 words"),
        ([0], 4, [], ArgumentError, "batches of 4 words of 0"),
    ],
)
def test_what_makes_no_batch_is_said(
    lengths: list[int], size: int, tags: list[int], error: type, said: str
) -> None:
    with pytest.raises(error, match=said):
        SentenceBatches(encoded(lengths), 1, size, tags=np.array(tags, np.int32))


# -- pairs -----------------------------------------------------------------------------------------

CLASSES = np.array([0, 0, 1, 2, 0, 1, 0, 3, 3])
LENGTHS = [4, 3, 2]


@pytest.mark.parametrize("kind", ["word", "window"])
def test_a_false_window_has_a_word_of_another_class_in_its_middle(kind: str) -> None:
    data = encoded(LENGTHS)
    batches = CorruptedWindows(data, 1, 4, classes=CLASSES, kind=kind, times=200, seed=1)
    windows = next(iter(WindowBatches(data, 1, 9, shuffle=False).epoch(0)))[0]
    middles: dict[int, Counter[int]] = {}
    for words, pairs, classes in batches.epoch(0):
        for (true, false), two, own in zip(words, pairs, classes, strict=True):
            index, other = true[1] - 2, false[1] - 2
            assert CLASSES[index] == own != CLASSES[other]
            np.testing.assert_array_equal(true, windows[index])
            expected = windows[other] if kind == "window" else [true[0], false[1], true[2]]
            np.testing.assert_array_equal(false, expected)
            np.testing.assert_array_equal(two[..., 0], [true, false])
            middles.setdefault(index, Counter())[other] += 1
    assert {index: seen.total() for index, seen in middles.items()} == dict.fromkeys([2, 3, 5, 7, 8], 200)
    for index, seen in middles.items():  # all words of other classes come, and none much more than others
        assert set(seen) == set(np.flatnonzero(CLASSES[index] != CLASSES))
        assert max(seen.values()) < 70


def test_each_epoch_draws_anew_and_the_program_gathers_the_same() -> None:
    data = encoded(LENGTHS)
    batches = CorruptedWindows(data, 1, 4, classes=CLASSES, kind="word", times=3, seed=1)
    assert (batches.arrays_of(0)[-2] != batches.arrays_of(1)[-2]).any()
    np.testing.assert_array_equal(batches.arrays_of(1)[-2], batches.arrays_of(1)[-2])
    arrays, rows = batches.arrays_of(2), batches.permutation(2)[4:8]
    leaves = [cr.placeholder(array.shape, array.dtype) for array in arrays]
    nodes = batches.gather(leaves, cr.constant(rows))
    found = cr.evaluate(list(nodes), feed=dict(zip(leaves, arrays, strict=True)))
    for ours, theirs in zip(found, next(iter(batches.epoch(2, 1))), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert len(batches) == len(list(batches.epoch(0))) == 4


@pytest.mark.parametrize("classes", [[0] * 9, [1] * 9])
def test_pairs_need_two_sides(classes: list[int]) -> None:
    with pytest.raises(ArgumentError, match="or no others"):
        CorruptedWindows(encoded(LENGTHS), 1, 4, classes=classes, kind="word")
    with pytest.raises(ShapeError, match="classes of shape"):
        CorruptedWindows(encoded(LENGTHS), 1, 4, classes=classes[1:], kind="word")
