"""Names that no file can have, wherever the command line takes one: told in words; nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Run

IMPOSSIBLE = {
    "zero byte": "a\0b",
    "long": "n" * 300,
    "deep": "/".join(["d" * 200] * 30),
    "half a pair": "\udc00",
}
UNDER_A_FILE = "file/below"

#: What takes a path, with RUN for a finished run and PATH for the name; the ending that the name has to have.
TAKES = [
    (["train", "digits", "--quiet", "--out", "PATH"], ""),
    (["train", "digits", "--quiet", "--resume", "--out", "PATH"], ""),
    (["train", "digits", "--quiet", "--out", "new", "--data", "PATH"], ""),
    (["train", "digits", "--quiet", "--out", "new", "--config", "PATH"], ""),
    (["train", "lm", "--quiet", "--out", "new", "--data", "PATH"], ""),
    (["evaluate", "PATH"], ""),
    (["evaluate", "RUN", "--data", "PATH"], ""),
    (["predict", "PATH", "x"], ""),
    (["predict", "RUN", "PATH"], ""),
    (["predict", "RUN", "--file", "PATH"], ""),
    (["generate", "PATH"], ""),
    (["explain", "PATH", "--text", "x"], ""),
    (["explain", "PATH"], ".py:f"),
    (["explain", "RUN", "--text", "PATH"], ""),
    (["explain", "3*x", "x=1", "--out", "PATH"], ".html"),
    (["explain", "3*x", "x=1", "--svg", "PATH"], ".svg"),
    (["explain", "3*x", "x=1", "--derive", "PATH"], ".tex"),
    (["check", "PATH"], ".py"),
    (["export", "PATH"], ""),
    (["plot", "run", "PATH"], ""),
    (["plot", "layers", "RUN", "--out", "PATH"], ".svg"),
    (["plot", "activations", "--out", "PATH"], ".svg"),
]


@pytest.mark.parametrize(("command", "ending"), TAKES, ids=[" ".join(command) for command, _ in TAKES])
@pytest.mark.parametrize("path", [*IMPOSSIBLE.values(), UNDER_A_FILE], ids=[*IMPOSSIBLE, "below a file"])
def test_a_name_that_no_file_can_have(
    run: Run, finished: Path, tmp_path: Path, command: list[str], ending: str, path: str
) -> None:
    (tmp_path / "file").write_text("1 2\n", encoding="utf-8")
    before = sorted(tmp_path.iterdir())
    ran = run(*[str(finished) if word == "RUN" else word.replace("PATH", path + ending) for word in command])
    assert ran.code in (2, 3), ran.err
    assert ran.out == ""
    assert ran.err.startswith("error: ")
    assert "went wrong inside" not in ran.err
    assert sorted(tmp_path.iterdir()) == before


def test_an_expression_may_be_longer_than_names_are(run: Run) -> None:
    ran = run("explain", "+".join(["x"] * 200), "x=1")
    assert (ran.code, ran.err) == (0, "")
    assert "∂result/∂x = 200" in ran.out


def test_a_name_as_long_as_names_may_be(run: Run, tmp_path: Path) -> None:
    name = "n" * 250 + ".html"
    assert run("explain", "3*x", "x=1", "--out", name).code == 0
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", [".svg", "...svg", "svg"])
def test_a_name_that_is_an_ending_has_none(run: Run, name: str) -> None:
    ran = run("plot", "activations", "--out", name)
    assert (ran.code, ran.out) == (2, "")
    assert f"--out {name}: the name must end in .svg or .png" in ran.err
