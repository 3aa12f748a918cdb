from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Run

OPS = """\
import numpy as np
import chainrule as cr
from chainrule.ops import Elementwise


class Cube(Elementwise):
    def forward(self, xp, x):
        return x * x * x

    def vjp(self, ct, out, x):
        return (ct * {factor} * x * x,)


class Product(Elementwise):
    def forward(self, xp, x, y):
        return x * y

    def vjp(self, ct, out, x, y):
        return ct * y, ct * x


class Root(Elementwise):
    def forward(self, xp, x):
        return xp.sqrt(x)

    def vjp(self, ct, out, x):
        return (ct / (2 * out),)


def loss(w=np.ones((3, 2)), x=[[1.0, 2.0, 3.0]], power=2):
    return cr.sum((x @ w) ** power)


def curve(x=0.5):
    return cr.tanh(x)


def _private(x=1.0):
    return cr.stop_gradient(x) * x


def needs_an_argument(x):
    return x
"""


def rows(out: str) -> dict[str, str]:
    """Name and verdict of each line of the table."""
    return {line.split()[0]: line.split()[-1] for line in out.splitlines()[2:] if line.startswith("  ")}


def test_what_is_right_agrees(run: Run, tmp_path: Path) -> None:
    (tmp_path / "ops.py").write_text(OPS.format(factor=3), encoding="utf-8")
    ran = run("check", "ops.py")
    assert (ran.code, ran.err) == (0, "")
    assert rows(ran.out) == dict.fromkeys(("loss", "curve", "cube", "product", "root"), "agrees")
    assert run("check", "ops.py", "--order", "2").code == 0


def test_a_wrong_derivative_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "ops.py").write_text(OPS.format(factor=2), encoding="utf-8")
    ran = run("check", "ops.py")
    assert ran.code == 1
    assert rows(ran.out.partition("\n\n")[0])["cube"] == "DISAGREES"
    assert "cube: the derivative rule of 'cube' is wrong" in ran.out
    assert "ratio 0.666667" in ran.out
    assert "mend:  correct the vjp of 'cube'" in ran.out


def test_json(run: Run, tmp_path: Path) -> None:
    (tmp_path / "ops.py").write_text("print('noise')\n" + OPS.format(factor=2), encoding="utf-8")
    ran = run("check", "ops.py", "--json")
    found = json.loads(ran.out)
    assert (ran.code, ran.err, found["agrees"]) == (1, "noise\n", False)
    verdicts = {check["name"]: check["verdict"] for check in found["checks"]}
    assert verdicts == {
        "loss": "agrees",
        "curve": "agrees",
        "cube": "disagrees",
        "product": "agrees",
        "root": "agrees",
    }
    assert all(check["difference"] < 1e-6 for check in found["checks"] if check["verdict"] == "agrees")


def test_a_list_of_checks_is_all_that_is_checked(run: Run, tmp_path: Path) -> None:
    listed = (
        "CHECKS = [(Cube, [0.5, -2.0]), (Product(), 2.0, [1.0, 3.0]), (curve, 1.0), (lambda x: x * x, 3.0)]\n"
    )
    (tmp_path / "ops.py").write_text(OPS.format(factor=3) + listed, encoding="utf-8")
    ran = run("check", "ops.py")
    assert ran.code == 0
    assert list(rows(ran.out)) == ["cube", "product", "curve", "<lambda>"]


def test_a_place_without_a_derivative_is_noted_and_not_blamed(run: Run, tmp_path: Path) -> None:
    text = "import chainrule as cr\nCHECKS = [(cr.relu, [0.0, 1.0])]\n"
    (tmp_path / "kink.py").write_text(text, encoding="utf-8")
    ran = run("check", "kink.py")
    assert ran.code == 0
    assert "not differentiable" in ran.out


def test_files_beside_it_can_be_imported(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "helper_of_check.py").write_text("factor = 2.0\n", encoding="utf-8")
    text = "from helper_of_check import factor\n\ndef double(x=1.0):\n    return factor * x\n"
    (folder / "mine.py").write_text(text, encoding="utf-8")
    assert run("check", str(folder / "mine.py")).code == 0


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (
            "def f(x:\n    return x\n",
            3,
            "error: syntax error: '(' was never closed\n  def f(x:\n       ^\n  where: mine.py, line 1\n",
        ),
        (
            "x = 1\nraise ValueError('no luck')\n",
            1,
            "error: ValueError: no luck\n  where: mine.py, line 2: raise ValueError('no luck')\n",
        ),
        ("import sys\nsys.exit(4)\n", 1, "error: SystemExit: 4\n  where: mine.py, line 2: sys.exit(4)\n"),
        (
            "import nowhere_at_all\n",
            1,
            "error: ModuleNotFoundError: No module named 'nowhere_at_all'\n"
            "  where: mine.py, line 1: import nowhere_at_all\n",
        ),
        (
            "x = 1\n",
            3,
            "error: there is nothing to check in this file\n  where: mine.py\n"
            "  mend:  add CHECKS = [(function, inputs…)], or give parameters arrays as defaults\n",
        ),
        (
            "CHECKS = 3\n",
            3,
            "error: CHECKS is no list\n  where: mine.py\n  mend:  write CHECKS = [(function, inputs…)]\n",
        ),
        (
            "CHECKS = [(1, 2)]\n",
            3,
            "error: CHECKS[0] is (1, 2)\n  where: mine.py\n"
            "  mend:  write (function, inputs…) with at least one input\n",
        ),
    ],
)
def test_faults_of_the_file_are_told_by_their_line(
    run: Run, tmp_path: Path, text: str, code: int, message: str
) -> None:
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    ran = run("check", "mine.py")
    assert (ran.code, ran.out, ran.err) == (code, "", message)


def test_a_function_that_fails_is_told_and_the_others_are_checked(run: Run, tmp_path: Path) -> None:
    text = (
        "import chainrule as cr\n\n\ndef broken(x=1.0):\n    return cr.undefined(x)\n\n\n"
        "def shapes(x=[1.0, 2.0], y=[1.0, 2.0, 3.0]):\n    return cr.sum(cr.constant(x) * y)\n\n\n"
        "def fine(x=1.0):\n    return x * x\n"
    )
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    ran = run("check", "mine.py")
    assert ran.code == 1
    assert rows(ran.out.partition("\n\n")[0]) == {"broken": "failed", "shapes": "failed", "fine": "agrees"}
    assert "where: mine.py, line 5: return cr.undefined(x)" in ran.out
    assert "mine.py:9" in ran.out or "mine.py, line 9" in ran.out


def test_a_file_that_is_not_there(run: Run) -> None:
    ran = run("check", "nowhere.py")
    assert (ran.code, ran.err) == (
        3,
        "error: the file cannot be read: No such file or directory\n  where: nowhere.py\n"
        "  mend:  name a Python file\n",
    )


def test_a_function_that_leaves_the_program_has_failed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "leaves.py").write_text("import sys\ndef f(x=[1.0]):\n    sys.exit(0)\n", encoding="utf-8")
    ran = run("check", "leaves.py")
    assert ran.code == 1
    assert "f: SystemExit: 0\n  where: leaves.py, line 3: sys.exit(0)" in ran.out
