from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, ChainruleError, DTypeError, ShapeError

from .finite_differences import check_derivatives
from .reference_tables import TABLES, close, leaf, named, same_gradients, tupled

RNG = np.random.default_rng(10)
SEQUENCE, IMAGE = RNG.normal(size=(2, 7, 3)), RNG.normal(size=(2, 5, 6, 2))

POOLS: dict[str, Callable[..., cr.Node]] = {
    "max_pool1d": cr.max_pool1d,
    "max_pool2d": cr.max_pool2d,
    "average_pool1d": cr.average_pool1d,
    "average_pool2d": cr.average_pool2d,
    "adaptive_average_pool1d": cr.adaptive_average_pool1d,
    "adaptive_average_pool2d": cr.adaptive_average_pool2d,
    "adaptive_max_pool1d": cr.adaptive_max_pool1d,
    "adaptive_max_pool2d": cr.adaptive_max_pool2d,
}


@pytest.mark.parametrize("row", TABLES["pooling"], ids=named(TABLES["pooling"]))
def test_values_and_gradients_are_the_references(row: dict[str, Any]) -> None:
    x = leaf(row["x"])
    y = POOLS[row["name"]](x, **tupled(row["options"]))
    close(y, row["out"])
    same_gradients(y, [x], row["gradients"])


@pytest.mark.parametrize("row", TABLES["pooling"], ids=named(TABLES["pooling"]))
def test_derivatives_agree_with_differences(row: dict[str, Any]) -> None:
    x = SEQUENCE if row["name"].endswith("1d") else IMAGE
    check_derivatives(lambda a: POOLS[row["name"]](a, **tupled(row["options"])), x)


def test_the_lectures_numbers() -> None:
    x = np.array([1.0, 4.0, 2.0, 3.0])[:, None]
    assert cr.max_pool1d(x, 4).value == [[4.0]]
    assert cr.average_pool1d(x, 4).value == [[2.5]]
    assert cr.max_over_time(x, axis=0).value == [4.0]
    assert cr.mean_over_time(x, axis=0).value == [2.5]


@pytest.mark.parametrize(
    ("pool", "shape", "options"),
    [
        (cr.max_pool1d, (1, 4, 1), {"size": 4}),
        (cr.max_pool2d, (1, 2, 2, 1), {"size": 2}),
        (cr.max_over_time, (1, 4, 1), {}),
        (cr.adaptive_max_pool1d, (1, 4, 1), {"size": 1}),
        (cr.adaptive_max_pool2d, (1, 2, 2, 1), {"size": 1}),
    ],
)
def test_among_equals_the_gradient_goes_to_the_first_in_reading_order(
    pool: Callable[..., cr.Node], shape: tuple[int, ...], options: dict[str, Any]
) -> None:
    for values in ([0, 7, 7, 0], [0, 0, 7, 7], [7, 7, 7, 7]):
        x = cr.variable(np.array(values, float).reshape(shape))
        found = cr.gradients(cr.sum(pool(x, **options)), x).value.ravel()
        np.testing.assert_array_equal(found, np.eye(4)[np.argmax(values)])


def test_padding_is_never_a_maximum() -> None:
    x = np.full((1, 3, 1), -5.0)
    np.testing.assert_array_equal(cr.max_pool1d(x, 3, stride=1, padding=1).value, x)
    np.testing.assert_array_equal(cr.max_pool1d(x, 2, stride=2, padding="same").value, x[:, :2])


def test_padding_counts_in_a_mean_only_when_asked() -> None:
    x = np.ones((1, 3, 1))
    plain = cr.average_pool1d(x, 3, stride=1, padding=1).value.ravel()
    counted = cr.average_pool1d(x, 3, stride=1, padding=1, count_padding=True).value.ravel()
    np.testing.assert_allclose(plain, [1, 1, 1], rtol=1e-15)
    np.testing.assert_allclose(counted, [2 / 3, 1, 2 / 3])
    assert cr.average_pool1d(x.astype("f4"), 3, stride=1, padding=1).dtype.name == "float32"


