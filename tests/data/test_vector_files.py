from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import WordVectors, read_vectors, vector_files, write_vectors
from chainrule.errors import ArgumentError, DataError
from chainrule.places import CACHE_VARIABLE

FORMATS = ("glove", "word2vec", "word2vec-binary")
RECORD = np.array([1.5, -2.0], "<f4").tobytes()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "vectors"


def written(folder: Path, content: bytes | str, name: str = "v.txt") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def check(vectors: WordVectors, expected: dict[str, list[float]]) -> None:
    assert vectors.words == tuple(expected)
    assert vectors.matrix.dtype == np.float32
    np.testing.assert_array_equal(vectors.matrix, np.array(list(expected.values()), np.float32))


# --- formats ------------------------------------------------------------------------------------------

TWO = {"up": [1.5, -2.0], "down": [1.5, -2.0]}
BINARY = b"2 2\nup " + RECORD + b"\ndown " + RECORD + b"\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("up 1.5 -2\ndown 15e-1 -2.0\n", TWO),
        ("up 1.5 -2 \r\ndown 1.5 -2\r\n", TWO),
        ("\ufeffup 1.5 -2\n\ndown 1.5 -2", TWO),
        ("2 2\nup 1.5 -2 \ndown 1.5 -2 \n", TWO),
        ("\ufeff2 2\r\nup 1.5 -2\r\ndown 1.5 -2\r\n", TWO),
        (BINARY, TWO),
        (BINARY.removesuffix(b"\n"), TWO),
        (b"2 2\nup " + RECORD + b"down " + RECORD, TWO),  # no newlines between records
        (gzip.compress(BINARY, mtime=0), TWO),
        (gzip.compress(b"up 1.5 -2\ndown 1.5 -2\n", mtime=0), TWO),
        ("up 1\ndown 2\n", {"up": [1], "down": [2]}),
        ("a\t1\t2\nb\t3 4\n", {"a": [1, 2], "b": [3, 4]}),
        ("a 1\nb\t2\n", {"a": [1], "b": [2]}),
        (". . . 1 2\nat a@b.c 3 4\n1 5 6\n", {". . .": [1, 2], "at a@b.c": [3, 4], "1": [5, 6]}),
        ("\u00a0 1 2\n\u0085 3 4\n\u2028 5 6\n", {"\u00a0": [1, 2], "\u0085": [3, 4], "\u2028": [5, 6]}),
        ("a  1   2\n", {"a": [1, 2]}),
        ("a 1 2\nb 3 4\na 5 6\n", {"a": [1, 2], "b": [3, 4]}),  # the first counts
        ("# 1 2\n\"' 3 4\n", {"#": [1, 2], "\"'": [3, 4]}),
    ],
)
def test_formats_are_told(tmp_path: Path, content: bytes | str, expected: dict[str, list[float]]) -> None:
    check(read_vectors(written(tmp_path, content)), expected)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp", "Cs"]), min_size=1),
        min_size=1,
        max_size=12,
        unique=True,
    ),
    st.integers(2, 6),
    st.sampled_from(FORMATS),
    st.booleans(),
    st.integers(0, 99),
)
def test_what_is_written_is_read_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory,
    words: list[str],
    dimension: int,
    format: str,
    packed: bool,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    matrix = (rng.standard_normal((len(words), dimension)) * 10.0 ** rng.integers(-30, 30)).astype(np.float32)
    path = tmp_path_factory.mktemp("v") / ("v.gz" if packed else "v")
    vectors = WordVectors(words, matrix)
    write_vectors(path, vectors, format)
    assert (path.read_bytes()[:2] == b"\x1f\x8b") == packed
    found = read_vectors(path, format=format)
    assert found.words == vectors.words
    assert found.matrix.tobytes() == matrix.tobytes()
    half = read_vectors(path, set(words[::2]), format=format)
    assert half.words == tuple(words[::2])
    np.testing.assert_array_equal(half.matrix, matrix[::2])


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("only", [None, {f"w{i}" for i in range(0, 900, 7)} | {"unheard"}])
def test_many_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str, only: set[str] | None
) -> None:
    monkeypatch.setattr(vector_files, "_CHUNK", 100)  # lines and records across the pieces that are read
    monkeypatch.setattr(vector_files, "_ELEMENTS", 40)
    matrix = np.random.default_rng(0).standard_normal((900, 5)).astype(np.float32)
    whole = WordVectors([f"w{i}" for i in range(900)], matrix)
    write_vectors(tmp_path / "v", whole, format)
    expected = whole if only is None else whole.select(only)
    found = read_vectors(tmp_path / "v", only)
    assert found.words == expected.words
    np.testing.assert_array_equal(found.matrix, expected.matrix)


def test_none_of_the_words_asked_for(tmp_path: Path) -> None:
    found = read_vectors(written(tmp_path, "a 1 2\n"), only=["b", "\u20ac"], encoding="latin-1")
    assert (len(found), found.dimension) == (0, 2)


