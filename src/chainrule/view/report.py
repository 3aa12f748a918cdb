"""A report as one HTML file: no network, no scripts, light and dark, fit to print."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.parsers import expat

from ..data.files import write_atomically
from ..errors import ArgumentError
from .drawing import Drawing
from .figures import plot_curves, plot_layers
from .text import cell_text, escape, is_numeric


class Paragraph(NamedTuple):
    """Running text; a blank line begins another paragraph."""

    text: str


class Table(NamedTuple):
    """Rows under headers; columns of numbers are set to the right."""

    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""


class Figure(NamedTuple):
    """An SVG picture: its text, or a drawing."""

    svg: str | Drawing
    caption: str = ""


class Sample(NamedTuple):
    """Text as it came out, line breaks kept."""

    text: str
    caption: str = ""


class Settings(NamedTuple):
    """A configuration: nested mappings, shown as ``section.key`` and value."""

    values: Mapping[str, Any]
    caption: str = ""


Item = Paragraph | Table | Figure | Sample | Settings


def write_report(path: str | os.PathLike[str], title: str, sections: Mapping[str, Sequence[Item]]) -> None:
    """Write ``sections``, heading → items, as one HTML file; what stood at ``path`` is replaced as a whole.

    All text is escaped.  A figure must be a whole SVG element without scripts and without anything to
    fetch, else ``ArgumentError`` is raised and nothing written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_report(Path(folder, "report.html"), "A <run>", {"Scores": [Table(["loss"], [[0.25]])]})
    ...     "<h1>A &lt;run&gt;</h1>" in Path(folder, "report.html").read_text(encoding="utf-8")
    True
    """
    write_atomically(path, render_report(title, sections))


def render_report(title: str, sections: Mapping[str, Sequence[Item]]) -> str:
    """The text of the report."""
    anchors = {heading: f"s{number}" for number, heading in enumerate(sections, 1)}
    links = "".join(f'<a href="#{anchor}">{escape(heading)}</a>' for heading, anchor in anchors.items())
    body = "\n".join(
        f'<section id="{anchors[heading]}"><h2>{escape(heading)}</h2>\n'
        + "\n".join(map(_item, items))
        + "\n</section>"
        for heading, items in sections.items()
    )
    contents = f'<nav aria-label="Sections">{links}</nav>\n' if len(anchors) > 1 else ""
    return page(title, body, contents=contents)


def page(title: str, body: str, *, contents: str = "", style: str = "") -> str:
    """An HTML page in the reports' style around ``body``; that, ``contents`` and ``style`` are markup."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}{style}</style>\n</head>\n<body>\n<main>\n"
        f"<header><h1>{escape(title)}</h1>\n{contents}</header>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _item(item: Item) -> str:
    match item:
        case Paragraph(text):
            return "\n".join(f"<p>{escape(part.strip())}</p>" for part in text.split("\n\n") if part.strip())
        case Table(headers, rows, caption):
            return _table(headers, rows, caption)
        case Figure(svg, caption):
            told = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
            return f"<figure>{_checked(svg.svg if isinstance(svg, Drawing) else svg)}{told}</figure>"
        case Sample(text, caption):
            told = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
            return f"<figure>{told}<pre>{escape(text)}</pre></figure>"
        case Settings(values, caption):
            return _table(["setting", "value"], list(_flat(values)), caption, "settings")


