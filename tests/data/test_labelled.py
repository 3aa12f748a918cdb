from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import read_labelled
from chainrule.data.labelled import Labelled
from chainrule.errors import ArgumentError, DataError


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# --- formats ------------------------------------------------------------------------------------------

CASES = [
    # file name, content, format told, [(label, text)]
    ("a.neg", "dull \n\nvery dull\n", "polarity", [("neg", "dull"), ("neg", "very dull")]),
    ("a.pos.gz", gzip.compress(b"fine\n", mtime=0), "polarity", [("pos", "fine")]),
    ("a", "NUM:dist How far ?\nNUM:date When ?", "trec", [("NUM", "How far ?"), ("NUM", "When ?")]),
    ("a", "__label__1 so so\n__label__x y\n", "fasttext", [("1", "so so"), ("x", "y")]),
    ("a", "x\tgood film\nx\tgood\ny\t\n", "tab", [("x", "good film"), ("x", "good"), ("y", "")]),
    ("a", "1 good film\n0 bad\n1 good\n", "first", [("1", "good film"), ("0", "bad"), ("1", "good")]),
    ("a", "-1 bad\r\n-1 worse\r\n", "first", [("-1", "bad"), ("-1", "worse")]),
    ("a", b"\xef\xbb\xbf1 caf\xc3\xa9\n1 b\n", "first", [("1", "café"), ("1", "b")]),
    (
        "a",
        "(3 (2 Good) (2 (2 -LRB-) (2 film)))\n(0 (1 Bad) (2 .))\n",
        "trees",
        [("3", "Good ( film"), ("0", "Bad .")],
    ),
    ("a.csv", 'label,text\nx,"a, b\nc"\n1,d\n', "csv", [("x", "a, b c"), ("1", "d")]),
    ("a.tsv", 'n\ttext\tlabel\n1\tsay "a\tx\n2\t\tx\n', "tsv", [("x", 'say "a'), ("x", "")]),
    (
        "a.jsonl.gz",
        gzip.compress(b'{"label": 1, "text": "a"}\n\n{"text": "b", "label": true}\n', mtime=0),
        "jsonl",
        [("1", "a"), ("true", "b")],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "format", "pairs"), CASES)
def test_formats_are_told(
    tmp_path: Path, name: str, content: str | bytes, format: str, pairs: list[tuple[str, str]]
) -> None:
    path = written(tmp_path, name, content)
    for found in (read_labelled(path), read_labelled(path, format=format)):
        assert list(zip(found.labels, found.texts, strict=True)) == pairs
        assert (found.format, found.encoding, found.path) == (format, "utf-8", path)


def test_fine_classes(tmp_path: Path) -> None:
    path = written(tmp_path, "train.txt", "NUM:dist How far ?\nDESC:def What is a quark ?\n")
    assert read_labelled(path, fine=True).labels == ["NUM:dist", "DESC:def"]


@pytest.mark.parametrize(
    ("format", "content", "label", "text"),
    [("first", "pos\n", "pos", ""), ("tab", "a b \t c\td\n", "a b", "c\td"), ("trec", "A:b  c\n", "A", "c")],
)
def test_what_only_a_named_format_reads(
    tmp_path: Path, format: str, content: str, label: str, text: str
) -> None:
    found = read_labelled(written(tmp_path, "a", content), format=format)
    assert (found.labels, found.texts) == ([label], [text])


def test_other_column_names(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "sentence,id,stars\ngood,7,5\n")
    found = read_labelled(path, columns=["sentence", "stars"])
    assert (found.texts, found.labels) == (["good"], ["5"])
    with pytest.raises(DataError, match="no column 'text'; there are: 'sentence', 'id', 'stars'"):
        read_labelled(path)


def test_a_folder_of_two_polarities(tmp_path: Path) -> None:
    written(tmp_path, "rt-polarity.pos", b"an \x93amazing\x94 caf\xe9 \x85 \n" + b"good\n")
    written(tmp_path, "rt-polarity.neg", "bad\n")
    written(tmp_path, "README", "about\n")
    found = read_labelled(tmp_path)
    assert found.texts == ["an “amazing” café …", "good", "bad"]
    assert found.labels == ["pos", "pos", "neg"]
    assert (found.format, found.encoding, found.path) == ("polarity", "utf-8, windows-1252", tmp_path)


