"""Variables that live on a device: what an engine updates there is fetched when somebody looks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from ...graph import Variable, lease
from .mesh import Layout


class Residence:
    """Some variables on the device, shared by all programs that update just these.

    Inside ``with residence.held() as arrays:`` the list holds the device's arrays; whoever puts newer ones
    there says so with :meth:`moved`.  The host's arrays are brought up to date when they are looked at, and
    what was assigned there since goes to the device the next time.
    """

    def __init__(self, variables: Sequence[Variable], layout: Layout) -> None:
        self.variables, self.layout = tuple(variables), layout
        self.lock = RLock()
        self._arrays: list[Any] = [None] * len(self.variables)
        self._ahead = [False] * len(self.variables)
        self._lease = lease(self.variables, self._settle, holder=self)

    def _settle(self, number: int) -> None:
        if self._ahead[number]:
            np.copyto(self._lease.arrays[number], self.layout.fetch(self._arrays[number]))
            self._ahead[number] = False

    @contextmanager
    def held(self) -> Iterator[list[Any]]:
        """The device's arrays, those of variables that were assigned meanwhile sent there anew."""
        with self.lock, self._lease as renewed:
            for number in renewed:
                self._arrays[number] = self.layout.keep(self._lease.arrays[number])
                self._ahead[number] = False
            yield self._arrays

    def moved(self, arrays: Sequence[Any]) -> None:
        """These are the variables' new values; only while they are held."""
        self._arrays[:] = arrays
        self._ahead = [True] * len(self._arrays)


_residences: WeakValueDictionary[tuple[str, tuple[int, ...]], Residence] = WeakValueDictionary()


def residence_of(variables: Sequence[Variable], layout: Layout) -> Residence:
    """The one residence of just these variables in that layout, which keeps them: no id is used again."""
    key = str(layout), tuple(map(id, variables))
    found = _residences.get(key)
    if found is None:
        found = _residences[key] = Residence(variables, layout)
    return found


def _after_fork() -> None:
    for residence in list(_residences.values()):
        residence.lock = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
