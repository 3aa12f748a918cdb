"""Programs before and after fusion, run and compared; and random ones of kernels that feed one another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from chainrule import loops
from chainrule.dtypes import int64
from chainrule.engines.native.fuse import fuse
from chainrule.engines.native.in_place import in_place
from chainrule.engines.native.phases import schedule
from chainrule.loops import Buffer, Memory, Program, Scalar, interpret

from .lowered import Book

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


def doubled(book: Book, x: Buffer) -> Callable[..., Scalar]:
    return lambda *at: loops.mul(book.at(x, *at), 2.0)


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
