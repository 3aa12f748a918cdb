"""Epochs over a mesh: each process sends the rows that its own devices work on, some batches at a time.

The order of an epoch is that of one device.  Of ``K`` batches of ``B`` rows each part is laid out as
``(B, K, …)``, its rows split over the mesh's *data* axis, and a step takes column ``position - first``.
"""

from __future__ import annotations

from hashlib import sha256

import numpy as np

from ..compile import Program
from ..dtypes import int64
from ..engines.xla import Mesh, Share, Team
from ..errors import ConfigurationError
from ..graph import Array, placeholder
from ..ops import take
from .epochs import EpochLoop, Gathered
from .step import TrainingStep, batch_arrays

SENT_BYTES = 1 << 26
"""About how much of an epoch lies on this process's devices at a time."""


def check_even(size: int, mesh: Mesh) -> None:
    """``ConfigurationError`` where a batch of ``size`` rows does not split evenly over the mesh."""
    if size % mesh.data:
        under, over = size // mesh.data * mesh.data, (size // mesh.data + 1) * mesh.data
        some = f"{under} or {over}" if under else f"{over}"
        raise ConfigurationError(
            f"a batch of {size} rows cannot be split evenly over data={mesh.data}",
            mend=f"--set training.batch={some}, or a mesh whose data axis divides {size}",
        )


class SplitEpochLoop(EpochLoop):
    """Whole batches of ``data`` in the order of an epoch, many steps a call, over a mesh of devices."""

    def __init__(self, step: TrainingStep, data: Gathered, mesh: Mesh) -> None:
        check_even(data.size, mesh)
        self._mine = mesh.share(data.size)
        self._first, self._sent = 0, 0
        self._shares: list[Share] = []
        super().__init__(step, data)
        digest = sha256()
        for array in self._arrays:
            digest.update(array.data)
        Team.here().same("the training data", digest.digest(), "give each host the same files")

    def _build(self) -> Program:
        names, parts = batch_arrays(self.data.gather(self._shaped(self._arrays), np.zeros(1, np.int64)))
        of_one = sum(part.nbytes for part in parts) * (self._mine.stop - self._mine.start)
        self._kept = max(1, min(self.whole, SENT_BYTES // max(of_one, 1)))
        leaves = [placeholder((self.data.size, self._kept, *part.shape[1:]), part.dtype) for part in parts]
        first = placeholder((), int64, name="first")
        batch = [
            take(leaf, self._position - first, axis=1).named(name or f"input {number}")
            for number, (name, leaf) in enumerate(zip(names, leaves, strict=True))
        ]
        loss, updates = self._counted(names, batch)
        return Program([*leaves, first], [loss], updates, engine=self.step.engine, finite=True)

    def begin(self, epoch: int, batch: int = 0, loss_sum: float = 0.0) -> None:
        super().begin(epoch, batch, loss_sum)
        self._sent = 0

    def _run(self, steps: int) -> None:
        while steps > 0:
            at = self.batch
            if not self._first <= at < self._first + self._sent:
                self._send(at)
            some = min(steps, self._first + self._sent - at)
            self._program.run_steps(some, *self._shares, np.int64(self._first))
            steps -= some

    def _send(self, first: int) -> None:
        """Lay out the batches from ``first`` on; where the epoch has fewer, the rest is never looked at."""
        size, kept = self.data.size, self._kept
        self._first, self._sent = first, min(kept, self.whole - first)
        rows = np.resize(self._order[first * size : (first + self._sent) * size], kept * size)
        mine = rows.reshape(kept, size).T[self._mine]
        _, parts = batch_arrays(self.data.gather(self._shaped(self._arrays), mine.ravel()))
        self._shares = [
            Share(_final(part.reshape(*mine.shape, *part.shape[1:])), self._mine.start, size)
            for part in parts
        ]


def _final(array: Array) -> Array:
    """``array``, which nobody writes to any more: it is sent once."""
    array = np.ascontiguousarray(array)
    array.flags.writeable = False
    return array
