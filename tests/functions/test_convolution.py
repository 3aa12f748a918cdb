from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

import chainrule as cr
from chainrule.errors import ArgumentError, ChainruleError, ShapeError
from chainrule.graph import topological
from chainrule.ops import expand

from .finite_differences import check_derivatives
from .reference_tables import TABLES, close, leaf, named, same_gradients

RNG = np.random.default_rng(9)


def _convolve(x: Any, weight: Any, bias: Any = None, **options: Any) -> cr.Node:
    function = cr.conv1d if weight.ndim == 3 else cr.conv2d
    return function(x, weight, bias, **options)


@pytest.mark.parametrize("row", TABLES["convolution"], ids=named(TABLES["convolution"]))
def test_values_and_gradients_are_the_references(row: dict[str, Any]) -> None:
    x, w, b = (leaf(row[key]) for key in ("x", "weight", "bias"))
    y = _convolve(x, w, b, **row["options"])
    close(y, row["out"])
    same_gradients(y, [x, w, b], row["gradients"])


@pytest.mark.parametrize("mode", ["valid", "same"])
@pytest.mark.parametrize("kernel", [(3,), (2,), (3, 2), (1, 4)])
def test_values_are_scipys_correlation_summed_over_channels(kernel: tuple[int, ...], mode: Any) -> None:
    lengths = (9, 8)[: len(kernel)]
    x, w = RNG.normal(size=(*lengths, 3)), RNG.normal(size=(*kernel, 3, 2))
    found = _convolve(x, w, padding=mode).value
    for filter_ in range(2):
        turned = np.flip(w[..., filter_], axis=tuple(range(len(kernel))))
        full = sum(signal.convolve(x[..., i], turned[..., i], mode="full") for i in range(3))
        begin = [k - 1 if mode == "valid" else k - 1 - (k - 1) // 2 for k in kernel]
        inner = tuple(slice(b, b + n) for b, n in zip(begin, found.shape[:-1], strict=True))
        np.testing.assert_allclose(found[..., filter_], full[inner], rtol=1e-11, atol=1e-12)


@st.composite
def geometries(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Lengths, kernel and options that leave at least one window."""
    count = draw(st.integers(1, 2))
    numbers = {key: tuple(draw(st.integers(1, 3)) for _ in range(count)) for key in ("stride", "dilation")}
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(count))
    padding = tuple((draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in range(count))
    lengths = tuple(
        max(1, (k - 1) * d + 1 - sum(p)) + draw(st.integers(0, 3))
        for k, d, p in zip(kernel, numbers["dilation"], padding, strict=True)
    )
    return lengths, kernel, {**numbers, "padding": padding, "groups": draw(st.sampled_from([1, 2]))}


def _by_loops(x: np.ndarray, w: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    """The definition, window by window."""
    count, groups = w.ndim - 2, options["groups"]
    padded = np.pad(x, [(0, 0), *options["padding"], (0, 0)])
    steps, apart = options["stride"], options["dilation"]
    shape = [(padded.shape[a + 1] - (w.shape[a] - 1) * apart[a] - 1) // steps[a] + 1 for a in range(count)]
    out = np.zeros((x.shape[0], *shape, w.shape[-1]))
    wide, deep = w.shape[-1] // groups, w.shape[-2]
    for place in np.ndindex(*shape):
        for tap in np.ndindex(*w.shape[:count]):
            at = tuple(p * s + t * d for p, s, t, d in zip(place, steps, tap, apart, strict=True))
            for g in range(groups):
                inputs = padded[(slice(None), *at, slice(g * deep, (g + 1) * deep))]
                out[(slice(None), *place, slice(g * wide, (g + 1) * wide))] += (
                    inputs @ w[tap][:, g * wide : (g + 1) * wide]
                )
    return out


@settings(deadline=None, max_examples=40)
@given(geometries(), st.integers(0, 2**16))
def test_any_geometry_is_the_definition_and_its_derivatives_are_right(
    geometry: tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]], seed: int
) -> None:
    lengths, kernel, options = geometry
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=(2, *lengths, 4)), rng.normal(size=(*kernel, 4 // options["groups"], 2))
    np.testing.assert_allclose(
        _convolve(x, w, **options).value, _by_loops(x, w, options), rtol=1e-11, atol=1e-12
    )
    check_derivatives(lambda a, b: _convolve(a, b, **options), x, w, tolerance=3e-6)


@pytest.mark.parametrize("lead", [(), (3,), (2, 3), (0,)])
def test_any_axes_may_stand_in_front(lead: tuple[int, ...]) -> None:
    x, w, b = RNG.normal(size=(*lead, 6, 2)), RNG.normal(size=(3, 2, 5)), RNG.normal(size=5)
    y = cr.conv1d(x, w, b, padding=(1, 0))
    assert y.value.shape == (*lead, 5, 5)
    check_derivatives(lambda *leaves: cr.conv1d(*leaves, padding=(1, 0)), x, w, b)


def test_a_kernel_over_whole_words_is_the_lectures_convolution() -> None:
    """Seven words of five dimensions, a kernel over two words in steps of two: three windows."""
    words, kernel = RNG.normal(size=(7, 5)), RNG.normal(size=(2, 5))
    found = cr.conv1d(words, kernel[:, :, None], stride=2).value
    expected = [[np.sum(words[t : t + 2] * kernel)] for t in (0, 2, 4)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_windows_of_the_forward_pass_serve_the_weights_gradient() -> None:
    x = cr.placeholder((2, 6, 3), name="x")
    w = cr.variable(np.ones((2, 3, 4), np.float32))
    y = cr.conv1d(x, w)
    assert y.op.name == "convolution"
    opened = topological(expand([y, cr.gradients(cr.sum(y * y), w)]))
    assert [node.op.name for node in opened].count("sliding_windows") == 1


@pytest.mark.parametrize(
    ("shapes", "options", "error", "message"),
    [
        (((2, 6, 3), (2, 4, 5)), {}, ShapeError, "last but one axis must be 3"),
        (((6,), (2, 1, 5)), {}, ShapeError, "channels stand last"),
        (((2, 6, 3), (2, 3)), {}, ShapeError, r"\(width, in/groups, out\)"),
        (((2, 6, 3), (2, 3, 5)), {"groups": 2}, ArgumentError, "do not divide into groups=2"),
        (((2, 6, 4), (2, 4, 4)), {"groups": 2}, ShapeError, "must be 2"),
        (((2, 6, 3), (7, 3, 5)), {}, ShapeError, "does not fit axis 1"),
        (((2, 6, 3), (2, 3, 5), (4,)), {}, ShapeError, "a bias of shape"),
        (((2, 6, 3), (2, 3, 5)), {"stride": 0}, ArgumentError, "conv1d: stride=0 must be 1 or more"),
        (((2, 6, 3), (2, 3, 5)), {"padding": "full"}, ArgumentError, "neither 'valid' nor 'same'"),
        (((2, 6, 3), (2, 3, 5)), {"padding": -1}, ArgumentError, "must be 0 or more"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_mend(
    shapes: tuple[tuple[int, ...], ...],
    options: dict[str, Any],
    error: type[ChainruleError],
    message: str,
) -> None:
    with pytest.raises(error, match=message) as caught:
        cr.conv1d(*(np.ones(shape) for shape in shapes), **options)
    assert "test_convolution.py" in str(caught.value.where)
