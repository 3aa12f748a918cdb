"""The copy of a panel of B, as LLVM text: its rows side by side, or its columns where it is narrow."""

from __future__ import annotations

from .product_form import Form
from .product_writer import Writer

AHEAD = 4
"""Squares ahead of the one in hand, whose lines are asked for."""


class Copy:
    """Writes the function that lays the rows of a panel of B side by side: ``void copy(b, to, depth)``.

    Behind the last of ``columns`` come zeros up to the width of a full panel: what is summed there is
    not used, and zeros cost nothing.
    """

    def __init__(self, form: Form, columns: int) -> None:
        self.form, self.grid, self.columns = form, form.grid, columns
        self.across, self.along = form.b.line, form.b.runs[-1]

    def text(self, name: str) -> str:
        head = f"internal void @{name}(ptr noalias %b, ptr noalias %to, i64 %depth) noinline"
        self.w = w = Writer(self.form, head)
        lanes = self.grid.lanes
        if self.across != 1 and self.along == 1 and self.columns >= lanes:
            turns = w.get(f"udiv i64 %depth, {lanes}")
            with w.when(w.get(f"icmp sgt i64 {turns}, 0")), w.loop(turns) as turn:
                self.squares(w.mul(turn, lanes))
            done = w.mul(turns, lanes)
            with w.when(w.get(f"icmp slt i64 {done}, %depth")), w.loop("%depth", done) as k:
                self.row(k)
        else:
            with w.loop("%depth") as k:
                self.row(k)
        return w.end()

    def row(self, k: str) -> None:
        """One row: whole vectors where they lie side by side, then single elements, then zeros."""
        w, lanes = self.w, self.grid.lanes
        source, to = w.pointer("%b", w.mul(k, self.along)), w.pointer("%to", w.mul(k, self.grid.columns))
        whole = self.columns // lanes if self.across == 1 else 0
        for j in range(whole):
            w.store(w.load(source, j * lanes), to, j * lanes)
        for column in range(whole * lanes, self.columns):
            w.store(w.load(source, column * self.across, wide=False), to, column, wide=False)
        self.zeros(to)

    def squares(self, k: str) -> None:
        """As many rows as a vector has lanes: squares are transposed in registers."""
        w, lanes, width = self.w, self.grid.lanes, self.grid.columns
        source, to = w.pointer("%b", k), w.pointer("%to", w.mul(k, width))
        whole = self.columns // lanes
        with w.loop(str(whole)) as group:  # a loop: a square is a long text
            first = w.pointer(source, w.mul(group, lanes * self.across))
            rows = [w.load(first, i * self.across) for i in range(lanes)]
            for i in range(lanes):  # so many rows at once are more than the processor looks ahead in
                w.fetch(first, i * self.across + AHEAD * lanes)
            place = w.pointer(to, w.mul(group, lanes))
            for i, row in enumerate(transposed(w, rows)):
                w.store(row, place, i * width)
        for i in range(lanes):
            for column in range(whole * lanes, self.columns):
                x = w.load(source, column * self.across + i, wide=False)
                w.store(x, to, i * width + column, wide=False)
            self.zeros(w.pointer(to, i * width))

    def zeros(self, to: str) -> None:
        for column in range(self.columns, -(-self.columns // self.grid.lanes) * self.grid.lanes):
            self.w.store("0.0", to, column, wide=False)


class NarrowCopy:
    """Writes the function that lays a narrow panel's columns one after the other, along k."""

    def __init__(self, form: Form, columns: int) -> None:
        self.form, self.columns = form, columns

    def text(self, name: str) -> str:
        head = f"internal void @{name}(ptr noalias %b, ptr noalias %to, i64 %depth) noinline"
        w, b = Writer(self.form, head), self.form.b
        with w.loop("%depth") as k:
            source, to = w.pointer("%b", w.mul(k, b.runs[-1])), w.pointer("%to", k)
            for column in range(self.columns):
                x = w.load(source, column * b.line, wide=False)
                w.store(x, to, column * self.form.grid.depth, wide=False)
        return w.end()


def transposed(w: Writer, rows: list[str]) -> list[str]:
    """A square of vectors with rows and columns exchanged: ever larger halves change places."""
    lanes, half, rows = len(rows), 1, list(rows)
    while half < lanes:
        low = [e if not e & half else (e ^ half) + lanes for e in range(lanes)]
        high = [e | half if not e & half else e + lanes for e in range(lanes)]
        for i in range(lanes):
            if not i & half:
                x, y = rows[i], rows[i | half]
                rows[i] = w.get(f"shufflevector {w.vector} {x}, {w.vector} {y}, {w.lanes_at(low)}")
                rows[i | half] = w.get(f"shufflevector {w.vector} {x}, {w.vector} {y}, {w.lanes_at(high)}")
        half *= 2
    return rows
