"""How far two engines may be apart on a whole graph, from how far they may be apart on each op.

Stochastic arithmetic: the stepper runs the graph again and again, each value moved up or down by what its op
is allowed, and what comes of it shows how the graph passes the ops' errors on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.engines.stepper import run_op
from chainrule.engines.xla.tolerances import FLUSHED, allowance
from chainrule.graph import Array, Leaf, leaf_value, topological
from chainrule.ops import expand

RUNS = 6
MARGIN = 2.0
"""The moves that were tried are not the worst ones."""


def bounds(targets: Sequence[cr.Node], environment: dict[Any, Array]) -> list[Array]:
    """For each target, how far from the stepper's value another engine's may lie, element by element."""
    targets = expand(targets)
    order, rng = topological(targets), np.random.default_rng(1)
    clean, own, spread = {}, {}, {}
    with np.errstate(all="ignore"):
        for node in order:
            if isinstance(node.op, Leaf):
                clean[node] = leaf_value(node, environment)
                continue
            inputs = [clean[child] for child in node.inputs]
            clean[node] = run_op(node, inputs)
            own[node] = allowance(node, inputs, clean[node])
            spread[node] = np.zeros(node.shape)
        for _ in range(RUNS):
            moved = {node: clean[node] for node in order if isinstance(node.op, Leaf)}
            for node in order:
                if node not in moved:
                    value = run_op(node, [moved[child] for child in node.inputs])
                    spread[node] = np.maximum(spread[node], distance(value, clean[node]))
                    sides = np.where(rng.random(node.shape) < 0.5, -1.0, 1.0)
                    moved[node] = np.where(own[node] > 0, value + sides * own[node], value).astype(node.dtype)
    return [own.get(t, np.zeros(t.shape)) + MARGIN * spread.get(t, np.zeros(t.shape)) for t in targets]


def distance(a: Array, b: Array) -> Array:
    """|a - b|, 0 where they are the same infinity or both NaN."""
    if a.dtype.kind != "f":
        return (a != b).astype(np.float64)
    with np.errstate(all="ignore"):
        off = np.abs(a.astype(np.longdouble) - b.astype(np.longdouble)).astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    return np.where(same, 0.0, np.where(np.isnan(off), np.inf, off))


def assert_within(found: Array, wanted: Array, bound: Array, what: str) -> None:
    """``found`` is ``wanted`` up to the bound, and what is not finite is the same."""
    assert found.dtype == wanted.dtype, what
    assert found.shape == wanted.shape, what
    off = distance(found, wanted)
    if wanted.dtype.kind == "f":
        bound = np.where(np.isfinite(wanted), bound + FLUSHED * np.finfo(wanted.dtype).tiny, 0.0)
        assert np.isfinite(bound).all(), f"{what}: a bound that says nothing"
    if (off > bound).any():
        at = np.unravel_index(np.argmax(off - bound), off.shape)
        raise AssertionError(f"{what}: {found[at]!r} is not {wanted[at]!r} ± {bound[at]!r}, at {at}")
