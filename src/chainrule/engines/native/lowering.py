"""Lowering: from the node graph to a loop program.

Every node is either *read in place* (its element is an expression, written where it is needed) or has a
*buffer* and kernels that fill it.  A node gets a buffer where its elements would otherwise be computed
more than once, or where it folds or scatters; everything else dissolves into its readers.  Kernels come
out in the nodes' own shapes, one a node; the passes merge them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from ... import loops
from ...dtypes import DType, int64
from ...functions.targets import ClassIndex
from ...graph import Array, Constant, Leaf, Node, Variable, consumers, topological
from ...loops import Buffer, Call, Program, Scalar, Statement, Step, index
from ...namespace import checked_index
from ...ops.indexing import ScatterAlongAxis
from ...ops.movement import BroadcastTo
from ...ops.rows import AddAlongAxis, AddRows, FirstPlaces, PutRows
from ..stepper import run_op
from .elements import Indices, element, has_element, is_view, scatters_one
from .nesting import axes_of, nested
from .nests import NESTS, READ_ONCE
from .places import known_place
from .rows import groups_of, read_at_first_places, reads_any, sum_rows, sums_at, write_rows
from .scatters import first_places, is_sparse, sparse_rows

_LONGEST = 64
"""Operations that an expression read in place may have: deeper ones get a buffer."""


@dataclass(frozen=True)
class Lowered:
    """A loop program, and which buffer stands for what."""

    program: Program
    leaves: dict[Node, Buffer]
    outputs: list[Buffer]
    updates: dict[Buffer, Buffer]
    calls: list[Node] = field(default_factory=list)


def lower(outputs: Sequence[Node], updates: Mapping[Variable, Node]) -> Lowered:
    """The loop program that computes ``outputs`` and the variables' new values."""
    return Lowering(outputs, updates).result()


