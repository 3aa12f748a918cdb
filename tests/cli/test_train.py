from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from chainrule.cli.train import _check_seed, _elsewhere
from chainrule.data import write_atomically
from chainrule.errors import ConfigurationError, DataError
from chainrule.tasks import TASKS
from chainrule.train import RunFolder
from chainrule.train.configuration import resolve

from .conftest import QUICK, Run

FILES = {
    "config.toml",
    "confusion.csv",
    "curves.svg",
    "images.svg",
    "layers.jsonl",
    "layers.svg",
    "linear.safetensors",
    "manifest.json",
    "metrics.jsonl",
    "model.safetensors",
    "network.json",
    "report.html",
    "state.safetensors",
}


def test_a_run_leaves_a_whole_folder(run: Run, tmp_path: Path) -> None:
    ran = run("train", "digits", *QUICK)
    assert ran.code == 0
    folder = tmp_path / "runs" / "digits-1"
    assert {path.name for path in folder.iterdir()} == FILES
    assert ran.err.splitlines()[-1] == (
        "the run is in runs/digits-1; use it with  chainrule evaluate|predict runs/digits-1"
    )
    assert "64-16-16-10, sigmoid: 1,482 parameters" in ran.err
    assert [line.split()[:2] for line in ran.err.splitlines() if line.startswith("epoch")] == [
        ["epoch", "1"],
        ["epoch", "2"],
    ]
    assert ran.out.startswith("digits: 64-16-16-10, sigmoid\n")
    assert "1,482 parameters" in ran.out
    config = tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))
    assert (config["task"], config["training"]["epochs"], config["model"]["hidden"]) == (
        "digits",
        2,
        [16, 16],
    )
    assert ElementTree.parse(folder / "curves.svg").getroot().tag.endswith("svg")
    assert "Confusion matrix" in (folder / "report.html").read_text(encoding="utf-8")
    assert json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["stopped"] == "epochs"
    assert len((folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_runs_are_numbered(run: Run, tmp_path: Path) -> None:
    (tmp_path / "runs" / "digits-7").mkdir(parents=True)
    (tmp_path / "runs" / "digits-old").mkdir()
    assert run("train", "digits", "-q", *QUICK).err == ""
    assert (tmp_path / "runs" / "digits-8" / "model.safetensors").is_file()


def test_json_is_alone_on_the_standard_output(run: Run) -> None:
    ran = run("train", "digits", "--json", *QUICK)
    found = json.loads(ran.out)
    assert (ran.code, ran.out.count("\n"), found["task"], found["run"]) == (0, 1, "digits", "runs/digits-1")
    assert found["scores"]["parameters"] == 1482
    assert [record["epoch"] for record in found["records"]] == [1, 2]
    assert "epoch 2" in ran.err


def test_the_seed_decides_everything(run: Run, tmp_path: Path) -> None:
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        arguments = ("--seed", seed, "--out", name, "--set", "model.dropout=0.2")
        assert run("train", "digits", "-q", *arguments, *QUICK).code == 0
    a, b, c = ((tmp_path / name / "model.safetensors").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_a_configuration_file_and_what_overrides_it(run: Run, tmp_path: Path) -> None:
    shown = run("train", "digits", "--show-config", "--set", "model.hidden=[8]", "--seed", "5").out
    (tmp_path / "mine.toml").write_text(shown, encoding="utf-8")
    again = run("train", "digits", "--config", "mine.toml", "--set", "training.batch=7", "--show-config").out
    found = tomllib.loads(again)
    assert found["model"]["hidden"] == [8]
    assert (found["training"]["seed"], found["training"]["batch"]) == (5, 7)
    assert {path.name for path in tmp_path.iterdir()} == {"mine.toml"}


def test_a_section_is_called_by_its_kind_and_its_source(run: Run) -> None:
    words = ("--set", "model=cnn", "--set", "data=mnist", "--set", "model.hidden=[8]")
    found = tomllib.loads(run("train", "digits", "--show-config", *words).out)
    assert (found["model"]["kind"], found["model"]["hidden"]) == ("cnn", [8])
    assert found["data"]["source"] == "mnist"


@pytest.mark.parametrize("task", TASKS)
def test_every_task_s_settings_are_shown_and_read_again(run: Run, tmp_path: Path, task: str) -> None:
    shown = run("train", task, "--show-config")
    assert (shown.code, shown.err) == (0, "")
    (tmp_path / "mine.toml").write_text(shown.out, encoding="utf-8")
    assert resolve(TASKS[task].Config, file=tmp_path / "mine.toml", task=task) == TASKS[task].Config()


def test_what_a_setting_leaves_out_is_as_the_task_has_it(run: Run) -> None:
    plain = tomllib.loads(run("train", "digits", "--show-config").out)
    found = tomllib.loads(run("train", "digits", "--show-config", "--set", "training.patience=4").out)
    assert found["training"] == {**plain["training"], "patience": 4}
    assert plain["optimizer"]["schedule"] == "linear"


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ([], 2, f"error: which task?\n  mend:  chainrule train {'|'.join(TASKS)}\n"),
        (["digit"], 2, "error: there is no task 'digit'\n  mend:  did you mean digits?\n"),
        (
            ["digits", "--epochs", "3"],
            2,
            "error: no such option '--epochs'\n  mend:  --set training.epochs=…\n",
        ),
        (
            ["digits", "--set", "training.epoch=3"],
            2,
            "error: there is no setting 'training.epoch'\n  mend:  did you mean training.epochs?\n",
        ),
        (
            ["digits", "--set", "training=3"],
            2,
            "error: there is no setting 'training'\n  mend:  it is a section: training.epochs, ",
        ),
        (
            ["digits", "--set", "model.hidden=16"],
            2,
            "error: model.hidden: expected `array`, got `int`\n"
            "  mend:  for example --set 'model.hidden=[16,16]'\n",
        ),
        (
            ["digits", "--set", "model.hidden=[8,0]"],
            2,
            "error: model.hidden[1]: expected `int` >= 1\n"
            "  mend:  for example --set 'model.hidden=[16,16]'\n",
        ),
        (
            ["digits", "--set", "model.activation=sigmod"],
            2,
            "error: model.activation: invalid enum value 'sigmod'\n  mend:  did you mean sigmoid?\n",
        ),
        (
            ["digits", "--set", "model=rnn"],
            2,
            "error: model.kind: invalid enum value 'rnn'\n  mend:  choose one of: mlp, cnn\n",
        ),
        (
            ["digits", "--set", "optimizer.learning_rate=-1"],
            2,
            "error: optimizer.learning_rate: expected `float` > 0.0\n"
            "  mend:  for example --set optimizer.learning_rate=0.006\n",
        ),
        (
            ["digits", "--set", "training.epochs"],
            2,
            "error: 'training.epochs' is no setting\n  mend:  write section.key=value\n",
        ),
        (
            ["digits", "--data", "nowhere"],
            3,
            "error: no such file, folder or named source\n  where: nowhere\n  mend:  the named sources are ",
        ),
        (
            ["digits", "--config", "nowhere.toml"],
            3,
            "error: the configuration cannot be read: No such file or directory\n  where: nowhere.toml\n",
        ),
        (
            ["digits", "--resume"],
            3,
            "error: there is no run of digits to resume\n  where: runs\n"
            "  mend:  name its folder with --out\n",
        ),
        (
            ["digits", "--resume", "--out", "nowhere"],
            3,
            "error: there is no run to resume\n  where: nowhere\n  mend:  leave out --resume to begin one\n",
        ),
        (
            ["digits", "--resume", "--seed", "1"],
            2,
            "error: --resume goes on with the seed of the run\n  mend:  leave out --seed\n",
        ),
        (
            ["digits", "--resume", "--config", "x.toml"],
            2,
            "error: --resume goes on with the configuration of the run\n  mend:  leave out --config\n",
        ),
        (
            ["digits", "--set", "model.kind=cnn", "--set", "model.filters=[4,4,4,4]"],
            1,
            "error: 4 stages of pooling leave nothing of images of 8×8\n",
        ),
    ],
)
def test_errors_leave_nothing_behind(
    run: Run, tmp_path: Path, arguments: list[str], code: int, text: str
) -> None:
    ran = run("train", *arguments)
    assert (ran.code, ran.out) == (code, "")
    before, sign, told = ran.err.partition("error: ")
    assert f"{sign}{told}".startswith(text)
    assert all(line.startswith("reading ") for line in before.splitlines())
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_is_not_there(run: Run) -> None:
    ran = run("train", "digits", "--engine", "steppe")
    assert ran.code == 2
    assert "'steppe'" in ran.err
    assert "stepper" in ran.err


def test_a_folder_that_holds_a_run_is_not_overwritten(run: Run, finished: Path) -> None:
    before = (finished / "model.safetensors").stat()
    ran = run("train", "digits", "--out", str(finished))
    assert ran.code == 2
    assert ran.err == (
        f"error: there is a run in this folder already\n  where: {finished}\n"
        "  mend:  continue it with --resume, or choose another --out\n"
    )
    assert (finished / "model.safetensors").stat() == before


def test_a_configuration_for_another_task(run: Run, finished: Path) -> None:
    ran = run("train", "lm", "--config", str(finished / "config.toml"))
    assert ran.code == 2
    assert ran.err.startswith("error: the configuration is for the task 'digits', not 'lm'\n")


def test_a_file_that_is_no_configuration(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("training = {epochs\n", encoding="utf-8")
    ran = run("train", "digits", "--config", "mine.toml")
    assert ran.code == 2
    assert ran.err.startswith("error: the configuration is no TOML: ")
    assert "line 1" in ran.err


def test_the_place_of_a_run_is_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "here").write_text("", encoding="utf-8")
    assert run("train", "digits", "--out", "here").code == 3
    (tmp_path / "runs").write_text("", encoding="utf-8")
    assert run("train", "digits").code == 3
    assert {path.name for path in tmp_path.iterdir()} == {"here", "runs"}


def _idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


def test_loss_that_is_not_finite_ends_the_run(run: Run, tmp_path: Path) -> None:
    ran = run("train", "digits", "-q", "--out", "r", *QUICK, "--set", "optimizer.rule=sgd",
              "--set", "optimizer.learning_rate=1e38", "--set", "model.activation=relu")  # fmt: skip
    assert ran.code == 1
    assert "is not finite; nothing was updated" in ran.err
    assert "lower the learning rate, or clip the gradients (--set optimizer.clip_norm=1.0)" in ran.err
    assert "Traceback" not in ran.err
    assert RunFolder(tmp_path / "r").config()["task"] == "digits"


def test_a_malformed_file_is_named(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    images, labels = np.zeros((30, 4, 4)), np.arange(30) % 10
    for part in ("train", "t10k"):
        write_atomically(folder / f"{part}-images-idx3-ubyte", _idx(images))
        write_atomically(folder / f"{part}-labels-idx1-ubyte", _idx(labels))
    assert run("train", "digits", "--data", "data", "-q", "--out", "a", *QUICK).code == 0
    write_atomically(folder / "train-labels-idx1-ubyte", _idx(labels)[:-5])
    ran = run("train", "digits", "--data", "data", "--out", "b")
    assert (ran.code, ran.out) == (3, "")
    assert "data/train-labels-idx1-ubyte, byte 8" in ran.err.replace("\\", "/")
    assert not (tmp_path / "b").exists()


def test_resume_without_a_folder_takes_the_last_run(run: Run, tmp_path: Path) -> None:
    for _ in range(2):
        assert run("train", "digits", "-q", *QUICK).code == 0
    assert run("train", "digits", "-q", "--resume", "--set", "training.epochs=3").code == 0
    done = [len(RunFolder(tmp_path / "runs" / f"digits-{number}").metrics()) for number in (1, 2)]
    assert done == [2, 3]
    assert RunFolder(tmp_path / "runs" / "digits-2").config()["training"] == {
        **RunFolder(tmp_path / "runs" / "digits-1").config()["training"],
        "epochs": 3,
    }


def test_resuming_with_another_network_is_refused(run: Run, finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "copy")
    before = {path.name: path.read_bytes() for path in (tmp_path / "copy").iterdir()}
    ran = run("train", "digits", "-q", "--resume", "--out", "copy", "--set", "model.hidden=[4]")
    assert ran.code == 3
    assert "the state does not fit" in ran.err
    assert {path.name: path.read_bytes() for path in (tmp_path / "copy").iterdir()} == before


def test_ctrl_c_before_there_is_anything_to_save(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(path: str | None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("chainrule.tasks.digits.load_digits", interrupt)
    ran = run("train", "digits")
    assert (ran.code, ran.out, ran.err) == (
        130,
        "",
        "reading sklearn-digits\n\ninterrupted before anything was saved\n",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_result_is_shown_where_its_pages_find_no_place(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write = RunFolder.write_text

    def full(folder: RunFolder, name: str, text: str) -> None:
        if name == "confusion.csv":
            raise DataError("cannot be written: No space left on device", path=name)
        write(folder, name, text)

    monkeypatch.setattr(RunFolder, "write_text", full)
    ran = run("train", "digits", "-q", *QUICK)
    assert (ran.code, ran.err.splitlines()[0]) == (3, "error: cannot be written: No space left on device")
    assert "test accuracy" in ran.out


def test_what_a_run_was_warned_of_stands_in_its_json(run: Run) -> None:
    far = [
        "--set",
        "optimizer.learning_rate=100",
        "--set",
        "training.epochs=12",
        "--set",
        "training.patience=0",
    ]
    ran = run("train", "digits", "--json", "-q", *far)
    assert ran.code == 0
    assert "rate-high" in {alarm["code"] for alarm in json.loads(ran.out)["alarms"]}


@pytest.mark.parametrize(
    ("mesh", "devices", "left"),
    [
        ("data=2,model=2", 4, "data=2,model=2"),
        ("data=2,model=2", 2, None),
        ("data=4", 0, None),
        (None, 4, None),
    ],
)
def test_a_run_goes_on_with_its_mesh_where_as_many_devices_are(
    mesh: str | None, devices: int, left: str | None
) -> None:
    settings = [] if mesh is None else [f'training.mesh="{mesh}"']
    begun = resolve(TASKS["lm"].Config, settings=settings)
    assert _elsewhere(begun, devices).training.mesh == left


def test_a_run_goes_on_with_the_seed_that_it_was_begun_with() -> None:
    begun = TASKS["digits"].Config()
    _check_seed(begun, None)
    _check_seed(begun, begun.training.seed)
    with pytest.raises(ConfigurationError, match="begun with the seed 0, not 7"):
        _check_seed(begun, 7)
