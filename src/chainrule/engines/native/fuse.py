"""Fusion: kernels, and the loops within them, become one where nothing they share crosses their places.

Two loops of equal extent are merged if whatever one writes and the other touches is touched by both at
one place of the loop (``accesses.py``), and if no third step must run between them.  A loop of M·N
places that meets one of M is first cut into M stretches of N, so that an elementwise kernel over a whole
array joins the rows that feed it.  Afterwards stored values are handed on within a body (``forward.py``)
and stores that nobody reads disappear.  The numbers computed are the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...loops import index
from ...loops.ir import Axis, Call, Kernel, Loop, Program, Statement, Step
from .accesses import Touches
from .costs import MEETING
from .forward import eliminate, forward
from .grouping import Grouping
from .renaming import apart
from .units import Group, Unit

SMALL = MEETING // 4
"""Scalar operations below which a kernel is not worth sharing out."""

Keep = Callable[[Kernel], bool]


def fuse(program: Program, keep: Keep | None = None, small: float = SMALL) -> Program:
    """The same program in fewer kernels.

    ``keep`` tells which kernels are matrix products with code of their own: those take in elementwise
    work over their own places, and nothing else.  Kernels of less than ``small`` scalar operations are
    run by one thread.
    """
    program = apart(Program(tuple([_unwrapped(step) for step in program.steps])))
    touches = Touches()
    kept = set() if keep is None else {s for s in program.steps if isinstance(s, Kernel) and keep(s)}
    units = [Unit.of_step(step, touches, step in kept) for step in program.steps]
    grouping = Grouping(units, frozenset(), touches)
    grouping.join_small(small)
    steps = [_step(group, touches) for group in grouping.groups()]
    return eliminate(Program(tuple([forward(s) if isinstance(s, Kernel) else s for s in steps])))


def _unwrapped(step: Step) -> Step:
    """A kernel of one place runs the loop within it in parallel, if that is all it does."""
    while isinstance(step, Kernel) and step.axis is not None and step.axis.extent == 1:
        match step.body:
            case (Loop(axis=Axis(limit=None) as axis, body=body, ordered=False),):
                step = Kernel(step.name, axis, body)
            case _:
                step = Kernel(step.name, None, step.body)
    return step


# ── the merged bodies ─────────────────────────────────────────────────────────────────────────────


def _step(group: Group, touches: Touches) -> Step:
    first = group.first
    if isinstance(first.statement, Call):
        return first.statement
    assert isinstance(first.statement, Kernel)
    if len(group.units) == 1 and not _nested(first.body):
        return first.statement
    name = _joined([unit.statement.name for unit in group.units if isinstance(unit.statement, Kernel)])
    if first.serial:
        units = [Unit.of_statement(s, unit.renaming, touches) for unit in group.units for s in unit.body]
        return Kernel(name, None, _body(units, frozenset(), touches))
    axis, inner = _opened(group, touches)
    body = _body(inner, frozenset([axis]), touches)
    return Kernel(name, axis, body)


def _opened(group: Group, touches: Touches) -> tuple[Axis, list[Unit]]:
    """The axis of the group's loop, and what stands within it, of all its units one after the other."""
    whole = [unit.axis for unit in group.units if unit.axis is not None and unit.axis.extent == group.extent]
    first = group.first.axis
    assert first is not None
    axis = whole[0] if whole else Axis(first.name, group.extent)
    place, inner = index.of(axis), list[Unit]()
    for unit in group.units:
        assert unit.axis is not None
        split = unit.axis.extent // group.extent
        if split == 1:
            renaming = unit.renaming.through(unit.axis, place)
            inner += [Unit.of_statement(s, renaming, touches) for s in unit.body]
            continue
        within = Axis(f"{unit.axis.name}'", split)
        cut = index.add(index.scale(place, split), index.of(within))
        renaming = unit.renaming.through(unit.axis, cut)
        inner.append(Unit.of_statement(Loop(within, unit.body), renaming, touches))
    return axis, inner


def _body(units: list[Unit], outer: frozenset[Axis], touches: Touches) -> tuple[Statement, ...]:
    """The statements that the units become, their loops merged in turn."""
    loops = sum(unit.axis is not None for unit in units)
    groups = Grouping(units, outer, touches).groups() if loops > 1 else [Group.of(unit) for unit in units]
    out: list[Statement] = []
    for group in groups:
        first = group.first
        assert not isinstance(first.statement, Kernel | Call)
        if first.axis is None or (len(group.units) == 1 and not _nested(first.body)):
            out.append(first.renaming.statement(first.statement))
            continue
        axis, inner = _opened(group, touches)
        out.append(Loop(axis, _body(inner, outer | {axis}, touches)))
    return tuple(out)


def _nested(body: Sequence[Statement]) -> bool:
    """Whether a body holds two loops side by side, at any depth."""
    inner = [s for s in body if isinstance(s, Loop)]
    return len(inner) > 1 or any(_nested(loop.body) for loop in inner)


def _joined(names: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(part for name in names for part in name.split("+")))
    return "+".join(distinct[:4]) + (f"+{len(distinct) - 4} more" if len(distinct) > 4 else "")
