from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import Ragged, as_ragged
from chainrule.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError

SEQUENCES = st.lists(st.lists(st.integers(1, 99), max_size=6), max_size=7)


@settings(deadline=None, max_examples=60)
@given(SEQUENCES)
def test_holds_the_sequences_it_was_given(sequences: list[list[int]]) -> None:
    ragged = Ragged(sequences)
    assert [s.tolist() for s in ragged] == sequences
    assert [ragged[i].tolist() for i in range(len(ragged))] == sequences
    assert [s.tolist() for s in ragged[1:3]] == sequences[1:3]
    again = Ragged.from_flat(ragged.values, ragged.lengths)
    assert [s.tolist() for s in again] == sequences


@settings(deadline=None, max_examples=60)
@given(SEQUENCES, st.integers(0, 3), st.integers(0, 3))
def test_surrounded_is_padding_around_every_sequence(
    sequences: list[list[int]], before: int, after: int
) -> None:
    ragged = Ragged(sequences)
    stream, positions = ragged.surrounded(before, after, padding=0)
    assert stream.tolist() == [x for s in sequences for x in [0] * before + s + [0] * after]
    assert stream[positions].tolist() == ragged.values.tolist()


@settings(deadline=None, max_examples=60)
@given(SEQUENCES, st.integers(0, 2), st.randoms(use_true_random=False))
def test_padded_rows(sequences: list[list[int]], spare: int, random: object) -> None:
    index = [i for i in range(len(sequences)) for _ in range(random.randrange(3))]  # type: ignore[attr-defined]
    length = max((len(sequences[i]) for i in index), default=0) + spare
    ids, mask = Ragged(sequences).padded(index, length, padding=-1)
    assert ids.shape == mask.shape == (len(index), length)
    assert ids.tolist() == [sequences[i] + [-1] * (length - len(sequences[i])) for i in index]
    assert (mask == (ids != -1)).all()


def test_stream_and_list_are_told_apart() -> None:
    for stream in ([1, 2, 3], np.array([1, 2, 3]), (np.int32(1), 2, 3)):
        assert as_ragged(stream).lengths.tolist() == [3]
    for several in ([[1, 2], [3]], [np.array([1, 2]), np.array([3])], Ragged([[1, 2], [3]])):
        assert as_ragged(several).lengths.tolist() == [2, 1]
    assert as_ragged(np.zeros((2, 4), dtype=int)).lengths.tolist() == [4, 4]
    assert len(as_ragged([])) == 0
    assert as_ragged(np.zeros(0, dtype=int)).lengths.tolist() == [0]
    assert as_ragged([[], []]).lengths.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Ragged([[[1, 2]]]), ShapeError),
        (lambda: Ragged.from_flat(np.arange(3), [1, 1]), ShapeError),
        (lambda: Ragged([[1, 2]]).padded([0], length=1), ShapeError),
        (lambda: Ragged([[1, 2]]).padded([1]), IndexRangeError),
        (lambda: Ragged([[1, 2]]).padded([-1]), IndexRangeError),
        (lambda: as_ragged([1.5, 2.0]), DTypeError),
        (lambda: as_ragged([[1], 2]), ShapeError),
        (lambda: as_ragged({1, 2}), ArgumentError),  # type: ignore[arg-type]
        (lambda: as_ragged("ab"), ArgumentError),
        (lambda: as_ragged(np.array(5)), ArgumentError),
    ],
)
def test_refusals(make: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        make()  # type: ignore[operator]
