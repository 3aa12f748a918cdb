"""Supervisors for the tests: several in one loop, or each a process of its own; and what is left of them."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from chainrule.launch import Endpoint, Job, Outcome, supervise

WORKER = (sys.executable, "-I", "-S", str(Path(__file__).with_name("worker.py")))
QUICK: dict[str, Any] = {"heartbeat": 1.0, "grace": 0.3, "wait": 5.0, "watchdog": 30.0}


@dataclass
class Screen:
    """A terminal that remembers."""

    lines: list[str] = field(default_factory=list)
    copied: bytes = b""
    results: bytes = b""

    def say(self, text: str) -> None:
        self.lines.append(text)

    def copy(self, data: bytes, *, result: bool) -> None:
        if result:
            self.results += data
        else:
            self.copied += data

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def job(folder: Path, plan: str, **options: Any) -> Job:
    """A job of workers that follow a plan."""
    command = ("train", str(folder / "notes"), plan, *options.pop("more", ()))
    if "out" not in options:
        command += ("--out", str(folder / "run"))
    options.pop("out", None)
    return Job(command, **{"worker": WORKER, **QUICK, **options})


def hosts(folder: Path, plan: str, count: int, **options: Any) -> list[Job]:
    """The same job for each of several hosts, all on this machine."""
    meeting = Endpoint("127.0.0.1", free_port())
    return [
        job(folder, plan, hosts=count, host=host, coordinator=meeting, **options) for host in range(count)
    ]


def nowhere() -> Path:
    raise AssertionError("a folder was claimed although one is named")


async def together(jobs: Iterable[Job], claim: Callable[[], Path] = nowhere) -> list[tuple[Outcome, Screen]]:
    """Run the supervisors of these jobs to their end, in one loop."""
    screens = [(job, Screen()) for job in jobs]
    outcomes = await asyncio.gather(*(supervise(job, screen, claim) for job, screen in screens))
    return [(outcome, screen) for outcome, (_, screen) in zip(outcomes, screens, strict=True)]


def run(*jobs: Job, claim: Callable[[], Path] = nowhere) -> list[tuple[Outcome, Screen]]:
    return asyncio.run(together(jobs, claim))


def noted(folder: Path) -> list[tuple[int, int, int]]:
    """Process, generation and rank of every worker that was ever started."""
    lines = (folder / "notes").read_text().splitlines() if (folder / "notes").exists() else []
    return [(int(p), int(g), int(r)) for p, g, r, *_ in (line.split(" ", 3) for line in lines)]


def at_work(folder: Path, count: int) -> bool:
    """Whether so many workers have been started, and have shown progress."""
    lines = (folder / "notes").read_text().splitlines() if (folder / "notes").exists() else []
    files = [Path(json.loads(line.split(" ", 3)[3])["progress"]) for line in lines]
    return len(files) == count and all(file.exists() and file.stat().st_size for file in files)


def alive(process: int) -> bool:
    """Whether a process runs; one that is dead but not yet fetched by its parent does not."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return False
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        return True
    return status.rpartition(")")[2].split()[0] not in "ZX"


def left(folder: Path) -> list[int]:
    """Workers that still run."""
    return [process for process, *_ in noted(folder) if alive(process)]


def until(condition: Callable[[], object], patience: float = 60.0) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.02)


class Supervisor:
    """A supervisor as a process of its own; ``claimed`` is the run folder it makes if none is named."""

    running: ClassVar[list[Supervisor]] = []

    def __init__(self, job: Job, folder: Path, claimed: Path | None = None) -> None:
        fields = {
            name: getattr(job, name)
            for name in ("command", "worker", "hosts", "host", "processes", "restarts", "watchdog", "grace",
                         "wait", "heartbeat")
        }  # fmt: skip
        fields["coordinator"] = str(job.coordinator)
        script = Path(__file__).with_name("supervisor.py")
        self.screen = folder / f"screen-{job.host}-{os.urandom(3).hex()}"
        with open(self.screen, "wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, str(script), json.dumps(fields), str(claimed)],
                stdout=stream,
                stderr=stream,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )
        self.running.append(self)

    @property
    def text(self) -> str:
        return self.screen.read_text()

    def says(self, words: str) -> None:
        """Wait until it has said this."""
        until(lambda: words in self.text)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ends(self) -> int:
        """Wait for its end: the exit code."""
        return self.process.wait(timeout=60)
