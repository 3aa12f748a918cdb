"""One buffer for two: what a kernel writes takes the memory of what it has read for the last time.

The arena (``memory.py``) gives memory again only to later phases.  Within a kernel more is possible: at
each place of its loops, everything of the old buffer has been read before the new one is written.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...loops.ir import Axis, Buffer, Call, Kernel, Loop, Program, Statement, Step, Store
from .accesses import Touch, Touches, one_place
from .phases import partition
from .renaming import Renaming

LEAST = 1 << 10
"""Buffers of fewer elements are left alone."""


def reuse(program: Program, touches: Touches | None = None, *, least: int = LEAST) -> Program:
    """The same program over fewer scratch buffers; its steps keep their order and their phases."""
    touches = touches or Touches()
    times = _times(program, touches)
    users: dict[Buffer, list[int]] = {}
    for k, step in enumerate(program.steps):
        for buffer in touches.of(step).accesses:
            if buffer.role == "scratch" and buffer.size >= least:
                users.setdefault(buffer, []).append(k)
    stands_in: dict[Buffer, Buffer] = {}
    members = {buffer: [buffer] for buffer in users}
    for k, step in enumerate(program.steps):
        if isinstance(step, Call):
            continue
        born = [b for b in users if users[b][0] == k and _alone(k, users[b], times)]
        for new in _by_first_store(step.body, born):
            for old in list(members):
                if old is new or users[old][-1] != k or not _alone(k, users[old], times):
                    continue
                if (old.size, old.dtype) != (new.size, new.dtype):
                    continue
                if _follows(step, members[old], members[new], touches):
                    for buffer in members[new]:
                        stands_in[buffer] = old
                    members[old] += members.pop(new)
                    users[old] = sorted({*users[old], *users.pop(new)})
                    break
    return _renamed(program, stands_in, touches)


def _times(program: Program, touches: Touches) -> list[tuple[int, bool]]:
    """The phase in which each step runs, and whether one thread runs it."""
    times, phase = [], 0
    for part in partition(program, touches):
        times.append((phase, part.serial))
        phase += part.barrier
    return times


def _alone(k: int, users: Sequence[int], times: Sequence[tuple[int, bool]]) -> bool:
    """Whether no other of the ``users`` runs at the same time as step ``k``."""
    phase, serial = times[k]
    return all(user == k or times[user][0] != phase or (serial and times[user][1]) for user in users)


def _by_first_store(body: Sequence[Statement], buffers: Sequence[Buffer]) -> list[Buffer]:
    """The buffers in the order in which the body first stores into them."""
    found: dict[Buffer, None] = {}

    def visit(body: Sequence[Statement]) -> None:
        for statement in body:
            if isinstance(statement, Loop):
                visit(statement.body)
            elif isinstance(statement, Store) and statement.buffer in wanted:
                found[statement.buffer] = None

    wanted = set(buffers)
    visit(body)
    return list(found)


def _follows(kernel: Kernel, old: Sequence[Buffer], new: Sequence[Buffer], touches: Touches) -> bool:
    """Whether at each place all that is read of ``old`` is read before anything of ``new`` is written."""
    outer: frozenset[Axis] = frozenset()
    if kernel.axis is not None:
        if not _agree(touches.of(kernel), old, new, kernel.axis, outer):
            return False
        outer = frozenset([kernel.axis])
    return _in_order(kernel.body, old, new, outer, touches)


def _in_order(
    body: Sequence[Statement],
    old: Sequence[Buffer],
    new: Sequence[Buffer],
    outer: frozenset[Axis],
    touches: Touches,
) -> bool:
    last = max([k for k, s in enumerate(body) if _touches(s, old, touches)], default=-1)
    first = min([k for k, s in enumerate(body) if _touches(s, new, touches)], default=len(body))
    if last != first:
        return last < first
    both = body[first]
    if isinstance(both, Store):  # it reads, then it writes
        return True
    if not isinstance(both, Loop) or both.ordered:
        return False
    if not _agree(touches.of(both), old, new, both.axis, outer):
        return False
    return _in_order(both.body, old, new, outer | {both.axis}, touches)


def _touches(statement: Statement, buffers: Sequence[Buffer], touches: Touches) -> bool:
    accesses = touches.of(statement).accesses
    return any(buffer in accesses for buffer in buffers)


def _agree(
    touch: Touch, old: Sequence[Buffer], new: Sequence[Buffer], axis: Axis, outer: frozenset[Axis]
) -> bool:
    """Whether each element of either is touched at one place of the axis, the same for both."""

    accesses = [access for buffer in (*old, *new) for access in touch.accesses.get(buffer, ())]
    return one_place([access.place(axis, 1, axis.extent, outer) for access in accesses], axis.extent)


def _renamed(program: Program, stands_in: dict[Buffer, Buffer], touches: Touches) -> Program:
    """``program`` with each buffer's stand-in, directly or over others, in its place."""
    if not stands_in:
        return program
    final = {}
    for buffer in stands_in:
        found = stands_in[buffer]
        while found in stands_in:
            found = stands_in[found]
        final[buffer] = found
    renaming = Renaming(buffers=final)
    steps: list[Step] = []
    for step in program.steps:
        if not final.keys().isdisjoint(touches.of(step).accesses):
            if isinstance(step, Call):
                inputs = tuple([final.get(b, b) for b in step.inputs])
                output = final.get(step.output, step.output)
                step = Call(step.label, step.function, inputs, step.shapes, output, step.output_shape)
            else:
                step = Kernel(step.name, step.axis, tuple([renaming.statement(s) for s in step.body]))
        steps.append(step)
    return Program(tuple(steps))
