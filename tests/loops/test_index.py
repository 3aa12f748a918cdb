"""Arithmetic of indices against Python's integers, over all places of random axes."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import loops
from chainrule.dtypes import bool_, int32, int64, uint32
from chainrule.loops import INDEX, Axis, Buffer, Scalar, index, scalar, walk

Places = dict[Axis, int]


def value_at(value: Scalar, places: Places) -> int:
    """What an index is at given places, by Python's own operators."""
    found: dict[Scalar, int] = {}
    for part in walk([value]):
        args = [found[a] for a in part.args]
        match part.op:
            case "constant":
                found[part] = part.payload
            case "axis":
                found[part] = places[part.payload]
            case "affine":
                constant, coefficients = part.payload
                found[part] = constant + sum(c * a for c, a in zip(coefficients, args, strict=True))
            case "floordiv":
                found[part] = args[0] // args[1]
            case "mod":
                found[part] = args[0] % args[1]
            case _:
                raise AssertionError(part.op)
    return found[value]


def everywhere(axes: list[Axis]) -> list[Places]:
    return [dict(zip(axes, places, strict=True)) for places in product(*[range(a.extent) for a in axes])]


AXES = st.lists(st.integers(1, 5), min_size=1, max_size=3).map(
    lambda extents: [Axis("ijk"[n], extent) for n, extent in enumerate(extents)]
)


@st.composite
def indices(draw: st.DrawFn, depth: int = 3) -> tuple[list[Axis], Scalar, list[tuple[str, int]]]:
    """A form over some axes, and the operations that are applied to it one after another."""
    axes = draw(AXES)
    form = index.add(
        index.number(draw(st.integers(-20, 20))),
        *[index.scale(index.of(axis), draw(st.integers(-12, 12))) for axis in axes],
    )
    operations = st.tuples(st.sampled_from(["floordiv", "mod", "scale", "shift"]), st.integers(1, 13))
    return axes, form, draw(st.lists(operations, max_size=depth))


@settings(deadline=None, max_examples=300)
@given(given_form=indices())
def test_operations_are_pythons_and_bounds_hold(
    given_form: tuple[list[Axis], Scalar, list[tuple[str, int]]],
) -> None:
    axes, form, operations = given_form
    wanted = [value_at(form, places) for places in everywhere(axes)]
    for name, number in operations:
        form = getattr(index, name)(form, number)
        apply = {
            "floordiv": lambda x, n: x // n,
            "mod": lambda x, n: x % n,
            "scale": lambda x, n: x * n,
            "shift": lambda x, n: x + n,
        }[name]
        wanted = [apply(x, number) for x in wanted]
        assert [value_at(form, places) for places in everywhere(axes)] == wanted
        low, high = index.bounds(form)
        assert low <= min(wanted) <= max(wanted) <= high


@settings(deadline=None, max_examples=200)
@given(data=st.data(), shape=st.lists(st.integers(1, 6), min_size=1, max_size=3))
def test_reshaping_there_and_back_leaves_no_trace(data: st.DataObject, shape: list[int]) -> None:
    axes = [Axis("ijk"[n], extent) for n, extent in enumerate(shape)]
    offset = index.ravel([index.of(axis) for axis in axes], shape)
    size, other = prod(shape), []
    while size > 1 and len(other) < 3:
        other.append(data.draw(st.sampled_from([d for d in range(1, size + 1) if size % d == 0])))
        size //= other[-1]
    other.append(size)
    places = index.unravel(offset, other)
    for at in everywhere(axes):
        flat = int(np.ravel_multi_index([at[axis] for axis in axes], shape))
        assert [value_at(place, at) for place in places] == list(np.unravel_index(flat, other))
    assert index.ravel(places, other) is offset


def test_equal_sums_are_one_object() -> None:
    i, j = (index.of(Axis(name, 9)) for name in "ij")
    assert index.add(i, j) is index.add(j, i)
    assert index.add(i, index.scale(j, 3), index.scale(i, -1)) is index.scale(j, 3)
    assert index.add(index.shift(i, 2), index.number(-2)) is i
    assert index.scale(i, 0) is index.number(0)


def test_quotients_disappear_where_bounds_allow() -> None:
    i, j = index.of(Axis("i", 7)), index.of(Axis("j", 8))
    flat = index.add(index.scale(i, 8), j)
    assert index.floordiv(flat, 8) is i
    assert index.mod(flat, 8) is j
    assert index.mod(index.shift(flat, 16), 8) is j
    assert index.floordiv(index.shift(j, -8), 8) is index.number(-1)
    assert index.floordiv(flat, 4) is index.add(index.scale(i, 2), index.floordiv(j, 4))
    assert index.mod(flat, 7).op == "mod"  # and stays where they do not


def test_an_axis_of_one_place_is_nought() -> None:
    assert index.of(Axis("i", 1)) is index.number(0)
    limited = Axis("i", 1, limit=index.number(0))
    assert index.of(limited).op == "axis"  # it may have no place at all


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda i, n: loops.within(n, 2, 9), (2, 8)),
        (lambda i, n: loops.min_(n, 5), (-index.INFINITE, 5)),
        (lambda i, n: loops.max_(loops.min_(n, 5), 1), (1, 5)),
        (lambda i, n: loops.where(loops.lt(n, 3), i, 9), (0, 9)),
        (lambda i, n: loops.cast(loops.load(Buffer("b", 1, bool_), 0), int64), (0, 1)),
        (lambda i, n: loops.cast(loops.load(Buffer("b", 1, int32), 0), int64), (-(2**31), 2**31 - 1)),
        (lambda i, n: loops.cast(loops.load(Buffer("b", 1, uint32), 0), int64), (0, 2**32 - 1)),
        (lambda i, n: n, (-index.INFINITE, index.INFINITE)),
        (lambda i, n: scalar("floordiv", (i, n), INDEX), (-index.INFINITE, index.INFINITE)),
    ],
)
def test_bounds_of_opaque_terms(make: object, wanted: tuple[int, int]) -> None:
    i, n = index.of(Axis("i", 4)), loops.load(Buffer("n", 1, int64), 0)
    assert index.bounds(make(i, n)) == wanted  # type: ignore[operator]


def test_what_is_known_of_a_local_counts() -> None:
    name = loops.Local("best")
    best = loops.local(name, int64)
    form = index.add(index.scale(best, 3), index.number(1))
    assert index.bounds(form, lambda value: (0, 4) if value is best else None) == (1, 13)
