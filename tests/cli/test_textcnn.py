"""A text classifier from the command line: trained on a file, then used and explained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chainrule.cli.main import main

from .conftest import Run

SETTINGS = ("model.width=6", "model.windows=[1,2]", "model.filters=4", "training.epochs=12",
            "training.batch=8", "optimizer.rule=adam", "optimizer.learning_rate=0.03", "training.patience=0",
            "data.held_out=0.3")  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on sentences that begin with what decides."""
    folder = tmp_path_factory.mktemp("textcnn")
    lines = [f"{label}\t{word} and the {noun}" for label, word in (("up", "rise"), ("down", "fall"))
             for noun in ("sun", "sea", "moon", "tide", "wind", "rain", "leaf", "king", "wall", "price",
                          "rate", "voice")]  # fmt: skip
    (folder / "moves.tsv").write_text("label\ttext\n" + "\n".join(lines) + "\n", encoding="utf-8")
    arguments = ["train", "textcnn", "-q", "--data", str(folder / "moves.tsv"), "--out", str(folder / "run")]
    assert main([*arguments, *(word for setting in SETTINGS for word in ("--set", setting))]) == 0
    return folder / "run"


def test_predict_in_a_pipe_is_one_line_each(run: Run, trained: Path) -> None:
    ran = run("predict", str(trained), "rise and the moon", "the fall")
    assert (ran.code, ran.err) == (0, "")
    assert [line.split("\t")[:2] for line in ran.out.splitlines()] == [
        ["rise and the moon", "up"], ["the fall", "down"],
    ]  # fmt: skip


def test_explain_shows_the_first_filters_and_says_how_many_there_are(run: Run, trained: Path) -> None:
    ran = run("explain", str(trained), "--first", "2")
    assert ran.code == 0
    assert ran.out.startswith("8 filters on ")
    assert ran.out.count("Filter ") == 2
    assert "6 more; --first 0 shows all" in ran.err
    first = ran.out.split("Filter ")[1]
    assert "rise" in first or "fall" in first
    assert run("explain", str(trained), "--first", "0").out.count("Filter ") == 8


def test_explain_as_json_has_all_of_them(run: Run, trained: Path) -> None:
    found = json.loads(run("explain", str(trained), "--json").out)
    assert found["task"] == "textcnn"
    assert len(found["tables"]) == 8
    assert {table["header"][0] for table in found["tables"]} == {"n-gram"}


def test_evaluate_on_other_texts(run: Run, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "more.tsv").write_text("label\ttext\nup\trise\ndown\tfall\nup\tfall\n", encoding="utf-8")
    found = json.loads(run("evaluate", str(trained), "--data", str(tmp_path / "more.tsv"), "--json").out)
    assert found["scores"]["test_accuracy"] == pytest.approx(2 / 3)


def test_what_cannot_be_explained(run: Run, finished: Path) -> None:
    ran = run("explain", str(finished))
    assert ran.code == 2
    assert "a run of digits has nothing to explain" in ran.err
    ran = run("explain", str(finished.parent / "rn"))
    assert ran.code == 3
    assert "there is no such run folder" in ran.err
    assert str(finished) in ran.err  # what was probably meant
