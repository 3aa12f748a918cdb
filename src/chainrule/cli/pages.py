"""The pages of a finished run: curves, layers, mistakes, words, filters, the network, in ``report.html``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import MissingExtraError
from ..graph import Node, topological
from ..tasks import Explains, HasWordVectors, Map, Pictures, Report, System, Table, Task
from ..tasks.vector_reports import ExaminationOptions, frequent_words, neighbour_table, word_map
from ..train import RunFolder
from ..view import Drawing, Figure, Paragraph, Sample, draw, plot_images, plot_map, write_run_views
from ..view import Table as TableOnPage
from .output import csv_text

_FILTERS = 8
"""Tables of what a network looks at, on the page; ``chainrule explain RUN`` shows all."""
_MOST_NODES = 250
"""A drawing of more nodes is not read on a page; ``chainrule explain`` folds it."""


def write_pages(folder: RunFolder, task: Task, report: Report, records: Sequence[Mapping[str, Any]]) -> None:
    """``report.html``, its pictures as SVG files, and whole tables as CSV."""
    for name, table in report.files.items():
        folder.write_text(name, csv_text(table))
    system = task.load(folder)
    scores = TableOnPage(["score", "value"], [[k.replace("_", " "), v] for k, v in report.scores.items()])
    maps = list(report.maps)
    learned = [*_words(system, maps), *_looks_at(system)]
    figures = [_drawn(folder.path / _numbered("map", k), found) for k, found in enumerate(maps)]
    mistakes = [_shown(folder.path / _numbered("images", k), p) for k, p in enumerate(report.pictures)]
    write_run_views(
        folder.path,
        report.title,
        configuration=folder.config(),
        records=records,
        results=[scores, *map(_on_page, report.tables)],
        samples=[Sample(text, heading) for heading, text in report.texts],
        learned=[*mistakes, *learned, *figures],
        drawing=_network(report.network),
        alarms=folder.manifest().get("alarms", ()),
        layers=folder.layers(),
    )


def _on_page(table: Table) -> TableOnPage:
    return TableOnPage(table.header, table.rows, table.title)


def _words(system: System, maps: list[Map]) -> Iterator[TableOnPage]:
    """Neighbours of some words, and a map of the frequent ones, where the report has none yet."""
    if not isinstance(system, HasWordVectors) or maps:
        return
    vectors, options = system.word_vectors(), ExaminationOptions()
    if vectors is not None and len(words := frequent_words(vectors, options.map)) > 2:
        yield _on_page(neighbour_table(vectors, options))
        maps.append(word_map(vectors, words))


def _looks_at(system: System) -> Iterator[Paragraph | TableOnPage]:
    """What the network has learned to look at: the most telling tables."""
    if not isinstance(system, Explains):
        return
    found = system.explain()
    yield Paragraph(f"{found.title}; the {min(_FILTERS, len(found.tables))} that decide most")
    yield from map(_on_page, found.tables[:_FILTERS])


def _network(node: Node | None) -> Drawing | None:
    """The drawing of the network, where it can be made and be read."""
    if node is None or len(topological([node])) > _MOST_NODES:
        return None
    try:
        return draw(node)
    except MissingExtraError:
        return None


def _numbered(stem: str, number: int) -> str:
    return f"{stem}-{number + 1}.svg" if number else f"{stem}.svg"


def _drawn(path: Path, found: Map) -> Figure:
    plot_map(found.points, found.labels, path, found.title)
    return Figure(path.read_text(encoding="utf-8"), found.title)


def _shown(path: Path, found: Pictures) -> Figure:
    plot_images(found.images, found.captions, path, found.title)
    return Figure(path.read_text(encoding="utf-8"), found.title)
