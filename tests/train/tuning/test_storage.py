"""Studies on disk and behind a proxy: what a kill or a full disk leaves, and errors in bounded time."""

from __future__ import annotations

import errno
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chainrule.errors import ConfigurationError, DataError, RunFolderError, TuningError
from chainrule.train.tuning.storage import (
    Address,
    _whole,
    connect,
    open_database,
    open_journal,
    read_address,
    serve,
)

from .studies import Toy, toy_study, tune


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("grpc://here:4000/digits", Address("here", 4000, "digits")),
        ("grpc://10.0.0.7/a.b-c_1", Address("10.0.0.7", 13000, "a.b-c_1")),
        ("grpc://[::1]:5/x", Address("[::1]", 5, "x")),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert read_address(text) == address
    assert read_address(str(address)) == address


@pytest.mark.parametrize(
    "text", ["grpc://", "grpc://here", "grpc://here/", "grpc://here:0/x", "grpc://here:70000/x", "grpc://h/a/b",
             "grpc://h/..", "http://here:1/x"],
)  # fmt: skip
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no address of a study"):
        read_address(text)


# -- the journal -----------------------------------------------------------------------------------


@pytest.mark.parametrize("torn", [b'{"op_code":4,"wor', b"\0" * 5000, b"x" * 9000])
def test_a_torn_line_is_taken_away(tmp_path: Path, torn: bytes) -> None:
    tune(toy_study(tmp_path, trials=2))
    journal = tmp_path / "journal.log"
    whole = journal.read_bytes()
    journal.write_bytes(whole + torn)
    study = toy_study(tmp_path)
    assert [record.state for record in study.records()] == ["complete", "complete"]
    study.optuna.set_user_attr("more", 1)
    assert journal.read_bytes().startswith(whole)
    assert all(json.loads(line) for line in journal.read_bytes().splitlines())
    assert toy_study(tmp_path).optuna.user_attrs["more"] == 1


def test_where_the_last_whole_line_ends(tmp_path: Path) -> None:
    for content, end in ((b"", 0), (b"abc", 0), (b"abc\n", 4), (b"a\nb", 2), (b"a\n" + b"b" * 10_000, 2)):
        (tmp_path / "file").write_bytes(content)
        with open(tmp_path / "file", "rb") as file:
            assert _whole(file) == end


@pytest.mark.parametrize("bad", [b"no json\n", b'{"op_code": 99}\n', b"[]\n", b'{"a": 1}\n', b"\0\0\n"])
def test_a_damaged_journal_is_told(tmp_path: Path, bad: bytes) -> None:
    tune(toy_study(tmp_path, trials=1))
    journal = tmp_path / "journal.log"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:3], bad, *lines[3:]]))
    before = journal.read_bytes()
    with pytest.raises(RunFolderError, match="the journal is damaged") as raised:
        toy_study(tmp_path)
    assert str(journal) in str(raised.value)
    assert journal.read_bytes() == before


def test_a_full_disk_leaves_a_whole_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = toy_study(tmp_path, trials=3)
    journal = tmp_path / "journal.log"
    sync = os.fsync

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = journal.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        study.optuna.set_user_attr("a", 1)
    assert journal.read_bytes() == before
    monkeypatch.setattr(os, "fsync", sync)
    assert len(tune(toy_study(tmp_path)).ran) == 3


def test_a_place_for_no_journal_is_told(tmp_path: Path) -> None:
    (tmp_path / "journal.log").mkdir()
    with pytest.raises((DataError, RunFolderError)):
        open_journal(tmp_path)


# -- the proxy -------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("localhost", 0))
        return int(one.getsockname()[1])


SERVES = """
import sys
from chainrule.train.tuning import serve
for _ in serve(sys.argv[1], "localhost", int(sys.argv[2])):
    print("listening", flush=True)
"""


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[tuple[int, Any]]:
    """A port at which a database is offered, by a process of its own."""
    port = free_port()
    url = f"sqlite:///{tmp_path}/study.db"
    server = subprocess.Popen(
        [sys.executable, "-c", SERVES, url, str(port)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    with server, server.stdout:
        assert server.stdout.readline() == "listening\n"
        yield port, server
        server.kill()


def test_a_study_behind_a_proxy(tmp_path: Path, proxy: tuple[int, Any]) -> None:
    where = f"grpc://localhost:{proxy[0]}/toy"

    def hook(config: Any, epoch: int) -> None:
        if len(toy.ran) == 1 and epoch == 2:
            raise KeyboardInterrupt

    toy = Toy(hook)
    with pytest.raises(KeyboardInterrupt):
        tune(toy_study(tmp_path / "one", where, trials=3), toy)
    there = tune(toy_study(tmp_path / "other", where))
    assert [run[1:] for run in there.ran] == [([1, 2, 3, 4], False)] * 3, "the state is on the other machine"
    records = toy_study(tmp_path / "one", where).records()
    assert [record.state for record in records] == ["interrupted", "complete", "complete", "complete"]
    assert records[1].params == records[0].params
    assert list(records[1].scores) == [1, 2, 3, 4]
    with pytest.raises(ConfigurationError, match="the trials of another study"):
        toy_study(tmp_path / "one", f"grpc://localhost:{proxy[0]}/second", id="two")
    proxy[1].kill()
    proxy[1].wait()
    with sqlite3.connect(tmp_path / "study.db") as database:
        assert database.execute("select count(*) from trials").fetchone() == (4,)


def test_a_proxy_that_goes_away_is_told(
    tmp_path: Path, proxy: tuple[int, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chainrule.train.tuning.storage.CALL_SECONDS", 0.5)
    where = f"grpc://localhost:{proxy[0]}/toy"

    def hook(config: Any, epoch: int) -> None:
        proxy[1].kill()
        proxy[1].wait()

    begun = time.monotonic()
    with pytest.raises(TuningError, match="the study's proxy does not answer") as raised:
        tune(toy_study(tmp_path / "one", where, trials=3), Toy(hook))
    assert where in str(raised.value)
    assert time.monotonic() - begun < 60


def test_nobody_listens() -> None:
    address = Address("localhost", free_port(), "x")
    with pytest.raises(TuningError, match=rf"no proxy answers at localhost:{address.port} within 0.3 s"):
        connect(address, seconds=0.3)


@pytest.mark.parametrize(
    ("url", "kind", "what"),
    [
        ("nonsense", ConfigurationError, "is no address of a database"),
        ("foo://x", ConfigurationError, "is no address of a database"),
        ("sqlite:////no/such/folder/x.db", TuningError, "the database cannot be opened: unable to open"),
        ("oracle://me:secret@localhost/x", TuningError, "the database's driver is not installed"),
    ],
)
def test_databases_that_there_are_not(url: str, kind: type[Exception], what: str) -> None:
    with pytest.raises(kind, match=what) as raised:
        open_database(url)
    assert "secret" not in str(raised.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"no database" * 1000)
    with pytest.raises(TuningError, match="the database cannot be opened"):
        open_database(f"sqlite:///{tmp_path}/x.db")


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        with pytest.raises(TuningError, match=f"nothing can listen at localhost:{port}"):
            next(serve(f"sqlite:///{tmp_path}/x.db", "localhost", port))
