"""The record of both passes: everything that the page shows, as plain values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...engines.trace import Contribution, Step, Trace
from ...graph import Array, Constant, Environment, Node, Placeholder, Variable
from ...ops import Composite
from ...ops.indexing import Take
from ..formulas import Convention
from .arrangement import layouts
from .exercise import exercise
from .folding import fold
from .names import number_text, symbols
from .numeric import Check, Checks
from .program import Place, program, settings
from .reasons import Reasons
from .rules import Rules
from .tensors import Tensors

VERSION = 1
_PACKAGE = str(Path(__file__).parents[2]) + os.sep


class Scope(NamedTuple):
    """A trace being recorded: the whole graph's, or that of a composite's parts."""

    trace: Trace
    ids: dict[Node, int]
    """The number of each node of the trace; what a composite was given has its number outside."""
    given: frozenset[Node]
    """The inputs of the composite."""
    composite: int | None
    """The number of the composite."""


class Recorder:
    """Walks over a trace, the traces inside its composites included, and numbers what it meets.

    A node that stands in two scopes (outside, and among the parts of a composite) is recorded in each,
    since its gradient there is another.  ``nodes`` are the records; ``steps``, ``contributions`` and
    ``scopes`` say for each number what it is the record of.
    """

    def __init__(self, trace: Trace, *, convention: Convention = "row", checks: Checks | None = None) -> None:
        self.trace, self.convention = trace, convention
        self.tensors = Tensors()
        self.steps: list[Step] = []
        self.contributions: list[list[Contribution]] = []
        self.parts: dict[int, tuple[list[int], int]] = {}
        """Of each composite that opens: its direct parts, and the one that has its value."""
        self._home: list[Scope] = []
        self._terms: list[list[tuple[Contribution, Scope, int | None]]] = []
        self._scopes: list[Scope] = []
        self._read_rows: dict[int, Array] = {}
        self._number(Scope(trace, {}, frozenset(), None))
        self._gather()
        self._note_rows()
        self.symbols = symbols([step.node for step in self.steps])
        self._rules = {id(scope.trace): self._rules_of(scope) for scope in self._scopes}
        reasons = {id(scope.trace): Reasons(scope.trace, scope.given) for scope in self._scopes}
        self.nodes = [
            self._node(number, reasons[id(scope.trace)], checks) for number, scope in enumerate(self._home)
        ]

    # -- who is who --------------------------------------------------------------------------------

    def _number(self, scope: Scope) -> list[int]:
        """Number the nodes of a scope, a composite's parts before itself; the numbers of its direct ones."""
        direct = []
        for step in scope.trace:
            if step.node in scope.given:
                continue
            given = frozenset(step.node.inputs)
            inner, parts = None, []
            if step.inside is not None and step.inside.output not in given:
                # The composite's own number is known when its parts have theirs.
                inner = Scope(step.inside, {child: scope.ids[child] for child in given}, given, None)
                parts = self._number(inner)
            number = len(self.steps)
            scope.ids[step.node] = number
            direct.append(number)
            self.steps.append(step)
            self._home.append(scope)
            if inner is not None:
                self.parts[number] = (parts, inner.ids[inner.trace.output])
        self._scopes.append(scope)
        return direct

    def _gather(self) -> None:
        """The terms of each node: of its own scope first, then those from inside the composites it feeds."""
        composite_of = {id(self.steps[number].inside): number for number in self.parts}
        terms: list[list[tuple[Contribution, Scope, int | None]]] = [
            [(c, scope, None) for c in step.contributions]
            for step, scope in zip(self.steps, self._home, strict=True)
        ]
        for scope in self._scopes:
            for step in scope.trace if scope.given else ():
                if step.node in scope.given:
                    within = composite_of[id(scope.trace)]
                    terms[scope.ids[step.node]] += [(c, scope, within) for c in step.contributions]
        self._terms = terms
        self.contributions = [[c for c, _, _ in of_node] for of_node in terms]

    def _note_rows(self) -> None:
        """Of each table the rows that are looked up, for they are what there is to see of it."""
        for scope in self._scopes:
            for step in scope.trace:
                if isinstance(step.node.op, Take) and step.node not in scope.given:
                    table, ids = step.node.inputs
                    if table.ndim == 2 and step.node.attributes["axis"] == 0:
                        self._read_rows[scope.ids[table]] = np.unique(scope.trace[ids].value)

    def _rules_of(self, scope: Scope) -> Rules:
        names = {node: self.symbols[number] for node, number in scope.ids.items()}
        values = {step.node: step.value for step in scope.trace}
        return Rules(names, values, self.symbols[-1], self.convention)

    # -- what is said of each ------------------------------------------------------------------------

    def _node(self, number: int, reasons: Reasons, checks: Checks | None) -> dict[str, Any]:
        step, scope = self.steps[number], self._home[number]
        node, rows = step.node, self._read_rows.get(number)
        return {
            "id": number,
            "name": node.name,
            "label": label(node),
            "symbol": self.symbols[number],
            "op": node.op.name,
            "kind": kind(node),
            "own_rule": isinstance(node.op, Composite) and node.op.has_own_derivative(),
            "shape": list(node.shape),
            "dtype": node.dtype.name,
            "inputs": [scope.ids[child] for child in node.inputs],
            "attributes": attributes(node),
            "settings": settings(node),
            "module": node.origin.module,
            "line": _line(node),
            "value": self.tensors.add(step.value, rows),
            "gradient": None if step.gradient is None else self.tensors.add(step.gradient, rows),
            "no_gradient": reasons.of(step),
            "rule": self._rules[id(scope.trace)].value(node),
            "terms": [self._term(*term, rows) for term in self._terms[number]],
            "check": None if checks is None else self._check(checks.of(scope.trace, node), node),
            "fold": 0,
        }

    def _term(self, c: Contribution, scope: Scope, within: int | None, rows: Array | None) -> dict[str, Any]:
        rules = self._rules[id(scope.trace)]
        return {
            "consumer": scope.ids[c.consumer],
            "index": c.index,
            "within": within,
            "upstream": self.tensors.add(c.upstream),
            "local": None if c.local is None else self.tensors.add(c.local),
            "downstream": self.tensors.add(c.downstream, rows),
            "rule": rules.term(c),
            "proof": rules.proof(c),
        }

    def _check(self, check: Check | None, node: Node) -> dict[str, Any] | None:
        if check is None:
            return None
        return {
            "numeric": self.tensors.add(check.numeric),
            "at": None if check.entries is None else check.entries.tolist(),
            "entries": check.numeric.size,
            "of": node.size,
            "worst": check.worst,
            "agrees": check.agrees,
            "note": check.note,
        }

    def program(self, environment: Environment) -> dict[str, Any]:
        """Both passes as a program that the page can run again."""
        places = [
            Place(
                step.node,
                step.cotangent,
                tuple((c.graph.upstream, c.graph.local, c.graph.downstream) for c in contributions),
            )
            for step, contributions in zip(self.steps, self.contributions, strict=True)
        ]
        return program(places, environment)

    def as_record(
        self, title: str, about: str, environment: Environment, *, exercised: bool = False
    ) -> dict[str, Any]:
        """The whole record, ready for JSON; ``exercised`` has the page begin with questions."""
        order = list(range(len(self.nodes)))
        folds = fold(self.nodes, self.parts)
        record = {
            "version": VERSION,
            "title": title,
            "about": about,
            "convention": self.convention,
            "output": len(self.nodes) - 1,
            "nodes": self.nodes,
            "folds": folds,
            "layouts": layouts(self.nodes, folds),
            "tensors": self.tensors.encoded(),
            "walk": {
                "forward": order,
                "backward": [k for k in reversed(order) if self.nodes[k]["gradient"] is not None],
            },
            "program": self.program(environment),
        }
        record["exercise"] = exercise(record, start=exercised)
        return record


def kind(node: Node) -> str:
    """What sort of node it is, in the words of the record."""
    if isinstance(node, Variable):
        return "parameter"
    if isinstance(node, Placeholder):
        return "input"
    if isinstance(node, Constant):
        return "constant"
    return "composite" if isinstance(node.op, Composite) else "op"


def label(node: Node) -> str:
    """What the picture prints: an op's name, a leaf's name, a constant's number."""
    if isinstance(node, Constant) and not node.name:
        return number_text(node) if node.size == 1 else node.short if node.size <= 6 else "constant"
    if not node.inputs and node.name:
        return node.name
    return node.op.name


def _line(node: Node) -> str:
    """The line that wrote the node; of the library's own models and tasks within the package."""
    if node.origin.code is None:
        return ""
    name = node.origin.filename
    return (
        f"chainrule/{name[len(_PACKAGE) :]}:{node.origin.line}"
        if name.startswith(_PACKAGE)
        else node.origin.place
    )


def attributes(node: Node) -> dict[str, str]:
    """The attributes that say something, as text."""
    shown = (text.partition("=") for text in node.shown_attributes())
    return {key: value for key, _, value in shown}
