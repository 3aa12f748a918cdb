"""A body with the elementary functions replaced by plain arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...loops.ir import (
    Accumulate,
    Check,
    Let,
    Loop,
    Part,
    Reduce,
    Scalar,
    Statement,
    Store,
    roots,
    scalar,
    statements,
    walk,
)
from .vector_mathematics import expand

FUNCTIONS = frozenset(
    ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erf", "sin", "cos", "pow", "atan2")
)


def expanded(body: Sequence[Statement], fused: bool) -> tuple[Statement, ...]:
    """The same statements; ``fused`` says whether the machine's ``fma`` rounds once."""
    values = [value for statement in statements(tuple(body)) for value in roots(statement)]
    order = walk(values)
    if not any(s.op in FUNCTIONS for s in order):
        return tuple(body)
    new: dict[Scalar, Scalar] = {}
    for s in order:
        operands = tuple([new[operand] for operand in s.args])
        same = all(a is b for a, b in zip(operands, s.args, strict=True))
        new[s] = expand(s if same else scalar(s.op, operands, s.dtype, s.payload), fused)
    return tuple([_statement(s, new) for s in body])


def _statement(statement: Statement, new: dict[Scalar, Scalar]) -> Statement:
    match statement:
        case Let(value=value):
            return replace(statement, value=new[value])
        case (
            Store(offset=offset, value=value, where=where)
            | Accumulate(offset=offset, value=value, where=where)
        ):
            where = None if where is None else new[where]
            return replace(statement, offset=new[offset], value=new[value], where=where)
        case Reduce(parts=parts):
            return replace(statement, parts=tuple([Part(p.kind, new[p.value], p.local) for p in parts]))
        case Loop(body=body):
            return replace(statement, body=tuple([_statement(s, new) for s in body]))
        case Check(condition=condition):
            return replace(statement, condition=new[condition])
