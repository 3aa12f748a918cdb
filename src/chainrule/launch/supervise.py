"""One supervisor from its start to its end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from . import words
from .coordinator import Coordinator
from .host import Host
from .job import Endpoint, Job, Outcome, Terminal
from .leash import Leash

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
"""What ends a supervisor, and with it the job, in good order."""


def launch(job: Job, terminal: Terminal, claim: Callable[[], Path]) -> Outcome:
    """Supervise a job until it ends, minding signals; no process of it is left then.

    ``claim`` makes a new run folder, where neither the command nor another host names one.
    """

    return asyncio.run(supervise(job, terminal, claim, handled))


def handled(host: Host, leave: Callable[[int], None]) -> contextlib.AbstractContextManager[None]:
    """Inside, signals interrupt the host's part; ``leave`` is called where there is none to interrupt."""
    loop = asyncio.get_running_loop()

    def on(number: int) -> None:
        if not host.interrupt(number):
            leave(number)

    @contextlib.contextmanager
    def handling() -> Iterator[None]:
        known = [signal.Signals[name] for name in SIGNALS if hasattr(signal, name)]
        before = {number: signal.getsignal(number) for number in known}
        before = {number: handler for number, handler in before.items() if handler != signal.SIG_IGN}
        for number in before:  # what nohup, or a shell in the background, has switched off stays so
            if sys.platform == "win32":
                signal.signal(number, lambda number, _: loop.call_soon_threadsafe(on, number))
            else:
                loop.add_signal_handler(number, on, number)
        try:
            yield
        finally:
            for number, handler in before.items():
                if sys.platform != "win32":
                    loop.remove_signal_handler(number)
                if handler is not None:  # of another language, which Python cannot put back
                    signal.signal(number, handler)

    return handling()


Minding = Callable[[Host, Callable[[int], None]], contextlib.AbstractContextManager[None]]


async def supervise(
    job: Job, terminal: Terminal, claim: Callable[[], Path], minding: Minding | None = None
) -> Outcome:
    """As :func:`launch`, inside a running loop; signals are minded only if ``minding`` says how."""
    leash = Leash()
    leading: asyncio.Task[None] | None = None
    try:
        leader = job.coordinator
        if job.host == 0:
            coordinator = Coordinator(job, terminal, claim)
            try:
                leader = await coordinator.listen()
            except OSError as error:
                return Outcome(2, _cannot_listen(job.coordinator, error))
            leading = asyncio.create_task(coordinator.lead())
        host = Host(job, leader, terminal, leash)
        return await _both(host, leading, minding)
    finally:
        if leading is not None:
            leading.cancel()
        leash.close()


async def _both(host: Host, leading: asyncio.Task[None] | None, minding: Minding | None) -> Outcome:
    """The host's part, and of host 0 the leading."""
    taking_part = asyncio.create_task(host.run())
    left: list[int] = []

    def leave(number: int) -> None:
        left.append(number)
        taking_part.cancel()

    with contextlib.nullcontext() if minding is None else minding(host, leave):
        try:
            if leading is not None:
                await asyncio.wait({taking_part, leading}, return_when=asyncio.FIRST_COMPLETED)
                if leading.done():
                    leading.result()  # a fault of ours must not look like a host that cannot be reached
            outcome = await taking_part
            if leading is not None:
                await leading
            return outcome
        except asyncio.CancelledError:
            if not left:
                raise
            return Outcome(128 + left[0], "interrupted")
        finally:
            taking_part.cancel()
            await asyncio.wait({taking_part})


def _cannot_listen(at: Endpoint, error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        what, mend = f"{at.host} cannot be resolved: {words.reason(error)}", "name host 0 by its address"
    else:
        what = f"host 0 cannot listen at {at}: {words.reason(error)}"
        mend = "choose another port, and an address of this host, on all hosts"
    return words.failure(what, where=f"--coordinator {at}", mend=mend)
