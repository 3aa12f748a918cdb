"""What a loop program is made of: scalars, statements, kernels, calls.

A *program* is a list of steps over *buffers*, flat arrays of fixed size.  A *kernel* is a body of
statements run for every place of its axis, in any order and by any number of threads; a *call* hands
whole buffers to a Python function.  The statements' values are *scalars*: immutable, interned
expressions over loads, axes and arithmetic.  Interning makes equal expressions the same object, so a
walk that remembers what it has seen meets each of them once.

The meaning of all of it is the interpreter's (``interpreter.py``); legality is the verifier's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from threading import RLock
from typing import Any
from weakref import WeakValueDictionary

from ..dtypes import DType, bool_, int64


@dataclass(frozen=True, eq=False, slots=True)
class Axis:
    """A loop's variable: 0, 1, … up to ``extent``, or up to ``limit`` where that is smaller.

    ``extent`` is known when the program is written; ``limit`` is an int64 scalar known only when the
    loop is entered, such as a count that an earlier kernel stored.  A kernel's own axis has none.
    """

    name: str
    extent: int
    limit: Scalar | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Buffer:
    """A flat array of ``size`` elements: where it lives is not the program's affair.

    Roles: ``input`` is written by whoever runs the program, ``variable`` lives from run to run,
    ``constant`` holds ``content``, ``output`` is read when the program is done, ``scratch`` is free
    between its first write and its last read.  A buffer that must be zero (or ``fill``) before the
    first step of the very first run, and is left so by every run, is ``kept``; after a refused run it
    is filled anew by whoever ran the program.
    """

    name: str
    size: int
    dtype: DType
    role: str = "scratch"
    content: Any = field(default=None, repr=False)
    fill: int = 0


ROLES = ("input", "variable", "constant", "output", "scratch", "kept")


class Local:
    """The name of a value that a statement computes and later statements of its scope read."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Local({self.name!r})"


class Scalar:
    """An expression: an operation on other scalars.  Equal expressions are one object.

    ``payload`` is what the operation needs beside its operands: the buffer of a load, the axis of an
    axis, the number of a constant, the coefficients of an affine sum.
    """

    __slots__ = ("__weakref__", "args", "dtype", "op", "payload", "serial")
    op: str
    args: tuple[Scalar, ...]
    dtype: DType
    payload: Any
    serial: int
    """Counts scalars in the order in which they were made: settles the order of equals."""

    def __repr__(self) -> str:
        inner = ", ".join([*map(repr, self.args), *([] if self.payload is None else [repr(self.payload)])])
        return f"{self.op}({inner})"


_standing: WeakValueDictionary[Any, Scalar] = WeakValueDictionary()
_serials = count()
_making = RLock()


def scalar(op: str, args: Sequence[Scalar], dtype: DType, payload: Any = None) -> Scalar:
    """The one scalar with these parts.  ``builder.py`` is how they are made; this checks nothing."""
    arguments = tuple(args)
    key = (op, arguments, dtype, payload if payload is None else _payload_key(payload))
    found = _standing.get(key)
    if found is None:
        with _making:  # two threads that build at once must not make two of one kind
            found = _standing.get(key)
            if found is None:
                found = Scalar()
                found.op, found.args, found.dtype, found.payload = op, arguments, dtype, payload
                found.serial = next(_serials)
                _standing[key] = found
    return found


def _payload_key(payload: Any) -> Any:
    if isinstance(payload, float):  # 0.0 and -0.0 are equal, and not the same; NaN is not equal to itself
        return ("float", payload.hex())
    return payload if isinstance(payload, _PLAIN) else ("object", id(payload))


_PLAIN = (int, tuple, str)


