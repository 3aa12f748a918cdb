"""The kinds of kernels that random loop programs are made of: each function adds some to a ``Maker``."""

from __future__ import annotations

import math
from collections.abc import Callable

from chainrule import loops
from chainrule.dtypes import bool_, float32, int64, is_float, uint32
from chainrule.loops import Axis, Statement, index

from .expressions import elementary, expression, known, tame_expression, truth
from .indexed_families import first_places, gather, histogram, put_first, scatter
from .maker import Expr, Maker
from .pieces import any_dtype, at, leaves, nested, power_of_two, reduced, view


def elementwise(m: Maker) -> None:
    """One to three results of one shape; sometimes through a Let, to a permuted place, or an epilogue."""
    shape = m.shape(m.integer(1, 3), 3000)
    axes = m.axes(shape)
    body: list[Statement] = []
    for _ in range(m.integer(1, 3)):
        dtype = any_dtype(m)
        what = expression(m, leaves(m, axes, dtype), 3)
        if is_float(dtype) and not m.chance(3):
            what = elementary(m, what) if m.chance(2) else expression(m, [what], 3)
        if m.chance(3):
            let, value = loops.let(what.value)
            body.append(let)
            what = what.like(value)
        order = [int(p) for p in m.rng.permutation(len(axes))] if m.chance(4) else range(len(axes))
        out = m.result([shape[p] for p in order], what)
        body.append(loops.store(out.buffer, index.ravel([at(axes)[p] for p in order], out.shape), what.value))
    m.kernel("elementwise", axes[0], nested(axes[1:], body))


def functions(m: Maker) -> None:
    """Several functions of one operand, which may be any float."""
    axes = m.axes(m.shape(m.integer(1, 2), 300))
    operand = view(m, axes, m.floats)
    body: list[Statement] = []
    for _ in range(m.integer(2, 5)):
        what = elementary(m, operand) if m.chance(2) else expression(m, [operand], 4)
        out = m.result([axis.extent for axis in axes], what)
        body.append(loops.store(out.buffer, index.ravel(at(axes), out.shape), what.value))
    m.kernel("functions", axes[0], nested(axes[1:], body))


def flat(m: Maker) -> None:
    """A shape taken as one long axis, with rows and columns read back by division."""
    shape = m.shape(2, 3000)
    axis = Axis("i", math.prod(shape))
    place = loops.axis(axis)
    row, column = index.unravel(place, shape)
    dtype = m.choice((m.floats, int64))
    values = [
        m.source(shape, dtype).load([row, column]),
        m.source(shape[:1], dtype).load([row]),
        m.source(shape[1:], dtype).load([column]),
    ]
    what = expression(m, values, 2)
    out = m.result(shape, what)
    m.kernel("flat", axis, [loops.store(out.buffer, place, what.value)])


def update(m: Maker) -> None:
    """A variable changed in place, everywhere or where a condition holds."""
    shape = m.shape(m.integer(1, 2), 2000)
    axes = m.axes(shape)
    dtype = any_dtype(m)
    others = leaves(m, axes, dtype)  # read before the variable is there to be read at other places
    variable = m.given(shape, dtype, role="variable")
    old = variable.load(at(axes))
    what = expression(m, [old, *others], 2)
    where = truth(m, [old, others[0]]).value if m.chance(2) else None
    store = loops.store(variable.buffer, index.ravel(at(axes), shape), what.value, where)
    m.kernel("update", axes[0], nested(axes[1:], [store]))
    variable.written(what, whole=where is None)


