"""The README's program runs, and prints what its comments say."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def program() -> str:
    found = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found.group(1)


def test_the_program_is_thirty_lines() -> None:
    assert len([line for line in program().splitlines() if line.strip()]) <= 32


def test_every_printed_number_is_in_a_comment() -> None:
    # Line by line, so that each print meets its own comment.
    names: dict[str, object] = {}
    for block in re.split(r"\n(?=\S)", program()):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(block, "README.md", "exec"), names)
        printed = out.getvalue().strip()
        comment = block.rpartition("  # ")[2].strip() if "print(" in block else ""
        if comment == "the table below":
            assert printed in README
        elif printed:
            pattern = re.escape(comment).replace("…", ".*")
            assert re.fullmatch(pattern, printed), f"printed {printed!r}, the README says {comment!r}"


def test_the_two_commands_stand_at_the_top() -> None:
    head = README.split("## ")[0]
    assert "pip install . && chainrule train lm" in head
    assert "pip install '.[test]' && pytest" in head


def test_every_link_and_picture_exists() -> None:
    root = Path(__file__).parent.parent
    links = re.findall(r"\]\(([^)#:]+)\)", README) + re.findall(r'src="([^"]+)"', README)
    missing = [link for link in links if not (root / link).exists()]
    assert not missing
