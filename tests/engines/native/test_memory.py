"""The arena and the phases: what may share memory does, and no thread waits where it need not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from chainrule import loops
from chainrule.engines.native.aside import set_aside
from chainrule.engines.native.costs import IN_ORDER, MEETING, cost
from chainrule.engines.native.fuse import fuse
from chainrule.engines.native.in_place import in_place
from chainrule.engines.native.memory import ALIGNMENT, lifetimes, plan
from chainrule.engines.native.phases import partition, phases_of, schedule
from chainrule.engines.native.reuse import reuse
from chainrule.loops import Axis, Buffer, Kernel, Program, interpret

from .fusing import books, doubled
from .lowered import Book, mlp, window_tagger


def ready(book: Book) -> Program:
    return reuse(schedule(set_aside(fuse(in_place(book.program(), book.updates), small=0))), least=1)


@given(books())
@settings(deadline=None, max_examples=100)
def test_in_one_arena_a_program_computes_what_it_computes_in_buffers_apart(book: Book) -> None:
    program = ready(book)
    apart, shared = ({b: a.copy() for b, a in book.memory().items()} for _ in range(2))
    places = plan(program)
    arena = np.full(places.size, 0xAB, np.uint8)
    for buffer, offset in places.offsets.items():
        shared[buffer] = arena[offset : offset + buffer.size * buffer.dtype.itemsize].view(buffer.dtype)
    with np.errstate(all="ignore"):
        assert interpret(program, shared) == interpret(program, apart)
    for buffer, array in apart.items():
        if buffer.role in ("output", "variable"):
            assert array.tobytes() == shared[buffer].tobytes()


@given(books())
@settings(deadline=None, max_examples=60)
def test_the_steps_of_a_phase_may_run_in_any_order(book: Book) -> None:
    program = ready(book)
    parts, phases = partition(program), phases_of(program)
    assert [part.barrier for part in parts] == [
        a != b for a, b in zip(phases, [*phases[1:], -1], strict=False)
    ]
    turned = sorted(
        range(len(parts)), key=lambda k: (phases[k], not parts[k].serial, k if parts[k].serial else -k)
    )
    straight, other = ({b: a.copy() for b, a in book.memory().items()} for _ in range(2))
    with np.errstate(all="ignore"):
        if interpret(program, straight):
            interpret(Program(tuple(program.steps[k] for k in turned)), other)
            for buffer, array in straight.items():
                assert buffer.role == "input" or array.tobytes() == other[buffer].tobytes()


@pytest.mark.parametrize("book", [mlp(64, (784, 128, 64, 10)), window_tagger(64, 5, 64, 500, 128, 17)])
def test_buffers_alive_in_one_phase_lie_apart_and_on_lines_of_their_own(book: Book) -> None:
    program = ready(book)
    places, alive = plan(program), lifetimes(program)
    assert places.offsets.keys() == alive.keys()
    spans = [(offset, offset + b.size * b.dtype.itemsize, b) for b, offset in places.offsets.items()]
    for k, (low, high, a) in enumerate(spans):
        assert low % ALIGNMENT == 0
        assert high <= places.size
        for begin, end, b in spans[:k]:
            together = alive[a][0] <= alive[b][1] and alive[b][0] <= alive[a][1]
            assert not together or high <= begin or end <= low


@given(books())
@settings(deadline=None, max_examples=100)
def test_taking_memory_again_makes_no_thread_wait(book: Book) -> None:
    program = schedule(fuse(in_place(book.program(), book.updates), small=0))
    assert phases_of(reuse(program, least=1)) == phases_of(program)


def test_memory_that_another_step_of_the_phase_reads_is_not_taken() -> None:
    book = Book()
    x, z = book.array("x", (64, 64), "input"), book.array("z", (64, 64))
    book.nest("z", (64, 64), lambda at: [book.put(z, at[::-1], loops.add(book.at(x, *at), 1.0))])
    last = loops.index.number(63)
    book.map("turned", (32, 64), lambda i, j: book.at(z, loops.sub(last, i), j), "output")
    e = book.map("e", (64, 64), lambda i, j: loops.exp(book.at(z, i, j)))  # the last to read z
    book.map("w", (64, 64), lambda i, j: book.at(e, j, i), "output")
    program = schedule(fuse(book.program(), small=0))
    assert phases_of(program) == [0, 1, 1, 2]
    assert phases_of(reuse(program, least=1)) == [0, 1, 1, 2]
    assert scratch(reuse(program, least=1)) == {"z", "e"}


def scratch(program: Program) -> set[str]:
    return {buffer.name for buffer in program.buffers() if buffer.role == "scratch"}


def test_a_row_is_overwritten_where_it_was_read_for_the_last_time() -> None:
    """A softmax and its gradient in one row: logits, exponentials and probabilities share their memory."""
    book = Book()
    x, w = book.array("x", (4, 3), "input"), book.array("w", (3, 5), "input")
    z = book.matmul("z", x, w)
    top = book.fold("top", (4,), (5,), "max", lambda i, j: book.at(z, i, j))
    e = book.map("e", (4, 5), lambda i, j: loops.exp(loops.sub(book.at(z, i, j), book.at(top, i))))
    total = book.fold("total", (4,), (5,), "sum", lambda i, j: book.at(e, i, j))
    p = book.map("p", (4, 5), lambda i, j: loops.div(book.at(e, i, j), book.at(total, i)))
    book.fold(
        "y", (4, 3), (5,), "sum", lambda i, k, j: loops.mul(book.at(p, i, j), book.at(w, k, j)), "output"
    )
    program = ready(book)
    assert scratch(program) == {"z"}
    memory = book.memory()
    before = {buffer: array.copy() for buffer, array in memory.items()}
    interpret(program, memory)
    interpret(book.program(), before)
    assert all((memory[b] == before[b]).all() for b in memory if b.role == "output")


ZERO = loops.index.number(0)


@pytest.mark.parametrize(
    ("read", "kept"),
    [
        (lambda book, z, i, j: book.at(z, i, j), {"z", "top"}),
        (lambda book, z, i, j: book.at(z, i, ZERO), {"z", "top", "e"}),  # overwritten by the first of a row
        (lambda book, z, i, j: book.at(z, j, i), {"z", "top", "e"}),
    ],
)
def test_memory_is_taken_only_when_all_have_read_it(read: Any, kept: set[str]) -> None:
    book = Book()
    x = book.array("x", (4, 4), "input")
    z = book.map("z", (4, 4), lambda i, j: loops.add(book.at(x, i, j), 1.0))
    top = book.fold("top", (4,), (4,), "max", lambda i, j: book.at(z, i, j))
    e = book.map("e", (4, 4), lambda i, j: loops.sub(read(book, z, i, j), book.at(top, i)))
    book.map("y", (4, 4), lambda i, j: loops.sub(book.at(e, j, i), book.at(top, j)), "output")
    program = ready(book)
    assert scratch(program) == kept
    memory = book.memory()
    before = {buffer: array.copy() for buffer, array in memory.items()}
    interpret(program, memory)
    interpret(book.program(), before)
    assert all((memory[b] == before[b]).all() for b in memory if b.role == "output")


def chain(length: int, size: int) -> Book:
    """Arrays of which each is the transposed double of the one before: nothing merges."""
    book = Book()
    x = book.array("x", (size, size), "input")
    for k in range(length):
        role = "output" if k + 1 == length else "scratch"
        x = book.map(f"y{k}", (size, size), lambda i, j, x=x: loops.mul(book.at(x, j, i), 2.0), role)
    return book


@pytest.mark.parametrize("size", [16, 200], ids=["of one thread", "of several"])
def test_a_chain_needs_two_places_however_long_it_is(size: int) -> None:
    program = ready(chain(9, size))
    assert len(program.steps) == 9
    assert plan(program).size == 2 * size * size * 4


def test_small_steps_are_run_by_one_thread_and_large_ones_wait_for_each_other() -> None:
    small, large = partition(ready(chain(5, 6))), partition(ready(chain(5, 200)))
    assert [part.serial for part in small] == [True] * 5
    assert [part.barrier for part in small] == [False] * 4 + [True]
    assert [part.serial for part in large] == [False] * 5
    assert [part.barrier for part in large] == [True] * 5
    assert [part.extent for part in large] == [200] * 5


def test_the_cost_counts_operations_by_places() -> None:
    book = Book()
    x = book.array("x", (10, 20), "input")
    y = book.map("y", (10, 20), doubled(book, x))  # a load, a product, a store
    book.fold("z", (10,), (20,), "sum", lambda i, k: book.at(y, i, k), "output")  # a load and a sum; a store
    kernel, fold = book.steps
    assert cost(kernel) == 10 * 20 * 3
    assert cost(fold) == 10 * (20 * 2 + 1)
    assert cost(kernel) < MEETING


def test_an_ordered_loop_costs_more() -> None:
    x = Buffer("x", 9, loops.INDEX, "variable")
    walk = Axis("s", 8)
    s = loops.axis(walk)
    body = (loops.store(x, loops.index.shift(s, 1), loops.load(x, s)),)
    straight, ordered = (Kernel("k", None, (loops.loop(walk, body, ordered),)) for ordered in (False, True))
    assert cost(ordered) == IN_ORDER * cost(straight)


def test_a_serial_step_joins_another_only_where_nothing_waits_for_it() -> None:
    """Adam's corrections run beside the loss, between the rows and the updates; the count is stored last."""
    program = ready(mlp(64, (784, 128, 64, 10)))
    parts, phases = partition(program), phases_of(program)
    assert max(phases) == 2
    names = [
        [p.step.name for p, n in zip(parts, phases, strict=True) if n == k and p.serial] for k in range(3)
    ]
    assert names == [[], ["loss+finite+t new+rate"], ["t"]]
    assert [part.check for part in parts if part.barrier] == [True, True, False]


