"""The stepper: NumPy, one node at a time.  It is the definition of what a graph means.

Three ways to run the same two loops (Algorithms 5.3 and 5.4): :func:`evaluate` for values now,
:class:`Stepper` for a graph that runs many times, and :func:`step_through` (in ``trace.py``), which
keeps everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, overload

import numpy as np

from ..dtypes import is_float
from ..errors import ArgumentError, ChainruleError, DTypeError, NonFiniteError, ShapeError
from ..graph import (
    Array,
    Environment,
    Leaf,
    Node,
    Variable,
    bind,
    leaf_value,
    set_evaluator,
    topological,
)
from ..ops import expand


@overload
def evaluate(nodes: Node, feed: Mapping[Any, Any] | None = None) -> Array: ...
@overload
def evaluate(nodes: Sequence[Node], feed: Mapping[Any, Any] | None = None) -> list[Array]: ...
def evaluate(nodes: Node | Sequence[Node], feed: Mapping[Any, Any] | None = None) -> Array | list[Array]:
    """The values of one node or of several at once, with ``feed`` giving the placeholders' arrays.

    A value is dropped as soon as its last reader has run, so a long chain needs the memory of one link.

    Raises ``UnboundError`` for a placeholder without a value, ``ShapeError`` or ``DTypeError`` for one
    that does not fit.

    >>> import chainrule as cr
    >>> x = cr.placeholder((2,), name="x")
    >>> cr.evaluate(x * x + 1, feed={x: [1.0, 2.0]})
    array([2., 5.], dtype=float32)
    """
    targets = [nodes] if isinstance(nodes, Node) else list(nodes)
    values = Stepper(targets, unfold=False).run(bind(feed))
    return values[0] if isinstance(nodes, Node) else values


def run_op(node: Node, values: Sequence[Array]) -> Array:
    """The node's ``forward`` on these values, its result held to the inferred shape and dtype."""
    try:
        result = np.asarray(node.op.forward(np, *values, **node.attributes))
    except ChainruleError as error:
        if error.where is not None:
            raise
        raise type(error)(error.what, where=str(node.origin), mend=error.mend) from None
    if result.shape != node.shape:
        raise ShapeError(
            f"the forward of {node.op.name!r} gave shape {result.shape} where {node.shape} was inferred",
            where=str(node.origin),
            mend="give the op an infer(self, *inputs) that agrees with its forward",
        )
    if result.dtype != node.dtype:
        raise DTypeError(
            f"the forward of {node.op.name!r} gave {result.dtype} where {node.dtype} was inferred",
            where=str(node.origin),
            mend="keep the inputs' dtype: Python scalars do, NumPy float64 arrays do not",
        )
    return result


class StepNotFinite(NonFiniteError):
    """A pass that was refused: ``variable``'s new value is not finite, or an output where it is None."""

    def __init__(self, variable: Variable | None) -> None:
        what = "an output" if variable is None else f"the new value of {variable.label}"
        super().__init__(f"{what} is not finite; nothing was updated")
        self.variable = variable


def require_finite(outputs: list[Array], new: Mapping[Variable, Array]) -> None:
    """Raise ``StepNotFinite`` unless every float among the outputs, then among the new values, is finite."""
    with np.errstate(all="ignore"):
        for variable, value in [*[(None, output) for output in outputs], *new.items()]:
            # The sum is one cheap pass; only where it overflows or is NaN is each element looked at.
            if is_float(value.dtype) and not np.isfinite(value.sum()) and not np.isfinite(value).all():
                raise StepNotFinite(variable)


Accept = Callable[[list[Array], dict[Variable, Array]], None]
"""Shown a pass's outputs and new values before the variables change; raises to refuse them."""


def check_updates(updates: Mapping[Variable, Node]) -> None:
    """Raise ``ArgumentError`` unless every new value has its variable's shape and dtype."""
    for variable, new in updates.items():
        if variable.shape != new.shape or variable.dtype != new.dtype:
            raise ArgumentError(
                f"the update of {variable!r} has shape {new.shape} and dtype {new.dtype}",
                where=str(new.origin),
            )


