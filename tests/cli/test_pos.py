"""A tagger from the command line: trained on sentences of a few rules, then used."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from chainrule.cli.main import main

from .conftest import Run

SETTINGS = ("features.channels=['word', 'suffix1']", "model.width=8", "model.hidden=[8]", "training.epochs=4",
            "training.batch=32", "optimizer.learning_rate=0.02", "linear_epochs=1")  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on sentences such as ``the cat sees a dog .``, a word a line with its tag."""
    folder = tmp_path_factory.mktemp("pos")
    rng = np.random.default_rng(0)
    words = [("the", "a"), ("cat", "dog", "bird"), ("sees", "hears"), ("the", "a"), ("cat", "dog", "bird")]
    tags = ["DET", "NOUN", "VERB", "DET", "NOUN"]
    lines = [
        "".join(f"{rng.choice(choices)}\t{tag}\n" for choices, tag in zip(words, tags, strict=True))
        for _ in range(200)
    ]
    (folder / "tagged.tsv").write_text("\n".join(lines), encoding="utf-8")
    arguments = ["train", "pos", "-q", "--data", str(folder / "tagged.tsv"), "--out", str(folder / "run")]
    assert main([*arguments, *(word for setting in SETTINGS for word in ("--set", setting))]) == 0
    return folder / "run"


def test_a_run_folder_has_its_pages(trained: Path) -> None:
    assert {"report.html", "curves.svg", "metrics.jsonl", "channels.json", "lexicon.json"} <= {
        file.name for file in trained.iterdir()
    }
    records = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert all(record["seconds"] > 0 for record in records)
    assert records[-1]["validation_accuracy"] == 1.0


def test_the_whole_confusion_matrix_is_in_the_run_folder(run: Run, trained: Path) -> None:
    with (trained / "confusion.csv").open(newline="", encoding="utf-8") as stream:
        header, *rows = csv.reader(stream)
    assert header == ["tag", *(row[0] for row in rows)]
    counts = [[int(count) for count in row[1:]] for row in rows]
    found = json.loads(run("evaluate", str(trained), "--json").out)
    right = sum(counts[place][place] for place in range(len(counts)))
    assert right / sum(map(sum, counts)) == found["scores"]["test_accuracy"]
    each = {row[0]: row[4] for row in found["tables"][1]["rows"]}
    assert {name: sum(row) for name, row in zip(header[1:], counts, strict=True)}.items() <= each.items()


def test_evaluate_shows_the_baselines(run: Run, trained: Path) -> None:
    ran = run("evaluate", str(trained), "--json")
    found = json.loads(ran.out)
    assert (ran.code, found["task"], found["scores"]["test_accuracy"]) == (0, "pos", 1.0)
    assert [row[0] for row in found["tables"][0]["rows"]][-2:] == [
        "logistic regression",
        "network, window of 5, 8 hidden units",
    ]
    assert "most frequent tag of each word" in run("evaluate", str(trained)).out


def test_predict_tags_lines(run: Run, trained: Path) -> None:
    ran = run("predict", str(trained), "the bird hears a cat", "")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[0] == "the bird hears a cat\tthe DET  bird NOUN  hears VERB  a DET  cat NOUN"
    answers = json.loads(run("predict", str(trained), "a dog", "--json").out)["predictions"]
    assert answers[0]["tags"] == [["a", "DET"], ["dog", "NOUN"]]


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"the DET\ncat\n", 3, "train.txt, line 2"),
        (b"the DET\n\xff NOUN\n", 3, "train.txt, line 2"),
        (b"\n\n", 3, "train.txt"),
    ],
)
def test_data_at_fault(run: Run, tmp_path: Path, content: bytes, code: int, message: str) -> None:
    (tmp_path / "train.txt").write_bytes(content)
    ran = run("train", "pos", "-q", "--data", "train.txt")
    assert (ran.code, ran.out) == (code, "")
    assert message in ran.err
    assert [file.name for file in tmp_path.iterdir()] == ["train.txt"]


def test_a_setting_at_fault(run: Run) -> None:
    ran = run("train", "pos", "--set", "features.chanels=['word']")
    assert ran.code == 2
    assert "features.channels" in ran.err
