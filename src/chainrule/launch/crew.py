"""The workers of one generation on one host: started, watched, and ended."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ..engines.xla.processes import VARIABLE, Place
from .environments import shares, straight
from .job import Endpoint, Job, Terminal
from .leash import Leash, kill_group, signal_group
from .wire import Ended, Start

PATIENCE = 3
"""So many times the watchdog's patience right after a start: reading data and compiling take a while."""

_TAIL_BYTES = 4096
_TAIL_LINES = 25
_NOISE = re.compile(rb"\[Gloo\] |\s+@ +0x|\*\*\* Check failure stack trace")
"""How lines begin that are for the log alone: greetings of gloo, among the results, and stacks of C++."""


@dataclass
class Worker:
    """One process of the job, and what is known of it."""

    rank: int
    process: subprocess.Popen[bytes]
    log: Path
    begin: int
    """Where in the log its own output begins."""
    progress: Path
    stamp: int = 0
    moved: float = 0.0
    """When the file of its progress was last seen to change."""
    code: int | None = None

    def silence(self, now: float) -> float:
        """For how long it has shown no progress, in seconds."""
        with contextlib.suppress(OSError):
            stamp = self.progress.stat().st_mtime_ns
            if stamp != self.stamp:
                self.stamp, self.moved = stamp, now
        return now - self.moved

    def tail(self) -> str:
        """The end of its log; from the error on, where it ends with one of ours."""
        with contextlib.suppress(OSError), open(self.log, "rb") as stream:
            stream.seek(max(self.begin, self.log.stat().st_size - _TAIL_BYTES))
            told = b"\n".join(line for line in stream.read().splitlines() if not _NOISE.match(line))
            lines = told.decode("utf-8", "replace").splitlines()
            starts = [n for n, line in enumerate(lines) if line.startswith("error: ")]
            return "\n".join(lines[starts[-1] if starts else 0 :][-_TAIL_LINES:])
        return ""


@dataclass
class Copy:
    """A file that grows, copied to the terminal line by line as it does."""

    path: Path
    position: int
    result: bool

    def onward(self, terminal: Terminal, *, ended: bool) -> None:
        """What has been added: whole lines, unless no more will come."""
        with contextlib.suppress(OSError), open(self.path, "rb") as stream:
            stream.seek(self.position)
            lines = stream.read().splitlines(keepends=True)
            if lines and not ended and not lines[-1].endswith(b"\n"):
                lines.pop()
            self.position += sum(map(len, lines))
            if shown := b"".join(line for line in lines if not _NOISE.match(line)):
                terminal.copy(shown, result=self.result)


