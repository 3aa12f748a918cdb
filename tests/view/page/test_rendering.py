"""The page as a file: what is in it, what can never be in it, and how it is written."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, DataError, ShapeError, UnboundError
from chainrule.view.page import record_in

IMPORT = r"""^(?:import\s+|(?:import|export)\b[^;'"]*?\bfrom\s+)["']([^"']+)["']"""
NASTY = '</script><img src="http://example.org/x.png">{{record}}'


def lecture(name: str = "a") -> cr.Node:
    a, b, c = (cr.variable(v, name=n) for n, v in [(name, 3.0), ("b", 1.0), ("c", -2.0)])
    return c * (a + 2 * b)


class Reader(HTMLParser):
    """The elements of a page, their attributes, and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.text = ""
        self.inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts.append((self.elements[-1][1], data))
        elif self.inside != "style":
            self.text += data


def policy_of(page: Reader) -> str:
    (found,) = [a["content"] for t, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["a", NASTY])
def test_the_page_holds_the_record_and_nothing_to_fetch(name: str) -> None:
    explanation = cr.view.explain(lecture(name), title=name, about=name)
    page = Reader(explanation.html)
    (record,) = [text for attributes, text in page.scripts if attributes.get("id") == "record"]
    assert json.loads(record) == explanation.record
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base", "img", "form")
        assert not {"src", "href", "action"} & set(attributes) or str(attributes.get("href", "")).startswith(
            "#"
        )
    assert name in page.text
    policy = policy_of(page)
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    run = [text for attributes, text in page.scripts if attributes.get("type") in ("module", "importmap")]
    assert len(run) == 2
    for script in run:  # and the browser runs no other script than these
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_the_modules_import_each_other_by_names_that_the_page_has() -> None:
    page = Reader(cr.view.explain(lecture()).html)
    (imports,) = [json.loads(text) for a, text in page.scripts if a.get("type") == "importmap"]
    sources = {
        name: base64.b64decode(url.removeprefix("data:text/javascript;base64,")).decode()
        for name, url in imports["imports"].items()
    }
    for name, source in sources.items():
        for wanted in re.findall(IMPORT, source, re.MULTILINE):
            assert wanted in sources, f"{name} imports {wanted}"


def test_a_large_record_is_packed() -> None:
    h = x = cr.variable(np.random.default_rng(0).normal(size=(8, 8)), name="x")
    for _ in range(150):
        h = cr.tanh(h @ x)
    explanation = cr.view.explain(h.sum(), check=False)
    text = json.dumps(explanation.record)
    assert len(text) > 1_000_000 > len(explanation.html)
    assert 'type="application/gzip"' in explanation.html
    assert record_in(explanation.html) == explanation.record
    with pytest.raises(ArgumentError, match="holds no record"):
        record_in("<html></html>")


def test_without_a_script_there_are_the_picture_and_the_table() -> None:
    page = Reader(cr.view.explain(lecture()).html)
    assert "svg" in {tag for tag, _ in page.elements}
    rows = [attributes for tag, attributes in page.elements if tag == "tr"]
    assert len(rows) == 1 + 7
    for text in ("-10", "-4", "a constant: nothing that could change"):
        assert text in page.text


def test_an_exercise_does_not_tell_its_answers_in_the_table() -> None:
    page = Reader(cr.view.explain(lecture(), exercise=True).html)
    assert "-10" not in page.text
    assert "-4" not in page.text
    assert page.text.count("?") >= 3 + 6


def test_a_notebook_shows_the_page_and_the_drawing() -> None:
    explanation = cr.view.explain(lecture())
    assert ElementTree.fromstring(explanation._repr_svg_()).tag.endswith("svg")
    page = Reader(explanation._repr_html_())
    inner = [attributes["srcdoc"] for tag, attributes in page.elements if tag == "iframe"]
    assert inner == [explanation.html]


def test_the_file_is_the_page_and_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "l.html"
    path.write_text("old")
    explanation = cr.view.explain(lecture(), path=path)
    assert path.read_text(encoding="utf-8") == explanation.html
    assert [file.name for file in tmp_path.iterdir()] == ["l.html"]


def test_the_same_graph_gives_the_same_page() -> None:
    assert cr.view.explain(lecture()).html == cr.view.explain(lecture()).html


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be written"):
        cr.view.explain(lecture(), path=tmp_path / "no" / "l.html")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("output", "error", "text"),
    [
        (cr.variable([1.0, 2.0]) * 2, ShapeError, "is not a scalar"),
        (cr.constant(2), ShapeError, "is not a scalar of a float type"),
        (cr.placeholder((), name="x") * 2, UnboundError, "the placeholder x has no value"),
    ],
)
def test_mistakes(output: cr.Node, error: type[Exception], text: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=text):
        cr.view.explain(output, path=tmp_path / "l.html")
    assert not list(tmp_path.iterdir())


def sized(output: cr.Node, feed: dict[Any, Any]) -> int:
    return len(cr.view.explain(output, feed).html.encode())


def test_the_networks_of_the_lectures_stay_below_three_megabytes() -> None:
    """One step of 784-16-16-10, and of a text CNN with 300 numbers a word and 100 filters a window."""
    net = cr.models.MLP([784, 16, 16, 10], seed=0)
    x = cr.placeholder((32, 784), name="x")
    images = np.random.default_rng(0).uniform(size=(32, 784)).astype(np.float32)
    assert sized(cr.cross_entropy(net(x), np.arange(32) % 10), {x: images}) < 3e6
    cnn = cr.models.TextCNN(2000, 300, 2, seed=0)
    words = cr.placeholder((5, 56), "int32", name="words")
    ids = np.random.default_rng(0).integers(1, 2000, (5, 56), dtype=np.int32)
    assert sized(cr.cross_entropy(cnn(words), np.arange(5) % 2), {words: ids}) < 3e6
