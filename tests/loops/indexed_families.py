"""The kinds of random kernels whose places are values: gathers, scatters, and rows named by an index."""

from __future__ import annotations

from dataclasses import replace

from chainrule import loops
from chainrule.dtypes import int32, int64
from chainrule.loops import Axis, Buffer, Scalar, index

from .expressions import known, truth
from .maker import INTEGERS, Expr, Maker, Tensor
from .pieces import at, reduced


def checked(m: Maker, count: int, size: int) -> Buffer:
    """Places below ``size``, read from an input by a kernel that checks them."""
    ids = m.tensor("input", (count,), m.choice(INTEGERS))
    values = m.rng.integers(0, size, count)
    if m.chance(12):  # one of them is out of range: the run is refused
        values[m.integer(0, count - 1)] = size + m.integer(0, 3)
        m.passed = False
    m.start[ids.buffer] = values.astype(ids.buffer.dtype)
    buffer = Buffer(f"places{len(m.tensors)}", count, int64)
    i = Axis("i", count)
    found = loops.cast(ids.load([loops.axis(i)]).value, int64)
    inside = loops.and_(loops.ge(found, 0), loops.lt(found, size))
    safe = loops.where(inside, found, 0)  # a refused run still reads at places that exist
    m.checks.append(loops.kernel("check", i, [loops.check(inside), loops.store(buffer, loops.axis(i), safe)]))
    return buffer


