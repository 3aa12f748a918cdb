"""What fusion puts together: units, and groups of them that become one loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from ...loops import index
from ...loops.ir import (
    INDEX,
    Axis,
    Buffer,
    Call,
    Kernel,
    Loop,
    Reduce,
    Statement,
    Step,
    roots,
    statements,
    walk,
)
from .accesses import Access, Touch, Touches
from .costs import cost
from .forward import loads
from .renaming import Renaming

FEW = 32
"""Places that a few threads can hardly share evenly."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a loop's body looks like from outside."""

    size: int = 1
    """How many statements there are."""
    rows: bool = False
    """Whether it holds loops: a place is a row of something."""
    columns: bool = False
    """Whether it only folds what lies in columns: neighbouring places read neighbouring elements."""
    product: bool = False
    """Whether there is a sum of products in it."""


def shape_of(axis: Axis | None, body: Sequence[Statement]) -> Shape:
    inner = list(statements(body))
    folds = [s for s in inner if isinstance(s, Reduce)]
    rows = any(isinstance(s, Loop) for s in inner)
    columns = axis is not None and not rows and any(_in_columns(fold, axis) for fold in folds)
    return Shape(len(inner), rows, columns, any(is_product(fold) for fold in folds))


def _in_columns(fold: Reduce, axis: Axis) -> bool:
    """Whether the fold reads along the axis in steps of 1, and along its own in longer ones."""
    along, across = index.of(axis), index.of(fold.axes[-1])
    for load in loads([part.value for part in fold.parts]):
        _, terms = index.terms(load.args[0])
        if abs(terms.get(along, 0)) == 1 and abs(terms.get(across, 1)) != 1:
            return True
    return False


def is_product(fold: Reduce) -> bool:
    """Whether the fold sums products of what it loads."""
    return any(
        part.kind == "sum" and part.value.op == "mul" and all(loads([x]) for x in part.value.args)
        for part in fold.parts
    )


@dataclass(eq=False, slots=True)
class Unit:
    """A step, or a statement of a body: what stands at one place of an enclosing loop."""

    statement: Step | Statement
    renaming: Renaming
    touch: Touch
    axis: Axis | None
    """The axis of a loop that may be merged with others."""
    serial: bool = False
    product: tuple[int, int] | None = None
    """The places of a product that is kept for a library."""
    shape: Shape = Shape()

    @staticmethod
    def of_step(step: Step, touches: Touches, kept: bool) -> Unit:
        touch, none = touches.of(step), Renaming()
        if isinstance(step, Call):
            return Unit(step, none, touch, None)
        inner = [s for s in step.body if isinstance(s, Loop)]
        product = (step.axis.extent, inner[0].axis.extent) if kept and step.axis and inner else None
        return Unit(step, none, touch, step.axis, step.axis is None, product, shape_of(step.axis, step.body))

    @staticmethod
    def of_statement(statement: Statement, renaming: Renaming, touches: Touches) -> Unit:
        touch = touches.of(statement).renamed(renaming)
        if isinstance(statement, Loop) and not statement.ordered and statement.axis.limit is None:
            shape = shape_of(statement.axis, statement.body)
            return Unit(statement, renaming, touch, statement.axis, shape=shape)
        return Unit(statement, renaming, touch, None)

    @property
    def loop(self) -> Kernel | Loop:
        assert isinstance(self.statement, Kernel | Loop)
        return self.statement

    @property
    def body(self) -> tuple[Statement, ...]:
        return self.loop.body

    def flatten(self, touches: Touches) -> None:
        """Turn an elementwise loop over rows that lie end to end into one over all their elements."""
        nest = self.loop
        if isinstance(nest, Loop):
            renamed = self.renaming.statement(nest)
            assert isinstance(renamed, Loop)
            nest = renamed
        if (flat := flattened(nest)) is not None:
            self.statement, self.axis, self.renaming = flat, flat.axis, Renaming()
            self.touch, self.shape = touches.of(flat), shape_of(flat.axis, flat.body)

    def keep_to_one_thread(self) -> None:
        """Turn a kernel over an axis into one that runs once and loops."""
        kernel = self.statement
        if isinstance(kernel, Kernel) and kernel.axis is not None:
            self.statement = Kernel(kernel.name, None, (Loop(kernel.axis, kernel.body),))
            self.axis, self.serial = None, True


def nest_of(loop: Kernel | Loop) -> tuple[list[Axis], tuple[Statement, ...]]:
    """The axes of a perfect nest of loops, and what is innermost."""
    axes, body = [] if loop.axis is None else [loop.axis], loop.body
    while (
        len(body) == 1
        and isinstance(inner := body[0], Loop)
        and not inner.ordered
        and inner.axis.limit is None
    ):
        axes.append(inner.axis)
        body = inner.body
    return axes, body


def flattened(nest: Kernel | Loop) -> Kernel | Loop | None:
    """The nest of loops over one axis, if it is elementwise and no offset needs to take the axis apart."""
    axes, body = nest_of(nest)
    if len(axes) < 2 or any(isinstance(s, Loop | Reduce) for s in body):
        return None
    shape = [axis.extent for axis in axes]
    flat = Axis(axes[0].name, prod(shape))
    places = index.unravel(index.of(flat), shape)
    renaming = Renaming(
        {index.of(axis): at for axis, at in zip(axes, places, strict=True) if axis.extent > 1}
    )
    new = tuple([renaming.statement(s) for s in body])
    values = [root for statement in new for root in roots(statement)]
    if any(s.op in ("floordiv", "mod") and s.dtype == INDEX for s in walk(values)):
        return None
    return Loop(flat, new) if isinstance(nest, Loop) else Kernel(nest.name, flat, new)


@dataclass(eq=False, slots=True)
class Group:
    """Units that become one loop of ``extent`` places (or stay the single unit they are)."""

    units: list[Unit]
    extent: int
    accesses: dict[Buffer, list[tuple[Access, Unit]]] = field(default_factory=dict)
    written: set[Buffer] = field(default_factory=set)

    @staticmethod
    def of(unit: Unit) -> Group:
        accesses = {b: [(a, unit) for a in found] for b, found in unit.touch.accesses.items()}
        return Group([unit], unit.axis.extent if unit.axis else 0, accesses, set(unit.touch.written))

    @property
    def first(self) -> Unit:
        return self.units[0]

    @property
    def size(self) -> int:
        return sum(unit.shape.size for unit in self.units)

    def cost(self) -> float:
        return sum([cost(unit.statement) for unit in self.units if isinstance(unit.statement, Kernel | Call)])

    def take(self, other: Group, extent: int) -> None:
        self.units += other.units
        self.extent = extent
        for buffer, accesses in other.accesses.items():
            self.accesses.setdefault(buffer, []).extend(accesses)
        self.written |= other.written
