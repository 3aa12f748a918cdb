"""``chainrule launch`` as it is typed: what is refused before anything is started, and the terminal."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from chainrule.cli import launch as module
from chainrule.cli.main import main
from chainrule.launch import Endpoint, Job, Outcome, Screen

REFUSED = {
    "": "what is to be launched?",
    "evaluate runs/lm-1": "what is to be launched?",
    "train": "which task?",
    "train lmm": "did you mean lm?",
    "train lm --sed 3": "no such option '--sed'",
    "train lm --show-config": "--show-config needs no launch",
    "train lm --resume": "name the run's folder with --out",
    "--processes 0 -- train lm": "'--processes'",
    "--grace nan -- train lm": "nan is not finite",
    "--watchdog 0 -- train lm": "'--watchdog'",
    "--coordinator here -- train lm": "'here' is no HOST:PORT",
    "--hosts 2 -- train lm": "add --host I",
    "--hosts 2 --host 0 -- train lm": "add --coordinator HOST:PORT",
    "--hosts 2 --host 2 --coordinator a:1 -- train lm": "there is no host 2 among 2",
    "--hots 2 -- train lm": "no such option '--hots'",
}


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In a folder of its own, started by nobody, with JAX as far as one can see without importing it."""
    monkeypatch.chdir(tmp_path)
    for name in ("SLURM_JOB_ID", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())


@pytest.mark.parametrize("line", REFUSED)
def test_refused(line: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["launch", *line.split()]) == 2
    said = capsys.readouterr().err
    assert REFUSED[line] in said
    assert "mend:" in said
    assert list(tmp_path.iterdir()) == []


def test_without_jax(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["launch", "--", "train", "lm"]) == 1
    assert "chainrule[xla]" in capsys.readouterr().err


@pytest.fixture
def supervised(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Jobs that would be supervised; each ends well after claiming a folder."""
    jobs = []

    def instead(job: Job, screen: Screen, claim: Any) -> Outcome:
        jobs.append(job)
        screen.say(f"claimed {claim()}")
        return Outcome(0)

    monkeypatch.setattr(module, "supervise", instead)
    return jobs


def test_options_arrive(supervised: list[Job], capsys: pytest.CaptureFixture[str]) -> None:
    line = (
        "--coordinator [::1]:80 --hosts 3 --host 1 --processes 2 --address 10.0.0.7 --restarts 4 --watchdog 5"
    )
    line += " --grace 6 --wait 7 --heartbeat 8 train lm --seed 3 --out here"
    assert main(["launch", *line.split()]) == 0
    assert supervised == [
        Job(
            ("train", "lm", "--seed", "3", "--out", "here"),
            hosts=3, host=1, coordinator=Endpoint("::1", 80), processes=2, address="10.0.0.7", restarts=4,
            watchdog=5, grace=6, wait=7, heartbeat=8,
        )
    ]  # fmt: skip
    assert supervised[0].out == "here"


def test_one_host_needs_nothing(supervised: list[Job], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["launch", "--", "train", "lm"]) == 0
    (job,) = supervised
    assert (job.hosts, job.host, job.processes, str(job.coordinator)) == (1, 0, 1, "127.0.0.1:0")
    assert capsys.readouterr().err == "claimed runs/lm-1\n"


def test_the_environment_is_heard(
    supervised: list[Job], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step = {"JOB_ID": "7", "STEP_NODELIST": "n[08-11]", "STEP_NUM_TASKS": "4", "PROCID": "2"}
    for name, value in step.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert main(["launch", "train", "lm"]) == 0
    (job,) = supervised
    assert (job.hosts, job.host, str(job.coordinator)) == (4, 2, "n08:5478")
    assert "Slurm says: host 2 of 4" in capsys.readouterr().err


@pytest.mark.parametrize("began", [False, True])
def test_a_run_that_never_began_leaves_no_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], began: bool
) -> None:
    def instead(job: Job, screen: Screen, claim: Any) -> Outcome:
        folder: Path = claim()
        (folder / "logs").mkdir()
        (folder / "logs" / "rank-0.0.log").write_text("error: no")
        if began:
            (folder / "config.toml").write_text("")
        return Outcome(3, "no\n  mend:  yes")

    monkeypatch.setattr(module, "supervise", instead)
    assert main(["launch", "--", "train", "lm"]) == 3
    assert capsys.readouterr().err == "error: no\n  mend:  yes\n"
    assert (Path("runs/lm-1/logs/rank-0.0.log").exists()) == began


def test_the_screen_keeps_order_and_streams(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen() as screen:
        for number in range(50):
            screen.say(f"{number}")
            screen.copy(b"%d\n" % number, result=number % 2 == 0)
    captured = capsys.readouterr()
    assert captured.out.split() == [str(number) for number in range(0, 50, 2)]
    expected = [str(n) for number in range(50) for n in [number] * (1 + number % 2)]
    assert captured.err.split() == expected
