"""More places to share out: a kernel over few rows of much becomes one over all the rows within them."""

from __future__ import annotations

from ...loops import index
from ...loops.ir import Axis, Kernel, Loop, Program, Reduce, statements
from .costs import MEETING, cost
from .renaming import Renaming
from .units import FEW, is_product


def widen(program: Program) -> Program:
    """The same program, in which kernels of few places and one loop run over the places of both."""
    return Program(tuple([_widened(step) if isinstance(step, Kernel) else step for step in program.steps]))


def _widened(kernel: Kernel) -> Kernel:
    while kernel.axis is not None and kernel.axis.extent < FEW and cost(kernel) >= MEETING:
        match kernel.body:
            case (Loop(axis=Axis(limit=None) as inner, body=body, ordered=False),):
                if any(isinstance(s, Reduce) and is_product(s) for s in statements(body)):
                    return kernel  # rows of a product stay together: they share its other operand
            case _:
                return kernel
        both = Axis(inner.name, kernel.axis.extent * inner.extent)
        place = index.of(both)
        renaming = Renaming(
            {
                index.of(kernel.axis): index.floordiv(place, inner.extent),
                index.of(inner): index.mod(place, inner.extent),
            }
        )
        kernel = Kernel(kernel.name, both, tuple([renaming.statement(s) for s in body]))
    return kernel
