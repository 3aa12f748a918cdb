"""Workers of these tests stop and kill themselves by signals that only POSIX has; some ask Linux."""

from __future__ import annotations

import sys

import pytest

from chainrule.launch import coordinator

collect_ignore_glob = []
if sys.platform == "win32":
    collect_ignore_glob += ["test_supervise.py", "test_losses.py"]
if not sys.platform.startswith("linux"):
    collect_ignore_glob += ["test_leash.py"]


@pytest.fixture(autouse=True)
def settling(monkeypatch: pytest.MonkeyPatch) -> None:
    """These workers fail within milliseconds of each other."""
    monkeypatch.setattr(coordinator, "SETTLE", 0.15)
