"""THE table of ops: one row an op, from which every check of ``test_table.py`` is driven.

A row gives the function, where its operands may lie (away from kinks and poles), an independent
reference in NumPy or SciPy, the shapes and attributes to try, the dtypes it takes, and what its result
is.  A new op is a class in ``chainrule.ops`` and a row among its ``families``.
"""

from __future__ import annotations

from .families.casts import CASTS
from .families.contraction import CONTRACTION
from .families.elementwise import ARITHMETIC, COMPARISON, ROUNDING, TRANSCENDENTAL
from .families.indexing import INDEXING, ROWS
from .families.movement import MOVEMENT, WINDOWS
from .families.random import RANDOM
from .families.reduction import REDUCTION
from .families.row import Case, Row

__all__ = ["ELSEWHERE", "TABLE", "Case", "Row"]

TABLE: list[Row] = [
    *ARITHMETIC, *COMPARISON, *TRANSCENDENTAL, *ROUNDING, *REDUCTION, *MOVEMENT, *CONTRACTION, *WINDOWS,
    *INDEXING, *ROWS, *CASTS, *RANDOM,
]  # fmt: skip

#: What needs no row, and why.
ELSEWHERE = {
    "slice_axis": "the slice of getitem, along one axis",
    "random": "a module: its functions have rows; the published vectors are in test_random.py",
    "Elementwise": "a family, not an op",
    "Composite": "a family, not an op",
    "broadcast_shapes": "computes shapes, not nodes",
    "expand": "rewrites graphs",
    "parts": "rewrites graphs",
    "define_op": "makes functions of ops",
}
