"""Locks end with the process that holds them, however it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chainrule.errors import DataError
from chainrule.train.tuning.locks import FileLock, is_held, this_machine

HOLDS = """
import sys, time
from chainrule.train.tuning.locks import FileLock
assert FileLock(sys.argv[1]).try_acquire()
print("held", flush=True)
time.sleep(60)
"""


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.try_acquire()
    assert not second.try_acquire()
    assert is_held(tmp_path / "lock") is True
    first.release()
    first.release()
    assert is_held(tmp_path / "lock") is False
    with second:
        assert not first.try_acquire()
    assert is_held(tmp_path / "nothing") is None


def test_a_killed_holder_holds_no_more(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDS, str(path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    with holder, holder.stdout:
        assert holder.stdout.readline() == "held\n"
        assert is_held(path) is True
        holder.kill()
        holder.wait()
    assert is_held(path) is False


def test_a_place_without_room_for_a_lock_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the file cannot be locked"):
        FileLock(tmp_path / "no" / "folder").try_acquire()


def test_the_machine_has_a_name_that_stays() -> None:
    assert this_machine() == this_machine() != ""