def test_another_encoding(tmp_path: Path) -> None:
    path = written(tmp_path, "caf\xe9 1 2\n".encode("latin-1"))
    assert read_vectors(path, encoding="latin-1").words == ("café",)
    assert read_vectors(path, {"café"}, encoding="latin-1").words == ("café",)


def test_the_one_file_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "glove").mkdir()
    with pytest.raises(DataError, match="a folder that holds nothing"):
        read_vectors(tmp_path / "glove")
    written(tmp_path / "glove", "a 1\n")
    written(tmp_path / "glove", "", ".hidden")
    assert "a" in read_vectors(tmp_path / "glove")
    written(tmp_path / "glove", "a 1\n", "b.txt")
    with pytest.raises(DataError, match=r"a folder that holds b.txt, v.txt"):
        read_vectors(tmp_path / "glove")


# --- faults -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "format", "line", "text"),
    [
        ("a 1 2\nb 1\n", None, 2, "1 numbers after a word where 2 were expected"),
        ("a 1 2\n\nb 1 2 3\n", None, 3, "3 numbers after a word where 2 were expected"),
        ("a 1 2\nb c\n", None, 2, "0 numbers after a word where 2"),
        ("a 1 2\n 3 4\n", None, 2, "no word before 2 numbers"),
        ("a 1 2\nb 1 x\n", None, 2, "'x' is no finite number"),
        ("a 1 2\nb 1 nan\n", None, 2, "'nan' is no finite number"),
        ("a 1 2\nb inf 1\n", None, 2, "'inf' is no finite number"),
        ("a 1 2\nb\t1\n", None, 2, "1 numbers after a word"),
        (b"a 1 2\nb\xff 1 2\n", None, 2, r"the word b'b\xff' is not utf-8"),
        ("3 2\na 1 2\nb 1 2\n", None, 1, "2 vectors where the first line promises 3"),
        ("1 2\na 1 2\nb 1 2\n", None, 1, "2 vectors where the first line promises 1"),
        ("a 1 2\n", "word2vec", 1, "the number of words and of dimensions was expected, not b'a 1 2'"),
        ("1 0\n", "word2vec", 1, "the number of words and of dimensions"),
        ("2 2\n", None, None, "there are no vectors in it"),
        ("\n\n", "glove", None, "there are no vectors in it"),
        ("a\n", "glove", 1, "a word without numbers"),
        ("", None, None, "the file is empty"),
        ("\n", None, 1, "no word vectors: it begins with b''"),
        ("some text\nof two lines\n", None, 1, "no word vectors: it begins with b'some text'"),
        (b"PK\x03\x04" + bytes(300), None, 1, "no word vectors"),
        (gzip.compress(b"a 1 2\n" * 50, mtime=0)[:-9], None, None, "damaged gzip"),
    ],
)
@pytest.mark.parametrize("only", [None, {"a", "b", "b\udcff"}])
def test_faults_of_text_name_the_line(
    tmp_path: Path, content: bytes | str, format: str | None, line: int | None, text: str, only: Any
) -> None:
    if only and "not utf-8" in text:
        only = None  # a word that cannot be asked for is skipped unread
    path = written(tmp_path, content)
    with pytest.raises(DataError) as error:
        read_vectors(path, only, format=format)
    assert text in error.value.what
    assert (error.value.path, error.value.line) == (path, line)


@pytest.mark.parametrize(
    ("content", "offset", "text"),
    [
        (BINARY[:-4], len(BINARY) - 4, "ends within vector 2 of 2"),
        (BINARY[:20], 20, "ends within vector 2 of 2"),
        (b"9" + BINARY[1:], len(BINARY), "ends within vector 3 of 9"),
        (BINARY + b"more", len(BINARY) - 1, "holds more than the 2 vectors"),
        (b"1" + BINARY[1:], 15, "holds more than the 1 vectors"),
        (b"2 2\nup\xff " + RECORD + b"\ndown " + RECORD, 4, "the word b'up\\xff' is not utf-8"),
        (b"1 2\nup " + np.array([1, np.nan], "<f4").tobytes(), None, "the vector of 'up' is not finite"),
        (b"1 2\n" + b"x" * 2000, 4, "a word without end"),
        (b"999999999999 999999999\nup " + RECORD, 34, "ends within vector 1 of 999,999,999,999"),
    ],
)
def test_faults_of_binary_files_name_the_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, offset: int | None, text: str
) -> None:
    monkeypatch.setattr(vector_files, "_LONGEST", 1000)
    with pytest.raises(DataError) as error:
        read_vectors(written(tmp_path, content), format="word2vec-binary")
    assert text in error.value.what
    assert error.value.offset == offset


