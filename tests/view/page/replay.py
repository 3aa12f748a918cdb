"""Programs of the op table's rows, as the page gets them, with every value that the stepper has for them."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np

import chainrule as cr
from chainrule.engines.stepper import run_op
from chainrule.graph import Environment, Leaf, Node, leaf_value, topological
from chainrule.ops import expand
from chainrule.view.page.program import settings

from ...ops.table import TABLE, Case, Row

#: What stands among the random numbers of a floating operand: the places where rules go wrong.
SPECIAL = (0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, -2.5, 1e30, -1e-30)


@dataclass(frozen=True)
class Applied:
    """One primitive op, the values it was given, and what the stepper made of them."""

    row: str
    node: Node
    inputs: tuple[Any, ...]
    value: Any

    def as_json(self) -> dict[str, Any]:
        """The op and its inputs, for the page."""
        return {
            "op": self.node.op.name,
            "settings": settings(self.node),
            "inputs": [as_tensor(array) for array in self.inputs],
            "shape": list(self.value.shape),
            "dtype": self.value.dtype.name,
        }

    def kind(self) -> tuple[Any, ...]:
        """What two applications of an op have in common when they test the same thing."""
        shapes = tuple((array.shape, array.dtype.name) for array in self.inputs)
        return (self.node.op.name, str(settings(self.node)), shapes)


def as_tensor(array: Any) -> dict[str, Any]:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return {
        "shape": list(array.shape),
        "dtype": array.dtype.name,
        "data": base64.b64encode(little.tobytes()).decode(),
    }


def as_array(text: str, shape: Sequence[int], dtype: str) -> Any:
    return np.frombuffer(base64.b64decode(text), np.dtype(dtype).newbyteorder("<")).reshape(shape)


def sampled(row: Row, case: Case, dtype: str, *, special: bool) -> list[Any]:
    """Operands as the row has them; ``special`` puts infinities, NaNs and zeros among the floats."""
    rng = np.random.default_rng(crc32(f"{row.name} {case} {dtype}".encode()))
    arrays = []
    for operand, shape in zip(row.operands, case.shapes, strict=True):
        array = np.array(operand.sample(rng, shape, dtype))
        if special and array.dtype.kind == "f":
            with np.errstate(over="ignore"):
                chosen = rng.choice(SPECIAL, array.shape).astype(array.dtype)
            array = np.where(rng.random(array.shape) < 0.6, chosen, array)
        arrays.append(array)
    return arrays


def graph_of(row: Row, case: Case, arrays: Sequence[Any]) -> tuple[list[Node], dict[Node, Any]]:
    """The row's result and the gradients of a curved scalar of it, and the leaves' values."""
    leaves = [cr.placeholder(array.shape, array.dtype) for array in arrays]
    y = row.function(*leaves, **case.attributes)
    outputs = [y]
    wrt = [leaf for leaf in leaves if leaf.dtype.kind == "f"]
    if row.differentiable and wrt and y.dtype.kind == "f":
        weights = np.random.default_rng(7).normal(size=y.shape).astype(y.dtype)
        found = cr.gradients(cr.sum(y * y * weights), wrt)
        outputs += [gradient for gradient in found if gradient is not None]
    return outputs, dict(zip(leaves, arrays, strict=True))


def evaluated(outputs: Sequence[Node], feed: dict[Node, Any]) -> tuple[list[Node], Environment]:
    """Every node below the outputs, composites opened, with the stepper's value of each."""
    opened = expand(list(outputs))
    environment: Environment = dict(feed)
    order = topological(opened)
    with np.errstate(all="ignore"):
        for node in order:
            if node not in environment:
                children = [environment[child] for child in node.inputs]
                environment[node] = (
                    leaf_value(node, environment) if isinstance(node.op, Leaf) else run_op(node, children)
                )
    return order, environment


def _beyond_the_table() -> Iterator[tuple[str, list[Node], dict[Node, Any]]]:
    """Graphs with the ops that no row of the table leads to: their inputs are known there too early."""
    x, i = cr.placeholder((4, 3)), cr.placeholder((5,), "int64")
    indices = np.array([0, -1, 3, -4, 2])
    table = np.arange(12, dtype=np.float32).reshape(4, 3)
    yield "x[i, j] with nodes", [x[i, i % 3]], {x: table, i: indices}
    y, target = cr.placeholder((4, 3), "float64"), cr.placeholder((4,), "int64")
    loss = cr.nn.cross_entropy(y, target)
    values = np.random.default_rng(1).normal(size=(4, 3))
    yield "cross_entropy", [loss, cr.gradients(loss, y)], {y: values, target: np.array([0, 2, 1, 1])}
    step = cr.placeholder((3,), "int64")
    keys = cr.random.fold_in(cr.random.key(9), step)
    many = np.array([0, 12345678901234, 2**62 + 3])
    yield "fold_in and split", [keys, cr.random.split(cr.random.key(1 << 63), 3)], {step: many}


def applications(*, special: bool = False) -> Iterator[Applied]:
    """Every kind of application of every primitive op that the rows of the table lead to, both passes."""
    seen: set[tuple[Any, ...]] = set()
    for name, outputs, feed in _graphs(special=special):
        order, environment = evaluated(outputs, feed)
        for node in order:
            if isinstance(node.op, Leaf):
                continue
            inputs = tuple(environment[child] for child in node.inputs)
            if node.op.name == "cast" and node.dtype.kind in "iu" and not (np.abs(inputs[0]) < 2**31).all():
                continue  # what integer a NaN or an overflow becomes is the processor's own
            applied = Applied(name, node, inputs, environment[node])
            if applied.kind() not in seen:
                seen.add(applied.kind())
                yield applied


def _graphs(*, special: bool) -> Iterator[tuple[str, list[Node], dict[Node, Any]]]:
    for row in TABLE:
        for case in row.cases:
            for dtype in row.dtypes:
                if special and not dtype.startswith("float"):
                    continue
                arrays = sampled(row, case, dtype, special=special)
                yield (f"{row.name} {case} {dtype}", *graph_of(row, case, arrays))
    if not special:
        yield from _beyond_the_table()
