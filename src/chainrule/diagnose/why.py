"""Why a gradient is None, zero, tiny or huge: one row a parameter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..differentiate import gradients, why_no_gradient
from ..engines.stepper import evaluate
from ..graph import Array, Node
from ..view.text import format_table
from .why_gradient import EXPLODING, VANISHING, why_gradient


class GradientRow(NamedTuple):
    """One parameter, and the gradient that reaches it."""

    name: str
    shape: tuple[int, ...]
    value_norm: float
    """‖w‖₂"""
    gradient_norm: float | None
    """‖∂loss/∂w‖₂; None where nothing flows."""
    zeros: float
    """The share of the gradient's entries that are exactly 0."""
    remark: str

    @property
    def ratio(self) -> float | None:
        """‖∂loss/∂w‖ / ‖w‖: what a step of learning rate 1 would change, relative to the parameter."""
        if self.gradient_norm is None or not self.value_norm:
            return None
        return self.gradient_norm / self.value_norm


class GradientTable(NamedTuple):
    """The rows, one a parameter; ``str()`` is the table."""

    rows: tuple[GradientRow, ...]

    def __str__(self) -> str:
        head = ("parameter", "shape", "‖value‖", "‖gradient‖", "ratio", "zeros", "")
        rows = [
            (
                row.name,
                "×".join(map(str, row.shape)) or "scalar",
                f"{row.value_norm:.3g}",
                "none" if row.gradient_norm is None else f"{row.gradient_norm:.3g}",
                "" if row.ratio is None else f"{row.ratio:.2g}",
                "" if row.gradient_norm is None else f"{row.zeros:.0%}",
                row.remark,
            )
            for row in self.rows
        ]
        return format_table(head, rows, rule=False, right=range(2, 6))


def gradient_report(
    loss: Node,
    parameters: Mapping[str, Node] | Sequence[Node],
    feed: Mapping[Any, Any] | None = None,
) -> GradientTable:
    """How much gradient reaches each parameter: norms, their ratio, the share of zeros, and what is odd.

    A parameter that nothing flows to is told why; one whose gradient is zero, or below 1e-6 or above 1000
    times its own norm, with the first reason that :func:`why_gradient` finds.

    >>> import chainrule as cr
    >>> w, b = cr.variable([3.0, 4.0], name="w"), cr.variable(0.5, name="b")
    >>> print(gradient_report((cr.maximum(w - 3.5, 0) * 2).sum() + cr.floor(b), [w, b]))
    parameter  shape   ‖value‖  ‖gradient‖  ratio  zeros
    w          2             5           2    0.4    50%
    b          scalar      0.5        none                every path from b ends at floor ...
    """
    nodes = list(parameters.values() if isinstance(parameters, Mapping) else parameters)
    found = gradients(loss, nodes)
    names = (  # of a sequence several may have the same name, and each has its row
        list(parameters)
        if isinstance(parameters, Mapping)
        else [f"{x.label} #{i}" if x.name is None else x.name for i, x in enumerate(nodes)]
    )
    values = evaluate([*nodes, *[g for g in found if g is not None]], feed)
    flowing = iter(values[len(nodes) :])
    rows = [
        _row(name, loss, node, value, None if g is None else next(flowing), feed)
        for name, node, value, g in zip(names, nodes, values, found, strict=False)
    ]
    return GradientTable(tuple(rows))


def _row(
    name: str,
    loss: Node,
    node: Node,
    value: Array,
    gradient: Array | None,
    feed: Mapping[Any, Any] | None,
) -> GradientRow:
    size = float(np.linalg.norm(np.ravel(value).astype(np.float64)))
    if gradient is None:
        return GradientRow(name, node.shape, size, None, 1.0, str(why_no_gradient(loss, node)))
    norm = float(np.linalg.norm(np.ravel(gradient).astype(np.float64)))
    zeros = float(np.mean(gradient == 0)) if gradient.size else 0.0
    remark = _remark(size, norm)
    if remark in _EXPLAINED:
        causes = why_gradient(loss, node, feed).causes
        remark = f"{remark}: {causes[0]}" if causes else remark
    return GradientRow(name, node.shape, size, norm, zeros, remark)


def _remark(size: float, norm: float) -> str:
    if not math.isfinite(norm):
        return "not finite: explain_nonfinite(gradient) says where from"
    if norm == 0:
        return "zero everywhere"
    if norm < VANISHING * max(size, VANISHING):
        return "vanishing"
    if size and norm > EXPLODING * size:
        return "exploding"
    return ""


_EXPLAINED = ("zero everywhere", "vanishing", "exploding")
