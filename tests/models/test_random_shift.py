"""Random shifts: against NumPy's roll, how often each move comes, and what is left alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, ShapeError
from chainrule.models.random_shift import RandomShift


def moved(images, most, seed=0):
    return RandomShift(most)(cr.constant(images), mode=nn.training(cr.random.key(seed))).value


def shifted(image, down, right):
    """The image moved, by NumPy: rolled within a frame wide enough that nothing comes around."""
    frame = [(5, 5), (5, 5), *[(0, 0)] * (image.ndim - 2)]
    rolled = np.roll(np.pad(image, frame), (down, right), axis=(0, 1))
    return rolled[5:-5, 5:-5]


@pytest.mark.parametrize("shape", [(6, 5), (4, 7, 3), (2, 2)])
@pytest.mark.parametrize("most", [1, 2])
def test_each_image_is_moved_whole_and_every_move_is_as_likely(shape, most):
    count = 400
    images = np.random.default_rng(0).random((count, *shape)).astype(np.float32) + 1
    reach = range(-most, most + 1)
    seen: Counter[tuple[int, int]] = Counter()
    for image, found in zip(images, moved(images, most), strict=True):
        moves = [(d, r) for d in reach for r in reach if np.array_equal(shifted(image, d, r), found)]
        assert moves
        if len(moves) == 1:
            seen[moves[0]] += 1
    if min(shape[:2]) > most:
        assert sum(seen.values()) == count
        expected = count / len(reach) ** 2
        assert len(seen) == len(reach) ** 2
        assert max(abs(number - expected) for number in seen.values()) < 5 * np.sqrt(expected)


def test_moves_depend_on_the_key_alone():
    images = np.random.default_rng(1).random((50, 4, 4)).astype(np.float32)
    assert np.array_equal(moved(images, 2), moved(images, 2))
    assert not np.array_equal(moved(images, 2), moved(images, 2, seed=1))


def test_in_evaluation_or_by_nothing_images_stay():
    images = cr.constant(np.ones((2, 3, 3), np.float32))
    assert RandomShift(2)(images) is images
    assert RandomShift(0)(images, mode=nn.training(cr.random.key(0))) is images


def test_mistakes():
    with pytest.raises(ArgumentError, match="a shift by up to -1 pixels"):
        RandomShift(-1)
    with pytest.raises(ShapeError, match=r"images of shape \(4, 9\)"):
        moved(np.ones((4, 9), np.float32), 1)
