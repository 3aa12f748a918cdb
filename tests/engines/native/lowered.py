"""Loop programs as a lowering writes them: one kernel a node, in the nodes' own shapes, nothing merged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import prod

import numpy as np

from chainrule import loops
from chainrule.dtypes import DType, float32, int64
from chainrule.loops import Axis, Buffer, Kernel, Program, Scalar, Statement, Step, index

Indices = Sequence[Scalar]


class Book:
    """A program being written: each method adds a kernel and returns the array that it fills."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.shapes: dict[Buffer, tuple[int, ...]] = {}
        self.updates: dict[Buffer, Buffer] = {}

    def array(self, name: str, shape: Sequence[int], role: str = "scratch", dtype: DType = float32) -> Buffer:
        buffer = Buffer(name, prod(shape), dtype, role)
        self.shapes[buffer] = tuple(shape)
        return buffer

    def at(self, buffer: Buffer, *indices: Scalar) -> Scalar:
        return loops.load(buffer, index.ravel(indices, self.shapes[buffer]))

    def put(self, buffer: Buffer, indices: Indices, value: Scalar) -> Statement:
        return loops.store(buffer, index.ravel(indices, self.shapes[buffer]), value)

    def nest(self, name: str, shape: Sequence[int], body: Callable[[Indices], Sequence[Statement]]) -> None:
        axes = [Axis(f"{name}{d}", extent) for d, extent in enumerate(shape)]
        inner = tuple(body([loops.axis(axis) for axis in axes]))
        for axis in axes[:0:-1]:
            inner = (loops.loop(axis, inner),)
        self.steps.append(Kernel(name, axes[0] if axes else None, inner))

    def map(
        self, name: str, shape: Sequence[int], value: Callable[..., Scalar], role: str = "scratch"
    ) -> Buffer:
        """out[i, …] = value(i, …)"""
        probe = value(*[index.number(0)] * len(shape))
        out = self.array(name, shape, role, probe.dtype)
        self.nest(name, shape, lambda at: [self.put(out, at, value(*at))])
        return out

    def fold(
        self,
        name: str,
        shape: Sequence[int],
        over: Sequence[int],
        kind: str,
        value: Callable[..., Scalar],
        role: str = "scratch",
    ) -> Buffer:
        """out[i, …] = the reduction of value(i, …, k, …) over k, …"""  # fmt: skip
        axes = [Axis(f"k{d}", extent) for d, extent in enumerate(over)]
        ks = [loops.axis(axis) for axis in axes]
        probe = value(*[index.number(0)] * (len(shape) + len(over)))
        out = self.array(name, shape, role, loops.reduced_dtype(kind, probe.dtype))

        def body(at: Indices) -> list[Statement]:
            statement, result = loops.reduce(kind, value(*at, *ks), *axes)
            return [statement, self.put(out, at, result)]

        self.nest(name, shape, body)
        return out

    def matmul(self, name: str, a: Buffer, b: Buffer, ta: bool = False, tb: bool = False) -> Buffer:
        m, k = self.shapes[a][::-1] if ta else self.shapes[a]
        n = self.shapes[b][0] if tb else self.shapes[b][1]

        def product(i: Scalar, j: Scalar, s: Scalar) -> Scalar:
            return loops.mul(self.at(a, *((s, i) if ta else (i, s))), self.at(b, *((j, s) if tb else (s, j))))

        return self.fold(name, (m, n), (k,), "sum", product)

    def program(self) -> Program:
        return Program(tuple(self.steps))

    def memory(self, seed: int = 0) -> dict[Buffer, loops.Array]:
        """Random content for what the program is given."""
        random = np.random.default_rng(seed)
        memory = {}
        for buffer in self.shapes:
            if buffer.role in ("input", "variable", "kept"):
                if buffer.dtype == int64:
                    memory[buffer] = random.integers(0, 3, buffer.size)
                else:
                    memory[buffer] = random.uniform(0.1, 1, buffer.size).astype(buffer.dtype)
        return memory


