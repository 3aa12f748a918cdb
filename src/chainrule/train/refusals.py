"""What a refused step says: where training stood, which examples did it, which op, and what mends it.

Nothing was updated, so the step is there to be looked at: the same batch and the same random keys, replayed
by the stepper.  A run in which every number is finite pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..engines.nonfinite import Finding, numbered
from ..errors import NonFiniteError
from ..graph import Placeholder

_FEW = 5


class Place(NamedTuple):
    """Where in the data a step stood, each number counted from 0."""

    epoch: int
    batch: int
    batches: int
    """How many an epoch has."""
    rows: NDArray[np.int64] | None = None
    """Which rows of the data the batch's examples are, where the data can say."""


class Refusal(NamedTuple):
    """A step that was refused, with all that is known about it; :meth:`error` tells it."""

    what: str
    """What is not finite: the loss, or a variable's new value."""
    finding: Finding | None
    """Where it came from; None where the stepper's own rounding keeps it finite."""
    leaves: Sequence[Placeholder]
    """The batch's inputs."""
    step: int
    """How many steps were made before this one."""
    place: Place | None = None

    @property
    def examples(self) -> tuple[int, ...]:
        """Which examples of the batch the offending number was computed from; empty where of all."""
        if self.finding is None:
            return ()
        batched = {leaf for leaf in self.leaves if leaf.ndim and leaf.shape[0] == self._size}
        some = [set(rows) for leaf, rows in self.finding.rows.items() if leaf in batched]
        return tuple(sorted(set.union(*some))) if some else ()

    @property
    def data_rows(self) -> tuple[int, ...]:
        """The same, as rows of the data; empty where that is not known."""
        if self.place is None or self.place.rows is None:
            return ()
        return tuple(int(self.place.rows[example]) for example in self.examples)

    @property
    def _size(self) -> int:
        return next((leaf.shape[0] for leaf in self.leaves if leaf.ndim), 0)

    def error(self) -> NonFiniteError:
        """The error, which carries this refusal as ``about``."""
        lines = [f"{self.what} is not finite; nothing was updated", f"  in {self._when()}"]
        if 0 < len(self.examples) <= _FEW:
            which = f"{numbered('example', self.examples)} of the batch"
            if self.data_rows:
                which += f": {numbered('row', self.data_rows)} of the data"
            lines.append(f"  by {which}")
        if self.finding is None:
            lines.append("  the stepper, which rounds in another order, finds every value finite")
        else:
            lines += self.finding.told(rows=False)
        mend = self.finding.mend if self.finding is not None else ""
        error = NonFiniteError(
            "\n".join(lines),
            mend=mend or "lower the learning rate, clip gradients, or mend the op named here",
        )
        error.about = self
        return error

    def _when(self) -> str:
        if self.place is None:
            return f"step {self.step + 1}"
        at = self.place
        return f"epoch {at.epoch + 1}, batch {at.batch + 1} of {at.batches} (step {self.step + 1})"
