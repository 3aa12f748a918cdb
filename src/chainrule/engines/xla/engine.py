"""The engine: a graph simplified, lowered and jitted; steps are run on the device, refused, undone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property, partial
from typing import Any

import numpy as np

from ...errors import EngineError
from ...graph import Array, Constant, Environment, Leaf, Node, Variable, leaf_value, topological
from ...simplify import GROUPS, simplify
from ..stepper import Stepper, check_updates
from .lowering import lower, not_finite
from .mesh import Layout, Mesh, OneDevice, Share
from .residence import residence_of
from .setting import jax, settings

_RULES = tuple([group for group in GROUPS if group != "pooling"])
"""XLA's scattered loads take longer than dense products of mostly zeros."""

_Pass = Callable[[Sequence[Any], Sequence[Any]], tuple[list[Any], list[Any], Any]]


class Xla:
    """A graph as one function that JAX compiles: outputs, and updates of variables on the device.

    Results are the stepper's up to rounding: XLA adds and multiplies in an order of its own, takes
    subnormal numbers for 0 on some devices, and its tanh and expm1 are some units in the last place off.
    A step that must not be (an index out of range; with ``finite`` a NaN or an infinity) is undone, and
    raised as the error that the stepper gives.
    """

    def __init__(
        self,
        outputs: Sequence[Node],
        updates: Mapping[Variable, Node] | None = None,
        *,
        finite: bool = False,
        mesh: Mesh | None = None,
    ) -> None:
        self._stepper = partial(Stepper, outputs, updates, finite=finite)
        check_updates(updates or {})
        jax()
        self._layout: Layout = mesh or OneDevice()
        simple = simplify(outputs, updates, groups=_RULES)
        self._targets = [*simple.outputs, *simple.updates.values()]
        self._count, self._finite, self.journal = len(outputs), finite, simple.journal
        self._variables = list(simple.updates)
        self._residence = residence_of(self._variables, self._layout) if self._variables else None
        self._lowered = lower(self._targets)
        places = {variable: number for number, variable in enumerate(self._variables)}
        self._own = [places.get(leaf) for leaf in self._lowered.leaves]  # type: ignore[call-overload]  # any leaf
        self._inputs = [leaf for leaf in self._lowered.leaves if leaf not in places]
        self._sent: list[tuple[Array | Share, Any]] = []

    # ── what is compiled ──────────────────────────────────────────────────────────────────────────

    def _pass(self, variables: Sequence[Any], inputs: Sequence[Any]) -> tuple[list[Any], list[Any], Any]:
        """One pass: outputs, new values, and whether an index or (with ``finite``) an output must not be."""
        rest = iter(inputs)
        values = [next(rest) if own is None else variables[own] for own in self._own]
        results, fault = self._lowered.function(values)
        outputs, new = results[: self._count], results[self._count :]
        return self._layout.laid(outputs, new, fault | not_finite(outputs) if self._finite else fault)

    def _whole_pass(
        self, variables: Sequence[Any], inputs: Sequence[Any]
    ) -> tuple[list[Any], list[Any], Any]:
        """The same, with the new values looked at as well: once more through all of their memory."""
        outputs, new, fault = self._pass(variables, inputs)
        return outputs, new, fault | not_finite(new) if self._finite else fault

    def _passes(
        self, once: _Pass, variables: Sequence[Any], inputs: Sequence[Any], steps: Any
    ) -> tuple[list[Any], Any, Any]:
        """Passes until one must not be: new values, how many were begun, whether something was wrong."""

        def more(state: tuple[Any, Any, Any]) -> Any:
            _, begun, fault = state
            return (begun < steps) & ~fault

        def step(state: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
            now, begun, _ = state
            _, new, fault = once(now, inputs)
            return new, begun + 1, fault

        xp = jax().numpy
        start = (list(variables), xp.zeros((), np.int64), xp.zeros((), bool))
        new, begun, fault = jax().lax.while_loop(more, step, start)
        return new, begun, fault | not_finite(new) if self._finite else fault

    @cached_property
    def _run_one(self) -> Any:
        return self._layout.checked(jax().jit(self._whole_pass))

    @cached_property
    def _run_many(self) -> Any:
        return self._layout.checked(jax().jit(partial(self._passes, self._pass), donate_argnums=0))

    @cached_property
    def _run_watched(self) -> Any:
        return jax().jit(partial(self._passes, self._whole_pass), donate_argnums=0)

    # ── what is run ───────────────────────────────────────────────────────────────────────────────

    def run(self, environment: Environment) -> list[Array]:
        """One pass: the outputs' values; then every update is made, or none if an error is raised."""
        with settings():
            inputs = self._send(environment)
            if self._residence is None:
                outputs, _, fault = self._run_one([], inputs)
                refused = bool(fault)
            else:
                with self._residence.held() as variables:
                    # What is replaced is not donated: it is still there if the step must not be.
                    outputs, new, fault = self._run_one(list(variables), inputs)
                    refused = bool(fault)
                    if not refused:
                        self._residence.moved(new)
            if not refused:
                return [self._layout.fetch(output) for output in outputs]
        return self._refused(environment)

    def run_steps(self, environment: Environment, steps: int) -> None:
        """So many passes over the same inputs in one call; the variables' old values are donated.

        An error leaves all as it was before the pass that it is of.  Arrays that are read-only are taken at
        their word, and sent once.
        """
        if self._residence is None:
            for _ in range(min(steps, 1)):
                self.run(environment)
            return
        while steps > 0:
            with settings():
                inputs = self._send(environment, at_its_word=True)
                with self._residence.held() as variables:
                    done = self._advance(variables, inputs, steps)
            if done == steps:
                return
            self._refused(environment)
            steps -= done + 1

    def _advance(self, variables: Sequence[Any], inputs: Sequence[Any], steps: int) -> int:
        """Run ``steps`` passes; how many were made before one that must not be, which leaves no trace.

        New values are looked at in the end: what is not finite stays so.  Only if something is wrong are the
        passes made again from copies of the variables, now looking each time, to find the first one.
        """
        assert self._residence is not None
        before = _copies(variables)
        try:
            new, _, wrong = self._run_many(list(variables), inputs, np.int64(steps))
            self._residence.moved(new)
            if not bool(wrong):
                return steps
            self._residence.moved(_copies(before))
            _, begun, wrong = self._run_watched(_copies(before), inputs, np.int64(steps))
        except BaseException:
            # Where a device has no memory left, say: what was donated to the call is gone all the same.
            self._residence.moved(before)
            raise
        done = int(begun) - 1 if bool(wrong) else steps
        self._residence.moved(self._run_many(before, inputs, np.int64(done))[0] if done else before)
        return done

    def _send(self, environment: Environment, *, at_its_word: bool = False) -> list[Any]:
        """The inputs on the device.  What cannot change is sent once.

        A variable's own array, once seen, stays as it is; others are looked at, unless a read-only one is
        to be taken ``at_its_word``.
        """
        values: list[Array | Share] = [
            leaf.array if isinstance(leaf, Constant) else leaf_value(leaf, environment)
            for leaf in self._inputs
        ]
        words = [at_its_word or leaf not in environment for leaf in self._inputs]
        kept: list[tuple[Any, Any]] = list(self._sent) or [(None, None)] * len(values)
        send = self._layout.send
        self._sent = [
            (value, there if value is last and _stays(value, at_its_word=word) else send(leaf, value))
            for leaf, word, value, (last, there) in zip(self._inputs, words, values, kept, strict=True)
        ]
        return [there for _, there in self._sent]

    def _refused(self, environment: Environment) -> list[Array]:
        """A step was refused and nothing has changed: the stepper says why, and where."""
        # Of a share of an array, the whole is on the devices.
        there = dict(zip(self._inputs, [there for _, there in self._sent], strict=True))
        whole = {
            leaf: self._layout.fetch(there[leaf]) if isinstance(value, Share) else value
            for leaf, value in environment.items()
        }
        values = self._stepper().run(whole)
        if not self._finite:
            raise EngineError(
                "the engine xla refused a step that the stepper takes",
                mend="this is a mistake of the library; until it is mended, run with engine='stepper'",
            )
        return values  # finite in one rounding, not in the other

    # ── what is told ──────────────────────────────────────────────────────────────────────────────

    def explain(self, *, whole: bool = False) -> str:
        """What the engine made of the graph: the rewrites, and which ops; ``whole`` adds JAX's program."""
        ops = Counter(node.op.name for node in topological(self._targets) if not isinstance(node.op, Leaf))
        shown = ", ".join(f"{name} ({count})" for name, count in ops.most_common())
        lines = [f"xla: {sum(ops.values())} ops as one function for {self._layout.describe()}: {shown}"]
        if self._lowered.calls:
            lines.append(f"in Python: {', '.join(self._lowered.calls)}")
        lines += [str(self.journal)] if str(self.journal) else []
        if whole:
            with settings():
                shapes = [jax().ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in self._lowered.leaves]
                inputs = [shape for shape, own in zip(shapes, self._own, strict=True) if own is None]
                variables = [jax().ShapeDtypeStruct(v.shape, v.dtype) for v in self._variables]
                lines.append(jax().jit(self._whole_pass).lower(variables, inputs).as_text())
        return "\n".join(lines)


def _stays(value: Array | Share, *, at_its_word: bool) -> bool:
    """Whether it is read-only; if not taken ``at_its_word``, so must be what it is a view of."""
    array: Any = value.array if isinstance(value, Share) else value
    if at_its_word:
        return not array.flags.writeable
    while isinstance(array, np.ndarray):
        if array.flags.writeable:
            return False
        array = array.base
    return True


def _copies(arrays: Sequence[Any]) -> list[Any]:
    """The same values in memory of their own, to be donated while these stay."""
    found: list[Any] = _copying()(list(arrays))
    return found


@cache
def _copying() -> Any:
    """One call for all of them: twenty calls take longer than a few steps of a small network."""
    return jax().jit(lambda arrays: [array.copy() for array in arrays])
