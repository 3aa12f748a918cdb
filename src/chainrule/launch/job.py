"""What a supervisor is told: which hosts, how many processes, which command, and how patient it is."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

from ..errors import ConfigurationError
from ..version import __version__

PORT = 5471
"""Where host 0 listens if nobody says otherwise and the hosts must agree without talking."""


@dataclass(frozen=True)
class Endpoint:
    """A host's name or address, and a port.

    >>> str(Endpoint.parse("node1:5471")), str(Endpoint.parse("[::1]:80"))
    ('node1:5471', '[::1]:80')
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """``HOST:PORT``, an IPv6 address in brackets; ``ConfigurationError`` for anything else."""
        host, _, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            host = ""
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ConfigurationError(
                f"{text!r} is no HOST:PORT",
                where="--coordinator",
                mend="for example --coordinator 10.0.0.1:5471, and [::1]:5471 for an IPv6 address",
            )
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def versions() -> dict[str, str]:
    """What must be the same on all hosts.

    >>> versions()["chainrule"] == __version__
    True
    """
    found = {"chainrule": __version__, "python": platform.python_version()}
    for package in ("numpy", "jax", "jaxlib"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found


@dataclass(frozen=True)
class Job:
    """One supervisor's view of a job of ``hosts`` supervisors; times are in seconds."""

    command: tuple[str, ...]
    """Arguments of chainrule: ``train TASK …``."""
    hosts: int = 1
    host: int = 0
    coordinator: Endpoint = Endpoint("127.0.0.1", 0)
    """Where host 0 listens; port 0, a free one, where it is the only host."""
    processes: int = 1
    """On this host."""
    address: str | None = None
    """Under which the other hosts reach this one; None: the one that host 0 sees."""
    restarts: int = 10
    watchdog: float = 300.0
    """How long no worker of a host may show progress; three times as long after a start."""
    grace: float = 10.0
    """Between asking a worker to stop and killing it."""
    wait: float = 300.0
    """For hosts to come, or to come back."""
    heartbeat: float = 10.0
    """Without a sign of life for so long, a process or a host counts as dead."""
    worker: tuple[str, ...] = (sys.executable, "-m", "chainrule")
    """What runs the command."""
    folder: Path = field(default_factory=lambda: Path("runs"))
    """Under which host 0 claims a run folder if the command names none."""
    versions: Mapping[str, str] = field(default_factory=versions)

    def __post_init__(self) -> None:
        """Raises: ``ConfigurationError`` naming the option that is missing or wrong."""
        if self.hosts > 1 and not self.coordinator.port:
            raise ConfigurationError(
                f"{self.hosts} hosts must know where to meet",
                mend="say --coordinator HOST:PORT, the address of host 0, on each",
            )
        if not 0 <= self.host < self.hosts:
            raise ConfigurationError(
                f"there is no host {self.host} among {self.hosts}",
                mend=f"--host is a number from 0 to {self.hosts - 1}",
            )

    @property
    def out(self) -> str | None:
        """The run folder that the command names."""
        return option(self.command, "--out")


def option(command: Sequence[str], name: str) -> str | None:
    """The value of an option in a command, the last one where it stands several times.

    >>> option(["train", "lm", "--out", "a", "--out=b"], "--out"), option(["train"], "--out")
    ('b', None)
    """
    found = None
    for index, word in enumerate(command):
        if word == name and index + 1 < len(command):
            found = command[index + 1]
        elif word.startswith(f"{name}="):
            found = word[len(name) + 1 :]
    return found


@dataclass(frozen=True)
class Outcome:
    """How a job ended: the exit code, and what there is to say about it where it is not 0."""

    code: int
    text: str = ""


class Terminal(Protocol):
    """Where a supervisor speaks to a person; must never wait for one."""

    def say(self, text: str) -> None:
        """A line about what is going on."""

    def copy(self, data: bytes, *, result: bool) -> None:
        """What rank 0 printed: a result (its standard output), or anything else."""
