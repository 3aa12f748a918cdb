"""``chainrule evaluate``: score a trained network again, or on other data."""

from __future__ import annotations

import click

from .command import Command, json_option, open_run
from .output import emit_json, print_report, report_mapping


@click.command(
    cls=Command,
    short_help="Score a run on its test data, or on other data.",
    epilog="""\b
Examples:
  chainrule evaluate runs/digits-1
  chainrule evaluate runs/digits-1 --data mnist/
  chainrule evaluate runs/lm-1 --data novel.txt --json
""",
)
@click.argument("run", metavar="RUN")
@click.option("--data", metavar="PATH", help="Other data than the run was trained with.")
@json_option
def evaluate(run: str, data: str | None, as_json: bool) -> None:
    """Score the network in the run folder RUN."""
    name, folder, system = open_run(run)
    report = system.evaluate(data)
    if as_json:
        emit_json({"task": name, "run": str(folder.path), **report_mapping(report)})
    else:
        print_report(report)
