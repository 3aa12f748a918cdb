"""Random programs, legal as they are made, and what the rules let pass of those that are changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import loops
from chainrule.loops import (
    Accumulate,
    Kernel,
    Loop,
    Program,
    Reduce,
    Scalar,
    Statement,
    Store,
    index,
    interpret,
    scalar,
    verify,
    violations,
)

from .maker import Case
from .programs import cases


@settings(deadline=None, max_examples=60)
@given(one=cases())
def test_random_programs_are_accepted(one: Case) -> None:
    verify(one.program)


# ── mutations ─────────────────────────────────────────────────────────────────────────────────────


def mutated(program: Program, choose: Callable[[int, int], int]) -> Program:
    """The program with one offset, guard or order changed, which may or may not break it."""
    kernels = [n for n, step in enumerate(program.steps) if isinstance(step, Kernel)]
    chosen = kernels[choose(0, len(kernels) - 1)]
    target = choose(0, sum(1 for _ in loops.statements(program.steps[chosen].body)) - 1)  # type: ignore[union-attr]
    count = iter(range(1 << 30))

    def visit(body: tuple[Statement, ...]) -> tuple[Statement, ...]:
        made = []
        for statement in body:
            hit = next(count) == target
            if isinstance(statement, Loop):
                ordered = statement.ordered != hit
                made.append(replace(statement, body=visit(statement.body), ordered=ordered))
            else:
                made.append(changed(statement, choose) if hit else statement)
        return tuple(made)

    steps = list(program.steps)
    steps[chosen] = replace(steps[chosen], body=visit(steps[chosen].body))  # type: ignore[union-attr, arg-type]
    return Program(tuple(steps))


def changed(statement: Statement, choose: Callable[[int, int], int]) -> Statement:
    """The statement with another offset, or without its guard."""
    if isinstance(statement, Store | Accumulate):
        if statement.where is not None and choose(0, 1):
            return replace(statement, where=None)
        if choose(0, 1):
            return replace(statement, offset=moved(statement.offset, choose))
        return replace(statement, value=reloaded(statement.value, choose))
    if isinstance(statement, Reduce):
        parts = [replace(part, value=reloaded(part.value, choose)) for part in statement.parts]
        return replace(statement, parts=tuple(parts))
    return (
        replace(statement, value=reloaded(statement.value, choose))
        if isinstance(statement, loops.Let)
        else statement
    )


def moved(offset: Scalar, choose: Callable[[int, int], int]) -> Scalar:
    """Another offset: shifted, or with one coefficient changed."""
    constant, coefficients = index.terms(offset)
    if not coefficients or choose(0, 1):
        return index.shift(offset, choose(-2, 2))
    term = list(coefficients)[choose(0, len(coefficients) - 1)]
    coefficients[term] += choose(-2, 1)
    return index.from_terms(constant, coefficients)


def reloaded(value: Scalar, choose: Callable[[int, int], int]) -> Scalar:
    """The value with the offsets of its loads moved."""
    made: dict[Scalar, Scalar] = {}
    for old in loops.walk([value]):
        args = [made[a] for a in old.args]
        if old.op == "load":
            args[0] = moved(old.args[0], choose)
        made[old] = old if old.op == "affine" else scalar(old.op, args, old.dtype, old.payload)
    return made[value]


@settings(deadline=None, max_examples=150)
@given(one=cases(largest=8), data=st.data())
def test_what_is_accepted_neither_races_nor_misses_nor_reads_remains(one: Case, data: st.DataObject) -> None:
    broken = mutated(one.program, lambda low, high: data.draw(st.integers(low, high)))
    if violations(broken):
        return
    shuffled = np.random.default_rng(5)
    first = one.memory()
    passed = interpret(broken, first)  # raises where an access misses its buffer
    for order in (range, lambda n: reversed(range(n)), lambda n: shuffled.permutation(n).tolist()):
        memory = one.memory()
        if order is range:  # the same order, on other remains in memory that nobody has written
            unwritten = [b for b in broken.buffers() if b.role in ("scratch", "output")]
            memory |= {b: np.full(b.size, 3).astype(b.dtype) for b in unwritten}
        assert interpret(broken, memory, order) == passed
        for buffer in first:
            if buffer.role == "variable" or (passed and buffer.role == "output"):
                np.testing.assert_array_equal(memory[buffer], first[buffer])
