from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from chainrule.cli.explain import _in_a_line
from chainrule.view.page import decode, record_in

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


# -- the page ------------------------------------------------------------------------------------------------


def record_of(path: Path) -> dict[str, Any]:
    """The record that a page holds."""
    return record_in(path.read_text(encoding="utf-8"))


def numbers_of(record: dict[str, Any], what: str) -> dict[str, float]:
    """Value or gradient of each scalar, by its symbol."""
    tensors = record["tensors"]
    return {
        node["symbol"]: decode(tensors[node[what]])[0].item()
        for node in record["nodes"]
        if node[what] is not None and not node["shape"]
    }


@pytest.mark.parametrize(
    ("arguments", "values", "gradients"),
    [
        (
            LECTURE,
            {"a": 3, "b": 1, "c": -2, "2": 2, "v₄": 2, "v₅": 5, "L": -10},
            {"a": -2, "b": -4, "c": 5, "v₄": -2, "v₅": -2, "L": 1},
        ),
        (
            ("(x+y)*max(y,z)", "x=1", "y=2", "z=0"),
            {"x": 1, "y": 2, "z": 0, "v₂": 3, "v₄": 2, "L": 6},
            {"x": 2, "y": 5, "z": 0, "v₂": 2, "v₄": 3, "L": 1},
        ),
    ],
)
def test_the_page_of_the_lectures_graphs(
    run: Run,
    tmp_path: Path,
    arguments: tuple[str, ...],
    values: dict[str, float],
    gradients: dict[str, float],
) -> None:
    plain, ran = run("explain", *arguments), run("explain", *arguments, "--out", "l.html")
    assert ran.out == plain.out  # the table is printed all the same
    assert re.fullmatch(r"\nthe page is in l.html: [67] nodes, 0\.\d\d MB\n", ran.err)
    record = record_of(tmp_path / "l.html")
    assert numbers_of(record, "value") == values
    assert numbers_of(record, "gradient") == gradients
    assert record["title"] == arguments[0]
    assert all(node["check"] is None or node["check"]["agrees"] for node in record["nodes"])
    assert not any(node["line"] for node in record["nodes"])  # an expression has no file
    assert ".py" not in json.dumps([node["no_gradient"] for node in record["nodes"]])


