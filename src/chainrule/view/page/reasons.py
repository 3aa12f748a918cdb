"""Why a node of a record has no gradient, in words."""

from __future__ import annotations

from ...differentiate import why_no_gradient
from ...dtypes import is_float
from ...engines.trace import Step, Trace
from ...graph import Constant, Leaf, Node, consumers

_MOST_WALKS = 100
"""Leaves of one trace for which the whole way is searched; it costs a walk over the graph for each."""


class Reasons:
    """The reasons within one trace."""

    def __init__(self, trace: Trace, given: frozenset[Node]) -> None:
        self._trace = trace
        order = [step.node for step in trace]
        self._readers = consumers(order)
        self._live: set[Node] = set()
        self._walks = 0
        for node in order:
            if node in given or not node.inputs:
                entered = is_float(node.dtype) and not isinstance(node, Constant)
            else:
                entered = any(child in self._live for child in node.inputs)
            if entered:
                self._live.add(node)

    def of(self, step: Step) -> str | None:
        """Why no gradient reaches the node of this step; None where one does."""
        node = step.node
        if step.gradient is not None:
            return None
        if isinstance(node, Constant):
            return "a constant: nothing that could change"
        if not is_float(node.dtype):
            return f"its elements are {node.dtype.name}, and derivatives are of floats"
        if node not in self._live:
            return "no parameter or input enters it, so nothing asks for its gradient"
        if isinstance(node.op, Leaf) and self._walks < _MOST_WALKS:
            self._walks += 1
            whole = why_no_gradient(self._trace.output, node)
            if whole is not None:
                return whole
        ends = dict.fromkeys(self._end(reader) for reader in self._readers[node])
        return "; ".join(ends) if ends else "the output does not depend on it"

    def _end(self, reader: Node) -> str:
        named = f"{reader.label} ({reader.origin.place})" if reader.origin.code else reader.label
        if self._trace[reader].gradient is not None:
            return f"{named} reads it and passes nothing back"
        if not is_float(reader.dtype):
            return f"{named} reads it, and its result is {reader.dtype.name}"
        return f"{named} reads it and has no gradient itself"
