"""Phases: stretches of a program that all threads run without meeting, and what one thread runs alone.

Within a phase no step touches what another one writes, unless one thread runs both.  A step is *serial*
where its work is smaller than what it costs to share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...loops.ir import Call, Kernel, Program, Step
from .accesses import FAILURE, Touches, conflicts, order_of
from .costs import MEETING


@dataclass(frozen=True, eq=False, slots=True)
class Part:
    """A step and how threads share it.

    ``serial``: thread 0 runs all of it.  ``barrier``: all threads meet after it.  ``check``: there they
    look whether a check has failed.
    """

    step: Step
    extent: int
    serial: bool
    barrier: bool
    check: bool


def schedule(program: Program, touches: Touches | None = None) -> Program:
    """The same steps in an order with the fewest phases: each as soon as what it needs is there.

    Passes that follow each other share ``touches``, what they have found out about the steps.
    """
    work = Work(program, touches)
    order = sorted(range(len(work.level)), key=lambda k: (work.level[k], k))
    return Program(tuple([program.steps[k] for k in order]))


def partition(program: Program, touches: Touches | None = None) -> list[Part]:
    """The steps in their order, each with how it is shared and whether threads meet after it."""
    steps, work = program.steps, Work(program, touches)
    phases = work.phases()
    checking = {phase for phase, touch in zip(phases, work.touches, strict=True) if FAILURE in touch.written}
    parts = []
    for k, step in enumerate(steps):
        last = k + 1 == len(steps) or phases[k + 1] != phases[k]
        extent = step.axis.extent if isinstance(step, Kernel) and step.axis is not None else 1
        parts.append(Part(step, extent, work.serial[k], last, last and phases[k] in checking))
    return parts


def phases_of(program: Program, touches: Touches | None = None) -> list[int]:
    """The number of the phase in which each step runs, the steps being in this order."""
    return Work(program, touches).phases()


class Work:
    """The steps of a program, which of them one thread runs, and how soon each can run."""

    def __init__(self, program: Program, touches: Touches | None = None) -> None:
        steps, found = program.steps, touches or Touches()
        self.touches = [found.of(step) for step in steps]
        self.earlier = order_of(self.touches)
        self.serial = [isinstance(step, Call) or step.axis is None for step in steps]
        self.level = self._levels()
        quiet = self._quiet([found.cost(step) for step in steps])
        if quiet:
            self.serial = [alone or self.level[k] in quiet for k, alone in enumerate(self.serial)]
            self.level = self._levels()

    def _quiet(self, costs: Sequence[float]) -> set[int]:
        """Phases next to each other with less to do than it takes to meet: one thread runs them."""
        last = max(self.level, default=0)
        work = [0.0] * (last + 1)
        for level, operations, alone in zip(self.level, costs, self.serial, strict=True):
            work[level] += 0.0 if alone else operations
        quiet = {level for level, operations in enumerate(work) if operations < MEETING}
        return {level for level in quiet if last == 0 or level - 1 in quiet or level + 1 in quiet}

    def _levels(self) -> list[int]:
        """The first phase in which each step can run."""
        level: list[int] = []
        for k, before in enumerate(self.earlier):
            level.append(max([level[e] + self.meet(e, k) for e in before], default=0))
        return level

    def phases(self) -> list[int]:
        """The phase of each step, in the order in which they stand."""
        phases: list[int] = []
        for k, before in enumerate(self.earlier):
            phase = phases[-1] if phases else 0
            phases.append(phase + any(phases[e] == phase and self.meet(e, k) for e in before))
        return phases

    def meet(self, first: int, second: int) -> bool:
        """Whether threads must meet between two steps of which the second depends on the first."""
        if not (self.serial[first] and self.serial[second]):
            return True
        return FAILURE in conflicts(self.touches[first], self.touches[second])
