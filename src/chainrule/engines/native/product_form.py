"""Matrix products within kernels: which kernels are one, and where their factors lie.

A kernel that is a perfect nest of loops around one sum of products ::

    for m, for n:  s = Σ_k A[m, k] · B[k, n];  the statements that use s

is run as a grid of tiles (:mod:`.product_text` writes it for the machine).  A tile is a *panel* of a few
vectors of columns n by some rows m.  The panel of B is copied where that pays, so that its rows lie side
by side; a block of rows by the panel is then summed in registers, and the statements that use the sums
run over the block while it is in the nearest cache.  What B and A are called, which loop is m and which
is n, transposed or not, is read off the offsets; a window that slides over A is nothing special.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from ...dtypes import DType, float32, float64
from ...loops import index, walk
from ...loops.ir import Axis, Buffer, Check, Kernel, Let, Local, Loop, Part, Reduce, Scalar, Statement, Store
from .product_grid import Grid, Shape, choose_grid
from .target import Target

WORTH = 1 << 20
"""The least number of additions and multiplications for which a kernel is kept apart as a product.  From
there on it gains more (up to twice the speed where k is long or B transposed) than a barrier of its own
costs, about 1 µs.  ``benchmarks/matrix_products.py`` measures both."""

Use = Let | Store | Check
"""A statement behind the sums."""


@dataclass(frozen=True, slots=True)
class Operand:
    """Where an element of A or B lies: ``constant + Σ outer + line · (m or n) + Σ runs · k``."""

    buffer: Buffer
    constant: int
    outer: tuple[int, ...]
    line: int
    runs: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Form:
    """A kernel that is a matrix product, with its grid."""

    kernel: Kernel
    m: Axis
    n: Axis
    outer: tuple[Axis, ...]
    runs: tuple[int, ...]
    a: Operand
    b: Operand
    total: Local
    lets: tuple[Let, ...]
    uses: tuple[Use, ...]
    target: Target
    grid: Grid

    @property
    def dtype(self) -> DType:
        return self.a.buffer.dtype

    @property
    def operations(self) -> int:
        """Additions and multiplications in all."""
        return 2 * prod([a.extent for a in (*self.outer, self.m, self.n)]) * prod(self.runs)

    @property
    def tiles(self) -> int:
        """How many tiles there are: the extent of the work that threads share."""
        return prod(axis.extent for axis in self.outer) * self.grid.panels * self.grid.row_tiles

    def describe(self) -> str:
        """One line for a person: the sizes, the operands and the cut."""
        g, k = self.grid, prod(self.runs)
        outer = "".join(f"{axis.extent} times " for axis in self.outer)
        cut = f"{self.tiles} tiles of {min(g.tile_rows, self.m.extent)}×{min(g.columns, self.n.extent)}"
        copied = ", panels copied" if g.packed else ""
        return (
            f"product {outer}{self.m.extent}×{k}×{self.n.extent} of {self.a.buffer.name} and "
            f"{self.b.buffer.name}: {cut}, {g.rows}×{g.columns} in registers{copied}"
        )


# ── recognising ───────────────────────────────────────────────────────────────────────────────────


def keeps(kernel: Kernel) -> bool:
    """Whether the kernel is a product large enough to be kept as one (and not fused into others)."""
    found = _match(kernel)
    return found is not None and _operations(found) >= WORTH


def form_of(kernel: Kernel, target: Target, worth: int = WORTH) -> Form | None:
    """The kernel as a product; None where it is not one, or is too small to gain by it."""
    found = _match(kernel)
    if found is None or _operations(found) < worth:
        return None
    nest, reduction = found
    return _form(kernel, nest, reduction, target)


@dataclass(frozen=True, slots=True)
class _Nest:
    """A perfect nest: its axes, outermost first, the values named on the way, and what is inmost."""

    axes: tuple[Axis, ...]
    lets: tuple[Let, ...]
    uses: tuple[Use, ...]


def _operations(found: tuple[_Nest, Reduce]) -> int:
    nest, reduction = found
    return 2 * prod(axis.extent for axis in (*nest.axes, *reduction.axes))


def _match(kernel: Kernel) -> tuple[_Nest, Reduce] | None:
    """The nest and the sum of products in it, if the kernel has that form."""
    axes = [] if kernel.axis is None else [kernel.axis]
    lets: list[Let] = []
    body: Sequence[Statement] = kernel.body
    while body and isinstance(body[-1], Loop):
        inner = body[-1]
        if inner.ordered or not all(isinstance(s, Let) for s in body[:-1]):
            return None
        lets += [s for s in body[:-1] if isinstance(s, Let)]
        axes.append(inner.axis)
        body = inner.body
    at = next((i for i, s in enumerate(body) if isinstance(s, Reduce)), None)
    if at is None or not all(isinstance(s, Let) for s in body[:at]):
        return None
    uses = [s for s in body[at + 1 :] if isinstance(s, Use)]
    reduction = body[at]
    if len(uses) != len(body) - at - 1 or not isinstance(reduction, Reduce) or len(reduction.parts) != 1:
        return None
    if any(axis.limit is not None or axis.extent == 0 for axis in (*axes, *reduction.axes)):
        return None
    lets += [s for s in body[:at] if isinstance(s, Let)]
    nest = _Nest(tuple(axes), tuple(lets), tuple(uses))
    return (nest, reduction) if _is_product(nest, reduction.parts[0]) else None


def _is_product(nest: _Nest, part: Part) -> bool:
    """Whether the sum is one of products of two matrices' elements, of which it writes neither."""
    if part.kind != "sum" or part.value.op != "mul" or part.value.dtype not in (float32, float64):
        return False
    operands = part.value.args
    written = {s.buffer for s in nest.uses if isinstance(s, Store)}
    if any(x.op != "load" or len(x.args) != 1 or x.payload in written for x in operands):
        return False
    one, two = [affine(x.args[0]) for x in operands]
    return one is not None and two is not None and _roles(nest, one, two) is not None


