"""Nests: the kernels of the ops that fold, multiply or scatter.

A rule receives the lowering, the node and the buffer to fill, and appends kernels.  Work is laid out so
that the kernel's axis can be shared out freely: a scatter, whose rows may meet, is cut into blocks of
columns, and each block takes the rows in order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ... import loops
from ...dtypes import int64
from ...graph import Node, Op
from ...loops import Axis, Buffer, Kernel, Scalar, Statement, index
from ...ops.contraction import MatMul
from ...ops.indexing import Scatter, ScatterAlongAxis
from ...ops.movement import PermuteDims, Reshape
from ...ops.reduction import All, Any_, ArgMax, ArgMin, CumulativeSum, Max, Min, Prod, Sum
from ...ops.rows import AddAlongAxis, AddRows, FirstPlaces, PutRows
from ...ops.windows import OverlapAdd
from .elements import Indices, both, choose, inside

if TYPE_CHECKING:
    from .lowering import Lowering

Rule = Callable[["Lowering", Node, Buffer], None]
Body = Callable[[Indices], Sequence[Statement]]

AXES = "ijklmnopq"
_CHUNKS, _WHOLE = 64, 8192
"""A sum of more than ``_WHOLE`` elements to one number is made in some ``_CHUNKS`` parts first."""
_COLUMNS = 32
"""Columns in a block of a row scatter: a pair of the widest vectors."""


def axes_of(shape: Sequence[int], first: int = 0) -> list[Axis]:
    """An axis for each size."""
    return [Axis(AXES[(first + n) % len(AXES)], size) for n, size in enumerate(shape)]


def nested(name: str, axes: Sequence[Axis], body: Sequence[Statement]) -> Kernel:
    """A kernel over the first axis of more than one place, with a loop for each further one."""
    long = [axis for axis in axes if axis.extent > 1]
    return loops.kernel(name, long[0] if long else None, looped(long[1:], body))


def looped(axes: Sequence[Axis], body: Sequence[Statement], ordered: bool = False) -> tuple[Statement, ...]:
    """Loops over ``axes``, outermost first, around ``body``."""
    inner = tuple(body)
    for axis in reversed(axes):
        if axis.extent > 1 or axis.limit is not None:
            inner = (loops.loop(axis, inner, ordered),)
    return inner


# ── reductions ────────────────────────────────────────────────────────────────────────────────────

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


# ── products ──────────────────────────────────────────────────────────────────────────────────────


def _matmul(lowering: Lowering, node: Node, buffer: Buffer) -> None:
    x, y = node.inputs
    if not node.size:
        return
    if not x.shape[-1]:
        zero = loops.constant(0, node.dtype)
        lowering.nest(buffer.name, (node.size,), lambda i: [loops.store(buffer, i[0], zero)])
        return
    rows, columns, inner = x.shape[-2:-1], y.shape[1:] if y.ndim == 1 else y.shape[-1:], x.shape[-1:]
    batch = node.shape[: node.ndim - len(rows) - len(columns)]
    if batch and y.ndim == 2 and _reads(lowering, x, (math.prod(x.shape[:-1]),), inner):
        x_rows, batch, lead = (math.prod(x.shape[:-1]),), (), x.ndim - 1
    else:
        x_rows, lead = rows, 1
    # Windows seen as the rows of a matrix are no even steps in memory: their own axes are.
    m_sizes, k_sizes = _factors(lowering, x, x_rows, inner) if x.ndim > 1 else ((), inner)
    if y.ndim > 1 and k_sizes == inner:
        k_sizes, n_sizes = _factors(lowering, y, inner, columns)
    else:
        n_sizes = columns
    outer, m_axes, n_axes, k_axes = (
        axes_of(batch),
        _named("m", m_sizes),
        _named("n", n_sizes),
        _named("k", k_sizes),
    )
    front = [loops.axis(a) for a in outer]
    i, j, p = [_place_of(axes) for axes in (m_axes, n_axes, k_axes)]
    for operand, places in ((x, (i, p)), (y, (p, j))):
        if not _plain(_operand(lowering, operand, front, places, lead)):
            lowering.materialise(operand)
    left, right = _operand(lowering, x, front, (i, p), lead), _operand(lowering, y, front, (p, j), 1)
    statements: list[Statement] = []
    total = loops.mul(left, right)
    long = [axis for axis in k_axes if axis.extent > 1]
    if long:
        statement, total = loops.reduce("sum", total, *long)
        statements.append(statement)
    place = index.ravel([*front, i, j], [*batch, math.prod(x_rows), math.prod(columns)])
    axes = [*outer, *m_axes, *n_axes]
    lowering.steps.append(nested(buffer.name, axes, [*statements, loops.store(buffer, place, total)]))


def _named(name: str, sizes: Sequence[int]) -> list[Axis]:
    return [Axis(name if len(sizes) == 1 else f"{name}{number}", size) for number, size in enumerate(sizes)]


def _place_of(axes: Sequence[Axis]) -> Scalar:
    return index.ravel([loops.axis(a) for a in axes], [a.extent for a in axes])


def _operand(lowering: Lowering, node: Node, front: Indices, last: Indices, lead: int) -> Scalar:
    """An element of a factor; its first ``lead`` axes are one row number, or it is a vector."""
    if node.ndim == 1:
        return lowering.at(node, [last[0] if last[1].op == "constant" else last[1]])
    if lead > 1:
        return lowering.at(node, [*index.unravel(last[0], node.shape[:-1]), last[1]])
    shared = node.shape[:-2]
    used = front[len(front) - len(shared) :]
    batch = [index.number(0) if size == 1 else a for size, a in zip(shared, used, strict=True)]
    return lowering.at(node, [*batch, *last])


def _factors(
    lowering: Lowering, node: Node, rows: Sequence[int], columns: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The sizes into which a matrix's rows and columns are cut so that reading it is affine."""
    if (
        node.ndim == 2
        and isinstance(node.op, Reshape | PermuteDims)
        and not _reads(lowering, node, rows, columns)
    ):
        if isinstance(node.op, PermuteDims):
            cut = _factors(lowering, node.inputs[0], columns, rows)
            return cut[1], cut[0]
        shape = node.inputs[0].shape
        for at in range(1, len(shape)):
            if math.prod(shape[:at]) == rows[0] and _reads(lowering, node, shape[:at], shape[at:]):
                return shape[:at], shape[at:]
            if math.prod(shape[:at]) == rows[0] and _reads(lowering, node, shape[:at], columns):
                return shape[:at], tuple(columns)
    return tuple(rows), tuple(columns)


