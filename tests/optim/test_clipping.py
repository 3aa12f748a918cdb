from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import chainrule as cr
from chainrule.errors import ArgumentError
from chainrule.optim import Clip, clip_by_global_norm, clip_by_norm, clip_by_value, global_norm

ELEMENTS = st.floats(-100, 100, width=32)
GRADIENTS = st.lists(
    npst.arrays(
        np.float64, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4), elements=ELEMENTS
    ),
    min_size=1,
    max_size=4,
)
LIMITS = st.floats(0.01, 200)


def values(clipped: list[cr.Node]) -> list[Any]:
    return [node.value for node in clipped]


def nodes(arrays: list[Any]) -> list[cr.Node]:
    return [cr.constant(array) for array in arrays]


def norm(arrays: list[Any]) -> float:
    return float(np.sqrt(sum(float(np.sum(array**2)) for array in arrays)))


@settings(deadline=None, max_examples=50)
@given(GRADIENTS, LIMITS)
def test_by_value_is_the_clip_of_numpy(arrays: list[Any], limit: float) -> None:
    for found, array in zip(values(clip_by_value(nodes(arrays), limit)), arrays, strict=True):
        np.testing.assert_array_equal(found, np.clip(array, -limit, limit))


@settings(deadline=None, max_examples=50)
@given(GRADIENTS, LIMITS)
def test_norms_are_bounded_directions_kept_and_short_ones_untouched(arrays: list[Any], limit: float) -> None:
    assert float(global_norm(nodes(arrays)).value) == pytest.approx(norm(arrays), rel=1e-12)
    together = values(clip_by_global_norm(nodes(arrays), limit))
    each = [values(clip_by_norm([node], limit))[0] for node in nodes(arrays)]
    for found, whole in [(together, arrays), *[([e], [a]) for e, a in zip(each, arrays, strict=True)]]:
        length = norm(whole)
        if length <= limit * (1 - 1e-12):
            assert [f.tobytes() for f in found] == [np.asarray(w).tobytes() for w in whole]
        elif length > limit:
            assert norm(found) == pytest.approx(limit, rel=1e-12)
            for f, w in zip(found, whole, strict=True):
                np.testing.assert_allclose(f * length, w * limit, rtol=1e-12)


def test_limits_apply_in_order() -> None:
    gradients = nodes([np.array([30.0, 4.0]), np.array([1.0])])
    # by value 4: (4, 4), 1; by norm 2: (√2, √2), 1; by global norm 1: all over √5
    found = values(Clip(value=4.0, norm=2.0, global_norm=1.0)(gradients))
    np.testing.assert_allclose(found[0], np.sqrt([2 / 5, 2 / 5]), rtol=1e-12)
    np.testing.assert_allclose(found[1], [np.sqrt(1 / 5)], rtol=1e-12)


def test_mixed_dtypes_share_one_norm_and_keep_their_own() -> None:
    gradients = [cr.constant(np.array([3.0], np.float32)), cr.constant(np.array([4.0]))]
    assert global_norm(gradients).dtype.name == "float64"
    assert [g.dtype.name for g in clip_by_global_norm(gradients, 1.0)] == ["float32", "float64"]


@pytest.mark.parametrize(
    ("clip", "expected"),
    [
        (lambda g: clip_by_value(g, 1.0), [[np.nan, 1.0], [0.5]]),
        (lambda g: clip_by_norm(g, 1.0), [[np.nan, np.nan], [0.5]]),
        (lambda g: clip_by_global_norm(g, 1.0), [[np.nan, np.nan], [np.nan]]),
    ],
    ids=["value", "norm", "global norm"],
)
def test_a_nan_is_never_hidden(clip: Callable[[Any], list[cr.Node]], expected: list[list[float]]) -> None:
    for found, wanted in zip(
        values(clip(nodes([np.array([np.nan, np.inf]), np.array([0.5])]))), expected, strict=True
    ):
        np.testing.assert_array_equal(found, wanted)


def test_an_infinity_is_cut_by_value_and_is_nan_under_the_norms() -> None:
    gradients = nodes([np.array([np.inf, 2.0])])
    assert values(clip_by_value(gradients, 1.0))[0].tolist() == [1.0, 1.0]
    found = values(clip_by_norm(gradients, 1.0))[0]
    assert np.isnan(found[0])
    assert found[1] == 0.0


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: Clip(), "Clip: no limit is given"),
        (lambda: Clip(norm=0.0), "Clip: norm is 0.0; it must be a finite number above 0"),
        (lambda: clip_by_value([], 1.0), "clip_by_value: there are no gradients"),
        (lambda: global_norm([cr.constant(1.0), None]), "global_norm: gradient 1 is None, not a node"),  # type: ignore[list-item]
        (lambda: clip_by_norm([cr.constant(1.0)], -1.0),
         "clip_by_norm: limit is -1.0; it must be a finite number above 0"),
    ],
)  # fmt: skip
def test_errors_name_the_argument(make: Callable[[], Any], what: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert caught.value.what == what
