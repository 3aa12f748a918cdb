"""A program at run time: records over memory, run by the team, step after step, in one native call."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import RLock
from time import perf_counter
from typing import Any
from weakref import WeakSet

import numpy as np

from ...errors import ArgumentError
from ...graph import aligned_empty
from . import driver
from .choice import Choice
from .team import TEAM, Worker, address_of, pauses_per_second, system

SPIN_SECONDS = 30e-6
"""How long a thread at a barrier spins, at most, before it sleeps; waking it takes about as long."""
SLICE_SECONDS = 0.1
"""About how long one native call may take: between two of them Python sees signals."""

_KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)

_CALLBACK_FAILED = 2


@dataclass(frozen=True, slots=True)
class Record:
    """One function of a program, and how its places are shared out.

    ``function`` is the address of a ``void (ptr args, i64 lo, i64 hi)``, or a Python function without
    arguments, run by thread 0.  ``args`` gets the address of the failure flag, and then those of the
    ``slots`` of the machine's memory.  Threads get whole grains of the places 0 … extent - 1, the same
    ones in every record of equal ``extent`` and ``grain``; thread 0 alone runs a ``serial`` one.
    ``barrier`` says that the threads wait for each other afterwards; a Python function, and the last
    record, always have one.
    """

    function: int | Callable[[], None]
    slots: tuple[int, ...] = ()
    extent: int = 1
    grain: int = 1
    serial: bool = False
    barrier: bool = True


def share(extent: int, grain: int, thread: int, threads: int) -> tuple[int, int]:
    """The places of one thread: whole grains, as even as they come, the more for the first ones.

    >>> [share(10, 4, thread, 2) for thread in range(2)]
    [(0, 8), (8, 10)]
    """
    grains = -(-extent // grain)
    low, high = -(-grains * thread // threads), -(-grains * (thread + 1) // threads)
    return min(low * grain, extent), min(high * grain, extent)


class Machine:
    """Records made ready to run on some threads, over slots of memory given by their addresses.

    Several threads or one: whichever is faster at the time, as measured now and then; the bits are the
    same.  The memory behind the addresses is the caller's, who keeps it alive.  Two Python threads may
    run two machines at once; the runs of one machine come one after the other.  With ``flush`` subnormal
    numbers are taken for 0.
    """

    def __init__(
        self, records: Sequence[Record], addresses: Sequence[int], threads: int = 1, *, flush: bool = False
    ) -> None:
        if threads < 1:
            raise ArgumentError(f"{threads} threads", mend="give at least 1")
        shared = any(not r.serial and isinstance(r.function, int) and r.extent > r.grain for r in records)
        self.threads = threads if shared else 1
        self.lock = RLock()
        """Held while the machine runs, and by whoever points its memory elsewhere for a run."""
        self._raised: BaseException | None = None
        self._slice = 1
        self._context = aligned_empty(driver.CONTEXT_WORDS, np.int64)
        self._callbacks: list[Any] = []
        self._lay_out(records, addresses)
        self._set_up(len(records))
        self._context[driver.FLUSHES] = flush
        _machines.add(self)

    def _lay_out(self, records: Sequence[Record], addresses: Sequence[int]) -> None:
        """The kernels' arguments, and for each crew a table of records for each of its threads."""
        self._args = aligned_empty(sum(1 + len(r.slots) for r in records), np.int64)
        crews = [self.threads, 1] if self.threads > 1 else [1]
        self._tables = [
            aligned_empty((threads, max(len(records), 1), driver.RECORD_WORDS), np.int64) for threads in crews
        ]
        self._places: list[list[int]] = [[] for _ in addresses]
        place = 0
        for number, record in enumerate(records):
            function = self._callable(record.function)
            callback = not isinstance(record.function, int)
            barrier = record.barrier or callback or number == len(records) - 1
            args = self._args.ctypes.data + 8 * place
            self._args[place] = self._context.ctypes.data
            for slot in record.slots:
                place += 1
                self._places[slot].append(place)
            place += 1
            grain = max(record.extent, 1) if record.serial or callback else record.grain
            for tables in self._tables:
                for thread in range(len(tables)):
                    low, high = share(record.extent, grain, thread, len(tables))
                    tables[thread, number] = function, args, low, high, driver.BARRIER if barrier else 0
        for slot, address in enumerate(addresses):
            self.point(slot, address)

    def _callable(self, function: int | Callable[[], None]) -> int:
        if isinstance(function, int):
            return function

        def guarded(args: int | None, low: int, high: int) -> None:
            try:
                function()
            except BaseException as error:  # it surfaces in run(): nothing may pass through native code
                self._raised = error
                self._context[driver.FAILURE] = _CALLBACK_FAILED

        self._callbacks.append(_KERNEL(guarded))
        return address_of(self._callbacks[-1])

    def _set_up(self, records: int) -> None:
        words = self._context
        words[:] = 0
        words[driver.RECORDS] = records
        spins = int(SPIN_SECONDS * pauses_per_second())
        words[driver.SPINS] = words[driver.MOST_SPINS] = spins
        self._system = system()
        words[driver.SYSTEM] = self._system.ctypes.data
        self._boxes = aligned_empty(max(self.threads - 1, 1), np.int64)
        words[driver.MAILBOXES] = self._boxes.ctypes.data
        self._crew: list[Worker] = []
        self._choice = Choice() if self.threads > 1 else None
        self._use(0)
        self._address = words.ctypes.data
        self._lead = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(driver.functions()[driver.LEAD])

    @property
    def completed(self) -> int:
        """How many whole steps the last run has made, also if it was interrupted."""
        return int(self._context[driver.COMPLETED])

    def point(self, slot: int, address: int) -> None:
        """Let ``slot`` be the memory at ``address`` from the next run on."""
        for place in self._places[slot]:
            self._args[place] = address

    def run(self, steps: int = 1) -> int:
        """Run the records ``steps`` times, unless a check fails; the number of whole steps that were run.

        Fewer than ``steps`` means that a check failed in the step after them.  What a Python function
        raised is raised here; Ctrl-C is seen between two steps, about ten times a second, and
        ``completed`` tells how many were whole.
        """
        with self.lock:
            self._context[driver.COMPLETED] = 0
            workers = TEAM.lend(self.threads - 1) if self.threads > 1 else []
            try:
                self._enlist(workers)
                while (left := steps - self.completed) > 0 and self._run_slice(left):
                    pass
            finally:
                if workers:
                    TEAM.take_back(workers)
            return self.completed

    def _use(self, way: int) -> None:
        """Run with all threads (0), or with one (1)."""
        self._way, tables = way, self._tables[way]
        self._context[driver.TABLES], self._context[driver.THREADS] = tables.ctypes.data, len(tables)

    def _enlist(self, workers: list[Worker]) -> None:
        if workers != self._crew:
            self._boxes[: len(workers)] = [worker.address for worker in workers]
            self._crew = workers

    def _run_slice(self, left: int) -> bool:
        """One native call, of at most ``left`` steps; true if all of them were run."""
        words, choice, before = self._context, self._choice, self.completed
        steps = min(left, self._slice)
        if choice is not None:
            steps = min(steps, choice.most_steps())
            if choice.current != self._way:
                self._use(choice.current)
        words[driver.FAILURE] = 0
        words[driver.STEPS] = steps
        begun = perf_counter()
        self._lead(self._address)
        took = perf_counter() - begun
        if self._raised is not None:
            error, self._raised = self._raised, None
            raise error
        if self.completed < before + steps:
            return False
        if choice is not None:
            choice.took(steps, took)
        # At most four times as many as were seen to fit, so that one lucky moment promises little.
        self._slice = max(1, min(4 * steps, int(steps * SLICE_SECONDS / max(took, 1e-9)), 1 << 40))
        return True

    def _after_fork(self) -> None:
        self.lock, self._crew, self._raised = RLock(), [], None
        self._context[[driver.ARRIVED, driver.EPOCH, driver.EPOCH + 1]] = 0


_machines: WeakSet[Machine] = WeakSet()


def _after_fork() -> None:
    for machine in list(_machines):
        machine._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