def _form(kernel: Kernel, nest: _Nest, reduction: Reduce, target: Target) -> Form | None:
    (part,) = reduction.parts
    first, second = part.value.args
    one, two = affine(first.args[0]), affine(second.args[0])
    assert one is not None, "what matches has affine offsets"
    assert two is not None, "what matches has affine offsets"
    roles = _roles(nest, one, two)
    assert roles is not None, "what matches has rows and columns"
    m, n, swapped = roles
    if swapped:
        first, second, one, two = second, first, two, one
    outer = [axis for axis in nest.axes if axis not in (m, n) and axis.extent > 1]
    outer.sort(key=lambda axis: axis not in two)  # the places of B first: see Grid.rows_inside
    runs = _merged([axis for axis in reduction.axes if axis.extent > 1], one, two)
    extents = tuple([extent for extent, _, _ in runs])
    shared, alike = [prod([x.extent for x in outer if (x in two) is own]) for own in (True, False)]
    shape = Shape(m.extent, n.extent, shared, alike, extents, runs[-1][1], two[n], runs[-1][2])
    return Form(
        kernel=kernel,
        m=m,
        n=n,
        outer=tuple(outer),
        runs=extents,
        a=_operand(first, one, m, outer, [stride for _, stride, _ in runs]),
        b=_operand(second, two, n, outer, [stride for _, _, stride in runs]),
        total=part.local,
        lets=nest.lets,
        uses=nest.uses,
        target=target,
        grid=choose_grid(shape, target, part.value.dtype),
    )


Offset = dict[Axis | None, int]
"""The coefficient of each axis in an offset; that of None is the constant."""


def affine(offset: Scalar) -> Offset | None:
    """The offset as a sum of axes; None where something else takes part."""
    constant, terms = index.terms(offset)
    if any(term.op != "axis" for term in terms):
        return None
    return {None: constant, **{term.payload: c for term, c in terms.items()}}


def _roles(nest: _Nest, one: Offset, two: Offset) -> tuple[Axis, Axis, bool] | None:
    """The axes m and n, and whether the second operand is A."""
    ours = [axis for axis in nest.axes if axis in one and axis not in two]
    theirs = [axis for axis in nest.axes if axis in two and axis not in one]
    if not ours or not theirs:
        return None
    n = _columns(ours + theirs, nest)
    swapped = n in ours
    rows, offset = (theirs, two) if swapped else (ours, one)
    return max(rows, key=lambda axis: (min(axis.extent, _MANY), -abs(offset[axis]))), n, swapped


_MANY = 32
"""Rows that are enough: of several axes that have them, the one whose rows lie closest is taken."""


def _columns(axes: Sequence[Axis], nest: _Nest) -> Axis:
    """The axis whose places lie side by side in what is stored; else in most of what is loaded."""
    votes = dict.fromkeys(axes, 0)
    for use in nest.uses:
        if isinstance(use, Check):  # it reads what a store reads
            continue
        loads = [s.args[0] for s in walk([use.value]) if s.op == "load"]
        stores = [use.offset] if isinstance(use, Store) else []
        for offset, weight in [*[(o, 1) for o in loads], *[(o, 2) for o in stores]]:
            for axis, c in (affine(offset) or {}).items():
                if axis in votes and c == 1:
                    votes[axis] += weight
    return max(reversed(axes), key=lambda axis: (votes[axis], nest.axes.index(axis)))


def _merged(axes: Sequence[Axis], one: Offset, two: Offset) -> list[tuple[int, int, int]]:
    """(extent, stride in A, stride in B) of the sum's loops, those that run on into each other as one."""
    runs: list[tuple[int, int, int]] = []
    for axis in axes:
        run = axis.extent, one.get(axis, 0), two.get(axis, 0)
        if runs and runs[-1][1:] == (run[0] * run[1], run[0] * run[2]):
            run = (runs.pop()[0] * run[0], run[1], run[2])
        runs.append(run)
    return sorted(runs, key=lambda run: run[0]) or [(1, 0, 0)]  # the longest is inmost


def _operand(load: Scalar, offset: Offset, line: Axis, outer: Sequence[Axis], runs: Sequence[int]) -> Operand:
    places = tuple([offset.get(axis, 0) for axis in outer])
    return Operand(load.payload, offset[None], places, offset[line], tuple(runs))