class _Step(NamedTuple):
    """One op of a plan: the slots it reads and writes, and those nobody reads after it."""

    node: Node
    sources: tuple[int, ...]
    slot: int
    done: tuple[int, ...]


class Stepper:
    """A graph made ready to run many times: outputs, and updates of variables, in one forward loop.

    ``updates`` maps variables to the nodes that are their next values; all are computed from the old
    values before any is replaced.  Composites run as their parts (``unfold``), so that a derivative
    shares what the value computed.  With ``finite`` a pass whose outputs or new values are not all finite
    raises ``StepNotFinite`` and changes nothing.
    """

    def __init__(
        self,
        outputs: Sequence[Node],
        updates: Mapping[Variable, Node] | None = None,
        *,
        finite: bool = False,
        unfold: bool = True,
    ) -> None:
        updates = updates or {}
        check_updates(updates)
        targets = [*outputs, *updates.values()]
        if unfold:
            targets = expand(targets)
        self._variables, self._finite = list(updates), finite
        self._plan(targets)
        self.output_count = len(outputs)

    def _plan(self, targets: Sequence[Node]) -> None:
        """Number the nodes in topological order and note after which step each value is free."""
        order = topological(targets)
        slot = {node: index for index, node in enumerate(order)}
        last_reader: dict[int, int] = {}
        for node in order:
            for child in node.inputs:
                last_reader[slot[child]] = slot[node]
        kept = {slot[node] for node in targets}
        free: dict[int, list[int]] = {}
        for value, reader in last_reader.items():
            if value not in kept:
                free.setdefault(reader, []).append(value)
        self._leaves = [(slot[node], node) for node in order if isinstance(node.op, Leaf)]
        self._steps = [
            _Step(
                node,
                tuple([slot[child] for child in node.inputs]),
                slot[node],
                tuple(free.get(slot[node], ())),
            )
            for node in order
            if not isinstance(node.op, Leaf)
        ]
        self._results = [slot[node] for node in targets]
        self._size = len(order)

    def run(self, environment: Environment, accept: Accept | None = None) -> list[Array]:
        """One pass: the outputs' values; the updates are made when all of them are known.

        ``accept`` is shown the outputs and the new values first, and may raise to stop the pass before
        any variable has changed.
        """
        slots: list[Any] = [None] * self._size
        for index, leaf in self._leaves:
            slots[index] = leaf_value(leaf, environment)
        with np.errstate(all="ignore"):  # non-finite values are diagnosed from the values themselves
            for node, sources, index, done in self._steps:
                slots[index] = run_op(node, [slots[source] for source in sources])
                for spent in done:
                    slots[spent] = None
        values = [slots[index] for index in self._results]
        outputs, new = values[: self.output_count], values[self.output_count :]
        by_variable = dict(zip(self._variables, new, strict=True))
        if self._finite:
            require_finite(outputs, by_variable)
        if accept is not None:
            accept(outputs, by_variable)
        fed = {id(array) for array in environment.values()}
        for variable, value in by_variable.items():
            variable.adopt(value.copy() if id(value) in fed else _own(value))
        return outputs

    def explain(self, *, whole: bool = False) -> str:
        """How the graph is run: which ops, and how many nodes of each; ``whole`` lists the nodes."""
        counts = Counter(step.node.op.name for step in self._steps)
        shown = ", ".join(f"{name} ({count})" for name, count in counts.most_common())
        lines = [f"stepper: {len(self._steps)} nodes, one after another in NumPy: {shown}"]
        return "\n".join([*lines, *([repr(step.node) for step in self._steps] if whole else [])])

    def run_steps(self, environment: Environment, steps: int) -> None:
        """``steps`` passes over the same inputs, of which the variables alone remain."""
        for _ in range(steps):
            self.run(environment)


def _own(array: Array) -> Array:
    """An array that nothing else writes to or looks into."""
    return array if array.flags.owndata and array.flags.writeable else array.copy()


set_evaluator(evaluate)
