"""Elements: ops whose result can be said place by place, as one expression over their inputs' elements.

Views, gathers, choices and random words: none of them needs a loop of its own, so a reader writes the
expression where it needs the element.  Ops that fold or scatter are in ``nests.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np

from ... import loops
from ...dtypes import float32, float64, int64, is_float, is_integer, uint32
from ...functions.targets import ClassIndex
from ...graph import Node, Op, Shape
from ...loops import Scalar, index
from ...ops.casts import Cast, StopGradient, whole_range
from ...ops.comparison import Where
from ...ops.elementwise import Elementwise
from ...ops.indexing import OneHot, Pick, PlaceInAxis, ScatterAlongAxis, Take, TakeAlongAxis
from ...ops.joining import Concat
from ...ops.movement import BroadcastTo, Pad, PermuteDims, Reshape, Roll
from ...ops.random import FoldIn, RandomBits, UnitInterval
from ...ops.rows import AddAlongAxis
from ...ops.slicing import Embed, Slice
from ...ops.windows import SlidingWindows

Indices = Sequence[Scalar]


class Reader(Protocol):
    """What gives an element of a node: a load, or the expression of an op that has no buffer."""

    def at(self, node: Node, indices: Indices, guard: Scalar | None = None) -> Scalar:
        """The element of ``node`` at ``indices``; nothing is read where ``guard`` is false."""

    def place(self, node: Node, indices: Indices, length: int, guard: Scalar | None = None) -> Scalar:
        """An element of an index array, resolved and checked to lie in [0, length)."""


Rule = Callable[[Reader, Node, Indices, "Scalar | None"], Scalar]


def element(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    """The element of ``node`` at ``indices``, from elements of its inputs."""
    op = node.op
    if isinstance(op, Elementwise):
        operands = [reader.at(x, broadcast(indices, x.shape), guard) for x in node.inputs]
        found: Scalar = op.lower(loops, *operands)
        return found
    return ELEMENTS[type(op)](reader, node, indices, guard)


def has_element(op: Op) -> bool:
    """Whether the op's elements can be written as expressions."""
    if isinstance(op, Elementwise):
        return type(op).lower is not Elementwise.lower
    return type(op) in ELEMENTS


def is_view(op: Op) -> bool:
    """Whether the op only renames places: no arithmetic, and no element is read that is not there."""
    return type(op) in VIEWS


def broadcast(indices: Indices, shape: Shape) -> list[Scalar]:
    """The place in an array of ``shape`` that is read at ``indices`` of the shape it broadcasts to."""
    lead = len(indices) - len(shape)
    return [index.number(0) if size == 1 else i for i, size in zip(indices[lead:], shape, strict=True)]


def inside(place: Scalar, low: int, high: int) -> Scalar | None:
    """Whether low ≤ place < high; None where that is known to hold."""
    least, most = index.bounds(place)
    tests = []
    if least < low:
        tests.append(loops.ge(place, index.number(low)))
    if most >= high:
        tests.append(loops.lt(place, index.number(high)))
    return both(*tests)


def both(*conditions: Scalar | None) -> Scalar | None:
    """Whether all of the conditions hold; None where all of them are known to."""
    found = None
    for condition in conditions:
        if condition is not None:
            found = condition if found is None else loops.and_(found, condition)
    return found


def choose(condition: Scalar | None, then: Scalar, otherwise: Scalar) -> Scalar:
    return then if condition is None else loops.where(condition, then, otherwise)


# ── views ─────────────────────────────────────────────────────────────────────────────────────────