def softmax_loss(book: Book, z: Buffer, targets: Buffer) -> tuple[Buffer, Buffer]:
    """The mean cross-entropy of rows of logits, checked to be finite, and its gradient."""
    rows, classes = book.shapes[z]
    at = book.at
    top = book.fold("top", (rows,), (classes,), "max", lambda i, j: at(z, i, j))
    total = book.fold(
        "total", (rows,), (classes,), "sum", lambda i, j: loops.exp(loops.sub(at(z, i, j), at(top, i)))
    )
    log_p = book.map(
        "log_p", (rows, classes),
        lambda i, j: loops.sub(loops.sub(at(z, i, j), at(top, i)), loops.log(at(total, i))),
    )  # fmt: skip

    def picked(i: Scalar) -> Scalar:
        return at(log_p, i, loops.within(at(targets, i), 0, classes))

    loss = book.fold(
        "loss", (), (rows,), "sum", lambda i: loops.mul(loops.neg(picked(i)), 1 / rows), "output"
    )
    finite = loops.isfinite(book.at(loss))
    book.steps.append(Kernel("finite", None, (loops.check(finite),)))

    def downstream(i: Scalar, j: Scalar) -> Scalar:
        one = loops.where(loops.eq(j, at(targets, i)), 1.0, loops.constant(0.0, float32))
        return loops.mul(loops.sub(loops.exp(at(log_p, i, j)), one), 1 / rows)

    return loss, book.map("dz", (rows, classes), downstream)


def checked_place(book: Book, places: Buffer, raw: Buffer, at: Indices, length: int) -> list[Statement]:
    """An index looked at once: what follows reads one that is in range, whatever it was."""
    index = book.at(raw, *at)
    fits = loops.and_(loops.ge(index, 0), loops.lt(index, length))
    return [loops.check(fits), book.put(places, at, loops.where(fits, index, 0))]


def mlp(batch: int, sizes: Sequence[int], optimizer: str = "adam") -> Book:
    """A step of a multilayer perceptron with ReLU, softmax and cross-entropy."""
    book = Book()
    at = book.at
    h = [book.array("x", (batch, sizes[0]), "input")]
    targets = book.array("targets", (batch,), "input", int64)
    checked = book.array("fits", (batch,), "scratch", int64)
    book.nest(
        "fits", (batch,),
        lambda i: checked_place(book, checked, targets, i, sizes[-1]),
    )  # fmt: skip
    weights, biases, sums = [], [], []
    for layer, (k, n) in enumerate(pairwise(sizes)):
        w, b = book.array(f"W{layer}", (k, n), "variable"), book.array(f"b{layer}", (n,), "variable")
        product = book.matmul(f"p{layer}", h[-1], w)
        z = book.map(f"z{layer}", (batch, n), lambda i, j, p=product, b=b: loops.add(at(p, i, j), at(b, j)))
        sums.append(z)
        weights.append(w)
        biases.append(b)
        if layer < len(sizes) - 2:
            h.append(book.map(f"h{layer}", (batch, n), lambda i, j, z=z: loops.max_(at(z, i, j), 0.0)))
    _, d = softmax_loss(book, sums[-1], checked)
    gradients = []
    for layer in reversed(range(len(weights))):
        dw = book.matmul(f"dW{layer}", h[layer], d, ta=True)
        db = book.fold(f"db{layer}", (sizes[layer + 1],), (batch,), "sum", lambda n, i, d=d: at(d, i, n))
        gradients += [(weights[layer], dw), (biases[layer], db)]
        if layer:
            dh = book.matmul(f"dh{layer}", d, weights[layer], tb=True)
            z = sums[layer - 1]
            d = book.map(
                f"d{layer}", book.shapes[z],
                lambda i, j, z=z, dh=dh: loops.where(loops.gt(at(z, i, j), 0.0), at(dh, i, j), 0.0),
            )  # fmt: skip
    {"adam": adam, "sgd": sgd}[optimizer](book, gradients)
    return book


def sgd(book: Book, gradients: Sequence[tuple[Buffer, Buffer]]) -> None:
    for w, g in gradients:
        book.updates[w] = book.map(
            f"{w.name} new", book.shapes[w],
            lambda *i, w=w, g=g: loops.sub(book.at(w, *i), loops.mul(0.1, book.at(g, *i))),
        )  # fmt: skip


