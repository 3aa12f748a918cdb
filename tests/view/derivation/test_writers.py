"""The forms that a derivation is written in."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from chainrule.errors import ArgumentError
from chainrule.view import Derivation, derive

from .networks import deep, lecture


def derivations() -> list[Derivation]:
    s, leaves = lecture()
    return [derive(s, list(leaves.values()), convention="column"), deep(6)]


def test_page_is_one_file_without_scripts() -> None:
    for found in derivations():
        page = found.html
        assert found._repr_html_() == page
        assert not re.search(r"<script|https?:(?!//www\.w3\.org)|src=|@import", page)
        body = page[page.index("<body>") : page.index("</html>")]
        tree = ET.fromstring(re.sub(r"&(?!lt;|gt;|amp;|quot;|#)", "&amp;", body))
        assert len(tree.findall(".//math[@class='steps']")) == len(found.values) + len(found.lines)
        assert "Verified:" in page
        assert '<html lang="en">' in page


def test_latex_is_whole() -> None:
    for found in derivations():
        text = found.latex
        assert text.count("\\begin{align*}") == text.count("\\end{align*}") > 0
        assert text.count("{") == text.count("}")
        assert "\\boldsymbol{\\delta}" in text
        rows = re.findall(r"^(?!\\).*&=.*$|^\\.*&=.*$", text, re.MULTILINE)
        assert len(rows) == sum(len(line.forms) for line in (*found.values, *found.lines))


def test_mathml_lines_are_well_formed() -> None:
    for found in derivations():
        for line in found.mathml.splitlines():
            assert ET.fromstring(line).tag == "math"


@pytest.mark.parametrize(
    ("ending", "start"), [(".tex", "\\documentclass"), (".html", "<!DOCTYPE"), (".txt", "∂s/∂b")]
)
def test_save(tmp_path: Path, ending: str, start: str) -> None:
    s, leaves = lecture()
    target = tmp_path / f"derivation{ending}"
    derive(s, leaves["b"]).save(target)
    assert target.read_text(encoding="utf-8").startswith(start)


def test_an_ending_that_is_none_leaves_no_file(tmp_path: Path) -> None:
    s, leaves = lecture()
    with pytest.raises(ArgumentError, match=r"\.pdf"):
        derive(s, leaves["b"]).save(tmp_path / "derivation.pdf")
    assert not list(tmp_path.iterdir())


def test_module_paths_are_told_and_not_used_as_symbols() -> None:
    text = deep(1).text
    assert "W⁽¹⁾: layers.0.weight, 6×5" in text
    assert "layers.0.weight" not in text[text.index("Forwards") :]
