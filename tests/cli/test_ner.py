"""Spans from the command line: trained on sentences of a few rules, then used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from chainrule.cli.main import main

from .conftest import Run

SETTINGS = ("features.channels=['word']", "model.width=8", "model.hidden=[16]", "training.epochs=15",
            "training.batch=32", "optimizer.learning_rate=0.01", "linear_epochs=1", "model.form=softmax",
            "model.dropout=0.0", "model.input_dropout=0.0")  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on sentences such as ``we flew to New York .``, a word a line with its tag."""
    folder = tmp_path_factory.mktemp("ner")
    rng = np.random.default_rng(0)
    lines = []
    for _ in range(150):
        place = [["Oslo"], ["New", "York"], ["Rio"]][rng.integers(3)]
        lines += [f"{rng.choice(['we', 'they'])}\tO", "flew\tO", "to\tO"]
        lines += [f"{word}\t{'I' if number else 'B'}-place" for number, word in enumerate(place)]
        lines += [".\tO", ""]
    (folder / "data").mkdir()
    for part in ("train", "dev", "test"):
        (folder / "data" / f"{part}.tsv").write_text("\n".join(lines), encoding="utf-8")
    arguments = ["train", "ner", "-q", "--data", str(folder / "data"), "--out", str(folder / "run")]
    assert main([*arguments, *(word for setting in SETTINGS for word in ("--set", setting))]) == 0
    return folder / "run"


def test_a_run_folder_has_what_it_needs_and_its_pages(trained: Path) -> None:
    files = {file.name for file in trained.iterdir()}
    assert {"report.html", "metrics.jsonl", "channels.json", "gazetteer.json", "decoder.json"} <= files
    records = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert all(record["seconds"] > 0 for record in records)
    assert records[-1]["validation_f1"] == 1.0


def test_evaluate_shows_the_baselines(run: Run, trained: Path) -> None:
    ran = run("evaluate", str(trained), "--json")
    found = json.loads(ran.out)
    assert (ran.code, found["task"], found["scores"]["test_f1"]) == (0, "ner", 1.0)
    assert found["scores"]["test_most_frequent_f1"] == 0.0
    assert "logistic regression" in run("evaluate", str(trained)).out


def test_predict_marks_spans_and_has_them_as_values(run: Run, trained: Path) -> None:
    ran = run("predict", str(trained), "they flew to New York.", "we flew")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "they flew to New York.\tthey flew to [New York place].",
        "we flew\twe flew",
    ]
    answers = json.loads(run("predict", str(trained), "we flew to Oslo.", "--json").out)["predictions"]
    assert answers == [
        {
            "text": "we flew to Oslo.",
            "marked": "we flew to [Oslo place].",
            "spans": [{"text": "Oslo", "type": "place", "start": 11, "end": 15}],
        }
    ]


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"the O\ncat\n", 3, "train.txt, line 2"),
        (b"the DET\ncat NOUN\n" * 30, 3, "mark no spans"),
        (b"the O\n\xff O\n", 3, "train.txt, line 2"),
        (b"\n\n", 3, "train.txt"),
    ],
)
def test_data_at_fault(run: Run, tmp_path: Path, content: bytes, code: int, message: str) -> None:
    for part in ("train", "dev", "test"):
        (tmp_path / f"{part}.txt").write_bytes(content)
    ran = run("train", "ner", "-q", "--data", ".")
    assert (ran.code, ran.out) == (code, "")
    assert message in ran.err
    assert len(list(tmp_path.iterdir())) == 3
