"""The loop nests that networks are made of, as kernels over random memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from chainrule import loops
from chainrule.dtypes import DType, float32, int64
from chainrule.loops import Axis, Buffer, Kernel, Loop, Memory, Scalar, index


@dataclass
class Nest:
    """A kernel under construction, and its buffers."""

    dtype: DType = float32
    buffers: dict[str, Buffer] = field(default_factory=dict)
    kernel: Kernel | None = None

    def buffer(self, name: str, size: int, dtype: DType | None = None, role: str = "input") -> Buffer:
        self.buffers[name] = Buffer(name, size, dtype or self.dtype, role)
        return self.buffers[name]

    def memory(self, seed: int = 0, rows: int = 1) -> Memory:
        rng = np.random.default_rng(seed)
        found: Memory = {}
        for buffer in self.buffers.values():
            if buffer.dtype is int64:
                found[buffer] = rng.integers(0, rows, buffer.size)
            else:
                found[buffer] = rng.standard_normal(buffer.size).astype(buffer.dtype)
        return found


def product(
    m: int,
    n: int,
    k: int,
    dtype: DType = float32,
    *,
    across: str = "",
    then: Callable[[Scalar], Scalar] | None = None,
) -> Nest:
    """y = then(x·w): ``across`` names those of x and w that are stored transposed."""
    nest = Nest(dtype)
    im, jn, kk = Axis("m", m), Axis("n", n), Axis("k", k)
    i, j, r = index.of(im), index.of(jn), index.of(kk)
    x, w, y = nest.buffer("x", m * k), nest.buffer("w", k * n), nest.buffer("y", m * n, role="output")
    a = loops.load(x, index.ravel([r, i], (k, m)) if "x" in across else index.ravel([i, r], (m, k)))
    b = loops.load(w, index.ravel([j, r], (n, k)) if "w" in across else index.ravel([r, j], (k, n)))
    total, s = loops.reduce("sum", loops.mul(a, b), kk)
    put = loops.store(y, index.ravel([i, j], (m, n)), then(s) if then else s)
    nest.kernel = loops.kernel("product", im, [Loop(jn, (total, put))])
    return nest


def gathered(m: int, n: int, words: int, width: int, table: int) -> Nest:
    """y = rows·w, where a row is ``words`` rows of a table laid end to end."""
    nest = Nest()
    im, jn, ww, ee = Axis("m", m), Axis("n", n), Axis("word", words), Axis("e", width)
    i, j = index.of(im), index.of(jn)
    e, w = nest.buffer("table", table * width), nest.buffer("w", words * width * n)
    ids, y = nest.buffer("ids", m * words, int64), nest.buffer("y", m * n, role="output")
    row = loops.within(loops.load(ids, index.ravel([i, index.of(ww)], (m, words))), 0, table)
    a = loops.load(e, index.add(index.scale(row, width), index.of(ee)))
    b = loops.load(w, index.ravel([index.of(ww), index.of(ee), j], (words, width, n)))
    total, s = loops.reduce("sum", loops.mul(a, b), ww, ee)
    put = loops.store(y, index.ravel([i, j], (m, n)), loops.tanh(s))
    nest.kernel = loops.kernel("gathered", im, [Loop(jn, (total, put))])
    return nest


def updated(m: int, n: int, k: int) -> Nest:
    """w -= 0.1·dw and a running mean of dw = xᵀ·d: an optimizer in the end of a product, in place."""
    nest = Nest()
    im, jn, kk = Axis("m", m), Axis("n", n), Axis("k", k)
    i, j, r = index.of(im), index.of(jn), index.of(kk)
    x, d = nest.buffer("x", k * m), nest.buffer("d", k * n)
    w, mean = nest.buffer("w", m * n, role="variable"), nest.buffer("mean", m * n, role="variable")
    a, b = loops.load(x, index.ravel([r, i], (k, m))), loops.load(d, index.ravel([r, j], (k, n)))
    total, s = loops.reduce("sum", loops.mul(a, b), kk)
    at = index.ravel([i, j], (m, n))
    kept, new = loops.let(loops.add(loops.mul(loops.load(mean, at), 0.9), loops.mul(s, 0.1)))
    moved = loops.sub(
        loops.load(w, at), loops.div(loops.mul(new, 0.1), loops.add(loops.sqrt(loops.abs_(new)), 1.0))
    )
    body = [total, kept, loops.store(mean, at, new), loops.store(w, at, moved)]
    nest.kernel = loops.kernel("updated", im, [Loop(jn, tuple(body))])
    return nest


def network(m: int, k: int, hidden: int, classes: int) -> Nest:
    """Rows through a hidden layer, softmax, and the gradient back to the hidden layer: one merged body."""
    nest = Nest()
    im = Axis("m", m)
    i = index.of(im)
    x, w, u = nest.buffer("x", m * k), nest.buffer("w", k * hidden), nest.buffer("u", hidden * classes)
    h, z = nest.buffer("h", m * hidden, role="output"), nest.buffer("z", m * classes, role="output")
    p, dh = nest.buffer("p", m * classes, role="output"), nest.buffer("dh", m * hidden, role="output")

    def at(width: int, j: Scalar) -> Scalar:
        return index.ravel([i, j], (m, width))

    def axis(name: str, extent: int) -> tuple[Axis, Scalar]:
        made = Axis(name, extent)
        return made, index.of(made)

    (a1, j1), (k1, r1) = axis("j1", hidden), axis("k1", k)
    s1, v1 = loops.reduce(
        "sum", loops.mul(loops.load(x, at(k, r1)), loops.load(w, index.ravel([r1, j1], (k, hidden)))), k1
    )
    (a2, j2), (k2, r2) = axis("j2", classes), axis("k2", hidden)
    s2, v2 = loops.reduce(
        "sum",
        loops.mul(loops.load(h, at(hidden, r2)), loops.load(u, index.ravel([r2, j2], (hidden, classes)))),
        k2,
    )
    (a3, j3), (a4, j4), (a5, j5) = axis("j3", classes), axis("j4", classes), axis("j5", classes)
    top, most = loops.reduce("max", loops.load(z, at(classes, j3)), a3)
    down, total = loops.reduce("sum", loops.exp(loops.sub(loops.load(z, at(classes, j4)), most)), a4)
    share = loops.div(loops.exp(loops.sub(loops.load(z, at(classes, j5)), most)), total)
    (a6, j6), (k6, r6) = axis("j6", hidden), axis("k6", classes)
    s6, v6 = loops.reduce(
        "sum",
        loops.mul(loops.load(p, at(classes, r6)), loops.load(u, index.ravel([j6, r6], (hidden, classes)))),
        k6,
    )
    seen = loops.load(h, at(hidden, j6))
    body = [
        Loop(a1, (s1, loops.store(h, at(hidden, j1), loops.tanh(v1)))),
        Loop(a2, (s2, loops.store(z, at(classes, j2), v2))),
        top,
        down,
        Loop(a5, (loops.store(p, at(classes, j5), share),)),
        Loop(a6, (s6, loops.store(dh, at(hidden, j6), loops.mul(v6, loops.sub(1.0, loops.mul(seen, seen)))))),
    ]  # fmt: skip
    nest.kernel = loops.kernel("network", im, body)
    return nest


def columns(m: int, k: int) -> Nest:
    """Sums of columns: the kernel's own axis is the lanes."""
    nest = Nest()
    im, kk = Axis("m", m), Axis("k", k)
    x, y = nest.buffer("x", k * m), nest.buffer("y", m, role="output")
    total, s = loops.reduce("sum", loops.load(x, index.ravel([index.of(kk), index.of(im)], (k, m))), kk)
    nest.kernel = loops.kernel("columns", im, [total, loops.store(y, index.of(im), s)])
    return nest
