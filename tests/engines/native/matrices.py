"""Matrix products with something behind the sums: as kernels, run, interpreted, and by NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from chainrule import loops
from chainrule.dtypes import DType, float32
from chainrule.engines.native import jit, products
from chainrule.engines.native.emit import kernel_buffers
from chainrule.engines.native.target import Target
from chainrule.loops import Axis, Buffer, Kernel, Program, Scalar, Statement, index
from chainrule.loops import ir as ir

from .emission import NOWHERE, PROTOTYPE, runnable

TARGETS = runnable()
Array = np.ndarray[Any, Any]

BEHIND = 48
"""Elements behind each buffer that nothing may touch."""


@dataclass
class Matrices:
    """The kernel of a product, with the buffers that take part."""

    m: int
    n: int
    k: int
    a_turned: bool = False
    b_turned: bool = False
    dtype: DType = float32
    batch: int = 1
    uses: str = "store"
    swapped: bool = False
    columns_first: bool = False
    own: bool = False
    """Whether each place of the batch has a B of its own."""

    def kernel(self) -> Kernel:
        o, m, n, k = [Axis(x, s) for x, s in zip("omnk", (self.batch, self.m, self.n, self.k), strict=True)]
        b, i, j, p = map(index.of, (o, m, n, k))
        rows, inner, columns = self.m, self.k, self.n
        a = self.buffer("a", self.batch * rows * inner)
        a_at = [b, p, i] if self.a_turned else [b, i, p]
        a_shape = (self.batch, inner, rows) if self.a_turned else (self.batch, rows, inner)
        count = self.batch if self.own else 1
        y = self.buffer("y", count * inner * columns)
        y_at, y_shape = ([j, p], [columns, inner]) if self.b_turned else ([p, j], [inner, columns])
        if self.own:
            y_at, y_shape = [b, *y_at], [count, *y_shape]
        factors = [loops.load(a, index.ravel(a_at, a_shape)), loops.load(y, index.ravel(y_at, y_shape))]
        value = loops.mul(*(reversed(factors) if self.swapped else factors))
        statement, total = loops.reduce("sum", value, k)
        lets, body = USES[self.uses](self, total, (b, i, j))
        inside = (ir.Loop(n, (statement, *body)),)
        if self.columns_first:
            return nest([o, n, m], (*lets, statement, *body))
        return nest([o, m], (*lets, *inside))

    def buffer(self, name: str, size: int, role: str = "input") -> Buffer:
        return Buffer(name, size, self.dtype, role)

    def place(self, at: Sequence[Scalar]) -> Scalar:
        return index.ravel(at, (self.batch, self.m, self.n))

    @property
    def size(self) -> int:
        return self.batch * self.m * self.n


def nest(axes: Sequence[Axis], body: Sequence[Statement]) -> Kernel:
    long = [axis for axis in axes if axis.extent > 1]
    inner = tuple(body)
    for axis in reversed(long[1:]):
        inner = (ir.Loop(axis, inner),)
    return Kernel("product", long[0] if long else None, inner)


# ── what may follow the sums ──────────────────────────────────────────────────────────────────────

Uses = tuple[list[ir.Let], list[Statement]]
Places = tuple[Scalar, Scalar, Scalar]


def store(x: Matrices, total: Scalar, at: Places) -> Uses:
    return [], [loops.store(x.buffer("c", x.size, "output"), x.place(at), total)]


def store_turned(x: Matrices, total: Scalar, at: Places) -> Uses:
    b, i, j = at
    place = index.ravel([b, j, i], (x.batch, x.n, x.m))
    return [], [loops.store(x.buffer("c", x.size, "output"), place, total)]


def bias_and_ramp(x: Matrices, total: Scalar, at: Places) -> Uses:
    """A bias by column, another by row named outside the inner loop, and a maximum with 0."""
    b, i, j = at
    row, named = loops.let(loops.load(x.buffer("row", x.batch * x.m), index.ravel([b, i], (x.batch, x.m))))
    z = loops.add(loops.add(total, loops.load(x.buffer("column", x.n), j)), named)
    again, both = loops.let(z)
    out = x.buffer("out", x.size, "output")
    kept = x.buffer("c", x.size, "output")
    value = loops.max_(both, loops.constant(0.0, x.dtype))
    return [row], [again, loops.store(kept, x.place(at), both), loops.store(out, x.place(at), value)]


def momentum(x: Matrices, total: Scalar, at: Places) -> Uses:
    """A variable and its momentum, changed where they lie."""
    place = x.place(at)
    variable, speed = x.buffer("c", x.size, "variable"), x.buffer("speed", x.size, "variable")
    half = loops.constant(0.5, x.dtype)
    new, faster = loops.let(loops.add(loops.mul(half, loops.load(speed, place)), total))
    moved = loops.sub(loops.load(variable, place), loops.mul(half, faster))
    return [], [new, loops.store(speed, place, faster), loops.store(variable, place, moved)]


def some_places(x: Matrices, total: Scalar, at: Places) -> Uses:
    """Only where the column is not that of the row."""
    _, i, j = at
    c = x.buffer("c", x.size, "variable")
    return [], [loops.store(c, x.place(at), total, where=loops.ne(i, j))]


def decayed(x: Matrices, total: Scalar, at: Places) -> Uses:
    """A factor that is the same everywhere and long to compute, and one that only seems to be."""
    step, c = x.buffer("step", 1), x.buffer("c", x.size, "variable")
    factor = loops.exp(loops.log(loops.add(loops.load(step, 0), loops.constant(12.0, x.dtype))))
    own = loops.exp(loops.mul(loops.load(c, x.place(at)), loops.constant(0.0, x.dtype)))
    whole = loops.round_(factor)  # exp and log may be off by a little
    return [], [loops.store(c, x.place(at), loops.add(loops.mul(total, whole), own))]


USES = {
    "store": store,
    "turned": store_turned,
    "ramp": bias_and_ramp,
    "momentum": momentum,
    "some": some_places,
    "decayed": decayed,
}


# ── running ───────────────────────────────────────────────────────────────────────────────────────


def whole_numbers(kernel: Kernel, seed: int = 0) -> dict[Buffer, Array]:
    """Small whole numbers: their sums are exact in any order, so results must be equal to the bit."""
    rng = np.random.default_rng(seed)
    return {b: rng.integers(-4, 5, b.size).astype(b.dtype) for b in kernel_buffers(kernel)}


def run(kernel: Kernel, memory: dict[Buffer, Array], target: Target, cuts: Sequence[float] = ()) -> bool:
    """Run the product on ``memory``, its tiles in shares that the cuts make, the last share first.

    Whether its checks held.
    """
    product = products.recognise(kernel, target, worth=0)
    assert product is not None
    address = jit.compile_functions({product.name: product.text}, target, NOWHERE)[product.name]
    held = {}
    for buffer, array in memory.items():
        held[buffer] = np.full(buffer.size + BEHIND, 77, buffer.dtype)
        held[buffer][: buffer.size] = array
    flag = np.zeros(1, np.int64)
    pointers = [flag.ctypes.data, *[held[b].ctypes.data for b in kernel_buffers(kernel)]]
    arguments = np.array(pointers, np.uint64)
    edges = [0, *sorted(int(cut * product.tiles) for cut in cuts), product.tiles]
    for lo, hi in reversed(list(pairwise(edges))):
        PROTOTYPE(address)(arguments.ctypes.data, lo, hi)
    for buffer, array in held.items():
        assert (array[buffer.size :] == 77).all(), f"something was written behind {buffer.name}"
        memory[buffer][:] = array[: buffer.size]
    return not flag[0]


def interpreted(kernel: Kernel, memory: dict[Buffer, Array]) -> dict[Buffer, Array]:
    expected = {buffer: array.copy() for buffer, array in memory.items()}
    assert loops.interpret(Program((kernel,)), expected)
    return expected


def agree(got: dict[Buffer, Array], expected: dict[Buffer, Array]) -> None:
    for buffer, array in expected.items():
        np.testing.assert_array_equal(got[buffer], array, err_msg=buffer.name)


def by_numpy(x: Matrices, memory: dict[Buffer, Array]) -> Array:
    named = {buffer.name: array for buffer, array in memory.items()}
    a = named["a"].reshape((x.batch, x.k, x.m) if x.a_turned else (x.batch, x.m, x.k)).astype(float)
    y = named["y"].reshape((-1, x.n, x.k) if x.b_turned else (-1, x.k, x.n)).astype(float)
    product: Array = (a.swapaxes(1, 2) if x.a_turned else a) @ (y.swapaxes(1, 2) if x.b_turned else y)
    return product


# ── the tests ─────────────────────────────────────────────────────────────────────────────────────
