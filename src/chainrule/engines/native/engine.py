"""The engine: a graph becomes a loop program, machine code and a machine that runs it.

The passes stand in :func:`prepare`, in order.  Nothing here knows an op.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from ...errors import EngineError
from ...graph import Array, Environment, Node, Variable, aligned_empty, leaf_value, lease
from ...loops import Buffer, Call, Program
from ...rewrite import Journal
from ...simplify import simplify
from ..stepper import Stepper, check_updates, require_finite
from . import emit, jit, products
from .accesses import Touches
from .aside import set_aside
from .explain import explain, form_of
from .fuse import fuse
from .guard import guarded
from .in_place import in_place
from .log import Log
from .lowering import Lowered, lower
from .memory import Plan, plan
from .phases import Part, partition, schedule
from .reuse import reuse
from .runtime import Machine, Record
from .target import Target, host
from .team import available_threads


class Native:
    """A graph compiled to machine code: outputs, and updates of variables made in place."""

    def __init__(
        self,
        outputs: Sequence[Node],
        updates: Mapping[Variable, Node] | None = None,
        *,
        finite: bool = False,
        threads: int | None = None,
    ) -> None:
        self._stepper = partial(Stepper, outputs, updates, finite=finite)
        check_updates(updates or {})
        self._finite = finite
        self._outputs = [(node.shape, node.dtype) for node in outputs]
        self._variables = list(updates or {})
        self.journal, self.lowered, self.parts, self.plan = prepare(outputs, updates or {})
        if finite:  # only now: what the checks read and write is no reason for threads to meet
            self.parts = [replace(part, step=guarded(part.step)) for part in self.parts]
        self._build(threads or available_threads(), host())
        self._lease = lease(self._variables)
        self._log = Log() if finite or self.lowered.calls else None
        updated = set(self._variables)
        self._inputs = [
            (leaf, buffer)
            for leaf, buffer in self.lowered.leaves.items()
            if buffer in self._slots and buffer.role != "constant" and leaf not in updated
        ]

    # ── building ──────────────────────────────────────────────────────────────────────────────────

    def _build(self, threads: int, target: Target) -> None:
        program = Program(tuple([part.step for part in self.parts]))
        buffers = program.buffers()
        self._slots = {buffer: slot for slot, buffer in enumerate(buffers)}
        self.arena = aligned_empty(self.plan.size, np.uint8)
        self._memory = {buffer: self._place(buffer) for buffer in buffers}
        self._reset()
        texts: dict[str, jit.Text] = {}  # asked for only where nobody has the code
        self._forms: list[str] = []
        chosen = [self._code(part, texts, target) for part in self.parts]
        addresses = jit.compile_functions(texts, target)
        records = [
            self._record(part, name, tiles, addresses)
            for part, (name, tiles) in zip(self.parts, chosen, strict=True)
        ]
        self.machine = Machine(records, [_address(self._memory[b]) for b in buffers], threads)

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

    def _reset(self) -> None:
        """Fill what is kept from run to run with what it must hold before the first one."""
        for buffer, array in self._memory.items():
            if buffer.role == "kept":
                array.fill(buffer.fill)

    def _code(self, part: Part, texts: dict[str, jit.Text], target: Target) -> tuple[str, int]:
        """The name of a step's function and over how many places it runs; its text goes into ``texts``."""
        kernel = part.step
        if isinstance(kernel, Call):
            self._forms.append("Python")
            return "", 1
        product = products.recognise(kernel, target)
        if product is not None:
            texts.setdefault(product.name, product.text)
            self._forms.append(product.describe())
            return product.name, product.tiles
        self._forms.append(form_of(kernel))
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

    def explain(self, *, whole: bool = False) -> str:
        """What the engine made of the graph; ``whole`` adds the loop program itself."""
        return explain(self.journal, self.parts, self.plan, self.machine.threads, self._forms, whole=whole)

    # ── running ───────────────────────────────────────────────────────────────────────────────────

    def run(self, environment: Environment) -> list[Array]:
        """One pass: the outputs' values; then every update is made, or none if an error is raised."""
        with self.machine.lock:
            return self._advance(environment, 1, steady=False)

    def run_steps(self, environment: Environment, steps: int) -> None:
        """So many passes over the same inputs, in one native call.

        An error leaves all as it was before the pass that it is of; Ctrl-C stops between two passes.
        """
        with self.machine.lock:
            self._advance(environment, steps, steady=True)

    def _advance(self, environment: Environment, steps: int, *, steady: bool) -> list[Array]:
        """Run ``steps`` passes; the outputs of the last one."""
        inputs = [np.ascontiguousarray(leaf_value(leaf, environment)) for leaf, _ in self._inputs]
        outputs = [np.empty(shape, dtype) for shape, dtype in self._outputs]
        self._point_inputs(inputs)
        for buffer, array in zip(self.lowered.outputs, outputs, strict=True):
            if buffer in self._slots:
                self._point(buffer, array)
        while steps:
            with self._lease as renewed:
                self._point_variables(renewed)
                done = self._try(inputs, steps, steady)
            if done == steps:
                break
            self._refused(environment, outputs)
            steps -= done + 1
        return outputs

    def _point_inputs(self, inputs: Sequence[Array]) -> None:
        for (_, buffer), array in zip(self._inputs, inputs, strict=True):
            self._point(buffer, array)

    def _point_variables(self, renewed: Sequence[int]) -> None:
        if renewed and self._log is not None:
            self._log.clear()
        for number in renewed:
            buffer = self.lowered.leaves.get(self._variables[number])
            if buffer in self._slots:
                self._point(buffer, self._lease.arrays[number])

    def _point(self, buffer: Buffer, array: Array) -> None:
        self._memory[buffer] = array
        self.machine.point(self._slots[buffer], _address(array))

    def _try(self, inputs: list[Array], steps: int, steady: bool) -> int:
        """Run ``steps``; how many were run before one was refused, which has left no trace."""
        if self._log is not None:
            self._log.begin(self._lease.arrays, inputs, steps, steady=steady)
        try:
            done = self.machine.run(steps)
        except BaseException:  # it may have come from the middle of a step, by a Python function
            self._return_to(inputs, self.machine.completed)
            raise
        if done < steps:
            self._return_to(inputs, done)
        return done

    def _return_to(self, inputs: list[Array], completed: int) -> None:
        """Be as after so many whole steps of the run that has just ended within a step."""
        self._reset()
        if self._log is None:  # nothing is written before everything has been checked
            return
        for entry in self._log.undo(self._lease.arrays, completed):
            self._point_inputs(entry.inputs)
            if self.machine.run(entry.steps) < entry.steps:
                raise EngineError(
                    "a step that was run before is refused when it is run again",
                    mend="a Python function within the program must give the same result at every call",
                )
        self._point_inputs(inputs)

    def _refused(self, environment: Environment, outputs: list[Array]) -> None:
        """A step was refused and nothing has changed: the stepper says why, and where."""
        values = self._stepper().run(environment)
        if not self._finite:
            raise EngineError(
                "the native engine refused a step that the stepper takes",
                mend="this is a mistake of the library; until it is mended, run with engine='stepper'",
            )
        for output, value in zip(outputs, values, strict=True):  # finite in one rounding, not in the other
            output[...] = value


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def prepare(
    outputs: Sequence[Node], updates: Mapping[Variable, Node]
) -> tuple[Journal, Lowered, list[Part], Plan]:
    """From the graph to steps in order and their memory: the passes, one after another."""
    simplified = simplify(outputs, updates)
    lowered = lower(simplified.outputs, simplified.updates)
    program, touches = lowered.program, Touches()
    for apply_pass in (
        lambda program: in_place(program, lowered.updates),
        lambda program: fuse(program, products.keeps),
        lambda program: set_aside(program, touches),
        lambda program: schedule(program, touches),
        lambda program: reuse(program, touches),
    ):
        program = apply_pass(program)
    return simplified.journal, lowered, partition(program, touches), plan(program, touches)
