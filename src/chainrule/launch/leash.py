"""No worker outlives its supervisor: a script of its own, started with nothing but the standard library.

``leash.py run PARENT COMMAND …`` becomes the command, after asking Linux to kill it when the supervisor
ends.  ``leash.py keep`` is a process beside the supervisor that reads which process groups there are
(``+7``, ``-7``) and kills what is left of them when the supervisor has closed the pipe by ending, in
whatever way.  The first works at once but only on Linux, and not for children of workers; the second does
the rest.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has no signals; there this ends a process


def signal_group(process: int, number: int) -> None:
    """Send a signal to a worker and all its children."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            os.kill(process, number)
        else:
            os.killpg(process, number)


def kill_group(process: int) -> None:
    """End a worker and all its children, whatever they are doing."""
    signal_group(process, _KILL)


class Leash:
    """The supervisor's end of the leash."""

    def __init__(self) -> None:
        self.scratch = Path(tempfile.mkdtemp(prefix="chainrule-"))
        """A folder for what only the job's processes on this host need; it goes when they have gone."""
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, "keep", str(self.scratch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def command(self, argv: Sequence[str]) -> list[str]:
        """The command that starts a worker on the leash."""
        if sys.platform == "win32":
            return list(argv)
        return [sys.executable, "-I", "-S", __file__, "run", str(os.getpid()), *argv]

    def add(self, process: int) -> None:
        """A worker has been started."""
        self._tell(f"+{process}\n")

    def remove(self, process: int) -> None:
        """A worker and its children are gone; the system may use the number for others."""
        self._tell(f"-{process}\n")

    def _tell(self, line: str) -> None:
        assert self._keeper.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it was killed: what Linux does is left
            self._keeper.stdin.write(line.encode())
            self._keeper.stdin.flush()

    def close(self) -> None:
        """Kill and remove what is left."""
        assert self._keeper.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._keeper.stdin.close()
        self._keeper.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)  # the keeper has done it, unless it was killed


def _keep(lines: Iterable[str], scratch: str) -> None:
    if sys.platform != "win32":  # it ends when the pipe does, not before
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in lines:
        if line.startswith("+"):
            groups.add(int(line[1:]))
        else:
            groups.discard(int(line[1:]))
    for process in groups:
        kill_group(process)
    shutil.rmtree(scratch, ignore_errors=True)


def _run(parent: int, argv: list[str]) -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(_KILL), 0, 0, 0)
    # Ctrl-C may be ignored by the supervisor, as in a job in the background, but is how workers stop.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if os.getppid() != parent:  # it ended before it could be asked for
        sys.exit(1)
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    if sys.argv[1] == "keep":
        _keep(sys.stdin, sys.argv[2])
    else:
        _run(int(sys.argv[2]), sys.argv[3:])
