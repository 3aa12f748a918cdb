"""What fusion brings together, what it leaves apart, and what is not done twice within one kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import loops
from chainrule.dtypes import float32
from chainrule.engines.native.forward import eliminate, forward
from chainrule.engines.native.fuse import fuse
from chainrule.engines.native.widen import widen
from chainrule.loops import Axis, Buffer, Kernel, Loop, Program, Reduce, Scalar, statements

from .fusing import assert_same, compiled, doubled
from .lowered import Book

# ── what is merged and what is not ────────────────────────────────────────────────────────────────


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