def reduction(m: Maker) -> None:
    """Reductions of every kind over one or two axes, leading or trailing, with an epilogue."""
    kept, gone = m.integer(0, 2), m.integer(1, 2)
    shape = m.shape(kept + gone, 3000)
    axes = m.axes(shape)
    outer, inner = axes[:kept], axes[kept:]
    reading = [*inner, *outer] if m.chance(2) else axes
    count = math.prod(a.extent for a in inner)
    parts: list[tuple[str, Expr]] = []
    for _ in range(m.integer(1, 2)):
        dtype = any_dtype(m)
        if dtype is bool_ or m.chance(4):
            value = truth(m, leaves(m, reading, dtype))
            parts.append((m.choice(("any", "all")), value))
            continue
        value = tame_expression(m, leaves(m, reading, dtype, tame=True), 1)
        kinds = ["max", "min", "argmax", "argmin"]
        if value.sums_exactly(count):
            kinds += ["sum"] * 4
        if not is_float(dtype):
            kinds += ["prod"]
        elif m.chance(3):  # powers of two, so that no order of factors rounds
            value, kinds = power_of_two(value), ["prod"]
        parts.append((m.choice(kinds), value))
    reduce, results = loops.reductions(inner, [(kind, value.value) for kind, value in parts])
    body: list[Statement] = [reduce]
    for (kind, value), result in zip(parts, results, strict=True):
        what = reduced(kind, value, result, count)
        if is_float(what.dtype) and m.chance(2):
            what = expression(m, [what, *([view(m, outer, what.dtype)] if outer else [])], 1)
        out = m.result([a.extent for a in outer], what)
        body.append(loops.store(out.buffer, index.ravel(at(outer), out.shape) if outer else 0, what.value))
    m.kernel("reduction", outer[0] if outer else None, nested(outer[1:], body))


def running(m: Maker) -> None:
    """A reduction over a triangle: the inner axis stops at the outer one's place."""
    n = m.extent()
    i = Axis("i", n)
    j = Axis("j", n, limit=index.shift(loops.axis(i), m.choice((0, 1))))
    value = m.source((n,), m.floats, tame=True).load([loops.axis(j)])
    kind = "sum" if value.sums_exactly(n) else "max"
    reduce, result = loops.reduce(kind, value.value, j)
    what = reduced(kind, value, result, n if kind == "sum" else 0)
    out = m.result((n,), what)
    m.kernel("running", i, [reduce, loops.store(out.buffer, loops.axis(i), result)])


