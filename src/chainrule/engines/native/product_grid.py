"""How a matrix product is cut into tiles, and a tile into blocks that registers hold.

The cut depends on the shape and on the CPU, never on the number of threads: each sum is added up in one
order, so the bits are the same however the tiles are shared out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from ...dtypes import DType
from .target import Target

DEPTH = 1024
"""How many k one block sums at most: a panel of that length and a block of A's rows stay in a second-level
cache of half a megabyte."""

NEAR = 1024
"""Bytes: rows of B that lie closer than this are read where they are, others copied side by side.  Rows
further apart fall into different pages, and at powers of two into the same few lines of the cache."""

TILES = 64
"""How many tiles a product should have, so that a dozen threads find about equal shares."""

UNROLLED = 2
"""How many k one turn of the loop in registers takes: more only lengthens the text."""

FLOOR = 1 << 19
"""Operations below which a tile is not cut further (about 2 µs)."""


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


def choose_grid(
    m: int, n: int, outer: int, runs: Sequence[int], b: tuple[int, int], target: Target, dtype: DType
) -> Grid:
    """The cut of ``outer`` products of m × Π runs × n; ``b``: how far apart B's columns and rows lie."""
    lanes, size, depths = target.lanes(dtype), dtype.itemsize, prod(runs)
    vectors = min(2, -(-n // lanes))
    columns = vectors * lanes
    rows = _block_rows(m, vectors, target.registers)
    panels = -(-n // columns)
    blocks = -(-runs[-1] // DEPTH)
    near = b[0] == 1 and b[1] * size < NEAR
    enough = max(1, -(-TILES // (panels * outer)))
    least = -(-FLOOR // (2 * min(columns, n) * depths))
    tile_rows = max(min(-(-m // enough), _LONGEST), least, _SHORT[near, b[0] == 1])
    tile_rows = -(-min(tile_rows, m) // rows) * rows
    return Grid(
        lanes=lanes,
        rows=rows,
        vectors=vectors,
        panels=panels,
        tile_rows=tile_rows,
        row_tiles=-(-m // tile_rows),
        depth=-(-runs[-1] // blocks),
        blocks=blocks,
        packed=not near,
        rows_inside=m * depths * size <= _OUTLASTS,
    )


_SHORT = {(True, True): 56, (False, True): 128, (False, False): 256}
"""Rows of a tile at least, where B is read (where it is, side by side): a copy must serve many rows."""

_LONGEST = 512
"""Rows of a tile at most: what a block of ``DEPTH`` of them takes stays in the second-level cache."""

_OUTLASTS = 4 << 20
"""Bytes of A above which the tiles of the same rows follow each other, not those of the same columns."""


def _block_rows(m: int, vectors: int, registers: int) -> int:
    """Rows summed at once: as many as the registers hold, unless fewer leave less over at the end.

    One register holds A's element, ``vectors`` hold B's.  A block costs ``rows · vectors`` products and
    about one more for what it shares.
    """
    most = min(m, (registers - 1 - vectors) // vectors)
    least = max(1, min(most, (most * 3) // 5))
    return min(range(most, least - 1, -1), key=lambda rows: -(-m // rows) * (rows * vectors + 1))
