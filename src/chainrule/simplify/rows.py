"""Updates of tables of which a batch touches few rows: only those are visited.

Given updates ``v → f(v, …, G)`` whose only gradient G is a sum of scatter_adds into zeros, and in which
every row of the result depends on that row alone, each f is evaluated in thought with G = 0.  Where that
leaves v as it is, a row that the batch does not touch need not be looked at.  Where it leaves v times a
constant (the running mean of Adadelta or RMSProp), the row can be caught up with a power of the constant
when it is next touched, or all of them when somebody looks: see :class:`CatchUp`.

A table that is looked up more often than it has rows, such as one of characters, is updated as a whole.

The proof takes for granted what training demands anyway: that rates and the state of untouched rows are
finite.  Anything that it cannot prove stays dense.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from .. import ops
from ..dtypes import float64, int32, is_float
from ..graph import (
    Node,
    Variable,
    constant,
    consumers,
    depending_on,
    derived_from,
    rebuilt,
    topological,
    variable,
)
from ..ops import add_rows, put_rows, reshape, take
from ..ops.rows import Look, gathered, looks_of
from ..rewrite import Journal, RuleSet, anything, rewrite
from .algebra import EXACT, FOLDING
from .language import GRAPH, a_constant, is_elementwise, key, number, pattern, rules_of
from .movement import MOVEMENT

Updates = Mapping[Variable, Node]


# -- what a row of an update depends on --------------------------------------------------------------------


class RowWise(NamedTuple):
    """An update taken apart: what is computed row by row, from what."""

    body: list[Node]
    """The nodes of the table's shape that are computed element by element, in order."""
    gradient: Node
    """The sum of scatters that they read."""
    tables: list[Node]
    """What else they read that has the table's rows."""


_Looks = dict[Node, list[Look] | None]


def _is_gradient(found: Node, looks: _Looks) -> bool:
    if found not in looks:
        looks[found] = looks_of(found) if key(found) in ("add", "scatter_add") else None
    return looks[found] is not None


def _row_wise(new: Node, looks: _Looks) -> RowWise | None:
    """The part of an update that works row by row; None if that reads no, or several, sparse gradients."""

    def ends(found: Node) -> bool:
        return found.shape != new.shape or not is_elementwise(found) or _is_gradient(found, looks)

    order = topological([new], stop=ends)
    body = [found for found in order if not ends(found)]
    read = [found for found in order if ends(found) and _has_rows(found, new)]
    sums = [found for found in read if found.shape == new.shape and _is_gradient(found, looks)]
    if len(sums) != 1 or not body:
        return None
    return RowWise(body, sums[0], [found for found in read if found is not sums[0]])


def _has_rows(found: Node, new: Node) -> bool:
    """Whether the first axis is the table's, and not one that broadcasting stretches or puts there."""
    return found.ndim == new.ndim and found.shape[0] == new.shape[0]


def _evaluated(parts: RowWise, values: dict[Node, Node]) -> Node:
    """The update with other nodes in the place of the gradient and the tables."""
    values = dict(values)
    for found in parts.body:
        values[found] = rebuilt(found, tuple([values.get(child, child) for child in found.inputs]))
    return values[parts.body[-1]]


# -- the proof ---------------------------------------------------------------------------------------------


def _positive(found: Node, depth: int = 6) -> bool:
    """Whether finite elements of the node are above 0, as far as a short look shows."""
    if (value := number(found)) is not None:
        return bool(value > 0)
    kind, inputs = key(found), found.inputs
    if not depth:
        return False
    if kind == "add":
        a, b = inputs
        return (_positive(a, depth - 1) and _not_negative(b, depth - 1)) or (
            _positive(b, depth - 1) and _not_negative(a, depth - 1)
        )
    if kind in ("sqrt", "square", "cast"):
        return _positive(inputs[0], depth - 1)
    return kind == "maximum" and any(_positive(child, depth - 1) for child in inputs)


def _not_negative(found: Node, depth: int) -> bool:
    """Whether finite elements of the node are 0 or above."""
    if (value := number(found)) is not None:
        return bool(value >= 0)
    kind = key(found)
    if kind in ("sqrt", "square", "abs", "exp", "sigmoid"):
        return True
    if kind == "maximum" and depth:
        return any(_not_negative(child, depth - 1) for child in found.inputs)
    return _positive(found, depth)


