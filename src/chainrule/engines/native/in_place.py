"""Updates in place: each variable's new value goes into the variable's own buffer.

The pass only appends a kernel that copies each new value; fusion then merges the copy with the kernel
that computes the value wherever nobody reads the old one later and all checks have been made, forwards
the value, and drops the copied buffer.  What remains of a copy afterwards is one that is needed.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...loops import builder
from ...loops.ir import Axis, Buffer, Kernel, Program


def in_place(program: Program, updates: Mapping[Buffer, Buffer]) -> Program:
    """``program`` and then ``variable = new`` for each of the ``updates``, all at once.

    A new value that is itself a variable to be updated is put aside first.
    """
    aside: dict[Buffer, Buffer] = {}
    first, second = [], []
    for variable, new in updates.items():
        if new is variable or variable.size == 0:
            continue
        if new in updates:
            if new not in aside:
                aside[new] = Buffer(f"{new.name} before", new.size, new.dtype)
                first.append(_copy(new, aside[new]))
            new = aside[new]
        second.append(_copy(new, variable))
    return Program((*program.steps, *first, *second))


def _copy(source: Buffer, target: Buffer) -> Kernel:
    axis = Axis("place", target.size)
    place = builder.axis(axis)
    over = None if target.size == 1 else axis
    return Kernel(target.name, over, (builder.store(target, place, builder.load(source, place)),))
