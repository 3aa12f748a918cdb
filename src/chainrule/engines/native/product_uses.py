"""The statements behind a product's sums: what they are for one block, and which memory they will need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...dtypes import int64
from ...loops import index, load, loop, roots, scalar, store, walk, within
from ...loops.ir import ELEMENTARY, Axis, Buffer, Kernel, Let, Scalar, Statement, Store
from .product_form import Form, Use, affine
from .renaming import Renaming


@dataclass(frozen=True, eq=False, slots=True)
class Uses:
    """The statements that use the sums, as a kernel over the rows of a block and ``columns`` of a panel.

    It reads the sums from ``block`` and its whereabouts from ``places``: the panel's first column, the
    row that the block begins with, the outer places.
    """

    kernel: Kernel
    block: Buffer
    places: Buffer


def uses_of(form: Form, columns: int, fixed: Mapping[Scalar, Buffer]) -> Uses:
    """The statements behind the sum, for a panel of ``columns``; what is ``fixed`` is read from there."""
    grid, m, n = form.grid, form.m, form.n
    block = Buffer("block", grid.rows * grid.columns, form.dtype)
    places = Buffer("places", 2 + len(form.outer), int64, "input")
    j = Axis("j", columns)

    def place(number: int, high: int) -> Scalar:
        return within(load(places, number), 0, high)

    first = place(0, n.extent - columns + 1)
    leaves = {value: load(buffer, 0) for value, buffer in fixed.items()}
    leaves[index.of(n)] = index.add(first, index.of(j))
    for number, axis in enumerate(form.outer):
        leaves[index.of(axis)] = place(2 + number, axis.extent)
    row = index.add(index.of(m), index.scale(place(1, m.extent), -1))
    at = index.add(index.scale(row, grid.columns), index.of(j))
    leaves[scalar("local", (), form.dtype, form.total)] = load(block, at)
    renaming = Renaming(leaves)
    outside, inside = _by_column(form)
    body: list[Statement] = [renaming.statement(let) for let in outside]
    body.append(loop(j, [renaming.statement(s) for s in inside]))
    return Uses(Kernel(form.kernel.name, m, tuple(body)), block, places)


def _by_column(form: Form) -> tuple[list[Let], list[Use]]:
    """The statements that are the same for every column, and the others."""
    varying: set[object] = {form.n, form.total}
    outside: list[Let] = []
    inside: list[Use] = []
    for statement in (*form.lets, *form.uses):
        leaves = [s.payload for root in roots(statement) for s in walk([root]) if s.op in ("axis", "local")]
        if isinstance(statement, Let) and not varying.intersection(leaves):
            outside.append(statement)
            continue
        inside.append(statement)
        if isinstance(statement, Let):
            varying.add(statement.local)
    return outside, inside


def fixed_values(form: Form) -> dict[Scalar, Buffer]:
    """What is long to compute and the same at every place, and the buffers to keep it in for one run."""
    written = {s.buffer for s in form.uses if isinstance(s, Store)}
    values = [root for statement in (*form.lets, *form.uses) for root in roots(statement)]
    fixed, long = set[Scalar](), set[Scalar]()
    tops = dict.fromkeys(values)
    for value in walk(values):  # operands come first
        if long.intersection(value.args) or value.op in ELEMENTARY:
            long.add(value)
        moves = value.op in ("axis", "local") or (value.op == "load" and value.payload in written)
        if not moves and fixed.issuperset(value.args):
            fixed.add(value)
        else:
            tops.update(dict.fromkeys(value.args))
    kept = [value for value in tops if value in fixed and value in long]
    return {value: Buffer(f"fixed {number}", 1, value.dtype) for number, value in enumerate(kept)}


def fixing(fixed: Mapping[Scalar, Buffer]) -> Kernel:
    """The kernel that computes what is fixed."""
    return Kernel("fixed", None, tuple([store(buffer, 0, value) for value, buffer in fixed.items()]))


def plain_store(form: Form) -> Store | None:
    """The one statement that stores the sums as they are, row by row; None where there is more to do."""
    if len(form.uses) != 1 or not isinstance(last := form.uses[0], Store) or last.where is not None:
        return None
    offset = affine(last.offset)
    sums = last.value.op == "local" and last.value.payload is form.total
    return last if sums and offset is not None and offset.get(form.n) == 1 else None


def strides(form: Form, offset: Scalar) -> tuple[int, list[int], int, int] | None:
    """An offset as (constant, those of the outer places, of m, of n); None where it is not such a sum."""
    found = affine(offset)
    axes = {None, *form.outer, form.m, form.n}
    if found is None or not axes.issuperset(found):
        return None
    places = [found.get(axis, 0) for axis in form.outer]
    return found[None], places, found.get(form.m, 0), found.get(form.n, 0)


def streams(form: Form) -> list[tuple[Buffer, Scalar]]:
    """What the uses read or write row by row and is too large to be in a cache already."""
    found: dict[tuple[Buffer, Scalar], None] = {}
    for use in (*form.lets, *form.uses):
        accesses = [(s.payload, s.args[0]) for r in roots(use) for s in walk([r]) if s.op == "load"]
        if isinstance(use, Store):
            accesses.append((use.buffer, use.offset))
        for buffer, offset in accesses:
            place = strides(form, offset)
            large = (
                buffer.size * buffer.dtype.itemsize >= _FAR and buffer.dtype.itemsize == form.dtype.itemsize
            )
            if large and place is not None and place[2] and place[3] == 1:
                found[buffer, offset] = None
    return list(found)


_FAR = 1 << 17
"""Bytes from which a buffer is fetched ahead of its use: it will have left the nearest cache."""
