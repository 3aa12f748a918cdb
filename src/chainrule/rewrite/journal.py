"""The journal: every firing of a rule, and how it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Firing:
    """One firing: the rule's name and group, the node it found and the node that took its place."""

    rule: str
    group: str
    before: Any
    after: Any


@dataclass
class Journal:
    """Firings in the order in which they happened.

    As text, each rule once, in the order of first use: its group and name, how often it fired, and the
    first example of what it found and what it made of it.
    """

    text: Callable[[Any], str] = repr
    firings: list[Firing] = field(default_factory=list)

    def record(self, rule: str, group: str, before: Any, after: Any) -> None:
        """Note a firing."""
        self.firings.append(Firing(rule, group, before, after))

    def __iter__(self) -> Iterator[Firing]:
        return iter(self.firings)

    def __len__(self) -> int:
        return len(self.firings)

    def counts(self) -> dict[str, int]:
        """How often each rule fired, in the order of first use."""
        found: dict[str, int] = {}
        for firing in self.firings:
            found[firing.rule] = found.get(firing.rule, 0) + 1
        return found

    def __str__(self) -> str:
        counts = self.counts()
        first: dict[str, Firing] = {}
        for firing in self.firings:
            first.setdefault(firing.rule, firing)
        lines = []
        for rule, firing in first.items():
            times = f"  ({counts[rule]} times)" if counts[rule] > 1 else ""
            lines.append(f"{firing.group}: {rule}{times}")
            lines.append(f"      {self.text(firing.before)}")
            lines.append(f"    → {self.text(firing.after)}")
        return "\n".join(lines) if lines else "nothing was rewritten"
