"""A trace: every value and every product of the chain rule, in the order in which they arise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..differentiate.sweep import sweep
from ..dtypes import is_float
from ..errors import ArgumentError, ShapeError
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
from ..ops import Composite, Elementwise, expand, parts
from .stepper import run_op


@dataclass(frozen=True)
class Product:
    """One product of the chain rule as graph, before any value is known."""

    consumer: Node
    index: int
    """Which of the consumer's inputs it goes to."""
    upstream: Node
    local: Node | None
    downstream: Node


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
    graph: Product
    """The same as nodes: what the sweep wrote."""


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
    cotangent: Node | None = None
    """The node whose value the gradient is."""
    inside: Trace | None = None
    """Of a composite, where asked for: both passes over its parts, from its own gradient on."""


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
            rule = ""
            if not isinstance(step.node.op, Leaf) and all(child in names for child in step.node.inputs):
                rule = step.node.op.render(*map(names.__getitem__, step.node.inputs), **step.node.attributes)
            terms = [
                f"{names[c.consumer]}: "
                + (
                    f"{array_text(c.upstream)} × {array_text(c.local)}"
                    if c.local is not None
                    else array_text(c.downstream)
                )
                for c in step.contributions
            ]
            gradient = "" if step.gradient is None else array_text(step.gradient)
            rows.append((names[step.node], rule, array_text(step.value), "  +  ".join(terms), gradient))
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


def step_through(
    output: Node, feed: Mapping[Any, Any] | None = None, *, unfold: bool = False, inside: bool = False
) -> Trace:
    """Run a scalar's forward and backward passes and keep everything.

    Every node has its value; every node on a path from a float leaf has its gradient and one
    contribution for each consumer.  ``unfold`` opens composites into their parts; ``inside`` leaves them
    as they are and keeps the passes over their parts beside them (``step.inside``), to the bottom.

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
    if not isinstance(output, Node):
        raise ArgumentError(f"step_through: {output!r} is not a node", where=user_place())
    if output.size != 1 or not is_float(output.dtype):
        raise ShapeError(
            f"step_through: {output!r} is not a scalar of a float type",
            where=user_place(),
            mend="step through a loss, or reduce the output with .sum()",
        )
    if unfold:
        (output,) = expand([output])
    order = topological([output])
    leaves = [n for n in order if isinstance(n.op, Leaf) and n.op is not CONSTANT and is_float(n.dtype)]
    passes = _passes(output, order, constant(np.ones(output.shape, output.dtype)), leaves, inside=inside)
    environment: Environment = dict(bind(feed))
    with np.errstate(all="ignore"):
        for node in topological(passes.nodes()):
            _compute(node, environment)
    return _evaluated(passes, environment)


class _Passes(NamedTuple):
    """Both passes as graph."""

    output: Node
    order: list[Node]
    cotangents: dict[Node, Node]
    products: list[Product]
    inside: dict[Node, _Passes]

    def nodes(self) -> Iterator[Node]:
        """Every node that has a value to be known, those of the forward pass first."""
        yield from self.order
        for passes in self.inside.values():
            yield from passes.nodes()
        yield from self.cotangents.values()
        for product in self.products:
            yield product.downstream
            if product.local is not None:
                yield product.local


def _passes(
    output: Node,
    order: list[Node],
    seed: Node | None,
    wrt: list[Node],
    *,
    inside: bool,
    stop: frozenset[Node] = frozenset(),
) -> _Passes:
    """The cotangent of each node of ``order``, from the output's on, and the product along each edge."""
    found: list[tuple[Node, int, Node]] = []
    cotangents: dict[Node, Node] = {}
    if seed is not None:
        cotangents = sweep({output: seed}, wrt, lambda *edge: found.append(edge), stop=stop)
    products = [
        Product(consumer, index, cotangents[consumer], _local(consumer, index), part)
        for consumer, index, part in found
    ]
    opened = {}
    if inside:
        reached: dict[Node, list[Node]] = {}
        for product in products:
            reached.setdefault(product.consumer, []).append(product.consumer.inputs[product.index])
        for node in order:
            if isinstance(node.op, Composite) and node not in stop:
                inner, inputs = parts(node), frozenset(node.inputs)
                opened[node] = _passes(
                    inner,
                    topological([inner], stop=inputs.__contains__),
                    cotangents.get(node),
                    reached.get(node, []),
                    inside=True,
                    stop=inputs,
                )
    return _Passes(output, order, cotangents, products, opened)


def _evaluated(passes: _Passes, environment: Environment) -> Trace:
    incoming: dict[Node, list[Contribution]] = {}
    for product in passes.products:
        incoming.setdefault(product.consumer.inputs[product.index], []).append(
            Contribution(
                product.consumer,
                product.index,
                environment[product.upstream],
                None if product.local is None else environment[product.local],
                environment[product.downstream],
                product,
            )
        )
    steps = []
    for number, node in enumerate(passes.order):
        cotangent = passes.cotangents.get(node)
        within = passes.inside.get(node)
        steps.append(
            Step(
                number,
                node,
                environment[node],
                None if cotangent is None else environment[cotangent],
                tuple(incoming.get(node, ())),
                cotangent,
                None if within is None else _evaluated(within, environment),
            )
        )
    return Trace(passes.output, steps)


def _compute(node: Node, environment: Environment) -> None:
    if node in environment:
        return
    if isinstance(node.op, Leaf):
        environment[node] = leaf_value(node, environment)
    else:
        environment[node] = run_op(node, [environment[child] for child in node.inputs])


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
        return array_text(step.value)
    return f"%{step.number}"


def array_text(array: Array) -> str:
    """An array in a few characters: its first and last entries, with four digits; a number with six."""
    if array.size == 1 and array.ndim == 0:
        return f"{array.item():.6g}"
    return np.array2string(array, precision=4, threshold=6, edgeitems=2, separator=", ").replace("\n", "")
