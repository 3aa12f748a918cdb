"""The example of Figure 5.1 prints what its comments say, and draws the three pictures."""

from __future__ import annotations

import re
import runpy
import sys
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "figure_5_1.py"
SVG = "{http://www.w3.org/2000/svg}"


def test_the_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), str(tmp_path)])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    printed = capsys.readouterr().out.splitlines()
    promised = re.findall(
        r"#>? (.*)$", EXAMPLE.read_text(encoding="utf-8").split("def main")[1], re.MULTILINE
    )
    for line in printed:
        assert line in promised
    losses = [float(line.split("=")[1]) for line in printed if line.startswith(("loss", "step"))]
    assert len(losses) == 6
    assert all(after < before for before, after in pairwise(losses))
    ops = {}
    for letter in "abc":
        root = ElementTree.parse(tmp_path / f"figure_5_1_{letter}.svg").getroot()
        ops[letter] = [t.text for t in root.iter(f"{SVG}text")]
    assert "x" in ops["a"]
    assert "1 × 150" in ops["a"]
    assert {"the", "black", "dog", "concat", "1 × 50"} <= set(ops["b"])
    assert {"5", "pick", "log", "negative"} <= set(ops["c"])
    assert {"W1", "b1", "W2", "b2", "150 × 20", "20 × 17", "1 × 17", "softmax"} <= set(ops["a"])
