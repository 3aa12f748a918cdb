"""Rows of tables that are changed where they lie: added to in order, or put where each is named first.

Of rows that are put, no two are one: the place that names a row first is one of a kind.  So each is the
affair of one thread, which does whatever belongs to it at once: all tables that are updated together, and
all that is computed for them alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ... import loops
from ...graph import Leaf, Node, Shape, Variable
from ...loops import Axis, Buffer, Scalar, Statement, index, walk
from ...ops.indexing import Scatter
from ...ops.movement import Reshape
from ...ops.rows import FirstPlaces, PutRows
from .elements import Indices, has_element
from .nesting import axes_of, looped, nested
from .scatters import Stage, by_rows, first_places, lay_rows_out, only_if

if TYPE_CHECKING:
    from .lowering import Lowering


def change_rows(lowering: Lowering, node: Node, buffer: Buffer) -> None:
    """``add_rows`` and ``put_rows`` of a table that stays as it is: a copy, of which rows are changed."""
    lowering.fill(buffer, node.inputs[0])
    write_rows(lowering, [(node, buffer)])


def places_first(lowering: Lowering, node: Node, buffer: Buffer) -> None:
    first, _ = first_places(lowering, node.inputs[0], node.attributes["length"])
    lowering.nest(buffer.name, node.shape, lambda i: [loops.store(buffer, i[0], loops.load(first, i[0]))])


Change = tuple[Node, Buffer]
"""An ``add_rows`` or ``put_rows``, and the table that it changes."""


def write_rows(lowering: Lowering, changes: Sequence[Change]) -> None:
    """Change the rows that are named: of several tables if all are put where the same places name them."""
    for node, _ in changes:
        for operand in node.inputs[3:]:
            lowering.materialise(operand)
    if puts_first(changes[0][0]):
        _put(lowering, changes)
        return
    for node, table in changes:
        _in_order(lowering, node, table)


def puts_first(node: Node) -> bool:
    """Whether rows are put where first places name them, which are those of the very indices."""
    if not isinstance(node.op, PutRows):
        return False
    x, _, which, first = node.inputs
    named = isinstance(first.op, FirstPlaces) and first.inputs[0] is which
    return named and first.attributes["length"] == x.shape[0]


def reads_any(lowering: Lowering, node: Node, tables: Iterable[Buffer]) -> bool:
    """Whether the values that a change writes are computed from elements of tables."""
    values = node.inputs[1]
    row, *lane = [loops.axis(a) for a in axes_of(values.shape)]
    found = walk([lowering.at(values, [row, *lane])]) if values.size else []
    wanted = set(tables)
    return any(s.op == "load" and s.payload in wanted for s in found)


def _in_order(lowering: Lowering, node: Node, table: Buffer) -> None:
    """Rows that may meet, one after another."""
    x, values, which, *first = node.inputs
    if not values.size:
        return
    if reads_any(lowering, node, [table]):
        lowering.materialise(values)  # the new rows are finished before the first is written
    lay_rows_out(lowering, values)
    after = x.shape[1:]
    sizes = _rows_of(values, after)

    def body(rows: Indices, columns: Indices) -> list[Statement]:
        number = index.ravel(rows, sizes)
        place = index.ravel([lowering.place(which, [number], x.shape[0]), *columns], x.shape)
        value = lowering.at(values, [number, *columns])
        if not first:
            return [loops.accumulate(table, place, value)]
        counts = loops.eq(lowering.at(first[0], [number]), number)
        return [loops.store(table, place, value, counts)]

    by_rows(lowering, f"rows of {table.name}", sizes, after, Stage(True, body))


def _rows_of(values: Node, after: Shape) -> Shape:
    """The axes that count the rows, before they were made one: taking them in turn divides nothing."""
    if isinstance(values.op, Reshape):
        source = values.inputs[0].shape
        lead = source[: len(source) - len(after)]
        if source[len(lead) :] == after and math.prod(lead) == values.shape[0]:
            return lead
    return values.shape[:1]


# ── rows that are put ─────────────────────────────────────────────────────────────────────────────


def _put(lowering: Lowering, changes: Sequence[Change]) -> None:
    """One kernel over the places, which does something at those that name a row first."""
    _, _, which, first = changes[0][0].inputs
    if not which.size:
        return
    over = Axis("i", which.size)
    here = loops.axis(over)
    alike: dict[Shape, list[Change]] = {}
    for node, table in sorted(changes, key=lambda change: -change[0].ndim):
        alike.setdefault(node.shape[1:], []).append((node, table))
    parts = []
    written: set[Buffer] = set()
    targets: dict[Buffer, Scalar] = {}
    for after, group in alike.items():
        wide = axes_of(after, 1)
        columns = [loops.axis(a) for a in wide]
        for node, table in group:
            row = lowering.place(which, [here], node.shape[0])
            targets[table] = index.ravel([row, *columns], node.shape)
        parts.append((wide, columns, group))
    body: list[Statement] = []
    for wide, columns, group in parts:
        if not math.prod(axis.extent for axis in wide):
            continue
        lets, stores = [], []
        for node, table in group:
            values = node.inputs[1]
            lay_rows_out(lowering, values)
            if not _reads_own(lowering.at(values, [here, *columns]), targets, written):
                lowering.materialise(values)  # computed before any row is written
            let, value = loops.let(lowering.at(values, [here, *columns]), values.op.name)
            lets.append(let)
            stores.append(loops.store(table, targets[table], value))
        written.update(table for _, table in group)
        body += looped(wide, [*lets, *stores])
    named_first = loops.eq(lowering.at(first, [here]), here)
    names = ", ".join(dict.fromkeys(table.name for _, table in changes))
    lowering.steps.append(nested(f"rows of {names}", [over], [only_if(named_first, body)]))


def _reads_own(value: Scalar, targets: dict[Buffer, Scalar], written: set[Buffer]) -> bool:
    """Whether a new element depends on no elements of the tables but those that it replaces itself."""
    return all(
        s.payload not in targets or (s.payload not in written and s.args[0] is targets[s.payload])
        for s in walk([value])
        if s.op == "load"
    )


# ── what is computed for such rows alone ──────────────────────────────────────────────────────────


Group = list[tuple[Node, Variable]]
"""Changes of variables' rows that are written together."""