def test_an_exercise_and_a_convention(run: Run, tmp_path: Path) -> None:
    ran = run(
        "explain",
        "sum(w @ x)",
        "w=[[1,2],[3,4]]",
        "x=[1,2]",
        "--out",
        "x.html",
        "--exercise",
        "--convention",
        "column",
    )
    assert ran.code == 0
    record = record_of(tmp_path / "x.html")
    assert record["exercise"]["start"]
    assert record["exercise"]["hide"]
    (product,) = [node for node in record["nodes"] if node["op"] == "matmul"]
    assert product["rule"]["text"] == "w x"


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["x", "x=1", "--out", "x.txt"], 2, "--out x.txt: the name must end in .html"),
        (["x", "x=1", "--exercise"], 2, "--exercise makes a page\n  mend:  give --out FILE.html"),
        (
            ["x", "x=1", "--out", "no/x.html"],
            3,
            "cannot be written: No such file or directory\n  where: no/x.html",
        ),
        ([""], 2, "the expression is empty"),
        (["x", "x=1", "--text", "a"], 2, "--text and --gold are for runs"),
        ([".", "x=1", "--text", "a"], 2, "x=1: values are for expressions and functions, not for runs"),
        ([".", "--text", "a\udcff", "--out", "x.html"], 2, "--text holds bytes that are no UTF-8"),
        (
            ["x", "x=1", "--out", "x.html", "--derive", "./x.html"],
            2,
            "--out and --derive are both x.html\n  mend:  give each a file of its own",
        ),
    ],
)
def test_mistakes_leave_no_page(run: Run, tmp_path: Path, arguments: list[str], code: int, text: str) -> None:
    ran = run("explain", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith(f"error: {text}")
    assert not list(tmp_path.iterdir())


def test_of_a_long_title_the_ends_are_shown() -> None:
    assert _in_a_line("Loss of “time flies”") == "Loss of “time flies”"
    long = _in_a_line(f"Loss of “{'word ' * 10_000}end”")
    assert len(long) < 210
    assert long.startswith("Loss of “word ")
    assert long.endswith("word end”")


# -- a function of a file ------------------------------------------------------------------------------------

FILE = """
import numpy as np
import chainrule as cr

print("read")
W = cr.variable(np.array([[1.0, 2.0], [3.0, 4.0]]))
net = cr.nn.Sequential(cr.nn.Linear(2, 3, seed=0))
x = cr.placeholder((2,), "float64", name="x")
graph = (x @ W).sum()


def loss(x, power=2, scale=[1.0, 0.5], squared: bool = True):
    h = (x.astype("float64") @ W).named("h")
    return cr.sum((h * scale) ** power) if squared else cr.sum(h)


def deep(x=[[1.0, 2.0]]):
    return cr.sum(net(x))


def vector(x=[1.0, 2.0]):
    return x


def number(x=1.0):
    return 3


def broken(x=1.0):
    raise ValueError("no")


def both(x, y):
    return (x * y).sum()
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(FILE)
    return "mine.py"


def gradients_of(run: Run, *arguments: str) -> dict[str, Any]:
    ran = run("explain", *arguments, "--json")
    assert ran.code == 0, ran.err
    found: dict[str, Any] = json.loads(ran.out)["gradients"]
    return found


def test_a_function_of_a_file(run: Run, file: str, tmp_path: Path) -> None:
    ran = run("explain", f"{file}:loss", "x=[1,2]", "--out", "l.html")
    assert ran.code == 0
    assert ran.out.startswith("loss = 74\n")  # 7² + (10 · 0.5)²
    assert "∂result/∂x = [24., 62.]" in ran.out
    assert "∂result/∂scale = [ 98., 100.]" in ran.out
    assert ran.err.startswith("read\n")  # what the file prints is no result
    nodes = record_of(tmp_path / "l.html")["nodes"]
    assert {"x", "W", "h", "scale"} <= {node["symbol"] for node in nodes}
    assert {node["line"] for node in nodes if node["symbol"] == "h"} == {"mine.py:13"}
    assert gradients_of(run, f"{file}:loss", "x=[1,2]", "power=3", "scale=[1,1]") == {
        "x": pytest.approx([3 * (49 + 2 * 100), 3 * (3 * 49 + 4 * 100)]),
        "scale": pytest.approx([3 * 49 * 7, 3 * 100 * 10]),
    }
    assert gradients_of(run, f"{file}:loss", "x=[1,2]", "squared=0")["x"] == [3, 7]


def test_a_network_of_a_file_has_its_names(run: Run, file: str, tmp_path: Path) -> None:
    assert run("explain", f"{file}:deep", "--out", "d.html").code == 0
    names = {node["name"] for node in record_of(tmp_path / "d.html")["nodes"]}
    assert {"layers.0.weight", "layers.0.bias"} <= names


def test_a_graph_that_a_file_has_built(run: Run, file: str) -> None:
    assert gradients_of(run, f"{file}:graph", "x=[1,1]") == {"x": [3, 7]}


@pytest.mark.parametrize(
    ("name", "values", "code", "text"),
    [
        ("los", [], 3, "there is no los in this file\n  where: mine.py\n  mend:  did you mean loss?"),
        ("W2", [], 3, "there is no W2 in this file"),
        ("net", [], 3, "net is Sequential, neither a function nor a node"),
        ("loss", [], 2, "loss needs a value for x\n  mend:  give numbers or lists: x=…"),
        ("loss", ["y=1"], 2, "loss has no parameter y\n  mend:  there are: x, power, scale, squared"),
        ("loss", ["x=1", "power=1.5"], 2, "power is int, and 1.5 was given"),
        ("loss", ["x=1", "squared=[1]"], 2, "squared is bool, and [1.0] was given"),
        ("graph", [], 2, "the graph needs a value for x"),
        ("graph", ["z=1"], 2, "the graph has no leaf 'z'"),
        ("graph", ["x=[1,2,3]"], 1, "feed: "),
        ("vector", [], 1, "vector gives float32 of shape (2,); the chain rule starts at a scalar of floats"),
        ("number", [], 1, "number gives int, no node"),
        ("broken", [], 1, 'ValueError: no\n  where: mine.py, line 30: raise ValueError("no")'),
        ("loss", ["x=[1,2,3]"], 1, "matmul"),
        (
            "both",
            ["x=[1,2,3]", "y=[1,2]"],
            1,
            "multiply: shapes (3,) and (2,) do not broadcast: axis -1 has lengths 3 and 2\n"
            "  input 0: x, shape (3,), float32\n",
        ),
    ],
)
def test_mistakes_about_a_file(
    run: Run, file: str, tmp_path: Path, name: str, values: list[str], code: int, text: str
) -> None:
    ran = run("explain", f"{file}:{name}", *values, "--out", "l.html")
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.removeprefix("read\n").startswith(f"error: {text}")
    assert "Traceback" not in ran.err
    assert {path.name for path in tmp_path.iterdir()} == {"mine.py"}


@pytest.mark.parametrize(
    ("content", "code", "text"),
    [(None, 3, "the file cannot be read"), ("def f(:", 3, "syntax error"), ("1/0", 1, "ZeroDivisionError")],
)
def test_a_file_that_cannot_be_run(
    run: Run, tmp_path: Path, content: str | None, code: int, text: str
) -> None:
    if content is not None:
        (tmp_path / "odd.py").write_text(content)
    ran = run("explain", "odd.py:f")
    assert ran.code == code
    assert ran.err.startswith(f"error: {text}")


# -- one example of a run ------------------------------------------------------------------------------------

PIXELS = " ".join(str(number % 17) for number in range(64))


def test_one_example_of_a_run(run: Run, finished: Path, tmp_path: Path) -> None:
    ran = run("explain", str(finished), "--text", PIXELS, "--gold", "3", "--out", "digit.html")
    assert ran.code == 0
    assert ran.out.startswith("Loss of an image of a 3: ")
    assert "network.layers.0.weight  64×16" in ran.out
    record = record_of(tmp_path / "digit.html")
    assert record["about"].startswith("right is 3; the network says ")
    found = json.loads(run("explain", str(finished), "--text", PIXELS, "--gold", "3", "--json").out)
    value = decode(record["tensors"][record["nodes"][record["output"]]["value"]])[0]
    assert found["value"] == value
    by_name = {node["name"]: node for node in record["nodes"]}
    for name, norms in found["parameters"].items():
        tensor = record["tensors"][by_name[name]["gradient"]]
        assert norms["gradient_norm"] == pytest.approx(tensor["norm"], rel=1e-9)


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (["--text", "1 2"], 3, "line 1 has 2 numbers; an image of 8×8 has 64"),
        (["--text", PIXELS, "--gold", "x"], 3, "training never saw the class 'x'"),
        (["--out", "x.html"], 2, "--out of a run needs an example\n  mend:  give --text TEXT"),
        (["--gold", "3"], 2, "--gold of a run needs an example"),
    ],
)
def test_mistakes_about_an_example(
    run: Run, finished: Path, tmp_path: Path, options: list[str], code: int, text: str
) -> None:
    ran = run("explain", str(finished), *options)
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith(f"error: {text}")
    assert not list(tmp_path.iterdir())


def test_a_misspelt_option_is_answered_with_the_option_and_not_with_a_minus(run: Run) -> None:
    ran = run("explain", "2*x", "x=1", "--outt", "l.html")
    assert ran.code == 2
    assert "--outt" in ran.err
    assert "begins with a minus" not in ran.err
