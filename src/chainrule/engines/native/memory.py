"""The arena: every scratch buffer gets a place in one block of memory, and places are taken again.

A buffer is alive from the phase of its first write to that of its last read.  Two that are alive in one
phase never overlap, so sharing memory makes no thread wait; where one thread runs a whole phase, its steps
come one after the other, and so do the buffers.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...loops.ir import Buffer, Program
from .accesses import Touches
from .phases import partition

ALIGNMENT = 64
"""Bytes of a cache line: no two buffers share one, and whole vectors are aligned."""


@dataclass(frozen=True)
class Plan:
    """Where each scratch buffer begins, in bytes from the start of an arena of ``size`` bytes."""

    offsets: dict[Buffer, int]
    size: int


def plan(program: Program, touches: Touches | None = None) -> Plan:
    """Places for the scratch buffers of ``program``, the largest first, each as low as it fits."""
    alive = lifetimes(program, touches)
    offsets: dict[Buffer, int] = {}
    placed: list[tuple[int, int, int, int]] = []  # begin, end, first and last time; in order of begin
    size = 0
    for buffer in sorted(alive, key=lambda b: -b.size * b.dtype.itemsize):
        first, last = alive[buffer]
        length = max(-(-buffer.size * buffer.dtype.itemsize // ALIGNMENT), 1) * ALIGNMENT
        begin = 0
        for low, high, since, until in placed:
            if since > last or until < first:
                continue
            if begin + length <= low:
                break
            begin = max(begin, high)
        offsets[buffer] = begin
        size = max(size, begin + length)
        placed.append((begin, begin + length, first, last))
        placed.sort()
    return Plan(offsets, size)


def lifetimes(program: Program, touches: Touches | None = None) -> dict[Buffer, tuple[int, int]]:
    """When each scratch buffer is first and last touched: phases, or steps where one thread runs them all."""
    touches, alive = touches or Touches(), dict[Buffer, tuple[int, int]]()
    for step, time in zip(program.steps, _times(program, touches), strict=True):
        for buffer in touches.of(step).accesses:
            if buffer.role == "scratch":
                alive[buffer] = (alive.get(buffer, (time, time))[0], time)
    return alive


def _times(program: Program, touches: Touches) -> list[int]:
    """A clock that ticks where threads meet, and between steps that no other thread runs beside."""
    parts = partition(program, touches)
    times, time, begin = [], 0, 0
    for k, part in enumerate(parts):
        if part.barrier:
            phase = parts[begin : k + 1]
            alone = all(each.serial for each in phase)
            times += [time + alone * n for n in range(len(phase))]
            time, begin = times[-1] + 1, k + 1
    return times
