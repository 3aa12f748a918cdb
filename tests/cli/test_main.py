from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

import chainrule
import chainrule_command
from chainrule.cli import main as front
from chainrule.cli.main import cli
from chainrule.errors import ArgumentError

from .conftest import Run

COMMANDS = [
    "train", "tune", "launch", "evaluate", "predict", "generate", "explain", "export", "check", "plot",
    "bench", "doctor",
]  # fmt: skip


def test_alone_it_shows_help(run: Run) -> None:
    ran = run()
    assert ran.code == 0
    assert ran.out.startswith("Usage: chainrule [OPTIONS] [COMMAND]")
    assert [
        line.split()[0]
        for line in ran.out.splitlines()
        if line.startswith("  ") and line.split()[0] in COMMANDS
    ][: len(COMMANDS)] == COMMANDS


def test_version(run: Run) -> None:
    assert run("--version").out == f"chainrule, version {chainrule.__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(run: Run, command: str) -> None:
    ran = run(command, "--help")
    assert ran.code == 0
    assert "Examples:" in ran.out
    assert f"chainrule {command}" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 110


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["trian"], "error: there is no command 'trian'\n  mend:  did you mean train?\n"),
        (["xyzzy"], f"error: there is no command 'xyzzy'\n  mend:  choose one of: {', '.join(COMMANDS)}\n"),
        (
            ["plot", "activation"],
            "error: there is no command 'activation'\n  mend:  did you mean activations?\n",
        ),
        (
            ["--nonsense"],
            "error: no such option '--nonsense'\n  mend:  chainrule --help shows what it takes\n",
        ),
        (
            ["evaluate"],
            "error: missing argument 'RUN'\n  mend:  chainrule evaluate --help shows what it takes\n",
        ),
        (
            ["plot", "activations", "sigmiod"],
            "error: there is no activation 'sigmiod'\n  mend:  did you mean sigmoid or sign?\n",
        ),
    ],
)
def test_wrong_usage_is_told_with_a_mend(run: Run, arguments: list[str], text: str) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    if "no such option" in text:  # how click writes the option differs between its versions
        assert "no such option" in ran.err.lower()
        assert "--nonsense" in ran.err
        assert ran.err.splitlines()[1] == text.splitlines()[1]
    else:
        assert ran.err == text


def _failing(error: BaseException) -> click.Command:
    @click.command("fail")
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (
            ArgumentError("what", where="where", mend="mend"),
            1,
            "error: what\n  where: where\n  mend:  mend\n",
        ),
        (
            ZeroDivisionError("by 0"),
            1,
            "error: something went wrong inside: ZeroDivisionError: by 0\n"
            "  mend:  run it again with --traceback to see where\n",
        ),
        (KeyboardInterrupt(), 130, "error: interrupted\n"),
    ],
)
def test_exceptions_become_short_messages(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, text: str
) -> None:
    monkeypatch.setitem(cli.commands, "fail", _failing(error))
    ran = run("fail")
    assert (ran.code, ran.out, ran.err.lstrip("\n")) == (code, "", text)


def test_traceback_before_and_behind_the_command(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.commands, "fail", _failing(ZeroDivisionError("by 0")))
    ran = run("--traceback", "fail")
    assert ran.code == 1
    assert ran.err.startswith("Traceback (most recent call last):")
    assert "raise error" in ran.err
    behind = run("train", "digits", "--traceback", "--set", "x=1")
    assert behind.code == 2
    assert behind.err.startswith("Traceback")


def test_a_session_remembers_nothing_of_the_last(run: Run) -> None:
    run("train", "digits", "--traceback", "--set", "x=1")
    assert "Traceback" not in run("train", "digits", "--set", "x=1").err


def _environment() -> dict[str, str]:
    source = str(Path(front.__file__).parents[2])
    return {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def test_python_dash_m(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chainrule", "explain", "a*b", "a=2", "b=3", "--json"],
        cwd=tmp_path,
        env={**_environment(), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith('{"expression": "a*b", "value": 6.0')
    assert done.stderr == ""


def test_a_pipe_that_closes_early_is_no_traceback(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "chainrule", "explain", "+".join(["a"] * 100), "a=2"],
        cwd=tmp_path,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        error = process.stderr.read().decode()
    assert (error, process.returncode) == ("", 141)  # as of other programs in a shell's pipe


def test_ctrl_c_while_modules_are_imported_is_quiet(tmp_path: Path) -> None:
    program = """
import sys

class Pressed:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Pressed())
from chainrule_command import main
sys.exit(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=_environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_the_installed_command_begins_outside_the_package() -> None:
    pyproject = Path(front.__file__).parents[3] / "pyproject.toml"
    found = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["scripts"]["chainrule"]
    assert found == f"{chainrule_command.__name__}:{chainrule_command.main.__name__}"


class _FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_under_the_results_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", _FullDisk())
    assert front.main(["explain", "2*x", "x=1"]) == 1
    assert capsys.readouterr().err == "error: cannot be read or written: No space left on device\n"


def test_results_for_a_closed_output_go_nowhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert front.main(["explain", "2*x", "x=1"]) == 0
    sys.stdout.close()
    assert capsys.readouterr().err == ""
