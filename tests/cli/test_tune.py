"""``chainrule tune``: from a task and a space to the best configuration and a page."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from chainrule.cli import tune as command
from chainrule.cli.main import main
from chainrule.errors import NonFiniteError
from chainrule.tasks import TASKS
from chainrule.train.tuning.worker import Tuner

from .conftest import Run

SETTINGS = (
    "--set", "training.epochs=2", "--set", "training.batch=256", "--set", "training.invariants=false",
    "--only", "--space", "optimizer.learning_rate=1e-3..1e-1:log", "--space", "model.hidden=1..2x8..32",
)  # fmt: skip
FILES = {
    "best.toml", "courses.svg", "history.svg", "journal.log", "journal.log.lock", "report.html", "slices.svg",
    "study.csv", "study.id", "study.lock", "trials", "workers",
}  # fmt: skip


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study of three trials, not to be changed."""
    path = tmp_path_factory.mktemp("studied") / "study"
    assert main(["tune", "digits", "--quiet", "--study", str(path), "--trials", "3", *SETTINGS]) == 0
    return path


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "study.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_study_leaves_a_whole_folder(studied: Path) -> None:
    assert {path.name for path in studied.iterdir()} == FILES
    assert list((studied / "workers").iterdir()) == []
    assert sorted(path.name for path in (studied / "trials").iterdir()) == ["0000", "0001", "0002"]
    assert not (studied / "trials" / "0000" / "linear.safetensors").exists(), "no comparisons in trials"
    trials = rows(studied)
    assert [row["state"] for row in trials] == ["complete"] * 3
    assert (trials[0]["optimizer.learning_rate"], trials[0]["model.hidden.layers"]) == ("0.006", "2")
    for row in trials:
        lines = (studied / "trials" / f"{int(row['trial']):04d}" / "metrics.jsonl").read_text("utf-8")
        scores = [json.loads(line)["validation_accuracy"] for line in lines.splitlines()]
        assert float(row["validation_accuracy"]) == max(scores)
    for name in ("history.svg", "slices.svg", "courses.svg"):
        assert ElementTree.parse(studied / name).getroot().tag.endswith("svg")
    page = (studied / "report.html").read_text(encoding="utf-8")
    for heading in (
        "Best",
        "Course",
        "Settings",
        "Trials",
        "All trials",
        "Search space",
        "Best configuration",
    ):
        assert f"<h2>{heading}</h2>" in page
    assert "3 trials: 3 finished" in page


def test_the_best_configuration_can_be_trained(studied: Path, run: Run) -> None:
    best = tomllib.loads((studied / "best.toml").read_text(encoding="utf-8"))
    top = max(rows(studied), key=lambda row: float(row["validation_accuracy"]))
    assert best["task"] == "digits"
    assert best["linear_epochs"] == 20
    assert best["optimizer"]["learning_rate"] == float(top["optimizer.learning_rate"])
    units = int(top["model.hidden.units"])
    assert best["model"]["hidden"] == [units] * int(top["model.hidden.layers"])
    ran = run("train", "digits", "--config", str(studied / "best.toml"), "--out", "best", "--json", "--quiet")
    assert ran.code == 0
    records = json.loads(ran.out)["records"]
    assert max(record["validation_accuracy"] for record in records) == float(top["validation_accuracy"])


def test_a_study_is_gone_on_with(run: Run) -> None:
    first = run("tune", "digits", "--trials", "1", *SETTINGS)
    assert first.code == 0
    assert first.err.splitlines()[0].startswith("trial 0  0.")
    assert " best  " in first.err.splitlines()[0]
    assert first.err.splitlines()[-3:] == [
        "1 trials: 1 finished; report.html, study.csv and best.toml are in studies/digits-1",
        "  chainrule train digits --config studies/digits-1/best.toml",
        "  chainrule tune digits --study studies/digits-1 --trials 2",
    ]
    assert first.out.splitlines()[0] == "Finished trials"
    again = run("tune", "digits", "--study", "studies/digits-1")
    assert (again.code, again.out) == (0, first.out)
    more = run("tune", "digits", "--study", "studies/digits-1", "--trials", "2", "--json", "-q")
    assert (more.code, more.err) == (0, "")
    found = json.loads(more.out)
    assert [trial["trial"] for trial in found["trials"]] == [0, 1]
    assert found["best"]["value"] == max(trial["validation_accuracy"] for trial in found["trials"])
    assert (found["task"], found["study"], found["score"]) == (
        "digits",
        "studies/digits-1",
        "validation_accuracy",
    )


def test_the_same_seed_gives_the_same_study(studied: Path, run: Run) -> None:
    assert run("tune", "digits", "-q", "--study", "again", "--trials", "3", *SETTINGS).code == 0
    timeless = [{k: v for k, v in row.items() if k != "seconds"} for row in rows(studied)]
    assert [{k: v for k, v in row.items() if k != "seconds"} for row in rows(Path("again"))] == timeless
    assert Path("again/best.toml").read_bytes() == (studied / "best.toml").read_bytes()
    weights = Path("trials/0002/model.safetensors")
    assert ("again" / weights).read_bytes() == (studied / weights).read_bytes()
    assert (
        run("tune", "digits", "-q", "--study", "other", "--trials", "3", *SETTINGS, "--seed", "1").code == 0
    )
    assert rows(Path("other"))[1]["optimizer.learning_rate"] != rows(studied)[1]["optimizer.learning_rate"]


