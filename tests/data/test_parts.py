"""Which file of a folder is for what, by its name alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chainrule.data import Parts, data_files, part_named, parts_of
from chainrule.errors import DataError


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(b"")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train.txt", "train"),
        ("TRAINING.TSV", "train"),
        ("wnut17train.conll", "train"),
        ("ptb.train.txt.gz", "train"),
        ("wiki.train.tokens.gz", "train"),
        ("en_ewt-ud-train.conllu.gz", "train"),
        ("train-00000-of-00001.csv", "train"),
        ("emerging.dev.conll", "validation"),
        ("valid", "validation"),
        ("x_val.csv", "validation"),
        ("validation.jsonl", "validation"),
        ("eng.testa", "validation"),
        ("eng.testb", "test"),
        ("emerging.test.annotated", "test"),
        ("Test1.txt", "test"),
        ("latest.txt", None),
        ("training_test.txt", None),
        ("devtest.txt", None),
        ("LICENSE.txt", None),
        ("", None),
    ],
)
def test_the_part_a_name_says(name: str, part: str | None) -> None:
    assert part_named(name) == part


@pytest.mark.parametrize(
    ("names", "suffixes", "found"),
    [
        (
            ("en_ewt-ud-train.conllu.gz", "en_ewt-ud-dev.conllu", "en_ewt-ud-test.conllu", "LICENSE.txt"),
            (),
            ("en_ewt-ud-train.conllu.gz", "en_ewt-ud-dev.conllu", "en_ewt-ud-test.conllu"),
        ),
        (
            ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated", "emerging.test"),
            (".conll", ".annotated"),
            ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated"),
        ),
        (("train.txt.GZ", "test.txt", "README.test"), (".TXT",), ("train.txt.GZ", None, "test.txt")),
        (("train.txt", "train.txt.gz", "dev.txt"), (), ("train.txt", "dev.txt", None)),
        (("test.txt", "notes.txt", ".train.txt.swp"), (), (None, None, "test.txt")),
        (("names.txt", "README.md", "licence"), (), ("names.txt", None, None)),
        (("names.txt", "other.md"), (".txt",), ("names.txt", None, None)),
    ],
)
def test_the_parts_of_a_folder(
    tmp_path: Path, names: tuple[str, ...], suffixes: tuple[str, ...], found: tuple[str | None, ...]
) -> None:
    fill(tmp_path, *names)
    (tmp_path / "train").mkdir()  # a folder is no file
    assert parts_of(tmp_path, suffixes) == Parts(*(name and tmp_path / name for name in found))


def test_a_file_is_for_training_whatever_its_name(tmp_path: Path) -> None:
    fill(tmp_path, "test.txt", "train.txt")
    assert parts_of(str(tmp_path / "test.txt")) == (tmp_path / "test.txt", None, None)


@pytest.mark.parametrize(
    ("names", "suffixes", "what", "mend"),
    [
        ((), (), "the folder holds no data files; there are: none", "name a file"),
        (("README",), (), "there are: README", "name a file"),
        (("train.tsv", "a.csv"), (".txt", ".conll"), "there are: a.csv, train.tsv", r"\*.txt, \*.conll"),
        (("dev.txt", "valid.txt", "train.txt"), (), "2 files say .* validation: dev.txt, valid.txt", "keep"),
        (("rt.pos", "rt.neg"), (), "no name says which file is for what; there are: rt.neg, rt.pos", "valid"),
        (tuple(f"{n:02d}" for n in range(15)), (), "there are: 00, .*, 11 and 3 more$", "valid"),
    ],
)
def test_a_folder_that_leaves_it_open_is_listed(
    tmp_path: Path, names: tuple[str, ...], suffixes: tuple[str, ...], what: str, mend: str
) -> None:
    fill(tmp_path, *names)
    with pytest.raises(DataError) as caught:
        parts_of(tmp_path, suffixes)
    assert re.search(what, caught.value.what)
    assert re.search(mend, caught.value.mend or "")
    assert caught.value.path == tmp_path


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    for function in (parts_of, data_files):
        with pytest.raises(DataError, match="no such file or folder"):
            function(tmp_path / "absent")
    fill(tmp_path, "file")
    with pytest.raises(DataError, match="cannot be read"):
        data_files(tmp_path / "file")


def test_files_come_in_order_of_name(tmp_path: Path) -> None:
    fill(tmp_path, "a.txt", "B.txt.gz")
    assert [file.name for file in data_files(tmp_path)] == ["B.txt.gz", "a.txt"]
