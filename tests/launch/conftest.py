"""Workers of these tests stop and kill themselves by signals that only POSIX has; some ask Linux."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from chainrule.launch import coordinator

from .jobs import Supervisor

collect_ignore_glob = []
if sys.platform == "win32":
    collect_ignore_glob += ["test_supervise.py", "test_losses.py"]
if not sys.platform.startswith("linux"):
    collect_ignore_glob += ["test_leash.py"]


@pytest.fixture(autouse=True)
def settling(monkeypatch: pytest.MonkeyPatch) -> None:
    """These workers fail within milliseconds of each other."""
    monkeypatch.setattr(coordinator, "SETTLE", 0.15)


@pytest.fixture(autouse=True)
def nobody_stays() -> Iterator[None]:
    """Also where a test fails, its supervisors end, and with them their workers."""
    yield
    while Supervisor.running:
        supervisor = Supervisor.running.pop()
        if supervisor.process.poll() is None:
            supervisor.kill()
