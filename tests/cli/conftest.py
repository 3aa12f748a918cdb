"""The command line in this process, in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from chainrule.cli.main import main


class Ran(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """``run("train", "digits")``: exit code, standard output, standard error; the working folder is new."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Ran:
        capsys.readouterr()
        code = main(arguments)
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return call


#: A digits run that takes a moment.
QUICK = ("--set", "training.epochs=2", "--set", "training.batch=256")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of digits, not to be changed."""
    path = tmp_path_factory.mktemp("finished") / "run"
    assert main(["train", "digits", "--quiet", "--out", str(path), *QUICK]) == 0
    return path
