"""Windows: the lectures' case, views, adjoints at random settings, paddings and errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr


def test_a_kernel_over_two_words_in_steps_of_two_over_seven_words_stands_three_times() -> None:
    words = np.arange(35.0, dtype=np.float32).reshape(7, 5)
    windows = cr.sliding_windows(words, (2, 5), axis=(0, 1), stride=(2, 1))
    assert windows.shape == (3, 1, 2, 5)
    np.testing.assert_array_equal(windows.value[:, 0], [words[0:2], words[2:4], words[4:6]])


def test_windows_are_a_view_that_cannot_be_written_to() -> None:
    x = cr.placeholder((9,))
    array = np.arange(9, dtype=np.float32)
    windows = cr.evaluate(cr.sliding_windows(x, 4, axis=0, stride=2), feed={x: array})
    assert np.shares_memory(windows, array)
    assert not windows.flags.writeable


def test_each_is_the_other_s_derivative() -> None:
    x = cr.placeholder((9,))
    windows = cr.sliding_windows(x, 3, axis=0, stride=2)
    ct = cr.placeholder(windows.shape)
    back = cr.gradients(windows, x, cotangent=ct)
    assert back is cr.overlap_add(ct, 9, axis=0, stride=2)
    again = cr.placeholder((9,))
    assert cr.gradients(back, ct, cotangent=again) is cr.sliding_windows(again, 3, axis=0, stride=2)


@settings(deadline=None, max_examples=100)
@given(
    size=st.integers(1, 4),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
    extra=st.integers(0, 6),
    rows=st.integers(0, 2),
    seed=st.integers(0, 99),
)
def test_overlap_add_is_the_adjoint(
    size: int, stride: int, dilation: int, extra: int, rows: int, seed: int
) -> None:
    """⟨windows(a), b⟩ = ⟨a, overlap_add(b)⟩."""
    rng = np.random.default_rng(seed)
    length = (size - 1) * dilation + 1 + extra
    a = rng.normal(size=(rows, length))
    settings_ = {"axis": 1, "stride": stride, "dilation": dilation}
    windows = cr.sliding_windows(a, size, **settings_)
    b = rng.normal(size=windows.shape)
    added = cr.overlap_add(b, length, **settings_)
    np.testing.assert_allclose(np.sum(windows.value * b), np.sum(a * added.value), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("length", range(1, 9))
@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_same_padding_makes_as_many_windows_as_steps(length: int, size: int, stride: int) -> None:
    node = cr.sliding_windows(np.ones(length), size, axis=0, stride=stride, padding="same")
    assert node.shape == (-(-length // stride), size)


def test_same_padding_puts_the_odd_zero_behind() -> None:
    node = cr.sliding_windows([1.0, 2.0, 3.0], 2, axis=0, padding="same")
    assert node.value.tolist() == [[1, 2], [2, 3], [3, 0]]


def test_paddings_of_two_axes() -> None:
    x = np.ones((3, 4))
    assert cr.sliding_windows(x, 2, axis=(0, 1), padding=1).shape == (4, 5, 2, 2)
    assert cr.sliding_windows(x, 2, axis=(0, 1), padding=(1, 0)).shape == (4, 3, 2, 2)
    assert cr.sliding_windows(x, 2, axis=(0, 1), padding=((1, 0), (0, 2))).shape == (3, 5, 2, 2)
    assert cr.sliding_windows(x, 2, axis=(0, 1), padding=("valid", "same")).shape == (2, 4, 2, 2)


def test_masks_have_windows_too() -> None:
    node = cr.sliding_windows([True, False, True], 2, axis=0, padding=(1, 0))
    assert node.value.tolist() == [[False, True], [True, False], [False, True]]


ERRORS = {
    "too large": (
        lambda: cr.sliding_windows(np.ones((2, 3)), 5, axis=1),
        "a window of 5 does not fit axis 1, of length 3 when padded",
    ),
    "dilated": (
        lambda: cr.sliding_windows(np.ones(5), 3, axis=0, dilation=3),
        "a window of 3, 7 with its dilation of 3 does not fit axis 0, of length 5",
    ),
    "size 0": (
        lambda: cr.sliding_windows(np.ones(5), 0, axis=0),
        "sliding_windows: size=0 must be 1 or more",
    ),
    "stride 0": (lambda: cr.sliding_windows(np.ones(5), 1, axis=0, stride=0), "stride=0 must be 1 or more"),
    "sizes": (
        lambda: cr.sliding_windows(np.ones((5, 5)), (1, 2, 3), axis=(0, 1)),
        "size=(1, 2, 3) has 3 entries for 2 axes",
    ),
    "negative": (
        lambda: cr.sliding_windows(np.ones(5), 1, axis=0, padding=-1),
        "padding=-1 must be 0 or more",
    ),
    "word": (
        lambda: cr.sliding_windows(np.ones(5), 1, axis=0, padding="full"),
        "padding='full' is neither 'valid' nor 'same'",
    ),
    "axis": (lambda: cr.sliding_windows(np.ones(5), 1, axis=1), "sliding_windows: axis 1 does not exist"),
    "axis twice": (lambda: cr.sliding_windows(np.ones(5), 1, axis=(0, -1)), "an axis is given twice"),
    "length": (
        lambda: cr.overlap_add(np.ones((3, 2)), 9, axis=0),
        "axis 0 of shape (3, 2) has 3 windows of 2; a length of 9 holds 8",
    ),
    "no room": (
        lambda: cr.overlap_add(np.ones(3), 9, axis=0),
        "shape (3,) has no room for 1 axes of windows",
    ),
    "bool": (lambda: cr.overlap_add([[True]], 1, axis=0), "overlap_add: operands of bool are not taken"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error_texts(name: str) -> None:
    make, expected = ERRORS[name]
    with pytest.raises(cr.errors.ChainruleError) as caught:
        make()
    assert expected in str(caught.value)
    assert "test_windows.py:" in str(caught.value)
