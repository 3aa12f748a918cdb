"""Which node's rule is wrong: each node's own derivative is checked at the values it really had.

The walk goes in topological order and stops at the first op that disagrees with itself, so an error is
named where it is made and not where it is seen.  Within the op the entry is found by bisection: two
evaluations for each halving, whatever the size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..dtypes import is_float
from ..engines.differences import KINK, UNCERTAIN, WRONG
from ..engines.stepper import run_op
from ..graph import (
    Array,
    Constant,
    Environment,
    Leaf,
    Node,
    apply,
    depending_on,
    leaf_value,
    placeholder,
    topological,
)
from ..ops import Composite, parts
from ..ops.casts import StopGradient
from .compare import Comparison, Tolerance, compare
from .probe import Probe
from .shrink import MOST, Alone, smallest
from .slips import slip

Index = tuple[int, ...]


class Fault(NamedTuple):
    """One entry of one node's own Jacobian: a rule that is wrong, or a place where there is no derivative."""

    node: Node
    input: int
    """Which of the node's inputs."""
    entry: Index
    """The entry of that input."""
    output_entry: Index
    at: float
    analytic: float
    numerical: float
    left: float
    right: float
    is_kink: bool
    hint: str = ""
    smallest: tuple[str, ...] = ()
    """The smallest case that fails, as lines."""

    def __str__(self) -> str:
        x = self.node.inputs[self.input]
        where = f"{self.node.op.name}, input {self.input} ({x.label}, shape {x.shape})"
        if self.entry:
            where += f", entry {list(self.entry)}"
        if self.is_kink:
            return (
                f"{where}: slope {self.left:.6g} on the left of {self.at:.6g}, "
                f"{self.right:.6g} on the right; the rule takes {self.analytic:.6g}"
            )
        target = f" of output entry {list(self.output_entry)}" if self.output_entry else ""
        lines = [
            f"{where}, whose value is {self.at:.6g}: derivative{target}",
            f"    analytic {self.analytic:.10g}   numerical {self.numerical:.10g}   {self._ratio()}",
        ]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        lines += [f"  {line}" for line in self.smallest]
        return "\n".join(lines)

    def _ratio(self) -> str:
        if self.analytic and self.numerical and np.isfinite(self.numerical):
            return f"ratio {self.analytic / self.numerical:.6g}"
        return f"difference {self.analytic - self.numerical:.6g}"


def find_faults(
    outputs: Sequence[Node],
    inputs: Sequence[Node],
    environment: Environment,
    tolerance: Tolerance,
    rng: np.random.Generator,
) -> list[Fault]:
    """The first node whose own rule is wrong; failing that, all the kinks met on the way."""
    order = topological(outputs)
    values = dict(environment)
    with np.errstate(all="ignore"):
        for node in order:
            if node in values:
                continue
            if isinstance(node.op, Leaf):
                values[node] = leaf_value(node, values)
            else:
                values[node] = run_op(node, [values[child] for child in node.inputs])
    on_path = depending_on(order, inputs)
    kinks: list[Fault] = []
    for node in order:
        if not node.inputs or node not in on_path or not is_float(node.dtype):
            continue
        if isinstance(node.op, StopGradient):
            continue
        fault = _check_node(node, [child in on_path for child in node.inputs], values, tolerance, rng)
        if fault is None:
            continue
        if not fault.is_kink:
            return [fault]
        kinks.append(fault)
    return kinks


def _check_node(
    node: Node, active: Sequence[bool], values: Environment, tolerance: Tolerance, rng: np.random.Generator
) -> Fault | None:
    positions = [
        number for number, child in enumerate(node.inputs) if active[number] and is_float(child.dtype)
    ]
    if not positions or not node.size:
        return None
    stand_ins = [
        child if isinstance(child, Constant) else placeholder(child.shape, child.dtype, name=child.label)
        for child in node.inputs
    ]
    alone = apply(node.op, *stand_ins, **node.attributes)
    bound: Environment = {
        p: values[child]
        for p, child in zip(stand_ins, node.inputs, strict=True)
        if not isinstance(p, Constant)
    }
    wrt = [stand_ins[number] for number in positions]
    with np.errstate(all="ignore"):
        fault = _check_alone(node, alone, wrt, positions, bound, tolerance, rng)
        if fault is None or not isinstance(node.op, Composite) or node.op.has_own_derivative():
            return fault
        inner = find_faults([parts(alone)], wrt, bound, tolerance, rng)
    return inner[0] if inner else fault


def _check_alone(
    node: Node,
    alone: Node,
    wrt: Sequence[Node],
    positions: Sequence[int],
    bound: Environment,
    tolerance: Tolerance,
    rng: np.random.Generator,
) -> Fault | None:
    probe = Probe([alone], wrt, bound)
    if not probe.n or _agrees(probe, tolerance, rng):
        return None
    found = _pinpoint(probe, tolerance, rng)
    if found is None or found[2].verdict[0] == UNCERTAIN:
        return None
    if found[2].verdict[0] == KINK:
        kink = _fault(node, probe, positions, found, is_kink=True)
        # The rule may still be wrong off the kink: it is asked again at a point nearby.
        nearby = {
            x: (
                v + 0.01 * rng.standard_normal(v.shape).astype(v.dtype) * np.maximum(np.abs(v), 0.1)
                if x in wrt
                else v
            ).astype(v.dtype)
            for x, v in bound.items()
        }
        probe = Probe([alone], wrt, nearby)
        if not np.isfinite(probe.base).all() or _agrees(probe, tolerance, rng):
            return kink
        found = _pinpoint(probe, tolerance, rng)
        if found is None or found[2].verdict[0] != WRONG:
            return kink
    fault = _fault(node, probe, positions, found, is_kink=False, rng=rng)
    return _shrunk(fault, alone, wrt, positions, bound, tolerance, rng)


