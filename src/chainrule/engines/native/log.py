"""Undoing what was written in place: copies of the arrays from time to time, and what was run since.

Machine code writes new values over the old ones, and may find only then that one is not finite.  The
state before that step is had again from the last copy by running the same steps on the same inputs once
more, which gives the same bits.  So a step pays next to nothing for the one that fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SECONDS = 1.0
"""How often the arrays are copied at most: what a failure can cost, and a small part of it always."""


class Entry(NamedTuple):
    """Some steps that were run on the same inputs."""

    inputs: list[Array]
    steps: int


class Log:
    """The arrays of a program as they once were, and the steps since then.

    Before each run :meth:`begin` is told of it.  :meth:`undo` puts the copies back and says what to run
    again, to stand after a given number of the last run's steps.

    >>> counts = np.zeros(3)
    >>> log = Log()
    >>> for weight in (1.0, 10.0):
    ...     log.begin([counts], [np.array(weight)], 2)
    ...     counts += 2 * weight
    >>> again = log.undo([counts], 1)  # after the first of the last two steps
    >>> counts, again
    (array([0., 0., 0.]), [Entry(inputs=[array(1.)], steps=2), Entry(inputs=[array(10.)], steps=1)])
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._copies: list[Array] = []
        self._taken = -np.inf
        self._entries: list[Entry] = []
        self._bytes = self._last = self._limit = 0

    def clear(self) -> None:
        """Forget everything: the arrays were changed, or replaced, by something else than a run."""
        self._entries, self._taken = [], -np.inf

    def begin(
        self, arrays: Sequence[Array], inputs: Sequence[Array], steps: int, *, steady: bool = False
    ) -> None:
        """``steps`` are to be run, from ``arrays`` as they are now, on ``inputs``.

        The inputs are copied, as their owner may write to them, unless they are read-only, or ``steady``:
        promised to stay as they are.
        """
        owned = [not steady and array.flags.writeable for array in inputs]
        size = sum([array.nbytes for array, copied in zip(inputs, owned, strict=True) if copied])
        now = perf_counter()
        if now - self._taken > self._seconds or self._bytes + size > self._limit:
            self._copy(arrays)
            self._taken, self._entries, self._bytes = now, [], 0
        if size > self._limit:  # to copy the arrays anew before the next run is the cheaper way
            self._taken = -np.inf
        self._last = steps
        if steady and self._entries and _same(self._entries[-1].inputs, inputs):
            self._entries[-1] = Entry(self._entries[-1].inputs, self._entries[-1].steps + steps)
            return
        copies = size <= self._limit
        kept = [a.copy() if copies and copied else a for a, copied in zip(inputs, owned, strict=True)]
        self._entries.append(Entry(kept, steps))
        self._bytes += size

    def _copy(self, arrays: Sequence[Array]) -> None:
        if [(c.shape, c.dtype) for c in self._copies] != [(a.shape, a.dtype) for a in arrays]:
            self._copies = [np.empty_like(array) for array in arrays]
            self._limit = sum([array.nbytes for array in arrays])
        for copy, array in zip(self._copies, arrays, strict=True):
            np.copyto(copy, array)

    def undo(self, arrays: Sequence[Array], completed: int) -> list[Entry]:
        """Put the copies back; running these entries leads to after ``completed`` steps of the last run."""
        for copy, array in zip(self._copies, arrays, strict=True):
            np.copyto(array, copy)
        *before, last = self._entries
        self.clear()
        again = Entry(last.inputs, last.steps - self._last + completed)
        return [*before, again] if again.steps else before


def _same(before: Sequence[Array], now: Sequence[Array]) -> bool:
    return len(before) == len(now) and all(a is b for a, b in zip(before, now, strict=True))
