"""Counters that are written last: who still reads the old value reads a copy, and nobody waits.

A step counter is read by every update, and its own new value is stored when they are done: one more
phase for one number.  With the old value put aside before, it is stored beside the updates.
"""

from __future__ import annotations

from ...loops import builder
from ...loops.ir import Buffer, Kernel, Program
from .accesses import Touches, conflicts
from .phases import Work
from .renaming import Renaming


def set_aside(program: Program, touches: Touches | None = None) -> Program:
    """The same program, in which single numbers that keep a phase waiting are read from a copy."""
    work = Work(program, touches)
    copies: dict[Buffer, Buffer] = {}
    writer: dict[Buffer, int] = {}
    for k, level in enumerate(work.level):
        if level == 0 or not work.serial[k]:
            continue
        numbers = [
            buffer
            for buffer in work.touches[k].written
            if buffer.role == "variable"
            and buffer.size == 1
            and not any(buffer in touch.written for n, touch in enumerate(work.touches) if n != k)
        ]
        others = [e for e in work.earlier[k] if not _only_reads(work, e, k, numbers)]
        if max([work.level[e] + work.meet(e, k) for e in others], default=0) < level:
            copies.update({b: Buffer(f"{b.name} before", 1, b.dtype) for b in numbers})
            writer.update(dict.fromkeys(numbers, k))
    if not copies:
        return program
    aside = [
        Kernel(copy.name, None, (builder.store(copy, 0, builder.load(number, 0)),))
        for number, copy in copies.items()
    ]
    steps = list(program.steps)
    for k, step in enumerate(steps):
        touch = work.touches[k]
        read = [b for b in copies if b in touch.accesses and k < writer[b]]
        if read and work.level[k] > 0 and isinstance(step, Kernel):
            renaming = Renaming({builder.load(b, 0): builder.load(copies[b], 0) for b in read})
            steps[k] = Kernel(step.name, step.axis, tuple([renaming.statement(s) for s in step.body]))
    return Program((*aside, *steps))


def _only_reads(work: Work, earlier: int, k: int, numbers: list[Buffer]) -> bool:
    """Whether step ``k`` waits for an earlier one only because that still reads one of the numbers."""
    shared = conflicts(work.touches[earlier], work.touches[k])
    return (
        work.level[earlier] > 0
        and all(b in numbers for b in shared)
        and work.touches[earlier].written.isdisjoint(numbers)
    )
