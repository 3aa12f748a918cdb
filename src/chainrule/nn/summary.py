"""A network as a table: modules, output shapes, numbers of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..graph import Node, Placeholder, Shape, Variable, placeholder
from ..trees import flatten
from .module import Module, observe_calls


@dataclass(frozen=True)
class Row:
    """One module of a summary."""

    path: str
    kind: str
    shapes: tuple[Shape, ...]
    """The shapes of what it returned, one for each node."""
    parameters: int
    """How many trained numbers it holds itself, not counting the modules below it."""


@dataclass(frozen=True)
class Summary:
    """The modules of a network in the order in which they ran; ``print`` shows the table."""

    rows: tuple[Row, ...]
    parameters: int
    fixed: int
    outputs: tuple[Node, ...] = ()
    """What the network gives, as graph."""

    def __str__(self) -> str:
        lines = [
            (row.path, row.kind, ", ".join(map(str, row.shapes)), f"{row.parameters:,}") for row in self.rows
        ]
        head = ("module", "kind", "output", "parameters")
        table = [head, *lines]
        widths = [max(len(line[column]) for line in table) for column in range(4)]
        text = [
            "  ".join(
                cell.rjust(width) if column == 3 else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in table
        ]
        total = f"{self.parameters:,} parameters"
        if self.fixed:
            total += f", and {self.fixed:,} numbers that are not trained"
        return "\n".join([text[0], "─" * max(map(len, text)), *text[1:], total])


def summary(model: Module, *inputs: Node | Shape | Sequence[int]) -> Summary:
    """Run ``model`` on placeholders of the given shapes (or on the nodes given) and list its modules.

    >>> import chainrule as cr
    >>> seeds = cr.nn.Seeds(0)
    >>> net = cr.nn.Sequential(
    ...     cr.nn.Linear(784, 16, seed=seeds), cr.nn.Sigmoid(),
    ...     cr.nn.Linear(16, 16, seed=seeds), cr.nn.Sigmoid(),
    ...     cr.nn.Linear(16, 10, seed=seeds))
    >>> print(cr.nn.summary(net, (32, 784)))
    module    kind              output    parameters
    ────────────────────────────────────────────────
    layers.0  Linear(784 → 16)  (32, 16)      12,560
    layers.1  Sigmoid()         (32, 16)           0
    layers.2  Linear(16 → 16)   (32, 16)         272
    layers.3  Sigmoid()         (32, 16)           0
    layers.4  Linear(16 → 10)   (32, 10)         170
    13,002 parameters
    """
    leaves: list[Node | Placeholder] = [
        item if isinstance(item, Node) else placeholder(tuple(item)) for item in inputs
    ]
    results: list[Any] = []
    calls = observe_calls(model, lambda: results.append(model(*leaves)))
    trained = {id(parameter) for parameter in model.parameters()}
    everything = {id(variable): variable for _, variable in model.named_variables()}
    counted: set[int] = set()
    rows = []
    for path, module, result in calls:
        own = [v for v in _own_variables(module) if id(v) in trained and id(v) not in counted]
        counted.update(id(v) for v in own)
        if not own and any(child is not module for _, child in module.named_modules()):
            continue  # a container: its modules have rows of their own
        rows.append(
            Row(
                path,
                f"{type(module).__name__}({module.describe()})",
                _shapes(result),
                sum(v.size for v in own),
            )
        )
    fixed = sum(v.size for key, v in everything.items() if key not in trained)
    outputs = tuple([node for node in flatten(results)[0] if isinstance(node, Node)])
    return Summary(tuple(rows), model.parameter_count(), fixed, outputs)


def _own_variables(module: Module) -> list[Variable]:
    """Those that no module below holds."""
    below = {
        id(v)
        for _, child in module.named_modules()
        if child is not module
        for _, v in child.named_variables()
    }
    return [v for _, v in module.named_variables() if id(v) not in below]


def _shapes(result: Any) -> tuple[Shape, ...]:
    return tuple([node.shape for node in flatten(result)[0] if isinstance(node, Node)])
