"""A text classifier from the command line: trained on a file, then used and explained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chainrule.cli.main import main
from chainrule.tasks.labelled_text import Split
from chainrule.tasks.text_classification import TextClassifier

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


def test_ctrl_c_between_folds_says_what_is_kept(
    run: Run, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fold = TextClassifier.fit_linear
    done = []

    def second(system: TextClassifier, split: Split) -> None:
        done.append(fold(system, split))
        if len(done) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(TextClassifier, "fit_linear", second)
    settings = [word for setting in (*SETTINGS, "data.folds=3") for word in ("--set", setting)]
    data = str(trained.parent / "moves.tsv")
    ran = run("train", "textcnn", "-q", "--data", data, "--out", "run", *settings)
    assert (ran.code, ran.out) == (130, "")
    kept, command = ran.err.strip().splitlines()
    assert kept.startswith("interrupted; kept are classes.json, config.toml, folds.json, ")
    assert command.strip() == "chainrule train textcnn --out run --resume"
    assert len(json.loads((tmp_path / "run" / "folds.json").read_text())) == 1
    ran = run(*command.split()[1:])
    assert ran.code == 0
    assert [line[:9] for line in ran.err.splitlines() if line.startswith("fold ")] == [
        "fold 2 of",
        "fold 3 of",
    ]


@pytest.mark.parametrize(
    ("task", "content", "mend"),
    [
        ("textcnn", b"label\ttext\nup\tcaf\xe9\n", "for example --set data.encoding=latin-1\n"),
        ("pos", b"caf\xe9 NOUN\n", "for example --set data.encoding=latin-1\n"),
        ("ner", b"caf\xe9 B-X\n", "for example --set data.encoding=latin-1\n"),
        ("lm", b"caf\xe9\n", "for example --set data.encoding=latin-1\n"),
        ("word2vec", b"caf\xe9\n", "for example --set data.encoding=latin-1\n"),
        ("lm", "\ufeffcafé\n".encode("utf-16-le"), "mend:  --set data.encoding=utf-16\n"),
    ],
)
def test_the_mend_for_another_encoding_is_a_setting(
    run: Run, tmp_path: Path, task: str, content: bytes, mend: str
) -> None:
    (tmp_path / "data.tsv").write_bytes(content)
    ran = run("train", task, "--data", "data.tsv")
    assert ran.code == 3
    assert mend in ran.err
    assert "encoding='" not in ran.err


def test_what_cannot_be_explained(run: Run, finished: Path) -> None:
    ran = run("explain", str(finished))
    assert ran.code == 2
    assert (
        "a run of digits as a whole has nothing to explain\n  mend:  give an example: --text TEXT" in ran.err
    )
    ran = run("explain", str(finished.parent / "rn"))
    assert ran.code == 3
    assert "there is no such run folder" in ran.err
    assert str(finished) in ran.err  # what was probably meant