@pytest.mark.parametrize("size", range(1, 10))
def test_adaptive_bins_cover_any_length(size: int) -> None:
    x = np.arange(7.0)[:, None]
    bins = [x[i * 7 // size : -(-(i + 1) * 7 // size)] for i in range(size)]
    np.testing.assert_allclose(
        cr.adaptive_average_pool1d(x, size).value[:, 0], [part.mean() for part in bins]
    )
    np.testing.assert_array_equal(cr.adaptive_max_pool1d(x, size).value[:, 0], [part.max() for part in bins])


MASK = np.array([[True, False, True, True, False, False, False], [False] * 7])


def test_over_time_only_marked_words_count() -> None:
    highest, average = (f(SEQUENCE, mask=MASK).value for f in (cr.max_over_time, cr.mean_over_time))
    np.testing.assert_array_equal(highest[0], SEQUENCE[0, [0, 2, 3]].max(0))
    np.testing.assert_allclose(average[0], SEQUENCE[0, [0, 2, 3]].mean(0), rtol=1e-13)
    np.testing.assert_array_equal(highest[1], 0)
    np.testing.assert_array_equal(average[1], 0)
    np.testing.assert_array_equal(cr.max_over_time(SEQUENCE).value, SEQUENCE.max(1))
    np.testing.assert_allclose(cr.mean_over_time(SEQUENCE).value, SEQUENCE.mean(1), rtol=1e-13)
    for function in (cr.max_over_time, cr.mean_over_time):
        check_derivatives(lambda x, f=function: f(x), SEQUENCE)  # type: ignore[misc]
        check_derivatives(lambda x, f=function: f(x, mask=MASK), SEQUENCE)  # type: ignore[misc]


def test_the_gradient_of_max_over_time_is_one_word_for_each_feature() -> None:
    x = cr.variable(SEQUENCE)
    found = cr.gradients(cr.sum(cr.max_over_time(x, mask=MASK)), x).value
    assert np.count_nonzero(found) == 3
    np.testing.assert_array_equal(found[1], 0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: cr.max_pool1d(SEQUENCE, 8), ShapeError, "does not fit axis 1"),
        (lambda: cr.max_pool1d(SEQUENCE, 2, padding=2), ArgumentError, "at most 1 on either side"),
        (lambda: cr.average_pool1d(SEQUENCE, 2, padding=(0, 4)), ArgumentError, "on padding alone"),
        (lambda: cr.max_pool1d(np.ones(3), 2), ShapeError, r"\(…, length, channels\)"),
        (lambda: cr.max_pool2d(np.ones((3, 3)), 2), ShapeError, "height, width, channels"),
        (lambda: cr.max_pool1d(SEQUENCE, 0), ArgumentError, "max_pool1d: size=0 must be 1 or more"),
        (lambda: cr.adaptive_max_pool1d(SEQUENCE, 0), ArgumentError, "0 bins"),
        (lambda: cr.adaptive_max_pool2d(IMAGE, (1, 2, 3)), ShapeError, r"size \(1, 2, 3\)"),
        (lambda: cr.max_over_time(SEQUENCE, mask=MASK[:, :3]), ShapeError, "one boolean for each place"),
        (lambda: cr.mean_over_time(SEQUENCE, mask=MASK.astype(int)), DTypeError, "mask != 0"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_mend(
    call: Callable[[], cr.Node], error: type[ChainruleError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        call()
    assert "test_pooling.py" in str(caught.value.where)


def k_largest_in_order(x: np.ndarray, real: np.ndarray, k: int) -> np.ndarray:
    """By definition: of one example (time, features), sorted stably, then put back in order."""
    found = np.zeros((k, x.shape[1]), x.dtype)
    places = np.flatnonzero(real)
    for feature in range(x.shape[1]):
        column = x[places, feature]
        chosen = np.sort(np.argsort(-column, kind="stable")[:k])
        found[: len(chosen), feature] = column[chosen]
    return found


@pytest.mark.parametrize("k", range(1, 8))
def test_k_max_keeps_the_largest_in_their_order(k: int) -> None:
    chosen = np.array([MASK[0], [True] * 7, [False] * 7])
    x = np.random.default_rng(k).integers(-3, 3, (3, 7, 4)).astype(float)  # with ties
    x[1, 2:5, 0] = -np.inf
    everywhere = np.ones(7, bool)
    for engine in ("stepper", "native"):
        plain, masked = cr.evaluate(
            [cr.k_max_over_time(x, k), cr.k_max_over_time(x, k, mask=chosen)], engine=engine
        )
        np.testing.assert_array_equal(plain, [k_largest_in_order(one, everywhere, k) for one in x])
        np.testing.assert_array_equal(
            masked, [k_largest_in_order(one, real, k) for one, real in zip(x, chosen, strict=True)]
        )


def test_k_max_gives_its_gradient_to_the_places_chosen() -> None:
    check_derivatives(lambda x: cr.k_max_over_time(x, 3), SEQUENCE)
    check_derivatives(lambda x: cr.k_max_over_time(x, 5, mask=MASK), SEQUENCE)
    x = cr.variable(np.array([[[5.0], [7.0], [7.0], [7.0]]]))
    found = cr.gradients(cr.sum(cr.k_max_over_time(x, 2) * [[10.0], [20.0]]), x).value
    np.testing.assert_array_equal(found.ravel(), [0, 10, 20, 0])  # of equals the first
    with pytest.raises(ArgumentError, match="choose k from 1 to 7"):
        cr.k_max_over_time(SEQUENCE, 8)