_proof = rules_of("proof")
_NIL = a_constant(lambda found: number(found) == 0)


def _nil(root: Node) -> Node:
    return constant(0, root.dtype)


PROOF = RuleSet([
    _proof("0 · x = 0, x finite", pattern("multiply", "x", _NIL), lambda root, x: _nil(root)),
    _proof("0 / x = 0, x > 0", pattern("divide", _NIL, anything("x", _positive)), lambda root, x: _nil(root)),
    _proof("x + 0 = x", pattern("add", "x", _NIL), lambda x: x),
    _proof("x - 0 = x", pattern("subtract", "x", _NIL), lambda x: x),
    _proof("0 - x = -x", pattern("subtract", _NIL, "x"), lambda x: -x),
    *EXACT, *FOLDING, *MOVEMENT,
])  # fmt: skip
"""What may be used to show that a row stays as it is: identities of finite numbers."""


def _untouched(old: Variable, parts: RowWise) -> Node:
    """The update of a row that receives no gradient."""
    none = constant(0, parts.gradient.dtype)
    return rewrite([_evaluated(parts, {parts.gradient: none})], PROOF, GRAPH)[0]


def _decay(old: Variable, untouched: Node) -> float | None:
    """The constant factor by which a row without gradient shrinks: 1 if it stays, None if it is none such."""
    if untouched is old:
        return 1.0
    if number(untouched.inputs[0] if key(untouched) == "broadcast_to" else untouched) == 0:
        return 0.0
    if key(untouched) == "multiply":
        factor, other = untouched.inputs if untouched.inputs[1] is old else untouched.inputs[::-1]
        value = number(factor)
        if other is old and value is not None and 0 <= value <= 1:
            return float(value)
    return None


# -- updates that are a step along the gradient ------------------------------------------------------------


def _step(old: Variable, parts: RowWise, looks: Sequence[Look]) -> Node | None:
    """``v ± L(G)``, L linear and alike for all rows: values added to rows, one look-up at a time."""
    last = parts.body[-1]
    if parts.tables != [old] or key(last) not in ("add", "subtract"):
        return None
    base, along = last.inputs
    if base is not old and key(last) == "add":
        base, along = along, base
    if base is not old:
        return None
    way: list[tuple[Node, Node]] = []  # from the top: the node, and the operand that leads to the gradient
    while along is not parts.gradient:
        operands = [child for child in along.inputs if child.shape == old.shape]
        linear = key(along) in ("multiply", "negative") or (
            key(along) == "divide" and along.inputs[0] is operands[0]
        )
        if len(operands) != 1 or not linear:
            return None
        way.append((along, operands[0]))
        along = operands[0]
    new: Node = old
    for values, indices in looks:
        for found, operand in reversed(way):
            values = rebuilt(found, tuple([values if child is operand else child for child in found.inputs]))
        new = add_rows(new, values if key(last) == "add" else -values, indices)
    return new


# -- updates that visit rows -------------------------------------------------------------------------------


@dataclass
class CatchUp:
    """What lets decaying state of untouched rows wait: a clock, and when each row was last brought up to it.

    ``flush`` are updates that bring every row up to the present and set the clock back to 0: an engine
    runs them before anybody looks at those variables.
    """

    clock: Variable | None = None
    updates: dict[Variable, Node] = field(default_factory=dict)
    flush: dict[Variable, Node] = field(default_factory=dict)

    def factors(self, length: int, name: str) -> tuple[Variable, Variable]:
        """The clock, and a new variable of when each of ``length`` rows was last up to date."""
        if self.clock is None:
            self.clock = variable(np.zeros((), np.int32), name="clock")
            self.updates[self.clock] = self.clock + 1
            self.flush[self.clock] = constant(0, int32)
        last = variable(np.zeros(length, np.int32), name=f"{name}.last")
        self.flush[last] = ops.broadcast_to(constant(0, int32), (length,))
        return self.clock, last


def _power(decay: float, missed: Node, like: Node) -> Node:
    """``decay ** missed`` for each row, computed in float64, to multiply rows of ``like`` by."""
    powers = ops.astype(ops.pow(constant(decay, float64), ops.astype(missed, float64)), like.dtype)
    return reshape(powers, (*powers.shape, *(1,) * (like.ndim - 1)))


