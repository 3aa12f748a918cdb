"""How far this engine's floats may lie from the stepper's, op by op: one table.

Stated in units in the last place (ulp) of the stepper's value, wherever operands and result are 0 or at least
2⁻¹²⁶ (float32) or 2⁻¹⁰²² (float64) in size: what is smaller may be taken for 0.  An op that is not in the
table is exact, and so is every result that is no float.  For sums the unit is that of Σ|xᵢ|, of the absolute
values of what is added, and the figure is multiplied by n for n terms: no order of adding can be further off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...dtypes import is_float
from ...graph import Array, Node

FLUSHED = 4
"""So many times the smallest normal number may be lost wherever something smaller than it occurs."""


class Tolerance(NamedTuple):
    """The largest distance, in ulp, and why there is one."""

    float32: float
    float64: float
    why: str
    terms: Callable[[Node], int] | None = None
    """How many terms one element of the result is made of, for ops that add (or multiply) many."""

    def ulps(self, node: Node) -> float:
        """The figure for the node's dtype and number of terms."""
        figure = float(getattr(self, node.dtype.name))
        return figure if self.terms is None else figure * self.terms(node)


_CONTRACTED = "contracted with a neighbour into one rounding"
_RECIPROCAL = "by the reciprocal of a constant, or of a root"
_EXPONENTIAL = "XLA's own polynomial"
_SHIFTED = "as e^(x ± log 2), whose error grows with x"
_ROOT = "by a reciprocal square root"
_LOG1P = "log(1 + x), not far from 0 already"
_ORDER = "added in another order"


def _folded(node: Node) -> int:
    return node.inputs[0].size // max(node.size, 1)


def _along(node: Node) -> int:
    return int(node.inputs[0].shape[node.attributes["axis"]])


def _added(which: int) -> Callable[[Node], int]:
    return lambda node: node.inputs[which].size + 1


def _overlapping(node: Node) -> int:
    return math.prod([size for _, size, _, _ in node.attributes["places"]])


TOLERANCES: dict[str, Tolerance] = {
    **dict.fromkeys(("add", "subtract", "multiply", "square", "remainder"), Tolerance(1, 1, _CONTRACTED)),
    **dict.fromkeys(("divide", "reciprocal"), Tolerance(2, 2, _RECIPROCAL)),
    "floor_divide": Tolerance(4, 4, "the remainder is taken off first"),
    "sqrt": Tolerance(2, 2, _ROOT),
    "rsqrt": Tolerance(4, 4, _ROOT),
    "pow": Tolerance(4, 4, _EXPONENTIAL),
    "exp": Tolerance(8, 4, _EXPONENTIAL),
    "expm1": Tolerance(8, 6, _EXPONENTIAL),
    "log": Tolerance(4, 2, _EXPONENTIAL),
    "log1p": Tolerance(4, 256, _LOG1P),
    "log2": Tolerance(4, 2, _EXPONENTIAL),
    "sin": Tolerance(2, 2, _EXPONENTIAL),
    "cos": Tolerance(2, 2, _EXPONENTIAL),
    "tan": Tolerance(4, 2, _EXPONENTIAL),
    "sinh": Tolerance(96, 1024, _SHIFTED),
    "cosh": Tolerance(96, 1024, _SHIFTED),
    "tanh": Tolerance(8, 8, _EXPONENTIAL),
    "arcsin": Tolerance(4, 4, _EXPONENTIAL),
    "arccos": Tolerance(4, 4, _EXPONENTIAL),
    "arctan": Tolerance(4, 4, _EXPONENTIAL),
    "arctan2": Tolerance(4, 4, _EXPONENTIAL),
    "arcsinh": Tolerance(4, 4, _EXPONENTIAL),
    "arccosh": Tolerance(4, 4, _EXPONENTIAL),
    "arctanh": Tolerance(4, 256, "of log1p"),
    "erf": Tolerance(8, 4, _EXPONENTIAL),
    "sigmoid": Tolerance(4, 4, "of exp"),
    "sum": Tolerance(1, 1, _ORDER, _folded),
    "prod": Tolerance(1, 1, "multiplied in another order", _folded),
    "cumulative_sum": Tolerance(1, 1, _ORDER, _along),
    "matmul": Tolerance(1, 1, _ORDER, lambda node: node.inputs[0].shape[-1]),
    "overlap_add": Tolerance(1, 1, _ORDER, _overlapping),
    "scatter_along_axis": Tolerance(1, 1, _ORDER, _along),
    "scatter_add": Tolerance(1, 1, _ORDER, _added(1)),
    "add_rows": Tolerance(1, 1, _ORDER, _added(2)),
    "add_along_axis": Tolerance(1, 1, _ORDER, _added(2)),
}
"""Of functions twice what was measured, or more: processors differ, and so does NumPy on them."""


def allowance(node: Node, inputs: Sequence[Array], value: Array) -> Array:
    """How far from ``value`` the node's result may lie when its inputs are these, element by element.

    >>> import chainrule as cr
    >>> x = np.array([1.0, 1024.0], "f")
    >>> allowance(cr.tanh(cr.variable(x)), [x], np.array([1.0, 2.0], "f")) / np.finfo("f").eps
    array([ 8., 16.])
    """
    found = TOLERANCES.get(node.op.name)
    if found is None or not is_float(node.dtype):
        return np.zeros(value.shape)
    scale: Any = value
    if found.terms is not None:
        sizes = [np.abs(array) if array.dtype.kind == "f" else array for array in inputs]
        scale = node.op.forward(np, *sizes, **node.attributes)
    eps = float(np.finfo(value.dtype).eps)
    return np.asarray(found.ulps(node) * eps * np.abs(scale.astype(np.float64)))


def markdown() -> str:
    """The table as it stands in the documentation."""
    rows = ["| op | float32 | float64 | why |", "|---|---:|---:|---|"]
    for name, found in TOLERANCES.items():
        times = "·n" if found.terms else ""
        rows.append(f"| {name} | {found.float32}{times} | {found.float64}{times} | {found.why} |")
    return "\n".join(rows)