def test_ctrl_c_keeps_the_trial(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = Tuner._trained

    def stopped(self: Any, trial: Any) -> Any:
        value = trained(self, trial)
        if trial.number == 1:
            raise KeyboardInterrupt
        return value

    with monkeypatch.context() as patched:
        patched.setattr(Tuner, "_trained", stopped)
        ran = run("tune", "digits", "--study", "study", "--trials", "2", *SETTINGS)
    assert ran.code == 130
    assert "interrupted; the trial is saved and queued again" in ran.err
    assert ran.err.endswith("Go on with\n  chainrule tune digits --study study\n")
    more = run("tune", "digits", "--study", "study")
    assert more.code == 0
    assert "trial 2 goes on from 1, which was interrupted" in more.err
    assert [row["state"] for row in rows(Path("study"))] == ["complete", "interrupted", "complete"]


def test_a_trial_that_diverges_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    train = TASKS["digits"].train
    folders: list[str] = []

    def diverges(config: Any, data: Any, folder: Any, **options: Any) -> Any:
        folders.append(folder.path.name)
        if folder.path.name == "0001":
            raise NonFiniteError("the loss is inf", mend="a smaller rate")
        return train(config, data, folder, **options)

    monkeypatch.setattr(TASKS["digits"], "train", diverges, raising=False)
    ran = run("tune", "digits", "--study", "study", "--trials", "3", *SETTINGS)
    assert ran.code == 0
    assert "trial 1  failed: NonFiniteError: the loss is inf" in ran.err
    assert "3 trials: 2 finished, 1 failed" in ran.err
    assert rows(Path("study"))[1]["reason"] == "NonFiniteError: the loss is inf"


def test_what_would_be_searched_is_shown(run: Run) -> None:
    ran = run("tune", "digits", "--show-space", "--set", "model.dropout=0", "--space", "training.batch=16,32")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "optimizer.rule=adam,sgd,momentum,adagrad,rmsprop,adamw",
        "optimizer.learning_rate=0.0002..0.2:log",
        "optimizer.momentum=0.8..0.99",
        "model.activation=auto,relu,gelu,silu,tanh,sigmoid",
        "model.hidden=1..3x4..64:log",
        "training.batch=16,32",
    ]
    assert not Path("studies").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        ((), 2, "which task?\n  mend:  chainrule tune lm|digits|"),
        (("digts",), 2, "there is no task 'digts'\n  mend:  did you mean digits?"),
        (("digits", "--trials", "0"), 2, "'--trials': 0 is not in the range"),
        (("digits", "--seconds", "nan"), 2, "nan is not finite"),
        (("digits", "--space", "training.bach=1,2"), 2, "did you mean training.batch"),
        (("digits", "--only"), 2, "there is nothing to search"),
        (("digits", "--learning-rate", "1"), 2, "--set optimizer.learning_rate=…"),
        (("digits", "--data", "/nowhere"), 3, "no such file, folder or named source"),
        (("digits", "--study", "sqlite:///x.db"), 2, "chainrule tune --serve sqlite:///x.db"),
        (("digits", "--study", "grpc://here"), 2, "is no address of a study"),
        (("digits", "--study", ""), 2, "are not empty"),
        (("digits", "--out", "x"), 2, "--out goes with a study behind a proxy"),
        (("digits", "--host", "x"), 2, "--host and --port go with --serve"),
        (("digits", "--serve", "sqlite:///x.db"), 2, "--serve takes no task"),
        (("--serve", "nonsense"), 2, "is no address of a database"),
    ],
)
def test_mistakes_are_told_and_leave_nothing(
    run: Run, arguments: tuple[str, ...], code: int, what: str, tmp_path: Path
) -> None:
    ran = run("tune", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert what in ran.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("pos",), "the study is of the task 'digits', not 'pos'"),
        (("digits", "--set", "training.epochs=3"), "training.epochs is 2 there, and 3 here"),
        (("digits", "--seed", "9"), "training.seed is 0 there, and 9 here"),
        (("digits", "--space", "training.batch=1,2", "--only"), "optimizer.learning_rate is"),
        (("digits", "--no-pruning"), "the study gives up bad trials early"),
    ],
)
def test_another_study_is_not_gone_on_with(
    studied: Path, run: Run, arguments: tuple[str, ...], what: str
) -> None:
    before = (studied / "journal.log").read_bytes()
    ran = run("tune", *arguments, "--study", str(studied))
    assert ran.code == 2
    assert what in ran.err
    assert (studied / "journal.log").read_bytes() == before


def test_the_same_words_go_on_with_the_same_study(studied: Path, run: Run) -> None:
    ran = run("tune", "digits", "--quiet", "--study", str(studied), "--trials", "3", *SETTINGS)
    assert (ran.code, ran.err) == (0, "")


def test_folders_that_are_no_studies_stay_as_they_are(run: Run, finished: Path) -> None:
    before = {path: path.read_bytes() for path in finished.iterdir()}
    ran = run("tune", "digits", "--study", str(finished))
    assert ran.code == 2
    assert "the folder has no study in it, and is not empty" in ran.err
    assert {path: path.read_bytes() for path in finished.iterdir()} == before
    Path("file").write_text("x", encoding="ascii")
    assert run("tune", "digits", "--study", "file").code == 3


def test_no_result_yet_is_told(run: Run) -> None:
    ran = run("tune", "digits", "--study", "study", "--seconds", "0", *SETTINGS)
    assert ran.code == 1
    assert "no trial has come to a result yet" in ran.err


def test_without_optuna_it_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.train.tuning.storage.find_spec", lambda name: None)
    ran = run("tune", "digits")
    assert (ran.code, "pip install 'chainrule[tune]'" in ran.err) == (1, True)
    assert not Path("studies").exists()


def test_the_package_is_imported_only_when_a_study_is_opened() -> None:
    assert command.tune.name == "tune"
    loaded = "import sys, chainrule.cli.main; sys.exit('optuna' in sys.modules or 'grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], check=False).returncode == 0
