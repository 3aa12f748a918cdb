"""Runs of the command line in processes of their own, killed, interrupted, and resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import chainrule
from chainrule.train import RunFolder
from chainrule.train.tensors import load_tensors

SETTINGS = (
    "--set", "training.epochs=60",
    "--set", "training.batch=32",
    "--set", "training.plateau=2",
    "--set", "model.dropout=0.2",
    "--set", "optimizer.schedule=cosine",
)  # fmt: skip


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    source = str(Path(chainrule.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "chainrule", "train", "digits", "--out", "run", *arguments]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def finish(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    _, error = process.communicate(timeout=120)
    return process.returncode, error.decode()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait until something is so, or the process has ended."""
    until = time.monotonic() + 60
    while not condition() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    assert condition()


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The best weights of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("straight")
    assert finish(start(folder, "-q", *SETTINGS)) == (0, "")
    return (folder / "run" / "model.safetensors").read_bytes()


def epochs_done(folder: Path) -> int:
    path = folder / "run" / "metrics.jsonl"
    return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0


def test_a_killed_run_is_resumed_to_the_same_bits(tmp_path: Path, straight: bytes) -> None:
    """Killed at three moments one after the other, without warning."""
    arguments: tuple[str, ...] = ("-q", *SETTINGS)
    for epochs in (1, 8, 20):
        process = start(tmp_path, *arguments)
        wait_for(lambda least=epochs: epochs_done(tmp_path) >= least, process)
        process.kill()
        process.communicate()
        run = tmp_path / "run"
        for name in ("model.safetensors", "state.safetensors"):
            load_tensors(run / name)  # whole, and what was written
        assert RunFolder(run).config()["training"]["epochs"] == 60
        RunFolder(run).metrics()
        RunFolder(run).manifest()
        arguments = ("-q", "--resume")
    assert 20 <= epochs_done(tmp_path) < 60
    assert finish(start(tmp_path, *arguments)) == (0, "")
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == straight
    assert epochs_done(tmp_path) == 60
    assert not list((tmp_path / "run").glob(".*"))
    assert (tmp_path / "run" / "report.html").is_file()


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, straight: bytes) -> None:
    process = start(tmp_path, *SETTINGS)
    wait_for(lambda: epochs_done(tmp_path) >= 3, process)
    process.send_signal(signal.SIGINT)
    code, error = finish(process)
    assert code == 130
    assert error.endswith(
        "\ninterrupted; the state is saved. Go on with\n  chainrule train digits --out run --resume\n"
    )
    assert "Traceback" not in error
    assert finish(start(tmp_path, "--resume", "-q")) == (0, "")
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == straight


def test_a_damaged_state_is_told_and_left_alone(tmp_path: Path) -> None:
    assert finish(start(tmp_path, "-q", "--set", "training.epochs=2")) == (0, "")
    path = tmp_path / "run" / "state.safetensors"
    content = bytearray(path.read_bytes())
    content[-7] ^= 0x10
    path.write_bytes(content)
    code, error = finish(start(tmp_path, "-q", "--resume", "--set", "training.epochs=4"))
    assert code == 3
    assert error.startswith("error: state.safetensors does not hold what was written to it\n")
    assert path.read_bytes() == content


def test_a_run_killed_before_its_first_checkpoint_begins_again(tmp_path: Path, straight: bytes) -> None:
    assert finish(start(tmp_path, "-q", "--set", "training.epochs=1", *SETTINGS[2:])) == (0, "")
    run = tmp_path / "run"
    for path in run.iterdir():
        if path.name not in ("config.toml", "network.json"):
            path.unlink()
    assert finish(start(tmp_path, "-q", "--resume", *SETTINGS[:2])) == (0, "")
    assert (run / "model.safetensors").read_bytes() == straight
