"""What was measured, as tables for people, as plain values for machines, and as a page."""

from __future__ import annotations

import datetime
import math
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..data.files import write_atomically
from ..errors import DataError
from ..tasks import Table
from .hardware import machine
from .measuring import Figure
from .roofline import Machine, Work
from .workloads import LARGE, WORKLOADS

BEGIN, END = "<!-- figures: written by chainrule bench --write -->", "<!-- end of the figures -->"

HEADER = (
    "way",
    "threads",
    "device",
    "µs a step",
    "× ours",
    "roofline",
    "µs CPU",
    "cold s",
    "warm s",
    "MB",
    "form",
)

_ABOUT = {name: workload.about for name, workload in (WORKLOADS | LARGE).items()}

BUSY = 1.25
"""Where the typical round takes so many times the fastest one, the figures are not to be relied upon."""


@dataclass
class Results:
    """The figures of one run of the benchmarks, and what they are held against."""

    own: str
    """The way to train that the others are compared with."""
    machines: dict[int, Machine]
    """What the processor can do, by threads; empty where a GPU was measured."""
    works: dict[str, Work]
    """What a step takes at least, by workload."""
    missing: dict[str, str] = field(default_factory=dict)
    """Why a framework was not measured."""
    figures: list[Figure] = field(default_factory=list)
    machine: str = field(default_factory=machine)
    date: str = field(default_factory=lambda: datetime.date.today().isoformat())

    def reference(self, figure: Figure) -> Figure | None:
        """This library's figure for the same workload and threads."""
        same = (figure.workload, figure.threads, self.own)
        found = (other for other in self.figures if (other.workload, other.threads, other.way) == same)
        return next(found, None)

    def ratio(self, figure: Figure) -> float:
        """How many of this library's steps fit into one of ``figure``'s; NaN where one is missing."""
        reference = self.reference(figure)
        return figure.step / reference.step if reference is not None else math.nan

    def share(self, figure: Figure) -> float:
        """The fraction of the roofline: the shortest possible step over the measured one; NaN on a GPU."""
        machine = self.machines.get(figure.threads)
        return math.nan if machine is None else machine.bound(self.works[figure.workload]) / figure.step

    @property
    def threads(self) -> list[int]:
        """The thread counts that there are figures for."""
        return list(dict.fromkeys(figure.threads for figure in self.figures))

    @property
    def wrong(self) -> list[Figure]:
        """Figures whose first losses are not the reference's, and own ones that could not be measured."""
        return [f for f in self.figures if f.agrees is False or (f.problem and f.way.startswith("chainrule"))]

    @property
    def unrest(self) -> float:
        """By how much the typical round lies above the fastest: the median over figures of median over best.

        On a quiet machine it is 1.0 to 1.1; where other programs want the cores, small steps on several
        threads suffer most, and figures mean little.
        """
        found = [figure.step / figure.best for figure in self.figures if figure.rounds]
        return statistics.median(found) if found else math.nan

    # -- for machines ------------------------------------------------------------------------------

    def mapping(self) -> dict[str, Any]:
        """All of it as plain values; seconds, bytes, and operations and bytes a second."""
        return {
            "machine": self.machine,
            "date": self.date,
            "compared_with": self.own,
            "unrest": self.unrest,
            "versions": sorted({figure.version for figure in self.figures if figure.version}),
            "not_measured": self.missing,
            "peaks": [asdict(machine) for machine in self.machines.values()],
            "workloads": [
                {"name": name, "about": _ABOUT.get(name, name), **asdict(work)}
                for name, work in self.works.items()
            ],
            "figures": [
                {**asdict(figure), "ratio": self.ratio(figure), "roofline": self.share(figure)}
                for figure in self.figures
            ],
        }

    # -- for people --------------------------------------------------------------------------------

    def table(self, workload: str) -> Table:
        """Every way on one workload."""
        rows = [self._row(figure) for figure in self.figures if figure.workload == workload]
        return Table(f"{workload}: {self._about(workload)}", HEADER, _flush(rows, numbers=range(3, 9)))

    def _about(self, workload: str) -> str:
        work = self.works[workload]
        return f"{_ABOUT.get(workload, '')} ({work.flops / 1e6:,.1f} MFLOP, {work.bytes / 1e6:,.2f} MB)"

    def _row(self, figure: Figure) -> tuple[Any, ...]:
        if figure.problem:
            return (figure.way, figure.threads, figure.device, *[None] * 7, figure.problem)
        notes = [figure.choice] if figure.choice else []
        notes += ["OTHER LOSSES: not the same network"] if figure.agrees is False else []
        return (
            figure.way,
            figure.threads,
            figure.device,
            microseconds(figure.step),
            "—" if math.isnan(self.ratio(figure)) else f"{self.ratio(figure):.2f}",
            _percent(self.share(figure)),
            microseconds(figure.processor),
            f"{figure.cold:.2f}",
            f"{figure.warm:.2f}",
            None if figure.memory is None else round(figure.memory / 2**20),
            ", ".join(notes),
        )

    def peaks(self) -> Table:
        """What the machine can do at most, and what that makes of each workload."""
        rows = [
            (
                name,
                threads,
                f"{machine.flops / 1e9:,.0f}",
                f"{machine.bandwidth[work.bytes] / 1e9:,.0f}",
                f"{work.flops / 1e6:,.2f}",
                f"{work.bytes / 1e6:,.2f}",
                microseconds(machine.bound(work)),
            )
            for name, work in self.works.items()
            for threads, machine in self.machines.items()
        ]
        header = ("workload", "threads", "GFLOP/s", "GB/s", "MFLOP", "MB", "µs at least")
        return Table("What a step cannot go below", header, _flush(rows, numbers=range(2, 7)))

    def summary(self, threads: int) -> Table:
        """One row a workload: microseconds of every way, and how many steps of ours fit into one."""
        figures = [figure for figure in self.figures if figure.threads == threads]
        ways = list(dict.fromkeys(figure.way for figure in figures))
        rows = []
        for name in self.works:
            by_way = {figure.way: figure for figure in figures if figure.workload == name}
            rows.append((name, *[self._cell(by_way.get(way)) for way in ways]))
        count = f"{threads} thread{'s' if threads > 1 else ''}"
        return Table(f"µs a step, {count} (× {self.own})", ("workload", *ways), tuple(rows))

    def verdict(self) -> Table:
        """One row a workload and thread count: this library, the fastest other way, and the ratio."""
        rows = []
        for ours in (figure for figure in self.figures if figure.way == self.own and not figure.problem):
            others = [
                f for f in self.figures if self.reference(f) is ours and f is not ours and not f.problem
            ]
            fastest = min((f for f in others if f.agrees), key=lambda figure: figure.step, default=None)
            theirs = (
                ("", "") if fastest is None else (microseconds(fastest.step), f"{self.ratio(fastest):.2f}")
            )
            name = "—" if fastest is None else fastest.way
            share = _percent(self.share(ours))
            rows.append((ours.workload, ours.threads, microseconds(ours.step), *theirs, share, name))
        header = ("workload", "threads", f"µs {self.own}", "µs fastest other", "× ours", "roofline", "which")
        return Table("Against the fastest other way", header, _flush(rows, numbers=range(2, 6)))

    def _cell(self, figure: Figure | None) -> str:
        if figure is None or figure.problem:
            return "—"
        text, ratio = microseconds(figure.step), self.ratio(figure)
        return text if figure.way == self.own or math.isnan(ratio) else f"{text} ({ratio:.1f}×)"

    # -- as a page ---------------------------------------------------------------------------------

    def markdown(self) -> str:
        """The tables, the machine, versions and date."""
        versions = ", ".join(sorted({figure.version for figure in self.figures if figure.version}))
        parts = [f"Measured on {self.date}: {self.machine}.", f"Versions: {versions}."]
        if self.unrest > BUSY:
            parts.append(
                f"The machine was busy: rounds took {self.unrest:.2f} times as long as the fastest ones."
            )
        parts += [f"Not measured: {name} ({why})." for name, why in self.missing.items()]
        tables = [self.verdict(), *[self.summary(threads) for threads in self.threads]]
        tables += [self.table(name) for name in self.works]
        tables += [self.peaks()] if self.machines else []
        parts += [_markdown_table(table) for table in tables]
        return "\n\n".join(parts)


