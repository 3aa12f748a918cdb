from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import Batches, BucketedBatches, Ragged, permutation
from chainrule.errors import ArgumentError, ShapeError


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 50),
    st.integers(1, 12),
    st.integers(0, 2**40),
    st.integers(0, 5),
    st.booleans(),
    st.booleans(),
)
def test_an_epoch_visits_every_example_once(
    count: int, size: int, seed: int, epoch: int, shuffle: bool, drop_last: bool
) -> None:
    if drop_last and count < size:
        return
    batches = Batches(np.arange(count), size, seed=seed, shuffle=shuffle, drop_last=drop_last)
    found = list(batches.epoch(epoch))
    assert len(found) == len(batches)
    assert all(len(b) == size for b in found[:-1])
    assert len(found[-1]) == (size if drop_last or count % size == 0 else count % size)
    visited = np.concatenate(found)
    assert visited.tolist() == batches.permutation(epoch)[: len(visited)].tolist()
    assert sorted(batches.permutation(epoch).tolist()) == list(range(count))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 6), st.integers(0, 1000))
def test_any_place_is_reached_without_what_went_before(start: int, epoch: int) -> None:
    batches = Batches(np.arange(20), 3, seed=5)
    whole = [b.tolist() for b in batches.epoch(epoch)]
    fresh = Batches(np.arange(20), 3, seed=5)
    assert [b.tolist() for b in fresh.epoch(epoch, start)] == whole[start:]


def test_orders_differ_by_seed_and_epoch() -> None:
    orders = {tuple(permutation(30, seed, epoch).tolist()) for seed in range(10) for epoch in range(10)}
    assert len(orders) == 100


def test_every_place_is_equally_likely() -> None:
    counts = np.zeros((6, 6))
    draws = 3000
    for epoch in range(draws):
        counts[np.arange(6), permutation(6, 0, epoch)] += 1
    expected = draws / 6
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert chi_squared < 52.6  # 25 degrees of freedom: exceeded once in a thousand seeds


def test_the_order_follows_from_the_published_stream_of_pcg64() -> None:
    keys = np.random.PCG64(np.random.SeedSequence([7, 3])).random_raw(9)
    assert permutation(9, 7, 3).tolist() == sorted(range(9), key=lambda i: int(keys[i]))


@pytest.mark.parametrize("form", [tuple, dict, "array"])
def test_batches_have_the_form_of_the_data(form: Any) -> None:
    x, y = np.arange(12).reshape(6, 2), np.arange(6)
    if form is tuple:
        first = next(Batches((x, y), 4, seed=1).epoch(0))
        assert isinstance(first, tuple)
        assert (first[0][:, 0] == 2 * first[1]).all()
    elif form is dict:
        first = next(Batches({"x": x, "y": y}, 4, seed=1).epoch(0))
        assert list(first) == ["x", "y"]
        assert (first["x"][:, 0] == 2 * first["y"]).all()
    else:
        assert next(Batches(x, 4, seed=1).epoch(0)).shape == (4, 2)