# ── the operations ────────────────────────────────────────────────────────────────────────────────
#
# "axis"     payload Axis: the loop variable, int64
# "constant" payload int, float or bool
# "local"    payload Local
# "affine"   payload (constant, coefficients): constant + Σ coefficient · argument, int64; every
#            argument is an axis or another opaque int64 scalar, none of them affine or constant
# "within"   payload (low, high): the argument, of which a Check has shown low ≤ x < high (nothing is
#            promised where a `where` rules out the access that uses it).  A failing check does not end
#            its kernel, so what that kernel uses must be in range by itself: where(fits, x, low)
# "load"     payload Buffer; args (offset,) or (offset, where): 0 where `where` is false, and no access
# "cast"     to the dtype; float to integer as NumPy does on values in range, unspecified outside;
#            anything to bool is "≠ 0"
# "bitcast"  the same bits as another type of the same width
# "where"    args (condition, then, otherwise): both sides may be computed
# "fma"      a·b + c rounded once

ELEMENTARY = ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erf", "sin", "cos", "pow", "atan2")
"""What no processor computes in one instruction: within a few units in the last place, not exact."""

UNARY = frozenset(
    ("neg", "abs", "sign", "sqrt", "floor", "ceil", "round", "trunc", "not", "isfinite", "isnan",
     "exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erf", "sin", "cos")
)  # fmt: skip
"""Of one operand.  ``round`` is to even.  ``not`` is logical on bool, bitwise on integers.  ``neg`` and
``abs`` of integers wrap around; ``sign`` is 0 of both zeros and NaN of NaN.  Those of the last row, and
``sqrt`` and the roundings, take floats only; ``isfinite`` and ``isnan`` take floats and give bool."""

BINARY = frozenset(
    ("add", "sub", "mul", "div", "floordiv", "mod", "min", "max", "pow", "atan2",
     "and", "or", "xor", "shl", "shr", "eq", "ne", "lt", "le", "gt", "ge")
)  # fmt: skip
"""Of two operands of one dtype.

- ``min`` and ``max`` propagate NaN, and of two zeros give either.
- Integer arithmetic wraps around.  ``floordiv`` and ``mod`` round to minus infinity, and are 0 where an
  integer is divided by 0; of floats they are what NumPy computes: r = fmod(a, b), moved by b if its sign
  is not b's (a zero takes b's sign); (a - r) / b rounded to the nearest whole number; NaN for the
  remainder and a / b for the quotient where b is 0.
- ``div``, ``pow`` and ``atan2`` take floats only; ``and``, ``or``, ``xor`` bool or integers; ``shl`` and
  ``shr`` integers: a shift by the width or more, or by a negative count, leaves only sign bits (0, or -1
  of a negative number shifted right).
- Comparisons give bool; of bool there are only ``eq`` and ``ne``.  With a NaN all but ``ne`` are false.
"""

TERNARY = frozenset(("where", "fma"))

COMPARISONS = frozenset(("eq", "ne", "lt", "le", "gt", "ge"))

REDUCTIONS = ("sum", "prod", "max", "min", "argmax", "argmin", "any", "all")
"""``max``, ``min`` propagate NaN; ``argmax``, ``argmin`` give the first place (a NaN counts as the
extreme), as int64 counted over the extents of the reduction's axes in row-major order.  ``any`` and
``all`` take bool, the others numbers.  Over no places at all: 0, 1, the least and the greatest value of
the dtype (∓∞ of floats), place 0, false and true."""


# ── statements ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False, slots=True)
class Let:
    """Compute ``value`` now; ``local`` names it from here to the end of the body.

    The other statements' scalars are computed when the statement runs: a load that two statements share
    is done twice, and sees what was stored in between.
    """

    local: Local
    value: Scalar


@dataclass(frozen=True, eq=False, slots=True)
class Store:
    """``buffer[offset] = value``, if ``where`` (or always)."""

    buffer: Buffer
    offset: Scalar
    value: Scalar
    where: Scalar | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Accumulate:
    """``buffer[offset] += value``, if ``where``; several places of a loop may meet at one offset.

    Such sums are added up in the order of the loop's places.  Places of a kernel's axis never meet.
    """

    buffer: Buffer
    offset: Scalar
    value: Scalar
    where: Scalar | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Part:
    """One of the results of a reduction: ``local`` is ``kind`` over all values of ``value``."""

    kind: str
    value: Scalar
    local: Local


