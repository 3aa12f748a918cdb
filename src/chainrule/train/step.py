"""A training step as one program: loss, gradients, and every variable's next value, in one graph."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter, signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import nn
from ..compile import DEFAULT_ENGINE, Program
from ..dtypes import as_array, is_float
from ..engines import StepNotFinite, first_nonfinite
from ..errors import ArgumentError, NonFiniteError, ShapeError
from ..graph import Array, Node, Placeholder, Variable, as_node, placeholder
from ..ops import random
from ..optim import Optimizer
from .refusals import Place, Refusal

Batch = Any
"""An array, or a tuple or a dict of arrays, with the examples along the first axis."""

Loss = Callable[..., Node]
"""``loss(*batch)``, or ``loss(**batch)`` of a dict, and ``mode`` if it takes it: a scalar node."""

Scores = Callable[..., Mapping[str, Node]]
"""``scores(*batch)``: named scalar nodes, each a mean over the batch."""

_KEPT_SHAPES = 64


def batch_parts(batch: Any) -> tuple[list[str], list[Any]]:
    """The names and parts of a batch, of arrays or of nodes; the names are empty for what was not a dict."""
    if isinstance(batch, Mapping):
        return list(batch), list(batch.values())
    if isinstance(batch, tuple):
        return [""] * len(batch), list(batch)
    return [""], [batch]


def batch_arrays(batch: Batch) -> tuple[list[str], list[NDArray[Any]]]:
    """The names and arrays of a batch."""
    names, parts = batch_parts(batch)
    return names, [as_array(part) for part in parts]


def call_on_batch(
    function: Callable[..., Any], names: Sequence[str], nodes: Sequence[Node], **more: Any
) -> Any:
    """Call ``function`` on a batch's nodes, by keyword where they have names; of ``more`` what it takes."""
    taken = signature(function).parameters
    if not any(parameter.kind is Parameter.VAR_KEYWORD for parameter in taken.values()):
        more = {name: value for name, value in more.items() if name in taken}
    if all(names):
        return function(**dict(zip(names, nodes, strict=True)), **more)
    return function(*nodes, **more)


def _leaves(names: Sequence[str], arrays: Sequence[NDArray[Any]]) -> list[Placeholder]:
    return [
        placeholder(array.shape, array.dtype, name=name or f"input {index}")
        for index, (name, array) in enumerate(zip(names, arrays, strict=True))
    ]


class _ByShape:
    """Programs over batches, one for each combination of shapes, the last ones kept."""

    def __init__(self) -> None:
        self._programs: OrderedDict[Any, Program] = OrderedDict()

    def program(self, batch: Batch) -> tuple[Program, list[NDArray[Any]]]:
        names, arrays = batch_arrays(batch)
        key = tuple([(array.shape, array.dtype.str) for array in arrays])
        program = self._programs.get(key)
        if program is None:
            program = self._programs[key] = self.build(names, _leaves(names, arrays))
            if len(self._programs) > _KEPT_SHAPES:
                self._programs.popitem(last=False)
        self._programs.move_to_end(key)
        return program, arrays

    def build(self, names: Sequence[str], leaves: Sequence[Placeholder]) -> Program:
        """The program over batches whose arrays have these names, shapes and dtypes."""
        raise ArgumentError("a program over batches says how it is built")


class TrainingStep(_ByShape):
    """One step of an optimizer on a loss: call it with a batch; it returns the loss.

    The random key of a step is folded from ``seed`` and the optimizer's step counter, so a mask depends
    on (seed, step, place in the model) and on nothing else.  A loss, or a new value, that is not finite
    raises ``NonFiniteError`` naming the node it came from, and leaves every variable as it was.
    """

    def __init__(
        self, loss: Loss, optimizer: Optimizer, *, seed: int = 0, engine: str = DEFAULT_ENGINE
    ) -> None:
        super().__init__()
        self.loss, self.optimizer, self.seed, self.engine = loss, optimizer, seed, engine

    def loss_on(self, names: Sequence[str], leaves: Sequence[Node]) -> tuple[Node, nn.Mode]:
        """The loss of a batch in training, as graph, and the mode with what modules want replaced."""
        key = random.fold_in(random.key(self.seed), self.optimizer.state["step"])
        mode = nn.training(key)
        with nn.in_training():
            loss = as_node(call_on_batch(self.loss, names, leaves, mode=mode))
        if loss.size != 1 or not is_float(loss.dtype):
            raise ShapeError(
                f"the loss is {loss!r}, not a scalar", mend="reduce it: .mean() over the batch is usual"
            )
        return loss, mode

    def graph(self, names: Sequence[str], leaves: Sequence[Node]) -> tuple[Node, dict[Variable, Node]]:
        """The step as graph: the loss, and each variable's next value."""
        loss, mode = self.loss_on(names, leaves)
        updates = self.optimizer.updates(loss)
        both = mode.updates.keys() & updates.keys()
        if both:
            raise ArgumentError(
                f"updated by the optimizer and by a module: {', '.join(v.label for v in both)}"
            )
        return loss, {**updates, **mode.updates}

    def build(self, names: Sequence[str], leaves: Sequence[Placeholder]) -> Program:
        loss, updates = self.graph(names, leaves)
        return Program(leaves, [loss], updates, engine=self.engine, finite=True)

    def __call__(self, batch: Batch) -> float:
        program, arrays = self.program(batch)
        try:
            (loss,) = program(*arrays)
        except StepNotFinite as found:
            raise self.diagnosed(batch, found) from None
        return float(loss)

    def diagnosed(self, batch: Batch, found: StepNotFinite, place: Place | None = None) -> NonFiniteError:
        """The error that says where it came from: nothing has changed, so the pass is looked at again."""
        names, arrays = batch_arrays(batch)
        leaves = _leaves(names, arrays)
        loss, updates = self.graph(names, leaves)
        targets = [loss] if found.variable is None else [updates[found.variable]]
        finding = first_nonfinite(targets, dict(zip(leaves, arrays, strict=True)))
        what = "the loss" if found.variable is None else f"the new value of {found.variable.label}"
        return Refusal(what, finding, leaves, int(self.optimizer.step.copy()), place).error()


