"""What random kernels have in common: loops, loads seen through a view, and what is known of a sum."""

from __future__ import annotations

import math
from collections.abc import Sequence

from chainrule import loops
from chainrule.dtypes import DType, bool_, float32, float64, int32, int64, uint32
from chainrule.loops import Axis, Scalar, Statement, index

from .maker import Expr, Maker


def nested(axes: Sequence[Axis], body: Sequence[Statement]) -> list[Statement]:
    """``body`` within unordered loops over ``axes``."""
    for axis in reversed(axes):
        body = [loops.loop(axis, body)]
    return list(body)


def at(axes: Sequence[Axis]) -> list[Scalar]:
    return [loops.axis(axis) for axis in axes]


def view(m: Maker, axes: Sequence[Axis], dtype: DType, tame: bool = False) -> Expr:
    """A load for the places of ``axes``: plain, permuted, sliced, guarded, … or an axis."""
    places, extents = at(axes), [axis.extent for axis in axes]
    form = m.choice(("plain", "plain", "permuted", "broadcast", "sliced", "guarded", "reshaped", "axis"))
    if form == "permuted":
        order = [int(p) for p in m.rng.permutation(len(axes))]
        return m.source([extents[p] for p in order], dtype, tame).load([places[p] for p in order])
    if form == "broadcast":
        kept = [p for p in range(len(axes)) if m.chance(2)]
        return m.source([extents[p] for p in kept], dtype, tame).load([places[p] for p in kept])
    if form == "sliced":
        low, step = m.integer(0, 3), m.choice((1, 1, 2, 3, -1))
        place = index.shift(index.scale(places[-1], step), low if step > 0 else low + extents[-1] - 1)
        size = low + abs(step) * extents[-1] + m.integer(0, 2)
        return m.source([*extents[:-1], size], dtype, tame).load([*places[:-1], place])
    if form == "guarded":
        shift = m.integer(-4, 4)
        moved = index.shift(places[-1], shift)
        inside = loops.and_(loops.ge(moved, 0), loops.lt(moved, extents[-1]))
        return m.source(extents, dtype, tame).load([*places[:-1], moved], inside)
    if form == "reshaped":
        offset, size = index.ravel(places, extents), math.prod(extents)
        first = m.choice([d for d in range(1, size + 1) if size % d == 0])
        other = (first, size // first)
        return m.source(other, dtype, tame).load(index.unravel(offset, other))
    if form == "axis" and dtype in (int64, float32, float64):
        chosen = m.choice(axes)
        return Expr(loops.cast(loops.axis(chosen), dtype), 1.0, float(chosen.extent))
    return m.source(extents, dtype, tame).load(places)


def leaves(m: Maker, axes: Sequence[Axis], dtype: DType, tame: bool = False) -> list[Expr]:
    return [view(m, axes, dtype, tame) for _ in range(m.integer(1, 3))]


def any_dtype(m: Maker) -> DType:
    return m.choice((m.floats, m.floats, m.floats, int32, int64, uint32, bool_))


def power_of_two(value: Expr) -> Expr:
    """½, 1 or 2 by the size of ``value``, or its NaN."""
    v = value.value
    size = loops.where(
        loops.lt(v, -0.5), 0.5, loops.where(loops.gt(v, 0.5), loops.constant(2.0, v.dtype), 1.0)
    )
    return Expr(loops.where(loops.isnan(v), v, loops.where(loops.lt(v, -1.5), loops.neg(size), size)))


def reduced(kind: str, value: Expr, result: Scalar, count: int) -> Expr:
    """What is known of a reduction."""
    if kind in ("any", "all", "argmax", "argmin"):
        return Expr(result)
    if kind == "sum":
        return Expr(result, value.step, value.bound * max(count, 1), value.near, signed=False)
    if kind == "prod":
        return Expr(result, signed=value.signed)
    return Expr(result, value.step, value.bound if count else math.inf, value.near, signed=False)
