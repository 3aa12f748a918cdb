"""What ops do with a gradient that their formulas do not say at a glance."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...graph import Node
from .regions import Region

_NOTES = {
    ("take", 0): "each row receives the sum over the places where it was looked up, the other rows 0",
    ("max", 0): "it goes to the first place that attains the maximum",
    ("min", 0): "it goes to the first place that attains the minimum",
    ("max_pool", 0): "each window passes it to its first maximum",
    ("average_pool", 0): "each window shares it out evenly",
    ("convolution", 0): "each place receives it from all windows that read it",
    ("convolution", 1): "the windows as rows, against the error signal",
    ("concat", 0): "each part receives its own stretch",
    ("dropout", 0): "only what was kept passes it on",
}


def note_of(node: Node, used: Sequence[Region]) -> str:
    """A remark on how a node's gradient comes about."""
    if len(used) > 1:
        return f"one term for each of the {len(used)} equations that read it"
    reader, child = used[0].node, node
    for each in used[0].opened:  # the one that reads it
        if any(other is node for other in each.inputs):
            reader = each
            break
    kind = reader.op.name
    place = next(n for n, other in enumerate(reader.inputs) if other is child)
    if kind in ("add", "subtract") and child.ndim < reader.ndim and child.ndim:
        rows = math.prod(reader.shape[: reader.ndim - child.ndim])
        return f"summed over the {rows} rows that it is added to"
    return _NOTES.get((kind, 0 if kind == "concat" else place), "")
