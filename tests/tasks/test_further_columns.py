"""Columns from lists and from another run: what they say, that the run carries them, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from chainrule.data import Sentences
from chainrule.errors import ConfigurationError, DataError, RunFolderError
from chainrule.models import Gazetteer
from chainrule.tasks import EntityRecognition, PosTagging
from chainrule.tasks.further_columns import FurtherColumns
from chainrule.tasks.tagged_data import sentences_of
from chainrule.train import RunFolder, Silent
from chainrule.train.configuration import resolve

SMALL = (
    "features.channels=['capitals']", "model.radius=1", "model.width=8", "model.hidden=[16]",
    "model.dropout=0.0", "model.input_dropout=0.0", "training.epochs=12", "training.batch=24",
    "optimizer.learning_rate=0.03", "linear_epochs=2", "model.forget=0.5",
)  # fmt: skip
TASKS = {"pos": PosTagging(), "ner": EntityRecognition()}


def train(task: str, folder: Path, data: Path, *settings: str, resume: bool = False):
    return TASKS[task].train(
        resolve(TASKS[task].Config, settings=[*SMALL, *settings]),
        str(data),
        RunFolder(folder),
        resume=resume,
        reporter=Silent(),
        say=lambda line: None,
    )


def write(path: Path, sentences: list[str], tag: dict[str, str]) -> None:
    """A word and its tag a line; words without one have O."""
    blocks = ["\n".join(f"{word}\t{tag.get(word, 'O')}" for word in line.split()) for line in sentences]
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cities that only a list can tell from other names, others in each part."""
    folder = tmp_path_factory.mktemp("cities")
    for part, cities, others in (
        ("train", ["Aa", "Bb", "Cc"], ["Dd", "Ee", "Ff"]),
        ("dev", ["Gg", "Hh"], ["Ii", "Jj"]),
        ("test", ["Kk", "Ll", "Mm"], ["Nn", "Oo", "Pp"]),
    ):
        lines = [f"we saw {name} then" for name in cities + others]
        write(folder / f"x.{part}.conll", lines * 3, dict.fromkeys(cities, "B-city"))
    cities = "\ufeffAA\r\nbb\r\n\r\ncc\r\nGg\r\nhh\r\nkk\r\nll\r\nMM\r\n"
    (folder / "cities.list").write_text(cities, encoding="utf-8", newline="")
    return folder


@pytest.fixture(scope="module")
def pos_run(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """A tagger that calls cities N, as it learned from text of its own with a list of its own."""
    folder = tmp_path_factory.mktemp("pos")
    lines = [f"we saw {name} then" for name in ("Aa", "Gg", "Kk", "Dd", "Ii", "Nn")]
    tags = {"we": "P", "saw": "V", "then": "A"} | dict.fromkeys(["Aa", "Gg", "Kk"], "N")
    for part in ("train", "dev", "test"):
        write(folder / f"y.{part}.conll", lines * 3, tags)
    run = folder / "run"
    train("pos", run, folder, f"data.lists=['{data / 'cities.list'}']", "training.epochs=20")
    return run


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("we love New York and Rio de Janeiro", "O O B E O B I E"),
        ("OSLO new york Oslo", "S B E S"),
        ("new", "O"),
        ("", ""),
    ],
)
def test_a_list_says_where_in_a_name_a_word_stands(words, expected):
    names = {"oslo": "", "new york": "", "rio de janeiro": ""}
    own = FurtherColumns({"cities": Gazetteer({tuple(name.split()): "" for name in names})})
    added = own.added(Sentences({"form": [words.split()]}, [1], "a.txt"))
    assert added["in cities"] == [expected.split()]
    assert added["form"] == [words.split()]


def test_names_that_training_never_saw_are_known_by_the_list(tmp_path, data):
    """All six names of the test sentences are new: without the list there is nothing to tell them by."""
    report = train("ner", tmp_path / "with", data, f"data.lists=['{data / 'cities.list'}']")
    without = train("ner", tmp_path / "without", data)
    assert report.scores["test_f1"] == 1.0
    assert report.scores["test_linear_f1"] == 1.0  # the baseline is given the same
    assert without.scores["test_f1"] < 0.7


def test_the_tags_of_another_run_are_a_channel_and_the_run_may_go(tmp_path, data, pos_run):
    copy = tmp_path / "pos"
    shutil.copytree(pos_run, copy)
    report = train("ner", tmp_path / "run", data, f"data.tagger='{copy}'", "training.epochs=40")
    assert report.scores["test_f1"] == 1.0
    shutil.rmtree(copy)
    moved = tmp_path / "elsewhere"
    shutil.move(tmp_path / "run", moved)
    system = TASKS["ner"].load(RunFolder(moved))
    assert system.evaluate(None).scores["test_f1"] == 1.0
    assert [answer["marked"] for answer in system.predict(["we saw Kk then", "", "we saw Nn then"])] == [
        "we saw [Kk city] then", "", "we saw Nn then",
    ]  # fmt: skip
    words = sentences_of([["we", "saw", "Kk", "then"]])
    ours = system.scorer.further.added(words)["tagged"]
    assert ours == [["P", "V", "N", "A"]]
    theirs = TASKS["pos"].load(RunFolder(pos_run))
    np.testing.assert_array_equal(ours[0], theirs.tag(words))


def test_training_goes_on_with_the_lists_and_the_tagger_of_the_folder(tmp_path, data, pos_run):
    settings = (f"data.tagger='{pos_run}'", f"data.lists=['{data / 'cities.list'}']", "linear_epochs=0")
    whole = train("ner", tmp_path / "whole", data, *settings, "training.epochs=3")
    train("ner", tmp_path / "two", data, *settings, "training.epochs=3", "training.max_seconds=1e-9")
    again = train("ner", tmp_path / "two", data, *settings, "training.epochs=3", resume=True)
    names = [name for name in whole.scores if name.startswith("test_")]
    assert [again.scores[name] for name in names] == [whole.scores[name] for name in names]


@pytest.mark.parametrize(
    ("files", "settings", "error", "match"),
    [
        ({}, "data.lists=['nowhere.txt']", DataError, "nowhere.txt"),
        ({"empty.txt": "\n \n"}, "data.lists=['{0}/empty.txt']", DataError, "no name in the list"),
        ({"a.txt": "x", "a.lst": "y"}, "data.lists=['{0}/a.txt', '{0}/a.lst']", ConfigurationError, "'a'"),
        ({}, "data.tagger='{0}'", RunFolderError, "no run folder"),
        ({"config.toml": 'task = "lm"'}, "data.tagger='{0}'", ConfigurationError, "a run of lm"),
    ],
)
def test_what_cannot_be_read_is_said_before_training(tmp_path, data, files, settings, error, match):
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(error, match=match):
        train("ner", tmp_path / "run", data, settings.format(tmp_path))
    assert not (tmp_path / "run").exists()


def test_a_column_of_the_data_is_not_written_over():
    own = FurtherColumns({"cities": Gazetteer({("oslo",): ""})})
    with pytest.raises(DataError, match="'in cities'"):
        own.added(Sentences({"form": [["Oslo"]], "in cities": [["x"]]}, [1], "a.txt"))


@pytest.mark.parametrize("content", ["[]", '{"cities": 3}', "{"])
def test_damaged_lists_are_told(tmp_path, data, content):
    run = tmp_path / "run"
    train("ner", run, data, f"data.lists=['{data / 'cities.list'}']", "training.epochs=1", "linear_epochs=0")
    (run / "lists.json").write_text(content)
    with pytest.raises(RunFolderError, match=r"lists\.json is damaged"):
        TASKS["ner"].load(RunFolder(run))
