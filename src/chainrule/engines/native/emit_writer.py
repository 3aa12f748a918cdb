"""What emission writes on: open levels of code, the places of axes, and what is known of each scalar.

Code is written on *levels*, one for each open loop.  A value goes to the innermost level at which one
of its operands lives, so what does not change in a loop stands before it.  A load stays inside every
open loop that writes its buffer, and is done again after a store to it.

Some axes are not loops but *dimensions* of what is written side by side: the rows of a register tile,
its vectors, and the lanes of a vector.  Along them a value has one name for each *copy*, a tuple with a
number for each dimension, of which only the dimensions that the value depends on count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product

from ...loops.ir import Axis, Buffer, Local, Scalar
from .emit_facts import Facts
from .emit_operations import Operations, type_of
from .target import Target

Copy = tuple[int, ...]


@dataclass(slots=True)
class Dimension:
    """Copies along an axis: ``count`` of them, ``step`` places apart, of ``lanes`` places each (or one)."""

    axis: Axis
    count: int
    lanes: int = 0
    masks: tuple[str | None, ...] = ()
    rolled: bool = False

    @property
    def step(self) -> int:
        return self.lanes or 1


@dataclass(slots=True)
class Place:
    """Where an axis stands: at ``base`` (a name or a number), known on ``level``."""

    level: int
    base: str
    dimension: int | None = None


@dataclass(slots=True)
class Info:
    """Of a scalar: its level, the dimensions it depends on, and the buffers it read."""

    level: int
    mask: int
    reads: frozenset[Buffer]


@dataclass(slots=True)
class LocalValue:
    """A named result: its names by copy, or the array where they were put aside."""

    level: int
    mask: int
    lanes: int
    names: dict[Copy, str]
    array: str | None = None
    counts: tuple[int, ...] = ()


@dataclass(slots=True)
class Level:
    """The code of one open loop, or of a stretch of code with places of its own.

    ``failed`` are the bits of what has failed so far, by their type; a level that ``repeats`` is ``handed``
    those of the turn before.
    """

    label: str
    writes: frozenset[Buffer]
    unsure: bool
    lines: list[str] = field(default_factory=list)
    repeats: bool = False
    owned: list[Scalar] = field(default_factory=list)
    axes: list[tuple[Axis, Place | None]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    handed: dict[str, str] = field(default_factory=dict)


class Writer:
    """The state of an emission: open levels, places of axes, and what has been written already."""

    def __init__(self, target: Target, facts: Facts, buffers: Sequence[Buffer]) -> None:
        self.target = target
        self.facts = facts
        self.declared: dict[str, None] = {}
        self.operations = Operations(target.has_fma, self.declared)
        self.levels = [Level("entry", frozenset(), False)]
        self.buffers = {buffer: f"%b{number}" for number, buffer in enumerate(buffers)}
        self.places: dict[Axis, Place] = {}
        self.dimensions: list[Dimension] = []
        self.locals: dict[Local, LocalValue] = {}
        self.infos: dict[Scalar, Info] = {}
        self.memo: dict[Scalar, dict[Copy, str]] = {}
        self.readers: dict[Buffer, set[Scalar]] = {}
        self.orders: dict[Scalar, list[Scalar]] = {}
        self.derived: dict[tuple[object, ...], str] = {}
        self.homes: dict[str, int] = {}
        self.allocations: list[str] = []
        self.rolled_number = "0"
        self.counter = 0
        self._keys: dict[tuple[int, Copy], Copy] = {}

    # ── writing ───────────────────────────────────────────────────────────────────────────────────

    def fresh(self) -> int:
        self.counter += 1
        return self.counter

    def put(self, level: int, text: str) -> str:
        """Write an instruction with a result on a level."""
        self.counter += 1
        name = f"%v{self.counter}"
        self.levels[level].lines.append(f"{name} = {text}")
        if level:
            self.homes[name] = level
        return name

    def do(self, text: str) -> None:
        """Write an instruction without a result, innermost."""
        self.levels[-1].lines.append(text)

    def here(self, text: str) -> str:
        """Write an instruction with a result, innermost."""
        return self.put(len(self.levels) - 1, text)

    def allocate(self, type: str, count: int) -> str:
        """Room on the stack for ``count`` values."""
        name = f"%a{self.fresh()}"
        self.allocations.append(f"{name} = alloca {type}, i64 {count}, align 64")
        return name

    def on_stack(self, buffer: Buffer) -> None:
        """Give a buffer of the emission's own a place on the stack."""
        self.buffers[buffer] = self.allocate(type_of(buffer.dtype, 0).memory, buffer.size)

    def begin_block(self, label: str) -> None:
        self.levels[-1].lines.append(f"{label}:")
        self.levels[-1].label = label

    # ── dimensions ────────────────────────────────────────────────────────────────────────────────

    def lane_dimension(self) -> Dimension | None:
        return next((d for d in self.dimensions if d.lanes), None)

    def mask_of(self, axes: Iterable[Axis]) -> int:
        """The dimensions among ``axes``, as bits."""
        mask = 0
        for axis in axes:
            place = self.places.get(axis)
            if place is not None and place.dimension is not None:
                mask |= 1 << place.dimension
        return mask

    def copies(self, mask: int) -> list[Copy]:
        """Every copy along the dimensions of ``mask``; along the others only the first."""
        return list(product(*[range(d.count if mask >> i & 1 else 1) for i, d in enumerate(self.dimensions)]))

    def all_dimensions(self) -> int:
        return sum(1 << i for i, d in enumerate(self.dimensions) if not d.rolled)

    def lanes_of(self, mask: int) -> int:
        """The vector length of a value that depends on these dimensions; 0 for one element."""
        for i, dimension in enumerate(self.dimensions):
            if dimension.lanes and mask >> i & 1:
                return dimension.lanes
        return 0

    def lane_mask(self, copy: Copy) -> str | None:
        """Which lanes of a copy lie inside the axis; None where all do."""
        for i, dimension in enumerate(self.dimensions):
            if dimension.lanes and dimension.masks:
                return dimension.masks[copy[i]]
        return None

    # ── what is known of a scalar ─────────────────────────────────────────────────────────────────

    def info(self, scalar: Scalar) -> Info:
        found = self.infos.get(scalar)
        if found is not None:
            return found
        for s in self.facts.order(scalar):
            if s not in self.infos:
                found = self.infos[s] = self._inform(s)
                self.levels[found.level].owned.append(s)
                for buffer in found.reads:
                    self.readers.setdefault(buffer, set()).add(s)
        return self.infos[scalar]

    def _inform(self, s: Scalar) -> Info:
        if s.op == "constant":
            return Info(0, 0, frozenset())
        if s.op == "axis":
            place = self.places[s.payload]
            return Info(place.level, 0 if place.dimension is None else 1 << place.dimension, frozenset())
        if s.op == "local":
            return self._inform_local(self.locals[s.payload])
        level, mask, reads = 0, 0, frozenset[Buffer]()
        for argument in s.args:
            info = self.infos[argument]
            level, mask, reads = max(level, info.level), mask | info.mask, reads | info.reads
        if s.op == "load":
            reads |= {s.payload}
            plain = self.facts.is_plain(s.args[0])
            for number in range(len(self.levels) - 1, level, -1):
                opened = self.levels[number]
                if s.payload in opened.writes or (opened.unsure and not plain):
                    level = number
                    break
        return Info(level, mask, reads)

    def _inform_local(self, value: LocalValue) -> Info:
        rolled = [i for i, d in enumerate(self.dimensions) if d.rolled and value.mask >> i & 1]
        if rolled or not value.names:  # read from its array, where the axis stands
            level = max([value.level, *[self.places[self.dimensions[i].axis].level for i in rolled]])
            return Info(level, value.mask & self.all_dimensions(), frozenset())
        return Info(value.level, value.mask, frozenset())

    def forget(self, scalars: Iterable[Scalar], wholly: bool) -> None:
        """Let the values be computed again; ``wholly``: where they belong may have changed, too."""
        for s in scalars:
            self.memo.pop(s, None)
            if wholly:
                self.infos.pop(s, None)

    def forget_reads(self, buffers: Iterable[Buffer], wholly: bool = False) -> None:
        """After a store, or before a loop that stores."""
        for buffer in buffers:
            self.forget(self.readers.get(buffer, ()), wholly)

    # ── for both one element and vectors ──────────────────────────────────────────────────────────

    def key(self, mask: int, copy: Copy) -> Copy:
        """The numbers of a copy along the dimensions that count."""
        found = self._keys.get((mask, copy))
        if found is None:
            found = self._keys[mask, copy] = tuple([c for i, c in enumerate(copy) if mask >> i & 1])
        return found

    def splat(self, name: str, element: str, lanes: int) -> str:
        """A value in every lane, written where the value was."""
        key = ("splat", name, element, lanes)  # a number in text may be of any type
        found = self.derived.get(key)
        if found is None:
            level = self.homes.get(name, 0)
            vector = f"<{lanes} x {element}>"
            first = self.put(level, f"insertelement {vector} poison, {element} {name}, i64 0")
            found = self.put(
                level, f"shufflevector {vector} {first}, {vector} poison, <{lanes} x i32> zeroinitializer"
            )
            self.derived[key] = found
        return found

    def once(self, key: tuple[object, ...], level: int, text: str) -> str:
        found = self.derived.get(key)
        if found is None:
            found = self.derived[key] = self.put(level, text)
        return found

    def both(self, level: int, lanes: int, *masks: str | None) -> str | None:
        """All of the masks at once; None says everywhere."""
        found: str | None = None
        for mask in masks:
            if mask is not None:
                found = mask if found is None else self.put(level, f"and <{lanes} x i1> {found}, {mask}")
        return found
