"""The rules beside the numbers: how a value, and each product of the chain rule, is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engines.trace import Contribution
from ...graph import Constant, Node
from ..formulas import Convention, Derivative, Math, Symbol, local_rule, symbol, value_rule, with_numbers
from ..formulas.tree import substituted
from .proofs import proof

_UPSTREAM = "\N{INVISIBLE SEPARATOR}upstream"
"""Stands for the upstream gradient in a rule until it is known how that is written."""


class Rules:
    """The rules of one scope, in its nodes' symbols."""

    def __init__(
        self, names: Mapping[Node, str], values: Mapping[Node, Any], output: str, convention: Convention
    ) -> None:
        self._names, self._convention = names, convention
        self._values = values
        self._output = symbol(output)

    def value(self, node: Node) -> dict[str, Any]:
        """The rule of a node's value, from the symbols of its inputs."""
        if not node.inputs:
            return {"text": "", "mathml": "", "numbers": None}
        rule = value_rule(node, self._names, convention=self._convention)
        return _rule(rule, with_numbers(rule, self._numbers(node.inputs)))

    def term(self, c: Contribution) -> dict[str, Any]:
        """The rule of one product of the chain rule: upstream × local, as the engines compute it."""
        consumer = c.consumer
        rule = local_rule(
            consumer, c.index, self._names, symbol(_UPSTREAM, consumer.ndim), convention=self._convention
        )
        numbers = self._numbers((*consumer.inputs, consumer))
        filled = with_numbers(rule, {**numbers, _UPSTREAM: c.upstream})
        return _rule(self._with_upstream(rule, consumer), self._with_upstream(filled, consumer))

    def proof(self, c: Contribution) -> dict[str, Any] | None:
        """Why the product must have the form it has, where shapes say so."""
        found = proof(c.consumer, c.index, self._names, self._output.text(), self._convention)
        return None if found is None else {"text": found.text, "mathml": found.mathml}

    def _numbers(self, nodes: tuple[Node, ...]) -> dict[str, Any]:
        return {self._names[node]: self._values[node] for node in nodes if not isinstance(node, Constant)}

    def _with_upstream(self, rule: Math, consumer: Node) -> Math:
        upstream = Derivative(self._output, symbol(self._names[consumer], consumer.ndim))

        def look(part: Math) -> Math | None:
            return upstream if isinstance(part, Symbol) and part.name == _UPSTREAM else None

        return substituted(rule, look)


def _rule(rule: Math, filled: Math) -> dict[str, Any]:
    """A rule as text and MathML, and with numbers where all of its names have become numbers."""
    numbers = None if filled == rule or _names_left(filled) else filled.mathml()
    return {"text": rule.text(), "mathml": rule.mathml(), "numbers": numbers}


def _names_left(formula: Math) -> bool:
    if isinstance(formula, Symbol | Derivative):
        return True
    return any(map(_names_left, formula.parts()))