@pytest.mark.parametrize(
    ("files", "there"), [((), "nothing"), (("a.pos",), "a.pos"), (("b.txt", "a.txt"), "a.txt, b.txt")]
)
def test_other_folders_are_refused(tmp_path: Path, files: tuple[str, ...], there: str) -> None:
    for name in files:
        written(tmp_path, name, "1 x\n")
    with pytest.raises(DataError, match=f"there is: {there}\n") as error:
        read_labelled(tmp_path)
    assert error.value.mend == "name the file inside"


# --- encodings ----------------------------------------------------------------------------------------

TREC = "ENTY:animal What is a hj\xf0 ?\nNUM:dist Who ?\n"


@pytest.mark.parametrize(
    ("name", "content", "encoding", "used"),
    [
        ("train.txt", TREC.encode("latin-1"), None, "latin-1"),
        ("train.txt", TREC.replace("\n", "\r\n").encode("latin-1"), None, "latin-1"),
        ("train.txt", TREC.encode(), None, "utf-8"),
        ("train.txt", TREC.encode("utf-16"), "utf-16", "utf-16"),
        ("train.txt", TREC.encode("latin-1"), "windows-1252", "windows-1252"),
    ],
)
def test_encodings_are_said(
    tmp_path: Path, name: str, content: bytes, encoding: str | None, used: str
) -> None:
    found = read_labelled(written(tmp_path, name, content), encoding=encoding)
    assert (found.encoding, found.labels) == (used, ["ENTY", "NUM"])
    assert found.texts == ["What is a hj\xf0 ?", "Who ?"]


@pytest.mark.parametrize(
    ("content", "line"), [(b"1 a\n1 \xe9\n", 2), (b"__label__a x\n\n__label__b \xe9\n", 3)]
)
def test_other_formats_are_not_guessed_to_be_latin(tmp_path: Path, content: bytes, line: int) -> None:
    with pytest.raises(DataError, match="are not utf-8") as error:
        read_labelled(written(tmp_path, "a", content))
    assert error.value.line == line


@pytest.mark.parametrize(("name", "head"), [("a.csv", "text,label\n"), ("a.pos", "")])
def test_an_encoding_that_is_looked_for(tmp_path: Path, name: str, head: str) -> None:
    words = "Très étonné, l'élève a préféré le café à l'hôtel où il était né"
    line = f'"{words}",pos\n' if head else f"{words}\n"
    path = written(tmp_path, name, (head + line).encode("windows-1252"))
    with pytest.warns(UnicodeWarning, match="cp1252"):
        found = read_labelled(path, encoding="detect")
    assert (found.texts, found.encoding) == ([words], "cp1252")
    path = written(tmp_path, name, (head + line).encode())
    assert read_labelled(path, encoding="detect").encoding == "utf-8"


def test_a_mark_of_another_encoding_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="mark of utf-16"):
        read_labelled(written(tmp_path, "a.pos", "good".encode("utf-16")))


