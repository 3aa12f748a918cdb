"""The team: worker threads that run shares of native programs, and sleep when there are none.

Whoever runs a program is its thread 0 and borrows the others here, so that two programs of two Python
threads run side by side.  A worker lives in machine code, without the interpreter's lock: waking it
takes no turn at the lock, and a busy interpreter does not hold it up.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from threading import Lock, Thread
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ArgumentError
from ...graph import aligned_empty
from . import driver, gates
from .target import host

Words = NDArray[np.int64]

WATCH_SECONDS = 150e-6
"""How long a worker looks out for the next run before it sleeps: single steps come back to back."""


_NAMES = {
    "linux": (None, "syscall", "syscall"),
    "windows": ("kernelbase", "WaitOnAddress", "WakeByAddressAll"),
    "darwin": (None, "__ulock_wait", "__ulock_wake"),
    "nap": (None, "usleep", "usleep"),
}
"""By the driver's kind of system: the library, and its functions that sleep on a word and wake sleepers."""


@cache
def system() -> Words:
    """What the driver asks of the operating system, as the words that it reads."""
    library, *names = _NAMES[gates.system_kind(host().triple)]
    found = ctypes.CDLL(library)
    words = aligned_empty(gates.SYSTEM_WORDS, np.int64)
    words[[gates.SLEEP_FUNCTION, gates.WAKE_FUNCTION]] = [address_of(getattr(found, n)) for n in names]
    words[[gates.SECONDS, gates.NANOSECONDS]] = 1, 0
    return words


def address_of(function: Any) -> int:
    """Where a function of ctypes lies."""
    found = ctypes.cast(function, ctypes.c_void_p).value
    assert found is not None
    return found


@cache
def pauses_per_second() -> float:
    """How many waiting instructions a core gets through: their length differs tenfold between machines."""
    count = 1000
    pause = ctypes.CFUNCTYPE(None, ctypes.c_int64)(driver.functions()[driver.PAUSES])
    times = []
    for _ in range(5):
        begun = perf_counter()
        pause(count)
        times.append(perf_counter() - begun)
    return count / max(min(times), 1e-7)


class Worker:
    """One thread in the driver's ``serve``, with its mailbox."""

    def __init__(self) -> None:
        self.mailbox = aligned_empty(driver.MAILBOX_WORDS, np.int64)
        self.mailbox[:] = 0
        self.mailbox[driver.WATCH] = int(WATCH_SECONDS * pauses_per_second())
        self._system = system()
        self.mailbox[driver.BOX_SYSTEM] = self._system.ctypes.data
        self.address = self.mailbox.ctypes.data
        serve = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(driver.functions()[driver.SERVE])
        self._thread = Thread(target=serve, args=(self.address,), name="chainrule worker", daemon=True)
        self._thread.start()

    def dismiss(self) -> None:
        """End the thread, which has no work."""
        post = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
        post(driver.functions()[driver.POST])(self.address, None, 0)
        self._thread.join()


class Team:
    """The workers of this process that nobody uses now."""

    def __init__(self) -> None:
        self._idle: list[Worker] = []
        self._lock = Lock()

    def lend(self, count: int) -> list[Worker]:
        """``count`` workers for one run, those that ended a run last first, new ones where too few idle."""
        with self._lock:
            workers = [self._idle.pop() for _ in range(min(count, len(self._idle)))]
        return workers + [Worker() for _ in range(count - len(workers))]

    def take_back(self, workers: Sequence[Worker]) -> None:
        with self._lock:
            self._idle.extend(reversed(workers))

    def dismiss(self) -> None:
        """End the idle workers: a process that forks, or ends, should have no thread that it can spare."""
        with self._lock:
            while self._idle:
                self._idle.pop().dismiss()

    def forget(self) -> None:
        """In the child of a fork: its threads stayed behind, whatever they held."""
        self._idle, self._lock = [], Lock()


TEAM = Team()
"""The one team of this process."""

atexit.register(TEAM.dismiss)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=TEAM.dismiss, after_in_child=TEAM.forget)


def available_threads() -> int:
    """How many threads may run at once: ``CHAINRULE_THREADS`` where set, else the cores given to us."""
    asked = os.environ.get("CHAINRULE_THREADS")
    if asked is not None:
        if not asked.isdecimal() or int(asked) < 1:
            raise ArgumentError(
                f"CHAINRULE_THREADS is {asked!r}", mend="set it to a number of threads, 1 or more"
            )
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(cores, _quota()))


def _quota(file: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """The whole cores that a container may use on average; beyond them threads only stop each other."""
    try:
        limit, period = file.read_text(encoding="ascii").split()
        return max(1, round(int(limit) / int(period)))
    except (OSError, ValueError):  # no such limit here, or "max"
        return sys.maxsize
