"""One or several supervisors with workers that die, stop, hang and end: what they say and leave behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
from pathlib import Path

import pytest

from chainrule.launch import Endpoint, Outcome, supervise
from chainrule.launch.coordinator import Failure

from .jobs import Screen, at_work, free_port, hosts, job, left, noted, nowhere, run, together

FOLLOWS = "another process or the network failed"


@pytest.mark.parametrize("count", [1, 3])
def test_a_job_that_ends_well(tmp_path: Path, count: int) -> None:
    ended = run(*hosts(tmp_path, "*.*=work", count, processes=2))
    assert [outcome for outcome, _ in ended] == [Outcome(0)] * count
    assert sorted(rank for _, _, rank in noted(tmp_path)) == list(range(2 * count))
    assert {generation for _, generation, _ in noted(tmp_path)} == {0}
    assert json.loads(ended[0][1].results) == {"rank": 0, "done": True}
    assert f"rank 0 of {2 * count} in generation 0" in ended[0][1].copied.decode()
    for rank in range(2 * count):
        log = (tmp_path / "run" / "logs" / f"rank-{rank}.0.log").read_text()
        assert log.startswith(f"rank {rank} of {2 * count}")


def test_each_worker_is_told_its_place(tmp_path: Path) -> None:
    run(*hosts(tmp_path, "*.*=work", 2, processes=2))
    places = [json.loads(line.split(" ", 3)[3]) for line in (tmp_path / "notes").read_text().splitlines()]
    assert sorted(place["index"] for place in places) == [0, 1, 2, 3]
    assert {(place["processes"], place["heartbeat"], place["address"]) for place in places} == {
        (4, 1, "127.0.0.1")
    }
    (coordinator,) = {place["coordinator"] for place in places}
    assert Endpoint.parse(coordinator).host == "127.0.0.1"


CASES = {
    # what happens in generation 0: the words for it
    "0.1=kill": "rank 1 on host {host} was killed by SIGKILL",
    "0.1=kill:SIGSEGV": "rank 1 on host {host} was killed by SIGSEGV",
    "0.0=end:75 0.1=work:9": FOLLOWS,
    "0.1=end:17": "rank 1 on host {host} ended with exit code 17",
    "0.1=kill 0.0=silent": "rank 1 on host {host} was killed by SIGKILL",  # the other ignores SIGTERM
    "0.1=kill 0.0=stop": "rank 1 on host {host} was killed by SIGKILL",  # the other cannot even hear it
    "0.1=silent 0.0=end:75": "rank 1 on host {host} did not answer",  # the other has missed it
    "0.1=stop 0.0=kill:SIGABRT": "rank 1 on host {host} did not answer",
    "0.1=kill 0.0=parent": "rank 1 on host {host} was killed by SIGKILL",
}


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("plan", CASES)
def test_a_failure_starts_all_again(tmp_path: Path, plan: str, count: int) -> None:
    ended = run(*hosts(tmp_path, f"{plan} 0.*=wait", count, processes=2 // count))
    assert [outcome.code for outcome, _ in ended] == [0] * count
    assert {(generation, rank) for _, generation, rank in noted(tmp_path)} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    for _, screen in ended:
        assert CASES[plan].format(host=count - 1) in screen.text
        assert "starting again from the last checkpoint (restart 1 of 10)" in screen.text
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("failures", "cause"),
    [
        ([(75, 0), (-signal.SIGKILL, 1)], 1),  # who misses another is not to blame
        ([(-signal.SIGABRT, 0), (75, 1), (17, 2)], 2),
        ([(-signal.SIGKILL, 1), (17, 0)], 1),  # the first that was heard of
        ([(75, 1), (75, 0)], 1),
        ([(-signal.SIGKILL, 0), (3, 2), (2, 1)], 1),  # what ends the job, of the lowest rank
        ([(-signal.SIGABRT, 0), (0, 1)], 1),  # no exit code: stuck, or its host was lost
    ],
)
def test_the_cause_among_failures(failures: list[tuple[int, int]], cause: int) -> None:
    told = [Failure("", code, rank) for code, rank in failures]
    assert min(told, key=lambda failure: failure.order).rank == cause


@pytest.mark.parametrize("count", [1, 2])
def test_the_watchdog_finds_workers_that_hang(tmp_path: Path, count: int) -> None:
    plan = "0.*=silent"
    ended = run(*hosts(tmp_path, plan, count, processes=2 // count, watchdog=0.3))
    assert [outcome.code for outcome, _ in ended] == [0] * count
    assert "has shown no progress for" in ended[-1][1].text
    assert left(tmp_path) == []


def test_one_worker_that_gets_on_keeps_the_watchdog_quiet(tmp_path: Path) -> None:
    (ended,) = run(job(tmp_path, "0.0=work:2.5 0.1=stop", processes=2, watchdog=0.5))
    assert ended[0].code == 0
    assert "rank 1 on host 0 has shown no progress" in ended[1].text  # only once rank 0 was done
    log = (tmp_path / "run" / "logs" / "rank-0.0.out").read_text()
    assert json.loads(log) == {"rank": 0, "done": True}


@pytest.mark.parametrize("code", [1, 2, 3])
def test_a_final_error_is_told_on_every_host(tmp_path: Path, code: int) -> None:
    ended = run(*hosts(tmp_path, f"0.1=end:{code} *.*=wait", 3))
    assert {generation for _, generation, _ in noted(tmp_path)} == {0}
    for outcome, _ in ended:
        assert outcome.code == code
        assert f"rank 1 on host 1 ended with exit code {code}" in outcome.text
        assert outcome.text.endswith("error: rank 1 ends like this\n  mend:  mend it")
    assert left(tmp_path) == []


def test_an_error_of_rank_0_that_was_copied_is_not_told_twice(tmp_path: Path) -> None:
    first, second = run(*hosts(tmp_path, "*.0=end:3 *.1=wait", 2))
    assert "rank 0 ends like this" in first[1].copied.decode()
    assert "ends like this" not in first[0].text
    assert "rank 0 ends like this" in second[0].text


@pytest.mark.parametrize("restarts", [0, 2])
def test_restarts_are_bounded(tmp_path: Path, restarts: int) -> None:
    for outcome, _ in run(*hosts(tmp_path, "*.1=end:75", 2, restarts=restarts)):
        assert outcome.code == 1
        assert f"generation {restarts}: rank 1 on host 1 ended with exit code 75" in outcome.text
        assert f"started again {restarts} times" in outcome.text
        assert f"with --out {tmp_path / 'run'} goes on" in outcome.text
        assert "error: rank 1 ends like this" in outcome.text
    assert {generation for _, generation, _ in noted(tmp_path)} == set(range(restarts + 1))


def test_a_run_folder_is_claimed_by_host_0_and_told_to_all(tmp_path: Path) -> None:
    claimed = tmp_path / "claimed"
    ended = run(*hosts(tmp_path, "0.1=kill", 2, out=None), claim=lambda: claimed)
    assert [outcome.code for outcome, _ in ended] == [0, 0]
    assert sorted(path.name for path in (claimed / "logs").iterdir()) == [
        "rank-0.0.log", "rank-0.0.out", "rank-0.1.log", "rank-0.1.out", "rank-1.0.log", "rank-1.1.log"
    ]  # fmt: skip


def test_logs_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file where the folder should be")
    for outcome, _ in run(*hosts(tmp_path, "*.*=work", 2)):
        assert outcome.code == 1
        assert "cannot start its workers" in outcome.text
        assert f"Not a directory: {tmp_path / 'run' / 'logs'}" in outcome.text


MISMATCHES = {
    "versions": ({"versions": {"jax": "0.9"}}, "host 1 runs jax 0.9, host 0 jax 0.10"),
    "package": ({"versions": {}}, "host 1 runs jax missing, host 0 jax 0.10"),
    "hosts": ({"hosts": 4}, "host 1 was started with --hosts 4, host 0 with --hosts 3"),
    "index": ({"host": 2}, "two supervisors say that they are host 2: at 127.0.0.1 and 127.0.0.1"),
    "command": ({"more": ("--seed", "1")}, "host 1 was started with another command"),
}


@pytest.mark.parametrize("late", [False, True], ids=["at once", "one late"])
@pytest.mark.parametrize("case", MISMATCHES)
def test_hosts_that_do_not_fit_are_refused_everywhere(tmp_path: Path, case: str, late: bool) -> None:
    difference, words = MISMATCHES[case]
    options = {"versions": {"jax": "0.10"}, "coordinator": Endpoint("127.0.0.1", free_port()), "grace": 1.5}
    jobs = [job(tmp_path, "*.*=work", **{"hosts": 3, **options, "host": 0})]
    jobs += [job(tmp_path, "*.*=work", **{"hosts": 3, **options, "host": 1, **difference})]
    jobs += [job(tmp_path, "*.*=work", **{"hosts": 3, **options, "host": 2})]

    async def one_late() -> list[Outcome]:
        first = [asyncio.create_task(supervise(j, Screen(), nowhere)) for j in jobs[: 2 if late else 3]]
        if late:
            await asyncio.sleep(0.3)
            first.append(asyncio.create_task(supervise(jobs[2], Screen(), nowhere)))
        return await asyncio.gather(*first)

    for outcome in asyncio.run(one_late()):
        assert outcome.code == 2
        assert words in outcome.text
        assert "mend:" in outcome.text
    assert noted(tmp_path) == []


def test_a_host_that_does_not_come(tmp_path: Path) -> None:
    ended = run(*hosts(tmp_path, "*.*=work", 3, wait=1.5)[:2])
    for outcome, screen in ended:
        assert outcome.code == 1
        assert "host 2 did not come within 1.5 s" in outcome.text
        assert "waiting for host 2, for at most 1.5 s" in screen.text


@pytest.mark.parametrize(
    ("leader", "why"),
    [
        (None, "refused"),
        (Endpoint("no-such-host.invalid", 5471), "cannot be resolved"),
    ],
)
def test_a_host_0_that_cannot_be_reached(tmp_path: Path, leader: Endpoint | None, why: str) -> None:
    at = leader or Endpoint("127.0.0.1", free_port())
    ((outcome, screen),) = run(job(tmp_path, "", hosts=2, host=1, coordinator=at, wait=1.5))
    assert outcome.code == 1
    assert "host 0 was not reached within 1.5 s" in outcome.text
    assert why in outcome.text
    assert f"--coordinator {at}" in outcome.text
    assert "trying for" in screen.text


def test_what_answers_is_no_host_0(tmp_path: Path) -> None:
    async def main() -> Outcome:
        async def mail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail.example ESMTP\r\n")
            await reader.read()
            writer.close()

        server = await asyncio.start_server(mail, "127.0.0.1", 0)
        at = Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])
        async with server:
            return await supervise(job(tmp_path, "", hosts=2, host=1, coordinator=at), Screen(), nowhere)

    outcome = asyncio.run(main())
    assert outcome.code == 2
    assert "is no host 0" in outcome.text


@pytest.mark.parametrize(
    ("at", "why"),
    [
        ("taken", "in use"),
        ("192.0.2.1", "cannot listen at 192.0.2.1:5471"),  # TEST-NET-1: the address of nobody
        ("no-such-host.invalid", "cannot be resolved"),
    ],
)
def test_a_place_where_host_0_cannot_listen(tmp_path: Path, at: str, why: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        meeting = Endpoint("127.0.0.1", server.getsockname()[1]) if at == "taken" else Endpoint(at, 5471)
        ((outcome, _),) = run(job(tmp_path, "", hosts=2, coordinator=meeting))
    assert outcome.code == 2
    assert why in outcome.text
    assert f"--coordinator {meeting}" in outcome.text


STRANGERS = [
    b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\xfc\n",
    b'{"say":"hello"}\n',
    b'{"say":"stop","generation":0,"signal":9,"grace":0}\n',
    b'{"say":"interrupted","signal":2}\n',
    b"[" * 100_000 + b"\n",
    b'"' + b"x" * (3 << 20),
    b"",
]


def test_strangers_at_the_port_do_no_harm(tmp_path: Path) -> None:
    jobs = hosts(tmp_path, "*.*=work:1.5", 2)

    async def stranger(data: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", jobs[0].coordinator.port)
        writer.write(data)
        heard = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(0.3):
                while more := await reader.read(1 << 16):
                    heard += more
        writer.transport.abort()
        return heard

    async def main() -> tuple[list[tuple[Outcome, Screen]], list[bytes]]:
        running = asyncio.create_task(together(jobs))
        while not at_work(tmp_path, 2):
            await asyncio.sleep(0.02)
        heard = await asyncio.gather(*(stranger(data) for data in STRANGERS * 10))
        return await running, heard

    ended, heard = asyncio.run(main())
    for outcome, screen in ended:
        assert outcome == Outcome(0)
        assert "restart" not in screen.text
    assert set(b"".join(heard).splitlines()) <= {b'{"say":"beat"}'}  # they learn nothing


def test_a_late_stranger_of_ours_is_sent_away_alone(tmp_path: Path) -> None:
    jobs = hosts(tmp_path, "*.*=work:1.5", 2)

    async def main() -> tuple[list[tuple[Outcome, Screen]], Outcome]:
        running = asyncio.create_task(together(jobs))
        while not at_work(tmp_path, 2):
            await asyncio.sleep(0.02)
        twin = await supervise(jobs[1], Screen(), nowhere)
        return await running, twin

    ended, twin = asyncio.run(main())
    assert [outcome.code for outcome, _ in ended] == [0, 0]
    assert twin.code == 2
    assert "host 1 is in the job already" in twin.text
    assert len(noted(tmp_path)) == 2
