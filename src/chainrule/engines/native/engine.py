"""The engine: a graph is simplified and assembled; steps are run, refused, undone, caught up with."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import numpy as np

from ...errors import EngineError
from ...graph import Array, Environment, Node, Placeholder, Variable, leaf_value, lease
from ...simplify import simplify
from ..stepper import Stepper, check_updates
from .assembly import Assembly
from .explain import explain
from .log import Entry, log_of
from .team import available_threads


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the garbage collector, which would walk again and again over tens of thousands of new
    objects that all live until the program is assembled: a third of the time that it takes."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


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
        self._results: list[Array] = []
        count = threads or available_threads()
        with _no_collection():
            simple = simplify(outputs, updates, catch_up=True)
            self.assembly = Assembly(simple.outputs, simple.updates, finite=finite, threads=count)
            # State of rows that no batch touched may wait; this brings all of it up to date.
            self._flush = Assembly([], simple.flush, threads=count) if simple.flush else None
        self.journal = simple.journal
        self.machine = self.assembly.machine
        self._variables = list(simple.updates)
        self._log = log_of(self._variables) if finite or self.assembly.lowered.calls else None
        settle = self._settle if simple.flush else None
        self._lease = lease(self._variables, settle, holder=self._log)
        self._late, self._waits = frozenset(simple.flush), False
        updated = set(self._variables)
        self._inputs = [
            leaf
            for leaf in self.assembly.lowered.leaves
            if isinstance(leaf, Placeholder | Variable) and leaf not in updated
        ]

    def explain(self, *, whole: bool = False) -> str:
        """What the engine made of the graph; ``whole`` adds the loop program itself."""
        found = self.assembly
        return explain(self.journal, found.parts, found.plan, found.machine.threads, found.forms, whole=whole)

    def run(self, environment: Environment) -> list[Array]:
        """One pass: the outputs' values; then every update is made, or none if an error is raised."""
        with self._alone(), self.machine.lock:
            return self._advance(environment, 1, steady=False)

    def run_steps(self, environment: Environment, steps: int) -> None:
        """So many passes over the same inputs, in one native call.

        An error leaves all as it was before the pass that it is of; Ctrl-C stops between two passes.
        """
        with self._alone(), self.machine.lock:
            self._advance(environment, steps, steady=True)

    def _alone(self) -> AbstractContextManager[object]:
        """While no other program runs that shares the log: to undo a step, each may have to run again."""
        return nullcontext() if self._log is None else self._log.lock

    def _advance(self, environment: Environment, steps: int, *, steady: bool) -> list[Array]:
        """Run ``steps`` passes; the outputs of the last one."""
        inputs = [np.ascontiguousarray(leaf_value(leaf, environment)) for leaf in self._inputs]
        outputs = self._results = self._new_results()
        self._point_inputs(inputs)
        self.assembly.point_outputs(outputs)
        while steps:
            with self._lease as renewed:
                self._point_variables(renewed)
                self._waits = self._flush is not None
                done = self._try(inputs, steps, steady)
            if done == steps:
                break
            self._refused(environment, outputs)
            steps -= done + 1
        return outputs

    def _point_inputs(self, inputs: Sequence[Array]) -> None:
        for leaf, array in zip(self._inputs, inputs, strict=True):
            self.assembly.point(leaf, array)

    def _point_variables(self, renewed: Sequence[int]) -> None:
        if renewed and self._log is not None:
            self._log.clear()
        for number in renewed:
            self.assembly.point(self._variables[number], self._lease.arrays[number])
            if self._flush is not None:
                self._flush.point(self._variables[number], self._lease.arrays[number])

    def _settle(self, number: int) -> None:
        """Make up for what was put off, in place, before anybody sees a variable."""
        if self._waits and self._flush is not None and self._variables[number] in self._late:
            self._waits = False
            self._flush.machine.run(1)
            if self._log is not None:
                self._log.clear()  # what it would undo to is no longer what was

    def _try(self, inputs: list[Array], steps: int, steady: bool) -> int:
        """Run ``steps``; how many were run before one was refused, which has left no trace."""
        if self._log is not None:
            self._log.begin(self._lease.arrays, inputs, steps, steady=steady, runner=self)
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
        self.assembly.reset()
        if self._log is None:  # nothing is written before everything has been checked
            return
        for entry in self._log.undo(self._lease.arrays, completed):
            entry.runner._again(entry)
        self._point_inputs(inputs)
        self.assembly.point_outputs(self._results)

    def _again(self, entry: Entry) -> None:
        """Run some steps of the past once more; what they gave out then is not ours to write to any more."""
        self._point_inputs(entry.inputs)
        self.assembly.point_outputs(self._new_results())
        if self.machine.run(entry.steps) < entry.steps:
            raise EngineError(
                "a step that was run before is refused when it is run again",
                mend="a Python function within the program must give the same result at every call",
            )

    def _new_results(self) -> list[Array]:
        return [np.empty(shape, dtype) for shape, dtype in self._outputs]

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
