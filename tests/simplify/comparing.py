"""Both sides of a rewrite, run by the stepper on the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.engines.stepper import Stepper

#: What arithmetic treats specially, beside ordinary numbers.
AWKWARD = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, -1e308, 1e308, 2.5, -3.0, 710.0, -746.0]


def awkward(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Any:
    """An array in which special values stand among ordinary ones; integers and truths at random."""
    kind = np.dtype(dtype).kind
    if kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if kind in "iu":
        return rng.integers(0 if kind == "u" else -3, 4, shape).astype(dtype)
    values = np.where(rng.random(shape) < 0.5, rng.choice(AWKWARD, shape), rng.normal(size=shape))
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(values).astype(dtype)


def tame(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Any:
    """Ordinary numbers."""
    if np.dtype(dtype).kind == "f":
        return np.asarray(rng.normal(size=shape)).astype(dtype)
    return awkward(rng, shape, dtype)


def leaves_of(nodes: Sequence[cr.Node]) -> list[cr.Placeholder]:
    return [node for node in cr.graph.topological(nodes) if isinstance(node, cr.Placeholder)]


def values(nodes: Sequence[cr.Node], feed: dict[Any, Any]) -> list[Any]:
    """The values, every node computed as it stands (composites by their parts)."""
    return Stepper(nodes).run(dict(feed))


def same_bits(a: Any, b: Any, *, zeros: bool = True) -> bool:
    """Equal elements, NaN for NaN; of zeros the sign too, unless it does not count."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    alike = (a == b) & (~zeros | (np.signbit(a) == np.signbit(b)))
    return bool(np.all(alike | (np.isnan(a) & np.isnan(b))))


def identical(found: Sequence[cr.Node], wanted: Sequence[cr.Node]) -> bool:
    """The very same nodes; ``==`` of nodes is elementwise."""
    return len(found) == len(wanted) and all(a is b for a, b in zip(found, wanted, strict=True))


def op_names(nodes: Sequence[cr.Node]) -> list[str]:
    return [node.op.name for node in cr.graph.topological(nodes)]
