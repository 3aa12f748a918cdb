"""Processes that train together learn what one learns alone, and all of them say what is wrong."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule
from chainrule.engines.xla import Place
from chainrule.engines.xla.processes import VARIABLE, Team
from chainrule.errors import ConfigurationError
from chainrule.train import RunFolder

pytestmark = pytest.mark.xla

SMALL = [
    "training.batch=64", "training.invariants=false", "training.epochs=3", "model.history=0",
    "model.width=64", "model.hidden=256", "ngram_order=2", "optimizer.rule=momentum",
    "optimizer.learning_rate=0.1", "optimizer.schedule=constant",
]  # fmt: skip
"""With a hidden layer that is large enough to be split."""


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    drawn = random.Random(0)
    words = ["the", "a", "cat", "dog", "sat", "ran", "on", "under", "mat", "tree", "big", "small", "red"]
    lines = [" ".join(drawn.choices(words, k=12)) + "." for _ in range(700)]
    file = tmp_path_factory.mktemp("text") / "tiny.txt"
    file.write_text("\n".join(lines))
    return file


def train(text: Path, out: Path, *more: str, place: dict[str, Any] | None = None, devices: int = 1) -> Any:
    """A process that trains; where it is one of several, ``place`` says which."""
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": str(devices), "PYTHONHASHSEED": "random"}
    environment["PYTHONPATH"] = str(Path(chainrule.__file__).parents[1])
    if place is not None:
        environment[VARIABLE] = json.dumps(place)
    settings = [part for setting in SMALL for part in ("--set", setting)]
    command = [sys.executable, "-m", "chainrule", "train", "lm", "--data", str(text), "--out", str(out)]
    # A child ignores Ctrl-C where its parent does, as one in the background: not while this one is begun.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [*command, *settings, "--quiet", *more],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=out.parent,
        )  # fmt: skip
    finally:
        signal.signal(signal.SIGINT, before)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def together(
    texts: Sequence[Path], out: Path, *more: str, devices: Sequence[int] = (1, 1), **place: Any
) -> list[tuple[int, str]]:
    """One process for each text, with so many devices: exit codes and what they said."""
    where = {"coordinator": f"127.0.0.1:{free_port()}", "processes": len(texts), **place}
    begun = [
        train(text, out, *more, place={**where, "index": index}, devices=count)
        for index, (text, count) in enumerate(zip(texts, devices, strict=True))
    ]
    said = [process.communicate(timeout=240)[0] for process in begun]
    return [(process.returncode, words) for process, words in zip(begun, said, strict=True)]


def losses(folder: Path) -> list[float]:
    return [record["loss"] for record in RunFolder(folder).metrics()]


@pytest.fixture(scope="module")
def alone(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone") / "run"
    process = train(text, out, "--engine", "xla")
    words = process.communicate(timeout=240)[0]
    assert process.returncode == 0, words
    return out


def test_two_processes_learn_what_one_learns_and_others_go_on_from_there(
    text: Path, tmp_path: Path, alone: Path
) -> None:
    out = tmp_path / "run"
    ended = together([text, text], out, "--set", "training.epochs=2")
    assert [code for code, _ in ended] == [0, 0], ended
    assert "test perplexity" in ended[0][1]
    assert "test perplexity" not in ended[1][1], "one of them speaks to the user"
    np.testing.assert_allclose(losses(out), losses(alone)[:2], rtol=1e-5)
    # One more epoch, as after a restart, on twice as many devices in another arrangement.
    ended = together([text, text], out, "--mesh", "data=2,model=2", devices=(2, 2), generation=1)
    assert [code for code, _ in ended] == [0, 0], ended
    np.testing.assert_allclose(losses(out), losses(alone), rtol=1e-5)
    ours, theirs = RunFolder(out).load_model()[0], RunFolder(alone).load_model()[0]
    for name, weight in theirs.items():
        np.testing.assert_allclose(ours[name], weight, atol=1e-5, err_msg=name)
    assert not [path for path in tmp_path.iterdir() if path != out], "nobody else writes"


def test_a_finished_run_is_not_begun_again(text: Path, alone: Path) -> None:
    before = {file.name: file.read_bytes() for file in alone.iterdir()}
    for code, words in together([text, text], alone):
        assert code == 2
        assert "there is a run in this folder already" in words
    assert {file.name: file.read_bytes() for file in alone.iterdir()} == before


def test_a_run_that_was_cut_short_before_its_report_goes_on(text: Path, tmp_path: Path, alone: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(alone, out)
    (out / "report.html").unlink()
    ended = together([text, text], out)
    assert [code for code, _ in ended] == [0, 0], ended
    assert (out / "report.html").exists()
    assert losses(out) == losses(alone)


def test_ctrl_c_in_one_of_them_stops_all_after_the_state_is_saved(text: Path, tmp_path: Path) -> None:
    port, out = free_port(), tmp_path / "run"
    places = [
        {
            "coordinator": f"127.0.0.1:{port}",
            "processes": 2,
            "index": index,
            "progress": str(tmp_path / f"progress-{index}"),
        }
        for index in range(2)
    ]
    begun = [train(text, out, "--set", "training.epochs=100000", place=place) for place in places]
    while not (tmp_path / "progress-1").exists() or "batch" not in (tmp_path / "progress-1").read_text():
        assert all(process.poll() is None for process in begun)
        time.sleep(0.2)
    begun[1].send_signal(signal.SIGINT)
    said = [process.communicate(timeout=120)[0] for process in begun]
    assert [process.returncode for process in begun] == [130, 130], said
    assert "interrupted; the state is saved. Launch it again to go on" in said[0]
    position = RunFolder(out).load_state()[2]["position"]
    assert position["epoch"] + position["batch"] > 0


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--mesh", "data=4"], "the mesh data=4 is of 4 devices, and there are 2 (cpu) in 2 processes"),
        (["--set", 'training.mesh="data=4"'], "the mesh data=4 is of 4 devices, and there are 2"),
        (["--mesh", "data=1"], "all of them take part: --mesh data=2"),
        (["--set", "training.batch=63"], "batch of 63 rows cannot be split evenly over data=2"),
        (["--engine", "native"], "the engine 'native' runs on no mesh"),
    ],
)
def test_each_process_says_what_is_wrong(text: Path, tmp_path: Path, more: list[str], says: str) -> None:
    for code, words in together([text, text], tmp_path / "run", *more):
        assert code == 2
        assert says in words
        assert "Traceback" not in words
    assert not (tmp_path / "run").exists()


def test_processes_with_unlike_numbers_of_devices_are_told(text: Path, tmp_path: Path) -> None:
    for code, words in together([text, text], tmp_path / "run", devices=(2, 1)):
        assert code == 2
        assert "the processes have different numbers of devices: 2, 1" in words


def test_other_data_on_another_host_is_noticed_by_all(text: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text(text.read_text().replace("cat", "cow"))
    for code, words in together([text, other], tmp_path / "run"):
        assert code == 2
        assert "the training data of process 1 is not that of process 0" in words


def test_a_process_that_finds_nobody_says_so(text: Path, tmp_path: Path) -> None:
    place = {"coordinator": f"127.0.0.1:{free_port()}", "processes": 2, "index": 1, "wait": 1}
    process = train(text, tmp_path / "run", place=place)
    words = process.communicate(timeout=60)[0]
    assert process.returncode == 75, "worth another try"
    assert "process 0 could not be reached" in words
    assert "Traceback" not in words


def test_a_place_that_is_damaged_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, '{"coordinator": "x:1"}')
    with pytest.raises(ConfigurationError, match=f"{VARIABLE} is damaged"):
        Place.here()


def test_one_alone_agrees_with_itself() -> None:
    team = Team()
    assert team.leads
    assert team.first_bytes(b"abc") == b"abc"
    team.same("the weather", b"", "wait")
    team.meet()
