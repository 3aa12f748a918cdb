from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.simplify import simplify

from .comparing import leaves_of, op_names, tame, values

BATCH, TIME, CHANNELS, FILTERS = 3, 14, 4, 5


def pooled(after=cr.relu, *, width=3, mask=None, shape=(BATCH, TIME, CHANNELS), **options):
    """The sum of weighted maxima over time of a convolution, and what it is differentiated by."""
    x = cr.placeholder(shape, "float64", name="x")
    weight = cr.placeholder((width, CHANNELS, FILTERS), "float64", name="weight")
    bias = cr.placeholder((FILTERS,), "float64", name="bias")
    features = cr.max_over_time(after(cr.conv1d(x, weight, bias, **options)), axis=-2, mask=mask)
    factors = np.random.default_rng(9).normal(size=features.shape)
    return cr.gradients(cr.sum(cr.sin(features) * factors), [x, weight, bias])


CASES = {
    "relu": {},
    "tanh": {"after": cr.tanh},
    "linear": {"after": cr.identity},
    "leaky": {"after": lambda x: cr.functions.leaky_relu(x, 0.1)},
    "stride": {"stride": 2, "shape": (BATCH, 20, CHANNELS)},
    "dilation": {"dilation": 3, "shape": (BATCH, 20, CHANNELS)},
    "padding": {"padding": (2, 1)},
    "all of them": {"stride": 2, "dilation": 2, "padding": 3, "width": 4, "shape": (BATCH, 21, CHANNELS)},
    "one sentence": {"shape": (TIME, CHANNELS)},
    "two batch axes": {"shape": (2, BATCH, TIME, CHANNELS)},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_backward_products_gather_and_add_windows(case) -> None:
    gradients = pooled(**case)
    found = simplify(gradients)
    counts = found.journal.counts()
    assert counts["Xᵀ @ (one place in time) gathers windows"] == 1
    assert counts["overlap_add((one place in time) @ Wᵀ) adds weights to rows"] == 1
    names = op_names(found.outputs)
    assert names.count("matmul") == 1, "the forward one alone"
    assert "overlap_add" not in names
    assert "scatter_along_axis" not in names, "no array of zeros over time is left"
    rng = np.random.default_rng(4)
    for _ in range(3):
        feed = {leaf: tame(rng, leaf.shape, leaf.dtype) for leaf in leaves_of(gradients)}
        for a, b in zip(values(gradients, feed), values(found.outputs, feed), strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-13)


@settings(deadline=None, max_examples=30)
@given(
    batch=st.integers(1, 3), channels=st.integers(1, 3), filters=st.integers(1, 3), width=st.integers(1, 4),
    stride=st.integers(1, 3), dilation=st.integers(1, 3), padding=st.integers(0, 2), extra=st.integers(0, 9),
    flip=st.booleans(),
)  # fmt: skip
def test_any_convolution(batch, channels, filters, width, stride, dilation, padding, extra, flip) -> None:
    time = (width - 1) * dilation + 1 + extra
    x = cr.placeholder((batch, time, channels), "float64", name="x")
    weight = cr.placeholder((width, channels, filters), "float64", name="weight")
    out = cr.conv1d(x, weight, stride=stride, dilation=dilation, padding=padding)
    out = cr.min(out, axis=1) if flip else cr.max_over_time(cr.relu(out), axis=1)
    gradients = cr.gradients(cr.sum(cr.sin(out)), [x, weight])
    feed = {leaf: tame(np.random.default_rng(1), leaf.shape, leaf.dtype) for leaf in leaves_of(gradients)}
    for a, b in zip(values(gradients, feed), values(simplify(gradients).outputs, feed), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-11, atol=1e-12)


def test_windows_of_one_word_are_the_words() -> None:
    gradients = pooled(width=1)
    found = simplify(gradients)
    names = op_names(found.outputs)
    assert names.count("matmul") == 1
    assert "sliding_windows" not in names
    feed = {leaf: tame(np.random.default_rng(1), leaf.shape, leaf.dtype) for leaf in leaves_of(gradients)}
    for a, b in zip(values(gradients, feed), values(found.outputs, feed), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-13)


def test_a_rectifier_in_between_is_read_off_the_maxima() -> None:
    names = op_names(simplify(pooled()).outputs)
    assert "take_along_axis" not in names
    assert names.count("max") == names.count("argmax") == 1


def test_masked_time() -> None:
    mask = np.random.default_rng(0).random((BATCH, TIME - 2)) < 0.5
    mask[1] = False
    gradients = pooled(mask=mask)
    found = simplify(gradients)
    assert "overlap_add" not in op_names(found.outputs)
    feed = {leaf: tame(np.random.default_rng(1), leaf.shape, leaf.dtype) for leaf in leaves_of(gradients)}
    for a, b in zip(values(gradients, feed), values(found.outputs, feed), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-13)


def test_ties_go_to_the_first_place() -> None:
    x = cr.variable(np.zeros((1, 12, CHANNELS)))
    weight = cr.constant(np.ones((2, CHANNELS, FILTERS)))
    features = cr.max_over_time(cr.conv1d(x, weight), axis=1)
    (gradient,) = simplify([cr.gradients(features.sum(), x)]).outputs
    wanted = np.zeros((1, 12, CHANNELS))
    wanted[0, :2] = FILTERS
    np.testing.assert_array_equal(values([gradient], {})[0], wanted)


def test_short_sentences_keep_their_dense_products() -> None:
    gradients = pooled(shape=(BATCH, 6, CHANNELS))
    assert op_names(simplify(gradients).outputs).count("matmul") == 3


def test_a_layer_that_is_no_convolution_gathers_and_adds_rows() -> None:
    x = cr.placeholder((BATCH, TIME, CHANNELS), "float64", name="x")
    weight = cr.placeholder((CHANNELS, FILTERS), "float64", name="weight")
    features = cr.max_over_time(cr.tanh(x @ weight), axis=1)
    gradients = cr.gradients(cr.sum(features * features), [x, weight])
    found = simplify(gradients)
    names = op_names(found.outputs)
    assert names.count("matmul") == 1
    assert math.prod(found.outputs[0].shape) == BATCH * TIME * CHANNELS
    feed = {leaf: tame(np.random.default_rng(1), leaf.shape, leaf.dtype) for leaf in leaves_of(gradients)}
    for a, b in zip(values(gradients, feed), values(found.outputs, feed), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-13)


def test_widths_side_by_side_add_to_one_array() -> None:
    x = cr.placeholder((BATCH, TIME, CHANNELS), "float64", name="x")
    total = cr.constant(0.0, "float64")
    for width in (3, 4, 5):
        weight = cr.placeholder((width, CHANNELS, FILTERS), "float64", name=f"weight{width}")
        total = total + cr.sum(cr.square(cr.max_over_time(cr.relu(cr.conv1d(x, weight)), axis=1)))
    gradient = cr.gradients(total, x)
    found = simplify([gradient])
    names = op_names(found.outputs)
    assert (names.count("scatter_add"), names.count("add_rows"), names.count("matmul")) == (1, 2, 3)
    feed = {leaf: tame(np.random.default_rng(1), leaf.shape, leaf.dtype) for leaf in leaves_of([gradient])}
    a, b = values([gradient, *found.outputs], feed)
    np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-13)