def _reads(lowering: Lowering, node: Node, rows: Sequence[int], columns: Sequence[int]) -> bool:
    """Whether reading a matrix by these axes is a load at an affine place."""
    row, column = _place_of(_named("m", rows)), _place_of(_named("n", columns))
    if node.ndim == 2:
        return _plain(lowering.at(node, [row, column]))
    return _plain(lowering.at(node, [*index.unravel(row, node.shape[:-1]), column]))


def _plain(element: Scalar) -> bool:
    """Whether an element is a load at an affine place: what is more is computed beforehand."""
    return element.op == "load" and all(term.op == "axis" for term in index.terms(element.args[0])[1])


# ── rows ──────────────────────────────────────────────────────────────────────────────────────────


class Stage(NamedTuple):
    """One pass over the rows within each block of columns."""

    ordered: bool
    body: Callable[[Indices, Indices], Sequence[Statement]]


def by_rows(lowering: Lowering, name: str, rows: Sequence[int], after: Sequence[int], *stages: Stage) -> None:
    """A kernel that takes the rows one after another, for one block of columns at each place of its axis."""
    block, last, column = None, [], []
    if after:
        width = after[-1]
        count = -(-width // _COLUMNS)
        block = Axis("c", count)
        start = index.scale(loops.axis(block), _COLUMNS)
        limit = (
            index.add(index.number(width), index.scale(start, -1)) if width % _COLUMNS and count > 1 else None
        )
        lane = Axis("d", min(_COLUMNS, width), limit)
        last, column = [lane], [index.add(start, loops.axis(lane))]
    body: list[Statement] = []
    for stage in stages:
        over, wide = axes_of(rows), axes_of(after[:-1], len(rows))
        inner = stage.body([loops.axis(a) for a in over], [*[loops.axis(a) for a in wide], *column])
        body += looped(over, looped([*wide, *last], inner), stage.ordered)
    lowering.steps.append(nested(name, [block] if block else [], body))


def first_places(lowering: Lowering, which: Node, length: int) -> tuple[Buffer, Buffer]:
    """Where each index is named first, and the map from a row to that place, which is -1 for rows not named.

    The map is as long as the table, so it is kept from run to run and only the rows named are reset.
    """
    found = lowering.firsts.get((which, length))
    if found is not None:
        return found
    n = which.size
    seen = lowering.buffer("slots", length, int64, "kept", fill=-1)
    first = lowering.buffer("first places", n, int64)
    shape = which.shape

    def body(indices: Sequence[Scalar]) -> list[Statement]:
        here = index.ravel(indices, shape)
        row = lowering.place(which, indices, length)
        statement, old = loops.let(loops.load(seen, row), "slot")
        new = loops.lt(old, 0)
        return [
            statement,
            loops.store(seen, row, here, new),
            loops.store(first, here, loops.within(loops.where(new, here, old), 0, max(n, 1))),
        ]

    def clear(indices: Sequence[Scalar]) -> list[Statement]:
        return [loops.store(seen, lowering.place(which, indices, length), loops.constant(-1, int64))]

    if n:
        for steps, name, statements in (
            (lowering.steps, "first places", body),
            (lowering.last, "slots cleared", clear),
        ):
            axes = axes_of(shape)
            inner = statements([loops.axis(a) for a in axes])  # first: what it reads comes before it
            steps.append(loops.kernel(name, None, looped(axes, inner, ordered=True)))
    lowering.firsts[which, length] = first, seen
    return first, seen


def _first_places(lowering: Lowering, node: Node, buffer: Buffer) -> None:
    first, _ = first_places(lowering, node.inputs[0], node.attributes["length"])
    lowering.nest(buffer.name, node.shape, lambda i: [loops.store(buffer, i[0], loops.load(first, i[0]))])


def is_sparse(node: Node) -> bool:
    """Whether a scatter reaches so few rows that they are kept in a table of their own."""
    if not isinstance(node.op, Scatter) or node.attributes["axis"] != 0:
        return False
    count = node.inputs[1].size
    return 0 < 2 * count <= node.attributes["length"]


def sparse_rows(lowering: Lowering, node: Node) -> Callable[[Indices, Scalar | None], Scalar]:
    """The rows of a scatter, summed where each is named first; the result gives any element of it."""
    (updates, which), length = node.inputs, node.attributes["length"]
    first, seen = first_places(lowering, which, length)
    after = updates.shape[which.ndim :]
    sums = lowering.buffer(f"rows of {node.op.name}", updates.size, node.dtype)

    def clear(rows: Indices, columns: Indices) -> list[Statement]:
        place = index.ravel([*rows, *columns], updates.shape)
        return [loops.store(sums, place, loops.constant(0, node.dtype))]

    def add(rows: Indices, columns: Indices) -> list[Statement]:
        slot = loops.within(loops.load(first, index.ravel(rows, which.shape)), 0, which.size)
        place = index.add(index.scale(slot, math.prod(after)), index.ravel(columns, after))
        return [loops.accumulate(sums, place, lowering.at(updates, [*rows, *columns]))]

    by_rows(lowering, sums.name, which.shape, after, Stage(False, clear), Stage(True, add))

    def at(indices: Indices, guard: Scalar | None) -> Scalar:
        slot = loops.load(seen, indices[0], guard)
        named = loops.ge(slot, 0)
        row = loops.within(loops.where(named, slot, 0), 0, which.size)
        place = index.add(index.scale(row, math.prod(after)), index.ravel(indices[1:], after))
        return loops.where(named, loops.load(sums, place, guard), loops.constant(0, node.dtype))

    return at


def _scatter(lowering: Lowering, node: Node, buffer: Buffer) -> None:
    (updates, which), axis = node.inputs, node.attributes["axis"]
    before, after = node.shape[:axis], node.shape[axis + 1 :]
    zero = loops.constant(0, node.dtype)
    lowering.nest(buffer.name, (node.size,), lambda i: [loops.store(buffer, i[0], zero)])

    def add(lead: Indices, rows: Indices, columns: Indices) -> list[Statement]:
        row = lowering.place(which, rows, node.shape[axis])
        value = lowering.at(updates, [*lead, *rows, *columns])
        return [loops.accumulate(buffer, index.ravel([*lead, row, *columns], node.shape), value)]

    if not updates.size:
        return
    if not before:
        by_rows(
            lowering, buffer.name, which.shape, after, Stage(True, lambda rows, cols: add((), rows, cols))
        )
        return
    outer, over, wide = axes_of(before), axes_of(which.shape, len(before)), axes_of(after, updates.ndim)
    inner = add(*[[loops.axis(a) for a in axes] for axes in (outer, over, wide)])
    body = looped(over, looped(wide, inner), ordered=True)
    lowering.steps.append(nested(buffer.name, outer, body))


def _lines(lowering: Lowering, buffer: Buffer, node: Node, values: Node, which: Node, axis: int) -> None:
    """Each value added to ``buffer`` at its own index along ``axis``; equal ones in order."""
    if not values.size:
        return
    axes = axes_of(values.shape)
    indices = [loops.axis(a) for a in axes]
    place = lowering.place(which, indices, node.shape[axis])
    target = index.ravel([*indices[:axis], place, *indices[axis + 1 :]], node.shape)
    inner = looped(
        [axes[axis]], [loops.accumulate(buffer, target, lowering.at(values, indices))], ordered=True
    )
    lowering.steps.append(nested(buffer.name, [a for n, a in enumerate(axes) if n != axis], inner))


def _scatter_along_axis(lowering: Lowering, node: Node, buffer: Buffer) -> None:
    zero = loops.constant(0, node.dtype)
    lowering.nest(buffer.name, (node.size,), lambda i: [loops.store(buffer, i[0], zero)])
    _lines(lowering, buffer, node, *node.inputs, node.attributes["axis"])


def _add_along_axis(lowering: Lowering, node: Node, buffer: Buffer) -> None:
    x, values, which = node.inputs
    lowering.fill(buffer, x)
    _lines(lowering, buffer, node, values, which, node.attributes["axis"])


def _add_rows(lowering: Lowering, node: Node, buffer: Buffer) -> None:
    x, values, which = node.inputs
    lowering.fill(buffer, x)

    def add(rows: Indices, columns: Indices) -> list[Statement]:
        place = index.ravel([lowering.place(which, rows, x.shape[0]), *columns], x.shape)
        return [loops.accumulate(buffer, place, lowering.at(values, [*rows, *columns]))]

    if values.size:
        by_rows(lowering, buffer.name, which.shape, x.shape[1:], Stage(True, add))


def _put_rows(lowering: Lowering, node: Node, buffer: Buffer) -> None:
    x, rows_new, which, first = node.inputs
    if rows_new.size:
        # The new rows are finished before the first is put: they may read the very table.
        lowering.materialise(rows_new)
    lowering.fill(buffer, x)

    def put(rows: Indices, columns: Indices) -> list[Statement]:
        place = index.ravel([lowering.place(which, rows, x.shape[0]), *columns], x.shape)
        counts = loops.eq(lowering.at(first, rows), rows[0])
        return [loops.store(buffer, place, lowering.at(rows_new, [*rows, *columns]), counts)]

    if rows_new.size:
        by_rows(lowering, buffer.name, which.shape, x.shape[1:], Stage(True, put))


NESTS: dict[type[Op], Rule] = {
    **dict.fromkeys(_KINDS, _reduction),
    CumulativeSum: _cumulative_sum,
    OverlapAdd: _overlap_add,
    MatMul: _matmul,
    Scatter: _scatter,
    ScatterAlongAxis: _scatter_along_axis,
    AddAlongAxis: _add_along_axis,
    AddRows: _add_rows,
    PutRows: _put_rows,
    FirstPlaces: _first_places,
}

READ_ONCE: frozenset[type[Op]] = frozenset(
    {*_KINDS, CumulativeSum, Scatter, ScatterAlongAxis, AddAlongAxis, AddRows}
)
"""Ops whose kernels read each element of their inputs once, so that those need no buffers of their own."""