class Lowering:
    """One graph being lowered: what has a buffer, and the kernels so far."""

    def __init__(self, outputs: Sequence[Node], updates: Mapping[Variable, Node]) -> None:
        self.outputs, self.updates = list(outputs), dict(updates)
        self._shown = set(outputs)
        self.order = topological([*outputs, *updates.values()])
        self.steps: list[Step] = []
        self.last: list[Step] = []
        self.buffers: dict[Node, Buffer] = {}
        self.leaves: dict[Node, Buffer] = {}
        self.calls: list[Node] = []
        self._elements: dict[tuple[Node, tuple[Scalar, ...], Scalar | None], Scalar] = {}
        self._places: dict[tuple[Node, int, int], Buffer] = {}
        self.firsts: dict[tuple[Node, int], tuple[Buffer, Buffer]] = {}
        self.virtual: dict[Node, Callable[[Indices, Scalar | None], Scalar]] = {}
        self._names: dict[str, int] = {}
        self._depths: dict[Node, int] = {}
        self._costs: dict[Node, int] = {}
        self._count_readers()
        self._rows = self._row_updates()
        self._groups = groups_of(self._rows, self.order)
        self._at_first_places = read_at_first_places(self._groups, self.order, self._readers, self._targets)

    # ── decisions ─────────────────────────────────────────────────────────────────────────────────

    def _count_readers(self) -> None:
        """How many times each element of a node is read if views dissolve: 2 stands for many."""
        self._readers = consumers(self.order)
        self._targets = {*self.outputs, *self.updates.values()}
        self.reads: dict[Node, int] = {}
        for node in reversed(self.order):
            count = 2 if node in self._targets else 0
            for reader in dict.fromkeys(self._readers.get(node, ())):
                spreads = isinstance(reader.op, BroadcastTo) or reader.size > node.size
                times = self.reads[reader] if is_view(reader.op) else 1
                if reader.size * 8 <= node.size and has_element(reader.op):
                    times = 0  # a few elements here and there: they may as well be computed again
                if not has_element(reader.op) and type(reader.op) not in READ_ONCE:
                    times = 2
                count += times * (2 if spreads else 1)
            self.reads[node] = min(count, 2)

    def wants_buffer(self, node: Node) -> bool:
        """Whether the node's elements are kept rather than computed where they are read."""
        op = node.op
        if not _reads_in_place(node):
            return True
        depth = self._depths[node] = 1 + max([self._depths.get(x, 0) for x in node.inputs], default=0)
        if depth > _LONGEST:
            return True
        cost = sum(self._cost(x) for x in node.inputs) + (0 if is_view(op) else _COSTS.get(op.name, 1))
        self._costs[node] = cost
        if is_view(op) or node in self._at_first_places:
            return False
        if (
            node.size == 1
            and cost <= _LONGEST
            and not any(x in self.buffers for x in node.inputs if x.size > 1)
        ):
            return False  # invariant of every loop: computed once a kernel, which is less than a barrier
        return (self.reads[node] > 1 and cost > 1) or cost > _LONGEST

    def _cost(self, node: Node) -> int:
        return 0 if node in self.buffers else self._costs.get(node, 0)

    # ── reading ───────────────────────────────────────────────────────────────────────────────────

    def at(self, node: Node, indices: Indices, guard: Scalar | None = None) -> Scalar:
        """The element of ``node`` at ``indices``; nothing is read where ``guard`` is false."""
        key = (node, tuple(indices), guard)
        found = self._elements.get(key)
        if found is None or node in self.buffers:
            found = self._elements[key] = self._element(node, indices, guard)
        return found

    def _element(self, node: Node, indices: Indices, guard: Scalar | None) -> Scalar:
        if isinstance(node, Constant) and node not in self.buffers:
            same = node.array.size and (node.array.flat[0] == node.array).all()
            if same and (node.array.flat[0] != 0 or not np.signbit(node.array).any()):
                return loops.constant(node.array.flat[0], node.dtype)
        if isinstance(node.op, Leaf) or node in self.buffers:
            return loops.load(self.buffer_of(node), index.ravel(indices, node.shape), guard)
        if node in self.virtual:
            return self.virtual[node](indices, guard)
        return element(self, node, indices, guard)

    def place(self, node: Node, indices: Indices, length: int, guard: Scalar | None = None) -> Scalar:
        """An element of an index array, resolved and checked to lie in [0, length)."""
        least = -length
        while isinstance(node.op, ClassIndex):  # a class is counted from 0, never from the end
            length, least = min(length, node.attributes["count"]), 0
            (node,) = node.inputs
        if is_view(node.op) and node not in self.buffers:
            return element(_Places(self, length, least), node, indices, guard)
        return self._place(node, indices, length, least, guard)

    def _place(
        self, node: Node, indices: Indices, length: int, least: int, guard: Scalar | None = None
    ) -> Scalar:
        found = known_place(self, node, indices, length, guard)
        if found is not None:
            return found
        buffer = self._places.get((node, length, least))
        if buffer is None:
            buffer = self._places[node, length, least] = self._resolve(node, length, least)
        return loops.within(loops.load(buffer, index.ravel(indices, node.shape), guard), 0, length)

    def _resolve(self, node: Node, length: int, least: int) -> Buffer:
        """A buffer of the places that an index array names, and the kernel that checks them."""
        if isinstance(node, Constant):
            found = checked_index(np, node.array, length, "index").astype(np.int64).reshape(-1)
            return Buffer(self.name("places"), found.size, int64, "constant", found)
        buffer = self.buffer("places", node.size, int64)

        def body(indices: Sequence[Scalar]) -> list[Statement]:
            statement, value = loops.let(loops.cast(self.at(node, indices), int64), "index")
            fits = loops.and_(loops.ge(value, least), loops.lt(value, length))
            resolved = loops.where(loops.lt(value, 0), loops.add(value, length), value) if least else value
            place = index.ravel(indices, node.shape)
            # A refused run still reads at places that exist, so readers may share the check's kernel.
            safe = loops.where(fits, resolved, 0)
            return [statement, loops.check(fits), loops.store(buffer, place, safe)]

        self.nest(buffer.name, node.shape, body)
        return buffer

    def buffer_of(self, node: Node) -> Buffer:
        """The buffer of a leaf, or of a node that has one."""
        found = self.buffers.get(node)
        if found is None:
            assert isinstance(node.op, Leaf), f"{node!r} has no buffer"
            content = None
            role = "variable" if isinstance(node, Variable) else "input"
            if isinstance(node, Constant):
                role, content = "constant", node.array.reshape(-1)
            found = Buffer(self.name(node.label), node.size, node.dtype, role, content)
            self.buffers[node] = self.leaves[node] = found
        return found

    # ── writing ───────────────────────────────────────────────────────────────────────────────────

    def name(self, wish: str) -> str:
        """``wish``, or with a number if there is one of that name."""
        count = self._names[wish] = self._names.get(wish, 0) + 1
        return wish if count == 1 else f"{wish}.{count}"

    def buffer(self, wish: str, size: int, dtype: DType, role: str = "scratch", fill: int = 0) -> Buffer:
        return Buffer(self.name(wish), size, dtype, role, None, fill)

    def nest(self, name: str, shape: Sequence[int], body: Callable[[Indices], Sequence[Statement]]) -> None:
        """A kernel that runs ``body(indices)`` for each place of ``shape``."""
        if math.prod(shape) == 0:
            return
        axes = axes_of(shape)
        statements = body([loops.axis(axis) for axis in axes])  # first: what it reads comes before it
        self.steps.append(nested(name, axes, statements))

    def materialise(self, node: Node) -> Buffer:
        """The node's buffer, made and filled if it has none."""
        found = self.buffers.get(node)
        if found is not None:
            return found
        if isinstance(node.op, Leaf):
            return self.buffer_of(node)
        if isinstance(node.op, AddRows | PutRows) and self.has_one_reader(node.inputs[0]):
            buffer = self.materialise(node.inputs[0])  # nobody will miss the rows as they were
            write_rows(self, [(node, buffer)])
            self.buffers[node] = buffer
            return buffer
        if isinstance(node.op, FirstPlaces) and node not in self._targets:
            self.buffers[node], _ = first_places(self, node.inputs[0], node.attributes["length"])
            return self.buffers[node]
        if node in self._at_first_places and sums_at(node) is not None:
            self.buffers[node] = sum_rows(self, node)
            return self.buffers[node]
        role = "output" if node in self._shown else "scratch"
        buffer = self.buffer(node.name or node.op.name, node.size, node.dtype, role)
        if node in self.virtual or _reads_in_place(node):
            self.fill(buffer, node)
        elif type(node.op) in NESTS:
            NESTS[type(node.op)](self, node, buffer)
        else:
            self._call(node, buffer)
        self._depths[node] = 0
        self.buffers[node] = buffer
        return buffer

    def readers(self, node: Node) -> list[Node]:
        return self._readers.get(node, [])

    def has_one_reader(self, node: Node) -> bool:
        """Whether a computed node has one reader and is no result itself."""
        return not isinstance(node.op, Leaf) and len(self._readers[node]) == 1 and node not in self._targets

    def fill(self, buffer: Buffer, node: Node) -> None:
        """The kernel that writes the elements of ``node``, as they are read, into ``buffer``."""

        def body(indices: Sequence[Scalar]) -> list[Statement]:
            return [loops.store(buffer, index.ravel(indices, node.shape), self.at(node, indices))]

        self.nest(buffer.name, node.shape, body)

    def _call(self, node: Node, buffer: Buffer) -> None:
        """The op's own ``forward``, called from the program."""
        inputs = [self.materialise(x) for x in node.inputs]
        shapes = tuple([x.shape for x in node.inputs])
        self.calls.append(node)
        function = partial(_forward, node)
        self.steps.append(Call(node.op.name, function, tuple(inputs), shapes, buffer, node.shape))

    # ── all of it ─────────────────────────────────────────────────────────────────────────────────

    def result(self) -> Lowered:
        for node in self.order:
            if node in self._rows:
                continue
            if is_sparse(node) and node not in self._at_first_places:
                self.virtual[node] = sparse_rows(self, node)
            elif not isinstance(node.op, Leaf) and self.wants_buffer(node):
                self.materialise(node)
        taken: set[Buffer] = set()
        outputs = [self._own(node, "output", taken) for node in self.outputs]
        updates = {}
        for variable, node in self.updates.items():
            if node not in self._rows:
                updates[self.buffer_of(variable)] = self._own(node, "scratch", taken)
        self._change_rows()  # last, so that whoever reads the old rows has done so
        program = Program((*self.steps, *self.last))
        return Lowered(program, self.leaves, outputs, updates, self.calls)

    def _change_rows(self) -> None:
        """Variables' rows are changed, after what is computed from others' old rows has been."""
        changed: set[Buffer] = set()
        groups = [[(node, self.buffer_of(variable)) for node, variable in group] for group in self._groups]
        for group in groups:
            for node, _ in group:
                if reads_any(self, node, changed):
                    self.materialise(node.inputs[1])
            changed.update(table for _, table in group)
        for group in groups:
            write_rows(self, group)

    def _row_updates(self) -> dict[Node, Variable]:
        """The nodes that only change some rows of a variable, which nobody else reads: done in its place."""
        found: dict[Node, Variable] = {}
        targets = [*self.outputs, *self.updates.values()]
        for variable, node in self.updates.items():
            chain = []
            while isinstance(node.op, PutRows | AddRows):
                alone = len(self._readers[node]) + sum(target is node for target in targets) == 1
                if not alone:
                    break
                chain.append(node)
                node = node.inputs[0]
            if node is variable:
                found.update(dict.fromkeys(chain, variable))
        return found

    def _own(self, node: Node, role: str, taken: set[Buffer]) -> Buffer:
        """A buffer that holds ``node`` and belongs to one output or update alone."""
        if not isinstance(node.op, Leaf):
            found = self.materialise(node)
        if isinstance(node.op, Leaf) or found in taken or found.role != role:
            found = self.buffer(f"{node.label} copied", node.size, node.dtype, role)
            self.fill(found, node)
        taken.add(found)
        return found


