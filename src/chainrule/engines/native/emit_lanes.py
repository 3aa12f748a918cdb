"""Reductions whose last axis is the lanes: vectors of running values, put together in a fixed order."""

from __future__ import annotations

from ...loops.ir import Axis, Reduce
from .emit_operations import type_of
from .emit_reduce import InTurn, Running, Sums, start


class Reductions(InTurn):
    """All reductions."""

    def reduce(self, reduction: Reduce) -> None:
        """Emit a reduction; its locals are known from here on."""
        masks = [self.mask_of(self.facts.axes(part.value) - set(reduction.axes)) for part in reduction.parts]
        if any(axis.extent == 0 for axis in reduction.axes):
            self.name(reduction, masks, self.running(reduction, masks, 0), None)
            return
        lanes = self.plan.lanes.get(reduction, 0)
        if lanes and self.lane_dimension() is None:
            self._along_lanes(reduction, masks, lanes)
        else:
            self.in_turn(reduction, masks)

    # ── along the lanes ───────────────────────────────────────────────────────────────────────────

    def _along_lanes(self, reduction: Reduce, masks: list[int], lanes: int) -> None:
        axis = reduction.axes[-1]
        single, vector = self.running(reduction, masks, 0), self.running(reduction, masks, lanes)
        rest = axis.extent % lanes
        sets = self.plan.sets[reduction]
        scalar_tail = bool(rest) and not self.target.masked
        running = vector * sets + (single if scalar_tail else [])

        def innermost(axis: Axis, sums: Sums) -> Sums:
            if axis.limit is not None:
                return self._dynamic_lanes(reduction, axis, running, sums, lanes)
            return self._static_lanes(reduction, axis, (vector, single), sums, lanes, sets)

        sums = self.outer_axes(reduction, running, [start(r) for r in running], innermost)
        size = len(vector)
        total = self.fold(vector, [sums[i * size : (i + 1) * size] for i in range(sets)])
        names = self._across(vector, total, lanes)
        if scalar_tail:
            names = self.join(single, names, sums[sets * size :])
        self.name(reduction, masks, single, names)

    def _static_lanes(
        self,
        reduction: Reduce,
        axis: Axis,
        running: tuple[list[Running], list[Running]],
        sums: Sums,
        lanes: int,
        sets: int,
    ) -> Sums:
        vector, single = running
        size = len(vector)
        whole, rest = divmod(axis.extent, lanes)
        masked = bool(rest) and self.target.masked
        turns, left = divmod(whole, sets)
        single_sums = sums[sets * size :]
        sums = sums[: sets * size]
        if turns > 1 or (turns == 1 and left == 0 and not masked):
            types = [r.type.text for r in vector * sets]
            loop = None
            if turns > 1:
                loop = self.open_loop(
                    "0", str(turns * sets * lanes), sets * lanes, carried=list(zip(types, sums, strict=True))
                )
                sums = [name for _, _, name in loop.carried]
            else:
                self.open_scope()
            sums = self._vectors(
                reduction, axis, vector, sums, loop.index if loop else "0", sets, lanes, None
            )
            if loop:
                sums = self.close_loop(loop, sums)
            else:
                self.close_scope_with(sums)
        else:
            turns, left = 0, whole
        count = left + (1 if masked else 0)
        begin = turns * sets * lanes
        while count:  # at most twice, where one strip and a tail were put together
            now = min(count, sets)
            last = now == count
            self.open_scope()
            tail = self.tail_mask(lanes, rest) if masked and last else None
            sums = self._vectors(reduction, axis, vector, sums, str(begin), now, lanes, tail)
            self.close_scope_with(sums)
            begin, count = begin + now * lanes, count - now
        if rest and not masked:
            single_sums = self.strip(reduction, axis, single, single_sums, whole * lanes, axis.extent, 1, [0])
        return [*sums, *single_sums]

    def _vectors(
        self,
        reduction: Reduce,
        axis: Axis,
        vector: list[Running],
        sums: Sums,
        base: str,
        count: int,
        lanes: int,
        tail: str | None,
    ) -> Sums:
        self.push(axis, base, count, lanes, tail)
        self.reduced_lanes = True
        size = len(vector)
        sums = list(sums)
        for turn in range(count):
            at = turn * size
            sums[at : at + size] = self.take(reduction, vector, sums[at : at + size], turn)
        self.reduced_lanes = False
        self.pop()
        return sums

    def _dynamic_lanes(
        self, reduction: Reduce, axis: Axis, running: list[Running], sums: Sums, lanes: int
    ) -> Sums:
        stop = self.limit(axis)
        assert stop is not None
        carried = [(r.type.text, name) for r, name in zip(running, sums, strict=True)]
        loop = self.open_loop("0", stop, lanes, carried=carried, guarded=True, unsure=True)
        tail = self.tail_mask(lanes, self.here(f"sub i64 {stop}, {loop.index}"))
        sums = self._vectors(
            reduction, axis, running, [n for _, _, n in loop.carried], loop.index, 1, lanes, tail
        )
        return self.close_loop(loop, sums)

    def _across(self, vector: list[Running], names: Sums, lanes: int) -> Sums:
        """Each vector of running values into one value: halves, quarters, …"""
        running = vector
        while lanes > 1:
            half = lanes // 2
            low = self._lanes(running, names, range(half))
            high = self._lanes(running, names, range(half, lanes))
            running = [Running(r.part, r.copy, type_of(r.type.dtype, half), r.is_place) for r in running]
            names, lanes = self.join(running, low, high), half
        return [
            self.here(f"extractelement {r.type.text} {name}, i64 0")
            for r, name in zip(running, names, strict=True)
        ]

    def _lanes(self, running: list[Running], names: Sums, which: range) -> Sums:
        chosen = "<" + ", ".join([f"i32 {lane}" for lane in which]) + ">"
        return [
            self.here(
                f"shufflevector {r.type.text} {name}, {r.type.text} poison, <{len(which)} x i32> {chosen}"
            )
            for r, name in zip(running, names, strict=True)
        ]
