"""Encodings told by marks, by validity, or found: and that what was found is said."""

from __future__ import annotations

import gzip
import sys
import warnings
from pathlib import Path

import pytest

from chainrule.data import Encoding, detect_encoding, read_columns, read_lines, read_text
from chainrule.errors import DataError, MissingExtraError

ENGLISH = "one of those films that is a clich\xe9 from the beginning to the end .\n"
RUSSIAN = "Привет, как дела? Сегодня хорошая погода, и мы идём гулять в парк.\n"
JAPANESE = "日本語の文章をここに書きます。今日はとても良い天気ですね。\n"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "utf-8"),
        (b"plain\r\n", "utf-8"),
        ("naïve — 日本\n".encode(), "utf-8"),
        (b"\xef\xbb\xbfna\xc3\xafve", "utf-8"),
        ("naïve".encode("utf-16"), "utf-16"),
        ("\ufeffnaïve".encode("utf-16-be"), "utf-16"),
        ("\ufeffnaïve".encode("utf-32-le"), "utf-32"),
        (gzip.compress("naïve".encode(), mtime=0), "utf-8"),
    ],
)
def test_certain_encodings_need_no_word(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    found = detect_encoding(path)
    assert found == Encoding(name)
    assert str(found) == f"read as {name}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_text(path, "detect")


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        (RUSSIAN * 3, "cp1251", "cp1251"),
        (RUSSIAN * 3, "koi8_r", "koi8_r"),
        (JAPANESE * 3, "shift_jis", "cp932"),
        (JAPANESE * 3, "euc_jp", "euc_jp"),
        ("今天天气很好，我们一起去公园散步吧。\n" * 3, "gb2312", "gb18030"),
        ("Größe und Übermut, schöne Grüße aus Köln.\n" * 3, "latin-1", "cp1252"),
        # A few telling lines among many that are ASCII, as in the files of MR and TREC.
        ("which city is it ?\n" * 3000 + ENGLISH + "what is it ?\n" * 3000, "latin-1", "cp1252"),
        ("which city is it ?\n" * 3000 + RUSSIAN + "what is it ?\n" * 3000, "cp1251", "cp1251"),
    ],
)
def test_other_encodings_are_found_and_said(tmp_path: Path, text: str, encoding: str, expected: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(encoding))
    found = detect_encoding(path)
    assert (found.name, found.certain) == (expected, False)
    assert expected not in found.others
    with pytest.warns(UnicodeWarning) as said:
        assert read_text(path, "detect") == text
    assert [str(warning.message) for warning in said] == [f"{path}: {found}"]


def test_the_text_says_what_else_would_do(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"caf\xe9\n")
    found = detect_encoding(path)
    assert found.name == "cp1252"
    assert "cp1250" in found.others
    for name in found.others:  # they really would
        path.read_bytes().decode(name)
    assert str(found) == (
        f"not UTF-8; read as cp1252, which seems likeliest ({', '.join(found.others)} would do as well): "
        "name the encoding to be sure"
    )
    assert str(Encoding("cp1251", False)) == (
        "not UTF-8; read as cp1251, which seems likeliest: name the encoding to be sure"
    )


def test_an_encoding_that_does_not_have_all_bytes_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(ENGLISH.encode("cp1252") * 20_000 + b"\x81\n")  # cp1252 has no 81
    name = detect_encoding(path).name
    assert name != "cp1252"
    path.read_bytes().decode(name)


@pytest.mark.parametrize(
    ("content", "message", "offset"),
    [
        ("naïve".encode("utf-16-le"), "zero bytes: either no text, or UTF-16", 1),
        (b"\xff" + bytes(10), "zero bytes", 1),
        (bytes(range(1, 256)) * 20, "neither UTF-8 nor text in any other common encoding", None),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, message: str, offset: int | None) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        detect_encoding(path)
    assert (caught.value.path, caught.value.offset) == (path, offset)
    assert "name the encoding" in str(caught.value.mend)


def test_every_reader_can_detect(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(ENGLISH.encode("latin-1"))
    with pytest.warns(UnicodeWarning, match="read as cp1252"):
        assert read_lines(path, "detect") == [ENGLISH.rstrip("\n")]
    path.write_bytes("\n".join(ENGLISH.split()).encode("latin-1"))
    with pytest.warns(UnicodeWarning, match="read as cp1252"):
        assert read_columns(path, ("form",), encoding="detect")["form"] == [ENGLISH.split()]


def test_nothing_is_detected_unless_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(ENGLISH.encode("latin-1"))
    with pytest.raises(DataError, match="are not utf-8"):
        read_text(path)


def test_without_the_package_it_is_named_where_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "charset_normalizer", None)
    path = tmp_path / "a.txt"
    path.write_bytes("naïve".encode())
    assert read_text(path, "detect") == "naïve"
    path.write_bytes("naïve".encode("latin-1"))
    with pytest.raises(MissingExtraError, match=r"pip install 'chainrule\[detect\]'"):
        read_text(path, "detect")
