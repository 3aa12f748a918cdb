from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import centered_windows, context_windows
from chainrule.errors import ArgumentError, DTypeError

SENTENCES = st.lists(st.lists(st.integers(1, 50), max_size=8), max_size=6)
PAD = 0


@settings(deadline=None, max_examples=80)
@given(SENTENCES, st.integers(0, 5))
def test_contexts_equal_a_loop_over_words(sentences: list[list[int]], size: int) -> None:
    expected = [
        ([s[j] if j >= 0 else PAD for j in range(t - size, t)], s[t])
        for s in sentences
        for t in range(len(s))
    ]
    contexts, targets = context_windows([np.array(s, dtype=np.int32) for s in sentences], size, PAD)
    assert contexts.shape == (len(expected), size)
    assert contexts.tolist() == [context for context, _ in expected]
    assert targets.tolist() == [word for _, word in expected]


@settings(deadline=None, max_examples=80)
@given(SENTENCES, st.integers(0, 4))
def test_centered_windows_equal_a_loop_over_words(sentences: list[list[int]], radius: int) -> None:
    expected = [
        [s[j] if 0 <= j < len(s) else PAD for j in range(t - radius, t + radius + 1)]
        for s in sentences
        for t in range(len(s))
    ]
    windows = centered_windows(sentences, radius, PAD)
    assert windows.shape == (len(expected), 2 * radius + 1)
    assert windows.tolist() == expected


def test_a_stream_is_one_document_and_keeps_its_dtype() -> None:
    contexts, targets = context_windows(np.array([7, 8, 9], dtype=np.int32), 2, padding=4)
    assert contexts.tolist() == [[4, 4], [4, 7], [7, 8]]
    assert contexts.dtype == targets.dtype == np.int32


def test_windows_are_copies_that_may_be_written() -> None:
    stream = np.arange(5)
    centered_windows(stream, 1, 0)[:] = 99
    contexts, _ = context_windows(stream, 2, 0)
    contexts[:] = 99
    assert stream.tolist() == [0, 1, 2, 3, 4]


def test_refusals() -> None:
    with pytest.raises(ArgumentError):
        context_windows([1, 2], -1)
    with pytest.raises(ArgumentError):
        centered_windows([1, 2], -1)
    with pytest.raises(DTypeError, match="encode the tokens"):
        context_windows(["a", "b"], 1)  # type: ignore[list-item]
