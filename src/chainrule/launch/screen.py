"""The terminal of a supervisor: written to by a thread of its own, so that a paused one pauses nobody."""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
from types import TracebackType
from typing import TextIO

_FLUSH = 5.0  # seconds that the last words have to be written


class Screen:
    """Results go to the standard output, all else to the standard error, in the order in which they come.

    >>> with Screen() as screen:
    ...     screen.copy(b"3.14\\n", result=True)
    3.14
    """

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[tuple[TextIO, str] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="screen", daemon=True)

    def say(self, text: str) -> None:
        """A line about what is going on."""
        self._waiting.put((sys.stderr, text + "\n"))

    def copy(self, data: bytes, *, result: bool) -> None:
        """What rank 0 printed."""
        self._waiting.put((sys.stdout if result else sys.stderr, data.decode("utf-8", "replace")))

    def _write(self) -> None:
        while (item := self._waiting.get()) is not None:
            stream, text = item
            with contextlib.suppress(OSError, ValueError):  # nobody reads it any more; the log has it all
                stream.write(text)
                stream.flush()

    def __enter__(self) -> Screen:
        self._writer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting.put(None)
        self._writer.join(_FLUSH)
