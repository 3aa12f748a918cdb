"""What supervisors say to people."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Sequence

from ..engines.xla.processes import FELLOW_FAILED
from .job import Job
from .wire import Ended, Hello


def seconds(value: float) -> str:
    """A duration.

    >>> seconds(0.25), seconds(12), seconds(300), seconds(3 * 3600)
    ('0.2 s', '12 s', '5.0 min', '3.0 h')
    """
    if value < 10:
        return f"{value:.1f} s"
    if value < 120:
        return f"{value:.0f} s"
    return f"{value / 60:.1f} min" if value < 7200 else f"{value / 3600:.1f} h"


def hosts(numbers: Iterable[int]) -> str:
    """The hosts with these numbers.

    >>> hosts([2]), hosts({3, 1, 2})
    ('host 2', 'hosts 1, 2 and 3')
    """
    *most, last = map(str, sorted(numbers))
    return f"hosts {', '.join(most)} and {last}" if most else f"host {last}"


def count(number: int, noun: str) -> str:
    """A number of things.

    >>> count(1, "process"), count(2, "process"), count(2, "host")
    ('1 process', '2 processes', '2 hosts')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{'es' if noun.endswith('s') else 's'}"


def reason(error: OSError) -> str:
    """Why the system would not do something.

    >>> import errno
    >>> reason(ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)"))
    'Connection refused'
    """
    if error.errno is None or error.errno < 0:  # of name resolution, or of several addresses
        return error.strerror or str(error)
    return os.strerror(error.errno)


def ending(report: Ended, host: int) -> str:
    """What has become of a worker.

    >>> ending(Ended(generation=0, rank=2, code=-9, seconds=12), 1)
    'rank 2 on host 1 was killed by SIGKILL after 12 s'
    """
    if report.rank < 0:
        return f"host {host} cannot start its workers"
    who = f"rank {report.rank} on host {host}"
    if report.stuck:
        return f"{who} has shown no progress for {seconds(report.seconds)}"
    if report.code < 0:
        try:
            name = signal.Signals(-report.code).name
        except ValueError:
            name = f"signal {-report.code}"
        return f"{who} was killed by {name} after {seconds(report.seconds)}"
    about = ": another process or the network failed" if report.code == FELLOW_FAILED else ""
    return f"{who} ended with exit code {report.code} after {seconds(report.seconds)}{about}"


def mismatches(job: Job, hello: Hello) -> list[str]:
    """Where a host does not fit the job as host 0 was started; one line each."""
    who = f"host {hello.host}"
    found = []
    if hello.hosts != job.hosts:
        found.append(f"{who} was started with --hosts {hello.hosts}, host 0 with --hosts {job.hosts}")
    elif not 0 <= hello.host < job.hosts:
        found.append(f"there is no {who} among {job.hosts}")
    for name in sorted({*job.versions, *hello.versions}):
        there, here = hello.versions.get(name, "missing"), job.versions.get(name, "missing")
        if there != here:
            found.append(f"{who} runs {name} {there}, host 0 {name} {here}")
    if list(job.command) != hello.command:
        found.append(
            f"{who} was started with another command: {joined(hello.command)!r}, host 0 with "
            f"{joined(job.command)!r}"
        )
    return found


def joined(command: Sequence[str]) -> str:
    """A command as one line."""
    return " ".join(command)


def failure(what: str, where: str = "", mend: str = "") -> str:
    """An error in the form that all of ours have.

    >>> print(failure("it broke", mend="mend it"))
    it broke
      mend:  mend it
    """
    parts = [what, f"  where: {where}" if where else "", f"  mend:  {mend}" if mend else ""]
    return "\n".join(part for part in parts if part)