def matmul(m: Maker) -> None:
    """A matrix product in either transposition, maybe of a batch or over two axes, with an epilogue."""
    batch = m.choice((1, 1, 1, 2, 3))
    rows, columns = m.shape(2, 2000)
    inner = m.shape(m.choice((1, 1, 1, 2)), max(1, 6000 // (rows * columns * batch)))
    b, i, j = Axis("b", batch), Axis("m", rows), Axis("n", columns)
    ks = m.axes(inner, "kl")

    def factor(axis: Axis) -> Expr:
        axes = [*ks, axis] if m.chance(2) else [axis, *ks]
        lead = [b] if m.chance(2) else []
        return m.source([a.extent for a in [*lead, *axes]], m.floats, tame=True).load(at([*lead, *axes]))

    left, right = factor(i), factor(j)
    product = Expr(loops.mul(left.value, right.value), left.step * right.step, left.bound * right.bound)
    count = math.prod(inner)
    kind = "sum" if product.sums_exactly(count) else "max"
    reduce, result = loops.reduce(kind, product.value, *ks)
    what = reduced(kind, product, result, count)
    outer = [a for a in ([b, i, j] if m.chance(2) else [b, j, i]) if a.extent > 1 or m.chance(3)]
    if m.chance(2):
        what = expression(m, [what, view(m, [i, j], m.floats), view(m, [j], m.floats)], 2)
    if m.chance(4):
        what = elementary(m, what)
    out = m.result((batch, rows, columns), what)
    store = loops.store(out.buffer, index.ravel(at([b, i, j]), out.shape), what.value)
    body = [reduce, store]
    outer = [a for a in outer if a.extent > 1]
    m.kernel("matmul", outer[0] if outer else None, nested(outer[1:], body))


def trained(m: Maker) -> None:
    """A gradient summed over a batch, and Adam's update of three variables in the same nest."""
    rows, columns = m.shape(2, 600)
    batch = m.extent(max(1, 5000 // (rows * columns)))
    i, j, b = Axis("k", rows), Axis("n", columns), Axis("b", batch)
    x, d = m.source((batch, rows), m.floats, tame=True), m.source((batch, columns), m.floats, tame=True)
    left, right = x.load(at([b, i])), d.load(at([b, j]))
    product = Expr(loops.mul(left.value, right.value), left.step * right.step, left.bound * right.bound)
    if not product.sums_exactly(batch):
        return
    reduce, gradient = loops.reduce("sum", product.value, b)
    p, first, second = (m.given((rows, columns), m.floats, tame=True, role="variable") for _ in range(3))
    place = index.ravel(at([i, j]), (rows, columns))
    let1, m1 = loops.let(
        loops.fma(loops.sub(gradient, first.load(place).value), 0.125, first.load(place).value)
    )
    square = loops.mul(gradient, gradient)
    let2, m2 = loops.let(loops.add(loops.mul(second.load(place).value, 0.99), loops.mul(square, 0.01)))
    moved = loops.div(loops.mul(m1, 0.001), loops.add(loops.sqrt(loops.abs_(m2)), 1e-8))
    stores = [
        loops.store(first.buffer, place, m1),
        loops.store(second.buffer, place, m2),
        loops.store(p.buffer, place, loops.sub(p.load(place).value, moved)),
    ]
    m.kernel("trained", i, [loops.loop(j, [reduce, let1, let2, *stores])])
    for variable in (p, first, second):
        variable.written(Expr(m1, signed=False), whole=True)


def window(m: Maker) -> None:
    """A sum over a sliding window, with the ends padded by guards."""
    rows, length, channels = m.extent(20), m.extent(), m.extent(6)
    width, filters = m.choice((1, 2, 3, 5)), m.extent(max(1, 4000 // (rows * length * channels * 5)))
    b, t, f = Axis("b", rows), Axis("t", length), Axis("f", filters)
    k, c = Axis("k", width), Axis("c", channels)
    place = index.shift(index.add(loops.axis(t), loops.axis(k)), -(width // 2))
    inside = loops.and_(loops.ge(place, 0), loops.lt(place, length))
    x = m.source((rows, length, channels), m.floats, tame=True).load(
        [loops.axis(b), place, loops.axis(c)], inside
    )
    w = m.source((width, channels, filters), m.floats, tame=True).load(at([k, c, f]))
    product = Expr(loops.mul(x.value, w.value), x.step * w.step, x.bound * w.bound)
    kind = "sum" if product.sums_exactly(width * channels) else "max"
    reduce, result = loops.reduce(kind, product.value, k, c)
    what = reduced(kind, product, result, width * channels)
    out = m.result((rows, length, filters), what)
    store = loops.store(out.buffer, index.ravel(at([b, t, f]), out.shape), result)
    m.kernel("window", b, nested([t, f], [reduce, store]))


def limited(m: Maker) -> None:
    """Rows of different lengths: reduced, and copied, as far as each goes."""
    rows, width = m.shape(2, 2000)
    lengths = m.tensor("input", (rows,), int64)
    m.start[lengths.buffer] = m.rng.integers(-1, width + 3, rows)
    i = Axis("i", rows)
    limit = lengths.load([loops.axis(i)]).value
    j, k = Axis("j", width, limit), Axis("k", width, limit)
    value = m.source((rows, width), m.floats, tame=True).load(at([i, j]))
    kind = m.choice(("sum", "max", "argmax")) if value.sums_exactly(width) else "min"
    reduce, result = loops.reduce(kind, value.value, j)
    what = reduced(kind, value, result, 0 if kind != "sum" else width)
    out = m.result((rows,), what)
    written = m.source((rows, width), m.floats, tame=True).load(at([i, k]))
    copy = m.given((rows, width), m.floats, tame=True, role="variable")
    stores = [
        loops.store(out.buffer, loops.axis(i), result),
        loops.loop(k, [loops.store(copy.buffer, index.ravel(at([i, k]), copy.shape), written.value)]),
    ]
    m.kernel("limited", i, [reduce, *stores])
    copy.written(written, whole=False)


def recurrence(m: Maker) -> None:
    """Each row in order: what is stored at a place is read at the next one."""
    rows, length = m.shape(2, 2000)
    i, t = Axis("i", rows), Axis("t", length)
    x = m.source((rows, length), m.floats, tame=True).load(at([i, t]))
    out = m.result((rows, length), known(x.value, x))
    before = index.shift(loops.axis(t), -1)
    old = loops.load(out.buffer, index.ravel([loops.axis(i), before], out.shape), loops.gt(loops.axis(t), 0))
    let, new = loops.let(loops.fma(old, 0.5, x.value))
    place = index.ravel(at([i, t]), out.shape)
    m.kernel("recurrence", i, [loops.loop(t, [let, loops.store(out.buffer, place, new)], ordered=True)])


def softmax(m: Maker) -> None:
    """Rows through a merged body: a maximum, exponentials kept in scratch, their sum, the quotients."""
    rows, width = m.shape(2, 2000)
    i = Axis("i", rows)
    j, k, o = Axis("j", width), Axis("k", width), Axis("o", width)
    x = m.source((rows, width), m.floats)
    top, largest = loops.reduce("max", x.load(at([i, j])).value, j)
    powers = m.tensor("scratch", (rows, width), m.floats, near=True, signed=False)
    power = loops.exp(loops.sub(x.load(at([i, k])).value, largest))
    fill = loops.loop(k, [loops.store(powers.buffer, index.ravel(at([i, k]), powers.shape), power)])
    n = Axis("n", width)
    add, total = loops.reduce("sum", powers.load(at([i, n])).value, n)
    out = m.result((rows, width), Expr(total, near=True, signed=False))
    quotient = loops.div(powers.load(at([i, o])).value, total)
    finish = loops.loop(o, [loops.store(out.buffer, index.ravel(at([i, o]), out.shape), quotient)])
    m.kernel("softmax", i, [top, fill, add, finish])


def network(m: Maker) -> None:
    """Two layers forward and one back for each row, merged into one body over the rows."""
    rows = m.extent()
    a, b = m.shape(2, max(1, 4000 // rows))
    i = Axis("i", rows)
    x = m.source((rows, a), m.floats, tame=True)
    w = m.source((a, b), m.floats, tame=True)
    j, k, n = Axis("j", b), Axis("k", a), Axis("n", b)
    product = Expr(
        loops.mul(x.load(at([i, k])).value, w.load(at([k, j])).value),
        x.known.step * w.known.step,
        x.known.bound * w.known.bound,
    )
    if not product.sums_exactly(a):
        return
    dot, s = loops.reduce("sum", product.value, k)
    hidden = m.tensor("scratch", (rows, b), m.floats, step=0.125, bound=2.0, signed=False)
    # Clipped and rounded to the grid again, so that the next sum is exact, too.
    clipped = loops.min_(loops.max_(s, -2.0), 2.0)
    rounded = loops.div(loops.round_(loops.mul(clipped, 8.0)), 8.0)
    put = loops.store(hidden.buffer, index.ravel(at([i, j]), hidden.shape), rounded)
    back = Axis("k", a)
    both = Expr(
        loops.mul(hidden.load(at([i, n])).value, w.load(at([back, n])).value),
        0.125 * w.known.step,
        2 * w.known.bound,
    )
    kind = "sum" if both.sums_exactly(b) else "max"
    dot2, s2 = loops.reduce(kind, both.value, n)
    what = reduced(kind, both, s2, b)
    out = m.result((rows, a), what)
    put2 = loops.store(out.buffer, index.ravel(at([i, back]), out.shape), s2)
    m.kernel("network", i, [loops.loop(j, [dot, put]), loops.loop(back, [dot2, put2])])


def bits(m: Maker) -> None:
    """A few rounds of a counter-based generator, made into floats in [0, 1)."""
    count = m.extent()
    i = Axis("i", count)
    x = loops.cast(loops.axis(i), uint32)
    y = m.source((count,), uint32).load([loops.axis(i)]).value
    for turn in (13, 15, 26, 6, 17):
        x = loops.add(x, y)
        y = loops.xor(loops.or_(loops.shl(y, turn), loops.shr(y, 32 - turn)), x)
    unit = loops.sub(loops.bitcast(loops.or_(loops.shr(y, 9), 0x3F800000), float32), 1.0)
    out = m.result((count,), Expr(y))
    floats = m.result((count,), Expr(unit, 2.0**-23, 1.0))
    stores = [loops.store(out.buffer, loops.axis(i), y), loops.store(floats.buffer, loops.axis(i), unit)]
    m.kernel("bits", i, stores)


FAMILIES: tuple[Callable[[Maker], None], ...] = (
    *[elementwise] * 3, *[functions] * 2, flat, update, *[reduction] * 3, running, matmul, trained,
    gather, scatter, histogram, window, limited, recurrence, first_places, put_first, softmax, network, bits,
)  # fmt: skip
