"""What of a gradient is look-ups of rows, and the sum for each row; the ops themselves are in the table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.ops.rows import gathered, looks_of

ROWS, WIDTH = 6, 2
TABLE = cr.variable(np.arange(12.0).reshape(ROWS, WIDTH), name="table")
PLACES = st.lists(st.integers(-ROWS, ROWS - 1), min_size=1, max_size=6)


def gradient(*lookups, scale=1.0):
    loss = cr.constant(0.0, "float64")
    for number, places in enumerate(lookups):
        rows = cr.take(TABLE, np.array(places), axis=0)
        loss = loss + scale * cr.sum(cr.square(rows) * (number + 1))
    return cr.gradients(loss, TABLE)


def scattered(looks):
    found = np.zeros((ROWS, WIDTH))
    for values, indices in looks:
        np.add.at(found, indices.value, values.value)
    return found


FOUND = {
    "one look-up": lambda g: g,
    "negated": lambda g: -g,
    "scaled": lambda g: g * 3.0,
    "scaled by a value": lambda g: cr.sum(TABLE) * g,
    "scaled by columns": lambda g: g * np.array([2.0, -1.0]),
    "scaled, by a row of its own": lambda g: np.array([[2.0, -1.0]]) * g,
    "scaled twice": lambda g: -(2.0 * (g * 3.0)),
    "doubled": lambda g: g + g,
    "with another": lambda g: g + 0.5 * gradient([5, 5]),
}
NOT_FOUND = {
    "dense beside": lambda g: g + TABLE,
    "scaled by rows": lambda g: g * TABLE,
    "squared": cr.square,
    "times itself": lambda g: g * g,
    "clipped": lambda g: cr.clip(g, -1, 1),
    "columns": lambda g: cr.gradients(cr.sum(cr.take(TABLE, [1, 0, 1], axis=1)), TABLE),
    "dense": lambda g: TABLE * 2.0,
}


@pytest.mark.parametrize("change", FOUND.values(), ids=FOUND)
def test_look_ups_are_found_with_what_they_are_multiplied_by(change) -> None:
    node = change(gradient([3, 1, 3], [[0, -1], [1, 1]]))
    looks = looks_of(node)
    assert looks is not None
    for values, indices in looks:
        assert indices.ndim == 1
        assert values.shape == (indices.size, WIDTH)
    np.testing.assert_allclose(scattered(looks), node.value, rtol=1e-14)


@pytest.mark.parametrize("change", NOT_FOUND.values(), ids=NOT_FOUND)
def test_anything_else_is_no_sum_of_look_ups(change) -> None:
    assert looks_of(change(gradient([3, 1, 3]))) is None


@settings(deadline=None, max_examples=60)
@given(st.lists(PLACES, min_size=1, max_size=3))
def test_the_sums_stand_where_a_row_is_named_first_and_zeros_elsewhere(lookups) -> None:
    node = gradient(*lookups)
    sums, indices, first = (part.value for part in gathered(looks_of(node) or [], ROWS))
    dense, named = node.value, indices % ROWS
    assert set(named) == {place % ROWS for places in lookups for place in places}
    for place, row in enumerate(named):
        is_first = row not in named[:place]
        assert (first[place] == place) == is_first
        np.testing.assert_allclose(sums[place], dense[row] if is_first else 0.0, rtol=1e-14)


def test_a_sum_that_shares_its_terms_does_not_unfold_into_millions() -> None:
    node = gradient([3, 1])
    for _ in range(60):
        node = node + node
    assert looks_of(node) is None


def test_a_table_of_numbers_and_one_of_matrices() -> None:
    for shape in ((5,), (5, 2, 3)):
        table = cr.variable(np.ones(shape))
        node = cr.gradients(cr.sum(cr.square(cr.take(table, [4, 0, 4], axis=0))), table)
        sums, _, first = gathered(looks_of(node) or [], 5)
        assert sums.shape == (3, *shape[1:])
        np.testing.assert_array_equal(first.value, [0, 1, 0])
        np.testing.assert_array_equal(sums.value[0], np.full(shape[1:], 4.0))