def _same(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    return reader.at(node.inputs[0], indices, guard)


def _reshape(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    (x,) = node.inputs
    return reader.at(x, reshaped(indices, node.shape, x.shape), guard)


def reshaped(indices: Indices, shape: Shape, other: Shape) -> list[Scalar]:
    """The place in an array of shape ``other`` of what ``indices`` name in the same elements as ``shape``."""
    kept = [i for i, size in zip(indices, shape, strict=True) if size != 1]
    if [s for s in shape if s != 1] == [s for s in other if s != 1]:  # only axes of length 1 differ
        rest = iter(kept)
        return [index.number(0) if size == 1 else next(rest) for size in other]
    return index.unravel(index.ravel(indices, shape), other)


def _permute_dims(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    places = list(indices)
    for number, axis in enumerate(node.attributes["axes"]):
        places[axis] = indices[number]
    return reader.at(node.inputs[0], places, guard)


def _broadcast_to(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    (x,) = node.inputs
    return reader.at(x, broadcast(indices, x.shape), guard)


def _slice(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    slices = node.attributes["slices"]
    places = [
        index.shift(index.scale(i, step), start) for i, (start, _, step) in zip(indices, slices, strict=True)
    ]
    return reader.at(node.inputs[0], places, guard)


def _sliding_windows(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    (x,), windows = node.inputs, node.attributes["places"]
    places = list(indices[: x.ndim])
    for (axis, _, stride, dilation), offset in zip(windows, indices[x.ndim :], strict=True):
        places[axis] = index.add(index.scale(places[axis], stride), index.scale(offset, dilation))
    return reader.at(x, places, guard)


# ── choices by place ──────────────────────────────────────────────────────────────────────────────


def _pad(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    (x,) = node.inputs
    places = [
        index.shift(i, -before) for i, (before, _) in zip(indices, node.attributes["widths"], strict=True)
    ]
    here = both(*[inside(p, 0, size) for p, size in zip(places, x.shape, strict=True)])
    fill = loops.constant(node.attributes["value"], node.dtype)
    return choose(here, reader.at(x, places, both(guard, here)), fill)


def _embed(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    (x,) = node.inputs
    places, tests = [], []
    for i, (start, count, step) in zip(indices, node.attributes["slices"], strict=True):
        if step < 0:  # the same elements, read forwards
            start, step, back = start + (count - 1) * step, -step, True
        else:
            back = False
        distance = index.shift(i, -start)
        place = index.floordiv(distance, step)
        tests.append(inside(distance, 0, (count - 1) * step + 1))
        if step > 1:
            tests.append(loops.eq(index.mod(distance, step), index.number(0)))
        places.append(index.shift(index.scale(place, -1), count - 1) if back else place)
    here = both(*tests)
    return choose(here, reader.at(x, places, both(guard, here)), loops.constant(0, node.dtype))


def _roll(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    places = list(indices)
    for shift, axis in zip(node.attributes["shift"], node.attributes["axis"], strict=True):
        places[axis] = index.mod(index.shift(places[axis], -shift), node.shape[axis])
    return reader.at(node.inputs[0], places, guard)


def _concat(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    axis, found = node.attributes["axis"], None
    edges = [0]
    for x in node.inputs:
        edges.append(edges[-1] + x.shape[axis])
    for x, (start, stop) in zip(reversed(node.inputs), reversed(list(pairwise(edges))), strict=True):
        if start == stop:
            continue
        here = inside(indices[axis], start, stop)
        places = [*indices[:axis], index.shift(indices[axis], -start), *indices[axis + 1 :]]
        value = reader.at(x, places, both(guard, here))
        found = value if found is None else choose(here, value, found)
    assert found is not None, "an element of an empty array is asked for"
    return found


def _where(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    condition, x, y = [reader.at(x, broadcast(indices, x.shape), guard) for x in node.inputs]
    return loops.where(condition, x, y)


def _cast(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    x = reader.at(node.inputs[0], indices, guard)
    if not (is_float(x.dtype) and is_integer(node.dtype)):
        return loops.cast(x, node.dtype)
    (low, end), info = whole_range(node.dtype), np.iinfo(node.dtype)
    least, most, zero = (loops.constant(value, node.dtype) for value in (info.min, info.max, 0))
    inside, beyond = (
        loops.and_(loops.ge(x, low), loops.lt(x, end)),
        loops.where(loops.lt(x, low), least, zero),
    )
    beyond = loops.where(loops.ge(x, end), most, beyond)
    return loops.where(inside, loops.cast(loops.where(inside, x, 0.0), node.dtype), beyond)


# ── indexing ──────────────────────────────────────────────────────────────────────────────────────


def _take(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    (x, which), axis = node.inputs, node.attributes["axis"]
    stop = axis + which.ndim
    place = reader.place(which, indices[axis:stop], x.shape[axis], guard)
    return reader.at(x, [*indices[:axis], place, *indices[stop:]], guard)


def _take_along_axis(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    (x, which), axis = node.inputs, node.attributes["axis"]
    place = reader.place(which, indices, x.shape[axis], guard)
    return reader.at(x, [*indices[:axis], place, *indices[axis + 1 :]], guard)


def _pick(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    x, which = node.inputs
    return reader.at(x, [*indices, reader.place(which, indices, x.shape[-1], guard)], guard)


def _place_in_axis(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    return reader.place(node.inputs[0], indices, node.attributes["length"], guard)


def _class_index(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    return loops.cast(reader.place(node, indices, node.attributes["count"], guard), node.dtype)


def _one_hot(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    place = reader.place(node.inputs[0], indices[:-1], node.attributes["depth"], guard)
    one, zero = loops.constant(1, node.dtype), loops.constant(0, node.dtype)
    return loops.where(loops.eq(indices[-1], place), one, zero)


def scatters_one(node: Node) -> bool:
    """Whether each line of a scatter along an axis receives a single value: no addition can meet another."""
    axis: int = node.attributes["axis"]
    return node.inputs[-1].shape[axis] == 1


def _scatter_along_axis(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    (updates, which), axis = node.inputs, node.attributes["axis"]
    line = [*indices[:axis], index.number(0), *indices[axis + 1 :]]
    here = loops.eq(indices[axis], reader.place(which, line, node.attributes["length"], guard))
    return loops.where(here, reader.at(updates, line, guard), loops.constant(0, node.dtype))


def _add_along_axis(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    (x, values, which), axis = node.inputs, node.attributes["axis"]
    line = [*indices[:axis], index.number(0), *indices[axis + 1 :]]
    here = loops.eq(indices[axis], reader.place(which, line, x.shape[axis], guard))
    old = reader.at(x, indices, guard)
    return loops.where(here, loops.add(old, reader.at(values, line, guard)), old)


# ── random words ──────────────────────────────────────────────────────────────────────────────────

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def _word(value: int) -> Scalar:
    return loops.constant(value, uint32)


def threefry2x32(key: tuple[Scalar, Scalar], x0: Scalar, x1: Scalar) -> tuple[Scalar, Scalar]:
    """The block of the counter (x0, x1): twenty rounds of add, rotate and exclusive or."""
    keys = (*key, loops.xor(loops.xor(*key), _word(_PARITY)))
    x0, x1 = loops.add(x0, keys[0]), loops.add(x1, keys[1])
    for group in range(1, 6):
        for rotation in _ROTATIONS[(group - 1) % 2]:
            x0 = loops.add(x0, x1)
            x1 = loops.or_(loops.shl(x1, _word(rotation)), loops.shr(x1, _word(32 - rotation)))
            x1 = loops.xor(x1, x0)
        x0 = loops.add(x0, keys[group % 3])
        x1 = loops.add(loops.add(x1, keys[(group + 1) % 3]), _word(group))
    return x0, x1


def _key(reader: Reader, node: Node, guard: Scalar | None) -> tuple[Scalar, Scalar]:
    first, second = [reader.at(node, [index.number(i)], guard) for i in range(2)]
    return first, second


def _random_bits(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    place = index.ravel(indices, node.shape)
    narrow = math.prod(node.shape) <= 1 << 31  # the place itself fits a word: half the lanes' width
    block = loops.cast(place, uint32) if narrow else place
    one = loops.constant(1, block.dtype)
    counter = loops.cast(loops.shr(block, one), uint32)
    words = threefry2x32(_key(reader, node.inputs[0], guard), counter, _word(0))
    odd = loops.ne(loops.and_(block, one), loops.constant(0, block.dtype))
    return loops.where(odd, words[1], words[0])


def _fold_in(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    key, data = node.inputs
    wide = loops.cast(reader.at(data, indices[:-1], guard), int64)
    upper = loops.and_(loops.shr(wide, loops.constant(32, int64)), loops.constant(0x7FFFFFFF, int64))
    upper = loops.cast(loops.add(upper, loops.constant(node.attributes["domain"], int64)), uint32)
    words = threefry2x32(_key(reader, key, guard), loops.cast(wide, uint32), upper)
    return loops.where(loops.eq(indices[-1], index.number(0)), words[0], words[1])


def _unit_interval(reader: Reader, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
    (words,) = node.inputs

    def word(*last: Scalar, drop: int) -> Scalar:
        return loops.cast(loops.shr(reader.at(words, [*indices, *last], guard), _word(drop)), node.dtype)

    if node.dtype is float32:
        return loops.mul(word(drop=8), loops.constant(2.0**-24, float32))
    upper, lower = word(index.number(0), drop=5), word(index.number(1), drop=6)
    both_words = loops.add(loops.mul(upper, loops.constant(2.0**26, float64)), lower)
    return loops.mul(both_words, loops.constant(2.0**-53, float64))


VIEWS: dict[type[Op], Rule] = {
    StopGradient: _same,
    Reshape: _reshape,
    PermuteDims: _permute_dims,
    BroadcastTo: _broadcast_to,
    Slice: _slice,
    SlidingWindows: _sliding_windows,
}

ELEMENTS: dict[type[Op], Rule] = {
    **VIEWS,
    Pad: _pad,
    Embed: _embed,
    Roll: _roll,
    Concat: _concat,
    Where: _where,
    Cast: _cast,
    Take: _take,
    TakeAlongAxis: _take_along_axis,
    Pick: _pick,
    PlaceInAxis: _place_in_axis,
    ClassIndex: _class_index,
    OneHot: _one_hot,
    ScatterAlongAxis: _scatter_along_axis,
    AddAlongAxis: _add_along_axis,
    RandomBits: _random_bits,
    FoldIn: _fold_in,
    UnitInterval: _unit_interval,
}
"""One rule for each op, by its class; the two scatters only where :func:`scatters_one`."""