@dataclass
class Crew:
    """Starts the workers that ``start`` asks for; :meth:`poll` says what has become of them.

    Raises: ``OSError`` where a log cannot be written or a process not be started; none is left then.
    """

    job: Job
    start: Start
    leash: Leash
    terminal: Terminal
    workers: list[Worker] = field(default_factory=list)
    killed: list[int] = field(default_factory=list)
    """Ranks of those that were asked to end and did not."""

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        self._kill_at: float | None = None
        self._asked = False
        self._copies: list[Copy] = []
        try:
            self._logs = Path(self.start.out) / "logs"
            self._logs.mkdir(parents=True, exist_ok=True)
            for local in range(self.job.processes):
                self.workers.append(self._spawn(local))
        except OSError:
            self.kill()
            while not self.gone:
                self.poll()
            raise

    def _spawn(self, local: int) -> Worker:
        rank = self.start.first + local
        progress = self.leash.scratch / f"progress-{rank}.{self.start.generation}"
        progress.touch()
        log = self._log(rank, "log")
        begin = log.stat().st_size if log.exists() else 0
        with contextlib.ExitStack() as files:
            errors = files.enter_context(open(log, "ab"))
            results = errors
            if rank == 0:
                out = self._log(rank, "out")
                results = files.enter_context(open(out, "ab"))
                self._copies = [
                    Copy(log, begin, result=False),
                    Copy(out, out.stat().st_size, result=True),
                ]
            process = subprocess.Popen(
                self.leash.command(self._argv()),
                stdin=subprocess.DEVNULL,
                stdout=results,
                stderr=errors,
                env=self._environment(rank, local, progress),
                start_new_session=sys.platform != "win32",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        self.leash.add(process.pid)
        return Worker(rank, process, log, begin, progress, moved=time.monotonic())

    def _log(self, rank: int, ending: str) -> Path:
        return self._logs / f"rank-{rank}.{self.start.generation}.{ending}"

    def _argv(self) -> list[str]:
        out = [] if self.job.out is not None else ["--out", self.start.out]
        return [*self.job.worker, *self.job.command, *out]

    def _environment(self, rank: int, local: int, progress: Path) -> Mapping[str, str]:
        place = Place(
            coordinator=self.start.coordinator,
            processes=self.start.processes,
            index=rank,
            generation=self.start.generation,
            heartbeat=max(1, round(self.job.heartbeat)),
            wait=max(1, round(self.job.wait)),
            address=self.start.address,
            progress=str(progress),
        )
        own = {VARIABLE: msgspec.json.encode(place).decode(), "PYTHONUNBUFFERED": "1"}
        own |= straight(os.environ, Endpoint.parse(self.start.coordinator).host)
        return {**os.environ, **own, **shares(os.environ, self.job.processes)[local]}

    # -- watching ------------------------------------------------------------------------------------

    @property
    def gone(self) -> bool:
        """Whether none is left."""
        return all(worker.code is not None for worker in self.workers)

    def poll(self) -> list[Ended]:
        """Those that have ended since the last time, or that are stuck; kills those whose time is up."""
        now = time.monotonic()
        if self._kill_at is not None and now >= self._kill_at:
            self.killed += [w.rank for w in self.workers if w.code is None and w.rank not in self.killed]
            self.kill()
        found = [self._report(worker) for worker in self.workers if self._has_ended(worker)]
        for copy in self._copies:
            copy.onward(self.terminal, ended=self.gone)
        if self._asked:
            return []  # they end because they were asked to
        return found + self._stuck(now)

    def _has_ended(self, worker: Worker) -> bool:
        if worker.code is not None or (code := worker.process.poll()) is None:
            return False
        worker.code = code
        kill_group(worker.process.pid)  # its children, if it had any
        self.leash.remove(worker.process.pid)
        return True

    def _report(self, worker: Worker, silence: float | None = None) -> Ended:
        return Ended(
            generation=self.start.generation,
            rank=worker.rank,
            code=worker.code or 0,
            seconds=time.monotonic() - self._began if silence is None else silence,
            stuck=silence is not None,
            tail=worker.tail() if worker.code or silence is not None else "",
        )

    def _stuck(self, now: float) -> list[Ended]:
        """The worker that has been silent the longest, if all have been for too long.

        A worker that waits for another is as silent as that one, so one that gets on proves them all well.
        """
        silences = {w.rank: w.silence(now) for w in self.workers if w.code is None}
        if not silences or now - self._began < PATIENCE * self.job.watchdog:
            return []
        if min(silences.values()) < self.job.watchdog:
            return []
        rank = max(silences, key=lambda rank: (silences[rank], -rank))
        worker = next(w for w in self.workers if w.rank == rank)
        return [self._report(worker, silences[rank])]

    # -- ending --------------------------------------------------------------------------------------

    def stop(self, number: int, grace: float) -> None:
        """Ask all to end; who has not after ``grace`` seconds is killed by :meth:`poll`."""
        self._asked = True
        self._kill_at = min(self._kill_at or float("inf"), time.monotonic() + grace)
        for worker in self.workers:
            if worker.code is None:
                signal_group(worker.process.pid, number)

    def kill(self) -> None:
        """End all at once; stopped ones, too."""
        self._asked = True
        for worker in self.workers:
            if worker.code is None:
                kill_group(worker.process.pid)
