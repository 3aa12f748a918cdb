"""The numerical gradient beside the analytic one: each node nudged entry by entry, in float64.

A node's gradient is the derivative of the output with respect to that node alone, so a nudge is put on
the node's value and only what lies downstream is computed again.  Among the parts of a composite the
output is upstream · (the composite's value).  ``stop_gradient`` means "constant here": its values are held.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...dtypes import float64, is_float
from ...engines.differences import AGREES, KINK, UNCERTAIN, WRONG, Difference, central, judge, steps
from ...engines.trace import Step, Trace
from ...errors import ChainruleError
from ...graph import Array, Constant, Leaf, Node, topological
from ...ops.casts import StopGradient

_RTOL, _ATOL = 1e-6, 1e-8  # as the gradient check has them in float64
_QUOTAS = (4096, 1024, 256, 64, 16, 4, 1)
_MOST_OPS, _MOST_ELEMENTS = 80_000, 100_000_000
"""What the check may cost: ops run again, and elements that they compute."""
_LONGEST_WALK = 1_000_000
"""Nodes that the walks to what lies downstream may visit."""
_EVALUATIONS = 4  # of the downstream ops, for one entry

Values = Mapping[Node, Array]


class Check(NamedTuple):
    """A node's numerical gradient, held against the analytic one."""

    entries: Array | None
    """Which entries were checked (flat numbers); None: all."""
    numeric: Array
    """In the node's shape where all were checked, else one for each of ``entries``."""
    worst: float
    """The largest difference to the recorded gradient, places without a derivative aside."""
    agrees: bool
    note: str
    """What else is to be said: kinks, rounding."""


