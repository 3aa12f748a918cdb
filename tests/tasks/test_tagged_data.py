"""Where tagged sentences come from: formats, names of columns, parts of folders, and what is missing."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from chainrule.data import Sentences
from chainrule.errors import ConfigurationError, DataError
from chainrule.tasks.tagged_data import (
    TaggedDataOptions,
    check_options,
    cut,
    read_tagged,
    read_tagged_test,
    tag_column,
)

CONLLU = "# text = Don't go\n1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_\n" + "".join(
    f"{i}\t{form}\t{form}\t{tag}\t{xpos}\t_\t0\troot\t_\t_\n"
    for i, (form, tag, xpos) in enumerate(
        [("Do", "AUX", "VB"), ("n't", "PART", "RB"), ("go", "VERB", "VB")], 1
    )
)
COLUMNS = "In IN B-PP\nOslo NNP B-NP\n\nYes UH O\n"


def options(source: Path | str, **more) -> TaggedDataOptions:
    return TaggedDataOptions(source=str(source), **more)


def folder_of(path: Path, **files: str) -> Path:
    path.mkdir()
    for name, text in files.items():
        (path / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return path


def test_a_folder_of_conllu_with_other_files_about(tmp_path):
    folder = folder_of(tmp_path / "ud", dev__conllu=CONLLU, test__conllu=CONLLU * 1, LICENSE__txt="free",
                       notes__txt="test")  # fmt: skip
    (folder / "train.conllu.gz").write_bytes(gzip.compress((CONLLU + "\n" + CONLLU).encode()))
    found = read_tagged(options(folder))
    assert (found.name, found.tag, found.notes) == ("ud", "upos", ())
    assert found.train["form"] == [["Do", "n't", "go"]] * 2
    assert found.test["upos"] == [["AUX", "PART", "VERB"]]
    assert read_tagged(options(folder, tag="xpos")).tag == "xpos"
    assert read_tagged_test(options(folder))[1].columns == found.test.columns


@pytest.mark.parametrize(
    ("text", "more", "columns", "tag"),
    [
        (COLUMNS, {}, ["form", "column2", "tag"], "tag"),
        (COLUMNS, {"columns": ("form", "pos", "chunk")}, ["form", "pos", "chunk"], "chunk"),
        (COLUMNS, {"columns": ("form", "pos", "_")}, ["form", "pos"], "pos"),
        (COLUMNS, {"columns": ("form", "pos", "chunk"), "tag": "pos"}, ["form", "pos", "chunk"], "pos"),
        ("In\tIN\nNew York\tNNP\n", {}, ["form", "tag"], "tag"),
        ("In IN\r\nOslo  NNP\r\n", {"separator": "blanks"}, ["form", "tag"], "tag"),
        ("\ufeffIn\tIN\n", {"separator": "tab"}, ["form", "tag"], "tag"),
    ],
)
def test_columns_and_their_names(tmp_path, text, more, columns, tag):
    (tmp_path / "train.txt").write_bytes((text + "\n").encode())
    for part in ("valid", "test"):
        (tmp_path / f"{part}.txt").write_text(text)
    found = read_tagged(options(tmp_path, **more))
    assert (list(found.train.columns), found.tag) == (columns, tag)
    assert found.train["form"][0][0] == "In"


def test_what_is_missing_is_dealt_out_and_said(tmp_path):
    sentences = [f"w{i}\tA\nx\tB\n" for i in range(200)]
    (tmp_path / "all.tsv").write_text("\n".join([*sentences, *sentences]))
    found = read_tagged(options(tmp_path / "all.tsv"))
    sizes = [len(part) for part in (found.train, found.validation, found.test)]
    assert sum(sizes) == 400
    assert all(20 <= size <= 60 for size in sizes[1:])
    assert len(found.notes) == 2
    parts = [{part["form"][i][0] for i in range(len(part))} for part in
             (found.train, found.validation, found.test)]  # fmt: skip
    assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]  # equal ones are together
    (name, test) = read_tagged_test(options(tmp_path / "all.tsv"))
    assert (name, test) == ("all.tsv", found.test)
    assert len(read_tagged_test(options(tmp_path / "all.tsv"), whole=True)[1]) == 400
    folder = folder_of(tmp_path / "two", train__tsv="\n".join(sentences), test__tsv="a\tA\n")
    two = read_tagged(options(folder))
    assert two.notes == ("a tenth of the training sentences is held out for validation",)
    assert two.test["form"] == [["a"]]
    assert len(two.train) + len(two.validation) == 200


@pytest.mark.parametrize(
    ("files", "more", "message"),
    [
        ({"dev__txt": COLUMNS, "test__txt": COLUMNS}, {}, "no file to train on"),
        ({"train__txt": "", "valid__txt": COLUMNS, "test__txt": COLUMNS}, {}, "no word to train on"),
        ({"train__txt": COLUMNS, "valid__txt": "\n", "test__txt": COLUMNS}, {}, "no word to validate on"),
        ({"train__txt": COLUMNS}, {}, r"no word to train on: 2 different sentence\(s\) were dealt out"),
        ({"train__txt": "a\n\nb\n\nc\n"}, {}, "words alone, and no column with tags"),
        (
            {"train__txt": COLUMNS, "valid__txt": COLUMNS, "test__txt": "a b\n"},
            {},
            "the columns are form, tag",
        ),
        ({"train__txt": COLUMNS}, {"columns": ("form", "tag")}, "3 column"),
        ({"train__conllu": CONLLU, "dev__conllu": CONLLU, "test__conllu": CONLLU}, {"tag": "ner"}, "'ner'"),
    ],
)
def test_faults_are_told(tmp_path, files, more, message):
    folder = folder_of(tmp_path / "data", **files)
    with pytest.raises(DataError, match=message):
        read_tagged(options(folder, **more))


def test_a_fault_names_file_and_line(tmp_path):
    (tmp_path / "train.conllu").write_text(CONLLU + "4\tnow\n")
    with pytest.raises(DataError, match=r"train\.conllu, line 6"):
        read_tagged(options(tmp_path / "train.conllu"))
    (tmp_path / "train.conllu").write_bytes(b"1\t\xff\n")
    with pytest.raises(DataError, match=r"train\.conllu, line 1"):
        read_tagged(options(tmp_path / "train.conllu"))


def test_nothing_there():
    with pytest.raises(DataError, match="no such file, folder or named source"):
        read_tagged(options("nowhere.conllu"))
    with pytest.raises(DataError, match="did you mean ud-english-ewt"):
        read_tagged(options("ud-englsh-ewt"))


@pytest.mark.parametrize(
    ("more", "message"),
    [({"encoding": "utf8000"}, "no text encoding"), ({"columns": ("word", "tag")}, "no column 'form'")],
)
def test_options_that_cannot_be(more, message):
    with pytest.raises(ConfigurationError, match=message):
        check_options(options("x", **more))


def test_options_that_can_be():
    for more in ({}, {"encoding": "detect"}, {"encoding": "latin-1"}, {"columns": ("_", "form")}):
        check_options(options("x", **more))


@pytest.mark.parametrize(
    ("source", "tokens", "line", "expected"),
    [
        ("x.conllu", "auto", "It's here.", ["It", "'s", "here", "."]),
        ("x.conllu", "spaces", "It's  here .", ["It's", "here", "."]),
        ("python-code", "auto", "x=f('a')", ["x", "=", "f", "(", "'…'", ")"]),
        ("python-code", "words", "a b", ["a", "b"]),
        ("x.txt", "auto", "", []),
    ],
)
def test_lines_are_cut_as_the_data_is(source, tokens, line, expected):
    assert cut(line, options(source, tokens=tokens)) == expected


def test_the_tags_stand_in_the_last_column_unless_told():
    sentences = Sentences({"form": [["a"]], "x": [["b"]]}, [1], "p")
    assert tag_column(sentences, options("p")) == "x"
    with pytest.raises(DataError, match="'y'"):
        tag_column(sentences, options("p", tag="y"))
