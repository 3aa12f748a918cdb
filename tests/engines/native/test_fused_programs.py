"""Fusion keeps every bit of what whole programs compute: networks, and random ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import loops
from chainrule.engines.native.aside import set_aside
from chainrule.engines.native.costs import MEETING
from chainrule.engines.native.fuse import fuse
from chainrule.engines.native.in_place import in_place
from chainrule.engines.native.phases import schedule
from chainrule.engines.native.reuse import reuse
from chainrule.engines.native.widen import widen
from chainrule.loops import Kernel, Loop, interpret, statements

from ...loops.programs import case
from .fusing import assert_same, books, compiled, run
from .lowered import Book, mlp, window_tagger

NETWORKS = {
    # which kernels each network ends up with
    "mlp, Adam": (mlp(6, (5, 4, 3)), ["rows", "once", "W1", "b1", "W0", "b0", "t"]),
    "mlp, SGD": (mlp(4, (5, 4, 7, 3), "sgd"), ["rows", "once", "W2", "b2", "W1", "b1", "W0", "b0"]),
    "tagger": (window_tagger(4, 3, 2, 8, 5, 3), ["rows", "zeros", "once", "W2", "W1", "E"]),
}


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_in_few_kernels(network: str) -> None:
    book, kernels = NETWORKS[network]
    given, fused = compiled(book)
    loops.verify(fused)
    assert_same(given, fused, book.memory())
    assert len(fused.steps) == len(kernels), [step.name for step in fused.steps if isinstance(step, Kernel)]


@pytest.mark.parametrize("network", NETWORKS)
def test_a_small_network_is_one_kernel_before_its_checks_and_one_after(network: str) -> None:
    book, _ = NETWORKS[network]
    given, fused = compiled(book, small=MEETING)
    loops.verify(fused)
    assert_same(given, fused, book.memory())
    assert [step.axis for step in fused.steps if isinstance(step, Kernel)] == [None, None]


def test_the_rows_of_a_network_are_one_kernel_and_each_update_joins_its_gradient() -> None:
    book = mlp(64, (784, 128, 64, 10))
    _, fused = compiled(book)
    rows, once, *updates = fused.steps
    assert isinstance(rows, Kernel)
    assert rows.axis is not None
    assert rows.axis.extent == 64
    assert [s.axis.extent for s in rows.body if isinstance(s, Loop)] == [128, 64, 10, 10, 64, 128]
    assert isinstance(once, Kernel)
    assert once.axis is None
    stored = [
        sorted(s.buffer.name for s in statements(k.body) if isinstance(s, loops.Store))
        for k in updates
        if isinstance(k, Kernel)
    ]
    assert sorted(stored) == sorted(
        [[w, f"m {w}", f"v {w}"] for w in ("W0", "b0", "W1", "b1", "W2", "b2")] + [["t"]]
    )
    written = {s.buffer.name for k in fused.steps if isinstance(k, Kernel) for s in statements(k.body)
               if isinstance(s, loops.Store) and s.buffer.role == "scratch"}  # fmt: skip
    assert not any(name.startswith(("dW", "db")) for name in written)  # gradients stay in registers


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_nothing_is_computed_twice_for_being_stored_twice(optimizer: str) -> None:
    _, fused = compiled(mlp(64, (20, 8, 10), optimizer))
    for kernel in fused.steps:
        assert isinstance(kernel, Kernel)
        values = [s.value for s in statements(kernel.body) if isinstance(s, loops.Let | loops.Store)]
        computed = [value for value in values if value.op not in ("local", "constant", "load")]
        assert len(computed) == len(set(computed)), kernel.name


def test_a_refused_run_changes_no_variable() -> None:
    book = mlp(4, (5, 4, 3))
    _, fused = compiled(book)
    memory = book.memory()
    (targets,) = [b for b in memory if b.name == "targets"]
    memory[targets][2] = 17
    ok, after = run(fused, memory)
    assert not ok
    assert after == {b.name: array.tobytes() for b, array in memory.items() if b.role == "variable"}


@pytest.mark.parametrize("seed", range(60))
def test_any_legal_program_keeps_its_results(seed: int) -> None:
    example = case(seed)
    program = set_aside(widen(fuse(example.program, small=(0, 4000)[seed % 2])))
    program = reuse(schedule(program), least=1)
    loops.verify(program)
    memory = example.memory()
    passed = interpret(program, memory)
    example.check(memory, passed)


@given(books())
@settings(deadline=None, max_examples=150)
def test_in_place_every_variable_gets_its_new_value_at_once(book: Book) -> None:
    apart, together = ({b: a.copy() for b, a in book.memory().items()} for _ in range(2))
    with np.errstate(all="ignore"):
        passed = interpret(book.program(), apart)
        assert interpret(in_place(book.program(), book.updates), together) == passed
    for buffer, array in together.items():
        if buffer.role == "variable":
            expected = apart[book.updates[buffer]] if passed else book.memory()[buffer]
            assert array.tobytes() == expected.tobytes()
        elif buffer.role == "output" and passed:
            assert array.tobytes() == apart[buffer].tobytes()


@given(books(), st.integers(0, 9))
@settings(deadline=None, max_examples=150)
def test_random_programs_keep_every_bit(book: Book, seed: int) -> None:
    given, fused = compiled(book, small=(0, 40, 4000)[seed % 3])
    assert_same(given, fused, book.memory(seed))
    assert len(fused.steps) <= len(given.steps)
