"""Batches of contexts and next words cut from streams."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import ContextBatches, context_windows
from chainrule.errors import ArgumentError, DTypeError

DOCUMENTS = st.lists(st.lists(st.integers(1, 50), max_size=12), min_size=1, max_size=6)


@settings(deadline=None, max_examples=60)
@given(DOCUMENTS, st.integers(1, 7), st.integers(1, 9), st.booleans(), st.integers(0, 3))
def test_every_word_comes_once_with_the_words_before_it(documents, memory, size, shuffle, seed):
    if not any(documents):
        return
    batches = ContextBatches(documents, memory, size, padding=0, shuffle=shuffle, seed=seed)
    contexts, targets = context_windows(documents, memory, padding=0)  # another way to the same rows
    expected = [
        (*context, target) for context, target in zip(contexts.tolist(), targets.tolist(), strict=True)
    ]
    epoch = list(batches.epoch(0))
    found = [
        (*context, target)
        for context_rows, target_rows in epoch
        for context, target in zip(context_rows.tolist(), target_rows.tolist(), strict=True)
    ]
    assert sorted(found) == sorted(expected)
    if not shuffle:
        assert found == expected
    assert batches.examples == len(expected)
    assert len(epoch) == len(batches) == -(-len(expected) // size)
    assert all(len(targets) == size for _, targets in epoch[:-1])
    assert {array.dtype.name for batch in epoch for array in batch} == {"int32"}


def test_an_epoch_can_be_taken_up_anywhere_and_differs_from_the_next():
    batches = ContextBatches([np.arange(100)], 3, 7, seed=5)

    def rows(epoch, start=0):
        return [targets.tolist() for _, targets in batches.epoch(epoch, start)]

    assert rows(2)[4:] == rows(2, 4)
    assert rows(0) != rows(1)
    assert rows(1) == [t.tolist() for _, t in ContextBatches([np.arange(100)], 3, 7, seed=5).epoch(1)]
    assert rows(1) != [t.tolist() for _, t in ContextBatches([np.arange(100)], 3, 7, seed=6).epoch(1)]


def test_the_last_batch_can_be_dropped():
    batches = ContextBatches([range(10)], 2, 4, drop_last=True)
    assert [len(targets) for _, targets in batches.epoch(0)] == [4, 4]


def test_batches_are_copies():
    batches = ContextBatches([[1, 2, 3]], 2, 3, shuffle=False)
    for contexts, targets in batches.epoch(0):
        contexts[:] = targets[:] = 9
    assert next(iter(batches.epoch(0)))[1].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("documents", "memory", "size", "kind", "message"),
    [
        ([[1, 2]], 0, 4, ArgumentError, "a memory of 0 words"),
        ([[1, 2]], 2, 0, ArgumentError, "batches of 0 examples"),
        ([[], []], 2, 4, ArgumentError, "no examples to cut into batches"),
        ([], 2, 4, ArgumentError, "no examples to cut into batches"),
        ([[1.5, 2.0]], 2, 4, DTypeError, "ids must be integers, not float64"),
    ],
)
def test_errors(documents, memory, size, kind, message):
    with pytest.raises(kind, match=message):
        ContextBatches(documents, memory, size)
