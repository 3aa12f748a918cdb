"""Loops in LLVM text: opening and closing a level of code, and the places of axes on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...loops.ir import Axis, Buffer
from .emit_values import Values
from .emit_writer import Dimension, Level, Place

NOTHING: frozenset[Buffer] = frozenset()


@dataclass(slots=True)
class OpenLoop:
    """A loop under construction: its index, and the values that it carries from turn to turn."""

    number: int
    index: str
    start: str
    stop: str
    step: int
    guarded: bool
    carried: list[tuple[str, str, str]]


class Loops(Values):
    """Levels."""

    @property
    def depth(self) -> int:
        return len(self.levels) - 1

    def open_level(
        self, label: str, writes: frozenset[Buffer] = NOTHING, unsure: bool = False, repeats: bool = False
    ) -> None:
        """Begin code with places of its own; what was read from ``writes`` is stale."""
        self.forget_reads(writes, wholly=True)
        self.levels.append(Level(label, writes, unsure, repeats=repeats))

    def _pop(self) -> Level:
        """End a level: nothing that was computed on it can be used any more."""
        level, number = self.levels.pop(), len(self.levels)
        for s in level.owned:
            info = self.infos.get(s)
            if info is not None and info.level == number:
                del self.infos[s]
                self.memo.pop(s, None)
        for axis, place in reversed(level.axes):
            if place is None:
                del self.places[axis]
            else:
                self.places[axis] = place
        return level

    def place(self, axis: Axis, base: str, dimension: int | None = None) -> None:
        """Say where an axis stands on the innermost level."""
        old = self.places.get(axis)
        self.levels[-1].axes.append((axis, old))
        if old is not None:
            self.forget([s for s in self.infos if axis in self.facts.axes(s)], wholly=True)
        self.places[axis] = Place(self.depth, base, dimension)

    def open_scope(self, writes: frozenset[Buffer] = NOTHING) -> None:
        """Code that runs once, with places of its own."""
        self.open_level(self.levels[-1].label, writes)

    def close_scope(self) -> None:
        inner = self._pop()
        outer = self.levels[-1]
        outer.lines += inner.lines
        outer.label = inner.label
        outer.failed |= inner.failed

    def open_condition(self, condition: str, writes: frozenset[Buffer]) -> int:
        """Code that runs if a condition holds."""
        number = self.fresh()
        self.do(f"br i1 {condition}, label %t{number}, label %e{number}")
        self.open_level(f"t{number}", writes)
        self.levels[-1].lines.append(f"t{number}:")
        return number

    def close_condition(self, number: int) -> None:
        """Invariants of the code went to the end of the outer level, which its branch has to follow."""
        inner = self._pop()
        outer = self.levels[-1]
        branch = next(
            i for i in range(len(outer.lines) - 1, -1, -1) if outer.lines[i].endswith(f"label %e{number}")
        )
        outer.lines.append(outer.lines.pop(branch))
        outer.lines += [*inner.lines, f"br label %e{number}", f"e{number}:"]
        before, outer.label = outer.label, f"e{number}"
        for type, last in inner.failed.items():
            first = self.failed(type)
            outer.failed[type] = self.here(f"phi {type} [ {first}, %{before} ], [ {last}, %{inner.label} ]")

    def open_loop(
        self,
        start: str,
        stop: str,
        step: int = 1,
        writes: frozenset[Buffer] = NOTHING,
        carried: Sequence[tuple[str, str]] = (),
        guarded: bool = False,
        unsure: bool = False,
    ) -> OpenLoop:
        """A loop from ``start`` in steps up to ``stop``; without a guard it is known to run.

        ``carried`` are the types and first values of what each turn hands to the next.
        """
        number = self.fresh()
        names = [(type, first, f"%c{number}.{i}") for i, (type, first) in enumerate(carried)]
        self.open_level(f"h{number}", writes, unsure, repeats=True)
        loop = OpenLoop(number, f"%i{number}", start, stop, step, guarded, names)
        for name in (loop.index, *[name for _, _, name in names]):
            self.homes[name] = self.depth
        return loop

    def close_loop(self, loop: OpenLoop, handed: Sequence[str] = ()) -> list[str]:
        """End a loop whose turn hands on these values; returns the last turn's, for what follows."""
        inner = self._pop()
        outer = self.levels[-1]
        n, head, leave = loop.number, f"h{loop.number}", f"x{loop.number}"
        before = outer.label
        failed = [(type, self.failed(type), name) for type, name in inner.handed.items()]
        carried, lasts = [*loop.carried, *failed], [*handed, *[inner.failed[type] for type in inner.handed]]
        if loop.guarded:
            outer.lines.append(f"%g{n} = icmp slt i64 {loop.start}, {loop.stop}")
            outer.lines.append(f"br i1 %g{n}, label %{head}, label %{leave}")
        else:
            outer.lines.append(f"br label %{head}")
        outer.lines.append(f"{head}:")
        outer.lines.append(f"{loop.index} = phi i64 [ {loop.start}, %{before} ], [ %n{n}, %{inner.label} ]")
        for (type, first, name), last in zip(carried, lasts, strict=True):
            outer.lines.append(f"{name} = phi {type} [ {first}, %{before} ], [ {last}, %{inner.label} ]")
        outer.lines += inner.lines
        outer.lines.append(f"%n{n} = add nuw nsw i64 {loop.index}, {loop.step}")
        outer.lines.append(f"%d{n} = icmp slt i64 %n{n}, {loop.stop}")
        outer.lines.append(f"br i1 %d{n}, label %{head}, label %{leave}")
        self.begin_block(leave)
        if loop.guarded:
            lasts = [
                self.here(f"phi {type} [ {first}, %{before} ], [ {last}, %{inner.label} ]")
                for (type, first, _), last in zip(carried, lasts, strict=True)
            ]
        for last in lasts:
            self.homes[last] = self.depth
        outer.failed |= dict(zip(inner.handed, lasts[len(handed) :], strict=True))
        return lasts[: len(handed)]

    # ── what has failed ───────────────────────────────────────────────────────────────────────────

    def failed(self, type: str, number: int = -1) -> str:
        """The bits of all that has failed so far; a loop carries them if they are asked for inside it."""
        number %= len(self.levels)
        level = self.levels[number]
        found = level.failed.get(type)
        if found is None:
            if level.repeats:
                found = level.handed[type] = level.failed[type] = f"%k{self.fresh()}"
            else:
                found = self.failed(type, number - 1) if number else "zeroinitializer"
        return found

    # ── dimensions ────────────────────────────────────────────────────────────────────────────────

    def push(self, axis: Axis, base: str, count: int, lanes: int = 0, tail: str | None = None) -> None:
        """Copies along an axis from ``base`` on; ``tail`` says which lanes of the last one there are."""
        masks = (*[None] * (count - 1), tail) if tail is not None else ()
        self.dimensions.append(Dimension(axis, count, lanes, masks))
        self.place(axis, base, len(self.dimensions) - 1)

    def pop(self) -> None:
        self.dimensions.pop()

    def tail_mask(self, lanes: int, left: int | str) -> str:
        """The first ``left`` lanes, as a constant or as a comparison."""
        if isinstance(left, int):
            return (
                "<" + ", ".join([f"i1 {'true' if lane < left else 'false'}" for lane in range(lanes)]) + ">"
            )
        wide = self.splat(left, "i64", lanes)
        numbers = "<" + ", ".join([f"i64 {lane}" for lane in range(lanes)]) + ">"
        return self.here(f"icmp slt <{lanes} x i64> {numbers}, {wide}")

    def limit(self, axis: Axis) -> str | None:
        """Where an axis ends if that is known only now; evaluated on the innermost level."""
        if axis.limit is None:
            return None
        bound = self.value(axis.limit, self.first_copy())
        return self.operations.call(
            self.here, "llvm.smin.i64", "i64", ("i64", bound), ("i64", str(axis.extent))
        )

    def first_copy(self) -> tuple[int, ...]:
        return tuple([0] * len(self.dimensions))

    def offset_by(self, base: str, by: str) -> str:
        """The sum of two one-element indices, innermost."""
        return by if base == "0" else self.here(f"add i64 {base}, {by}")


def flat(groups: Iterable[Sequence[str]]) -> list[str]:
    return [name for group in groups for name in group]
