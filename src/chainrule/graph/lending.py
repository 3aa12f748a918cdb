"""The array of a variable: read by anyone, written in place by at most one engine at a time.

What somebody has seen never changes under their eyes.  An engine that updates variables in place takes
a :class:`Lease` on them; an array that anyone has looked at since is copied before the engine writes to
it again, and one that nobody has looked at is not.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from threading import RLock, get_ident
from typing import Any
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from .memory import aligned_copy


class Holding:
    """What a variable holds: an array, whether anyone may have kept it, and who writes to it."""

    __slots__ = ("array", "exposed", "grad", "lease", "writable", "writer")

    def __init__(self, array: NDArray[Any]) -> None:
        self.lease: Lease | None = None
        self.writer: object = None
        """Who was last given the array to write to: the holder of a lease."""
        self.grad: NDArray[Any] | None = None
        self._own(array)

    def _own(self, array: NDArray[Any]) -> None:
        """Hold an aligned array that nobody else has."""
        self.exposed = False
        self.writable: NDArray[Any] | None = array
        self.array = _frozen(array[...])

    def look(self) -> NDArray[Any]:
        """The array, read-only, which from now on stays as it is."""
        # The order matters where two threads meet: whoever lends sets the lease first, and then sees
        # that the array is exposed; or we see the lease.  Whoever puts another array here says first that
        # it is not exposed: then we look again.
        while True:
            self.exposed = True
            array = self.array
            while (lease := self.lease) is not None:
                if lease.is_running_here:  # asked from within the very run that is writing
                    return _frozen(array.copy())
                lease.recall(self)
                array = self.array
            if self.exposed:
                return array

    def copy(self) -> NDArray[Any]:
        """A copy, for which an engine that writes to the array need not take another one."""
        while (lease := self.lease) is not None and not lease.is_running_here:
            with lease.between_runs():
                if self.lease is lease:
                    lease.settle(self)
                    return self.array.copy()
        return self.look().copy()

    def put(self, array: NDArray[Any], *, owned: bool = False) -> None:
        """Hold ``array`` instead: an aligned one that is ``owned``, or one that others may hold too."""
        while (lease := self.lease) is not None:
            lease.recall(self)
        if owned:
            self._own(array)
        else:
            self.array, self.writable, self.exposed = array, None, True

    def lend(self, lease: Lease) -> NDArray[Any]:
        """The array for ``lease`` to write to, aligned; a copy where somebody may have kept the old one."""
        while (other := self.lease) is not None and other is not lease:
            other.recall(self, seen=False)
        self.lease, self.writer = lease, lease.holder
        if self.exposed or self.writable is None:
            self._own(aligned_copy(self.array))
        assert self.writable is not None
        return self.writable


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


class Lease:
    """The right to write to the arrays of some variables in place, until somebody looks at one.

    Inside ``with lease as renewed:`` the holder writes to ``lease.arrays``; ``renewed`` lists the numbers
    of those that are other arrays than last time, or were lent to another meanwhile.
    Whoever looks meanwhile from another thread waits for the end.  ``settle``, if given, is called with a
    variable's number before anyone sees its array: what was put off is to be made up for in place.
    Leases with one ``holder``, if given, are no others to each other: it knows what is done under them all.
    """

    def __init__(
        self,
        holdings: Sequence[Holding],
        settle: Callable[[int], None] | None = None,
        holder: object = None,
    ) -> None:
        self._holdings = list(holdings)
        self._numbers = {id(holding): number for number, holding in enumerate(self._holdings)}
        self._settle = settle
        self.holder = self if holder is None else holder
        self._renewed: set[int] = set()
        self._lock = RLock()
        self._waiting = 0
        self._running: int | None = None
        self._recalled = set(range(len(self._holdings)))
        self.arrays: list[NDArray[Any]] = [np.empty(0)] * len(self._holdings)
        _leases.add(self)

    @property
    def is_running_here(self) -> bool:
        """True inside ``with lease:`` on this thread."""
        return self._running == get_ident()

    def __enter__(self) -> list[int]:
        while True:
            self._lock.acquire()
            if not self._waiting:
                break
            self._lock.release()
            time.sleep(1e-4)  # whoever waits to look goes first: runs may follow each other without end
        renewed: list[int] = []
        if self._recalled:
            # One lease at a time takes from others: two that took from each other would wait for ever.
            self._lock.release()
            with _taking:
                self._lock.acquire()
                try:
                    renewed = self._renew()
                except BaseException:
                    self._lock.release()
                    raise
        self._running = get_ident()
        return renewed

    def __exit__(self, *error: object) -> None:
        self._running = None
        self._lock.release()

    def _renew(self) -> list[int]:
        for number in sorted(self._recalled):
            holding = self._holdings[number]
            changed = holding.writer is not self.holder
            array = holding.lend(self)
            if changed or array is not self.arrays[number]:
                self._renewed.add(number)  # kept, should there be no memory for one of the others
            self.arrays[number] = array
            self._recalled.discard(number)
        renewed = sorted(self._renewed)
        self._renewed.clear()
        return renewed

    def between_runs(self) -> _Turn:
        """A context in which the holder is not running."""
        return _Turn(self)

    def settle(self, holding: Holding) -> None:
        """Let the holder make up for what it has put off; only between runs."""
        if self._settle is not None:
            self._settle(self._numbers[id(holding)])

    def recall(self, holding: Holding, seen: bool = True) -> None:
        """End the lease of one variable, which somebody has ``seen`` or another engine takes over."""
        with self.between_runs():
            if holding.lease is self:
                self.settle(holding)
                holding.exposed = holding.exposed or seen
                holding.lease = None
                self._recalled.add(self._numbers[id(holding)])

    def _after_fork(self) -> None:
        self._lock, self._waiting, self._running = RLock(), 0, None


class _Turn:
    """Waiting for a lease's lock, and saying so, that its holder makes way."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    def __enter__(self) -> None:
        with _counting:
            self._lease._waiting += 1
        try:
            self._lease._lock.acquire()
        finally:
            with _counting:
                self._lease._waiting -= 1

    def __exit__(self, *error: object) -> None:
        self._lease._lock.release()


_taking, _counting = RLock(), RLock()
_leases: WeakSet[Lease] = WeakSet()


def _after_fork() -> None:
    """In the child of a fork, whose other threads stayed behind with what they had locked."""
    global _taking, _counting
    _taking, _counting = RLock(), RLock()
    for lease in list(_leases):
        lease._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
