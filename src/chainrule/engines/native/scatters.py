"""Nests that write to places which are themselves values: rows of tables, and elements along an axis.

Rows may meet, so they are taken in order; to share the work out all the same, it is cut into blocks of
columns, each of which is one place of the kernel's axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ... import loops
from ...dtypes import int64
from ...graph import Leaf, Node
from ...loops import Accumulate, Axis, Buffer, Loop, Scalar, Statement, index, walk
from ...ops.elementwise import Elementwise
from ...ops.indexing import Scatter
from ...ops.movement import PermuteDims
from .accesses import Touch, Touches, leaves, one_place
from .elements import Indices, is_view
from .nesting import axes_of, looped, nested
from .units import flattened

if TYPE_CHECKING:
    from .lowering import Lowering

LANES, COLUMNS = 16, 80
"""A block of columns has at least and at most so many: the lanes of one wide vector, and of five."""

SKIPPED = 64
"""Additions that are worth a look at whether the factor that they share is 0."""


class Stage(NamedTuple):
    """One pass over the rows within each share of the work."""

    ordered: bool
    body: Callable[[Indices, Indices], Sequence[Statement]]
    where: Callable[[Indices], Scalar] | None = None
    """Which rows are looked at."""


def lay_rows_out(lowering: Lowering, values: Node) -> None:
    """Give a buffer to transposed factors of values that are read row by row: once, not at every row."""
    nodes = [values]
    while nodes:
        node = nodes.pop()
        if node in lowering.buffers or isinstance(node.op, Leaf):
            continue
        if isinstance(node.op, PermuteDims) and node.attributes["axes"][-1] != node.ndim - 1:
            lowering.materialise(node)
        elif isinstance(node.op, Elementwise) or is_view(node.op):
            nodes += node.inputs


def by_rows(lowering: Lowering, name: str, rows: Sequence[int], after: Sequence[int], *stages: Stage) -> None:
    """A kernel that takes the rows one after another within each share of the work.

    A share is one place of the first axis of the rows, where the rows of different places never meet.
    Else it is a block of columns.
    """
    over, wide = axes_of(rows), axes_of(after, len(rows))
    first = next((n for n, axis in enumerate(over) if axis.extent > 1), None)
    if first is not None:
        columns = [loops.axis(a) for a in wide]
        body = _staged(stages, over, first + 1, wide, columns)
        if _own_places(over[first], body):
            lowering.steps.append(nested(name, [over[first]], body))
            return
    block, lane = Axis("c", 1), Axis("d", 1)
    if after:
        width = _block(after[-1])
        block, lane = Axis("c", after[-1] // width), Axis("d", width)
        last = index.add(index.scale(loops.axis(block), lane.extent), loops.axis(lane))
        wide, columns = [*wide[:-1], lane], [*[loops.axis(a) for a in wide[:-1]], last]
    else:
        wide, columns = [lane], []
    lowering.steps.append(nested(name, [block], _staged(stages, over, 0, wide, columns)))


def _staged(
    stages: Sequence[Stage], over: Sequence[Axis], start: int, wide: Sequence[Axis], columns: Indices
) -> list[Statement]:
    """The stages' statements within loops over the rows from axis ``start`` on, and over the columns."""
    body: list[Statement] = []
    for stage in stages:
        rows = [loops.axis(a) for a in over]
        inner = stage.body(rows, columns)
        depth, wanted = len(over), None if stage.where is None else stage.where(rows)
        if wanted is None:
            depth, wanted = _needless(inner, over, wide)
        loose = _flat(over[depth:], wide, inner) or looped(over[depth:], looped(wide, inner), stage.ordered)
        if wanted is not None:
            loose = (only_if(wanted, loose),)
        body += looped(over[start:depth], loose, stage.ordered)
    return body


def _flat(
    over: Sequence[Axis], wide: Sequence[Axis], body: Sequence[Statement]
) -> tuple[Statement, ...] | None:
    """Loops over rows that lie end to end as one over all their elements."""
    match body:
        case [Accumulate(buffer=buffer, offset=offset, value=value)]:
            pass
        case _:
            return None
    axes = [axis for axis in [*over, *wide] if axis.extent > 1]
    _, terms = index.terms(offset)
    moving = {loops.axis(axis) for axis in axes}
    strides = [terms.get(loops.axis(axis), 0) for axis in axes]
    ends = [math.prod(axis.extent for axis in axes[n + 1 :]) for n in range(len(axes))]
    fixed = all(term in moving or moving.isdisjoint(leaves(term)) for term in terms)
    read = any(s.op == "load" and s.payload is buffer for s in walk([offset, value]))
    if len(axes) < 2 or strides != ends or not fixed or read:
        return None
    (nest,) = looped(axes, body)
    assert isinstance(nest, Loop)
    found = flattened(nest)
    return (found,) if isinstance(found, Loop) else None


