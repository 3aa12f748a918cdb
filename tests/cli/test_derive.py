"""``chainrule explain --derive FILE``."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Run


def test_the_lectures_gradients_by_hand(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "l.txt"
    ran = run("explain", "d = 2*b; e = a + d; L = c*e", "a=3", "b=1", "c=-2", "--derive", str(target))
    assert (ran.code, ran.err) == (0, f"\nthe derivation is in {target}\n")
    lines = target.read_text(encoding="utf-8").splitlines()
    found = {line.split("=")[0].strip(): line for line in lines if line.startswith("∂L/∂")}
    assert found["∂L/∂e"].split()[2] == "c"
    assert found["∂L/∂c"].split()[2] == "e"
    assert lines[-1] == "Verified: every line agrees with the run to the last bit."


def test_convention(run: Run, tmp_path: Path) -> None:
    for convention, wanted in (("row", "x Wᵀ"), ("column", "W x")):
        target = tmp_path / f"{convention}.txt"
        values = ("W=[[1,2],[3,4]]", "x=[1,2]")
        run(
            "explain", "z = W @ x; sum(tanh(z))", *values, "--derive", str(target), "--convention", convention
        )
        assert f"z = {wanted}" in target.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("subject", "name", "told"),
    [("3*a", "l.pdf", ".tex, .html or .txt"), ("3*floor(a)", "l.txt", "no gradient flows")],
)
def test_refusals(run: Run, tmp_path: Path, subject: str, name: str, told: str) -> None:
    ran = run("explain", subject, "a=3", "--derive", str(tmp_path / name))
    assert ran.code == 2
    assert told in ran.err
    assert not (tmp_path / name).exists()


def test_wide_tables_of_a_page_are_reached_by_key(run: Run, tmp_path: Path) -> None:
    assert run("explain", "a*b", "a=2", "b=3", "--derive", "d.html").code == 0
    page = (tmp_path / "d.html").read_text(encoding="utf-8")
    assert page.count('<div class="scroll" tabindex="0">') == page.count('<div class="scroll"') == 2
