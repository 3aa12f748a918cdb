"""The record of both passes: everything that the page shows, as plain values."""

from __future__ import annotations

from typing import Any, Literal

from ...dtypes import is_float
from ...engines.trace import Contribution, Step, Trace
from ...graph import Constant, Node, Placeholder, Variable
from ...ops import Composite
from .folds import Folds
from .names import Symbols, number_text
from .tensors import Tensors

Convention = Literal["row", "column"]
VERSION = 1


class Recorder:
    """Walks over a trace, the traces inside its composites included, and numbers what it meets.

    A node that stands in two scopes (outside, and among the parts of a composite) is recorded once in
    each, since its gradient there is another.
    """

    def __init__(self, trace: Trace, *, convention: Convention = "row") -> None:
        self.trace = trace
        self.convention = convention
        self.tensors = Tensors()
        self.folds = Folds()
        self.nodes: list[dict[str, Any]] = []
        self.steps: list[Step] = []
        """The step that each recorded node is of."""
        names = [step.node.name for step in trace if step.node.name]
        self._symbols = Symbols()
        self._reserved = set(names)
        self._record(trace, 0, {})

    def _record(self, trace: Trace, scope: int, ids: dict[Node, int]) -> None:
        """The steps of one scope; ``ids`` holds the numbers of the nodes that it was given."""
        given = frozenset(ids)
        inner: list[tuple[int, Step, dict[Node, int]]] = []
        for step in trace:
            if step.node in given:
                continue
            if step.inside is not None and step.inside.output not in frozenset(step.node.inputs):
                fold = self.folds.new(self._fold(step, scope), step.node.label, "composite")
                within = {child: ids[child] for child in step.node.inputs}
                self._record(step.inside, fold, within)
                ids[step.node] = self._add(step, scope, ids)
                self.folds.all[fold].node = ids[step.node]
                inner.append((ids[step.node], step, within))
            else:
                ids[step.node] = self._add(step, scope, ids)
        for step in trace:
            if step.node not in given:
                node = self.nodes[ids[step.node]]
                node["terms"] += [self._term(c, ids, None) for c in step.contributions]
        for composite, step, within in inner:
            assert step.inside is not None
            outer = frozenset(step.node.inputs)
            for part in step.inside:
                if part.node in outer:
                    terms = [self._term(c, within, composite) for c in part.contributions]
                    self.nodes[within[part.node]]["terms"] += terms

    def _fold(self, step: Step, scope: int) -> int:
        return self.folds.of_module(scope, "" if scope else step.node.origin.module)

    def _add(self, step: Step, scope: int, ids: dict[Node, int]) -> int:
        node, number = step.node, len(self.nodes)
        fold = self._fold(step, scope)
        self.folds.all[fold].nodes.append(number)
        inputs = [ids[child] for child in node.inputs]
        symbol = self._symbols.of(node, number)
        named = [self.nodes[child]["symbol"] for child in inputs]
        self.steps.append(step)
        self.nodes.append(
            {
                "id": number,
                "name": node.name,
                "label": _label(node),
                "symbol": symbol,
                "op": node.op.name,
                "kind": _kind(node),
                "shape": list(node.shape),
                "dtype": node.dtype.name,
                "inputs": inputs,
                "attributes": _attributes(node),
                "module": node.origin.module,
                "line": "" if node.origin.code is None else node.origin.place,
                "value": self.tensors.add(step.value),
                "gradient": None if step.gradient is None else self.tensors.add(step.gradient),
                "no_gradient": None if step.gradient is not None else _reason(node),
                "rule": {
                    "text": node.op.render(*named, **node.attributes) if inputs else "",
                    "mathml": "",
                    "numbers": None,
                },
                "terms": [],
                "check": None,
                "fold": fold,
            }
        )
        return number

    def _term(self, c: Contribution, ids: dict[Node, int], within: int | None) -> dict[str, Any]:
        consumer = ids[c.consumer]
        symbol = self.nodes[consumer]["symbol"]
        return {
            "consumer": consumer,
            "index": c.index,
            "within": within,
            "upstream": self.tensors.add(c.upstream),
            "local": None if c.local is None else self.tensors.add(c.local),
            "downstream": self.tensors.add(c.downstream),
            "rule": {"text": f"∂L/∂{symbol} × local", "mathml": "", "numbers": None},
            "proof": None,
        }

    def as_record(self, title: str, about: str) -> dict[str, Any]:
        """The whole record, ready for JSON."""
        order = list(range(len(self.nodes)))
        return {
            "version": VERSION,
            "title": title,
            "about": about,
            "convention": self.convention,
            "output": len(self.nodes) - 1,
            "nodes": self.nodes,
            "folds": [fold.as_record() for fold in self.folds.all],
            "layouts": None,
            "tensors": self.tensors.encoded(),
            "walk": {
                "forward": order,
                "backward": [k for k in reversed(order) if self.nodes[k]["gradient"] is not None],
            },
            "program": {"refused": "not recorded"},
            "exercise": None,
        }


def _kind(node: Node) -> str:
    if isinstance(node, Variable):
        return "parameter"
    if isinstance(node, Placeholder):
        return "input"
    if isinstance(node, Constant):
        return "constant"
    return "composite" if isinstance(node.op, Composite) else "op"


def _label(node: Node) -> str:
    """What the picture prints."""
    if isinstance(node, Constant) and not node.name:
        return number_text(node) if node.size == 1 else node.short if node.size <= 6 else "constant"
    if not node.inputs and node.name:
        return node.name
    return node.op.name


def _attributes(node: Node) -> dict[str, str]:
    shown = (text.partition("=") for text in node.shown_attributes())
    return {key: value for key, _, value in shown}


def _reason(node: Node) -> str:
    if isinstance(node, Constant):
        return "a constant"
    if not is_float(node.dtype):
        return f"its type is {node.dtype.name}, and derivatives are of floats"
    return "nothing flows back to it"
