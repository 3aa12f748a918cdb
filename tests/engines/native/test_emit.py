"""Machine code agrees with the interpreter on random programs, for every machine this one can be."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import given, settings

from chainrule.engines.native import emit
from chainrule.engines.native.target import avx2, sse2
from chainrule.loops import Kernel, roots, statements, walk

from ...loops.maker import Case
from ...loops.programs import case, cases
from .emission import run_program, runnable

TARGETS = runnable()


@dataclass(frozen=True, repr=False)
class Untold:
    """A case without its long text, which a failing check tells anyway."""

    case: Case


def rounds_once(one: Case) -> bool:
    """Whether a program has products rounded once with a sum, which not every machine has."""
    values = [
        v
        for step in one.program.steps
        if isinstance(step, Kernel)
        for s in statements(step.body)
        for v in roots(s)
    ]
    return any(value.op == "fma" for value in walk(values))


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("seed", range(40))
def test_random_programs_mean_what_the_interpreter_says(name: str, seed: int) -> None:
    target = TARGETS[name]
    tried = (case(number) for number in count(seed, 1000))
    one = next(one for one in tried if target.has_fma or not rounds_once(one))
    for shares in (1, 3):
        memory = one.memory()
        one.check(memory, run_program(one.program, memory, target, shares), also=f"{name}, {shares} shares")


@settings(deadline=None, max_examples=40)
@given(one=cases(largest=40).map(Untold))
def test_the_smallest_program_that_differs(one: Untold) -> None:
    memory = one.case.memory()
    one.case.check(memory, run_program(one.case.program, memory, TARGETS["host"], 2))


@pytest.mark.parametrize("seed", range(12))
def test_shares_of_an_axis_do_not_change_a_bit(seed: int) -> None:
    one = case(1000 + seed)
    results = []
    for shares in (1, 2, 5):
        memory = one.memory()
        run_program(one.program, memory, TARGETS["host"], shares)
        results.append({b: memory[b].tobytes() for b in one.expected})
    assert results[0] == results[1] == results[2]


def test_kernels_that_are_alike_share_a_name_and_a_text() -> None:
    first, second = case(7).program, case(7).program
    for a, b in zip(first.steps, second.steps, strict=True):
        assert isinstance(a, Kernel)
        assert isinstance(b, Kernel)
        assert emit.function_name(a) == emit.function_name(b)
        assert emit.emit_kernel(a, TARGETS["host"]) == emit.emit_kernel(b, TARGETS["host"])
        assert len(emit.kernel_buffers(a)) == len(emit.kernel_buffers(b))


@pytest.mark.parametrize(("name", "vector"), [("sse2", "<8 x float>"), ("avx2", "<16 x float>")])
def test_texts_for_lesser_machines_keep_to_their_vectors(name: str, vector: str) -> None:
    target = {"sse2": sse2(), "avx2": avx2()}[name]
    kernels = [s for seed in range(20) for s in case(seed).program.steps if isinstance(s, Kernel)]
    for kernel in kernels:
        assert vector not in emit.emit_kernel(kernel, target)