def test_a_counter_that_updates_read_is_put_aside() -> None:
    """The counter's new value would wait for the updates, which read the old one: one phase for a number."""
    book = Book()
    t = book.array("t", (), "variable")
    x, w = book.array("x", (64, 64), "input"), book.array("w", (64, 64), "variable")
    h = book.matmul("h", x, w)
    gradient = book.matmul("gradient", x, h, ta=True)
    book.updates[w] = book.map("w new", (64, 64), lambda i, j: loops.div(book.at(gradient, i, j), book.at(t)))
    book.updates[t] = book.map("t new", (), lambda: loops.add(book.at(t), 1.0))
    given = schedule(fuse(in_place(book.program(), book.updates)))
    program = schedule(set_aside(given))
    assert phases_of(given)[-1] == 2
    assert phases_of(program)[-1] == 1
    straight, other = ({b: a.copy() for b, a in book.memory().items()} for _ in range(2))
    interpret(given, straight)
    interpret(program, other)
    assert all((straight[b] == other[b]).all() for b in (t, w))


def test_what_a_check_guards_waits_for_it_though_one_thread_runs_both() -> None:
    t, x = Buffer("t", 1, loops.index.number(0).dtype, "variable"), Buffer("x", 4, loops.INDEX, "input")
    i = Axis("i", 4)
    steps = (
        Kernel("check", i, (loops.check(loops.lt(loops.load(x, loops.axis(i)), 3)),)),
        Kernel("count", None, (loops.store(t, 0, loops.add(loops.load(t, 0), 1)),)),
    )
    parts = partition(ready_program(steps))
    assert [(part.serial, part.barrier, part.check) for part in parts] == [
        (True, True, True),
        (True, True, False),
    ]


def ready_program(steps: tuple[Kernel, ...]) -> Program:
    return schedule(fuse(Program(steps), small=0))
