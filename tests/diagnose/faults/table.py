"""The table of faults, and what is said of each by the tool that is the natural one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import chainrule as cr
from chainrule.errors import ChainruleError


class Fault(NamedTuple):
    """A broken program, who should find out, and what must be said."""

    name: str
    tool: str
    """``run`` (the alarms of a training run), ``refusal`` (an error), ``why`` or ``check``."""
    expected: str
    """The code of the first alarm; elsewhere a part of what is said."""
    program: Callable[[], Any]


FAULTS: list[Fault] = []


def fault(name: str, tool: str, expected: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Enter a program into the table."""

    def enter(program: Callable[[], Any]) -> Callable[[], Any]:
        FAULTS.append(Fault(name, tool, expected, program))
        return program

    return enter


def said(row: Fault) -> str:
    """What is said of a program: each alarm with its code, or the error, or the answer."""
    try:
        found = row.program()
    except ChainruleError as error:
        return f"{type(error).__name__}: {error}"
    if isinstance(found, cr.train.Result):
        return "\n".join(f"[{alarm.code}] {alarm}" for alarm in found.alarms)
    return str(found)


def named(row: Fault, text: str) -> bool:
    """Whether the fault is called by its name, and by no other one before that."""
    return text.startswith(f"[{row.expected}]") if row.tool == "run" else row.expected in text
