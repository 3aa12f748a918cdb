"""Undoing what was written in place: copies of the arrays from time to time, and what was run since.

Machine code writes new values over the old ones, and may find only then that one is not finite.  The
state before that step is had again from the last copy by running the same steps on the same inputs once
more, which gives the same bits.  So a step pays next to nothing for the one that fails.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from threading import RLock
from time import perf_counter
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from ...graph import Variable

Array = NDArray[Any]

SECONDS = 1.0
"""How often the arrays are copied at most: what a failure can cost, and a small part of it always."""


class Entry(NamedTuple):
    """Some steps that were run on the same inputs."""

    inputs: list[Array]
    steps: int
    runner: Any = None
    """Which program it was, of those that share a log."""


class Log:
    """The arrays of some programs as they once were, and the steps since then.

    Programs that update the same variables, such as those of one training step for batches of several
    shapes, share a log (:func:`log_of`) and hold its ``lock`` while they run.

    Before each run :meth:`begin` is told of it.  :meth:`undo` puts the copies back and says what to run
    again, to stand after a given number of the last run's steps.

    >>> counts = np.zeros(3)
    >>> log = Log()
    >>> for weight in (1.0, 10.0):
    ...     log.begin([counts], [np.array(weight)], 2)
    ...     counts += 2 * weight
    >>> again = log.undo([counts], 1)  # after the first of the last two steps
    >>> counts, [(entry.inputs, entry.steps) for entry in again]
    (array([0., 0., 0.]), [([array(1.)], 2), ([array(10.)], 1)])
    """

    def __init__(self, seconds: float = SECONDS, variables: Sequence[Variable] = ()) -> None:
        self._seconds, self._variables = seconds, tuple(variables)
        self.lock = RLock()
        self._copies: list[Array] = []
        self._taken = -np.inf
        self._entries: list[Entry] = []
        self._bytes = self._last = self._limit = 0

    def clear(self) -> None:
        """Forget everything: the arrays were changed, or replaced, by something else than a run."""
        self._entries, self._taken = [], -np.inf

    def begin(
        self,
        arrays: Sequence[Array],
        inputs: Sequence[Array],
        steps: int,
        *,
        steady: bool = False,
        runner: Any = None,
    ) -> None:
        """``steps`` are to be run by ``runner``, from ``arrays`` as they are now, on ``inputs``.

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
        if steady and self._entries:
            last = self._entries[-1]
            if last.runner is runner and _same(last.inputs, inputs):
                self._entries[-1] = last._replace(steps=last.steps + steps)
                return
        copies = size <= self._limit
        kept = [a.copy() if copies and copied else a for a, copied in zip(inputs, owned, strict=True)]
        self._entries.append(Entry(kept, steps, runner))
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
        again = last._replace(steps=last.steps - self._last + completed)
        return [*before, again] if again.steps else before


def _same(before: Sequence[Array], now: Sequence[Array]) -> bool:
    return len(before) == len(now) and all(a is b for a, b in zip(before, now, strict=True))


# By the variables' ids: the variables themselves, held here, would hold their log and never die.
_logs: WeakValueDictionary[tuple[int, ...], Log] = WeakValueDictionary()


def log_of(variables: Sequence[Variable]) -> Log:
    """The one log of all programs that update just these variables, which it keeps: no id is used again."""
    return _logs.setdefault(tuple(map(id, variables)), Log(variables=variables))


def _after_fork() -> None:
    """In the child of a fork, whose other threads stayed behind with what they had locked."""
    for log in list(_logs.values()):
        log.lock = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