def adam(book: Book, gradients: Sequence[tuple[Buffer, Buffer]]) -> None:
    """Adam: m ← 0.9 m + 0.1 g, v ← 0.99 v + 0.01 g², w ← w - lr m / (√v + ε), bias-corrected."""
    at = book.at
    t = book.array("t", (), "variable")
    now = book.updates[t] = book.map("t new", (), lambda: loops.add(at(t), 1.0))

    def correction() -> Scalar:
        first, second = (loops.sub(1.0, loops.pow_(beta, at(now))) for beta in (0.9, 0.99))
        return loops.div(loops.sqrt(second), first)

    rate = book.map("rate", (), correction)
    for w, g in gradients:
        shape = book.shapes[w]
        m, v = book.array(f"m {w.name}", shape, "variable"), book.array(f"v {w.name}", shape, "variable")
        new_m = book.updates[m] = book.map(
            f"{m.name} new", shape,
            lambda *i, m=m, g=g: loops.add(loops.mul(0.9, at(m, *i)), loops.mul(0.1, at(g, *i))),
        )  # fmt: skip
        new_v = book.updates[v] = book.map(
            f"{v.name} new", shape,
            lambda *i, v=v, g=g: loops.add(
                loops.mul(0.99, at(v, *i)), loops.mul(0.01, loops.mul(at(g, *i), at(g, *i)))
            ),
        )  # fmt: skip
        book.updates[w] = book.map(
            f"{w.name} new", shape,
            lambda *i, w=w, a=new_m, b=new_v: loops.sub(
                at(w, *i), loops.div(loops.mul(at(rate), at(a, *i)), loops.add(loops.sqrt(at(b, *i)), 1e-8))
            ),
        )  # fmt: skip


def window_tagger(batch: int, words: int, width: int, rows: int, hidden: int, tags: int) -> Book:
    """Embeddings gathered for a window of words, concatenated, and tagged by one hidden layer."""
    book = Book()
    at = book.at
    table = book.array("E", (rows, width), "variable")
    raw = book.array("raw", (batch, words), "input", int64)
    places = book.array("places", (batch, words), "scratch", int64)
    book.nest(
        "places", (batch, words),
        lambda i: checked_place(book, places, raw, i, rows),
    )  # fmt: skip
    x = book.map(
        "x", (batch, words, width), lambda i, w, e: at(table, loops.within(at(places, i, w), 0, rows), e)
    )
    book.shapes[x] = (batch, words * width)
    w1 = book.array("W1", (words * width, hidden), "variable")
    w2 = book.array("W2", (hidden, tags), "variable")
    p = book.matmul("p", x, w1)
    h = book.map("h", (batch, hidden), lambda i, j: loops.tanh(at(p, i, j)))
    z = book.matmul("z", h, w2)
    targets = book.array("targets", (batch,), "input", int64)
    checked = book.array("fits", (batch,), "scratch", int64)
    book.nest(
        "fits", (batch,),
        lambda i: checked_place(book, checked, targets, i, tags),
    )  # fmt: skip
    _, d = softmax_loss(book, z, checked)
    dw2 = book.matmul("dW2", h, d, ta=True)
    dh = book.matmul("dh", d, w2, tb=True)
    dp = book.map(
        "dp", (batch, hidden),
        lambda i, j: loops.mul(at(dh, i, j), loops.sub(1.0, loops.mul(at(h, i, j), at(h, i, j)))),
    )  # fmt: skip
    dw1 = book.matmul("dW1", x, dp, ta=True)
    dx = book.matmul("dx", dp, w1, tb=True)
    book.shapes[dx] = (batch, words, width)
    zero = book.array("dE", (rows, width))
    book.nest("dE zero", (rows, width), lambda i: [book.put(zero, i, loops.constant(0.0, float32))])
    axes = [Axis("i", batch), Axis("w", words), Axis("e", width)]
    i, w, e = map(loops.axis, axes)
    add = loops.accumulate(
        zero, index.ravel([loops.within(at(places, i, w), 0, rows), e], (rows, width)), at(dx, i, w, e)
    )
    body: tuple[Statement, ...] = (add,)
    for axis in reversed(axes):
        body = (loops.loop(axis, body, ordered=axis is not axes[2]),)
    book.steps.append(Kernel("dE rows", None, body))
    sgd(book, [(table, zero), (w1, dw1), (w2, dw2)])
    return book
