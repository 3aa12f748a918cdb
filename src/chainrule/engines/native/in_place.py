"""Updates in place: each variable's new value goes into the variable's own buffer.

A kernel that computes a new value stores it there at once where nobody reads the old value later and no
check is still to come.  For all others the pass appends a kernel that copies the new value; fusion merges
that with the kernel that computes it as soon as those in between have been moved, and what remains of a
copy afterwards is one that is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...loops import builder
from ...loops.ir import Axis, Buffer, Check, Kernel, Loop, Program, Statement, Step, Store
from .accesses import FAILURE, Touch, Touches


def in_place(program: Program, updates: Mapping[Buffer, Buffer], touches: Touches | None = None) -> Program:
    """``program`` and then ``variable = new`` for each of the ``updates``, all at once.

    A new value that is itself a variable to be updated is put aside first.
    """
    steps, touches = list(program.steps), touches or Touches()
    found = [touches.of(step) for step in steps]
    written: dict[Buffer, list[int]] = {}
    last: dict[Buffer, int] = {}
    for place, touch in enumerate(found):
        last.update(dict.fromkeys(touch.accesses, place))
        for buffer in touch.written:
            written.setdefault(buffer, []).append(place)
    checked = written.get(FAILURE, [-1])[-1]
    first, second = list[Step](), list[Step]()
    aside: dict[Buffer, Buffer] = {}
    sources = set(updates.values())
    for variable, new in updates.items():
        if new is variable or variable.size == 0:
            continue
        if new in updates:
            if new not in aside:
                aside[new] = Buffer(f"{new.name} before", new.size, new.dtype)
                first.append(_copy(new, aside[new]))
            new = aside[new]
        elif variable not in sources and len(written.get(new, ())) == 1:
            (place,) = written[new]
            kernel = steps[place]
            late = max(last.get(variable, -1), checked) <= place
            if late and isinstance(kernel, Kernel) and _may_store(kernel, found[place], variable, new):
                steps[place] = Kernel(kernel.name, kernel.axis, _stored_too(kernel.body, variable, new))
                continue
        second.append(_copy(new, variable))
    return Program((*steps, *first, *second))


def _may_store(kernel: Kernel, touch: Touch, variable: Buffer, new: Buffer) -> bool:
    """Whether a kernel that computes ``new`` can put it where ``variable`` is, which nobody reads later.

    It is a nest of loops that ends with a store into ``new``, and reads the variable nowhere else.
    """
    if variable.size == 1 or new.role != "scratch":
        return False  # a number may have to be stored later than what else comes of it
    stores, reads = touch.accesses[new], touch.accesses.get(variable, [])
    if len(stores) > 1 or any(access.offset is not stores[0].offset for access in reads):
        return False
    body = kernel.body
    while len(body) == 1 and isinstance(loop := body[0], Loop) and not loop.ordered:
        body = loop.body
    match body:
        case (*before, Store(buffer=buffer, where=None)):
            return buffer is new and not any(isinstance(s, Loop | Check) for s in before)
    return False


def _stored_too(body: Sequence[Statement], variable: Buffer, new: Buffer) -> tuple[Statement, ...]:
    out: list[Statement] = []
    for statement in body:
        match statement:
            case Loop(axis=axis, body=inner):
                out.append(Loop(axis, _stored_too(inner, variable, new)))
            case Store(buffer=buffer, offset=offset, value=value) if buffer is new:
                let, once = builder.let(value, new.name)
                out += [let, Store(new, offset, once), Store(variable, offset, once)]
            case _:
                out.append(statement)
    return tuple(out)


def _copy(source: Buffer, target: Buffer) -> Kernel:
    axis = Axis("place", target.size)
    place = builder.axis(axis)
    over = None if target.size == 1 else axis
    return Kernel(target.name, over, (builder.store(target, place, builder.load(source, place)),))
