"""evaluate, predict, generate, plot, doctor: what is done with a run, and around it."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from chainrule.errors import MissingExtraError
from chainrule.tasks.digits_data import load_test
from chainrule.train import RunFolder

from .conftest import Run


def test_evaluate_says_what_training_said(run: Run, finished: Path) -> None:
    ran = run("evaluate", str(finished), "--json")
    found = json.loads(ran.out)
    assert (ran.code, ran.err, found["task"]) == (0, "", "digits")
    matrix = [row[1:] for row in found["tables"][1]["rows"]]
    right = sum(matrix[digit][digit] for digit in range(10))
    assert right / sum(map(sum, matrix)) == pytest.approx(found["scores"]["test_accuracy"])
    page = (finished / "report.html").read_text(encoding="utf-8")
    assert f"{found['scores']['test_accuracy']:.6g}" in page
    assert "test accuracy" in run("evaluate", str(finished)).out


def _lines(count: int) -> tuple[list[str], list[int]]:
    _, test = load_test(None)
    images = (test.images[:count] * 16).round().astype(int).reshape(count, -1)
    return [" ".join(map(str, image)) for image in images], test.labels[:count].tolist()


def _stdin(content: bytes) -> io.TextIOWrapper:
    """A standard input as a system in another language has it."""
    return io.TextIOWrapper(io.BytesIO(content), encoding="ascii", errors="surrogateescape")


def test_predict_takes_lines_a_file_and_the_standard_input(
    run: Run, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, _ = _lines(3)
    given = run("predict", str(finished), *lines)
    assert (given.code, given.err, len(given.out.splitlines())) == (0, "", 3)
    assert all(len(line.split("\t")) == 2 for line in given.out.splitlines())
    (tmp_path / "lines.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert run("predict", str(finished), "--file", "lines.txt").out == given.out
    for arguments in ((), ("--file", "-")):
        monkeypatch.setattr(sys, "stdin", _stdin("\r\n".join(lines).encode()))
        assert run("predict", str(finished), *arguments).out == given.out
    found = json.loads(run("predict", str(finished), *lines, "--json").out)
    assert [str(answer["digit"]) for answer in found["predictions"]] == [
        line.split("\t")[0] for line in given.out.splitlines()
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (
            ["1 2 3"],
            3,
            "error: line 1 has 3 numbers; an image of 8×8 has 64\n"
            "  mend:  give the pixels row by row, or the path of an IDX file\n",
        ),
        ([" ".join(["99"] * 64)], 3, "error: line 1 has pixels from 99 to 99; they lie in 0 … 16\n"),
        (["nowhere.idx"], 3, "error: no such file\n  where: nowhere.idx\n  mend:  check the path\n"),
        (
            ["--file", "nowhere.txt"],
            3,
            "error: no such file\n  where: nowhere.txt\n  mend:  check the path\n",
        ),
        (["1", "--file", "x"], 2, "error: lines are given and --file as well\n  mend:  give one of them\n"),
    ],
)
def test_predictions_that_cannot_be_made(
    run: Run, finished: Path, arguments: list[str], code: int, text: str
) -> None:
    ran = run("predict", str(finished), *arguments)
    assert (ran.code, ran.out, ran.err) == (code, "", text)


def test_no_input_at_all(run: Run, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", _stdin(b""))
    ran = run("predict", str(finished))
    assert (ran.code, ran.err) == (
        3,
        "error: there is nothing to predict from\n  mend:  give lines of input\n",
    )


def test_digits_write_no_text(run: Run, finished: Path) -> None:
    ran = run("generate", str(finished))
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: a run of digits writes no text\n")


def test_a_run_that_is_nearly_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "runs" / "digits-12").mkdir(parents=True)
    (tmp_path / "runs" / "digits-12" / "config.toml").write_text("", encoding="utf-8")
    assert "did you mean runs/digits-12?" in run("evaluate", "digits-12").err.replace("\\", "/")


def test_folders_that_are_no_runs(run: Run, tmp_path: Path) -> None:
    for command in ("evaluate", "predict", "generate"):
        ran = run(command, "nowhere")
        assert (ran.code, ran.err) == (
            3,
            "error: there is no such run folder\n  where: nowhere\n  mend:  name the folder of a run\n",
        )
    ran = run("evaluate", str(tmp_path))
    assert ran.code == 3
    assert "config.toml is missing" in ran.err
    (tmp_path / "config.toml").write_text('task = "chess"\n', encoding="utf-8")
    assert run("evaluate", str(tmp_path)).err.startswith("error: there is no task 'chess'")
    (tmp_path / "config.toml").write_text("x = 1\n", encoding="utf-8")
    assert run("evaluate", str(tmp_path)).code == 3


@pytest.mark.parametrize("name", ["model.safetensors", "network.json", "config.toml"])
def test_a_damaged_run_is_told(run: Run, finished: Path, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: len(content) // 2] + b"[")
    ran = run("evaluate", str(copy))
    assert (ran.code, ran.out) == (3, "")
    assert name in ran.err
    (copy / name).unlink()
    gone = run("evaluate", str(copy))
    assert gone.code == 3
    assert f"{name} is missing" in gone.err


def test_a_run_whose_configuration_does_not_fit_its_weights(run: Run, finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    config = (copy / "config.toml").read_text(encoding="utf-8")
    (copy / "config.toml").write_text(config.replace("16", "12"), encoding="utf-8")
    ran = run("evaluate", str(copy))
    assert ran.code == 3
    assert "the state does not fit Classifier:" in ran.err
    assert "shape" in ran.err


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["activations"], "activations.svg"),
        (["activations", "tanh", "relu", "--out", "two.svg"], "two.svg"),
        (["loss-surface"], "loss-surface.svg"),
        (["run", "RUN", "--out", "curves.svg"], "curves.svg"),
        (["layers", "RUN", "--out", "layers.svg"], "layers.svg"),
    ],
)
def test_figures(run: Run, finished: Path, tmp_path: Path, arguments: list[str], name: str) -> None:
    ran = run("plot", *(str(finished) if word == "RUN" else word for word in arguments))
    assert (ran.code, ran.out, ran.err) == (0, "", f"written to {name}\n")
    assert ElementTree.parse(tmp_path / name).getroot().tag.endswith("svg")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["activations", "--out", "x.doc"], 2),
        (["activations", "--out", "x.pdf"], 2),
        (["layers", "nowhere"], 3),
        (["activations", "--out", "nowhere/x.svg"], 3),
        (["run", "nowhere"], 3),
        (["surface"], 2),
    ],
)
def test_figures_that_cannot_be_drawn(run: Run, tmp_path: Path, arguments: list[str], code: int) -> None:
    ran = run("plot", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith("error: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("figure", ["run", "layers"])
def test_a_run_without_an_epoch_has_no_curves(run: Run, finished: Path, tmp_path: Path, figure: str) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(finished / "config.toml", copy)
    ran = run("plot", figure, str(copy))
    assert ran.code == 3
    assert "no epoch has ended yet" in ran.err


def test_doctor(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    ran = run("doctor", "--json")
    found = json.loads(ran.out)
    assert (ran.code, ran.err) == (0, "")
    assert "OMP_NUM_THREADS=1" in found["machine"]["BLAS threads"]
    assert found["machine"]["stepper's BLAS"] != "unknown"
    versions = {package["package"]: package["version"] for package in found["packages"]}
    assert all(versions[name] for name in ("numpy", "safetensors", "click", "rich", "scikit-learn"))
    assert found["places"][0]["writable"] is True
    text = run("doctor").out
    assert "Machine" in text
    assert "numpy" in text


def test_doctor_names_what_is_missing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "missing: pip install 'chainrule[draw]'" in run("doctor").out


def test_a_standard_input_that_is_no_text_is_refused_as_a_file_would_be(
    run: Run, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", _stdin(b"1 2 3\n4 \xff 5\n"))
    ran = run("predict", str(finished))
    assert (ran.code, ran.out) == (3, "")
    assert "bytes ff 20 35 0a are not utf-8" in ran.err
    assert "where: the standard input, line 2, byte 8\n  mend:  give the text in UTF-8\n" in ran.err


def test_lines_that_are_no_text_are_refused(run: Run, finished: Path, tmp_path: Path) -> None:
    ran = run("predict", str(finished), "1 2", "x\udcff = 1")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(
        "error: line 2 holds bytes that are no UTF-8\n  mend:  give the text in UTF-8\n"
    )
    ran = run("generate", str(finished), "--prompt", "\udcff")
    assert (ran.code, ran.err[:40]) == (2, "error: --prompt holds bytes that are no ")
    (tmp_path / "x\udcff.idx").write_bytes(bytes([0, 0, 8, 3]) + b"\0\0\0\1\0\0\0\x08\0\0\0\x08" + bytes(64))
    assert run("predict", str(finished), "x\udcff.idx").code == 0  # the name of a file may be any bytes


def test_the_standard_input_is_utf_8_wherever_it_comes_from(
    run: Run, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", _stdin("\ufeffgrün.idx\r\n".encode()))
    assert "where: grün.idx\n" in run("predict", str(finished)).err


@pytest.mark.parametrize("option", ["--temperature", "--top-p"])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_what_is_no_number_is_wrong_usage(run: Run, finished: Path, option: str, value: str) -> None:
    ran = run("generate", str(finished), option, value)
    assert (ran.code, ran.out) == (2, "")
    assert option in ran.err


@pytest.mark.parametrize("command", [["evaluate"], ["train", "digits", "--resume", "--out"]])
def test_a_configuration_cut_short_is_not_filled_up_with_defaults(
    run: Run, finished: Path, tmp_path: Path, command: list[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    whole = (copy / "config.toml").read_text(encoding="utf-8")
    (copy / "config.toml").write_text(whole.partition("[training]")[0], encoding="utf-8")
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    ran = run(*command, str(copy))
    assert (ran.code, ran.out) == (3, "")
    assert "config.toml lacks training.epochs, training.batch," in ran.err
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


@pytest.mark.parametrize("name", ["config.toml", "network.json"])
def test_a_folder_in_the_place_of_a_file(run: Run, finished: Path, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    (copy / name).unlink()
    (copy / name).mkdir()
    ran = run("evaluate", str(copy))
    assert (ran.code, ran.out) == (3, "")
    assert f"error: {name} cannot be read: " in ran.err


def test_a_run_whose_state_is_gone_is_not_begun_anew(run: Run, finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    (copy / "state.safetensors").unlink()
    best = (copy / "model.safetensors").read_bytes()
    ran = run("train", "digits", "--resume", "--out", str(copy), "--quiet")
    assert (ran.code, ran.out) == (3, "")
    assert "error: state.safetensors is missing" in ran.err
    assert (copy / "model.safetensors").read_bytes() == best


def test_an_empty_out_is_not_the_present_folder(run: Run, tmp_path: Path) -> None:
    ran = run("train", "digits", "--out", "")
    assert (ran.code, ran.err) == (2, "error: --out is empty\n  mend:  name a folder; . is the present one\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [["evaluate"], ["predict"], ["explain"]])
def test_a_run_trained_with_jax_is_used_without(
    run: Run, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    def missing() -> None:
        raise MissingExtraError("jax", "xla", "the engine xla")

    pixels = _lines(1)[0][0]
    more = {"evaluate": [], "predict": [pixels], "explain": ["--text", pixels]}[command[0]]
    there = run(*command, str(finished), *more)
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    text = (copy / "config.toml").read_text(encoding="utf-8")
    (copy / "config.toml").write_text(text.replace('"native"', '"xla"'), encoding="utf-8")
    monkeypatch.setattr(sys.modules["chainrule.compile"], "jax", missing)
    here = run(*command, str(copy), *more)
    assert (here.code, here.out) == (0, there.out)
    assert here.err.count("needs the package 'jax', which is not installed; here it is used with") == 1
    assert run("train", "digits", "--resume", "--quiet", "--out", str(copy)).code == 1


def test_a_run_older_than_a_setting_is_gone_on_with_as_it_was(
    run: Run, finished: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    older = (copy / "config.toml").read_text(encoding="utf-8").replace("linear_epochs = 20\n", "")
    (copy / "config.toml").write_text(older, encoding="utf-8")
    RunFolder(copy).write_manifest({})
    assert run("evaluate", str(copy)).code == 0
    (copy / "linear.safetensors").unlink()
    resumed = run("train", "digits", "--resume", "--out", str(copy), "--set", "training.epochs=3", "--json")
    assert (resumed.code, "test_linear_accuracy" in json.loads(resumed.out)["scores"]) == (0, False)
