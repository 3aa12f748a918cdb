"""What the engine made of a graph, in words: what was rewritten, the steps, who runs them, their memory."""

from __future__ import annotations

from collections.abc import Sequence

from ...graph.memory import format_bytes
from ...loops import Call, Kernel, Loop, Program, Reduce, format_program, statements
from ...rewrite import Journal
from .memory import Plan
from .phases import Part


def explain(
    journal: Journal,
    parts: Sequence[Part],
    plan: Plan,
    threads: int,
    forms: Sequence[str],
    *,
    whole: bool = False,
) -> str:
    """The account of one program; ``whole`` adds the loop program itself."""
    calls = [part.step for part in parts if isinstance(part.step, Call)]
    meetings = sum(part.barrier for part in parts) if threads > 1 else 0
    lines = [
        f"native engine: {_count(len(parts), 'step')}, {_count(threads, 'thread')}, "
        f"{_count(meetings, 'meeting')} of all threads, {format_bytes(plan.size)} of working memory",
        "",
        "rewritten:",
        *_indented(str(journal)),
        "",
        "steps:",
    ]
    lines += [f"  {line}" for line in _table(parts, forms, threads)]
    if calls:
        names = ", ".join(dict.fromkeys(call.label for call in calls))
        lines += ["", f"called in Python, by the op's own forward: {names}"]
    if whole:
        lines += ["", format_program(Program(tuple([part.step for part in parts])))]
    return "\n".join(lines)


def _table(parts: Sequence[Part], forms: Sequence[str], threads: int) -> list[str]:
    rows = [("", "places", "threads", "made of", "")]
    for number, (part, form) in enumerate(zip(parts, forms, strict=True)):
        who = "one" if part.serial or threads == 1 else "all"
        after = "meet" if part.barrier and threads > 1 and number + 1 < len(parts) else ""
        rows.append((part.step.name if isinstance(part.step, Kernel) else part.step.label,
                     str(part.extent), who, form, after))  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def form_of(kernel: Kernel) -> str:
    """What a kernel consists of, counted."""
    inside = list(statements(kernel.body))
    loops = sum(isinstance(s, Loop) for s in inside)
    sums = sum(isinstance(s, Reduce) for s in inside)
    return f"{_count(loops, 'loop')}, {_count(sums, 'reduction')}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]
