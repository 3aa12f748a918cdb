"""Reports are whole, well-formed, self-contained and safe."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError
from chainrule.view import (
    Figure,
    Paragraph,
    Sample,
    Settings,
    Table,
    draw,
    render_report,
    write_report,
    write_run_views,
)

VOID = {"meta", "br", "link", "img"}


class Outline(HTMLParser):
    """Collects tags, attributes and text, and fails on tags that do not close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


EVIL = "<script>alert('x')</script> & \"quotes\""


def report() -> str:
    return render_report(
        EVIL,
        {
            f"One {EVIL}": [Paragraph(f"first {EVIL}\n\nsecond"), Sample(f"a\n  b {EVIL}", EVIL)],
            "Two": [
                Table([EVIL, "n"], [[EVIL, 1.25], ["x", None]], EVIL),
                Settings({"model": {"hidden": [3, 4], EVIL: EVIL}, "seed": 1}),
                Figure(draw(cr.exp(cr.variable(np.ones(3), name=EVIL[:20]))), EVIL),
            ],
        },
    )


def test_it_is_well_formed_and_everything_is_escaped() -> None:
    outline = Outline(report())
    assert "script" not in outline.tags
    assert EVIL in "".join(outline.words)
    assert outline.tags.count("h2") == 2
    assert outline.tags.count("svg") == 1
    assert [value for key, value in outline.attributes if key == "href"] == ["#s1", "#s2"]
    words = "".join(outline.words)
    for text in ("first", "second", "a\n  b", "model.hidden", "[3, 4]", "seed", "1.25"):
        assert text in words


def test_it_fetches_nothing() -> None:
    text = report()
    addresses = set(re.findall(r"https?://[^\s\"'<]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "@import" not in text
    outline = Outline(text)
    assert not {"link", "iframe", "img", "object"} & set(outline.tags)


def test_columns_of_numbers_are_set_to_the_right() -> None:
    text = render_report("t", {"s": [Table(["name", "value"], [["a", 1], ["b", 2.5]])]})
    assert text.count('class="number"') == 3


BAD = {
    "script": "<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
    "onload": "<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>",
    "xlink:href": "<svg xmlns:xlink='http://www.w3.org/1999/xlink'><a xlink:href='http://x'/></svg>",
    "foreignObject": "<svg><foreignObject/></svg>",
    "fill": "<svg><rect fill='url(http://x/y)'/></svg>",
    "style": "<svg><style>@import 'x';</style></svg>",
    "well-formed": "<svg><g></svg>",
    "not <svg>": "<p>text</p>",
}


@pytest.mark.parametrize("words", BAD)
def test_a_figure_that_could_do_something_is_refused(words: str, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=re.escape(words)):
        write_report(tmp_path / "r.html", "t", {"s": [Figure(BAD[words])]})
    assert list(tmp_path.iterdir()) == []


def test_the_views_of_a_run(tmp_path: Path) -> None:
    records = [{"epoch": k, "loss": 2 / k, "validation_loss": 2 / k + 1, "best": True} for k in range(1, 4)]
    write_run_views(
        tmp_path,
        "lm",
        configuration={"task": "lm", "model": {"hidden": 8}},
        records=records,
        results=[Table(["model", "perplexity"], [["n-gram", 212.5], ["neural", 187.25]])],
        samples=[Sample("the module returns")],
        drawing=draw(cr.exp(cr.variable(1.0, name="w"))),
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.svg", "report.html"]
    outline = Outline((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert outline.tags.count("svg") == 2
    words = "".join(outline.words)
    assert all(text in words for text in ("212.5", "187.25", "the module returns", "model.hidden"))
    headings = ["Results", "Training", "Samples", "Network", "Configuration"]
    assert [word for word in outline.words if word in headings] == headings * 2


def test_a_run_without_records_still_has_its_configuration(tmp_path: Path) -> None:
    write_run_views(tmp_path, "t", configuration={"seed": 3}, records=[])
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_how_the_layers_fared_and_what_was_warned_of_stand_in_a_runs_report(tmp_path: Path) -> None:
    records = [{"epoch": k, "loss": 1 / k} for k in range(1, 4)]
    layers = [
        {
            "epoch": k,
            "parameters": {
                "one.weight": {"weight": 1.0, "gradient": 10.0**-k, "update": 1e-3},
                "two.weight": {"weight": 1.0, "gradient": 0.0, "update": None},
            },
            "units": {"relu after one.weight": {"kind": "relu", "idle": 0.25 * k}},
        }
        for k in (1, 3)
    ]
    alarm = {"code": "dead", "epoch": 3, "what": "75 % of relu is dead", "where": "net.py:7", "mend": "leak"}
    write_run_views(tmp_path, "a run", configuration={}, records=records, alarms=[alarm], layers=layers)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for told in ("<h2>Warnings</h2>", "75 % of relu is dead", "net.py:7", "<h2>Layers</h2>"):
        assert told in page
    drawn = (tmp_path / "layers.svg").read_text(encoding="utf-8")
    assert "one.weight from 0.1 to 0.001" in drawn
    assert "relu after one.weight from 0.25 to 0.75" in drawn
    write_run_views(tmp_path, "a run", configuration={}, records=[{"epoch": 1, "loss": 1.0}])
    assert "<h2>Layers</h2>" not in (tmp_path / "report.html").read_text(encoding="utf-8")