def _table(headers: Sequence[str], rows: Sequence[Sequence[Any]], caption: str, kind: str = "") -> str:
    numeric = [bool(rows) and all(is_numeric(row[column]) for row in rows) for column in range(len(headers))]
    classes = [' class="number"' if right else "" for right in numeric]
    head = "".join(
        f'<th scope="col"{told}>{escape(header)}</th>' for header, told in zip(headers, classes, strict=True)
    )
    lines = [
        "<tr>"
        + "".join(
            f"<td{told}>{escape(cell_text(cell))}</td>" for cell, told in zip(row, classes, strict=True)
        )
        + "</tr>"
        for row in rows
    ]
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    body = "\n".join(lines)
    return (
        f'<div class="scroll" tabindex="0"><table class="{kind}">{told}<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> Sequence[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", cell_text(value)))
    return rows


_ACTIVE = ("script", "foreignobject", "iframe")
_PIXELS = "data:image/png;base64,"
_FETCHES = re.compile(r"url\(\s*['\"]?(?!#)|@import", re.IGNORECASE)


def _checked(svg: str) -> str:
    """The SVG element alone, held to have no scripts and nothing to fetch."""
    text = svg[max(svg.find("<svg"), 0) :].strip()
    tags: list[str] = []

    def element(tag: str, attributes: dict[str, str]) -> None:
        tags.append(tag.rpartition(":")[2].lower())
        if tags[-1] in _ACTIVE:
            raise ArgumentError(f"report: a figure holds <{tag}>", mend="give a plain drawing")
        for key, value in attributes.items():
            name = key.rpartition(":")[2].lower()
            inside = value.startswith(_PIXELS if tags[-1] == "image" else "#")
            if name.startswith("on") or (name == "href" and not inside) or _FETCHES.search(value):
                raise ArgumentError(f"report: a figure holds {key}={value!r}", mend="give a plain drawing")

    def words(data: str) -> None:
        if tags[-1] == "style" and _FETCHES.search(data):
            raise ArgumentError("report: a figure's style fetches something", mend="give a plain drawing")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.CharacterDataHandler = element, words
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise ArgumentError(f"report: a figure is not well-formed SVG: {error}") from None
    if tags[0] != "svg":
        raise ArgumentError(f"report: a figure is <{tags[0]}>, not <svg>")
    return text


def write_run_views(
    folder: str | os.PathLike[str],
    title: str,
    *,
    configuration: Mapping[str, Any],
    records: Sequence[Mapping[str, Any]],
    results: Sequence[Table] = (),
    samples: Sequence[Sample] = (),
    learned: Sequence[Item] = (),
    drawing: Drawing | None = None,
    alarms: Sequence[Mapping[str, Any]] = (),
    layers: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write a run folder's pictures of itself: ``curves.svg``, ``layers.svg``, and ``report.html`` with all.

    ``records`` has one mapping an epoch; ``results`` are the tables to show first (held-out scores,
    confusion), ``samples`` what the model said, ``learned`` what can be seen in it, ``drawing`` its graph,
    ``alarms`` what the run was warned of, ``layers`` how they fared (of ``chainrule.train.Result``).
    """
    sections: dict[str, Sequence[Item]] = {}
    if alarms:
        headers = ("after epoch", "what", "where", "what to do")
        rows = [[alarm.get(key) for key in ("epoch", "what", "where", "mend")] for alarm in alarms]
        sections["Warnings"] = [Table(headers, rows)]
    if results:
        sections["Results"] = results
    if records:
        sections |= _course(Path(folder), title, records, layers)
    if samples:
        sections["Samples"] = samples
    if learned:
        sections["Learned"] = learned
    if drawing is not None:
        sections["Network"] = [Figure(drawing)]
    sections["Configuration"] = [Settings(configuration)]
    write_report(Path(folder) / "report.html", title, sections)


def _course(
    folder: Path, title: str, records: Sequence[Mapping[str, Any]], layers: Sequence[Mapping[str, Any]]
) -> dict[str, Sequence[Item]]:
    """The run over its epochs: curves and the table of records; how the layers fared, where that is known."""
    curves, drawn = folder / "curves.svg", folder / "layers.svg"
    plot_curves(records, curves, title)
    keys = list(dict.fromkeys(key for record in records for key in record))
    rows = [[record.get(key) for key in keys] for record in records]
    table = Table([key.replace("_", " ") for key in keys], rows)
    found: dict[str, Sequence[Item]] = {"Training": [Figure(curves.read_text(encoding="utf-8")), table]}
    if layers:
        plot_layers(layers, drawn, f"Layers of {title}")
        found["Layers"] = [Paragraph(_LAYERS), Figure(drawn.read_text(encoding="utf-8"))]
    return found


_LAYERS = """
Measured on a sample of the training data. Gradients of the layers should be of a like size: one that is far
smaller than that of the layer above it vanishes on its way back. Steps of about a thousandth of the weights
are usual; far larger ones throw away what was learned, far smaller ones learn nothing. Units that are dead
(ReLU) or saturated (sigmoid, tanh) pass no gradient on.
"""


_STYLE = """
:root{--ground:#fff;--ink:#1c2430;--quiet:#5b6675;--line:#d5dae1;--soft:#f4f6f8;--link:#0b5cad}
@media (prefers-color-scheme:dark){
:root{--ground:#15181d;--ink:#e8ebf0;--quiet:#a3adbb;--line:#333b46;--soft:#1d222a;--link:#8cc4ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif}
main{max-width:62rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 .6rem}
h2{font-size:1.25rem;margin:2.4rem 0 .8rem;padding-bottom:.3rem;border-bottom:1px solid var(--line)}
nav{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem}
a{color:var(--link)}
p{max-width:44rem}
figure{margin:1rem 0}
figure svg{display:block;max-width:100%;height:auto}
figcaption,caption{color:var(--quiet);font-size:.9rem;text-align:left;padding:.3rem 0}
.scroll{overflow-x:auto;margin:1rem 0}
table{border-collapse:collapse;font-size:.92rem;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .9rem .3rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
th{color:var(--quiet);font-weight:600;border-bottom-width:2px;white-space:nowrap}
.number{text-align:right;padding-left:.6rem}
th:first-child,td:first-child{padding-left:0}
.settings td:first-child{white-space:nowrap;font-family:ui-monospace,Menlo,Consolas,monospace}
.settings td:last-child{overflow-wrap:anywhere}
pre{background:var(--soft);border:1px solid var(--line);border-radius:6px;padding:.8rem 1rem;margin:.3rem 0;
white-space:pre-wrap;overflow-wrap:anywhere;font:.88rem/1.5 ui-monospace,Menlo,Consolas,monospace}
@media print{
:root{--ground:#fff;--ink:#000;--quiet:#444;--line:#bbb;--soft:#fff;--link:#000}
main{max-width:none;padding:0}nav{display:none}
figure,tr,pre{break-inside:avoid}h2{break-after:avoid}thead{display:table-header-group}
.cr-figure,.cr-drawing{color:#000!important;background:#fff!important}}
""".strip()
