"""Locks on files that end with the process that holds them, however it ends; and which machine this is.

The operating system keeps the lock (``flock`` on Unix, byte locks on Windows), so there is nothing to clean
up after a kill, and no clock decides who is alive.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import time
from functools import cache
from pathlib import Path
from types import TracebackType

from ...errors import DataError

_PAUSE = 0.005
"""Seconds between two tries for a lock that another holds."""

if sys.platform == "win32":
    import msvcrt

    def _try(number: int) -> bool:
        try:
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

else:
    import fcntl

    def _try(number: int) -> bool:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class FileLock:
    """At most one holder at a time, among all processes of the machine.

    Raises ``DataError`` where the file cannot be made, or its file system knows no locks.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with FileLock(Path(folder) / "lock"):
    ...         FileLock(Path(folder) / "lock").try_acquire()
    False
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._number: int | None = None

    def try_acquire(self) -> bool:
        """Take the lock if nobody has it; whether it was taken."""
        number = None
        try:
            number = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            taken = _try(number)
        except OSError as error:
            if number is not None:
                os.close(number)
            raise DataError(
                f"the file cannot be locked: {error.strerror or error}",
                path=self.path,
                mend="choose a folder on a disk of this machine",
            ) from None
        if taken:
            self._number = number
        else:
            os.close(number)
        return taken

    def acquire(self) -> bool:
        """Take the lock, waiting for it."""
        while not self.try_acquire():
            time.sleep(_PAUSE)
        return True

    def release(self) -> None:
        """Let others have it."""
        if self._number is not None:
            os.close(self._number)
            self._number = None

    def __enter__(self) -> FileLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def is_held(path: Path) -> bool | None:
    """Whether the holder of the lock at ``path`` lives; None where there is no such file to tell."""
    if not path.is_file():
        return None
    lock = FileLock(path)
    try:
        return not lock.try_acquire()
    finally:
        lock.release()


@cache
def this_machine() -> str:
    """A name for the machine since it was started: where locks on files are to be believed."""
    boot = ""
    with contextlib.suppress(OSError):  # there is one on Linux
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{platform.node()} {boot}".strip()
