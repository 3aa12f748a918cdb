"""The rules beside the numbers: how a value, and each product of the chain rule, is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ...engines.trace import Contribution
from ...graph import Node

Convention = Literal["row", "column"]


class Rules:
    """The rules of one scope, in its nodes' symbols."""

    def __init__(self, names: Mapping[Node, str], output: str, convention: Convention) -> None:
        self._names, self._output, self._convention = names, output, convention

    def value(self, node: Node) -> dict[str, Any]:
        """The rule of a node's value, from the symbols of its inputs."""
        named = [self._names[child] for child in node.inputs]
        return _rule(node.op.render(*named, **node.attributes) if named else "")

    def term(self, c: Contribution) -> dict[str, Any]:
        """The rule of one product of the chain rule."""
        consumer, target = self._names[c.consumer], self._names[c.consumer.inputs[c.index]]
        return _rule(f"∂{self._output}/∂{consumer} × ∂{consumer}/∂{target}")

    def proof(self, c: Contribution) -> dict[str, Any] | None:
        """Why the product must have the form it has, where shapes say so."""
        return None


def _rule(text: str) -> dict[str, Any]:
    return {"text": text, "mathml": "", "numbers": None}
