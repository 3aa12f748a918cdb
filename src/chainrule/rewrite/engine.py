"""The engine: rules applied bottom up until none fires, every node visited once for each form it takes.

It is a loop over an explicit stack, so an expression a million nodes deep is fine; what a rule builds is
itself rewritten before anything above it is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ..errors import ChainruleError
from .journal import Journal
from .language import Language
from .pattern import Pattern, matches

N = TypeVar("N")


@dataclass(frozen=True)
class Rule:
    """A left side and what takes its place.

    ``build`` is given what the pattern's names captured, as keywords; None refuses, and the next rule is
    tried.  ``name`` states the rule as a person would write it; ``group`` says what kind it is of.
    """

    name: str
    pattern: Pattern
    build: Callable[..., Any]
    group: str = ""
    alone: str | None = None
    """The name of a captured node that nobody else may read: rules that pay only where it then vanishes."""


class RuleSet:
    """Rules, in the order in which they are tried, found by the ops of a node and of its inputs."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        self.asks_for_readers = any(rule.alone is not None for rule in self.rules)
        self._anywhere = [rule for rule in self.rules if rule.pattern.ops is None]
        self._by_root: dict[Hashable, list[Rule]] = {
            op: [rule for rule in self.rules if rule.pattern.ops is None or op in rule.pattern.ops]
            for op in {op for rule in self.rules for op in rule.pattern.ops or ()}
        }
        self._admitted: dict[tuple[Hashable, ...], tuple[Rule, ...]] = {}

    def of(self, op: Hashable, inputs: tuple[Hashable, ...]) -> tuple[Rule, ...]:
        """The rules that may match a node of this op on nodes of those ops: found once, then looked up."""
        signature = (op, *inputs)
        found = self._admitted.get(signature)
        if found is None:
            if len(self._admitted) >= _SIGNATURES:
                self._admitted.clear()
            likely = self._by_root.get(op, self._anywhere)
            found = tuple([rule for rule in likely if rule.pattern.admits(op, inputs)])
            self._admitted[signature] = found
        return found


_SIGNATURES = 4096  # that a rule set remembers


def rewrite(
    outputs: Sequence[N],
    rules: RuleSet,
    language: Language[N],
    journal: Journal | None = None,
    *,
    firings_per_node: int = 16,
) -> list[N]:
    """``outputs`` with every rule applied wherever it can be, to a fixed point.

    Rules are tried at a node when all of its inputs have their final form, those with the node's op at
    their root first to last; the first that gives another node wins.  Each firing goes into ``journal``.

    Raises ``ChainruleError`` for rules that undo each other, naming them, once they have fired
    ``firings_per_node`` times for each node.
    """
    final: dict[N, N] = {}
    made_from: list[tuple[N, N | None]] = [(output, None) for output in reversed(outputs)]
    journal = Journal(language.text) if journal is None else journal
    readers = _readers(outputs, language) if rules.asks_for_readers else {}
    started = len(journal)
    while made_from:
        node, form = made_from.pop()
        if form is not None:  # the form that takes the place of `node` has been brought to its end
            final[node] = final[form]
            continue
        if node in final:
            continue
        inputs = language.inputs(node)
        pending = [child for child in inputs if child not in final]
        if pending:
            made_from.append((node, None))
            made_from += [(child, None) for child in reversed(pending)]
            continue
        new_inputs = tuple([final[child] for child in inputs])
        form = language.rebuild(node, new_inputs)
        if form is node:
            form = _fire(node, rules, language, journal, readers)
        if form is None:
            final[node] = node
        elif form in final:
            final[node] = final[form]
        else:
            made_from += [(node, form), (form, None)]
            readers[form] = readers.get(form, 0) + readers.get(node, 0)
            if len(journal) - started > firings_per_node * max(len(final), 64):
                raise _endless(journal)
    return [final[output] for output in outputs]


def _readers(outputs: Sequence[N], language: Language[N]) -> dict[N, int]:
    """How many read each node, once for each input they read it as; being an output counts as one."""
    counts: dict[N, int] = {}
    stack = list(outputs)
    while stack:
        node = stack.pop()
        known = node in counts
        counts[node] = counts.get(node, 0) + 1
        if not known:
            stack += language.inputs(node)
    return counts


def _fire(
    node: N, rules: RuleSet, language: Language[N], journal: Journal, readers: dict[N, int]
) -> N | None:
    """What the first rule that applies makes of the node, or None."""
    kinds = tuple([language.op(child) for child in language.inputs(node)])
    for rule in rules.of(language.op(node), kinds):
        for bound in matches(rule.pattern, node, language):
            if rule.alone is not None and readers.get(bound[rule.alone]) != 1:
                continue
            with language.scope(node, rule.name):
                result: N | None = rule.build(**bound)
            if result is not None and result is not node:
                journal.record(rule.name, rule.group, node, result)
                return result
    return None


def _endless(journal: Journal) -> ChainruleError:
    recent: dict[str, Any] = {firing.rule: None for firing in journal.firings[-32:]}
    return ChainruleError(
        f"rewriting does not come to an end; these rules fire again and again: {'; '.join(recent)}",
        mend="each rule must lead nearer to one agreed form",
    )
