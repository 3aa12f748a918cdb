"""The inner functions of a matrix product, as LLVM text: a block of sums, kept in registers.

A block is some rows by a panel of columns.  Where the panel fills vectors, each k takes the vectors of
B's row once, and A's elements one by one, each spread over a vector.  Where the panel is so narrow that
most lanes would be empty, and A's rows lie along memory, the vectors go along k instead.  All strides
are known and stand in the text as displacements, so A needs no copy.  While it sums, the function asks
for the lines of memory that the statements behind the sums are about to use.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from .product_form import Form
from .product_grid import UNROLLED
from .product_writer import Writer

LINE = 64
"""Bytes that a memory access fetches."""

Place = tuple[int, int]


class Sums:
    """Writes the function that sums a block of full vectors.

    ``void sums(a, b, c, depth, elements between rows of b, of c, first, what to ask for …)``; where the
    sum is made in several ``turns``, all but the ``first`` add to what is in c.  ``fetches`` are the
    strides of what to ask for.
    """

    def __init__(self, form: Form, vectors: int, fetches: Sequence[int], turns: int) -> None:
        self.form, self.vectors, self.fetches, self.turns = form, vectors, fetches, turns
        self.rows, self.lanes = form.grid.rows, form.grid.lanes
        self.places = [(i, j) for i in range(self.rows) for j in range(vectors)]

    def text(self, name: str) -> str:
        self.w = w = begun(self.form, name, self.fetches)
        state = ["%a", "%b", *["zeroinitializer"] * len(self.places)]
        grid = self.form.grid
        if self.form.runs[-1] % grid.blocks == 0:  # all blocks are as deep
            turns, rest = divmod(grid.depth, UNROLLED)
            whole = self.asking if self.fetches else partial(self.run, unrolled=UNROLLED, sure=True)
            state = self.run(str(rest), whole(str(turns), state), unrolled=1, sure=True)
        else:
            state = self.run(w.get(f"udiv i64 %depth, {UNROLLED}"), state, unrolled=UNROLLED)
            state = self.run(w.get(f"urem i64 %depth, {UNROLLED}"), state, unrolled=1)
        for i in range(self.rows):
            row = w.pointer("%c", w.mul("%c_row", i))
            for j in range(self.vectors):
                total = state[2 + self.places.index((i, j))]
                if self.turns > 1:
                    before = w.load(row, j * self.lanes)
                    both = w.get(f"fadd {w.vector} {before}, {total}")
                    total = w.get(f"select i1 %first, {w.vector} {total}, {w.vector} {both}")
                w.store(total, row, j * self.lanes)
        return w.end()

    def carried(self, state: Sequence[str]) -> list[tuple[str, str]]:
        kinds = ["ptr", "ptr", *[self.w.vector] * len(self.places)]
        return list(zip(kinds, state, strict=True))

    def asking(self, turns: str, state: list[str]) -> list[str]:
        """All turns, in stretches: before each of them the lines of one row are asked for."""
        w, length = self.w, self.form.grid.stretch // UNROLLED

        def stretch(number: str, now: list[str]) -> list[str]:
            row = w.least(number, self.rows - 1)
            ask(w, row, self.fetches, self.vectors * self.lanes * w.size)
            left = w.get(f"sub nsw i64 {turns}, {w.mul(number, length)}")
            return self.run(w.least(left, length), now, unrolled=UNROLLED, sure=True)

        return w.repeat(str(-(-int(turns) // length)), self.carried(state), stretch, sure=True)

    def run(self, turns: str, state: list[str], unrolled: int, sure: bool = False) -> list[str]:
        """``turns`` turns of ``unrolled`` k each."""

        def turn(_: str, now: list[str]) -> list[str]:
            w, a, b, *totals = self.w, *now
            for _u in range(unrolled):
                self.multiply(a, b, totals)
                a, b = w.pointer(a, self.form.a.runs[-1]), w.pointer(b, "%b_row")
            return [a, b, *totals]

        return self.w.repeat(turns, self.carried(state), turn, sure)

    def multiply(self, a: str, b: str, totals: list[str]) -> None:
        """The products of one k, added to the totals."""
        w = self.w
        row = [w.load(b, j * self.lanes) for j in range(self.vectors)]
        for i in range(self.rows):
            x = w.spread(w.load(a, i * self.form.a.line, wide=False))
            for j in range(self.vectors):
                place = i * self.vectors + j
                totals[place] = w.fused(x, row[j], totals[place])


class NarrowSums:
    """Writes the function that sums a block of few ``columns``, with vectors along k.

    As :class:`Sums`, but b holds columns, not rows, one after the other.
    """

    def __init__(self, form: Form, columns: int, fetches: Sequence[int], turns: int) -> None:
        self.form, self.columns, self.fetches, self.turns = form, columns, fetches, turns

    def text(self, name: str) -> str:
        self.w = w = begun(self.form, name, self.fetches)
        for row in range(self.form.grid.rows if self.fetches else 0):
            ask(w, str(row), self.fetches, self.columns * w.size)
        most = max(1, (self.form.target.registers - 1 - self.columns) // self.columns)
        rows = self.form.grid.rows
        groups = -(-rows // most)
        for group in range(groups):
            self.group(rows * group // groups, rows * (group + 1) // groups)
        return w.end()

    def group(self, first: int, stop: int) -> None:
        """The sums of some rows: lane by lane, then across the lanes, then what is left of k."""
        w, lanes = self.w, self.form.grid.lanes
        places = [(i, j) for i in range(first, stop) for j in range(self.columns)]
        state = ["%a", "%b", *["zeroinitializer"] * len(places)]
        kinds = ["ptr", "ptr", *[w.vector] * len(places)]
        turns = w.get(f"udiv i64 %depth, {lanes}")
        carried = list(zip(kinds, state, strict=True))
        a, b, *totals = w.repeat(turns, carried, lambda _, now: self.turn(now, places, lanes))
        totals = [across(w, total, lanes) for total in totals]
        kinds = ["ptr", "ptr", *[w.element] * len(places)]
        carried = list(zip(kinds, [a, b, *totals], strict=True))
        rest = w.get(f"urem i64 %depth, {lanes}")
        _, _, *totals = w.repeat(rest, carried, lambda _, now: self.turn(now, places, 1))
        for (i, j), total in zip(places, totals, strict=True):
            row = w.pointer("%c", w.mul("%c_row", i))
            if self.turns > 1:
                both = w.get(f"fadd {w.element} {w.load(row, j, wide=False)}, {total}")
                total = w.get(f"select i1 %first, {w.element} {total}, {w.element} {both}")
            w.store(total, row, j, wide=False)

    def turn(self, now: list[str], places: Sequence[Place], lanes: int) -> list[str]:
        """The products of as many k as there are lanes, added to the totals."""
        w, a, b, *totals = self.w, *now
        wide = lanes > 1
        columns = [w.load(w.pointer(b, w.mul("%b_row", j)), 0, wide) for j in range(self.columns)]
        x = ""
        for number, (i, j) in enumerate(places):
            if j == 0:
                x = w.load(a, i * self.form.a.line, wide)
            totals[number] = w.fused(x, columns[j], totals[number], wide)
        return [w.pointer(a, lanes), w.pointer(b, lanes), *totals]


def begun(form: Form, name: str, fetches: Sequence[int]) -> Writer:
    """A function that sums a block, with its head written."""
    ahead = "".join([f", ptr %f{q}" for q in range(len(fetches))])
    return Writer(
        form,
        f"internal void @{name}(ptr noalias %a, ptr noalias %b, ptr noalias %c, i64 %depth,"
        f" i64 %b_row, i64 %c_row, i1 %first{ahead}) noinline",
    )


def ask(w: Writer, row: str, fetches: Sequence[int], width: int) -> None:
    """Ask for the lines of one row of each of the ``fetches``."""
    for q, stride in enumerate(fetches):
        start = w.pointer(f"%f{q}", w.mul(row, stride))
        for byte in range(0, width, LINE):
            w.fetch(start, byte, "i8")


def across(w: Writer, x: str, lanes: int) -> str:
    """The sum of a vector's lanes, halves added to halves."""
    while lanes > 1:
        half = lanes // 2
        kind = f"<{lanes} x {w.element}>"
        low, high = [
            w.get(f"shufflevector {kind} {x}, {kind} poison, {w.lanes_at(range(at, at + half))}")
            for at in (0, half)
        ]
        x, lanes = w.get(f"fadd <{half} x {w.element}> {low}, {high}"), half
    return w.get(f"extractelement <1 x {w.element}> {x}, i64 0")
