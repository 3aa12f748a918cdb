"""What holds of all tasks alike: what their reports say, and what they do with folders that are damaged."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.errors import DataError, RunFolderError
from chainrule.tasks import TASKS, Report
from chainrule.train import RunFolder, Silent
from chainrule.train.configuration import resolve

from .conftest import timeless


def _text(folder: Path) -> None:
    chance = np.random.default_rng(0)
    words = ("bread", "honey", "cheese", "north", "south", "east")
    for name, lines in (("train", 120), ("valid", 30), ("test", 30)):
        drawn = [" ".join(chance.choice(words, 6)) for _ in range(lines)]
        (folder / f"{name}.txt").write_text("\n".join(drawn) + "\n")
    (folder / "pairs").mkdir()
    table = "word1\tword2\tSimLex999\nbread\thoney\t9\nbread\tnorth\t1\nnorth\tsouth\t8\n"
    (folder / "pairs" / "SimLex-999.txt").write_text(table)


def _tagged(tags: tuple[str, str]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for name, count in (("train", 40), ("dev", 12), ("test", 12)):
            lines = [f"the O\n{'Oslo' if k % 3 else 'dog'} {tags[k % 3 > 0]}\nran O\n" for k in range(count)]
            (folder / f"x.{name}.txt").write_text("\n".join(lines))

    return write


def _labelled(folder: Path) -> None:
    for name, count in (("train", 40), ("dev", 12), ("test", 12)):
        lines = [f"__label__{('bad', 'good')[k % 2]} a {('dull', 'fine')[k % 2]} film" for k in range(count)]
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")


def _images(folder: Path) -> None:
    chance = np.random.default_rng(0)
    for part, count in (("train", 60), ("t10k", 20)):
        labels = np.arange(count) % 3
        images = (chance.integers(0, 99, (count, 5, 5)) + 50 * labels[:, None, None]).astype(np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels.astype(np.uint8))):
            header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
            (folder / f"{part}-{kind}-ubyte").write_bytes(header + array.tobytes())


@dataclass(frozen=True)
class Case:
    """A task on a little data of its own."""

    write: Callable[[Path], None]
    settings: tuple[str, ...]
    headline: str
    baselines: tuple[str, ...]
    """Scores of what it is compared with."""
    lacking: tuple[str, str] | None = None
    """A file of the run folder without which a baseline is missing, and the score that is."""


_TAGGER = ("model.width=4", "model.hidden=[8]", "features.channels=['word']", "linear_epochs=1")
CASES = {
    "lm": Case(
        _text,
        ("model.width=4", "model.hidden=4", "data.tokens=spaces", "ngram_order=2"),
        "test_perplexity",
        ("test_ngram_perplexity", "test_interpolated_perplexity", "validation_ngram_perplexity"),
    ),
    "digits": Case(
        _images,
        ("model.hidden=[4]", "linear_epochs=2"),
        "test_accuracy",
        ("test_most_frequent_accuracy", "test_linear_accuracy"),
        ("linear.safetensors", "test_linear_accuracy"),
    ),
    "pos": Case(
        _tagged(("NOUN", "NAME")),
        _TAGGER,
        "test_accuracy",
        ("test_most_frequent_accuracy", "test_dictionary_accuracy", "test_linear_accuracy"),
        ("linear.safetensors", "test_linear_accuracy"),
    ),
    "ner": Case(
        _tagged(("O", "B-place")),
        _TAGGER,
        "test_f1",
        ("test_most_frequent_f1", "test_words_f1", "test_dictionary_f1", "test_linear_f1"),
        ("linear.safetensors", "test_linear_f1"),
    ),
    "textcnn": Case(
        _labelled,
        ("model.width=4", "model.windows=[2]", "model.filters=4"),
        "test_accuracy",
        ("test_most_frequent_accuracy", "test_linear_accuracy"),
        ("linear.safetensors", "test_linear_accuracy"),
    ),
    "word2vec": Case(
        _text,
        ("model.width=4", "data.tokens=spaces", "report.similarities=DATA/pairs"),
        "validation_ranking",
        ("validation_frequency_ranking", "test_counted_simlex"),
        ("counted.safetensors", "test_counted_simlex"),
    ),
}


def train(name: str, data: Path, folder: Path, *settings: str, resume: bool = False) -> Report:
    given = [one.replace("DATA", data.as_posix()) for one in (*CASES[name].settings, *settings)]
    return TASKS[name].train(
        resolve(TASKS[name].Config, settings=["training.epochs=2", *given]),
        str(data),
        RunFolder(folder),
        resume=resume,
        reporter=Silent(),
        say=lambda line: None,
    )


@dataclass(frozen=True)
class Trained:
    """A finished run, not to be changed."""

    name: str
    data: Path
    folder: Path
    report: Report

    @property
    def case(self) -> Case:
        return CASES[self.name]


@pytest.fixture(scope="module", params=TASKS)
def run(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    name = request.param
    data = tmp_path_factory.mktemp("data")
    CASES[name].write(data)
    folder = tmp_path_factory.mktemp("runs") / name
    return Trained(name, data, folder, train(name, data, folder))


def copy(run: Trained, folder: Path) -> RunFolder:
    folder.mkdir()
    for file in run.folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return RunFolder(folder)


# -- reports ---------------------------------------------------------------------------------------


def test_scores_say_of_which_part_they_are(run: Trained) -> None:
    facts = {"seconds_per_epoch", "parameters", "words_per_second"}
    for scores in (run.report.scores, TASKS[run.name].load(RunFolder(run.folder)).evaluate(None).scores):
        assert {run.case.headline, *run.case.baselines} <= scores.keys()
        assert [key for key in scores if not re.match("(test|validation)_", key) and key not in facts] == []


def test_evaluating_again_says_what_training_said(run: Trained) -> None:
    again = TASKS[run.name].load(RunFolder(run.folder)).evaluate(None)
    assert timeless(again.scores).items() <= run.report.scores.items()
    assert [table.header for table in again.tables] == [
        table.header for table in run.report.tables if table.title != "Training"
    ]


def test_the_course_of_training_is_in_the_report(run: Trained) -> None:
    (course,) = [table for table in run.report.tables if table.title == "Training"]
    row = dict(zip(course.header, course.rows[0], strict=True))
    records = RunFolder(run.folder).metrics()
    assert (row["epochs"], row["ended by"]) == (len(records), "epochs")
    assert row["seconds an epoch"] == run.report.scores["seconds_per_epoch"] > 0
    assert row["seconds"] == pytest.approx(sum(record["seconds"] for record in records))
    best = next(record for record in reversed(records) if record["best"])
    assert row["best epoch"] == best["epoch"]
    assert run.report.scores["parameters"] > 0
    assert dict(run.report.texts)["Network"].endswith("parameters")


def test_a_baseline_that_is_missing_is_said(run: Trained, tmp_path: Path) -> None:
    if run.case.lacking is None:
        assert run.name == "lm"  # which counts again from the text
        return
    file, score = run.case.lacking
    folder = copy(run, tmp_path / "run")
    (folder.path / file).unlink()
    found = TASKS[run.name].load(folder).evaluate(None)
    assert score not in found.scores
    assert f"the run folder has no {file}" in dict(found.texts)["Not compared"]
    assert "Not compared" not in dict(run.report.texts)
    train(run.name, run.data, folder.path, resume=True)  # as it says there
    again = TASKS[run.name].load(folder).evaluate(None)
    assert again.scores[score] == pytest.approx(run.report.scores[score])


# -- run folders that are not as they should be ------------------------------------------------------

DAMAGE: dict[str, Callable[[bytes], bytes | None]] = {
    "gone": lambda content: None,
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "other bytes": lambda content: bytes(range(256)),
    "null": lambda content: b"null\n",
    "an empty mapping": lambda content: b"{}\n",
    "one more line": lambda content: content + b"\n\xff\n",
}
#: Written for people or for going on, and not needed to use a run.
ASIDE = {"layers.jsonl", "metrics.jsonl", "manifest.json", "state.safetensors"}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_named(run: Trained, tmp_path: Path, damage: str) -> None:
    for file in sorted(run.folder.iterdir()):
        optional = run.case.lacking is not None and file.name == run.case.lacking[0] and damage == "gone"
        if file.name in ASIDE or optional:
            continue
        folder = copy(run, tmp_path / file.name)
        content = DAMAGE[damage](file.read_bytes())
        (folder.path / file.name).unlink()
        if content is not None:
            (folder.path / file.name).write_bytes(content)
        with pytest.raises((RunFolderError, DataError)) as caught:
            TASKS[run.name].load(folder)
        assert caught.value.exit_code == 3
        assert file.name in str(caught.value)


@pytest.mark.parametrize("writes", [0, 2, 5, 9])
def test_a_full_disk_ends_a_run_that_can_go_on(
    run: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    left = [writes]
    synced = os.fsync

    def full(number: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        synced(number)

    with monkeypatch.context() as patched:
        patched.setattr("chainrule.data.files.os.fsync", full)
        with pytest.raises(DataError, match="cannot be written: No space left on device"):
            train(run.name, run.data, tmp_path / "run")
    assert not list(tmp_path.glob("run/*.tmp"))
    again = train(run.name, run.data, tmp_path / "run", resume=True)
    assert timeless(again.scores) == timeless(run.report.scores)
    one, other = (RunFolder(path).load_model()[0] for path in (run.folder, tmp_path / "run"))
    assert all(np.array_equal(one[name], other[name]) for name in one)