class Checks:
    """The checks of a trace and of the traces inside its composites."""

    def __init__(self, trace: Trace) -> None:
        self._found: dict[tuple[int, Node], Check] = {}
        self._recorded: dict[Node, Array] = {}
        self._live: dict[Node, bool] = {}
        self._scopes: dict[Node, _Scope] = {}
        self._base: dict[Node, Array] = {}
        with np.errstate(all="ignore"):
            self._collect(trace, frozenset())
            wanted = sorted(self._wanted(trace, None, frozenset()), key=_late)
            quota, targets = _affordable(_measured(wanted))
            for target in targets:
                self._found[id(target.trace), target.step.node] = self._check(target, quota)

    def of(self, trace: Trace, node: Node) -> Check | None:
        """The check of a node of ``trace``, which may be one inside a composite."""
        return self._found.get((id(trace), node))

    # -- the values in float64 ---------------------------------------------------------------------

    def _collect(self, trace: Trace, given: frozenset[Node]) -> None:
        """The forward values in float64; what depends on no float leaf stays as recorded."""
        for step in trace:
            if step.node in given:
                continue
            self._recorded[step.node] = step.value
            if step.inside is not None:
                self._scopes[step.node] = _Scope(self, step.node, step.inside)
                self._collect(step.inside, frozenset(step.node.inputs))
            self._value(step.node)

    def _value(self, node: Node) -> Array:
        """The value of a node whose inputs have theirs."""
        known = self._base.get(node)
        if known is not None:
            return known
        recorded = self._recorded.get(node)
        if isinstance(node.op, Leaf):
            self._live[node] = not isinstance(node, Constant) and is_float(node.dtype)
            if recorded is None:
                assert isinstance(node, Constant)
                recorded = node.array
        else:
            self._live[node] = any(self._live[child] for child in node.inputs)
        if recorded is not None and (isinstance(node.op, Leaf) or not self._live[node]):
            value = recorded.astype(np.float64) if is_float(node.dtype) else recorded
        else:
            value = self.run(node, [self._base[child] for child in node.inputs])
        self._base[node] = value
        return value

    def is_live(self, node: Node) -> bool:
        """Whether the node depends on a float leaf, so that it changes with one."""
        return self._live[node]

    def run(self, node: Node, values: Sequence[Array]) -> Array:
        """The node's value from other values of its inputs, composites through their parts."""
        scope = self._scopes.get(node)
        if scope is not None:
            return scope.run(dict(zip(node.inputs, values, strict=True)))
        attributes = {
            key: float64 if isinstance(value, np.dtype) and is_float(value) else value
            for key, value in node.attributes.items()
        }
        result = np.asarray(node.op.forward(np, *values, **attributes))
        return result.astype(np.float64, copy=False) if result.dtype.kind == "f" else result

    def base(self, node: Node) -> Array:
        """The value at the point, in float64; of the backward pass too."""
        if node not in self._base:
            for needed in topological([node], stop=self._base.__contains__):
                self._value(needed)
        return self._base[node]

    # -- what is checked ---------------------------------------------------------------------------

    def _wanted(self, trace: Trace, owner: Step | None, given: frozenset[Node]) -> Iterator[_Wanted]:
        """Every node that has a gradient, the parts of composites included."""
        seed = None if owner is None else owner.cotangent
        if owner is not None and seed is None:
            return
        readers: dict[Node, list[Node]] = {}
        place: dict[Node, int] = {}
        for step in trace:
            if step.node not in given:
                place[step.node] = len(place)
                for child in step.node.inputs:
                    readers.setdefault(child, []).append(step.node)
        for step in trace:
            if step.node in given:
                continue
            if step.cotangent is not None and step.node.size:
                yield _Wanted(trace, step, seed, readers, place)
            if step.inside is not None:
                yield from self._wanted(step.inside, step, frozenset(step.node.inputs))

    def _check(self, target: _Target, quota: int) -> Check:
        step, node = target.step, target.step.node
        assert step.cotangent is not None
        assert step.gradient is not None
        analytic = np.ravel(np.broadcast_to(self.base(step.cotangent), node.shape))
        recorded = np.ravel(step.gradient).astype(np.float64)
        entries = _chosen(recorded, quota)
        moved = self.base(node).astype(np.float64, order="C")
        flat = moved.reshape(-1)
        assert np.shares_memory(flat, moved)
        weight = None if target.seed is None else self.base(target.seed)
        here = self._output(target, {}, weight)
        numeric = np.zeros(len(entries))
        verdicts = np.zeros(len(entries), int)
        for k, entry in enumerate(entries):
            at = flat[entry]
            scale = max(1.0, abs(at)) if np.isfinite(at) else 1.0

            def f(t: float, at: Any = at, entry: Any = entry, scale: float = scale) -> Array:
                flat[entry] = at + t * scale
                try:
                    return self._output(target, {node: moved}, weight)
                except ChainruleError:  # an index that the nudge moved out of its range
                    return np.full(1, np.nan)

            best: Difference | None = None
            wanted = np.atleast_1d(analytic[entry] * scale)
            for h in steps(float(np.finfo(np.float64).eps)):
                found = central(f, here, h, float(np.finfo(np.float64).eps))
                best = found if best is None else best.better_of(found)
                verdicts[k] = judge(wanted, best, _RTOL, _ATOL)[0]
                if verdicts[k] == AGREES:
                    break
            assert best is not None
            flat[entry] = at
            numeric[k] = best.value[0] / scale
        return _verdict(step, entries, numeric, verdicts)

    def _output(self, target: _Target, moved: Mapping[Node, Array], weight: Array | None) -> Array:
        values = dict(moved)
        for node in target.downstream if moved else ():
            arguments = [values[c] if c in values else self._base[c] for c in node.inputs]
            values[node] = self.run(node, arguments)
        root = target.trace.output
        value = values.get(root, self._base[root])
        return np.atleast_1d(np.sum(value if weight is None else weight * value))


class _Scope:
    """The parts of a composite, to be run on other inputs."""

    def __init__(self, checks: Checks, node: Node, trace: Trace) -> None:
        self._checks, self._output = checks, trace.output
        given = frozenset(node.inputs)
        order = [step.node for step in trace if step.node not in given]
        # What does not depend on a float stays as it was: a mask is not drawn again.
        reached = {child for child in given if checks.is_live(child)}
        self._order = []
        for part in order:
            if any(child in reached for child in part.inputs) and not isinstance(part.op, StopGradient):
                reached.add(part)
                self._order.append(part)

    def run(self, values: dict[Node, Array]) -> Array:
        for node in self._order:
            arguments = [values[c] if c in values else self._checks.base(c) for c in node.inputs]
            values[node] = self._checks.run(node, arguments)
        return values[self._output] if self._output in values else self._checks.base(self._output)


class _Wanted(NamedTuple):
    """A node to be checked."""

    trace: Trace
    step: Step
    seed: Node | None
    """Inside a composite: the node of the gradient that its value has."""
    readers: Mapping[Node, Sequence[Node]]
    place: Mapping[Node, int]


