"""What a study leaves in its folder: ``best.toml``, ``study.csv``, figures, and ``report.html`` with all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..tasks import Table
from ..train.configuration import to_mapping
from ..train.tuning import Study, TrialRecord
from ..view import (
    Figure,
    Paragraph,
    Settings,
    plot_courses,
    plot_history,
    plot_importance,
    plot_slices,
    render_report,
)
from ..view import Table as TableOnPage
from ..view.report import Item
from .output import csv_text

SHOWN = 10
"""Trials in the table of the best."""


def write_results(study: Study) -> None:
    """``best.toml`` and ``study.csv`` as the study stands; both written whole."""
    study.write({"best.toml": study.best_toml, "study.csv": lambda: csv_text(trials_table(study))})


def write_study_pages(study: Study) -> None:
    """The figures, and the page with all; nothing of a study without a score yet."""
    study.write({"report.html": lambda: _page(study)})


def trials_table(study: Study) -> Table:
    """All trials with all that is known of them."""
    records = study.records()
    names = _names(records)
    header = (
        "trial", "state", study.facts.monitor.score, "epochs", "seconds", "goes_on_from", "reason", *names,
    )  # fmt: skip
    rows = tuple(
        (
            record.number,
            record.state,
            record.value,
            len(record.scores),
            None if record.seconds is None else round(record.seconds, 3),
            record.goes_on_from,
            record.reason,
            *(record.params.get(name) for name in names),
        )
        for record in records
    )
    return Table("", header, rows)


def best_table(study: Study) -> Table:
    """The best of the finished trials, the best one first."""
    higher, score = study.facts.monitor.higher, study.facts.monitor.score
    done = [record for record in study.records() if record.state == "complete" and record.value is not None]
    done.sort(key=lambda record: ((-1 if higher else 1) * (record.value or 0.0), record.number))
    names = _names(done[:SHOWN])
    header = ("trial", score.replace("_", " "), "epochs", *map(_short, names))
    rows = tuple(
        (
            str(record.number),
            record.value,
            len(record.scores),
            *(_cell(record.params.get(name)) for name in names),
        )
        for record in done[:SHOWN]
    )
    shown = (
        f"The best {len(rows)} of {len(done)} finished trials" if len(rows) < len(done) else "Finished trials"
    )
    return Table(shown, header, rows)


def _names(records: list[TrialRecord]) -> list[str]:
    return list(dict.fromkeys(name for record in records for name in record.params))


def _cell(value: Any) -> Any:
    """Rates with the digits that they have: columns of four decimals would make 0.0002 of 0.00024."""
    return f"{value:.4g}" if isinstance(value, float) else value


def _short(name: str) -> str:
    """``model.hidden.layers`` as ``layers``."""
    return name.rpartition(".")[2].replace("_", " ")


def summary(study: Study) -> str:
    """How many trials there are and what became of them, in a sentence."""
    states = [record.state for record in study.records() if record.gone_on_as is None]
    counts = {state: states.count(state) for state in dict.fromkeys(states)}
    parts = ", ".join(f"{count} {_STATES[state]}" for state, count in counts.items())
    return f"{len(states)} trials: {parts}"


_STATES = {
    "complete": "finished", "pruned": "given up early", "failed": "failed", "running": "still running",
    "waiting": "waiting", "interrupted": "interrupted",
}  # fmt: skip


def _page(study: Study) -> str:
    best, monitor = study.best(), study.facts.monitor
    if best is None:
        return ""
    records, score = study.records(), monitor.score
    higher = monitor.higher

    def drawn(name: str, draw: Callable[[Path], None]) -> Figure:
        path = study.folder / name
        draw(path)
        return Figure(path.read_text(encoding="utf-8"))

    best_rows, trials = best_table(study), trials_table(study)
    what = "highest" if higher else "lowest"
    sections: dict[str, Sequence[Item]] = {
        "Best": [
            Paragraph(
                f"{summary(study)}. The {what} {score.replace('_', ' ')} is {best.value:.4g}, of trial "
                f"{best.number}. Trials are compared by this score alone; the test data had no say."
            ),
            TableOnPage(best_rows.header, best_rows.rows, best_rows.title),
        ],
        "Course": [drawn("history.svg", lambda path: plot_history(records, path, score, higher=higher))],
        "Settings": [
            Paragraph("Each trial over each setting that was searched; a column for each value of choices."),
            drawn("slices.svg", lambda path: plot_slices(records, path, score, higher=higher)),
        ],
    }
    if shares := study.importances():
        sections["Importance"] = [
            Paragraph(_IMPORTANCE),
            drawn("importance.svg", lambda path: plot_importance(shares, path)),
        ]
    if any(len(record.scores) > 1 for record in records):
        sections["Trials"] = [
            drawn("courses.svg", lambda path: plot_courses(records, path, score, higher=higher))
        ]
    sections["All trials"] = [_without_empty(trials)]
    sections["Search space"] = [
        TableOnPage(("setting", "range"), [[key, text] for key, text in study.facts.space.items()])
    ]
    sections["Best configuration"] = [Settings(to_mapping(study.configuration(best.params)))]
    return render_report(f"Tuning {study.facts.task}", sections)


def _without_empty(table: Table) -> TableOnPage:
    """The table on the page: short names, and no column that is empty."""
    kept = [k for k in range(len(table.header)) if any(row[k] not in (None, "") for row in table.rows)]
    header = [_short(table.header[k]) for k in kept]
    return TableOnPage(header, [[_cell(row[k]) for k in kept] for row in table.rows])


_IMPORTANCE = """
How much of what tells the best tenth of the finished trials from the rest each setting accounts for
(PED-ANOVA). It says where a search was worth its while, not which value is right; of few trials it says
little.
"""
