from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from chainrule.data.files import read_bytes, write_atomically
from chainrule.errors import DataError


def test_gzip_is_known_by_its_content_not_by_its_name(tmp_path: Path) -> None:
    packed, plain = tmp_path / "packed.txt", tmp_path / "plain.gz"
    packed.write_bytes(gzip.compress(b"inside"))
    plain.write_bytes(b"not packed")
    assert read_bytes(packed) == b"inside"
    assert read_bytes(plain) == b"not packed"


def test_several_gzip_members_are_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"one ") + gzip.compress(b"two"))
    assert read_bytes(path) == b"one two"


def _damage(data: bytes, how: str) -> bytes:
    match how:
        case "cut":
            return data[: len(data) // 2]
        case "checksum":
            return data[:-8] + b"\0\0\0\0" + data[-4:]
        case "body":
            return data[:12] + b"\xff" * 20 + data[32:]
    raise AssertionError(how)


@pytest.mark.parametrize("how", ["cut", "checksum", "body"])
def test_damaged_gzip_is_refused(tmp_path: Path, how: str) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(_damage(gzip.compress(os.urandom(500)), how))
    with pytest.raises(DataError, match="damaged gzip") as caught:
        read_bytes(path)
    assert caught.value.path == path


def test_a_gzip_bomb_stops_at_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(3_000_000)))
    assert len(read_bytes(path, most=3_000_000)) == 3_000_000
    with pytest.raises(DataError, match=r"unpack to more than 2,999,999"):
        read_bytes(path, most=2_999_999)


def test_missing_file_and_folder_name_the_path(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.txt", tmp_path):
        with pytest.raises(DataError) as caught:
            read_bytes(path)
        assert str(path) in str(caught.value)
        assert caught.value.exit_code == 3


def test_write_replaces_the_whole_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a much longer old content")
    write_atomically(path, "new ü\n")
    assert path.read_bytes() == "new ü\n".encode()
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(DataError, match="No space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_an_interrupted_write_leaves_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a.txt", b"new")
    assert os.listdir(tmp_path) == []


def test_writing_into_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be written"):
        write_atomically(tmp_path / "absent" / "a.txt", b"")


@pytest.mark.parametrize("path", ["a\0b", "n" * 300, "\udc00", "x/" * 3000 + "y"])
def test_names_that_no_file_has_are_said_to_be_that(path: str) -> None:
    for call in (read_bytes, lambda name: write_atomically(name, b"x")):
        with pytest.raises(DataError, match="no file can be called so: ") as caught:
            call(path)
        assert "\0" not in str(caught.value)
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize("path", ["", ".", "/"])
def test_a_folder_is_not_written_to(path: str) -> None:
    with pytest.raises(DataError, match="a folder where a file was expected"):
        write_atomically(path, b"x")


def test_a_name_as_long_as_may_be_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_atomically(path, b"x")
    assert path.read_bytes() == b"x"
    assert list(tmp_path.iterdir()) == [path]
