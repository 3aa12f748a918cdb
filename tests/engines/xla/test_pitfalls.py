"""What JAX would do by itself, silently, and does not do here."""

from __future__ import annotations

import itertools
from contextlib import nullcontext

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines.stepper import Stepper
from chainrule.engines.xla import Xla
from chainrule.graph import placeholder

pytestmark = pytest.mark.xla

INTEGERS = ("int32", "int64", "uint32")


def test_wide_types_stay_wide_and_nobody_elses_jax_is_touched() -> None:
    import jax

    big, fine = cr.constant(np.int64(1) << 40), cr.variable(np.float64(1) / 3)
    whole, third = Xla([big * 1, fine * 3]).run({})
    assert whole == 1 << 40
    assert third.dtype == np.float64
    assert abs(third - 1) < 1e-15
    assert jax.numpy.asarray(2.5).dtype == np.float32, "64-bit types are this engine's affair"


def test_a_large_array_is_an_argument_and_not_part_of_the_text() -> None:
    """Sixteen megabytes: a constant, a variable that changes, and an array that is given anew each time."""
    count = 1 << 22
    table = cr.constant(np.arange(count, dtype=np.float32) / count)
    held, x = cr.variable(np.ones(count, np.float32)), placeholder((count,))
    program = Xla([cr.sum(table * held * x)])
    assert len(program.explain(whole=True)) < 10_000
    ones = np.ones(count, np.float32)
    assert program.run({x: ones})[0] == pytest.approx(count / 2, rel=1e-5)
    held.assign(ones * 3)
    assert program.run({x: ones})[0] == pytest.approx(3 * count / 2, rel=1e-5)
    ones *= 2
    assert program.run({x: ones})[0] == pytest.approx(6 * count / 2, rel=1e-5)


def test_what_was_read_only_and_is_written_to_after_all_is_another_array() -> None:
    """Read-only arrays are sent once; so are views of them, but not another view with other numbers."""
    x, mine = placeholder((3,)), np.arange(6, dtype=np.float32)
    mine.flags.writeable = False
    program = Xla([x * 1])
    for start in (0, 3, 0, 2):
        assert program.run({x: mine[start : start + 3]})[0].tolist() == [start, start + 1, start + 2]


def test_a_read_only_view_of_what_can_be_written_to_is_looked_at_again() -> None:
    x, mine = placeholder((2, 3)), np.zeros(3, np.float32)
    view, program = np.broadcast_to(mine, (2, 3)), Xla([x * 1])
    assert (program.run({x: view})[0] == 0).all()
    mine[:] = 5
    assert (program.run({x: view})[0] == 5).all()


def test_what_is_done_to_an_array_afterwards_changes_no_result() -> None:
    x, mine = placeholder((1 << 16,)), np.ones(1 << 16, np.float32)
    program = Xla([x * 2])
    before = program.run({x: mine})[0]
    mine[:] = 7
    assert (before == 2).all()
    assert (program.run({x: mine})[0] == 14).all()
    with pytest.raises(ValueError, match="read-only"):
        before[0] = 5
    held = cr.variable(mine)
    doubled = cr.compile(lambda: held * 2, engine="xla")()
    doubled[:] = 0  # a result is the caller's
    held.assign(np.ones(1 << 16, np.float32))
    assert (Xla([held * 2]).run({})[0] == 2).all()


def test_random_numbers_are_the_same_bits() -> None:
    key = cr.random.fold_in(cr.random.key(5), cr.variable(9, dtype="int64"))
    nodes = [
        cr.random.bits(key, (3, 5)), cr.random.uniform(key, (7,)), cr.random.uniform(key, 7, dtype="float64"),
        cr.random.bernoulli(key, 0.3, (50,)), cr.random.permutation(key, 20), cr.random.split(key, 4),
    ]  # fmt: skip
    for found, wanted in zip(Xla(nodes).run({}), Stepper(nodes).run({}), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_divided_by_zero_give_zero_and_wrap_around_as_in_the_stepper(dtype: str) -> None:
    info = np.iinfo(dtype)
    found = {info.min, info.max, 0, 1, 2, 3, 7, *((-1, -7) if info.min else ())}
    pairs = np.array(list(itertools.product(found, found)), dtype)
    x, y = cr.variable(pairs[:, 0]), cr.variable(pairs[:, 1])
    nodes = [x // y, x % y, x + y, x - y, x * y, x // cr.constant(np.array(0, dtype))]
    for node, got, wanted in zip(nodes, Xla(nodes).run({}), Stepper(nodes).run({}), strict=True):
        np.testing.assert_array_equal(got, wanted, err_msg=repr(node))
    zero = pairs[:, 1] == 0
    quotient, rest, *_, none = Xla(nodes).run({})
    assert not quotient[zero].any()
    assert not rest[zero].any()
    assert not none.any()


@pytest.mark.parametrize("source", ["float32", "float64"])
@pytest.mark.parametrize("target", INTEGERS)
def test_floats_that_no_integer_is_become_the_nearest_end_or_zero(source: str, target: str) -> None:
    info = np.iinfo(target)
    edges = [info.min, info.max, info.max + 1, info.max / 2]
    values = [np.nan, np.inf, -np.inf, 1e30, -1e30, 0.7, -0.7, 1.5, -1.5, *edges]
    x = cr.variable(np.array(values, source))
    with np.errstate(all="raise"):
        (found,), (wanted,) = Xla([cr.astype(x, target)]).run({}), Stepper([cr.astype(x, target)]).run({})
    np.testing.assert_array_equal(found, wanted)
    assert wanted[:5].tolist() == [0, info.max, info.min, info.max, info.min]


@pytest.mark.parametrize("asked", [None, "tensorfloat32"])
def test_products_are_of_float32_unless_jax_was_told_otherwise(asked: str | None) -> None:
    import jax

    x = cr.variable(np.ones((3, 4), np.float32))
    with jax.default_matmul_precision(asked) if asked else nullcontext():
        text = Xla([x @ cr.permute_dims(x, (1, 0))]).explain(whole=True)
        assert jax.config.jax_default_matmul_precision == asked, "a setting of this engine alone"
    assert ("[HIGHEST, HIGHEST]" in text) == (asked is None)
