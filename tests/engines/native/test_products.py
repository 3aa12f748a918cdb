"""Matrix products as machine code: what the interpreter says, at every size, orientation and cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import loops
from chainrule.dtypes import DType, float32, float64, int64
from chainrule.engines.native import products
from chainrule.engines.native.emit import kernel_buffers
from chainrule.engines.native.target import avx2, avx512
from chainrule.loops import Axis, Buffer, Kernel, Local, Scalar, Store, index
from chainrule.loops import ir as ir

from .matrices import (
    TARGETS,
    USES,
    Matrices,
    agree,
    by_numpy,
    interpreted,
    nest,
    run,
    whole_numbers,
)


@st.composite
def small(draw: st.DrawFn) -> Matrices:
    n, m = draw(st.integers(2, 40)), draw(st.integers(2, 33))
    k = draw(st.integers(2, max(2, 2500 // (m * n))))
    flags = draw(st.tuples(*[st.booleans()] * 3))
    uses = draw(st.sampled_from(list(USES)))
    dtype = draw(st.sampled_from([float32, float64]))
    batch = draw(st.sampled_from([1, 1, 2, 3])) if m * n * k < 1000 else 1
    first = draw(st.booleans()) if uses == "store" else False
    return Matrices(m, n, k, *flags[:2], dtype, batch, uses, flags[2], first, draw(st.booleans()))


@pytest.mark.parametrize("name", TARGETS)
@settings(deadline=None, max_examples=20)
@given(x=small(), cut=st.floats(0, 1))
def test_small_products_are_what_the_interpreter_says(name: str, x: Matrices, cut: float) -> None:
    kernel = x.kernel()
    memory = whole_numbers(kernel)
    expected = interpreted(kernel, memory)
    run(kernel, memory, TARGETS[name], [cut])
    agree(memory, expected)


LARGE = [
    Matrices(53, 300, 200),
    Matrices(300, 97, 64, a_turned=True),
    Matrices(65, 1030, 130, b_turned=True),
    Matrices(40, 40, 1025),  # two blocks of k, the second one shorter
    Matrices(30, 70, 2100, b_turned=True, uses="ramp"),
    Matrices(20, 45, 3000, a_turned=True, uses="momentum"),
    Matrices(31, 34, 900, batch=4, uses="ramp"),  # a narrow last panel: vectors along k
    Matrices(700, 520, 40, uses="store"),
    Matrices(15, 300, 400, swapped=True, columns_first=True),
    Matrices(37, 3, 2000, b_turned=True),
    Matrices(70, 100, 64, batch=6, b_turned=True, own=True, uses="ramp"),
    Matrices(130, 66, 1100, batch=2, own=True),
    Matrices(200, 300, 64, a_turned=True, uses="momentum"),  # large enough to ask for memory ahead
    Matrices(131, 650, 201),  # and for the rows of the next panel
]


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
@pytest.mark.parametrize("number", range(len(LARGE)))
@pytest.mark.parametrize("name", TARGETS)
def test_large_products_are_exact_for_whole_numbers(name: str, number: int, dtype: DType) -> None:
    x = LARGE[number]
    x = Matrices(**{**vars(x), "dtype": dtype})
    kernel = x.kernel()
    memory = whole_numbers(kernel)
    before = {buffer.name: array.copy() for buffer, array in memory.items()}
    product = by_numpy(x, memory).reshape(x.batch, x.m, x.n)
    run(kernel, memory, TARGETS[name], [0.3, 0.7])
    after = {buffer.name: array for buffer, array in memory.items()}
    shape = product.shape
    if x.uses == "momentum":
        speed = 0.5 * before["speed"].reshape(shape) + product
        np.testing.assert_array_equal(after["speed"].reshape(shape), speed)
        product = before["c"].reshape(shape) - 0.5 * speed
    if x.uses == "ramp":
        product = product + before["column"] + before["row"].reshape(x.batch, x.m, 1)
        np.testing.assert_array_equal(after["out"].reshape(shape), np.maximum(product, 0))
    np.testing.assert_array_equal(after["c"].reshape(shape), product)


@pytest.mark.parametrize("x", [LARGE[0], LARGE[4], LARGE[5]], ids=["plain", "ramp", "momentum"])
@settings(deadline=None, max_examples=8)
@given(cuts=st.lists(st.floats(0, 1), max_size=6))
def test_the_bits_do_not_depend_on_how_tiles_are_shared_out(x: Matrices, cuts: list[float]) -> None:
    kernel, rng = x.kernel(), np.random.default_rng(3)
    memory = {b: rng.standard_normal(b.size).astype(b.dtype) for b in kernel_buffers(kernel)}
    whole = {buffer: array.copy() for buffer, array in memory.items()}
    run(kernel, whole, TARGETS["host"])
    run(kernel, memory, TARGETS["host"], cuts)
    agree(memory, whole)


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
def test_sums_are_within_the_bound_of_their_length(dtype: DType) -> None:
    x = Matrices(20, 70, 5000, dtype=dtype)
    kernel, rng = x.kernel(), np.random.default_rng(4)
    memory = {b: rng.standard_normal(b.size).astype(b.dtype) for b in kernel_buffers(kernel)}
    run(kernel, memory, TARGETS["host"])
    named = {buffer.name: array for buffer, array in memory.items()}
    a, y = (
        named["a"].astype(np.longdouble).reshape(20, 5000),
        named["y"].astype(np.longdouble).reshape(5000, 70),
    )
    bound = np.abs(a) @ np.abs(y) * (x.k * np.finfo(dtype).eps / 2)
    assert (np.abs(named["c"].reshape(20, 70) - a @ y) <= bound).all()


def windows(x: Buffer, w: Buffer, out: Buffer, sizes: Sequence[int]) -> tuple[Kernel, Kernel]:
    """A convolution over words, out[b,t,f] = Σ x[b,t+k,c]·w[k,c,f], and the gradient of its filters."""
    batch, words, width, depth, filters = sizes
    b, t, f = Axis("b", batch), Axis("t", words - width + 1), Axis("f", filters)
    k, c = Axis("k", width), Axis("c", depth)
    i, j, n, p, q = map(index.of, (b, t, f, k, c))
    x_at = index.ravel([i, index.add(j, p), q], (batch, words, depth))
    w_at, out_at = (
        index.ravel([p, q, n], (width, depth, filters)),
        index.ravel([i, j, n], (batch, t.extent, filters)),
    )
    forward, total = loops.reduce("sum", loops.mul(loops.load(x, x_at), loops.load(w, w_at)), k, c)
    backward, slope = loops.reduce("sum", loops.mul(loops.load(x, x_at), loops.load(out, out_at)), b, t)
    return (
        nest([b, t, f], (forward, Store(out, out_at, total))),
        nest([k, c, f], (backward, Store(w, w_at, slope))),
    )


@pytest.mark.parametrize("name", TARGETS)
def test_windows_slide_over_words_without_a_copy(name: str) -> None:
    sizes = batch, words, width, depth, filters = 3, 20, 4, 30, 37
    places = words - width + 1
    x = Buffer("x", batch * words * depth, float32, "input")
    w = Buffer("w", width * depth * filters, float32, "input")
    out = Buffer("out", batch * places * filters, float32, "output")
    forward, backward = windows(x, w, out, sizes)
    memory = whole_numbers(forward)
    seen = np.lib.stride_tricks.sliding_window_view(memory[x].reshape(batch, words, depth), width, axis=1)
    filters_before = memory[w].reshape(width, depth, filters).copy()
    run(forward, memory, TARGETS[name], [0.5])
    convolved = np.einsum("btck,kcf->btf", seen, filters_before)
    np.testing.assert_array_equal(memory[out].reshape(batch, places, filters), convolved)
    run(backward, memory, TARGETS[name], [0.5])
    slopes = np.einsum("btck,btf->kcf", seen, convolved)
    np.testing.assert_array_equal(memory[w].reshape(width, depth, filters), slopes)


def refused() -> dict[str, Kernel]:
    """Kernels that are no matrix products, by what is different."""
    base = Matrices(30, 40, 50)
    m, n, k = Axis("m", 30), Axis("n", 40), Axis("k", 50)
    i, j, p = map(index.of, (m, n, k))
    a, y, c = base.buffer("a", 1500), base.buffer("y", 2000), base.buffer("c", 1200, "output")
    which = Buffer("which", 30, int64, "input")
    left, right = loops.load(a, index.ravel([i, p], (30, 50))), loops.load(y, index.ravel([p, j], (50, 40)))
    place = index.ravel([i, j], (30, 40))

    def kernel(value: Scalar, kind: str = "sum", ordered: bool = False, axis: Axis = k) -> Kernel:
        statement, total = loops.reduce(kind, value, axis)
        body = (statement, loops.store(c, place, total))
        return Kernel("k", m, (ir.Loop(n, body, ordered),))

    row = loops.within(loops.load(which, i), 0, 30)
    statement, total = loops.reduce("sum", loops.mul(left, right), k)
    whole = (statement, loops.store(c, place, total))
    after = loops.store(base.buffer("other", 30, "output"), i, loops.constant(0.0, float32))
    limited = Axis("k", 50, loops.load(which, index.number(0)))
    factor = loops.load(a, index.ravel([i, index.of(limited)], (30, 50)))
    beside = loops.load(y, index.ravel([index.of(limited), j], (50, 40)))
    return {
        "a maximum": kernel(loops.mul(left, right), "max"),
        "a sum of sums": kernel(loops.add(left, right)),
        "one factor": kernel(left),
        "a gathered factor": kernel(loops.mul(loops.load(a, index.ravel([row, p], (30, 50))), right)),
        "a guarded factor": kernel(
            loops.mul(loops.load(a, index.ravel([i, p], (30, 50)), loops.lt(p, index.number(7))), right)
        ),
        "no columns": kernel(loops.mul(left, left)),
        "an order": kernel(loops.mul(left, right), ordered=True),
        "a limit": kernel(loops.mul(factor, beside), axis=limited),
        "more behind the inner loop": Kernel("k", m, (ir.Loop(n, whole), after)),
        "a second sum": Kernel("k", m, (ir.Loop(n, (*whole, *whole)),)),
        "its own factor written": Kernel(
            "k", m, (ir.Loop(n, (statement, loops.store(y, index.add(place, index.number(0)), total))),)
        ),
        "nothing summed": Kernel("k", m, (ir.Loop(n, (loops.store(c, place, right),)),)),
        "no body": Kernel("k", m, ()),
    }


@pytest.mark.parametrize("what", refused())
def test_what_is_no_product_is_left_to_others(what: str) -> None:
    kernel = refused()[what]
    assert products.recognise(kernel, avx512(), worth=0) is None
    assert not products.keeps(kernel)


def test_only_large_products_are_kept() -> None:
    assert products.keeps(Matrices(256, 256, 256).kernel())
    small = Matrices(32, 16, 784).kernel()
    assert not products.keeps(small)
    assert products.recognise(small, avx512()) is None
    assert products.recognise(small, avx512(), worth=0) is not None


def test_a_product_says_how_it_is_cut() -> None:
    product = products.recognise(Matrices(256, 10_000, 256).kernel(), avx512())
    assert product is not None
    assert product.describe() == (
        "product 256×256×10000 of a and y: 313 tiles of 256×32, 8×32 in registers, panels copied"
    )
    product = products.recognise(Matrices(54, 100, 900, batch=50).kernel(), avx2())
    assert product is not None
    assert product.describe() == (
        "product 50 times 54×900×100 of a and y: 350 tiles of 54×16, 6×16 in registers"
    )


def test_the_name_is_one_with_the_text() -> None:
    one, two = [products.recognise(Matrices(128, 256, 256).kernel(), avx512()) for _ in range(2)]
    other = products.recognise(Matrices(128, 256, 256, b_turned=True).kernel(), avx512())
    assert one is not None
    assert two is not None
    assert other is not None
    assert one.name == two.name
    assert one.text() == two.text()
    assert one.name != other.name


def test_a_check_behind_the_sums_refuses_the_run() -> None:
    x = Matrices(40, 50, 30)
    kernel = x.kernel()
    (loop,) = kernel.body
    assert isinstance(loop, ir.Loop)
    statement, written = loop.body
    assert isinstance(written, Store)
    checked = (statement, loops.check(loops.isfinite(written.value)), written)
    kernel = Kernel("k", kernel.axis, (ir.Loop(loop.axis, checked),))
    memory = whole_numbers(kernel)
    assert run(kernel, memory, TARGETS["host"], [0.4])
    next(array for buffer, array in memory.items() if buffer.name == "a")[17] = np.inf
    assert not run(kernel, memory, TARGETS["host"], [0.4])


def test_locals_of_the_sum_may_be_read_more_than_once() -> None:
    x = Matrices(9, 11, 5)
    kernel = x.kernel()
    (loop,) = kernel.body
    assert isinstance(loop, ir.Loop)
    statement, written = loop.body
    assert isinstance(statement, ir.Reduce)
    assert isinstance(written, Store)
    total: Local = statement.parts[0].local
    named = loops.local(total, float32)
    squared = Store(written.buffer, written.offset, loops.mul(named, named))
    kernel = Kernel("k", kernel.axis, (ir.Loop(loop.axis, (statement, squared)),))
    memory = whole_numbers(kernel)
    expected = interpreted(kernel, memory)
    run(kernel, memory, TARGETS["host"])
    agree(memory, expected)
