"""What a legal loop program is: a table of named rules, each a function that yields what breaks it.

Accepted programs never miss a buffer, never race, never read what nobody wrote (as far as offsets that
do not depend on data show) and never write where they must not, if the promises of ``within`` hold.
What cannot be proved is refused: say it with a ``where``, a ``limit`` or a ``within``.

>>> from chainrule import loops
>>> from chainrule.dtypes import float32
>>> i = loops.Axis("i", 4)
>>> y = loops.Buffer("y", 4, float32)
>>> wrong = loops.store(y, loops.index.shift(loops.axis(i), 1), 0.0)
>>> verify(loops.Program((loops.kernel("fill", i, [wrong]),)))
Traceback (most recent call last):
    ...
chainrule.errors.LoopError: rule 'in bounds' broken in the kernel fill
  where: y[i + 1] = 0.0
  mend:  the offset into y lies in 1 … 4, and there are 4 elements
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..dtypes import is_integer
from ..errors import LoopError
from . import scoping
from .accesses import Access, Scopes
from .coverage import MOST, Written, elements, stored_in_time
from .ir import (
    COMPARISONS,
    ROLES,
    Buffer,
    Call,
    Check,
    Kernel,
    Program,
    Scalar,
    Step,
    Store,
    roots,
    statements,
    walk,
)
from .naming import Naming
from .proofs import apart, reach, value_range
from .text import format_statement


@dataclass(frozen=True)
class Violation:
    """A rule, where it is broken, and why."""

    rule: str
    step: str
    statement: str
    why: str


def verify(program: Program) -> None:
    """Raise ``LoopError`` unless every rule holds; it tells of the first violation and counts the rest."""
    found = violations(program)
    if found:
        first = found[0]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise LoopError(
            f"rule {first.rule!r} broken in {first.step}{more}", where=first.statement, mend=first.why
        )


def violations(program: Program) -> list[Violation]:
    """All that breaks a rule; what has to be proved is looked at once types and scopes are right."""
    verified = Verified(program)
    for rules in (*[{rule: holds} for rule, holds in FORM.items()], MEANING):
        found = [
            Violation(rule, step_name(step), text, why)
            for rule, holds in rules.items()
            for step, text, why in holds(verified)
        ]
        if found:
            return found
    return []


Fault = tuple[Step | None, str, str]
"""In which step, the text of what is wrong, and why."""


def step_name(step: Step | None) -> str:
    if step is None:
        return "the program"
    return f"the call {step.label}" if isinstance(step, Call) else f"the kernel {step.name}"


class Verified:
    """A program, and what several rules want to know of it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.kernels = [step for step in program.steps if isinstance(step, Kernel)]
        self._scopes: dict[Kernel, Scopes] = {}
        self._reach: dict[Access, tuple[int, int]] = {}

    def scopes(self, kernel: Kernel) -> Scopes:
        if kernel not in self._scopes:
            self._scopes[kernel] = Scopes(kernel)
        return self._scopes[kernel]

    def hand_namings_on(self) -> None:
        """Tell kernels of the rows named first in earlier ones, as long as nobody writes those buffers."""
        standing: set[Naming] = set()
        for step in self.program.steps:
            written = {step.output} if isinstance(step, Call) else self.scopes(step).written
            standing = {found for found in standing if found.buffers.isdisjoint(written)}
            if isinstance(step, Kernel) and self.kernels.count(step) == 1:
                own = self.scopes(step).namings
                standing.update(own)
                own.update(dict.fromkeys(standing - own.keys(), -1))

    def reach(self, kernel: Kernel, access: Access) -> tuple[int, int]:
        """The range of offsets of an access, empty if it never happens."""
        if access not in self._reach:
            self._reach[access] = reach(access, self.scopes(kernel))
        return self._reach[access]


# ── form: what can be seen without proofs ─────────────────────────────────────────────────────────


def typed(v: Verified) -> Iterator[Fault]:
    """Each operation has operands of dtypes that it takes, and the dtype that it gives."""
    for kernel in v.kernels:
        for statement in statements(kernel.body):
            for why in scoping.type_faults(statement):
                yield kernel, format_statement(statement), why


def scoped(v: Verified) -> Iterator[Fault]:
    """Axes and locals are used only where they are known, and made once."""
    for kernel in v.kernels:
        for statement, why in scoping.scope_faults(kernel):
            yield kernel, format_statement(statement), why


def well_formed(v: Verified) -> Iterator[Fault]:
    """Buffers have a role and contents that fit, kernels no limit, calls the sizes of their buffers."""
    for buffer in v.program.buffers():
        text = f"{buffer.name}: {buffer.role}, {buffer.size} {buffer.dtype}"
        if buffer.role not in ROLES:
            yield None, text, f"a buffer's role is one of {', '.join(ROLES)}"
        if buffer.role == "constant" and np.size(buffer.content) != buffer.size:
            yield None, text, f"its content has {np.size(buffer.content)} elements"
    for step in v.program.steps:
        if isinstance(step, Kernel):
            if step.axis is not None and step.axis.limit is not None:
                yield step, step.axis.name, "a kernel's own axis has no limit: give it to a loop inside"
            continue
        for buffer, shape in zip((*step.inputs, step.output), (*step.shapes, step.output_shape), strict=True):
            if prod(shape) != buffer.size:
                yield step, f"{buffer.name}{list(shape)}", f"{buffer.name} has {buffer.size} elements"


