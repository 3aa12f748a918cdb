"""Where derivatives have a choice: ties and bounds, as the docstrings promise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import chainrule as cr

PROMISES: dict[str, tuple[Callable[[cr.Node], cr.Node], list[float], list[float]]] = {
    "clip keeps its bounds": (lambda x: cr.clip(x, -1, 1), [-2, -1, 0, 1, 2], [0, 1, 1, 1, 0]),
    "maximum gives a tie to the first": (lambda x: cr.maximum(x, 1.0), [0, 1, 2], [0, 1, 1]),
    "and nothing to the second": (lambda x: cr.maximum(1.0, x), [0, 1, 2], [0, 0, 1]),
    "minimum gives a tie to the first": (lambda x: cr.minimum(x, 1.0), [0, 1, 2], [1, 1, 0]),
    "max goes to the first place": (cr.max, [1, 4, 2, 4], [0, 1, 0, 0]),
    "min goes to the first place": (cr.min, [4, 1, 2, 1], [0, 1, 0, 0]),
    "max of a NaN goes to the NaN": (cr.max, [1, np.nan, 2], [0, 1, 0]),
    "abs is flat at 0": (cr.abs, [-1, 0, 1], [-1, 0, 1]),
    "a power of 0 is flat": (lambda x: x**0, [0, 2], [0, 0]),
    "x to the first at 0": (lambda x: x**1, [0, 2], [1, 1]),
    "x squared at 0": (lambda x: x**2, [-3, 0], [-6, 0]),
    "a product with zeros": (cr.prod, [2, 0, 4], [0, 8, 0]),
    "a product with two zeros": (cr.prod, [0, 0, 4], [0, 0, 0]),
    "equal elements in a sort keep their order": (lambda x: cr.sort(x) * [1.0, 10.0], [5, 5], [1, 10]),
}


@pytest.mark.parametrize("name", PROMISES)
def test_promise(name: str) -> None:
    function, at, expected = PROMISES[name]
    x = cr.variable(np.array(at, np.float64))
    np.testing.assert_array_equal(cr.gradients(cr.sum(function(x)), x).value, expected)


def test_max_over_several_axes_goes_to_one_place() -> None:
    x = cr.variable(np.ones((2, 3)))
    assert cr.gradients(cr.max(x), x).value.tolist() == [[1, 0, 0], [0, 0, 0]]
