from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import Vocabulary
from chainrule.errors import ArgumentError, DataError, DTypeError, IndexRangeError, ShapeError

TEXT = ["b", "b", "b", "a", "a", "c", "c", "d"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "<pad> <unk> b a c d"),
        ({"min_count": 2}, "<pad> <unk> b a c"),
        ({"min_count": 4}, "<pad> <unk>"),
        ({"max_size": 4}, "<pad> <unk> b a"),
        ({"max_size": 2}, "<pad> <unk>"),
        ({"padding": None}, "<unk> b a c d"),
        ({"padding": None, "unknown": None}, "b a c d"),
        ({"padding": "_", "unknown": "?", "specials": ["^", "$"]}, "_ ? ^ $ b a c d"),
        ({"unknown": "c", "max_size": 4}, "<pad> c b a"),  # a special that the text has keeps its place
    ],
)
def test_order_and_cut(options: dict[str, Any], expected: str) -> None:
    assert list(Vocabulary.build(TEXT, **options)) == expected.split()
    assert Vocabulary.build(Counter(TEXT), **options) == Vocabulary.build(reversed(TEXT), **options)


def test_encode_decode_and_look_ups() -> None:
    words = Vocabulary.build(TEXT)
    ids = words.encode(["a", "zebra", "b", "<pad>"])
    assert ids.tolist() == [3, 1, 2, 0]
    assert ids.dtype == np.int32
    assert words.encode(iter("ab"), dtype=np.int64).dtype == np.int64
    assert words.encode([]).shape == (0,)
    assert words.decode(ids) == ["a", "<unk>", "b", "<pad>"]
    assert words.decode([]) == []
    assert words.index("a") == 3
    assert words.token(3) == "a"
    assert words.index("zebra") == 1
    assert "a" in words
    assert "zebra" not in words
    assert len(words) == 6


@pytest.mark.parametrize(
    ("act", "error", "text"),
    [
        (lambda v: v.token(-1), IndexRangeError, "index -1"),
        (lambda v: v.token(6), IndexRangeError, "index 6 in a vocabulary of 6"),
        (lambda v: v.decode([0, 6]), IndexRangeError, "index 6"),
        (lambda v: v.decode([-1]), IndexRangeError, "index -1"),
        (lambda v: v.decode([0.5]), DTypeError, "integers"),
        (lambda v: v.decode([[1]]), ShapeError, "one axis"),
        (lambda v: v.encode("ab"), ArgumentError, "not one string"),
        (lambda _: Vocabulary(["a", "b", "a"]), ArgumentError, "'a' is given twice"),
        (lambda _: Vocabulary(["<unk>"]), ArgumentError, "'<unk>' is given twice"),
        (lambda _: Vocabulary(["\ud800"]), ArgumentError, "surrogate"),
        (lambda _: Vocabulary([1]), ArgumentError, "must be a string"),
        (lambda _: Vocabulary([], specials="ab"), ArgumentError, "one string"),
        (lambda _: Vocabulary.build(TEXT, max_size=1), ArgumentError, "no room"),
        (lambda _: Vocabulary(["a"], unknown=None).index("b"), ArgumentError, "no unknown symbol"),
        (lambda _: Vocabulary(["a"], unknown=None).encode(["a", "b"]), ArgumentError, "'b' is not in"),
    ],
)
def test_refusals(act: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        act(Vocabulary.build(TEXT))


TOKENS = st.lists(st.text(), unique=True, max_size=12)


@settings(deadline=None, max_examples=80)
@given(TOKENS, st.sampled_from([None, "<pad>", ""]), st.sampled_from([None, "<unk>", "\u2028"]))
def test_saved_and_loaded_is_the_same(tokens: list[str], padding: str | None, unknown: str | None) -> None:
    import tempfile

    tokens = [t for t in tokens if t not in (padding, unknown, "\n")]
    saved = Vocabulary(tokens, padding=padding, unknown=unknown, specials=["\n"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vocabulary.jsonl"
        saved.save(path)
        loaded = Vocabulary.load(path)
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        assert Vocabulary.load(path) == saved
    assert loaded == saved
    assert hash(loaded) == hash(saved)
    assert loaded.encode(saved.tokens).tolist() == list(range(len(saved)))


def test_a_token_is_a_line_for_any_editor(tmp_path: Path) -> None:
    path = tmp_path / "v"
    Vocabulary(["naïve", "a\nb", "c\x85d", "\u2028"]).save(path)
    text = path.read_text(encoding="utf-8")
    assert '"naïve"' in text
    assert len(text.splitlines()) == 1 + 6


def _edited(lines: list[str], how: str) -> list[str]:
    header = json.loads(lines[0])
    match how:
        case "cut":
            return lines[:-1]
        case "not json":
            return [*lines[:3], "a", *lines[4:]]
        case "not a string":
            return [*lines[:3], "7", *lines[4:]]
        case "twice":
            return [*lines[:4], lines[3], *lines[5:]]
        case "special":
            return [lines[0], '"x"', *lines[2:]]
        case "surrogate":
            return [*lines[:3], r'"\ud800"', *lines[4:]]
        case "no header":
            return lines[1:]
        case "version":
            return [json.dumps({**header, "version": 99}), *lines[1:]]
        case "specials":
            return [json.dumps({**header, "specials": 3}), *lines[1:]]
        case "padding":
            return [json.dumps({**header, "padding": 3}), *lines[1:]]
        case "too few":
            return [json.dumps({**header, "size": 1}), lines[1]]
        case "empty":
            return []
    raise AssertionError(how)


@pytest.mark.parametrize(
    ("how", "line", "text"),
    [
        ("cut", 5, "4 tokens where the header says 5"),
        ("not json", 4, "not JSON"),
        ("not a string", 4, "must be a string"),
        ("twice", 5, "'b' was already on line 4"),
        ("special", 2, "'x' where the header puts"),
        ("surrogate", 4, "surrogate"),
        ("no header", 1, "not a saved vocabulary"),
        ("version", 1, "version 99"),
        ("specials", 1, "specials"),
        ("padding", 1, "padding"),
        ("too few", 3, "must be a string"),
        ("empty", 1, "not JSON"),
    ],
)
def test_damaged_files_name_the_line(tmp_path: Path, how: str, line: int, text: str) -> None:
    path = tmp_path / "v"
    Vocabulary.build(["a", "b", "b", "c"]).save(path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(_edited(lines, how)))
    with pytest.raises(DataError, match=text) as caught:
        Vocabulary.load(path)
    assert (caught.value.path, caught.value.line) == (path, line)


def test_a_file_that_is_not_utf_8_names_line_and_byte(tmp_path: Path) -> None:
    path = tmp_path / "v"
    Vocabulary(["a"]).save(path)
    content = path.read_bytes()
    path.write_bytes(content[:-3] + b'\xff"\n')
    with pytest.raises(DataError, match="not UTF-8") as caught:
        Vocabulary.load(path)
    assert (caught.value.line, caught.value.offset) == (4, len(content) - 3)


def test_saving_leaves_nothing_but_the_file(tmp_path: Path) -> None:
    Vocabulary(["a"]).save(tmp_path / "v")
    assert os.listdir(tmp_path) == ["v"]