# ── meaning: what has to be proved ────────────────────────────────────────────────────────────────


def read_only(v: Verified) -> Iterator[Fault]:
    """Nothing writes inputs and constants."""
    for step in v.program.steps:
        for buffer, text in _writes(v, step):
            if buffer.role in ("input", "constant"):
                yield step, text, f"{buffer.name} has the role {buffer.role!r}"


def _writes(v: Verified, step: Step) -> list[tuple[Buffer, str]]:
    if isinstance(step, Call):
        return [(step.output, step.label)]
    return [(a.buffer, format_statement(a.statement)) for a in v.scopes(step).accesses if a.writes]


def in_bounds(v: Verified) -> Iterator[Fault]:
    """Each offset lies within its buffer: by the bounds of its axes, its guards, limits and ``within``."""
    for kernel in v.kernels:
        for access in v.scopes(kernel).accesses:
            low, high = v.reach(kernel, access)
            if low <= high and not 0 <= low <= high < access.buffer.size:
                why = (
                    f"the offset into {access.buffer.name} lies in {_number(low)} … {_number(high)}, "
                    f"and there are {access.buffer.size} elements"
                )
                yield kernel, format_statement(access.statement), why


def _number(value: int) -> str:
    return str(value) if abs(value) < 1 << 52 else "-∞" if value < 0 else "∞"


def race_free(v: Verified) -> Iterator[Fault]:
    """Where the order is free, no place touches what another place writes.

    Sums that meet within a loop are the exception, which runs in order then; not between the places of
    a kernel, which different threads may run.
    """
    v.hand_namings_on()
    for kernel in v.kernels:
        scopes = v.scopes(kernel)
        by_buffer: dict[Buffer, list[Access]] = {}
        for access in scopes.accesses:
            low, high = v.reach(kernel, access)
            if access.buffer in scopes.written and low <= high:
                by_buffer.setdefault(access.buffer, []).append(access)
        for buffer, accesses in by_buffer.items():
            yield from _races(kernel, scopes, buffer, accesses)


def _races(kernel: Kernel, scopes: Scopes, buffer: Buffer, accesses: list[Access]) -> Iterator[Fault]:
    proved: set[tuple[object, ...]] = set()
    for number, one in enumerate(accesses):
        for other in accesses[number:]:
            if not (one.writes or other.writes):
                continue
            for depth, around in enumerate(one.around):
                if depth >= len(other.around) or other.around[depth] != around:
                    break
                if around.kind != "unordered" or around.axis.extent <= 1:
                    continue
                sums = one.kind == other.kind == "accumulate" and around.entered >= 0
                key = (one.offset, one.guards, one.around, other.offset, other.guards, other.around, depth)
                if sums or key in proved:
                    continue
                proved.add(key)
                if not apart(one, other, depth, scopes):
                    what = "this" if other is one else f"`{format_statement(other.statement)}`"
                    why = (
                        f"different places of {around.axis.name} may meet in {buffer.name}: "
                        f"this {one.kind} and the {other.kind} of {what}"
                    )
                    yield kernel, format_statement(one.statement), why


def initialised(v: Verified) -> Iterator[Fault]:
    """Scratch and outputs are read, or handed over, only where something before has written.

    Gaps are seen wherever offsets depend on axes alone.  A load in a loop that runs in order may read
    what a later statement of that loop stored at an earlier place.
    """
    written = Written()
    for step in v.program.steps:
        if isinstance(step, Call):
            for buffer in step.inputs:
                if _needs_writing(buffer) and not written.covers(buffer, *_all(buffer)):
                    yield step, step.label, f"nothing has written all of {buffer.name}"
            written.add(step.output, 0, step.output.size - 1)
            continue
        for access in v.scopes(step).accesses:
            low, high = v.reach(step, access)
            if low > high or not _needs_writing(access.buffer):
                continue
            if access.kind != "store" and not _finds(v, step, access, written):
                why = f"nothing before has written all of {access.buffer.name} from {low} to {high}"
                yield step, format_statement(access.statement), why
            if access.writes:
                written.add(access.buffer, low, high, elements(access, v.scopes(step)))
    for buffer in v.program.buffers():
        if buffer.role == "output" and buffer.size and not written.covers(buffer, *_all(buffer)):
            yield None, buffer.name, "nothing writes all of this output"


def _needs_writing(buffer: Buffer) -> bool:
    return buffer.role in ("scratch", "output") and buffer.size > 0


def _all(buffer: Buffer) -> tuple[int, int, np.ndarray[Any, Any] | None]:
    return 0, buffer.size - 1, np.arange(buffer.size) if buffer.size <= MOST else None