def gather(m: Maker) -> None:
    """Rows of a table by checked places: copied, or multiplied by a matrix."""
    count, size, width = m.extent(), m.extent(), m.extent(40)
    buffer = checked(m, count, size)
    table = m.source((size, width), m.floats, tame=True)
    i, j = Axis("i", count), Axis("j", width)
    row = loops.within(loops.load(buffer, loops.axis(i)), 0, size)
    if m.chance(2):
        what = table.load([row, loops.axis(j)])
        out = m.result((count, width), what)
        store = loops.store(out.buffer, index.ravel(at([i, j]), out.shape), what.value)
        m.kernel("gather", i, [loops.loop(j, [store])])
        return
    columns = m.extent(max(1, 4000 // (count * width)))
    n = Axis("n", columns)
    left = table.load([row, loops.axis(j)])
    right = m.source((width, columns), m.floats, tame=True).load(at([j, n]))
    product = Expr(loops.mul(left.value, right.value), left.step * right.step, left.bound * right.bound)
    kind = "sum" if product.sums_exactly(width) else "min"
    reduce, result = loops.reduce(kind, product.value, j)
    what = reduced(kind, product, result, width)
    out = m.result((count, columns), what)
    store = loops.store(out.buffer, index.ravel(at([i, n]), out.shape), result)
    m.kernel("gathered", i, [loops.loop(n, [reduce, store])])


def scatter(m: Maker) -> None:
    """Rows added into a table, by blocks of columns, the last of which may be short."""
    count, size, width = m.extent(), m.extent(), m.extent(40)
    block = m.choice((1, 4, 8, 32))
    buffer = checked(m, count, size)
    rows = m.source((count, width), m.floats, tame=True)
    if not rows.known.sums_exactly(count):
        return
    c, i = Axis("c", -(-width // block)), Axis("i", count)
    short = width % block != 0
    left = index.add(index.number(width), index.scale(loops.axis(c), -block))
    d = Axis("d", min(block, width), limit=left if short and c.extent > 1 else None)
    column = index.add(index.scale(loops.axis(c), block), loops.axis(d))
    what = rows.load([loops.axis(i), column])
    total = m.result((size, width), Expr(what.value, what.step, what.bound * count, signed=False))
    row = loops.within(loops.load(buffer, loops.axis(i)), 0, size)
    z = Axis("z", size * width)
    m.kernel("clear", z, [loops.store(total.buffer, loops.axis(z), 0.0)])
    add = loops.accumulate(total.buffer, index.ravel([row, column], (size, width)), what.value)
    m.kernel("scatter", c if c.extent > 1 else None, [loops.loop(i, [loops.loop(d, [add])], ordered=True)])


def histogram(m: Maker) -> None:
    """Integers counted where a condition holds, many places meeting in one bin."""
    count, size = m.extent(), m.extent(20)
    values = m.source((count,), int32)
    bins = m.result((size,), Expr(loops.constant(0, int64)))
    i, z = Axis("i", count), Axis("z", size)
    value = values.load([loops.axis(i)])
    m.kernel("clear", z, [loops.store(bins.buffer, loops.axis(z), 0)])
    place = loops.mod(loops.cast(value.value, int64), size)
    one = loops.constant(1, int64)
    add = loops.accumulate(bins.buffer, place, one, truth(m, [value]).value if m.chance(2) else None)
    m.kernel("histogram", None, [loops.loop(i, [add])])


def first_places(m: Maker) -> None:
    """Rows numbered in the order in which they turn up, through a kept map that is left as it was found."""
    count, size = m.extent(), m.extent()
    buffer = checked(m, count, size)
    slots = m.tensor("kept", (size,), int32).buffer
    slots = _filled(m, slots, -1)
    total = m.result((1,), Expr(loops.constant(0, int64))).buffer
    order = m.result((count,), Expr(loops.constant(0, int64))).buffer
    i, j = Axis("i", count), Axis("j", count)

    def row(axis: Axis) -> Scalar:
        return loops.within(loops.load(buffer, loops.axis(axis)), 0, size)

    seen_let, seen = loops.let(loops.load(slots, row(i)), "seen")
    n_let, n = loops.let(loops.load(total, 0), "n")
    slot = loops.where(loops.lt(seen, 0), n, loops.cast(seen, int64))
    number = [
        seen_let,
        n_let,
        loops.store(slots, row(i), loops.cast(slot, int32)),
        loops.store(order, loops.axis(i), slot),
        loops.store(total, 0, loops.add(n, 1), loops.lt(seen, 0)),
    ]
    forget = loops.loop(j, [loops.store(slots, row(j), -1)], ordered=True)
    m.kernel("number", None, [loops.store(total, 0, 0), loops.loop(i, number, ordered=True), forget])


def put_first(m: Maker) -> None:
    """Rows of a table replaced, by any thread, from the places that name them first."""
    count, size, width = m.extent(), m.extent(), m.extent(40)
    buffer = checked(m, count, size)
    slots = _filled(m, m.tensor("kept", (size,), int64).buffer, -1)
    first = m.result((count,), Expr(loops.constant(0, int64))).buffer
    i, j, k, n = Axis("i", count), Axis("j", count), Axis("k", count), Axis("n", width)

    def row(axis: Axis) -> Scalar:
        return loops.within(loops.load(buffer, loops.axis(axis)), 0, size)

    let, slot = loops.let(loops.load(slots, row(i)), "slot")
    new = loops.lt(slot, 0)
    name = [
        let,
        loops.store(slots, row(i), loops.axis(i), new),
        loops.store(first, loops.axis(i), loops.where(new, loops.axis(i), slot)),
    ]
    forget = loops.loop(k, [loops.store(slots, row(k), -1)], ordered=True)
    m.kernel("named first", None, [loops.loop(i, name, ordered=True), forget])
    table = m.source((size, width), m.floats)
    copy = m.result((size, width), table.known)
    all_rows, lanes = Axis("r", size), Axis("l", width)
    place = index.ravel(at([all_rows, lanes]), copy.shape)
    stored = loops.store(copy.buffer, place, loops.load(table.buffer, place))
    m.kernel("copied", all_rows, [loops.loop(lanes, [stored])])
    old = copy.load([row(j), loops.axis(n)])
    more = m.given((count, width), m.floats).load(at([j, n]))
    what = known(loops.add(old.value, more.value), old, more) if m.chance(2) else more
    put = loops.loop(
        n, [loops.store(copy.buffer, index.ravel([row(j), loops.axis(n)], copy.shape), what.value)]
    )
    own = loops.eq(loops.load(first, loops.axis(j)), loops.axis(j))
    once = Axis("if", 1, limit=loops.where(own, 1, loops.constant(0, int64)))
    m.kernel("put", j, [loops.loop(once, [put])])
    copy.written(what, whole=False)


def _filled(m: Maker, buffer: Buffer, fill: int) -> Buffer:
    made = replace(buffer, fill=fill)
    m.tensors[made] = Tensor(made, (buffer.size,), m.tensors.pop(buffer).known)
    return made
