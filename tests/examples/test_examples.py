"""Every example runs and prints what its comments say.

The comment on the line where a ``print`` ends, and the comment lines right below it, are its output.
Decimals may differ by one in the last place shown: other machines round, and sum, in another order.
"""

from __future__ import annotations

import ast
import io
import re
import runpy
import sys
import tokenize
from itertools import takewhile
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?")


def promised(path: Path) -> list[str]:
    """The lines that the comments of an example promise, in order."""
    source = path.read_text(encoding="utf-8")
    comments: dict[int, tuple[str, bool]] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            whole_line = not token.line[: token.start[1]].strip()
            comments[token.start[0]] = token.string.removeprefix("#").removeprefix(" "), whole_line
    prints = sorted(
        node.end_lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "print"
        and node.end_lineno is not None
    )
    lines = []
    for end in prints:
        if end in comments:
            lines.append(comments[end][0])
        below = range(end + 1, end + 1 + len(comments))
        lines += [comments[line][0] for line in takewhile(lambda n: n in comments and comments[n][1], below)]
    return lines


def numbers(line: str) -> list[tuple[float, float]]:
    """Each number of a line, and the worth of its last place; whole numbers are exact."""
    found = []
    for text in NUMBER.findall(line):
        mantissa, _, exponent = text.partition("e")
        places = len(mantissa.partition(".")[2])
        rounded = places or exponent
        found.append((float(text), 10.0 ** (int(exponent or 0) - places) if rounded else 0.0))
    return found


def same(printed: str, comment: str) -> bool:
    """Whether a line is the promised one, its decimals within one in the last place (or a millionth)."""
    words = [NUMBER.sub("#", " ".join(line.split()).replace("[ ", "[")) for line in (printed, comment)]
    pairs = zip(numbers(printed), numbers(comment), strict=False)
    return words[0] == words[1] and all(
        a == b or (unit and abs(a - b) <= max(1.01 * unit, 1e-6 * abs(b))) for (a, _), (b, unit) in pairs
    )


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_prints_what_its_comments_say(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [str(path), str(tmp_path)])
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(path), run_name="__main__")
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    comments = promised(path)
    assert comments, "an example shows its output"
    for said, line in zip(comments, printed, strict=False):
        assert same(line, said), f"printed {line!r}, the comment says {said!r}"
    assert len(printed) == len(comments), f"printed and not promised: {printed[len(comments) :]}"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_fits_a_screen_or_two(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(source)), "an example says first what it shows"
    assert len(source.splitlines()) <= 90


@pytest.mark.parametrize(
    ("printed", "comment", "agree"),
    [
        ("loss 0.35", "loss 0.36", True),
        ("loss 0.35", "loss 0.37", False),
        ("[ 0. -1.]", "[0. -1.]", True),
        ("gradient 2e-20", "gradient 3e-20", True),
        ("gradient 2e-20", "gradient 2e-18", False),
        ("step 1: 4 of 8", "step 1: 5 of 8", False),
        ("[1. 0.]", "[0. 0.]", False),
        ("True", "False", False),
        ("5 steps", "5 strides", False),
    ],
)
def test_lines_are_compared_to_the_last_place(printed: str, comment: str, agree: bool) -> None:
    assert same(printed, comment) is agree
