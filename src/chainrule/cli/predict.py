"""``chainrule predict``: what a trained network says about new input."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import click

from ..data import read_lines
from ..data.readers import decode, lines_of
from ..errors import DataError
from ..tasks import Table
from ..train.json_text import plain
from .command import Command, check_text, json_option, open_run
from .output import emit_json, print_table


@click.command(
    cls=Command,
    short_help="What a run says about new input.",
    epilog="""\b
Examples:
  chainrule predict runs/digits-1 mnist/t10k-images-idx3-ubyte.gz
  chainrule predict runs/lm-1 "the name of the"
  chainrule predict runs/lm-1 --file sentences.txt --json
  head -5 sentences.txt | chainrule predict runs/lm-1

On a terminal the answers are a table; in a pipe one line each, its values separated by tabs.
""",
)
@click.argument("run", metavar="RUN")
@click.argument("lines", nargs=-1, metavar="[LINES]...")
@click.option("--file", "path", metavar="FILE", help="Read the lines from a file; - is the standard input.")
@json_option
def predict(run: str, lines: tuple[str, ...], path: str | None, as_json: bool) -> None:
    """Answer each of LINES (or of a file's lines, or of the standard input's) with the run RUN.

    For digits a line holds an image's pixels row by row, or the path of an IDX file of images; for
    language models a text, of which the next words are predicted; for taggers a sentence; for textcnn a
    text to classify; for word2vec one word, for its neighbours, or two to compare, or three of an analogy.
    """
    if lines and path is not None:
        raise click.UsageError("lines are given and --file as well\n  mend:  give one of them")
    for number, line in enumerate(lines, start=1):
        if not os.path.exists(line):  # names of files may hold any bytes
            check_text(f"line {number}", line)
    name, folder, system = open_run(run)
    given = list(lines) or _read(path)
    if not given:
        raise DataError("there is nothing to predict from", path=path, mend="give lines of input")
    answers = system.predict(given)
    if as_json:
        emit_json({"task": name, "run": str(folder.path), "predictions": answers})
        return
    header = tuple(dict.fromkeys(key for answer in answers for key in answer if not _for_json(answer[key])))
    rows = tuple(tuple(_text(answer.get(key)) for key in header) for answer in answers)
    if sys.stdout.isatty():
        print_table(Table("", header, rows))
    else:
        for row in rows:
            click.echo("\t".join(map(_in_one_line, row)))


def _read(path: str | None) -> list[str]:
    try:
        return _lines(path)
    except DataError as error:
        if "encoding=" not in (error.mend or ""):
            raise
        raise DataError(
            error.what, path=error.path, line=error.line, offset=error.offset, mend="give the text in UTF-8"
        ) from None


def _lines(path: str | None) -> list[str]:
    if path is not None and path != "-":
        return read_lines(path)
    if path is None and sys.stdin.isatty():
        raise click.UsageError("there is no input\n  mend:  give lines, --file FILE, or a pipe")
    # Not as the locale would have it: the same bytes mean the same as in a file.
    return lines_of(decode(sys.stdin.buffer.read(), path="the standard input"))


def _for_json(value: Any) -> bool:
    """Whether a value is of parts with names: too much for a cell, and --json has it."""
    return isinstance(value, list) and (not value or isinstance(value[0], dict))


def _text(value: Any) -> Any:
    """What stands in a cell: numbers as they are, lists of pairs as ``the 0.12  a 0.07``."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        parts = [
            " ".join(map(str, map(_text, item))) if isinstance(item, list | tuple) else item for item in value
        ]
        return "  ".join(map(str, parts))
    return json.dumps(plain(value)) if isinstance(value, dict) else value


def _in_one_line(value: Any) -> str:
    return str(value).replace("\t", " ").replace("\n", " ")
