"""Rows asked for ahead: in loops over rows of large tables and in no others; values are what they were."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule import loops
from chainrule.dtypes import float32, int64
from chainrule.engines.native.emit import emit_kernel
from chainrule.engines.native.emit_ahead import MOST, rows_ahead
from chainrule.engines.native.target import host
from chainrule.loops import Axis, Buffer, Kernel, Loop, Scalar, index

from .emission import run_kernel

COUNT = 7
i, k = Axis("i", COUNT), Axis("k", 3)
here = loops.axis(i)
names = Buffer("names", COUNT, int64, "input")
out = Buffer("out", COUNT * 300, float32)


def rows(length: int, width: int, role: str = "variable") -> Buffer:
    return Buffer("table", length * width, float32, role)


def place(table: Buffer, width: int, at: Scalar, column: Scalar) -> Scalar:
    row = loops.within(loops.load(names, at), 0, table.size // width)
    return index.add(index.scale(row, width), column)


def gather(length: int, width: int, axis: Axis = i) -> tuple[Kernel, Buffer]:
    table, j = rows(length, width, "input"), Axis("j", width)
    at = loops.axis(axis)
    target = index.add(index.scale(at, width), loops.axis(j))
    load = loops.load(table, place(table, width, at, loops.axis(j)))
    return Kernel("gather", axis, (loops.loop(j, [loops.store(out, target, load)]),)), table


def asked(kernel: Kernel) -> list[tuple[int, bool]]:
    """How many lines are asked for, and whether to write them."""
    assert kernel.axis is not None
    return [(row.lines, row.write) for row in rows_ahead(Loop(kernel.axis, kernel.body))[2]]


@pytest.mark.parametrize(
    ("length", "width", "lines"),
    [(20_000, 300, 20), (20_000, 64, 5), (2_000, 300, 0), (400_000, 16, 2), (1_000, 64 * MOST, 0)],
)
def test_rows_of_tables_that_lie_far_are_asked_for(length: int, width: int, lines: int) -> None:
    kernel, _ = gather(length, width)
    assert asked(kernel) == ([(lines, False)] if lines else [])
    assert emit_kernel(kernel, host()).count("call void @llvm.prefetch") == lines


@pytest.mark.parametrize("shares", [1, 3, 7])
def test_values_are_what_they_were_up_to_the_last_place(shares: int) -> None:
    kernel, table = gather(20_000, 60)
    rng = np.random.default_rng(1)
    memory = {
        table: rng.standard_normal(table.size).astype("f"),
        names: np.array([19_999, 0, 5, 5, 19_999, 1, 7]),
        out: np.zeros(out.size, "f"),
    }
    run_kernel(kernel, memory, host(), shares)
    wanted = memory[table].reshape(-1, 60)[memory[names]]
    np.testing.assert_array_equal(memory[out][: COUNT * 60].reshape(-1, 60), wanted)


def test_a_row_that_is_read_and_written_is_asked_for_once() -> None:
    table, j = rows(20_000, 300), Axis("j", 300)
    at = place(table, 300, here, loops.axis(j))
    let, row = loops.let(loops.load(names, here), "row")
    named = index.add(index.scale(loops.within(row, 0, 20_000), 300), loops.axis(j))
    body = [
        let,
        loops.loop(j, [loops.store(table, named, loops.add(loops.load(table, at), 1.0))], ordered=False),
    ]
    assert asked(Kernel("both", i, tuple(body))) == [(20, True)]


def test_what_the_loop_itself_decides_is_not_asked_for() -> None:
    table, j = rows(20_000, 300, "input"), Axis("j", 300)
    reduce, found = loops.reduce(
        "argmax",
        loops.load(Buffer("x", COUNT * 3, float32, "input"), index.add(index.scale(here, 3), loops.axis(k))),
        k,
    )
    row = loops.within(found, 0, 20_000)
    load = loops.load(table, index.add(index.scale(row, 300), loops.axis(j)))
    store = loops.store(out, index.add(index.scale(here, 300), loops.axis(j)), load)
    assert asked(Kernel("by a reduction", i, (reduce, loops.loop(j, [store])))) == []
    renamed = loops.store(names, here, loops.constant(0, int64))
    kernel, _ = gather(20_000, 60)
    assert asked(Kernel("renamed", i, (*kernel.body, renamed))) == []
    inner = loops.load(table, place(table, 300, loops.axis(k), loops.axis(j)))
    store = loops.store(out, index.add(index.scale(here, 300), loops.axis(j)), inner)
    assert asked(Kernel("within", i, (loops.loop(k, [loops.loop(j, [store])], ordered=True),))) == []
