"""Fusion keeps every bit of what a program computes, and brings kernels together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import loops
from chainrule.dtypes import float32, int64
from chainrule.engines.native.aside import set_aside
from chainrule.engines.native.costs import MEETING
from chainrule.engines.native.forward import eliminate, forward
from chainrule.engines.native.fuse import fuse
from chainrule.engines.native.in_place import in_place
from chainrule.engines.native.phases import schedule
from chainrule.engines.native.reuse import reuse
from chainrule.engines.native.widen import widen
from chainrule.loops import Axis, Buffer, Kernel, Loop, Memory, Program, Reduce, Scalar, interpret, statements

from ...loops.programs import case
from .lowered import Book, mlp, window_tagger

LASTING = ("variable", "output", "kept")


def backwards(n: int) -> Sequence[int]:
    return range(n)[::-1]


def run(
    program: Program, memory: Memory, order: Callable[[int], Any] = range
) -> tuple[bool, dict[str, bytes]]:
    """What a run leaves behind: all that lasts, or the variables alone where a check refused it."""
    copied = {buffer: array.copy() for buffer, array in memory.items()}
    with np.errstate(all="ignore"):
        ok = interpret(program, copied, order)
    roles = LASTING if ok else ("variable",)
    return ok, {b.name: array.tobytes() for b, array in copied.items() if b.role in roles}


def assert_same(before: Program, after: Program, memory: Memory) -> None:
    expected = run(before, memory)
    assert run(after, memory) == expected
    assert run(after, memory, backwards) == expected  # places of an axis stay independent


def compiled(book: Book, small: float = 0) -> tuple[Program, Program]:
    given = in_place(book.program(), book.updates)
    return given, schedule(fuse(given, small=small))


# ── networks ──────────────────────────────────────────────────────────────────────────────────────

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


# ── what is merged and what is not ────────────────────────────────────────────────────────────────


def doubled(book: Book, x: Buffer) -> Callable[..., Scalar]:
    return lambda *at: loops.mul(book.at(x, *at), 2.0)


def test_a_flat_kernel_joins_the_rows_that_feed_it() -> None:
    book = Book()
    x, w = book.array("x", (4, 3), "input"), book.array("w", (3, 6), "input")
    y = book.matmul("y", x, w)
    book.shapes[y] = (24,)
    book.map("z", (24,), doubled(book, y), "output")
    given, fused = compiled(book)
    assert_same(given, fused, book.memory())
    (kernel,) = fused.steps
    assert isinstance(kernel, Kernel)
    (loop,) = kernel.body
    assert isinstance(loop, Loop)
    assert [type(s) for s in loop.body] == [Reduce, loops.Store]


def test_rows_join_the_flat_kernel_before_them_and_a_grid_its_rows() -> None:
    book = Book()
    x = book.array("x", (24,), "input")
    y = book.map("y", (24,), doubled(book, x))
    book.shapes[y] = (4, 2, 3)
    z = book.map("z", (4, 2, 3), doubled(book, y))
    book.shapes[z] = (8, 3)
    book.fold("sums", (8,), (3,), "sum", lambda i, k: book.at(z, i, k), "output")
    given, fused = compiled(book)
    assert_same(given, fused, book.memory())
    assert len(fused.steps) == 1


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("transposed", lambda i, j: (j, i)),
        ("shifted", lambda i, j: (i, loops.index.mod(loops.index.shift(j, 1), 4))),
        ("one row", lambda i, j: (loops.index.number(0), j)),
        ("reversed", lambda i, j: (loops.index.add(loops.index.scale(i, -1), loops.index.number(3)), j)),
    ],
)
def test_what_crosses_places_stays_apart(name: str, read: Callable[..., tuple[Scalar, ...]]) -> None:
    book = Book()
    x = book.array("x", (4, 4), "input")
    y = book.map("y", (4, 4), doubled(book, x))
    book.map("z", (4, 4), lambda i, j: book.at(y, *read(i, j)), "output")
    given, fused = compiled(book)
    assert_same(given, fused, book.memory())
    inner = [
        s for k in fused.steps if isinstance(k, Kernel) for s in statements(k.body) if isinstance(s, Loop)
    ]
    assert len(fused.steps) == (1 if name == "shifted" else 2)
    assert len(inner) == 2


def test_a_neighbour_is_another_place() -> None:
    book = Book()
    x, y = book.array("x", (5,), "input"), book.array("y", (5,))
    book.nest("first", (), lambda at: [loops.store(y, 0, book.at(x, loops.index.number(0)))])
    book.nest("rest", (4,), lambda at: [loops.store(y, loops.index.shift(at[0], 1), book.at(x, *at))])
    book.map("z", (4,), lambda i: book.at(y, i), "output")
    given, fused = compiled(book)
    assert_same(given, fused, book.memory())
    assert len(fused.steps) == 3


def test_kernels_come_together_past_an_independent_one_but_not_past_what_lies_between() -> None:
    book = Book()
    x = book.array("x", (6, 2), "input")
    y = book.map("y", (6, 2), doubled(book, x))
    total = book.fold("total", (), (6, 2), "sum", lambda i, j: book.at(y, i, j))
    other = book.array("other", (5,), "input")
    book.map("apart", (5,), doubled(book, other), "output")
    book.map("z", (6, 2), doubled(book, y), "output")
    book.map("scaled", (6, 2), lambda i, j: loops.mul(book.at(y, i, j), book.at(total)), "output")
    given, fused = compiled(book)
    assert_same(given, fused, book.memory())
    names = {step.name for step in fused.steps if isinstance(step, Kernel)}
    assert names == {"y+z", "apart", "total", "scaled"}


def test_columns_of_a_batch_agree_past_the_stride_of_their_rows() -> None:
    book = Book()
    x = book.array("x", (3, 4, 5), "input")

    def column(name: str, source: Buffer, role: str) -> Buffer:
        out = book.array(name, (3, 4, 5), role)
        a, b, c = Axis("a", 3), Axis("b", 4), Axis("c", 5)
        i, j, k = loops.axis(a), loops.axis(b), loops.axis(c)
        put = book.put(out, (i, j, k), loops.mul(book.at(source, i, j, k), 2.0))
        book.steps.append(Kernel(name, b, (loops.loop(a, (loops.loop(c, (put,)),)),)))
        return out

    column("z", column("y", x, "scratch"), "output")
    given, fused = compiled(book)
    assert_same(given, fused, book.memory())
    assert len(fused.steps) == 1


def test_a_product_that_is_kept_takes_in_its_epilogue_only() -> None:
    book = Book()
    x, w = book.array("x", (4, 3), "input"), book.array("w", (3, 6), "input")
    y = book.matmul("y", x, w)
    book.shapes[y] = (24,)
    h = book.map("h", (24,), doubled(book, y))
    book.shapes[h] = (4, 6)
    book.fold("sums", (4,), (6,), "sum", lambda i, k: book.at(h, i, k), "output")
    book.map("grid", (4, 6), doubled(book, h), "output")
    book.shapes[h] = (6, 4)
    given = book.program()
    fused = fuse(given, lambda kernel: kernel.name == "y", small=0)
    assert_same(given, fused, book.memory())
    assert [step.name for step in fused.steps if isinstance(step, Kernel)] == ["y+h+grid", "sums"]


@pytest.mark.parametrize("keep", [None, lambda kernel: kernel.name == "y"], ids=["fused", "kept"])
def test_an_array_in_another_shape_joins_the_product_that_makes_it(keep: Any) -> None:
    book = Book()
    x, w = book.array("x", (4, 3), "input"), book.array("w", (3, 30), "input")
    y = book.matmul("y", x, w)
    book.shapes[y] = (20, 6)
    book.map("z", (20, 6), doubled(book, y), "output")
    fused = fuse(book.program(), keep, small=0)
    assert_same(book.program(), fused, book.memory())
    (kernel,) = fused.steps
    assert isinstance(kernel, Kernel)
    assert [s.axis.extent for s in statements(kernel.body) if isinstance(s, Loop)] == [30]


def test_rows_that_do_not_lie_end_to_end_stay_rows() -> None:
    book = Book()
    x, w, b = (
        book.array("x", (4, 3), "input"),
        book.array("w", (3, 30), "input"),
        book.array("b", (6,), "input"),
    )
    y = book.matmul("y", x, w)
    book.shapes[y] = (20, 6)
    book.map("z", (20, 6), lambda i, j: loops.add(book.at(y, i, j), book.at(b, j)), "output")
    given, fused = compiled(book)
    assert_same(given, fused, book.memory())
    (kernel,) = fused.steps
    assert isinstance(kernel, Kernel)
    assert [s.axis.extent for s in statements(kernel.body) if isinstance(s, Loop)] == [30, 5, 6]


def test_a_kernel_of_one_row_runs_its_loop_in_parallel() -> None:
    book = Book()
    x, w = book.array("x", (1, 3), "input"), book.array("w", (3, 6), "input")
    out = book.map("z", (1, 6), doubled(book, book.matmul("y", x, w)), "output")
    given, fused = compiled(book)
    assert_same(given, fused, book.memory())
    (kernel,) = fused.steps
    assert isinstance(kernel, Kernel)
    assert kernel.axis is not None
    assert kernel.axis.extent == out.size == 6


# ── within a body ─────────────────────────────────────────────────────────────────────────────────

I = Axis("i", 4)  # noqa: E741
i = loops.axis(I)
X, T, OUT = Buffer("x", 8, float32, "input"), Buffer("t", 8, float32), Buffer("out", 8, float32, "output")


def stored(kernel: Kernel) -> list[str]:
    return [s.buffer.name for s in statements(kernel.body) if isinstance(s, loops.Store)]


def test_a_stored_value_is_not_loaded_again() -> None:
    body = (
        loops.store(T, i, loops.add(loops.load(X, i), 1.0)),
        loops.store(OUT, i, loops.mul(loops.load(T, i), loops.load(T, i))),
    )
    kernel = forward(Kernel("k", I, body))
    read = {
        s.payload
        for st in statements(kernel.body)
        for r in loops.roots(st)
        for s in loops.walk([r])
        if s.op == "load"
    }
    assert read == {X}
    (after,) = eliminate(Program((kernel,))).steps
    assert isinstance(after, Kernel)
    assert stored(after) == ["out"]


@pytest.mark.parametrize("between", [i, loops.index.number(2), loops.index.mod(loops.index.shift(i, 1), 8)])
def test_another_store_between_is_respected(between: Scalar) -> None:
    body = (
        loops.store(T, i, loops.load(X, i)),
        loops.store(T, between, 7.0),
        loops.store(OUT, i, loops.load(T, i)),
    )
    given = Program((Kernel("k", None, (loops.loop(I, body, ordered=True),)),))
    after = fuse(given)
    assert_same(given, after, {X: np.arange(8, dtype=np.float32)})


def test_a_loop_that_carries_values_keeps_its_stores() -> None:
    walk = loops.loop(Axis("s", 7), (), ordered=True)
    s = loops.axis(walk.axis)
    walk = loops.loop(
        walk.axis,
        (loops.store(T, loops.index.shift(s, 1), loops.add(loops.load(T, s), loops.load(X, s))),),
        ordered=True,
    )
    given = Program(
        (Kernel("scan", None, (loops.store(T, 0, 0.0), walk, loops.store(OUT, 0, loops.load(T, 7)))),)
    )
    assert_same(given, fuse(given), {X: np.arange(8, dtype=np.float32)})
    assert fuse(given).steps


def test_what_nobody_reads_is_not_computed() -> None:
    book = Book()
    x = book.array("x", (4, 3), "input")
    unused = book.map("unused", (4, 3), doubled(book, x))
    book.fold("of unused", (4,), (3,), "sum", lambda a, k: book.at(unused, a, k))
    book.map("z", (4, 3), doubled(book, x), "output")
    _, fused = compiled(book)
    (kernel,) = fused.steps
    assert isinstance(kernel, Kernel)
    assert stored(kernel) == ["z"]


# ── random programs ───────────────────────────────────────────────────────────────────────────────

SHAPES = [(12,), (4, 3), (3, 4), (2, 2, 3), (4,), (3,), ()]


@st.composite
def books(draw: st.DrawFn) -> Book:
    """Kernels over a few small arrays that read each other straight, transposed, flat, folded, in parts."""
    book = Book()
    arrays = [book.array(f"x{k}", shape, "input") for k, shape in enumerate(SHAPES)]
    arrays += [book.array(name, (4, 3), "variable") for name in ("w", "v")]
    arrays += [book.array(name, (), "variable") for name in ("t", "s")]
    for k in range(draw(st.integers(2, 12))):
        role = draw(st.sampled_from(["scratch", "scratch", "output"]))
        shape = draw(st.sampled_from(SHAPES))
        kind = draw(
            st.sampled_from(["map", "map", "fold", "matmul", "halves", "shift", "again", "gather", "check"])
        )
        name = f"{kind}{k}"
        if kind == "matmul":
            a, b = (draw(st.sampled_from([x for x in arrays if x.size == 12])) for _ in "ab")
            book.shapes[a], book.shapes[b] = (4, 3), (3, 4)
            if a is not b:
                arrays.append(book.matmul(name, a, b))
            continue
        first = draw(st.sampled_from(arrays))
        second = draw(st.sampled_from(arrays))
        crossing = draw(st.booleans())
        read = _reader(book, first, shape, crossing)
        other = _reader(book, second, shape, False)

        def value(*at: Scalar, read: Any = read, other: Any = other) -> Scalar:
            return loops.sub(read(*at), loops.mul(0.5, other(*at)))

        if kind == "map":
            arrays.append(book.map(name, shape, value, role))
        elif kind == "fold":
            reduced = _reader(book, first, (*shape, 2), crossing)
            arrays.append(book.fold(name, shape, (2,), draw(st.sampled_from(["sum", "max"])), reduced, role))
        elif kind == "halves" and shape:
            arrays.append(_in_halves(book, name, shape, value, role))
        elif kind == "shift":  # what a place writes its neighbour reads
            longer = book.array(name, (13,), role)
            book.nest(
                f"{name}.0",
                (),
                lambda at, t=longer, r=read, s=shape: [
                    loops.store(t, 0, r(*[loops.index.number(0)] * len(s)))
                ],
            )
            rest = _reader(book, first, (12,), crossing)
            book.nest(
                name, (12,),
                lambda at, t=longer, r=rest: [loops.store(t, loops.index.shift(at[0], 1), r(*at))],
            )  # fmt: skip
            arrays.append(longer)
        elif kind == "again":  # a second value for a buffer that others may have read
            target = draw(st.sampled_from([x for x in arrays if x.role == "scratch"] or [None]))
            if target is not None and target not in (first, second):
                flat = (target.size,)
                again = _reader(book, first, flat, crossing)
                book.nest(name, flat, lambda at, t=target, r=again: [loops.store(t, at[0], r(*at))])
        elif kind == "gather":
            place = book.map(
                f"place{k}", shape, lambda *at, r=read: loops.cast(loops.mul(r(*at), 0.0), int64)
            )
            size = first.size
            arrays.append(
                book.map(
                    name, shape,
                    lambda *at, p=place, f=first, n=size: loops.load(f, loops.within(book.at(p, *at), 0, n)),
                    role,
                )
            )  # fmt: skip
        elif kind == "check":
            book.nest(name, shape, lambda at, v=value: [loops.check(loops.lt(v(*at), 0.9))])
    for variable in [x for x in arrays if x.role == "variable"]:
        new = draw(st.sampled_from([x for x in arrays if x.size == variable.size]))
        book.updates[variable] = new
    return book


def _reader(book: Book, buffer: Buffer, shape: Sequence[int], crossing: bool) -> Callable[..., Scalar]:
    """Reads of ``buffer`` at the places of ``shape``: in order as far as there is order, or scrambled."""

    def read(*at: Scalar) -> Scalar:
        place = loops.index.ravel(at, shape)
        if crossing:
            place = loops.index.shift(loops.index.scale(place, 5), 3)
        return loops.load(buffer, loops.index.mod(place, buffer.size))

    return read


def _in_halves(
    book: Book, name: str, shape: Sequence[int], value: Callable[..., Scalar], role: str
) -> Buffer:
    """An array written by two kernels, each a part of the last axis."""
    out = book.array(name, shape, role)
    part = shape[-1] // 2
    for base, length in ((0, part), (part, shape[-1] - part)):
        book.nest(
            f"{name}.{base}", (*shape[:-1], length),
            lambda at, base=base: [
                book.put(out, places := (*at[:-1], loops.index.shift(at[-1], base)), value(*places))
            ],
        )  # fmt: skip
    return out


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


# ── more places ───────────────────────────────────────────────────────────────────────────────────


def test_few_rows_of_much_become_many_places() -> None:
    book = Book()
    x, w = book.array("x", (3, 80, 100), "input"), book.array("w", (100, 3, 80), "variable")
    book.updates[w] = book.map("new", (100, 3, 80), lambda k, i, j: loops.mul(book.at(x, i, j, k), 2.0))
    book.map("y", (3, 80, 100), doubled(book, x), "output")
    book.fold("sums", (3,), (80, 100), "sum", lambda i, j, k: book.at(x, i, j, k), "output")
    given, fused = compiled(book)
    wide = widen(fused)
    assert_same(given, wide, book.memory())
    assert {k.name: k.axis.extent for k in wide.steps if isinstance(k, Kernel) and k.axis} == {
        "new": 100,  # enough
        "y": 240,  # rows of rows
        "sums": 3,  # nothing within to share out
    }
    offsets = [s.offset for k in wide.steps if isinstance(k, Kernel) for s in statements(k.body)
               if isinstance(s, loops.Store) and s.buffer.name == "y"]  # fmt: skip
    assert [offset.op for offset in offsets] == ["affine"]  # no division is left


def test_rows_of_a_product_stay_together() -> None:
    book = Book()
    x, w = book.array("x", (4, 30), "input"), book.array("w", (30, 60), "input")
    book.map("y", (4, 60), doubled(book, book.matmul("p", x, w)), "output")
    (kernel,) = widen(compiled(book)[1]).steps
    assert isinstance(kernel, Kernel)
    assert kernel.axis is not None
    assert kernel.axis.extent == 4
