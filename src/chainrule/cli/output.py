"""What the commands print: tables and texts for people, one JSON object for machines.

Results go to the standard output and everything else to the standard error, so a pipe gets results only.
On a terminal tables are drawn by rich; elsewhere they are plain lines of aligned columns.
"""

from __future__ import annotations

import csv
import io
import math
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

import click

from ..tasks import Report, Table
from ..train.json_text import json_text
from ..view.text import columns_of


def say(text: str) -> None:
    """A line about what is going on, for people only."""
    click.echo(text, err=True)


def emit_json(value: Any) -> None:
    """One JSON object on the standard output; NaN and the infinities, which JSON lacks, become null."""
    click.echo(json_text(value))


def report_mapping(report: Report) -> dict[str, Any]:
    """A report for :func:`emit_json`."""
    return {
        "title": report.title,
        "scores": report.scores,
        "tables": [{"title": t.title, "header": t.header, "rows": t.rows} for t in report.tables],
        "texts": [{"heading": heading, "text": text} for heading, text in report.texts],
    }


def print_report(report: Report) -> None:
    """Title, scores, tables and texts."""
    click.secho(report.title, bold=True)
    if report.scores:
        width = max(map(len, report.scores))
        click.echo()
        for name, value in report.scores.items():
            click.echo(f"  {name.replace('_', ' '):<{width}}  {number(value)}")
    for table in report.tables:
        click.echo()
        print_table(table)
    for heading, text in report.texts:
        click.echo()
        click.secho(heading, bold=True)
        for line in _lines(text):
            click.echo(f"  {line}" if line else "")


def _lines(text: str) -> list[str]:
    """The lines of a text; on a terminal those that are too long for it are broken between words."""
    lines = text.splitlines()
    if not sys.stdout.isatty():
        return lines
    width = max(shutil.get_terminal_size().columns - 2, 20)
    return [part for line in lines for part in textwrap.wrap(line, width, subsequent_indent="  ") or [""]]


def print_table(table: Table) -> None:
    """A table with its title; numbers to the right."""
    if table.title:
        click.secho(table.title, bold=True)
    cells = formatted(table)
    right = [_is_numeric(column) for column in zip(*table.rows, strict=True)] or [False] * len(table.header)
    if sys.stdout.isatty():
        _print_rich(table.header, cells, right)
        return
    lines = [table.header, *cells]
    widths = [max(columns_of(line[column]) for line in lines) for column in range(len(table.header))]
    for index, line in enumerate(lines):
        padded = [
            " " * (width - columns_of(cell)) + cell if flush else cell + " " * (width - columns_of(cell))
            for cell, width, flush in zip(line, widths, right, strict=True)
        ]
        click.echo("  " + "  ".join(padded).rstrip())
        if index == 0:
            click.echo("  " + "  ".join("─" * width for width in widths))


def _print_rich(header: Sequence[str], cells: Sequence[Sequence[str]], right: Sequence[bool]) -> None:
    from rich.box import SIMPLE_HEAD  # rich takes 40 ms to import: only where a table is drawn with it
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    for name, flush in zip(header, right, strict=True):
        shown.add_column(Text(name), justify="right" if flush else "left", overflow="fold")
    for line in cells:
        shown.add_row(*(Text(cell) for cell in line))
    Console(highlight=False).print(shown)


def csv_text(table: Table) -> str:
    """A table as CSV, its header first.

    >>> print(csv_text(Table("", ("tag", "A,B"), (("A,B", 2),))), end="")
    tag,"A,B"
    "A,B",2
    """
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([table.header, *table.rows])
    return stream.getvalue()


def formatted(table: Table) -> list[list[str]]:
    """The cells as text, the numbers of one column with the same number of decimals."""
    columns = [_column(column) for column in zip(*table.rows, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def _column(values: Sequence[Any]) -> list[str]:
    floats = [abs(value) for value in values if isinstance(value, float) and math.isfinite(value)]
    most = max(floats, default=0.0)
    tiny = bool(floats) and 0 < most < 1e-3
    decimals = 4 if most < 10 else 2 if most < 1000 else 1
    return [
        (f"{value:.3g}" if tiny else f"{value:,.{decimals}f}") if isinstance(value, float) else _cell(value)
        for value in values
    ]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _is_numeric(values: Sequence[Any]) -> bool:
    return all(
        value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values
    )


def number(value: Any) -> str:
    """One number as people read it."""
    return _column([value])[0]
