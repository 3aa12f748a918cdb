"""What Linux itself does about workers whose supervisor and its keeper are killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

from chainrule.launch import Endpoint

from .jobs import Supervisor, free_port, job, left, noted, until


def children(process: int) -> list[int]:
    return [int(number) for number in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def lines(folder: Path) -> list[str]:
    return (folder / "notes").read_text().splitlines()


def test_workers_end_although_the_keeper_was_killed_first(tmp_path: Path) -> None:
    at = Endpoint("127.0.0.1", free_port())
    alone = Supervisor(job(tmp_path, "*.*=wait", processes=2, coordinator=at), tmp_path)
    until(lambda: len(noted(tmp_path)) == 2)
    keepers = [
        process
        for process in children(alone.process.pid)
        if b"keep" in Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    ]
    assert len(keepers) == 1
    os.kill(keepers[0], signal.SIGKILL)
    alone.kill()
    until(lambda: left(tmp_path) == [])
    (scratch,) = {Path(json.loads(line.split(" ", 3)[3])["progress"]).parent for line in lines(tmp_path)}
    shutil.rmtree(scratch)  # nobody was left who could
