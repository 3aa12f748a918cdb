"""The meaning of a loop program: every statement carried out on arrays, one number at a time.

It is slow and plain on purpose.  Machine code must give what this gives: the same bits, but for the
elementary functions and for the order in which a reduction of floats adds up.

>>> from chainrule import loops
>>> from chainrule.dtypes import float32
>>> i = Axis("i", 3)
>>> x, y = Buffer("x", 3, float32, "input"), Buffer("y", 3, float32, "output")
>>> double = loops.mul(loops.load(x, loops.axis(i)), 2.0)
>>> memory = {x: np.array([1, 2, 3], np.float32)}
>>> interpret(Program((Kernel("double", i, (loops.store(y, loops.axis(i), double),)),)), memory)
True
>>> memory[y]
array([2., 4., 6.], dtype=float32)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import Any

import numpy as np

from ..dtypes import is_float
from ..errors import LoopError
from .arithmetic import Number, is_further, native, operation, start_of, step_of
from .index import INFINITE
from .ir import (
    Accumulate,
    Axis,
    Buffer,
    Call,
    Check,
    Kernel,
    Let,
    Loop,
    Part,
    Program,
    Reduce,
    Scalar,
    Statement,
    Store,
    roots,
    statements,
    walk,
)

Array = np.ndarray[Any, Any]
Memory = dict[Buffer, Array]
Frame = list[Number]
"""The value of each axis, local and scalar, by its slot."""
Run = Callable[[Frame], None]
Order = Callable[[int], Iterable[int]]


def interpret(program: Program, memory: Memory, order: Order = range) -> bool:
    """Run ``program`` on ``memory``; whether every check held.

    ``memory`` must hold the inputs and variables.  Buffers that it lacks are added to it: constants and
    kept ones with what they must hold, the others with NaN or another value that shows.  ``order`` gives
    the places 0 … n-1 in the order in which axes whose order is free are run.

    Raises ``LoopError`` where an access misses its buffer, with the kernel's name.
    """
    prepare(program, memory)
    with np.errstate(all="ignore"):
        for step in program.steps:
            if isinstance(step, Call):
                _call(step, memory)
            elif not _Kernel(step, memory, order).run():
                for buffer in memory:
                    if buffer.role == "kept":
                        memory[buffer].fill(buffer.fill)
                return False
    return True


def prepare(program: Program, memory: Memory) -> None:
    """Add the buffers that ``memory`` lacks; refuse arrays that do not fit theirs."""
    for buffer in program.buffers():
        if buffer in memory:
            array = memory[buffer]
            if array.shape != (buffer.size,) or array.dtype != buffer.dtype:
                raise LoopError(
                    f"the buffer {buffer.name} is {buffer.size} of {buffer.dtype}, and was given an array "
                    f"of shape {array.shape} and dtype {array.dtype}"
                )
        elif buffer.role in ("input", "variable"):
            raise LoopError(f"nothing was given for the {buffer.role} {buffer.name}")
        elif buffer.role == "constant":
            memory[buffer] = np.asarray(buffer.content, buffer.dtype).reshape(buffer.size)
        else:
            shows = buffer.fill if buffer.role == "kept" else _SHOWS.get(buffer.dtype.kind, True)
            memory[buffer] = np.full(buffer.size, shows, buffer.dtype)


_SHOWS = {"f": np.nan, "i": -0x5EADBEEF, "u": 0xDEADBEEF}
"""What fills memory that nobody has written: easy to see where it turns up."""


def _call(step: Call, memory: Memory) -> None:
    arrays = []
    for buffer, shape in zip(step.inputs, step.shapes, strict=True):
        array = memory[buffer].reshape(shape)
        array.flags.writeable = False
        arrays.append(array)
    result = np.asarray(step.function(*arrays))
    if result.shape != step.output_shape or result.dtype != step.output.dtype:
        raise LoopError(
            f"{step.label} returned {result.dtype} of shape {result.shape}, and was to return "
            f"{step.output.dtype} of shape {step.output_shape}"
        )
    memory[step.output][:] = result.reshape(prod(step.output_shape))


class _Kernel:
    """A kernel as closures over a frame of slots."""

    def __init__(self, kernel: Kernel, memory: Memory, order: Order) -> None:
        self.kernel, self.memory, self.order = kernel, memory, order
        self.slots: dict[Any, int] = {}
        self.frame: Frame = []
        self.ok = True
        self.body = self.compile_body(kernel.body)

    def run(self) -> bool:
        axis, frame = self.kernel.axis, self.frame
        if axis is None:
            _run_all(self.body, frame)
            return self.ok
        slot = self.slot(axis)
        for place in self.order(axis.extent):
            frame[slot] = place
            _run_all(self.body, frame)
        return self.ok

    def slot(self, key: Any) -> int:
        """Where the frame keeps an axis, a local or a scalar."""
        if key not in self.slots:
            self.slots[key] = len(self.frame)
            self.frame.append(None)
        return self.slots[key]

    # ── scalars ───────────────────────────────────────────────────────────────────────────────────

    def compile_values(self, values: Sequence[Scalar]) -> tuple[list[Run], list[int]]:
        """The instructions that compute ``values``, each scalar under them once, and their slots."""
        tape: list[Run] = []
        for value in walk(values):
            if value.op in ("axis", "local"):
                self.slots[value] = self.slot(value.payload)
                continue
            slot = self.slot(value)
            if value.op == "constant":
                kept = value.payload
                self.frame[slot] = value.dtype.type(kept) if is_float(value.dtype) else kept
            else:
                tape.append(self.instruction(value, slot, [self.slots[a] for a in value.args]))
        return tape, [self.slots[value] for value in values]

    def instruction(self, value: Scalar, out: int, args: list[int]) -> Run:
        match value.op:
            case "load":
                return self.compile_load(value, out, args)
            case "affine":
                constant, coefficients = value.payload
                pairs = list(zip(coefficients, args, strict=True))

                def run(frame: Frame) -> None:
                    frame[out] = constant + sum([c * frame[a] for c, a in pairs])

                return run
            case "within":
                low, high = value.payload
                (a,) = args

                def run(frame: Frame) -> None:
                    # A broken promise becomes a place that no buffer has, so the access relying on it,
                    # unless a `where` rules it out, is the one that is refused.
                    frame[out] = frame[a] if low <= frame[a] < high else INFINITE

                return run
        function = operation(value)
        if len(args) == 1:
            a = args[0]

            def run(frame: Frame) -> None:
                frame[out] = function(frame[a])
        elif len(args) == 2:
            a, b = args

            def run(frame: Frame) -> None:
                frame[out] = function(frame[a], frame[b])
        else:
            a, b, c = args

            def run(frame: Frame) -> None:
                frame[out] = function(frame[a], frame[b], frame[c])

        return run

    def compile_load(self, value: Scalar, out: int, args: list[int]) -> Run:
        buffer = value.payload
        array, size, offset = self.memory[buffer], buffer.size, args[0]
        nothing = native(buffer.dtype.type(0))
        get = array.__getitem__ if is_float(buffer.dtype) else array.item
        if len(args) == 1:

            def run(frame: Frame) -> None:
                place = frame[offset]
                if not 0 <= place < size:
                    self.miss("load", buffer, place)
                frame[out] = get(place)
        else:
            where = args[1]

            def run(frame: Frame) -> None:
                if not frame[where]:
                    frame[out] = nothing
                    return
                place = frame[offset]
                if not 0 <= place < size:
                    self.miss("load", buffer, place)
                frame[out] = get(place)

        return run

    def miss(self, what: str, buffer: Buffer, place: int) -> None:
        raise LoopError(
            f"the kernel {self.kernel.name} does a {what} at {place} of {buffer.name}, which has "
            f"{buffer.size} elements"
        )

    # ── statements ────────────────────────────────────────────────────────────────────────────────

    def compile_body(self, body: Sequence[Statement]) -> list[Run]:
        return [self.compile(statement) for statement in body]

    def compile(self, statement: Statement) -> Run:
        match statement:
            case Let():
                tape, (value,) = self.compile_values([statement.value])
                return self.compile_let(tape, value, self.slot(statement.local))
            case Store() | Accumulate():
                return self.compile_write(statement)
            case Reduce():
                return self.compile_reduce(statement)
            case Loop():
                return self.compile_loop(statement)
            case Check():
                tape, (value,) = self.compile_values([statement.condition])

                def run(frame: Frame) -> None:
                    _run_all(tape, frame)
                    self.ok = self.ok and bool(frame[value])

                return run

    def compile_let(self, tape: list[Run], value: int, out: int) -> Run:
        def run(frame: Frame) -> None:
            _run_all(tape, frame)
            frame[out] = frame[value]

        return run

    def compile_write(self, statement: Store | Accumulate) -> Run:
        buffer = statement.buffer
        tape, (offset, value, *where) = self.compile_values(roots(statement))
        array, size = self.memory[buffer], buffer.size
        plus = step_of("sum", buffer.dtype) if isinstance(statement, Accumulate) else None

        def run(frame: Frame) -> None:
            _run_all(tape, frame)
            if where and not frame[where[0]]:
                return
            place = frame[offset]
            if not 0 <= place < size:
                self.miss("store", buffer, place)
            array[place] = frame[value] if plus is None else plus(native(array[place]), frame[value])

        return run

    def compile_range(self, axis: Axis) -> Callable[[Frame], int]:
        """How many places of an axis there are once the loop is entered."""
        extent = axis.extent
        if axis.limit is None:
            return lambda frame: extent
        tape, (limit,) = self.compile_values([axis.limit])

        def count(frame: Frame) -> int:
            _run_all(tape, frame)
            return max(0, min(extent, int(frame[limit])))

        return count

    def compile_loop(self, statement: Loop) -> Run:
        slot, count = self.slot(statement.axis), self.compile_range(statement.axis)
        body = self.compile_body(statement.body)
        in_order = statement.ordered or any(isinstance(s, Accumulate) for s in statements(statement.body))
        order: Order = range if in_order else self.order

        def run(frame: Frame) -> None:
            for place in order(count(frame)):
                frame[slot] = place
                _run_all(body, frame)

        return run

    def compile_reduce(self, statement: Reduce) -> Run:
        slots = [self.slot(axis) for axis in statement.axes]
        counts = [self.compile_range(axis) for axis in statement.axes]
        extents = [axis.extent for axis in statement.axes]
        tape, values = self.compile_values([part.value for part in statement.parts])
        outs = [self.slot(part.local) for part in statement.parts]
        takers = [_taker(part) for part in statement.parts]

        def run(frame: Frame) -> None:
            takings = [taker() for taker in takers]

            def nest(depth: int, place: int) -> None:
                if depth < len(slots):
                    for i in range(counts[depth](frame)):
                        frame[slots[depth]] = i
                        nest(depth + 1, place * extents[depth] + i)
                    return
                _run_all(tape, frame)
                for (take, _), value in zip(takings, values, strict=True):
                    take(frame[value], place)

            nest(0, 0)
            for out, (_, result) in zip(outs, takings, strict=True):
                frame[out] = result()

        return run


def _taker(part: Part) -> Callable[[], tuple[Callable[[Number, int], None], Callable[[], Number]]]:
    """For one run of a reduction: what takes in a value at a place, and what gives the result."""
    start = start_of(part.kind, part.value.dtype)
    if part.kind in ("argmax", "argmin"):

        def begin_place() -> tuple[Callable[[Number, int], None], Callable[[], Number]]:
            best: list[Any] = [None, start]

            def take(value: Number, place: int) -> None:
                if best[0] is None or is_further(part.kind, value, best[0]):
                    best[:] = value, place

            return take, lambda: best[1]

        return begin_place
    step = step_of(part.kind, part.value.dtype)

    def begin() -> tuple[Callable[[Number, int], None], Callable[[], Number]]:
        total = [start]

        def take(value: Number, place: int) -> None:
            total[0] = step(total[0], value)

        return take, lambda: total[0]

    return begin


def _run_all(steps: list[Run], frame: Frame) -> None:
    for step in steps:
        step(frame)
