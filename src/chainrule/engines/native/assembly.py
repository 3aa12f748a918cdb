"""A program assembled: the passes over it, its memory, its machine code, and a machine to run it.

The passes stand in :func:`prepare`, in order.  Nothing here knows an op.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from ...graph import Array, Node, Variable, aligned_empty
from ...loops import Buffer, Call, Program
from ..stepper import require_finite
from . import driver, emit, jit, products
from .accesses import Touches
from .aside import set_aside
from .explain import form_of
from .fuse import fuse
from .guard import guarded
from .in_place import in_place
from .lowering import Lowered, lower
from .memory import Plan, plan
from .phases import Part, partition, schedule
from .reuse import reuse
from .runtime import Machine, Record
from .target import Target, host
from .widen import widen


def prepare(outputs: Sequence[Node], updates: Mapping[Variable, Node]) -> tuple[Lowered, list[Part], Plan]:
    """From a simplified graph to steps in order and their memory: the passes, one after another."""
    lowered = lower(outputs, updates)
    program, touches = lowered.program, Touches()
    passes: tuple[Callable[[Program], Program], ...] = (
        lambda program: in_place(program, lowered.updates),
        lambda program: fuse(program, products.keeps),
        widen,
        lambda program: set_aside(program, touches),
        lambda program: schedule(program, touches),
        lambda program: reuse(program, touches),
    )
    for apply in passes:
        program = apply(program)
    return lowered, partition(program, touches), plan(program, touches)


class Assembly:
    """Outputs and updates in machine code; inputs, variables and outputs lie where they are pointed to.

    With ``finite`` a step that makes a float which is not finite is refused, after it may have changed
    variables; a step with an index out of range is refused before.

    A program that updates variables takes subnormal numbers (below 1.2e-38 in float32) for 0.  An
    optimizer's averages of gradients that have become 0 decay into them and stay there, and each
    operation on them takes some ten cycles longer.  Without updates, and where Python is called back,
    arithmetic is what IEEE 754 says throughout.
    """

    def __init__(
        self,
        outputs: Sequence[Node],
        updates: Mapping[Variable, Node],
        *,
        finite: bool = False,
        threads: int = 1,
    ) -> None:
        self._finite = finite
        self.lowered, self.parts, self.plan = prepare(outputs, updates)
        self._flushes = bool(updates) and not self.lowered.calls
        if finite:  # only now: what the checks read and write is no reason for threads to meet
            self.parts = [replace(part, step=guarded(part.step)) for part in self.parts]
        self._build(threads, host())

    def _build(self, threads: int, target: Target) -> None:
        program = Program(tuple([part.step for part in self.parts]))
        buffers = program.buffers()
        self._slots = {buffer: slot for slot, buffer in enumerate(buffers)}
        self.arena = aligned_empty(self.plan.size, np.uint8)
        self._memory = {buffer: self._place(buffer) for buffer in buffers}
        self.reset()
        texts: dict[str, jit.Text] = {**driver.texts()}  # asked for only where nobody has the code
        self.forms: list[str] = []
        chosen = [self._code(part, texts, target) for part in self.parts]
        addresses = jit.compile_functions(texts, target)
        records = [
            self._record(part, name, tiles, addresses)
            for part, (name, tiles) in zip(self.parts, chosen, strict=True)
        ]
        addresses_now = [_address(self._memory[buffer]) for buffer in buffers]
        self.machine = Machine(records, addresses_now, threads, flush=self._flushes)

    def _place(self, buffer: Buffer) -> Array:
        if buffer.role == "constant":
            found = aligned_empty(buffer.size, buffer.dtype)
            found[:] = buffer.content
            return found
        if buffer in self.plan.offsets:
            start = self.plan.offsets[buffer]
            return self.arena[start : start + buffer.size * buffer.dtype.itemsize].view(buffer.dtype)
        if buffer.role in ("input", "variable", "output"):
            return np.empty(0, buffer.dtype)  # pointed elsewhere by every run
        return aligned_empty(buffer.size, buffer.dtype)

    def reset(self) -> None:
        """Fill what is kept from run to run with what it must hold before the first one."""
        for buffer, array in self._memory.items():
            if buffer.role == "kept":
                array.fill(buffer.fill)

    def _code(self, part: Part, texts: dict[str, jit.Text], target: Target) -> tuple[str, int]:
        """The name of a step's function and over how many places it runs; its text goes into ``texts``."""
        kernel = part.step
        if isinstance(kernel, Call):
            self.forms.append("Python")
            return "", 1
        product = products.recognise(kernel, target)
        if product is not None:
            texts.setdefault(product.name, product.text)
            self.forms.append(product.describe())
            return product.name, product.tiles
        self.forms.append(form_of(kernel))
        name = emit.function_name(kernel)
        texts.setdefault(name, partial(emit.emit_kernel, kernel, target))
        return name, part.extent

    def _record(self, part: Part, name: str, extent: int, addresses: Mapping[str, int]) -> Record:
        step = part.step
        if isinstance(step, Call):
            return Record(partial(self._call, step), serial=True, barrier=True)
        slots = tuple([self._slots[buffer] for buffer in emit.kernel_buffers(step)])
        return Record(addresses[name], slots, extent, 1, part.serial or step.axis is None, part.barrier)

    def _call(self, step: Call) -> None:
        values = [self._view(b).reshape(s) for b, s in zip(step.inputs, step.shapes, strict=True)]
        output = self._view(step.output)
        output[:] = step.function(*values).reshape(-1)
        if self._finite and step.output.role == "output":
            require_finite([output], {})

    def _view(self, buffer: Buffer) -> Array:
        return self._memory[buffer].reshape(-1) if buffer.size else np.empty(0, buffer.dtype)

    def point(self, leaf: Node, array: Array) -> None:
        """Let a placeholder or variable be ``array`` from the next run on."""
        if leaf in self.lowered.leaves:
            self._point(self.lowered.leaves[leaf], array)

    def point_outputs(self, arrays: Sequence[Array]) -> None:
        """Let the outputs be written to ``arrays`` from the next run on."""
        for buffer, array in zip(self.lowered.outputs, arrays, strict=True):
            self._point(buffer, array)

    def _point(self, buffer: Buffer, array: Array) -> None:
        if buffer in self._slots and self._memory[buffer] is not array:
            self._memory[buffer] = array
            self.machine.point(self._slots[buffer], _address(array))


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])
