"""Windows in several channels, with the tags of the words in their middle."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import Encoded, WindowBatches, centered_windows, window_streams
from chainrule.errors import ArgumentError, ShapeError
from chainrule.train import Gathered
from chainrule.train.epochs import gathered

LENGTHS = st.lists(st.integers(0, 6), min_size=1, max_size=6).filter(any)


def encoded_of(lengths: list[int], several: int = 3) -> Encoded:
    """Two channels: one of running numbers, one with several ids a word."""
    count = sum(lengths)
    words = np.arange(1, count + 1, dtype=np.int32)
    return Encoded(
        np.array(lengths), {"word": words, "characters3": words[:, None] * 10 + np.arange(several)}
    )


@settings(deadline=None, max_examples=60)
@given(LENGTHS, st.integers(0, 3), st.integers(1, 7), st.booleans())
def test_every_word_comes_once_with_its_neighbours(lengths, radius, size, shuffle):
    encoded = encoded_of(lengths)
    words = encoded.ids["word"]
    ends = np.cumsum(lengths)
    sentences = [words[end - length : end] for length, end in zip(lengths, ends, strict=True)]
    expected = centered_windows(sentences, radius, padding=0)  # another way to the same rows
    batches = WindowBatches(encoded, radius, size, tags=words * 2, shuffle=shuffle, seed=1)
    windows, several, tags = (np.concatenate(parts) for parts in zip(*batches.epoch(0), strict=True))
    order = np.argsort(tags)
    np.testing.assert_array_equal(windows[order], expected)
    np.testing.assert_array_equal(tags[order], words * 2)
    filled = np.where(windows[..., None] > 0, windows[..., None] * 10 + np.arange(3), 0)
    np.testing.assert_array_equal(several, filled)
    assert shuffle or order.tolist() == list(range(len(words)))
    assert len(batches) == -(-len(words) // size)
    assert windows.dtype == several.dtype == tags.dtype == np.int32


def test_sentences_are_parted_by_one_run_of_paddings():
    (stream, _), places = window_streams(encoded_of([2, 0, 1]), 2)
    assert stream.tolist() == [0, 0, 1, 2, 0, 0, 0, 0, 3, 0, 0]
    assert places.tolist() == [2, 3, 8]


def test_an_epoch_can_be_taken_up_anywhere():
    batches = WindowBatches(encoded_of([30, 12]), 1, 8, tags=np.arange(42), seed=3)
    whole = [tags.tolist() for *_, tags in batches.epoch(2)]
    assert [tags.tolist() for *_, tags in batches.epoch(2, start=3)] == whole[3:]
    assert whole != [tags.tolist() for *_, tags in batches.epoch(1)]
    assert sorted(chain.from_iterable(whole)) == list(range(42))


def test_without_tags_there_are_windows_alone():
    (batch,) = WindowBatches(encoded_of([4]), 1, 4, shuffle=False).epoch(0)
    assert [part.shape for part in batch] == [(4, 3), (4, 3, 3)]


def test_a_program_can_gather_them():
    batches = WindowBatches(encoded_of([40]), 2, 8, tags=np.zeros(40))
    assert isinstance(batches, Gathered)
    assert gathered(batches) is batches


@pytest.mark.parametrize(
    ("radius", "size", "tags", "kind", "message"),
    [
        (-1, 4, None, ArgumentError, "radius -1"),
        (1, 0, None, ArgumentError, "batches of 0"),
        (1, 4, [1, 2], ShapeError, "for 3 tokens"),
    ],
)
def test_errors(radius, size, tags, kind, message):
    with pytest.raises(kind, match=message):
        WindowBatches(encoded_of([2, 1]), radius, size, tags=tags)


def test_no_word_at_all():
    with pytest.raises(ArgumentError, match="no examples"):
        WindowBatches(Encoded(np.array([0, 0]), {"word": np.zeros(0, np.int32)}), 1, 4)