def test_a_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_files, "_LONGEST", 1000)
    monkeypatch.setattr(vector_files, "_CHUNK", 100)
    with pytest.raises(DataError, match="a line of more than 1,000 bytes"):
        read_vectors(written(tmp_path, b"a 1\n" + b"x" * 5000))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"format": "fasttext"}, "no format of word vectors is called 'fasttext'"),
        ({"encoding": "utf-16"}, "word vectors in utf-16"),
        ({"encoding": "none-such"}, "no text encoding"),
        ({"only": "word"}, "only is one string"),
    ],
)
def test_arguments(tmp_path: Path, arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        read_vectors(written(tmp_path, "a 1\n"), **arguments)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_vectors(tmp_path / "v.txt")


@pytest.mark.parametrize("word", ["", "a b", "a\nb", "\t"])
def test_words_that_no_format_can_hold(tmp_path: Path, word: str) -> None:
    path = written(tmp_path, "old")
    with pytest.raises(ArgumentError, match="cannot be written"):
        write_vectors(path, WordVectors(["a", word], np.ones((2, 1))))
    assert path.read_bytes() == b"old"


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "old")
    vectors = WordVectors(["a", "\ud800"], np.ones((2, 1)))  # half a surrogate pair has no UTF-8
    with pytest.raises(UnicodeEncodeError):
        write_vectors(path, vectors)
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["v.txt"]
    with pytest.raises(ArgumentError, match="no format"):
        write_vectors(path, vectors, "text")


# --- the cache ----------------------------------------------------------------------------------------


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as large enough to be cached."""
    monkeypatch.setattr(vector_files, "SMALLEST_CACHED", 10)
    return written(tmp_path, "up 1 2\ndown 3 4\n\u2028 5 6\n")


EXPECTED = {"up": [1.0, 2.0], "down": [3.0, 4.0], "\u2028": [5.0, 6.0]}


def mapped(vectors: WordVectors) -> bool:
    base: Any = vectors.matrix
    while base is not None and not isinstance(base, np.memmap):
        base = base.base
    return base is not None


def test_a_large_file_is_mapped(large: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        found = read_vectors(large)
        check(found, EXPECTED)
        assert mapped(found)
        assert not found.matrix.flags.writeable
    (entry,) = cache.iterdir()
    assert sorted(item.name for item in entry.iterdir()) == ["matrix.npy", "words.json"]
    np.testing.assert_array_equal(np.load(entry / "matrix.npy"), found.matrix)

    def unread(*_: object) -> None:
        raise AssertionError("the file is read again")

    monkeypatch.setattr(vector_files, "open_bytes", unread)
    check(read_vectors(large), EXPECTED)
    check(read_vectors(large, {"down", "else"}), {"down": [3.0, 4.0]})
    # Another reading of the same file is another entry.
    with pytest.raises(AssertionError, match="read again"):
        read_vectors(large, format="word2vec")


def test_a_changed_file_is_read_again(large: Path, cache: Path) -> None:
    read_vectors(large)
    large.write_text("up 9 9\nand 1 1\n")
    check(read_vectors(large), {"up": [9.0, 9.0], "and": [1.0, 1.0]})
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("name", ["matrix.npy", "words.json"])
@pytest.mark.parametrize("damage", ["absent", "cut", "empty", "other"])
def test_a_damaged_entry_is_made_again(large: Path, cache: Path, name: str, damage: str) -> None:
    read_vectors(large)
    file = next(cache.iterdir()) / name
    content = file.read_bytes()
    file.unlink()
    if damage != "absent":
        file.write_bytes({"cut": content[:-3], "empty": b"", "other": b'["one"]'}[damage])
    check(read_vectors(large), EXPECTED)
    assert file.read_bytes() == content


def test_no_cache(large: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read_vectors(large, cache=False)
    check(found, EXPECTED)
    assert not mapped(found)
    check(read_vectors(large, {"up"}), {"up": [1.0, 2.0]})
    monkeypatch.setattr(vector_files, "SMALLEST_CACHED", 10_000)
    read_vectors(large)
    assert not cache.exists()
    monkeypatch.setattr(vector_files, "SMALLEST_CACHED", 10)
    monkeypatch.setenv(CACHE_VARIABLE, "")
    assert not mapped(read_vectors(large))


def test_a_cache_that_cannot_be_written(large: Path, cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_bytes(b"a file where the folder should be")
    check(read_vectors(large), EXPECTED)


def test_a_malformed_file_leaves_nothing_behind(large: Path, cache: Path) -> None:
    large.write_text("up 1 2\ndown 3\n")
    with pytest.raises(DataError) as error:
        read_vectors(large)
    assert error.value.line == 2
    assert list(cache.iterdir()) == []


# --- memory -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("only", [None, {"w0", "w7", "w3999"}])
def test_memory_does_not_grow_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str, only: set[str] | None
) -> None:
    """Neither the text (10 MB) nor the matrix (4.8 MB) is ever in memory."""
    monkeypatch.setattr(vector_files, "_CHUNK", 1 << 16)
    monkeypatch.setattr(vector_files, "_ELEMENTS", 1 << 13)
    monkeypatch.setattr(vector_files, "SMALLEST_CACHED", 1 << 16)
    row = np.full(300, 0.123, np.float32)
    path = tmp_path / "v"
    write_vectors(
        path, WordVectors([f"w{i}" for i in range(4000)], np.broadcast_to(row, (4000, 300))), format
    )
    assert path.stat().st_size > 4_800_000
    tracemalloc.start()
    try:
        found = read_vectors(path, only)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found) == (4000 if only is None else 3)
    assert (found.matrix == row).all()
    assert peak < 2_500_000