@dataclass(frozen=True, eq=False, slots=True)
class Reduce:
    """Reduce over ``axes`` (the first is outermost): each part's local is known afterwards."""

    axes: tuple[Axis, ...]
    parts: tuple[Part, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Loop:
    """Run ``body`` for each place of ``axis``: in order if ``ordered``, else in any order.

    Of an unordered loop no place reads what another one writes, and no two write one element.
    """

    axis: Axis
    body: tuple[Statement, ...]
    ordered: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Check:
    """Unless ``condition``: the run is refused, stops after this kernel, and writes no variable.

    No kernel that writes a variable has a check, nor has any kernel after it.
    """

    condition: Scalar


Statement = Let | Store | Accumulate | Reduce | Loop | Check


@dataclass(frozen=True, eq=False, slots=True)
class Kernel:
    """``body`` for each place of ``axis``, in any order; once, by one thread, where ``axis`` is None."""

    name: str
    axis: Axis | None
    body: tuple[Statement, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Call:
    """Hand ``inputs`` to a Python function, and put its result into ``output``.

    ``function`` takes arrays of the ``shapes`` and returns one; ``label`` is what a person reads.
    """

    label: str
    function: Any = field(repr=False)
    inputs: tuple[Buffer, ...]
    shapes: tuple[tuple[int, ...], ...]
    output: Buffer
    output_shape: tuple[int, ...]


Step = Kernel | Call


@dataclass(frozen=True, eq=False, slots=True)
class Program:
    """The steps in order; each sees all that the earlier ones wrote."""

    steps: tuple[Step, ...]

    def buffers(self) -> list[Buffer]:
        """Every buffer that a step names, in the order of their first use."""
        found: dict[Buffer, None] = {}
        for step in self.steps:
            if isinstance(step, Call):
                found.update(dict.fromkeys([*step.inputs, step.output]))
                continue
            for statement in statements(step.body):
                if isinstance(statement, Store | Accumulate):
                    found[statement.buffer] = None
                for value in roots(statement):
                    found.update(dict.fromkeys(s.payload for s in walk([value]) if s.op == "load"))
        return list(found)


# ── walks ─────────────────────────────────────────────────────────────────────────────────────────


def statements(body: Sequence[Statement]) -> Iterator[Statement]:
    """The statements of a body and of the loops within, each before what it holds."""
    for statement in body:
        yield statement
        if isinstance(statement, Loop):
            yield from statements(statement.body)


def roots(statement: Statement) -> list[Scalar]:
    """The scalars that a statement itself evaluates (those of a loop's body are not its own)."""
    match statement:
        case Let(value=value):
            return [value]
        case Store() | Accumulate():
            where = [] if statement.where is None else [statement.where]
            return [statement.offset, statement.value, *where]
        case Reduce():
            limits = [axis.limit for axis in statement.axes if axis.limit is not None]
            return [*limits, *[part.value for part in statement.parts]]
        case Loop(axis=axis):
            return [] if axis.limit is None else [axis.limit]
        case Check(condition=condition):
            return [condition]


def walk(values: Sequence[Scalar]) -> list[Scalar]:
    """Every scalar under ``values``, each once, operands before what uses them."""
    order: dict[Scalar, None] = {}
    stack = list(values[::-1])
    while stack:
        value = stack[-1]
        if value not in order:
            pending = [argument for argument in value.args if argument not in order]
            if pending:
                stack += pending[::-1]
                continue
            order[value] = None
        stack.pop()
    return list(order)


def is_boolean(value: Scalar) -> bool:
    return value.dtype == bool_


INDEX = int64
"""The dtype of axes and offsets."""