def _visiting(
    group: Mapping[Variable, RowWise],
    decays: Mapping[Variable, float],
    looks: Sequence[Look],
    waiting: CatchUp,
) -> dict[Variable, Node]:
    """The updates of a table and its state, for the rows that the look-ups name."""
    length = next(iter(group)).shape[0]
    sums, indices, first = gathered(looks, length)
    rows: dict[Node, Node] = {}
    for old, parts in group.items():
        rows.update({found: take(found, indices, axis=0) for found in (old, *parts.tables)})
    late = [old for old in group if decays[old] != 1.0]
    new: dict[Variable, Node] = {}
    if late:
        clock, last = waiting.factors(length, late[0].label)
        missed = clock - take(last, indices, axis=0)
        for old in late:
            rows[old] = rows[old] * _power(decays[old], missed, old)
            waiting.flush[old] = old * _power(decays[old], clock - last, old)
        new[last] = put_rows(last, clock + 1, indices, first)
    for old, parts in group.items():
        new[old] = put_rows(old, _evaluated(parts, {parts.gradient: sums, **rows}), indices, first)
    return new


_STEP = "x ± (added rows), times rates: added to those rows of x"
_TOUCHED = "only the rows that a batch touches are updated"
_WAITS = "rows that no batch touches wait, and are caught up when one does"


def visit_touched_rows(
    outputs: Sequence[Node], updates: Updates, journal: Journal, *, catch_up: bool
) -> tuple[dict[Variable, Node], dict[Variable, Node]]:
    """The updates, those of tables written for touched rows where that is proven right; and the flush.

    ``catch_up`` says that somebody will run the flush, so state may wait.
    """
    order = topological([*outputs, *updates.values()])
    lengths = {
        found.shape[0] for found in order if key(found) == "scatter_add" and not found.attributes["axis"]
    }
    looks: _Looks = {}
    groups: dict[Node, dict[Variable, RowWise]] = {}
    for old, update in updates.items():
        if old.ndim and old.shape[0] in lengths and is_float(old.dtype):
            parts = _row_wise(update, looks)
            if parts is not None:
                groups.setdefault(parts.gradient, {})[old] = parts
    waiting = CatchUp()
    changed = dict(updates)
    readers, targets = consumers(order), Counter([*outputs, *updates.values()])

    def may_wait(group: Mapping[Variable, RowWise], late: Sequence[Variable]) -> bool:
        return catch_up and _unseen(group, late, readers, targets)

    for gradient, group in groups.items():
        if sum(look.indices.size for look in looks[gradient] or []) > gradient.shape[0]:
            continue  # a small table, most of which is touched
        with derived_from(gradient.origin, "simplified"):
            new = _of_group(group, looks[gradient] or [], waiting, may_wait)
        for old, update in new.items():
            if old in updates:
                how = _STEP if key(update) == "add_rows" else _WAITS if old in waiting.flush else _TOUCHED
                journal.record(how, "sparsity", updates[old], update)
        changed.update(new)
    return changed | waiting.updates, waiting.flush


def _of_group(
    group: Mapping[Variable, RowWise],
    looks: Sequence[Look],
    waiting: CatchUp,
    may_wait: Callable[[Mapping[Variable, RowWise], Sequence[Variable]], bool],
) -> dict[Variable, Node]:
    """The updates of one table and its state; none if something about them could not be proven."""
    if len(group) == 1:
        ((old, parts),) = group.items()
        step = _step(old, parts, looks)
        if step is not None:
            return {old: step}
    decays: dict[Variable, float] = {}
    for old, parts in group.items():
        decay = _decay(old, _untouched(old, parts))
        if decay is None:
            return {}
        decays[old] = decay
    late = [old for old, decay in decays.items() if decay != 1.0]
    return {} if late and not may_wait(group, late) else _visiting(group, decays, looks, waiting)


def _unseen(
    group: Mapping[Variable, RowWise],
    late: Sequence[Variable],
    readers: Mapping[Node, Sequence[Node]],
    targets: Mapping[Node, int],
) -> bool:
    """Whether the state that waits, and what is computed from it, is read by these updates alone."""
    body = dict.fromkeys([found for parts in group.values() for found in parts.body])
    own = Counter([parts.body[-1] for parts in group.values()])
    return all(
        targets.get(found, 0) == own[found] and all(reader in body for reader in readers[found])
        for found in depending_on(list(body), late)
    )