def test_batches_are_copies() -> None:
    data = np.arange(4)
    for batch in Batches(data, 2, shuffle=False).epoch(0):
        batch[:] = -1
    assert data.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Batches((np.zeros(3), np.zeros(4)), 2), ShapeError, r"array 0 \(3,\), array 1 \(4,\)"),
        (lambda: Batches({"x": np.zeros(3), "y": np.zeros(())}, 2), ShapeError, r"y \(\)"),
        (lambda: Batches((), 2), ArgumentError, "no arrays"),
        (lambda: Batches(np.zeros(0), 2), ArgumentError, "no examples"),
        (lambda: Batches(np.zeros(3), 0), ArgumentError, "batches of 0"),
        (lambda: Batches(np.zeros(3), 4, drop_last=True), ArgumentError, "do not fill one batch"),
        (lambda: Batches(np.zeros(3), 1).epoch(0, 4), ArgumentError, "start at batch 4 of 3"),
        (lambda: Batches(np.zeros(3), 1).epoch(0, -1), ArgumentError, "start at batch -1"),
        (lambda: Batches(np.zeros(3), 1).epoch(-1), ArgumentError, "epoch -1"),
        (lambda: BucketedBatches([], 2), ArgumentError, "no examples"),
        (
            lambda: BucketedBatches([[1], [1, 2]], 2, lengths=[1, 2], drop_last=True),
            ArgumentError,
            "no bucket fills",
        ),
        (lambda: BucketedBatches([[1]], 2, buckets=0), ArgumentError, "0 buckets"),
    ],
)
def test_refusals(make: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()


SEQUENCES = st.lists(st.lists(st.integers(1, 9), max_size=12), min_size=1, max_size=30)


@settings(deadline=None, max_examples=80)
@given(
    SEQUENCES, st.integers(1, 5), st.one_of(st.none(), st.lists(st.integers(0, 9), min_size=1)), st.booleans()
)
def test_buckets_hold_every_sequence_once(
    sequences: list[list[int]], size: int, lengths: list[int] | None, shuffle: bool
) -> None:
    batches = BucketedBatches(sequences, size, lengths=lengths, buckets=3, shuffle=shuffle, seed=2)
    found = list(batches.epoch(1))
    assert len(found) == len(batches)
    visited = [int(i) for b in found for i in b.examples]
    assert sorted(visited) == list(range(len(sequences)))
    assert visited == batches.permutation(1).tolist()
    for index, ids, mask, own in found:
        assert 1 <= len(index) <= size
        width = ids.shape[1]
        assert width in batches.lengths
        for i, row, real, n in zip(index, ids, mask, own, strict=True):
            assert row[real].tolist() == sequences[i]
            assert n == real.sum() == len(sequences[i])
            assert not row[~real].any()
            # the smallest bucket that it fits
            assert all(bound < n for bound in batches.lengths if bound < width)
    assert len({b.ids.shape[1] for b in found}) <= len(batches.lengths)


@settings(deadline=None, max_examples=30)
@given(SEQUENCES, st.integers(0, 3), st.integers(0, 100))
def test_buckets_resume_anywhere(sequences: list[list[int]], start: int, epoch: int) -> None:
    batches = BucketedBatches(sequences, 4, seed=3)
    start = min(start, len(batches))
    whole = [b.examples.tolist() for b in batches.epoch(epoch)]
    assert [b.examples.tolist() for b in BucketedBatches(sequences, 4, seed=3).epoch(epoch, start)] == whole[
        start:
    ]


def test_the_buckets_come_mixed_and_in_another_order_each_epoch() -> None:
    batches = BucketedBatches([[1] * n for n in range(1, 9) for _ in range(20)], 5, lengths=[2, 4, 6, 8])
    widths = [[b.ids.shape[1] for b in batches.epoch(e)] for e in range(2)]
    assert widths[0] != widths[1]
    assert all(w != sorted(w) and w != sorted(w, reverse=True) for w in widths)


def test_what_belongs_to_the_words_is_taken_by_index() -> None:
    words = Ragged([[1], [2, 3], [4, 5, 6], [7]])
    tags = Ragged([[10], [20, 30], [40, 50, 60], [70]])
    for batch in BucketedBatches(words, 2, lengths=[1, 3]).epoch(0):
        padded, mask = tags.padded(batch.examples, batch.ids.shape[1])
        assert (padded == 10 * batch.ids).all()
        assert (mask == batch.mask).all()


def test_drop_last_drops_within_each_bucket() -> None:
    batches = BucketedBatches([[1]] * 5 + [[1, 1]] * 3, 2, lengths=[1, 2], drop_last=True)
    assert len(batches) == 2 + 1
    assert all(len(b.examples) == 2 for b in batches.epoch(0))
