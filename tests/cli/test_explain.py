from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from .conftest import Run

LECTURE = ("c*(a+2*b)", "a=3", "b=1", "c=-2")


def test_the_lectures_graph_as_a_table(run: Run) -> None:
    ran = run("explain", "d = 2*b; e = a + d; L = c*e", *LECTURE[1:])
    assert (ran.code, ran.err) == (0, "")
    assert (
        ran.out
        == """\
L = -10

  node  rule   value  upstream × local  gradient
  ────  ─────  ─────  ────────────────  ────────
  c            -2     L: 1 × 5          5
  a            3      e: -2 × 1         -2
  2            2
  b            1      d: -2 × 2         -4
  d     2 * b  2      e: -2 × 1         -2
  e     a + d  5      L: 1 × -2         -2
  L     c * e  -10                      1

  ∂L/∂a = -2
  ∂L/∂b = -4
  ∂L/∂c = 5
"""
    )


def test_a_node_with_two_consumers_shows_the_sum(run: Run) -> None:
    out = run("explain", "(x+y)*max(y,z)", "x=1", "y=2", "z=0").out
    (line,) = [line for line in out.splitlines() if line.startswith("  y ")]
    assert "3 × 1  +  " in line
    assert "2 × 1" in line
    assert line.split()[-1] == "5"
    assert "∂result/∂x = 2" in out
    assert "∂result/∂z = 0" in out


def test_json_has_every_product(run: Run) -> None:
    ran = run("explain", *LECTURE, "--json")
    found = json.loads(ran.out)
    assert (ran.code, ran.err, ran.out.count("\n")) == (0, "", 1)
    assert found["value"] == -10
    assert found["gradients"] == {"a": -2, "b": -4, "c": 5}
    for node in found["nodes"]:
        if node["contributions"]:
            assert node["gradient"] == sum(part["downstream"] for part in node["contributions"])
            assert all(
                part["downstream"] == part["upstream"] * part["local"] for part in node["contributions"]
            )
    numbers = [node["number"] for node in found["nodes"]]
    assert numbers == list(range(len(numbers)))
    assert all(child < node["number"] for node in found["nodes"] for child in node["inputs"])


def test_composites_open(run: Run) -> None:
    whole = json.loads(run("explain", "sum(softmax(z))", "z=[1,2,3]", "--json").out)
    parts = json.loads(run("explain", "sum(softmax(z))", "z=[1,2,3]", "--unfold", "--json").out)
    assert "softmax" in {node["op"] for node in whole["nodes"]}
    assert "softmax" not in {node["op"] for node in parts["nodes"]}
    assert {"exp", "divide"} <= {node["op"] for node in parts["nodes"]}
    assert parts["gradients"]["z"] == pytest.approx([0, 0, 0], abs=1e-15)


def test_the_drawing_is_well_formed(run: Run, tmp_path: Path) -> None:
    ran = run("explain", *LECTURE, "--svg", "graph.svg")
    assert (ran.code, ran.err) == (0, "\nthe graph is in graph.svg\n")
    assert ElementTree.parse(tmp_path / "graph.svg").getroot().tag.endswith("svg")


def test_where_a_value_became_infinite(run: Run) -> None:
    ran = run("explain", "log(x) + 1", "x=0")
    assert ran.code == 0
    assert ran.err.startswith("\nnot every value is finite: log first gives -∞")
    assert "why: log of 0" in ran.err
    assert ".py" not in ran.err
    assert json.loads(run("explain", "log(x)", "x=0", "--json").out)["value"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (
            ["x*2", "x=[1,2]"],
            2,
            "error: the result has shape (2,); the chain rule starts at a scalar\n"
            "  mend:  put sum(…) or mean(…) around it, or take one entry with […]\n",
        ),
        (["x", "x=1", "x=2"], 2, "error: 'x' is given twice\n  mend:  give each name one value\n"),
        (["x", "x=1", "--svg", "x.gif"], 2, "error: --svg x.gif: the name must end in .svg or .png\n"),
        (["x+", "x=1"], 2, "error: this cannot be read: invalid syntax\n  x+\n    ^\n"),
    ],
)
def test_errors(run: Run, arguments: list[str], code: int, text: str) -> None:
    ran = run("explain", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith(text)


def test_an_expression_that_begins_with_a_minus(run: Run) -> None:
    ran = run("explain", "-x", "x=3")
    assert ran.code == 2
    assert "stands after --" in ran.err
    assert run("explain", "--", "-x", "x=3").out.startswith("-x = -3\n")


def test_a_drawing_into_a_folder_that_is_not_there(run: Run, tmp_path: Path) -> None:
    ran = run("explain", *LECTURE, "--svg", "nowhere/graph.svg")
    assert ran.code == 3
    assert ran.err.startswith("error: ")
    assert "nowhere" in ran.err
    assert list(tmp_path.iterdir()) == []
