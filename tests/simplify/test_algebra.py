from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.simplify import algebra, movement, simplify, sums
from chainrule.simplify.language import show

from .comparing import awkward, identical, leaves_of, op_names, same_bits, tame, values
from .table import EXACT, MOVEMENT, ROUNDING, SIGNED_ZEROS, SUMS_OF_INTEGERS, Row, leaves

GROUPS = {"exact": EXACT + MOVEMENT + SUMS_OF_INTEGERS, "signed zeros": SIGNED_ZEROS, "rounding": ROUNDING}
ROWS = [(group, row) for group, rows in GROUPS.items() for row in rows]


def by_row(function):
    return pytest.mark.parametrize(("group", "row"), ROWS, ids=[str(row) for _, row in ROWS])(function)


@by_row
def test_the_rule_fires_and_gives_what_it_says(group: str, row: Row) -> None:
    found = simplify([row.build(leaves())], groups=["exact", group])
    assert row.rule in found.journal.counts()
    assert show(found.outputs[0], 9) == row.expected


@by_row
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_sides_are_worth_the_same(group: str, row: Row, dtype: str) -> None:
    before = row.build(leaves(dtype))
    after = simplify([before], groups=["exact", group]).outputs[0]
    assert (after.shape, after.dtype) == (before.shape, before.dtype)
    rng = np.random.default_rng(5)
    for _ in range(8):
        numbers = tame if group == "rounding" else awkward
        feed = {leaf: numbers(rng, leaf.shape, leaf.dtype) for leaf in leaves_of([before])}
        a, b = values([before, after], feed)
        if group == "rounding":
            tolerance = 16 * np.finfo(before.dtype).eps
            np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance)
        else:
            assert same_bits(a, b, zeros=group == "exact"), f"{a}\n{b}"


def test_every_rule_has_a_row() -> None:
    rules = [
        *algebra.EXACT, *algebra.SIGNED_ZEROS, *algebra.ROUNDING, *algebra.PRODUCTS,
        *algebra.QUOTIENTS, *algebra.FOLDING,
        *movement.MOVEMENT, *sums.REPEATED, *sums.SUMS_OF_SUMS,
    ]  # fmt: skip
    assert {rule.name for rule in rules} == {row.rule for _, row in ROWS}


X = cr.placeholder((3, 4), "float64", name="x")
Y = cr.placeholder((3, 4), "float64", name="y")


@pytest.mark.parametrize(
    "build",
    [
        lambda: X * 0,  # NaN and infinity times 0 are NaN
        lambda: X - X,  # infinity less itself is NaN
        lambda: X / X,
        lambda: 0 / X,
        lambda: X / 3,  # 1/3 is no float
        lambda: X / 0.0,
        lambda: X / 5e-324,  # whose reciprocal is infinite
        lambda: cr.exp(cr.log(X)),
        lambda: cr.sqrt(X) ** 0.5,
        lambda: cr.maximum(X, np.inf),  # NaN wins
        lambda: cr.astype(cr.astype(X, "float32"), "float64"),  # digits were lost on the way
        lambda: cr.astype(cr.astype(X, "int64"), "float64"),  # so were fractions
        lambda: cr.concat([X[1:], X[:1]]),
        lambda: cr.concat([X[:1], Y[1:]]),
        lambda: cr.concat([X, Y])[2:5],
        lambda: cr.max(cr.broadcast_to(X, (2, 3, 4)), axis=1),
        lambda: X.reshape(2, 6).T.reshape(3, 4),
    ],
)
def test_what_only_looks_like_an_identity_is_left_alone(build) -> None:
    before = build()
    found = simplify([before], groups=["exact"])
    assert identical(found.outputs, [before]), str(found.journal)


def test_constants_in_rounding_rules_stay_within_range() -> None:
    x = cr.placeholder((2,), "float32", name="x")
    for node in (x * 1e30 * 1e30, x * 1e-30 * 1e-30, x / 1e-30 / 1e-30, x * 0.0 * 2.0):
        assert not simplify([node], groups=["rounding"]).journal.firings


def test_the_least_integer_is_its_own_negative() -> None:
    i = cr.placeholder((3,), "int64", name="i")
    least = np.int64(np.iinfo(np.int64).min)
    before = (-i) * least
    feed = {i: np.array([-3, 0, 5])}
    a, b = values([before, *simplify([before]).outputs], feed)
    np.testing.assert_array_equal(a, b)


def test_a_product_that_is_read_both_ways_is_computed_once() -> None:
    product = X @ Y.T
    found = simplify([product, product.T])
    assert op_names(found.outputs).count("matmul") == 1


def test_folding_is_bounded_and_leaves_errors_for_the_run() -> None:
    big = cr.constant(np.ones((64, 64)))
    assert simplify([cr.exp(big)]).outputs[0].op.name == "exp"
    wide = cr.broadcast_to(cr.constant(1.0), (10_000,))
    assert identical(simplify([wide]).outputs, [wide])
    table = cr.constant([1.0, 2.0])
    index = cr.constant(np.array(5))
    wrong = cr.graph.apply(cr.take([1.0, 2.0], [0], axis=0).op, table, index, axis=0)
    assert identical(simplify([wrong]).outputs, [wrong])
    with pytest.raises(IndexError):
        values([wrong], {})


def test_a_users_op_of_a_librarys_name_is_its_own() -> None:
    class Negative(cr.Op):
        """Not what the library calls by that name."""

        def forward(self, xp, x):
            return x + 1

    class Multiply(cr.Elementwise):
        """A subclass of a family, with a name that rules know."""

        def forward(self, xp, x, y):
            return x - y

    other = cr.define_op(Negative)
    assert float(simplify([other(other(cr.constant(3.0)))]).outputs[0].value) == 5.0
    product = cr.define_op(Multiply)(X, cr.constant(1.0, "float64"))
    assert identical(simplify([product]).outputs, [product])
