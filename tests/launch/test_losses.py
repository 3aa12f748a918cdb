"""Supervisors that are killed, stopped or cut off from each other, and people who press Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from chainrule.launch import Endpoint, Job, Outcome

from .jobs import Screen, Supervisor, at_work, free_port, hosts, job, left, noted, together, until


class Link:
    """A connection between two hosts that can be taken down: nothing arrives, and nobody is told."""

    def __init__(self, far: int) -> None:
        self.up, self.far = True, far
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Link:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.far)
            self._writers.append(far_writer)
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while self.up and (data := await reader.read(1 << 16)):
            if self.up:
                writer.write(data)
        if self.up:
            writer.close()


def cut(folder: Path, *, up_again: bool, wait: float) -> list[tuple[Outcome, Screen]]:
    """Two hosts whose link is taken down in generation 0."""

    async def main() -> list[tuple[Outcome, Screen]]:
        first, second = hosts(folder, "0.*=wait", 2, wait=wait)
        async with Link(first.coordinator.port) as link:
            second = replace(second, coordinator=Endpoint("127.0.0.1", link.port))
            running = asyncio.create_task(together([first, second]))
            while len(noted(folder)) < 2:
                await asyncio.sleep(0.02)
            link.up = False
            while left(folder):  # neither side goes on alone
                await asyncio.sleep(0.02)
            link.up = up_again
            return await running

    return asyncio.run(main())


def test_a_link_that_is_down_for_a_while(tmp_path: Path) -> None:
    (first, screen), (second, other) = cut(tmp_path, up_again=True, wait=20)
    assert (first, second) == (Outcome(0), Outcome(0))
    assert "host 1 was lost: nothing was heard for 1 s" in screen.text
    assert "the connection to host 0 is lost: nothing was heard for 1 s" in other.text
    assert {generation for _, generation, _ in noted(tmp_path)} == {0, 1}


def test_a_link_that_stays_down(tmp_path: Path) -> None:
    (first, _), (second, _) = cut(tmp_path, up_again=False, wait=1.5)
    assert first.code == second.code == 1
    assert "host 1 did not come back within 1.5 s" in first.text
    assert "host 0 was not reached within 1.5 s" in second.text
    assert left(tmp_path) == []


def started(folder: Path, jobs: list[Job], workers: int, claimed: Path | None = None) -> list[Supervisor]:
    supervisors = [Supervisor(job, folder, claimed) for job in jobs]
    until(lambda: len(noted(folder)) >= workers)
    return supervisors


def test_a_supervisor_that_is_killed_takes_all_its_processes_along(tmp_path: Path) -> None:
    """By the leash: workers, and children of workers; also those that are stopped."""
    plan = "0.0=parent 0.1=stop 0.2=silent"
    meeting = Endpoint("127.0.0.1", free_port())
    (alone,) = started(tmp_path, [job(tmp_path, plan, processes=3, coordinator=meeting)], 4)
    assert len(left(tmp_path)) == 4
    places = [json.loads(line.split(" ", 3)[3]) for line in (tmp_path / "notes").read_text().splitlines()]
    (scratch,) = {Path(place["progress"]).parent for place in places}
    assert scratch.is_dir()
    alone.kill()
    until(lambda: left(tmp_path) == [] and not scratch.exists())


def test_a_host_whose_supervisor_is_killed_and_started_again(tmp_path: Path) -> None:
    jobs = hosts(tmp_path, "0.*=wait", 2, wait=20.0)
    first, second = started(tmp_path, jobs, 2)
    second.kill()
    first.says("host 1 was lost: the connection was closed")
    until(lambda: left(tmp_path) == [])
    again = Supervisor(jobs[1], tmp_path)
    assert (first.ends(), again.ends()) == (0, 0)
    assert {generation for _, generation, _ in noted(tmp_path)} == {0, 1}


def test_host_0_is_killed_and_started_again(tmp_path: Path) -> None:
    """The others remember the run folder, which the new host 0 could not know."""
    jobs = hosts(tmp_path, "0.*=wait", 2, wait=20.0, out=None)
    first, second = started(tmp_path, jobs, 2, tmp_path / "claimed-first")
    first.kill()
    second.says("the connection to host 0 is lost")
    until(lambda: left(tmp_path) == [])
    again = Supervisor(jobs[0], tmp_path, tmp_path / "claimed-again")
    assert (again.ends(), second.ends()) == (0, 0)
    assert [(generation, rank) for _, generation, rank in sorted(noted(tmp_path), key=lambda n: n[1:])] == [
        (0, 0), (0, 1), (1, 0), (1, 1)
    ]  # fmt: skip
    assert (tmp_path / "claimed-first" / "logs" / "rank-0.1.log").exists()
    assert not (tmp_path / "claimed-again").exists()


def test_a_supervisor_that_is_stopped_for_a_while(tmp_path: Path) -> None:
    """Alone it loses nobody; among others it is lost, ends its workers, and comes back."""
    (tmp_path / "alone").mkdir()
    lonely = job(tmp_path / "alone", "0.*=work:3", coordinator=Endpoint("127.0.0.1", free_port()))
    (alone,) = started(tmp_path / "alone", [lonely], 1)
    first, second = started(tmp_path, hosts(tmp_path, "0.*=wait", 2, wait=20.0), 2)
    for supervisor in (alone, second):
        supervisor.signal(signal.SIGSTOP)
    first.says("host 1 was lost: nothing was heard for 1 s")
    time.sleep(0.5)
    for supervisor in (alone, second):
        supervisor.signal(signal.SIGCONT)
    assert (first.ends(), second.ends(), alone.ends()) == (0, 0, 0)
    assert {generation for _, generation, _ in noted(tmp_path)} == {0, 1}
    assert "restart" not in alone.text
    assert left(tmp_path) == left(tmp_path / "alone") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_lets_all_workers_save(tmp_path: Path, number: signal.Signals) -> None:
    """Also those of other hosts, and for longer than a worker has that failed."""
    supervisors = started(tmp_path, hosts(tmp_path, "*.*=save:1", 2), 2)
    until(lambda: at_work(tmp_path, 2))
    supervisors[1].signal(number)
    assert [supervisor.ends() for supervisor in supervisors] == [128 + number] * 2
    for rank in (0, 1):
        assert "saved" in (tmp_path / "run" / "logs" / f"rank-{rank}.0.log").read_text()
    assert left(tmp_path) == []


def test_a_second_interrupt_kills(tmp_path: Path) -> None:
    supervisors = started(tmp_path, hosts(tmp_path, "*.*=save:60", 2, grace=30.0), 2)
    until(lambda: at_work(tmp_path, 2))
    supervisors[0].signal(signal.SIGINT)
    supervisors[0].says("once more")
    supervisors[0].signal(signal.SIGINT)
    assert [supervisor.ends() for supervisor in supervisors] == [130, 130]
    assert left(tmp_path) == []


def test_an_interrupt_while_waiting(tmp_path: Path) -> None:
    missing_0, missing_1 = hosts(tmp_path, "", 2)
    supervisors = [Supervisor(missing_0, tmp_path), Supervisor(replace(missing_1, coordinator=Endpoint(
        "127.0.0.1", free_port())), tmp_path)]  # fmt: skip
    supervisors[0].says("waiting for host 1")
    supervisors[1].says("host 0 is not reached")
    for supervisor in supervisors:
        supervisor.signal(signal.SIGINT)
    assert [supervisor.ends() for supervisor in supervisors] == [130, 130]