def microseconds(seconds: float) -> str:
    """Seconds as microseconds with three digits or more.

    >>> microseconds(12.34e-6), microseconds(0.0123456)
    ('12.3', '12,346')
    """
    value = seconds * 1e6
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _percent(share: float) -> str:
    return "—" if math.isnan(share) else f"{share:.0%}"


def _flush(rows: list[tuple[Any, ...]], numbers: range) -> tuple[tuple[Any, ...], ...]:
    """The rows, texts in the columns ``numbers`` flush right: numbers, each rounded in its own way."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    for column in columns[numbers.start : numbers.stop]:
        width = max(len(cell or "") for cell in column)
        column[:] = [(cell or "").rjust(width) for cell in column]
    return tuple(zip(*columns, strict=True))


def _markdown_table(table: Table) -> str:
    lines = ["| " + " | ".join(table.header) + " |", "|" + "---|" * len(table.header)]
    lines += [
        "| "
        + " | ".join("" if cell is None else str(cell).strip().replace("|", "\\|") for cell in row)
        + " |"
        for row in table.rows
    ]
    return f"**{table.title}**\n\n" + "\n".join(lines)


def write_page(results: Results, path: str | Path) -> None:
    """Put the figures into a page: between its two comment lines, or as a new file.

    Raises ``DataError``, and changes nothing, where the file has something else in it.
    """
    target = Path(path)
    figures = f"{BEGIN}\n\n{results.markdown()}\n\n{END}"
    if not target.exists():
        write_atomically(target, f"# Benchmarks\n\n{figures}\n")
        return
    check_page(target)
    before, _, rest = target.read_text(encoding="utf-8").partition(BEGIN)
    write_atomically(target, before + figures + rest.partition(END)[2])


def check_page(path: str | Path) -> None:
    """Raise ``DataError`` where figures could not be written to ``path``: before they take minutes."""
    target = Path(path)
    if not target.parent.is_dir():
        raise DataError("no such folder", path=target.parent, mend="make it, or choose another file")
    if not target.exists():
        return
    if target.is_dir():
        raise DataError("a folder where a file was expected", path=target, mend="name the file inside")
    text = target.read_text(encoding="utf-8", errors="replace")
    if text.count(BEGIN) != 1 or END not in text.partition(BEGIN)[2]:
        raise DataError(
            "the file has no place for the figures",
            path=target,
            mend=f"name a new file, or put two lines where they belong: {BEGIN} and {END}",
        )