class _Target(NamedTuple):
    """A node to be checked, and what must be run again for it."""

    trace: Trace
    step: Step
    seed: Node | None
    downstream: list[Node]
    elements: int

    def cost(self, quota: int) -> tuple[int, int]:
        """Ops to run again and elements to compute, for so many entries."""
        runs = _EVALUATIONS * min(quota, self.step.node.size)
        return runs * (len(self.downstream) + 1), runs * self.elements


def _late(wanted: _Wanted) -> bool:
    """The leaves come first, where not all can be checked."""
    return not isinstance(wanted.step.node.op, Leaf)


def _measured(wanted: Sequence[_Wanted]) -> list[_Target]:
    """The nodes with what lies downstream of them, as many as a walk of some length finds."""
    targets, walked = [], 0
    for trace, step, seed, readers, place in wanted:
        downstream = _downstream(step.node, readers, place)
        walked += len(downstream)
        if walked > _LONGEST_WALK:
            break
        elements = step.node.size + sum(node.size for node in downstream)
        targets.append(_Target(trace, step, seed, downstream, elements))
    return targets


def _downstream(node: Node, readers: Mapping[Node, Sequence[Node]], place: Mapping[Node, int]) -> list[Node]:
    """What a change of ``node`` changes, in topological order; a ``stop_gradient`` passes no change on."""
    found: set[Node] = set()
    waiting = [node]
    while waiting:
        for reader in readers.get(waiting.pop(), ()):
            if reader not in found and not isinstance(reader.op, StopGradient):
                found.add(reader)
                waiting.append(reader)
    return sorted(found, key=place.__getitem__)


def _affordable(targets: list[_Target]) -> tuple[int, list[_Target]]:
    """How many entries of each node can be checked; where not even one of each, the leaves come first."""
    for quota in _QUOTAS:
        costs = [target.cost(quota) for target in targets]
        if sum(c[0] for c in costs) <= _MOST_OPS and sum(c[1] for c in costs) <= _MOST_ELEMENTS:
            return quota, targets
    ops = elements = 0
    kept = []
    for target in targets:
        more_ops, more_elements = target.cost(1)
        if ops + more_ops <= _MOST_OPS and elements + more_elements <= _MOST_ELEMENTS:
            ops, elements = ops + more_ops, elements + more_elements
            kept.append(target)
    return 1, kept


def _chosen(gradient: Array, quota: int) -> Array:
    """All entries, or the ``quota`` of them with the largest gradients and evenly spaced ones."""
    if gradient.size <= quota:
        return np.arange(gradient.size)
    largest = np.argpartition(-np.abs(gradient), quota)[: (quota + 1) // 2]
    spaced = np.linspace(0, gradient.size - 1, quota, dtype=np.int64)
    rest = spaced[~np.isin(spaced, largest)]
    # Without the ends of the rest where both together are too many: evenly, again.
    room = quota - len(largest)
    rest = rest[np.linspace(0, len(rest) - 1, room, dtype=np.int64)] if room else rest[:0]
    return np.unique(np.concatenate([largest, rest]))


def _verdict(step: Step, entries: Array, numeric: Array, verdicts: Array) -> Check:
    assert step.gradient is not None
    node, recorded = step.node, np.ravel(step.gradient).astype(np.float64)
    # What cancels is only as exact as the terms that cancel.
    upstream = [float(np.max(np.abs(c.upstream), initial=0.0)) for c in step.contributions]
    scale = max([float(np.max(np.abs(recorded), initial=0.0)), *upstream])
    finite = np.isfinite(numeric) & np.isfinite(recorded[entries])
    kinks, unclear = finite & (verdicts == KINK), finite & (verdicts == UNCERTAIN)
    smooth = finite & ~kinks
    apart = np.abs(recorded[entries] - numeric, where=smooth, out=np.zeros(len(entries)))
    notes = []
    if not finite.all():
        notes.append(f"not finite at {int((~finite).sum())} of them")
    if kinks.any():
        notes.append(f"no derivative at {int(kinks.sum())} of them (a kink): the rule takes one side's slope")
    if unclear.any():
        notes.append(f"too small to tell from rounding at {int(unclear.sum())}")
    if float(np.max(apart, initial=0.0)) > 1e-2 * scale:
        notes.append(f"rounding in {node.dtype.name} moved the recorded gradient by more than 1 %")
    whole = len(entries) == recorded.size
    return Check(
        None if whole else entries,
        numeric.reshape(node.shape) if whole else numeric,
        float(np.max(apart, initial=0.0)),
        not (finite & (verdicts == WRONG)).any(),
        "; ".join(notes),
    )
