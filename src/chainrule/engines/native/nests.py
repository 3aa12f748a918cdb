"""Nests: the kernels of the ops that fold, and the table of all ops that have kernels of their own.

A rule receives the lowering, the node and the buffer to fill, and appends kernels; work is laid out so
that the kernel's axis can be shared out freely.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from ... import loops
from ...dtypes import int64
from ...graph import Node, Op
from ...loops import Axis, Buffer, Scalar, Statement, index
from ...ops.contraction import MatMul
from ...ops.indexing import Scatter, ScatterAlongAxis
from ...ops.reduction import All, Any_, ArgMax, ArgMin, CumulativeSum, Max, Min, Prod, Sum
from ...ops.rows import AddAlongAxis, AddRows, FirstPlaces, PutRows
from ...ops.windows import OverlapAdd
from . import contraction, rows, scatters
from .elements import Indices, both, choose, inside
from .nesting import AXES, axes_of, nested

if TYPE_CHECKING:
    from .lowering import Lowering

Rule = Callable[["Lowering", Node, Buffer], None]

_CHUNKS, _WHOLE = 64, 8192
"""A sum of more than ``_WHOLE`` elements to one number is made in some ``_CHUNKS`` parts first."""


_KINDS: dict[type[Op], str] = {
    Sum: "sum", Prod: "prod", Any_: "any", All: "all",
    Max: "max", Min: "min", ArgMax: "argmax", ArgMin: "argmin",
}  # fmt: skip
_OF_NOTHING = {"sum": 0, "prod": 1, "any": False, "all": True}


def _reduction(lowering: Lowering, node: Node, buffer: Buffer) -> None:
    (x,), kind = node.inputs, _KINDS[type(node.op)]
    axis = node.attributes["axis"]
    folded = {axis} if isinstance(axis, int) else set(axis)
    kept = [size for number, size in enumerate(x.shape) if number not in folded]
    if not x.size:
        value = loops.constant(_OF_NOTHING.get(kind, 0), node.dtype)
        lowering.nest(buffer.name, (node.size,), lambda i: [loops.store(buffer, i[0], value)])
        return
    if node.size == 1 and x.size > _WHOLE and not kind.startswith("arg"):
        _in_chunks(lowering, x, kind, buffer)
        return
    if (found := _place_of_extreme(lowering, node, kind)) is not None:
        lowering.nest(
            buffer.name, kept, lambda i: [loops.store(buffer, index.ravel(i, kept), lowering.at(x, found(i)))]
        )
        return
    axes = [
        Axis(("r" if number in folded else "") + AXES[number % 9], size)
        for number, size in enumerate(x.shape)
    ]
    indices = [loops.axis(a) for a in axes]
    value = lowering.at(x, indices)
    long = [a for number, a in enumerate(axes) if number in folded and a.extent > 1]
    outer = [a for number, a in enumerate(axes) if number not in folded]
    place = index.ravel([i for number, i in enumerate(indices) if number not in folded], kept)
    body: list[Statement] = []
    if long:
        statement, value = loops.reduce(kind, value, *long)
        body.append(statement)
    elif kind.startswith("arg"):
        value = loops.constant(0, int64)
    lowering.steps.append(nested(buffer.name, outer, [*body, loops.store(buffer, place, value)]))


def _place_of_extreme(lowering: Lowering, node: Node, kind: str) -> Callable[[Indices], list[Scalar]] | None:
    """Where the largest (or smallest) elements lie, if somebody asks for that, too: one search finds both."""
    (x,), axis = node.inputs, node.attributes["axis"]
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    if kind not in ("max", "min") or len(axes) != 1:
        return None
    (along,) = axes
    for other in lowering.readers(x):
        if _KINDS.get(type(other.op)) == f"arg{kind}" and other.attributes["axis"] == along:
            lowering.materialise(other)

            def place(indices: Indices, other: Node = other) -> list[Scalar]:
                rest = list(indices)
                where = (
                    rest
                    if not other.attributes["keepdims"]
                    else [*rest[:along], index.number(0), *rest[along:]]
                )
                return [*rest[:along], lowering.place(other, where, x.shape[along]), *rest[along:]]

            return place
    return None


def _in_chunks(lowering: Lowering, x: Node, kind: str, buffer: Buffer) -> None:
    """All of ``x`` to one number: parts in parallel, then the parts; how many depends on the shape alone."""
    axes = axes_of(x.shape)
    longest = max(range(x.ndim), key=lambda number: (x.shape[number] > 1, -number))
    size = x.shape[longest]
    span = -(-size // min(_CHUNKS, size))
    count = -(-size // span)
    chunk, within = Axis("c", count), Axis("r", span)
    place = index.add(index.scale(loops.axis(chunk), span), loops.axis(within))
    here = inside(place, 0, size)
    indices = [place if number == longest else loops.axis(a) for number, a in enumerate(axes)]
    nothing = loops.constant(_identity(kind, x), x.dtype)
    value = choose(here, lowering.at(x, indices, here), nothing)
    reduced = [within, *[a for number, a in enumerate(axes) if number != longest]]
    parts = lowering.buffer(f"{buffer.name} in parts", count, x.dtype)
    statement, part = loops.reduce(kind, value, *[a for a in reduced if a.extent > 1] or [within])
    lowering.steps.append(
        nested(parts.name, [chunk], [statement, loops.store(parts, loops.axis(chunk), part)])
    )
    statement, whole = loops.reduce(kind, loops.load(parts, loops.axis(chunk)), chunk)
    lowering.steps.append(loops.kernel(buffer.name, None, [statement, loops.store(buffer, 0, whole)]))


def _identity(kind: str, x: Node) -> float | int | bool:
    if kind in _OF_NOTHING:
        return _OF_NOTHING[kind]
    least = kind == "max"
    if x.dtype.kind == "f":
        return -math.inf if least else math.inf
    bits = 8 * x.dtype.itemsize - (x.dtype.kind == "i")
    low = -(1 << bits) if x.dtype.kind == "i" else 0
    return low if least else (1 << bits) - 1


def _cumulative_sum(lowering: Lowering, node: Node, buffer: Buffer) -> None:
    (x,), axis = node.inputs, node.attributes["axis"]
    if not x.size:
        return
    axes = axes_of(x.shape)
    later = Axis("s", x.shape[axis] - 1)
    indices = [loops.axis(a) for a in axes]

    def store_at(place: Scalar, *, first: bool) -> Statement:
        here = [*indices[:axis], place, *indices[axis + 1 :]]
        value = lowering.at(x, here)
        if not first:
            before = [*indices[:axis], index.shift(place, -1), *indices[axis + 1 :]]
            value = loops.add(loops.load(buffer, index.ravel(before, x.shape)), value)
        return loops.store(buffer, index.ravel(here, x.shape), value)

    body = [store_at(index.number(0), first=True)]
    if later.extent:
        step = index.shift(loops.axis(later), 1)
        body.append(loops.loop(later, [store_at(step, first=False)], ordered=True))
    lowering.steps.append(nested(buffer.name, [a for n, a in enumerate(axes) if n != axis], body))


def _overlap_add(lowering: Lowering, node: Node, buffer: Buffer) -> None:
    (x,), places = node.inputs, node.attributes["places"]

    def body(indices: Indices) -> list[Statement]:
        offsets = [Axis(f"o{n}", size) for n, (_, size, _, _) in enumerate(places)]
        windows, tests = list(indices), []
        for (axis, _, stride, dilation), offset in zip(places, offsets, strict=True):
            start = index.add(indices[axis], index.scale(loops.axis(offset), -dilation))
            tests.append(inside(start, 0, (x.shape[axis] - 1) * stride + 1))
            if stride > 1:
                tests.append(loops.eq(index.mod(start, stride), index.number(0)))
            windows[axis] = index.floordiv(start, stride)
        here = both(*tests)
        value = lowering.at(x, [*windows, *[loops.axis(o) for o in offsets]], here)
        value = choose(here, value, loops.constant(0, node.dtype))
        statements: list[Statement] = []
        if any(offset.extent > 1 for offset in offsets):
            statement, value = loops.reduce("sum", value, *[o for o in offsets if o.extent > 1])
            statements.append(statement)
        return [*statements, loops.store(buffer, index.ravel(indices, node.shape), value)]

    lowering.nest(buffer.name, node.shape, body)


NESTS: dict[type[Op], Rule] = {
    **dict.fromkeys(_KINDS, _reduction),
    CumulativeSum: _cumulative_sum,
    OverlapAdd: _overlap_add,
    MatMul: contraction.matmul,
    Scatter: scatters.scatter,
    ScatterAlongAxis: scatters.scatter_along_axis,
    AddAlongAxis: scatters.add_along_axis,
    AddRows: rows.change_rows,
    PutRows: rows.change_rows,
    FirstPlaces: rows.places_first,
}

READ_ONCE: frozenset[type[Op]] = frozenset(
    {*_KINDS, CumulativeSum, Scatter, ScatterAlongAxis, AddAlongAxis, AddRows}
)
"""Ops whose kernels read each element of their inputs once, so that those need no buffers of their own."""
