"""How a matrix product is cut into tiles, and a tile into blocks that registers hold.

The cut depends on the shape and on the CPU, never on the number of threads: each sum is added up in one
order, so the bits are the same however the tiles are shared out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import prod

from ...dtypes import DType
from .target import Target

DEPTH = 1024
"""How many k one block sums at most: a panel of that length and a block of A's rows stay in a second-level
cache of half a megabyte."""

WORTH_A_COPY = ((1024, 128), (16384, 64))
"""(Bytes, rows): where B's rows lie further apart than that, and more rows of A than that use them, they are
copied side by side.  Rows far apart fall into different pages, and at powers of two into the same few lines
of the cache."""

UNROLLED = 2
"""How many k one turn of the loop in registers takes: more only lengthens the text."""


@dataclass(frozen=True, slots=True)
class Grid:
    """How a product is cut.

    ``rows`` × ``vectors`` is what is summed in registers, ``panels`` of ``columns`` = vectors · lanes
    (the last one may be narrower) by ``row_tiles`` of ``tile_rows`` are the tiles of one outer place;
    a run over k is cut into ``blocks`` of ``depth``.  ``rows_inside``: the tiles of one panel follow each
    other, so that its copy is used again; otherwise the tiles of the same rows do.
    """

    lanes: int
    rows: int
    vectors: int
    panels: int
    tile_rows: int
    row_tiles: int
    depth: int
    blocks: int
    packed: bool
    rows_inside: bool

    @property
    def columns(self) -> int:
        """The width of a panel."""
        return self.vectors * self.lanes

    @property
    def stretch(self) -> int:
        """How many k are summed between asking for the lines of one row and of the next."""
        return self.depth // self.rows // UNROLLED * UNROLLED

    def narrow(self, columns: int, along: int) -> bool:
        """Whether a panel has so few columns that vectors along k sum it sooner than vectors across it.

        ``along`` is how far apart A's elements lie.  Across, each row takes half a cycle for each k,
        however few lanes are used; along k it takes the share of the lanes, and for each sum some cycles
        to add up the lanes and what is left of k.
        """
        if columns >= self.lanes or along != 1:
            return False
        return columns * (self.depth / self.lanes + _ENDING + self.depth % self.lanes) < 0.9 * self.depth


_ENDING = 12
"""Half cycles that adding up the lanes of one vector takes."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a cut depends on: ``shared`` outer places have a B of their own, ``outer`` ones each use the same.

    ``across`` and ``along`` say how far apart B's columns and rows lie, ``a_along`` A's elements along k.
    """

    m: int
    n: int
    shared: int
    outer: int
    runs: tuple[int, ...]
    a_along: int
    across: int
    along: int


@lru_cache(1024)
def choose_grid(shape: Shape, target: Target, dtype: DType) -> Grid:
    """The cut that takes the least time, by the model of :class:`_Times`, for one, two and four threads."""
    lanes, size, m = target.lanes(dtype), dtype.itemsize, shape.m
    vectors = min(2, -(-shape.n // lanes))
    blocks = -(-shape.runs[-1] // DEPTH)
    packed = shape.across != 1 or any(shape.along * size > far and m > many for far, many in WORTH_A_COPY)
    most = max(
        1, min(m, (target.registers - 1 - vectors) // vectors)
    )  # one holds A's element, the others B's
    again = packed and m * shape.outer * prod(shape.runs) * size <= _OUTLASTS
    best: tuple[float, Grid] | None = None
    for rows in range(most, most // 2, -1):
        for tile_rows in sorted({-(-min(count * rows, m) // rows) * rows for count in _COUNTS}):
            if tile_rows > max(rows, _LONGEST):
                continue
            for rows_inside in (False, True) if again else (False,):
                grid = Grid(
                    lanes=lanes,
                    rows=rows,
                    vectors=vectors,
                    panels=-(-shape.n // (vectors * lanes)),
                    tile_rows=tile_rows,
                    row_tiles=-(-m // tile_rows),
                    depth=-(-shape.runs[-1] // blocks),
                    blocks=blocks,
                    packed=packed,
                    rows_inside=rows_inside,
                )
                cost = _Times(shape, grid).cost()
                if best is None or cost < best[0]:
                    best = cost, grid
    assert best is not None, "a block of one row is always possible"
    return best[1]


_COUNTS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40)
"""Blocks of a tile to choose from."""

_LONGEST = 520
"""Rows of a tile at most: what a block of ``DEPTH`` of them takes stays in the second-level cache."""

_OUTLASTS = 4 << 20
"""Bytes of A above which the tiles of the same rows follow each other, not those of the same columns."""


class _Times:
    """A model of the cycles that tiles take: a cycle does two products of vectors and two loads."""

    def __init__(self, shape: Shape, grid: Grid) -> None:
        self.shape, self.grid = shape, grid
        self.total = prod(shape.runs)
        self.turns = self.total // shape.runs[-1] * grid.blocks
        last = shape.n - (grid.panels - 1) * grid.columns
        self.full, self.last = self.block(grid.columns), self.block(last)
        self.copy_full, self.copy_last = self.copy(grid.columns), self.copy(last)
        self.all_blocks = -(-shape.m // grid.rows)
        self.tile_blocks = grid.tile_rows // grid.rows
        self.line = (grid.panels - 1) * self.full + self.last
        self.copies = (grid.panels - 1) * self.copy_full + self.copy_last

    def block(self, columns: int) -> float:
        """A block of sums, and putting them away."""
        grid = self.grid
        rows, vectors = grid.rows, -(-columns // grid.lanes)
        if grid.narrow(columns, self.shape.a_along):
            each = columns * (grid.depth / grid.lanes + _ENDING + grid.depth % grid.lanes) / 2
            return self.turns * (30 + rows * each)
        each = max(rows * vectors, rows + vectors) / 2 + 0.1
        return self.total * each + self.turns * (30 + 3 * rows * vectors)

    def copy(self, columns: int) -> float:
        """The copy of a panel, transposed or not, with a wait for each row."""
        if not self.grid.packed:
            return 0.0
        vectors = -(-columns // self.grid.lanes)
        return self.total * (2 + vectors * (2 if self.shape.across == 1 else 4))

    def until(self, tile: int) -> float:
        """What all tiles before this one take together; each fetches its panel from a cache further off."""
        begun = (100 + 0.6 * self.total * self.grid.vectors) * tile
        return (self.by_panel if self.grid.rows_inside else self.by_row)(tile) + begun

    def by_row(self, tile: int) -> float:
        """The panels follow each other, all of them for some rows."""
        grid = self.grid
        lines, panels = divmod(tile, grid.panels)
        outer, row_tiles = divmod(lines, grid.row_tiles)
        here = (
            self.tile_blocks
            if row_tiles < grid.row_tiles - 1
            else self.all_blocks - row_tiles * self.tile_blocks
        )
        blocks = outer * self.all_blocks + row_tiles * self.tile_blocks
        return blocks * self.line + lines * self.copies + panels * (here * self.full + self.copy_full)

    def by_panel(self, tile: int) -> float:
        """The rows follow each other, all of them for one panel, which is copied once."""
        grid, lines = self.grid, self.grid.row_tiles * self.shape.outer
        panels, rest = divmod(tile, lines)
        outer, row_tiles = divmod(rest, grid.row_tiles)
        share, panel = divmod(panels, grid.panels)
        all_rows = self.shape.outer * self.all_blocks
        each = (
            (grid.panels - 1) * (all_rows * self.full + self.copy_full)
            + all_rows * self.last
            + self.copy_last
        )
        block, copy = (self.last, self.copy_last) if panel == grid.panels - 1 else (self.full, self.copy_full)
        begun = outer * self.all_blocks + row_tiles * self.tile_blocks
        before = panel * (all_rows * self.full + self.copy_full)
        return share * each + before + begun * block + (copy if rest else 0.0)

    def cost(self) -> float:
        """What the slowest of one, two and four threads takes, times their number, all added up."""
        grid, shape = self.grid, self.shape
        tiles = shape.shared * shape.outer * grid.panels * grid.row_tiles
        at = [self.until(tiles * quarter // 4) for quarter in range(5)]
        slowest = [max([b - a for a, b in pairwise(at[:: 4 // threads])]) for threads in (1, 2, 4)]
        return slowest[0] + 2 * slowest[1] + 4 * slowest[2]
