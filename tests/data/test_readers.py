from __future__ import annotations

import gzip
import json
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import load_idx, read_csv, read_jsonl, read_lines, read_text
from chainrule.errors import ArgumentError, DataError

# --- text ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "encoding", "text"),
    [
        (b"", "utf-8", ""),
        ("naïve\n".encode(), "utf-8", "naïve\n"),
        (b"\xef\xbb\xbfa", "utf-8", "a"),
        (b"\xef\xbb\xbfa", "utf-8-sig", "a"),
        (b"\xef\xbb\xbfa", "UTF8", "a"),
        (b"a\r\nb\rc\n", "utf-8", "a\nb\nc\n"),
        (b"caf\xe9", "latin-1", "café"),
        (b"caf\xe9 \x85", "windows-1252", "café …"),
        ("\ufeffü".encode("utf-16-le"), "utf-16", "ü"),
        ("\ufeffü".encode("utf-16-be"), "utf-16", "ü"),
        ("\ufeffü".encode("utf-16-le"), "utf-16-le", "ü"),
        ("\ufeffü".encode("utf-32-be"), "utf-32", "ü"),
        (gzip.compress("ü".encode(), mtime=0), "utf-8", "ü"),
    ],
)
def test_text(tmp_path: Path, content: bytes, encoding: str, text: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    assert read_text(path, encoding) == text


@pytest.mark.parametrize(
    ("content", "encoding", "line", "offset", "text"),
    [
        (b"one\ntwo\xff\n", "utf-8", 2, 7, "bytes ff 0a are not utf-8"),
        (b"\xef\xbb\xbfone\n\xff", "utf-8", 2, 7, "bytes ff"),
        (b"one\ncaf\xe9 au lait", "ascii", 2, 7, "are not ascii"),
        (b"\xe2\x82", "utf-8", 1, 0, "unexpected end"),
        ("\ufeffa".encode("utf-16-le"), "utf-8", None, 0, "mark of utf-16"),
        (b"\xef\xbb\xbfa", "latin-1", None, 0, "mark of utf-8"),
        (b"\xff\xfea\0b", "utf-16", 1, 4, "truncated"),
        (gzip.compress(b"a\n\xff", mtime=0), "utf-8", 2, 2, "bytes ff"),
    ],
)
def test_wrong_bytes_name_line_and_offset(
    tmp_path: Path, content: bytes, encoding: str, line: int | None, offset: int, text: str
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=text) as caught:
        read_text(path, encoding)
    assert (caught.value.path, caught.value.line, caught.value.offset) == (path, line, offset)


@pytest.mark.parametrize("encoding", ["no-such", "hex", "rot13"])
def test_encodings_that_are_none(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(ArgumentError, match="no text encoding"):
        read_text(tmp_path / "a.txt", encoding)


def test_only_line_ends_end_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"a\x85b\x0cc\r\n\nd\n")
    assert read_lines(path, "latin-1") == ["a\x85b\x0cc", "", "d"]
    path.write_bytes(b"")
    assert read_lines(path) == []
    path.write_bytes(b"\n")
    assert read_lines(path) == [""]


# --- IDX ----------------------------------------------------------------------------------------------

IDX_CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx_bytes(array: np.ndarray[Any, Any]) -> bytes:
    kind = array.dtype.str[1:]
    header = struct.pack(">BBBB", 0, 0, IDX_CODES[kind], array.ndim)
    return header + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(">" + kind).tobytes()


@pytest.mark.parametrize("kind", IDX_CODES)
@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 3, 4), (0,), (3, 0, 2), (1, 1, 1, 1)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx(tmp_path: Path, kind: str, shape: tuple[int, ...], pack: Any) -> None:
    array = np.random.default_rng(0).integers(0, 100, shape).astype(kind)
    path = tmp_path / "a"
    path.write_bytes(pack(idx_bytes(array)))
    found = load_idx(path)
    assert found.dtype == array.dtype
    assert found.dtype.isnative
    assert found.shape == shape
    assert (found == array).all()
    found[...] = 0  # it is the caller's own