def _reads_in_place(node: Node) -> bool:
    """Whether the node's elements can be written as expressions where they are read."""
    if isinstance(node.op, ScatterAlongAxis | AddAlongAxis):
        return scatters_one(node)
    return has_element(node.op)


def _forward(node: Node, *arrays: Array) -> Array:
    with np.errstate(all="ignore"):  # as in the stepper: what is not finite is found in the values
        return run_op(node, arrays)


class _Places:
    """A reader of index arrays through views: what it reads is resolved and checked."""

    def __init__(self, lowering: Lowering, length: int, least: int) -> None:
        self.lowering, self.length, self.least = lowering, length, least

    def at(self, node: Node, indices: Indices, guard: Scalar | None = None) -> Scalar:
        if is_view(node.op) and node not in self.lowering.buffers:
            return element(self, node, indices, guard)
        if isinstance(node.op, ClassIndex):
            return self.lowering.place(node, indices, self.length, guard)
        return self.lowering._place(node, indices, self.length, self.least, guard)

    def place(self, node: Node, indices: Indices, length: int, guard: Scalar | None = None) -> Scalar:
        return self.lowering.place(node, indices, length, guard)


_COSTS = {"exp": 12, "expm1": 16, "log": 12, "log1p": 16, "tanh": 16, "sigmoid": 14, "erf": 20, "sin": 20,
          "cos": 20, "pow": 30, "divide": 4, "sqrt": 4, "rsqrt": 6, "random_bits": 80, "fold_in": 80,
          "take": 2, "cast": 1, "concat": 2}  # fmt: skip
"""Operations for an element, roughly; 1 for what is not named."""
