"""Epochs inside the program: batches are gathered by the graph itself, so that one call runs many steps.

Where the data are arrays and a batch is a choice of their rows, the step's graph begins with the whole
arrays, the order of the epoch and a counter::

    rows  = order[position·B … position·B + B - 1]
    batch = gather(arrays, rows)
    position' = position + 1,    loss_sum' = loss_sum + B·loss

and the engine runs it as many times as it is told to.  Numbers, order and random keys are those of
steps that are called one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..compile import Program
from ..dtypes import as_array, float64, int64
from ..engines import StepNotFinite
from ..graph import Node, Variable, placeholder, variable
from ..ops import astype, take
from .refusals import Place
from .step import Batch, TrainingStep, batch_parts


@runtime_checkable
class Gathered(Protocol):
    """Data whose batches are rows of arrays (``chainrule.data.Batches`` and ``ContextBatches`` are such)."""

    arrays: Any
    """An array, or a tuple or a dict of arrays."""
    examples: int
    """How many rows an epoch visits."""
    size: int
    """Rows in a batch; the last one may have fewer."""

    def permutation(self, epoch: int) -> NDArray[np.int64]:
        """The rows in the order of ``epoch``."""

    def gather(self, arrays: Any, rows: Any) -> Batch:
        """The batch of these rows; written with indexing alone, it is right for arrays and for nodes."""


@runtime_checkable
class Redrawn(Gathered, Protocol):
    """Such data, other arrays in each epoch (``chainrule.data.WordPairs``)."""

    def arrays_of(self, epoch: int) -> Any:
        """The arrays of ``epoch``, in the form, the shapes and the dtypes of ``arrays``."""


def gathered(data: Any) -> Gathered | None:
    """``data`` if its ``gather`` says all there is to say about its whole batches, of which it has some."""
    if not isinstance(data, Gathered) or data.examples < data.size:
        return None
    classes = type(data).__mro__

    def depth(name: str) -> int:
        return next((n for n, c in enumerate(classes) if name in vars(c)), len(classes))

    # A subclass that makes its batches otherwise (augments them, say) is asked for them one by one.
    return data if all(depth(name) >= depth("gather") for name in ("epoch", "take", "__len__")) else None


def _held(array: NDArray[Any]) -> NDArray[Any]:
    """``array`` in one stretch, read-only: an engine on another device sends such a one only once."""
    held = np.ascontiguousarray(array).view()
    held.flags.writeable = False
    return held


class EpochLoop:
    """Whole batches of ``data`` in the order of an epoch, many steps a call.

    ``begin`` says where; ``run`` goes on from there.  An error leaves everything as it was before the step
    that it is of, ``batch`` and ``loss_sum`` included.

    >>> import chainrule as cr
    >>> w = cr.variable(0.0)
    >>> step = TrainingStep(lambda x: ((w - x) ** 2).mean(), cr.optim.SGD([w], 0.25))
    >>> loop = EpochLoop(step, cr.data.Batches(np.float32([1, 1, 3, 3, 5]), 2, shuffle=False))
    >>> loop.begin(epoch=0)
    >>> loop.run(2)
    >>> loop.batch, float(loop.loss_sum), float(w)
    (2, 14.5, 1.75)
    """

    def __init__(self, step: TrainingStep, data: Gathered) -> None:
        self.step, self.data = step, data
        self._take_arrays(data.arrays)
        self._epoch, self._order = 0, np.empty(0, np.int64)
        self._position = variable(np.int64(0), name="position")
        self._loss_sum = variable(np.float64(0), name="loss sum")
        self._program = self._build()

    def _take_arrays(self, arrays: Any) -> None:
        self._names, parts = batch_parts(arrays)
        self._arrays = [_held(as_array(part)) for part in parts]

    def _build(self) -> Program:
        leaves = [placeholder(array.shape, array.dtype) for array in self._arrays]
        order = placeholder((self.data.examples,), int64, name="order")
        rows = take(order, self._position * self.data.size + np.arange(self.data.size), axis=0)
        names, parts = batch_parts(self.data.gather(self._shaped(leaves), rows))
        batch = [
            part.named(name or f"input {i}") for i, (name, part) in enumerate(zip(names, parts, strict=True))
        ]
        loss, updates = self._counted(names, batch)
        return Program([*leaves, order], [loss], updates, engine=self.step.engine, finite=True)

    def _counted(self, names: Sequence[str], batch: Sequence[Node]) -> tuple[Node, dict[Variable, Node]]:
        """The step on a batch, and what it adds to the position and to the sum of losses."""
        loss, updates = self.step.graph(names, batch)
        updates[self._position] = self._position + 1
        updates[self._loss_sum] = self._loss_sum + astype(loss, float64).reshape(()) * self.data.size
        return loss, updates

    def _shaped(self, parts: list[Any]) -> Any:
        """The arrays, or nodes in their place, in the form in which ``data`` has them."""
        if isinstance(self.data.arrays, dict):
            return dict(zip(self._names, parts, strict=True))
        return tuple(parts) if isinstance(self.data.arrays, tuple) else parts[0]

    def begin(self, epoch: int, batch: int = 0, loss_sum: float = 0.0) -> None:
        """Stand before a batch of an epoch, with what the losses before it came to."""
        if isinstance(self.data, Redrawn):
            self._take_arrays(self.data.arrays_of(epoch))
        self._epoch = epoch
        self._order = _held(np.asarray(self.data.permutation(epoch), np.int64))
        self._position.assign(np.int64(batch))
        self._loss_sum.assign(np.float64(loss_sum))

    def run(self, steps: int) -> None:
        """The next ``steps`` batches; ``NonFiniteError``, naming the node, where a step is refused."""
        try:
            self._run(steps)
        except StepNotFinite as found:
            raise self.step.diagnosed(self.take(self.batch), found, self.place(self.batch)) from None

    def _run(self, steps: int) -> None:
        self._program.run_steps(steps, *self._arrays, self._order)

    def rows(self, batch: int) -> NDArray[np.int64]:
        """Which rows of the data a batch of the epoch has."""
        return self._order[batch * self.data.size : (batch + 1) * self.data.size]

    def take(self, batch: int) -> Batch:
        """A batch of the epoch, by its number, as arrays."""
        return self.data.gather(self._shaped(self._arrays), self.rows(batch))

    def spread(self, count: int) -> Batch:
        """So many examples, or all, evenly spaced in the order of the epoch."""
        most = len(self._order)
        places = np.arange(most) if most <= count else np.linspace(0, most - 1, count).astype(np.int64)
        return self.data.gather(self._shaped(self._arrays), self._order[places])

    @property
    def order(self) -> NDArray[np.int64]:
        """The rows in the order of the epoch."""
        return self._order

    def place(self, batch: int) -> Place:
        """Where that is, for messages."""
        return Place(self._epoch, batch, -(-self.data.examples // self.data.size), self.rows(batch))

    @property
    def whole(self) -> int:
        """How many whole batches an epoch has."""
        return self.data.examples // self.data.size

    @property
    def batch(self) -> int:
        """The number of the next batch."""
        return int(self._position.copy())

    @property
    def loss_sum(self) -> float:
        """The sum of the losses so far, each times the examples of its batch."""
        return float(self._loss_sum.copy())
