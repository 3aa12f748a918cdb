"""The random programs: that they hold all that a program can, and that their results are as exact as said."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from chainrule.loops import (
    BINARY,
    REDUCTIONS,
    TERNARY,
    UNARY,
    Accumulate,
    Axis,
    Check,
    Kernel,
    Let,
    Loop,
    Reduce,
    Scalar,
    Statement,
    Store,
    index,
    interpret,
    roots,
    scalar,
    statements,
    walk,
)

from .maker import Case
from .programs import case, cases


@pytest.fixture(scope="module")
def many() -> list[Case]:
    return [case(seed) for seed in range(250)]


def test_they_hold_every_operation_and_statement(many: list[Case]) -> None:
    seen: Counter[object] = Counter()
    for one in many:
        for step in one.program.steps:
            assert isinstance(step, Kernel)
            for statement in statements(step.body):
                seen[type(statement)] += 1
                seen.update(part.kind for part in getattr(statement, "parts", ()))
                seen.update(value.op for value in walk(roots(statement)))
    wanted = {*UNARY, *BINARY, *TERNARY, *REDUCTIONS, "load", "cast", "bitcast", "affine", "within"}
    assert wanted - set(seen) == set()
    assert not {Let, Store, Accumulate, Reduce, Loop, Check} - set(seen)
    assert {one.passed for one in many} == {True, False}


@settings(deadline=None, max_examples=30)
@given(one=cases(largest=20))
def test_free_axes_may_run_in_any_order(one: Case) -> None:
    shuffled = np.random.default_rng(3)
    for order in (lambda n: reversed(range(n)), lambda n: shuffled.permutation(n).tolist()):
        memory = one.memory()
        one.check(memory, interpret(one.program, memory, order))


@settings(deadline=None, max_examples=30)
@given(one=cases(largest=20))
def test_no_order_of_a_sum_changes_a_result(one: Case) -> None:
    steps = [replace(step, body=tuple(map(backwards, step.body))) for step in one.program.steps]  # type: ignore[arg-type]
    memory = one.memory()
    one.check(memory, interpret(replace(one.program, steps=tuple(steps)), memory))


def backwards(statement: Statement) -> Statement:
    """The statement with its reductions taken from their ends; those of a place or a limit as they are."""
    if isinstance(statement, Loop):
        return replace(statement, body=tuple(map(backwards, statement.body)))
    if not isinstance(statement, Reduce) or any(a.limit is not None for a in statement.axes):
        return statement
    turned: dict[Axis, Scalar] = {
        axis: index.shift(index.scale(index.of(axis), -1), axis.extent - 1) for axis in statement.axes
    }
    parts = [
        part if part.kind in ("argmax", "argmin") else replace(part, value=substituted(part.value, turned))
        for part in statement.parts
    ]
    return replace(statement, parts=tuple(parts))


def substituted(value: Scalar, axes: dict[Axis, Scalar]) -> Scalar:
    made: dict[Scalar, Scalar] = {}
    for old in walk([value]):
        if old.op == "axis":
            made[old] = axes.get(old.payload, old)
        elif old.op == "affine":
            constant, coefficients = old.payload
            terms = [index.scale(made[a], c) for a, c in zip(old.args, coefficients, strict=True)]
            made[old] = index.add(index.number(constant), *terms)
        else:
            made[old] = scalar(old.op, [made[a] for a in old.args], old.dtype, old.payload)
    return made[value]