def _finds(v: Verified, kernel: Kernel, load: Access, written: Written) -> bool:
    """Whether all that a load reads has been written, by then."""
    scopes = v.scopes(kernel)
    if written.covers(load.buffer, *v.reach(kernel, load), elements(load, scopes)):
        return True
    loops = {a.entered for a in load.around if a.kind == "ordered"}
    later = [
        access
        for access in scopes.accesses
        if access.writes and access.buffer is load.buffer and access.position >= load.position
        if loops & {a.entered for a in access.around}
    ]
    return bool(later) and stored_in_time(load, later, written, scopes)


def checks_first(v: Verified) -> Iterator[Fault]:
    """A kernel that writes a variable has no check, nor has any kernel after it."""
    written: str | None = None
    for step in v.program.steps:
        for buffer, _ in _writes(v, step):
            if buffer.role == "variable" and written is None:
                written = f"{buffer.name} is written in {step_name(step)}"
        if isinstance(step, Kernel) and written is not None:
            for statement in statements(step.body):
                if isinstance(statement, Check):
                    yield step, format_statement(statement), f"too late: {written}"


def promised(v: Verified) -> Iterator[Fault]:
    """What ``within`` promises of an input, an earlier kernel's check has looked at.

    A check of the same kernel does not end it: there the promise must hold by itself, as that of
    ``where(fits, x, 0)`` does, or a refused run would miss a buffer.
    """
    looked_at: set[Buffer] = set()
    for kernel in v.kernels:
        here: set[Buffer] = set()
        for statement in statements(kernel.body):
            if isinstance(statement, Check):
                here |= _judged(statement.condition, v.scopes(kernel))
        puts = _put(kernel, here, v.scopes(kernel))
        for statement in statements(kernel.body):
            for value in walk(roots(statement)):
                if value.op == "within" and not _holds(value, v.scopes(kernel)):
                    for why in _broken(value, looked_at, here, puts, v.scopes(kernel)):
                        yield kernel, format_statement(statement), why
        looked_at |= here


def _broken(
    value: Scalar,
    looked_at: set[Buffer],
    here: set[Buffer],
    puts: dict[Buffer, tuple[int, int]],
    scopes: Scopes,
) -> Iterator[str]:
    """Why a promise may not hold: what it is about is checked nowhere, or by the same kernel."""
    first, last = value.payload[0], value.payload[1] - 1
    for buffer in _loaded(value, scopes) - looked_at:
        low, high = puts.get(buffer, (first, last))
        if buffer.role == "input":
            yield f"no check in an earlier kernel has looked at {buffer.name}"
        elif buffer in here or low < first or last < high:
            yield f"this kernel's check may refuse what is in {buffer.name}, and does not end the kernel"


def _holds(value: Scalar, scopes: Scopes) -> bool:
    """Whether a promise can be proved from the value itself."""
    low, high = value_range(value.args[0], [], scopes)
    return bool(value.payload[0] <= low and high < value.payload[1])


def _put(kernel: Kernel, checked: set[Buffer], scopes: Scopes) -> dict[Buffer, tuple[int, int]]:
    """The range of what a kernel puts into each buffer of what it checks."""
    found: dict[Buffer, tuple[int, int]] = {}
    for statement in statements(kernel.body):
        whole = isinstance(statement, Store) and is_integer(statement.buffer.dtype)
        if isinstance(statement, Store) and whole and _loaded(statement.value, scopes) & checked:
            low, high = value_range(statement.value, [], scopes)
            least, most = found.get(statement.buffer, (low, high))
            found[statement.buffer] = min(low, least), max(high, most)
    return found


def _judged(condition: Scalar, scopes: Scopes) -> set[Buffer]:
    """The buffers whose elements a condition compares as integers."""
    if condition.op in ("and", "or", "not"):
        return set().union(*[_judged(side, scopes) for side in condition.args])
    if condition.op == "local" and condition.payload in scopes.values:
        return _judged(scopes.values[condition.payload], scopes)
    if condition.op in COMPARISONS and is_integer(condition.args[0].dtype):
        return _loaded(condition, scopes)
    return set()


def _loaded(value: Scalar, scopes: Scopes) -> set[Buffer]:
    """The buffers whose elements a scalar is made of: locals are seen through, offsets are not."""
    found: set[Buffer] = set()
    seen: set[Scalar] = set()
    stack = [value]
    while stack:
        part = stack.pop()
        if part in seen:
            continue
        seen.add(part)
        if part.op == "load":
            found.add(part.payload)
        elif part.op == "local" and part.payload in scopes.values:
            stack.append(scopes.values[part.payload])
        else:
            stack.extend(part.args)
    return found


Rule = Callable[[Verified], Iterator[Fault]]

FORM: dict[str, Rule] = {"typed": typed, "scoped": scoped, "well formed": well_formed}
MEANING: dict[str, Rule] = {
    "read only": read_only,
    "in bounds": in_bounds,
    "race free": race_free,
    "initialised": initialised,
    "checks first": checks_first,
    "promised": promised,
}
RULES = {**FORM, **MEANING}