def _shrunk(
    fault: Fault,
    alone: Node,
    wrt: Sequence[Node],
    positions: Sequence[int],
    bound: Environment,
    tolerance: Tolerance,
    rng: np.random.Generator,
) -> Fault:
    """The fault with the smallest shapes that show it, and a hint from them where it has none."""

    def fails(probe: Probe) -> bool:
        if _agrees(probe, tolerance, rng):
            return False
        found = _pinpoint(probe, tolerance, rng)
        return found is not None and found[2].verdict[0] == WRONG

    values = [x.array if isinstance(x, Constant) else bound[x] for x in alone.inputs]
    whole = Alone(alone, alone.inputs, tuple(values), tuple(positions))
    least = smallest(whole, fails, {fault.input: fault.entry})
    if least is None:
        return fault
    told = fault.hint
    if not told and sum(x.size for x in wrt) > MOST:
        probe = least.moderate.probe()
        told = slip(
            least.moderate.node, probe, positions, positions.index(fault.input), random_pair(probe, rng)[1]
        )
    return fault._replace(hint=told, smallest=tuple(least.lines()))


def random_pair(probe: Probe, rng: np.random.Generator) -> tuple[Array, Array]:
    """A direction for the inputs, scaled to their magnitudes, and weights for the outputs."""
    t = rng.standard_normal(probe.n) if probe.n > 1 else np.ones(1)
    u = rng.standard_normal(probe.m) if probe.m > 1 else np.ones(probe.m)
    return t * np.maximum(1.0, np.abs(probe.point)) if probe.n > 1 else t, u


def _agrees(probe: Probe, tolerance: Tolerance, rng: np.random.Generator) -> bool:
    for _ in range(2):
        t, u = random_pair(probe, rng)
        if not compare(probe, t, probe.pullback(u) @ t, tolerance, u).agrees:
            return False
    return True


_Found = tuple[int, int, Comparison]


def _pinpoint(probe: Probe, tolerance: Tolerance, rng: np.random.Generator) -> _Found | None:
    """One (input entry, output entry) at which the derivatives differ; a wrong one rather than a kink."""
    t, u = random_pair(probe, rng)
    gradient = probe.pullback(u)

    def differs_in(chosen: Array) -> bool:
        along = np.where(chosen, t, 0.0)
        return not compare(probe, along, gradient @ along, tolerance, u).agrees

    j = _bisect(probe.n, differs_in)
    if j is None:
        return None
    unit = np.zeros(probe.n)
    unit[j] = 1.0

    def differs_out(chosen: Array) -> bool:
        weights = np.where(chosen, u, 0.0)
        return not compare(probe, unit, probe.pullback(weights) @ unit, tolerance, weights).agrees

    i = _bisect(probe.m, differs_out)
    if i is None:
        return None
    weights = np.zeros(probe.m)
    weights[i] = 1.0
    return j, i, compare(probe, unit, probe.pullback(weights) @ unit, tolerance, weights)


def _bisect(size: int, differs: Callable[[Array], bool]) -> int | None:
    """A place of ``range(size)`` that makes ``differs`` true by itself, if halving leads to one."""
    low, high = 0, size
    index = np.arange(size)
    if not differs(index >= 0):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if differs((index >= low) & (index < middle)):
            high = middle
        elif differs((index >= middle) & (index < high)):
            low = middle
        else:
            return None
    return low


def _fault(
    node: Node,
    probe: Probe,
    positions: Sequence[int],
    found: _Found,
    *,
    is_kink: bool,
    rng: np.random.Generator | None = None,
) -> Fault:
    j, i, comparison = found
    number, entry = locate(j, probe.inputs)
    told = "" if is_kink or rng is None else slip(node, probe, positions, number, random_pair(probe, rng)[1])
    return Fault(
        node=node,
        input=positions[number],
        entry=entry,
        output_entry=locate(i, probe.outputs)[1],
        at=float(probe.point[j]),
        analytic=float(comparison.analytic[0]),
        numerical=float(comparison.numerical.value[0]),
        left=float(comparison.numerical.left[0]),
        right=float(comparison.numerical.right[0]),
        is_kink=is_kink,
        hint=told,
    )


def locate(position: int, nodes: Sequence[Node]) -> tuple[int, Index]:
    """Which node, and which of its entries, a place of the flat vector is."""
    for number, node in enumerate(nodes):
        if position < node.size:
            return number, tuple(int(i) for i in np.unravel_index(position, node.shape)) if node.shape else ()
        position -= node.size
    raise IndexError(position)