GOOD = idx_bytes(np.arange(6, dtype="u1").reshape(2, 3))


@pytest.mark.parametrize(
    ("content", "offset", "text"),
    [
        (b"", 0, "begins with nothing"),
        (b"\0\0\x08", 0, "begins with 00 00 08"),
        (b"\0\1" + GOOD[2:], 0, "no IDX file"),
        (b"\0\0\x0a" + GOOD[3:], 0, "no IDX file"),
        (b"\x89PNG\r\n", 0, "begins with 89 50 4e 47"),
        (GOOD[:3] + b"\0" + GOOD[4:], 3, "0 axes"),
        (GOOD[:3] + b"\xff" + GOOD[4:], 3, "255 axes"),
        (GOOD[:9], 9, "ends within the lengths of its 2 axes"),
        (GOOD[:-1], 17, "2 × 3 of 1 bytes, 6 in all; the file holds fewer"),
        (GOOD + b"\0", 18, "the file holds more"),
        (GOOD[:4] + b"\xff" * 8 + GOOD[12:], 12, "4294967295 × 4294967295 of 1 bytes"),
        (b"\0\0\x0e\x20" + b"\xff" * 128, 132, "the file holds fewer"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_wrong_idx_names_what_was_found(
    tmp_path: Path, content: bytes, offset: int, text: str, pack: Any
) -> None:
    path = tmp_path / "a"
    path.write_bytes(pack(content))
    with pytest.raises(DataError, match=text) as caught:
        load_idx(path)
    assert caught.value.path == path
    if not (content == GOOD[:-1] and caught.value.offset == 12):  # where little is held, the header is named
        assert caught.value.offset == offset


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_header_is_not_believed_for_memory(tmp_path: Path, pack: Any) -> None:
    """A header that promises 4 GB over a file that unpacks to 64 MB, and one that promises 10 bytes of it."""
    body = bytes(1 << 20)
    path = tmp_path / "a"
    for promised in (1 << 32) - 1, 10:
        path.write_bytes(pack(struct.pack(">BBBBI", 0, 0, 8, 1, promised) + body))
        tracemalloc.start()
        with pytest.raises(DataError, match="promises"):
            load_idx(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 8 << 20


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=40), st.booleans())
def test_any_bytes_are_an_array_or_a_data_error(content: bytes, idx_like: bool) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        path.write_bytes(b"\0\0\x08" + content if idx_like else content)
        try:
            assert load_idx(path).nbytes <= len(content)
        except DataError as error:
            assert error.path == path  # noqa: PT017 - either outcome is right


# --- tables -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "options", "table"),
    [
        ("a,b\n1,2\n3,4\n", {}, {"a": ["1", "3"], "b": ["2", "4"]}),
        ("a,b\n1,2\n3,4", {"columns": ["b"]}, {"b": ["2", "4"]}),
        ("a,b\n1,2\n", {"columns": ["b", "a"]}, {"b": ["2"], "a": ["1"]}),
        ('a,b\n"x,""y""","p\nq"\n', {}, {"a": ['x,"y"'], "b": ["p\nq"]}),
        ("a\tb\n1\t\n", {"delimiter": "\t"}, {"a": ["1"], "b": [""]}),
        ('a\tb\nsay "hi\tx\n', {"delimiter": "\t", "quote": None}, {"a": ['say "hi'], "b": ["x"]}),
        ("a;b\n'1;2';3\n", {"delimiter": ";", "quote": "'"}, {"a": ["1;2"], "b": ["3"]}),
        ("1,2\n3,4\n", {"header": False, "columns": ["x", "y"]}, {"x": ["1", "3"], "y": ["2", "4"]}),
        ("\ufeffa,b\r\n\r\n1,2\r\n\r\n", {}, {"a": ["1"], "b": ["2"]}),
        ("a,b\n", {}, {"a": [], "b": []}),
        ("", {}, {}),
    ],
)
def test_csv(tmp_path: Path, text: str, options: dict[str, Any], table: dict[str, list[str]]) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    assert read_csv(path, **options) == table
    assert list(read_csv(path, **options)) == list(table)


@pytest.mark.parametrize(
    ("text", "options", "line", "message"),
    [
        ("a,b\n1,2\n3\n", {}, 3, r"1 fields where 2 were expected \(a, b\)"),
        ("a,b\n1,2,3\n", {}, 2, "3 fields where 2"),
        ('a,b\n"x\ny",1\n\n2\n', {}, 5, "1 fields"),
        ("\n\na,b,a\n", {}, 3, "column 'a' is in the header twice"),
        ("label,text\n1,2\n", {"columns": ["txt"]}, 1, "no column 'txt'.*\n.*\n.*did you mean 'text'"),
        ("", {"columns": ["a"]}, 1, "no column 'a'; there are: none"),
        ('a,b\n1,2\n"x,3\n', {}, 3, "malformed"),
        ('a,b\n"x"y,3\n', {}, 2, "malformed"),
        ("1,2\n3\n", {"header": False, "columns": ["x", "y"]}, 2, "1 fields where 2"),
    ],
)
def test_wrong_csv_names_the_line(
    tmp_path: Path, text: str, options: dict[str, Any], line: int, message: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read_csv(path, **options)
    assert (caught.value.path, caught.value.line) == (path, line)


@pytest.mark.parametrize(
    "options",
    [{"delimiter": ",,"}, {"delimiter": "\n"}, {"quote": ""}, {"delimiter": '"'}, {"header": False}],
)
def test_csv_options_that_make_no_sense(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError):
        read_csv(tmp_path / "a.csv", **options)


FIELD = st.text(
    alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\ufeff"), max_size=8
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(FIELD, FIELD), max_size=8))
def test_tables_come_back_from_both_formats(rows: list[tuple[str, str]]) -> None:
    import csv
    import io
    import tempfile

    table = {"x": [a for a, _ in rows], "y": [b for _, b in rows]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        text = io.StringIO()
        csv.writer(text).writerows([("x", "y"), *rows])
        path.write_text(text.getvalue(), encoding="utf-8", newline="")
        assert read_csv(path) == table
        path.write_text("\n".join(json.dumps({"x": a, "y": b}) for a, b in rows))
        assert read_jsonl(path, ["x", "y"]) == table


def test_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1, "b": [2]}\n\n  {"b": null, "a": "x\u2028y"}\n', encoding="utf-8")
    assert read_jsonl(path) == {"a": [1, "x\u2028y"], "b": [[2], None]}
    assert read_jsonl(path, ["b"]) == {"b": [[2], None]}
    path.write_text("")
    assert read_jsonl(path) == {}
    assert read_jsonl(path, ["a"]) == {"a": []}


@pytest.mark.parametrize(
    ("text", "columns", "line", "message"),
    [
        ('{"a": 1}\n{"a": }\n', None, 2, "not JSON: Expecting value"),
        ('{"a": 1}\n[1]\n', None, 2, r"object was expected, not \[1\]"),
        ('{"a": 1}\n\n{"b": 1}\n', None, 3, "no column 'a'; there are: 'b'"),
        ('{"a": 1}\n{"a": 1, "b": 2}\n', None, 2, "'b' is not in the first object"),
        ('{"text": 1}\n', ["txt"], 1, "did you mean 'text'"),
        ('{"a": 1, "a": 2}\n', None, 1, "key 'a' stands twice"),
        ("[" * 100_000 + "\n", None, 1, "not JSON"),
        ('{"a": ' + "9" * 5000 + "}\n", None, 1, "not JSON"),
    ],
)
def test_wrong_jsonl_names_the_line(
    tmp_path: Path, text: str, columns: list[str] | None, line: int, message: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read_jsonl(path, columns)
    assert (caught.value.path, caught.value.line) == (path, line)