# --- faults -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "format", "content", "line", "text"),
    [
        ("a", "trec", "NUM:x a\n\nNUM b\n", 3, "'COARSE:fine text' was expected, not 'NUM b'"),
        ("a", "fasttext", "__label__a b\nc\n", 2, "'__label__x text' was expected"),
        ("a", "fasttext", "__label__a b\n__label__a __label__b c\n", 2, "a second label, '__label__b'"),
        ("a", "tab", "a\tb\nc d\n", 2, "'label<TAB>text' was expected"),
        ("a", "tab", "a\tb\n\tc\n", 2, "'label<TAB>text' was expected"),
        ("a", "trees", "(1 a)\n(1 (2 a)\n", 2, "1 bracket(s) of the tree are not closed"),
        ("a", "trees", "(1 a))\n", 1, "a tree '(label …)' was expected"),
        ("a", "trees", "(1 a) (2 b)\n", 1, "more than one tree"),
        ("a", "trees", "a (1 b)\n", 1, "a tree"),
        ("a", "trees", "((1 a) (2 b))\n", 1, "a tree"),
        ("a", "trees", "()\n", 1, "a tree"),
        ("a.csv", None, 'text,label\n"a\nb",x\nc,\n', 4, "label is '', which is no label"),
        ("a.tsv", None, "text\tlabel\na\tx\n\nb\t \n", 4, "label is ' ', which is no label"),
        ("a.csv", None, "text,label\na\n", 2, "1 fields where 2"),
        ("a.jsonl", None, '{"text": "a", "label": "x"}\n\n{"text": 1, "label": "x"}\n', 3, "text is 1"),
        ("a.jsonl", None, '{"text": "a", "label": null}\n', 1, "label is None, which is no label"),
        ("a.jsonl", None, '{"text": "a", "label": 0.5}\n', 1, "label is 0.5, which is no label"),
        ("a.jsonl", None, '{"text": "a"}\n', 1, "no column 'label'"),
        ("a", None, "", None, "there is no labelled text in it"),
        ("a.pos", None, " \n\n", None, "there is no labelled text in it"),
        ("a.csv", None, "text,label\n", None, "there is no labelled text in it"),
        ("a", None, "just a text\nof two lines\n", None, "cannot be told for certain; the first line is 'ju"),
        ("a", None, "1 of\n2 three\n3 items\n", None, "cannot be told for certain"),
        ("a", None, "word\ta definition\nverb\tanother\n", None, "cannot be told for certain"),
        ("a", None, "NUM:dist a\n__label__x b\n", None, "cannot be told for certain"),
    ],
)  # fmt: skip
def test_faults_name_the_line(
    tmp_path: Path, name: str, format: str | None, content: str, line: int | None, text: str
) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(DataError) as error:
        read_labelled(path, format=format)
    assert text in error.value.what
    assert (error.value.line, Path(error.value.path or "")) == (line, path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_labelled(tmp_path / "a.txt")


def test_arguments(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="no format of labelled texts is called 'mr'"):
        read_labelled(tmp_path, format="mr")
    with pytest.raises(ArgumentError, match="name two"):
        read_labelled(tmp_path, columns=["text"])


# --- what is read -------------------------------------------------------------------------------------

LABEL = st.from_regex(r"[A-Z]{2,5}:[a-z]{2,5}", fullmatch=True)
WORDS = st.lists(st.from_regex(r"[A-Za-z.,?]{1,6}", fullmatch=True), min_size=1, max_size=8).map(" ".join)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(LABEL, WORDS), min_size=1, max_size=8))
def test_every_format_gives_the_same_pairs(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("formats")
    writers = {
        "trec": lambda label, text: f"{label} {text}",
        "fasttext": lambda label, text: f"__label__{label} {text}",
        "tab": lambda label, text: f"{label}\t{text}",
        "first": lambda label, text: f"{label}  {text}",
        "trees": lambda label, text: f"({label} {' '.join(f'(x {word})' for word in text.split())})",
        "jsonl": lambda label, text: json.dumps({"text": text, "label": label}),
        "tsv": lambda label, text: f"{label}\t{text}",
    }
    for format, write in writers.items():
        lines = [write(label, text) for label, text in pairs]
        header = ["label\ttext"] if format == "tsv" else []
        path = written(folder, f"a.{format}", "\n".join([*header, *lines, ""]))
        found = read_labelled(path, format=format, fine=True)
        assert list(zip(found.labels, found.texts, strict=True)) == pairs, format


def test_selection_and_counts() -> None:
    data = Labelled(["a", "b", "c", "d"], ["x", "y", "y", "w"], Path("p"), "tab", "latin-1")
    part = data.select([2, 0])
    assert (part.texts, part.labels, part.format, part.encoding) == (["c", "a"], ["y", "x"], "tab", "latin-1")
    assert list(data.counts.items()) == [("y", 2), ("w", 1), ("x", 1)]
    assert len(part) == 2


def test_a_very_long_text(tmp_path: Path) -> None:
    words = "word " * 10_000
    path = written(tmp_path, "a.tsv", f"label\ttext\nx\t{words}\n")
    assert read_labelled(path).texts == [words.strip()]