def groups_of(rows: dict[Node, Variable], order: Sequence[Node]) -> list[Group]:
    """The changes in order, those together that put rows where the same places name them first."""
    found: dict[object, Group] = {}
    changed: dict[Variable, int] = {}
    for node in order:
        if node in rows:
            changed[rows[node]] = changed.get(rows[node], 0) + 1
    for node in order:
        if node in rows:
            alone = changed[rows[node]] == 1 and puts_first(node)
            found.setdefault(node.inputs[2:] if alone else node, []).append((node, rows[node]))
    return list(found.values())


def read_at_first_places(
    groups: Sequence[Group],
    order: Sequence[Node],
    readers: dict[Node, list[Node]],
    targets: Iterable[Node],
) -> set[Node]:
    """The nodes of which only rows are read that groups of changes put: computed there, and nowhere else.

    They have a row for each place; others would be computed again and again.
    """
    kept = set(targets)
    firsts: dict[Node, Node] = {}
    """Of what works row by row, the first places at which it is computed."""
    for group in groups:
        if (first := _first(group)) is not None:
            firsts.update((node, first) for node, _ in group)
    inside: set[Node] = set()
    for node in reversed(order):
        if node in firsts or node in kept or isinstance(node.op, Leaf):
            continue
        found = {firsts.get(reader) if _by_row(node, reader) else None for reader in readers[node]}
        first = found.pop() if len(found) == 1 else None
        if first is None:
            continue
        if has_element(node.op):
            if first.size in [math.prod(node.shape[:n]) for n in range(1, node.ndim + 1)]:
                inside.add(node)
                firsts[node] = first
        elif sums_at(node) is first:
            inside.add(node)
    return inside


def _by_row(node: Node, reader: Node) -> bool:
    """Whether a reader reads of the node the row that it computes."""
    if isinstance(reader.op, PutRows):
        return sum(x is node for x in reader.inputs) == 1 and reader.inputs[1] is node
    return has_element(reader.op)


def _first(group: Group) -> Node | None:
    node = group[0][0]
    return node.inputs[3] if puts_first(node) else None


def sums_at(node: Node) -> Node | None:
    """The first places at which a scatter sums up the rows that its index array names."""
    if not isinstance(node.op, Scatter) or node.attributes["axis"] != 0:
        return None
    values, which = node.inputs
    whole = isinstance(which.op, FirstPlaces) and node.shape == values.shape
    return which if whole else None


def sum_rows(lowering: Lowering, node: Node) -> Buffer:
    """A scatter by first places of which nobody reads other rows: in the values' memory, if it may be.

    The row that stands at a first place is there already; those that name it again are added.
    """
    values, first = node.inputs
    source = values
    while isinstance(source.op, Reshape) and lowering.has_one_reader(source):
        source = source.inputs[0]
    if lowering.has_one_reader(source):
        buffer = lowering.materialise(source)
    else:
        buffer = lowering.buffer(node.op.name, node.size, node.dtype)
        lowering.fill(buffer, values)
    after = node.shape[1:]

    def place(rows: Indices) -> Scalar:
        return lowering.place(first, rows, node.shape[0])

    def again(rows: Indices) -> Scalar:
        return loops.ne(place(rows), rows[0])

    def add(rows: Indices, columns: Indices) -> list[Statement]:
        row = loops.load(buffer, index.ravel([*rows, *columns], node.shape))
        return [loops.accumulate(buffer, index.ravel([place(rows), *columns], node.shape), row)]

    if node.size:
        by_rows(lowering, f"{node.op.name} again", first.shape, after, Stage(True, add, again))
    return buffer
