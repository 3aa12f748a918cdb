"""Fetching, against a server on the loopback address."""

from __future__ import annotations

import hashlib
import http.server
import io
import re
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chainrule.data import sources
from chainrule.data.source_table import SOURCES, RemoteFile, Source
from chainrule.data.sources import fetch, located, recorded_source
from chainrule.errors import DataError, MissingExtraError
from chainrule.places import CACHE_VARIABLE

TEXT = b"1 good\n0 bad\n" * 40


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"inside/{name}.txt", content)
    return packed.getvalue()


PAGES = {
    "/train.txt": TEXT,
    "/test.txt": b"1 fine\n",
    "/other.txt": b"something else\n",
    "/all.zip": zipped(train=TEXT, test=b"1 fine\n"),
    "/bad.zip": b"no archive at all",
}


class Handler(http.server.BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        path = self.path.removeprefix("/cut").removeprefix("/moved")
        content = PAGES.get(path)
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", path)
            self.end_headers()
            return
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if self.path.startswith("/cut") else content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the test's output."""


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def address(asked: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv(sources.OFFLINE_VARIABLE, raising=False)
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(variable, "127.0.0.1")
    handler = type("Recorder", (Handler,), {"asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "sources" / "tiny"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def tiny(address: str, train: str = "/train.txt", test: str = "/test.txt") -> Source:
    files = (
        RemoteFile("train.txt", address + train, sha256(TEXT)),
        RemoteFile("dev.txt", address + test, sha256(b"1 fine\n")),
    )
    return Source("tiny", "two lines", "CC0", files)


def in_archive(address: str, page: str = "/all.zip", pinned: bool = True) -> Source:
    archive = sha256(PAGES[page]) if pinned else ""
    files = tuple(
        RemoteFile(f"{name}.txt", address + page, "" if pinned else sha256(content), member, archive)
        for name, content, member in (
            ("train", TEXT, "inside/train.txt"),
            ("test", b"1 fine\n", "inside/test.txt"),
        )
    )
    return Source("tiny", "an archive", "CC0", files)


def content(folder: Path) -> dict[str, bytes]:
    return {item.name: item.read_bytes() for item in folder.iterdir()}


# --- what is fetched ----------------------------------------------------------------------------------


def test_files_are_fetched_once_and_the_licence_said_once(
    address: str, asked: list[str], folder: Path
) -> None:
    said: list[str] = []
    for _ in range(2):
        assert fetch(tiny(address, "/moved/train.txt"), said.append) == folder
    assert content(folder) == {"train.txt": TEXT, "dev.txt": b"1 fine\n"}
    assert asked == ["/moved/train.txt", "/train.txt", "/test.txt"]
    assert said == [f"fetching tiny (two lines) to {folder}", "licence of tiny: CC0"]


def test_only_what_is_missing_is_fetched(address: str, asked: list[str], folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "train.txt").write_bytes(TEXT)
    fetch(tiny(address), lambda _: None)
    assert asked == ["/test.txt"]


def test_a_changed_file_is_fetched_again(address: str, asked: list[str], folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "train.txt").write_bytes(TEXT + b"more")
    fetch(tiny(address), lambda _: None)
    assert content(folder)["train.txt"] == TEXT


@pytest.mark.parametrize("pinned", [True, False])
def test_archives_are_unpacked_and_removed(
    address: str, asked: list[str], folder: Path, pinned: bool
) -> None:
    for _ in range(2):
        fetch(in_archive(address, pinned=pinned), lambda _: None)
    assert content(folder) == {"train.txt": TEXT, "test.txt": b"1 fine\n"}
    assert asked == ["/all.zip"]


def test_progress_of_a_large_file(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PAGES, "/train.txt", TEXT)
    monkeypatch.setattr(sources, "_WORTH_SAYING", 100)
    monkeypatch.setattr(sources._Progress, "step", 52)
    said: list[str] = []
    fetch(tiny(address), said.append)
    assert said[2:] == [f"train.txt: {percent} % of 0 MB" for percent in range(10, 101, 10)]


# --- what goes wrong ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("/other.txt", "is not the file it was"),
        ("/none.txt", "cannot be downloaded: 404"),
        ("/cut/train.txt", "cannot be downloaded"),
    ],
)
def test_a_failed_download_leaves_nothing_and_says_what_to_do(
    address: str, folder: Path, page: str, text: str
) -> None:
    with pytest.raises(DataError) as error:
        fetch(tiny(address, train=page), lambda _: None)
    assert text in error.value.what
    assert error.value.path == folder
    assert error.value.mend == (f"put there by hand: train.txt from {address}{page}, sha256 {sha256(TEXT)}")
    assert content(folder) == {}


def test_a_failed_download_keeps_what_came_before(address: str, folder: Path) -> None:
    with pytest.raises(DataError, match="404"):
        fetch(tiny(address, test="/none.txt"), lambda _: None)
    assert content(folder) == {"train.txt": TEXT}
    fetch(tiny(address), lambda _: None)
    assert len(content(folder)) == 2


def test_no_server(address: str, folder: Path) -> None:
    port = int(address.rsplit(":", 1)[1])
    with pytest.raises(DataError, match="cannot be downloaded"):
        fetch(tiny(address.replace(str(port), "9")), lambda _: None)  # nobody listens at port 9
    assert content(folder) == {}


def test_archives_that_are_none(address: str, folder: Path) -> None:
    with pytest.raises(DataError, match="is not the archive it was"):
        fetch(in_archive(address, "/bad.zip"), lambda _: None)
    assert content(folder) == {}


@pytest.mark.parametrize(
    ("change", "text"),
    [({"member": "inside/none.txt"}, "no item named"), ({"sha256": "0" * 64}, "has the sha256")],
)
def test_archives_with_other_content(address: str, folder: Path, change: dict[str, str], text: str) -> None:
    source = in_archive(address, pinned=False)
    first, second = source.files
    with pytest.raises(DataError, match=text) as error:
        fetch(replace(source, files=(first, replace(second, **change))), lambda _: None)
    assert "test.txt from" in (error.value.mend or "")
    assert content(folder) == {"train.txt": TEXT}


# --- offline ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["argument", "variable"])
def test_offline(
    address: str, asked: list[str], folder: Path, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by == "variable":
        monkeypatch.setenv(sources.OFFLINE_VARIABLE, "1")
    source = tiny(address)
    with pytest.raises(DataError, match="tiny is not complete") as error:
        fetch(source, offline=by == "argument")
    assert error.value.path == folder
    for file in source.files:
        assert f"{file.name} from {file.url}, sha256 {file.sha256}" in (error.value.mend or "")
    assert not folder.exists()
    # By hand, as the error says.
    folder.mkdir(parents=True)
    (folder / "train.txt").write_bytes(TEXT)
    (folder / "dev.txt").write_bytes(b"1 fine\n")
    assert fetch(source, offline=by == "argument") == folder
    (folder / "dev.txt").write_bytes(b"1 another\n")
    with pytest.raises(DataError, match=r"put there by hand: dev\.txt from"):
        fetch(source, offline=by == "argument")
    assert asked == []


@pytest.mark.parametrize("value", ["", "0"])
def test_not_offline(address: str, folder: Path, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sources.OFFLINE_VARIABLE, value)
    assert fetch(tiny(address), lambda _: None) == folder


def test_no_cache_folder(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, "")
    with pytest.raises(DataError, match="no folder to keep tiny in"):
        fetch(tiny(address))


def test_a_folder_that_cannot_be_made(address: str, folder: Path) -> None:
    folder.parent.parent.mkdir()
    folder.parent.write_bytes(b"")
    with pytest.raises(DataError, match="the folder cannot be made"):
        fetch(tiny(address), lambda _: None)


def test_without_the_package(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(MissingExtraError, match=r"downloading train.txt needs the package 'pooch'"):
        fetch(tiny(address), lambda _: None)


# --- names --------------------------------------------------------------------------------------------


def test_a_path_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mr").mkdir()
    assert located("mr") == Path("mr")
    assert located(str(tmp_path)) == tmp_path


def test_a_name_is_fetched(
    address: str, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(SOURCES, "tiny", tiny(address))
    assert located("tiny", lambda _: None) == folder
    assert located("tiny/dev.txt", lambda _: None).read_bytes() == b"1 fine\n"
    assert fetch("tiny", lambda _: None, offline=True) == folder
    with pytest.raises(DataError, match=r"tiny has no file 'test.txt'\n  mend:  it has train.txt, dev.txt"):
        located("tiny/test.txt")


@pytest.mark.parametrize(
    ("data", "mend"),
    [
        ("wnut-17", "did you mean wnut17?"),
        ("glove/glove.6B.50d.txt", "did you mean glove-6b?"),
        ("here.txt", "the named sources are ud-english-ewt, wnut17"),
        ("", "the named sources are ud-english-ewt, wnut17"),
    ],
)
def test_names_that_are_near(data: str, mend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="no such file, folder or named source") as error:
        located(data)
    assert (error.value.mend or "").startswith(mend)
    with pytest.raises(DataError, match="there is no source called"):
        fetch(data)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_every_source_is_pinned(source: Source) -> None:
    assert source.about
    assert source.licence
    names = [file.name for file in source.files]
    assert names
    assert len(set(names)) == len(names)
    for file in source.files:
        assert file.url.startswith("https://")
        assert Path(file.name).name == file.name
        assert file.sha256 or file.archive_sha256
        for known in filter(None, (file.sha256, file.archive_sha256)):
            assert re.fullmatch("[0-9a-f]{64}", known)
        if "githubusercontent" in file.url:
            assert re.search("/[0-9a-f]{40}/", file.url)


def test_a_source_is_recorded_so_that_it_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("")
    for name in ("python-code", "ud-english-ewt", "glove-6b/glove.6B.50d.txt", "no-such-file", ""):
        assert recorded_source(name) == name
    assert recorded_source("a.txt") == str(tmp_path / "a.txt")
    (tmp_path / "ud-english-ewt").mkdir()
    assert recorded_source("ud-english-ewt") == str(tmp_path / "ud-english-ewt")


def test_what_is_misspelt_is_answered_with_what_is_near(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="did you mean ud-english-ewt"):
        located(recorded_source("ud-english-etw"))


def test_what_is_said_leaves_the_standard_output_to_results(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch(tiny(address))
    said = capsys.readouterr()
    assert said.out == ""
    assert "licence" in said.err
