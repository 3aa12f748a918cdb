"""Ctrl-C that waits for a safe place: an update of many variables is never torn apart."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, NoReturn


class HeldInterrupt:
    """Inside, the first Ctrl-C is only noted; :meth:`check` raises it where everything is whole.

    A second one raises at once, for those who cannot wait.  Outside the main thread, where Python
    delivers no signals, nothing changes.

    >>> with HeldInterrupt() as held:
    ...     signal.raise_signal(signal.SIGINT)
    ...     print("this step is finished")
    ...     try:
    ...         held.check()
    ...     except KeyboardInterrupt:
    ...         print("and now it stops")
    this step is finished
    and now it stops
    """

    def __init__(self) -> None:
        self.noted = False
        self._before: Any = None

    def check(self) -> None:
        """Raise ``KeyboardInterrupt`` if Ctrl-C has been pressed."""
        if self.noted:
            self.now()

    def now(self) -> NoReturn:
        """Raise ``KeyboardInterrupt``, whoever noted it."""
        self.noted = False
        raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.noted:
            raise KeyboardInterrupt
        self.noted = True

    def __enter__(self) -> HeldInterrupt:
        before = signal.getsignal(signal.SIGINT)
        # Where Ctrl-C is ignored (a job in the background), or handled outside Python, it stays so.
        if threading.current_thread() is threading.main_thread() and callable(before):
            self._before = before
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if kind is None:
            self.check()