def only_if(condition: Scalar, body: Sequence[Statement]) -> Statement:
    """``body`` where the condition holds: a loop of one place, or of none."""
    return loops.loop(Axis("if", 1, loops.where(condition, 1, loops.constant(0, int64))), body)


def _own_places(axis: Axis, body: Sequence[Statement]) -> bool:
    """Whether each element of what the body writes is touched at one place of the axis alone."""
    touch, touches = Touch(), Touches()
    for statement in body:
        touch.include(touches.of(statement))
    return all(
        one_place([a.place(axis, 1, axis.extent, frozenset()) for a in touch.accesses[buffer]], axis.extent)
        for buffer in touch.written
    )


def _needless(
    body: Sequence[Statement], over: Sequence[Axis], wide: Sequence[Axis]
) -> tuple[int, Scalar | None]:
    """When the additions of a body may be left out: where a factor that many of them share is 0.

    Gives the number of row axes that the factor depends on, and whether it is not 0.  (Infinite and NaN
    factors count as any other; that 0 · ∞ is not added is what sparsity is.)
    """
    if len(body) != 1 or not isinstance(body[0], Accumulate):
        return len(over), None
    best: tuple[int, Scalar | None] = len(over), None
    for factor in _factors(body[0].value):
        used = {leaf.payload for leaf in leaves(factor) if leaf.op == "axis"}
        depth = 1 + max([n for n, axis in enumerate(over) if axis in used], default=-1)
        within = math.prod(axis.extent for axis in [*over[depth:], *wide])
        shared = depth > 0 and used.isdisjoint(wide) and within >= SKIPPED
        if shared and (best[1] is None or depth < best[0]):
            best = depth, loops.ne(factor, loops.constant(0, factor.dtype))
    return best


def _factors(value: Scalar) -> list[Scalar]:
    """What a product is made of, as far as it is 0 if one of them is."""
    if value.op in ("mul", "neg"):
        return [factor for x in value.args for factor in _factors(x)]
    return [] if value.op in ("constant", "local") else [value]


def _block(width: int) -> int:
    """How many columns a block has: what fills whole vectors best, in an even number of blocks if it may."""
    most = min(max(width // 2, LANES), COLUMNS, width)  # two blocks at least, to be shared out
    shares = [w for w in range(LANES, most + 1) if width % w == 0]
    return min(shares, key=lambda w: (-(-w // LANES) * LANES / w, width // w % 2, -w), default=width)


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


def is_sparse(node: Node) -> bool:
    """Whether a scatter reaches so few rows that they are kept in a table of their own."""
    if not isinstance(node.op, Scatter) or node.attributes["axis"] != 0:
        return False
    count = node.inputs[1].size
    length: int = node.attributes["length"]
    return 0 < 2 * count <= length


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

    if updates.size:
        by_rows(lowering, sums.name, which.shape, after, Stage(False, clear), Stage(True, add))

    def at(indices: Indices, guard: Scalar | None) -> Scalar:
        slot = loops.load(seen, indices[0], guard)
        named = loops.ge(slot, 0)
        row = loops.within(loops.where(named, slot, 0), 0, which.size)
        place = index.add(index.scale(row, math.prod(after)), index.ravel(indices[1:], after))
        return loops.where(named, loops.load(sums, place, guard), loops.constant(0, node.dtype))

    return at


def scatter(lowering: Lowering, node: Node, buffer: Buffer) -> None:
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
    lay_rows_out(lowering, updates)
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


def scatter_along_axis(lowering: Lowering, node: Node, buffer: Buffer) -> None:
    zero = loops.constant(0, node.dtype)
    lowering.nest(buffer.name, (node.size,), lambda i: [loops.store(buffer, i[0], zero)])
    values, which = node.inputs
    _lines(lowering, buffer, node, values, which, node.attributes["axis"])


def add_along_axis(lowering: Lowering, node: Node, buffer: Buffer) -> None:
    x, values, which = node.inputs
    lowering.fill(buffer, x)
    _lines(lowering, buffer, node, values, which, node.attributes["axis"])