class Evaluation(_ByShape):
    """Means of named scores over batches, weighted by the number of examples in each.

    >>> import chainrule as cr
    >>> import numpy as np
    >>> spread = Evaluation(lambda x: {"mean": x.mean()})
    >>> spread([np.array([1.0, 2.0], "f"), np.array([6.0], "f")])
    {'mean': 3.0}
    """

    def __init__(self, scores: Scores, *, engine: str = DEFAULT_ENGINE) -> None:
        super().__init__()
        self.scores, self.engine = scores, engine
        self._names: list[str] = []

    def build(self, names: Sequence[str], leaves: Sequence[Placeholder]) -> Program:
        found = call_on_batch(self.scores, names, leaves)
        self._names = list(found)
        return Program(leaves, [as_node(node) for node in found.values()], engine=self.engine)

    def __call__(self, batches: Any) -> dict[str, float]:
        totals: NDArray[np.float64] | None = None
        examples = 0
        for batch in batches:
            program, arrays = self.program(batch)
            count = arrays[0].shape[0] if arrays[0].ndim else 1
            values = np.array([float(value) for value in program(*arrays)]) * count
            totals = values if totals is None else totals + values
            examples += count
        if totals is None:
            raise ArgumentError("there is nothing to evaluate", mend="give at least one batch")
        return dict(zip(self._names, (totals / examples).tolist(), strict=True))


def filled_size(count: int, known: Iterable[int] = ()) -> int:
    """To how many rows a batch of ``count`` is filled up, where programs for the sizes ``known`` exist.

    The smallest known size, unless it is more than four times too large; else a new one, of which there are
    four up to 8 and four more in each doubling.

    >>> [filled_size(count) for count in (1, 3, 9, 33, 64, 1000)]
    [1, 4, 10, 40, 64, 1024]
    >>> filled_size(9, {32, 64}), filled_size(7, {32})
    (32, 8)
    """
    fitting = [size for size in known if count <= size <= 4 * count]
    step = 1 << max(count.bit_length() - 1, 0)
    step = step if step < 8 else step // 4
    return min(fitting, default=-(-count // step) * step)


def filled_up(arrays: Sequence[NDArray[Any]], size: int) -> list[NDArray[Any]]:
    """The arrays with their first row repeated at the end, until they have ``size`` rows.

    >>> filled_up([np.array([[1, 2], [3, 4]])], 3)[0].tolist()
    [[1, 2], [3, 4], [1, 2]]
    """
    return [
        np.concatenate([array, np.broadcast_to(array[:1], (size - len(array), *array.shape[1:]))])
        for array in arrays
    ]


class PerExample(_ByShape):
    """One result for each example, over batches, laid end to end.

    A row's result depends on that row alone.  So where each new shape is a compilation of a second, on the
    engine xla, batches are filled up with more rows to one of a few sizes, and what is too many is cut off.

    >>> import chainrule as cr
    >>> import numpy as np
    >>> doubled = PerExample(lambda x: 2 * x)
    >>> doubled([np.array([1.0, 2.0], "f"), np.array([6.0], "f")])
    array([ 2.,  4., 12.], dtype=float32)
    """

    def __init__(self, function: Callable[..., Node], *, engine: str = DEFAULT_ENGINE) -> None:
        super().__init__()
        self.function, self.engine = function, engine
        self._fills = engine.partition(":")[0] == "xla"
        self._sizes: dict[Any, set[int]] = {}

    def build(self, names: Sequence[str], leaves: Sequence[Placeholder]) -> Program:
        return Program(leaves, [as_node(call_on_batch(self.function, names, leaves))], engine=self.engine)

    def _filled(self, batch: Batch, before: dict[Any, int]) -> tuple[Batch, int]:
        """The batch with its rows filled up, a smaller one like those ``before``; how many are its own."""
        names, arrays = batch_arrays(batch)
        count = len(arrays[0]) if arrays[0].ndim else 0
        if not self._fills or not count or any(array.shape[:1] != (count,) for array in arrays):
            return batch, count
        rows = tuple([(array.shape[1:], array.dtype.str) for array in arrays])
        sizes = self._sizes.setdefault(rows, set())
        before[rows] = size = before[rows] if count <= before.get(rows, 0) else filled_size(count, sizes)
        sizes.add(size)
        more = filled_up(arrays, size) if size > count else arrays
        return dict(zip(names, more, strict=True)) if all(names) else tuple(more), count

    def __call__(self, batches: Any) -> Array:
        found = []
        before: dict[Any, int] = {}
        for given in batches:
            batch, count = self._filled(given, before)
            program, arrays = self.program(batch)
            found.append(program(*arrays)[0][:count] if self._fills else program(*arrays)[0])
        if not found:
            raise ArgumentError("there is nothing to evaluate", mend="give at least one batch")
        return np.concatenate(found)
