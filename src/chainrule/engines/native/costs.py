"""What a step costs, in scalar operations: enough to tell the small from the large."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ...loops.ir import Call, Loop, Reduce, Scalar, Statement, Step, roots, statements

MEETING = 40_000
"""Scalar operations that a thread does in the time that two need to meet: a third of a microsecond, at the
120 a nanosecond (in vectors, from the nearest cache) at which small kernels were measured to run."""

IN_ORDER = 8
"""What a place of an ordered loop costs beside one of another: vectors and overlap are lost."""

_WEIGHTS = {
    "axis": 0, "constant": 0, "local": 0, "affine": 0, "within": 0, "bitcast": 0,
    "exp": 10, "expm1": 14, "log": 12, "log1p": 14, "tanh": 14, "sigmoid": 12, "erf": 18, "sin": 18,
    "cos": 18, "pow": 30, "atan2": 30, "div": 4, "sqrt": 4, "floordiv": 8, "mod": 8,
}  # fmt: skip
"""The cost of an operation beside that of an addition, in vectors."""


def cost(step: Step) -> float:
    """The scalar operations of a step, elementary functions counted by their weight."""
    if isinstance(step, Call):
        return float(sum(buffer.size for buffer in [*step.inputs, step.output]))
    return (step.axis.extent if step.axis else 1) * _cost(step.body)


def _cost(body: Sequence[Statement]) -> float:
    total = 0.0
    for statement in body:
        if isinstance(statement, Loop):
            inside = any(isinstance(s, Loop) and s.ordered for s in statements(statement.body))
            places = statement.axis.extent * (IN_ORDER if statement.ordered and not inside else 1)
            total += places * _cost(statement.body)
            continue
        places = prod([axis.extent for axis in statement.axes]) if isinstance(statement, Reduce) else 1
        total += places * (1 + _operations(roots(statement)))
    return total


def _operations(values: Sequence[Scalar]) -> int:
    total = 0
    stack, seen = list(values), set[Scalar]()
    while stack:
        top = stack.pop()
        if top in seen:
            continue
        seen.add(top)
        total += _WEIGHTS.get(top.op, 1)
        if top.args:
            stack += top.args if top.op != "load" else top.args[1:]
    return total
