"""A trace: every value and every product of the chain rule, in the order in which they arise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..differentiate.sweep import sweep
from ..dtypes import is_float
from ..errors import ShapeError
from ..graph import (
    CONSTANT,
    Array,
    Environment,
    Leaf,
    Node,
    bind,
    constant,
    leaf_value,
    topological,
    user_place,
)
from ..ops import Elementwise, expand
from .stepper import run_op


@dataclass(frozen=True)
class Contribution:
    """One product of the chain rule, along one edge: downstream = upstream × local."""

    consumer: Node
    """The node that the gradient comes from."""
    index: int
    """Which of the consumer's inputs it goes to."""
    upstream: Array
    """The gradient of the output with respect to the consumer."""
    local: Array | None
    """∂consumer/∂input where it is one number for each element (elementwise ops), else None."""
    downstream: Array
    """What the input receives along this edge, in the input's shape."""


@dataclass(frozen=True)
class Step:
    """One node of a trace: its value and, after the backward pass, its gradient and where it came from."""

    number: int
    """Topological number, from 0."""
    node: Node
    value: Array
    gradient: Array | None = None
    """The gradient of the output with respect to this node; None where nothing flows."""
    contributions: tuple[Contribution, ...] = field(default=())
    """One for each consumer on the way to the output; their sum is the gradient."""


class Trace:
    """Both passes over a graph, node by node; ``print(trace)`` shows the table.

    ``forward`` and ``backward`` are the steps in the order in which the passes visit them, and
    ``trace[node]`` is the step of one node.
    """

    def __init__(self, output: Node, steps: list[Step]) -> None:
        self.output = output
        self.forward = steps
        self.backward = [step for step in reversed(steps) if step.gradient is not None]
        self._of = {step.node: step for step in steps}

    def __getitem__(self, node: Node) -> Step:
        return self._of[node]

    def __iter__(self) -> Iterator[Step]:
        return iter(self.forward)

    def __len__(self) -> int:
        return len(self.forward)

    def table(self) -> list[tuple[str, str, str, str, str]]:
        """Rows of text: name, rule, value, upstream × local for each consumer, gradient."""
        names = {step.node: _name(step) for step in self.forward}
        rows = []
        for step in self.forward:
            rule = step.node.op.render(*(names[child] for child in step.node.inputs), **step.node.attributes)
            rule = "" if isinstance(step.node.op, Leaf) else rule
            terms = [
                f"{names[c.consumer]}: "
                + (f"{_text(c.upstream)} × {_text(c.local)}" if c.local is not None else _text(c.downstream))
                for c in step.contributions
            ]
            gradient = "" if step.gradient is None else _text(step.gradient)
            rows.append((names[step.node], rule, _text(step.value), "  +  ".join(terms), gradient))
        return rows

    def __str__(self) -> str:
        head = ("node", "rule", "value", "upstream × local", "gradient")
        rows = [head, *self.table()]
        widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join([lines[0], "─" * max(map(len, lines)), *lines[1:]])


def step_through(output: Node, feed: Mapping[Any, Any] | None = None, *, unfold: bool = False) -> Trace:
    """Run a scalar's forward and backward passes and keep everything.

    Every node has its value; every node on a path from a float leaf has its gradient and one
    contribution for each consumer.  ``unfold`` opens composites into their parts.

    >>> import chainrule as cr
    >>> a, b, c = (cr.variable(v, name=n) for n, v in [("a", 3.0), ("b", 1.0), ("c", -2.0)])
    >>> print(cr.step_through(c * (a + 2 * b)))
    node  rule    value  upstream × local  gradient
    ───────────────────────────────────────────────
    c             -2     %6: 1 × 5         5
    a             3      %5: -2 × 1        -2
    2             2
    b             1      %4: -2 × 2        -4
    %4    2 * b   2      %5: -2 × 1        -2
    %5    a + %4  5      %6: 1 × -2        -2
    %6    c * %5  -10                      1
    """
    if output.size != 1 or not is_float(output.dtype):
        raise ShapeError(
            f"step_through: {output!r} is not a scalar of a float type",
            where=user_place(),
            mend="step through a loss, or reduce the output with .sum()",
        )
    if unfold:
        (output,) = expand([output])
    order = topological([output])
    environment: Environment = dict(bind(feed))
    with np.errstate(all="ignore"):
        for node in order:
            _compute(node, environment)
        table, edges = _backward(output, order)
        for node in topological([*table.values(), *(n for edge in edges for n in edge[2:] if n is not None)]):
            _compute(node, environment)
    incoming: dict[Node, list[Contribution]] = {}
    for consumer, index, part, local in edges:
        incoming.setdefault(consumer.inputs[index], []).append(
            Contribution(
                consumer,
                index,
                environment[table[consumer]],
                None if local is None else environment[local],
                environment[part],
            )
        )
    return Trace(
        output,
        [
            Step(
                number,
                node,
                environment[node],
                environment[table[node]] if node in table else None,
                tuple(incoming.get(node, ())),
            )
            for number, node in enumerate(order)
        ],
    )


def _compute(node: Node, environment: Environment) -> None:
    if node in environment:
        return
    if isinstance(node.op, Leaf):
        environment[node] = leaf_value(node, environment)
    else:
        environment[node] = run_op(node, [environment[child] for child in node.inputs])


def _backward(
    output: Node, order: list[Node]
) -> tuple[dict[Node, Node], list[tuple[Node, int, Node, Node | None]]]:
    """The cotangent of each node, and for each edge the contribution and the local derivative."""
    edges: list[tuple[Node, int, Node, Node | None]] = []

    def observe(consumer: Node, index: int, part: Node) -> None:
        edges.append((consumer, index, part, _local(consumer, index)))

    leaves = [n for n in order if isinstance(n.op, Leaf) and n.op is not CONSTANT and is_float(n.dtype)]
    seed = {output: constant(np.ones(output.shape, output.dtype))}
    return sweep(seed, leaves, observe), edges


def _local(consumer: Node, index: int) -> Node | None:
    if not isinstance(consumer.op, Elementwise):
        return None
    ones = constant(np.ones(consumer.shape, consumer.dtype))
    return consumer.op.vjp(ones, consumer, *consumer.inputs)[index]


def _name(step: Step) -> str:
    node = step.node
    if node.name:
        return node.name
    if node.op.name == "constant":
        return _text(step.value)
    return f"%{step.number}"


def _text(array: Array) -> str:
    if array.size == 1 and array.ndim == 0:
        return f"{array.item():.6g}"
    return np.array2string(array, precision=4, threshold=6, edgeitems=2, separator=", ").replace("\n", "")
