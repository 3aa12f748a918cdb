"""Processes that run one program together: joining, agreeing, and saying that one is alive."""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...errors import ChainruleError, ConfigurationError
from .collectives import advertise
from .setting import jax

VARIABLE = "CHAINRULE_PROCESS"
"""The environment variable that tells a process which of how many it is; ``chainrule launch`` sets it."""

FELLOW_FAILED = 75
"""The exit code of a process that another one, or the network, let down: what may go well the next time."""

_SHUTDOWN_SECONDS = 5
_SENT_AT_A_TIME = 1 << 26


class FellowError(ChainruleError, ConnectionError):
    """Another process of the run, or the network between them, failed."""

    exit_code = FELLOW_FAILED


class Place(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which of how many processes this is, and where the first one listens."""

    coordinator: str
    """Host and port of process 0's coordination service."""
    processes: int
    index: int
    generation: int = 0
    """How often the run was started again."""
    heartbeat: int = 10
    """Seconds without a sign of life after which a process counts as dead."""
    wait: int = 300
    """Seconds in which all processes must have come together."""
    address: str | None = None
    """Under which the others reach this process; None: that of the host's name."""
    progress: str | None = None
    """A file that is written as the process gets on; whoever supervises it looks at its age."""

    @classmethod
    def here(cls) -> Place | None:
        """What the environment says; None where this process runs by itself."""
        text = os.environ.get(VARIABLE)
        if not text:
            return None
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError as error:
            raise ConfigurationError(
                f"{VARIABLE} is damaged: {error}", mend="let chainrule launch set it, or unset it"
            ) from None


def progress(text: str) -> None:
    """Note that this process gets on, where somebody watches."""
    if (place := Place.here()) is not None and place.progress is not None:
        # On a full disk it gets empty, and newer all the same: who watches looks at its age.
        with suppress(OSError):
            Path(place.progress).write_text(text, encoding="utf-8")


def computed() -> None:
    """Note the same of a process that scores, once a second: no training loop says so meanwhile."""
    if (place := Place.here()) is not None and place.progress is not None:
        with suppress(OSError):
            if time.time() - os.stat(place.progress).st_mtime > 1:
                os.utime(place.progress)


@contextmanager
def fellow_failures() -> Iterator[None]:
    """What JAX raises inside, in a run of several processes, is put down to the others or the network."""
    failed = jax().errors.JaxRuntimeError if Place.here() is not None else ()
    try:
        yield
    except failed as error:
        raise FellowError(
            "another process of the run, or the network between them, failed",
            where=str(error).splitlines()[0],
            mend="see the logs of the other processes; the run goes on from its last checkpoint",
        ) from error


def join() -> Place | None:
    """Come together with the other processes, if there are any; before JAX is used for anything else.

    Raises ``FellowError`` where they cannot be reached in time, ``MissingExtraError`` without JAX.
    """
    place = Place.here()
    if place is None:
        return None
    found = jax()
    if found.distributed.is_initialized():
        return place
    progress("joining")
    if place.index:
        _reach(place)
    found.config.update("jax_cpu_collectives_implementation", "gloo")
    if place.address is not None:
        advertise(place.address)
    try:
        found.distributed.initialize(
            place.coordinator,
            place.processes,
            place.index,
            cluster_detection_method="deactivate",  # what Slurm or MPI say is of the supervisors
            initialization_timeout=place.wait,
            heartbeat_timeout_seconds=place.heartbeat,
            shutdown_timeout_seconds=_SHUTDOWN_SECONDS,
        )
        count = found.process_count()
    except RuntimeError as error:
        raise FellowError(
            f"the processes did not come together at {place.coordinator} in {place.wait} seconds",
            where=f"process {place.index} of {place.processes}: {str(error).splitlines()[0]}",
            mend="see that all hosts reach that address and port, and that each runs the same command",
        ) from None
    assert count == place.processes
    _check_alike(found.devices())
    progress("joined")
    return place


def _check_alike(devices: Sequence[Any]) -> None:
    """Raise, in each of them, where the processes have different numbers of devices: JAX's talk needs it."""
    counts = list(Counter(device.process_index for device in devices).values())
    if len(set(counts)) > 1:
        raise ConfigurationError(
            f"the processes have different numbers of devices: {', '.join(map(str, counts))}",
            mend="give each as many: of GPUs by CUDA_VISIBLE_DEVICES, and --processes on hosts with more",
        )


def _reach(place: Place) -> None:
    """Wait until process 0 listens: JAX, where it does not, ends this process without a word for its user."""
    host, _, port = place.coordinator.rpartition(":")
    until = time.monotonic() + place.wait
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
            return
        except OSError as error:
            if time.monotonic() > until:
                raise FellowError(
                    f"process 0 could not be reached at {place.coordinator} in {place.wait} seconds: {error}",
                    where=f"process {place.index} of {place.processes}",
                    mend="see that the first host runs, and that its address and port are reached from here",
                ) from None
            time.sleep(0.2)


class Team:
    """The processes of a run, of which this is one.  What depends on a clock or a signal is agreed upon.

    All processes must ask the same things in the same order.

    >>> alone = Team()
    >>> alone.index, alone.count
    (0, 1)
    >>> alone.first(np.array([2.5])).tolist(), alone.gather(np.array([2.5])).tolist()
    ([2.5], [[2.5]])
    """

    def __init__(self, index: int = 0, count: int = 1) -> None:
        self.index, self.count = index, count

    @classmethod
    def here(cls) -> Team:
        """All processes that JAX knows of; this one alone if none were joined."""
        return cls(jax().process_index(), jax().process_count())

    @property
    def leads(self) -> bool:
        """Whether this is the one that reads and writes the run folder and speaks to the user."""
        return self.index == 0

    def gather(self, values: NDArray[Any]) -> NDArray[Any]:
        """Everybody's values, (processes, …)."""
        if self.count == 1:
            return values[None]
        from jax.experimental import multihost_utils as hosts

        # As bytes: no type is widened or narrowed on the way.
        found = np.asarray(hosts.process_allgather(np.frombuffer(values.tobytes(), np.uint8)))
        return np.frombuffer(found.tobytes(), values.dtype).reshape(self.count, *values.shape)

    def first(self, values: NDArray[Any]) -> NDArray[Any]:
        """The values of the one that leads."""
        found: NDArray[Any] = self.gather(values)[0]
        return found

    def first_bytes(self, content: bytes) -> bytes:
        """The bytes that the one that leads has; whatever the others gave."""
        if self.count == 1:
            return content
        from jax.experimental import multihost_utils as hosts

        (size,) = self.first(np.array([len(content)])).tolist()
        found = bytearray()
        for start in range(0, size, _SENT_AT_A_TIME):
            some = min(_SENT_AT_A_TIME, size - start)
            part = np.frombuffer(content[start : start + some] if self.leads else bytes(some), np.uint8)
            found += np.asarray(hosts.broadcast_one_to_all(part)).tobytes()
        return bytes(found)

    def same(self, what: str, content: bytes, mend: str) -> None:
        """Raise ``ConfigurationError``, in each of them, where not all have the same ``content``."""
        if self.count == 1:
            return
        digests = self.gather(np.frombuffer(sha256(content).digest(), np.uint8))
        others = np.nonzero((digests != digests[0]).any(axis=1))[0].tolist()
        if others:
            named = ", ".join(map(str, others))
            raise ConfigurationError(f"{what} of process {named} is not that of process 0", mend=mend)

    def meet(self) -> None:
        """Wait until all are here."""
        self.gather(np.zeros(1))
