"""The whole of a matrix product as LLVM text: a walk over tiles, with the statements behind the sums.

The function has the form of every kernel's: ``void @name(ptr args, i64 lo, i64 hi)``, where ``args`` holds
the failure flag's pointer and then the buffers' in the order of ``kernel_buffers``, and lo ≤ tile < hi.
The statements behind the sum are emitted as an ordinary kernel, called for each block of rows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod

from ...loops.ir import Buffer, Kernel
from .emit import emit_kernel, kernel_buffers
from .product_copy import Copy, NarrowCopy
from .product_form import Form, Operand
from .product_sums import NarrowSums, Sums
from .product_uses import Uses, fixed_values, fixing, plain_store, streams, strides, uses_of
from .product_writer import Writer

_METADATA = re.compile(r"!(\d+)")
"""The number of a piece of metadata."""

_ROUNDS = 2
"""More lines than this a row would not come in time."""


def product_text(form: Form, name: str) -> str:
    """The text of a product's function and of all that it calls."""
    return _Walk(form, name).text()


@dataclass(frozen=True, slots=True)
class _Panel:
    """What the full panels, or the narrower last one, need."""

    columns: int
    packed: bool
    b_row: int
    direct: bool
    uses: Uses
    sums: str
    copy: str
    arguments: str


@dataclass(frozen=True, slots=True)
class _Tile:
    """Where a tile lies, as values of the text: its panel and the number of the copy that this needs, its
    first column, its rows and its outer places."""

    panel: str
    key: str
    column: str
    first: str
    stop: str
    outer: Sequence[str]


class _Walk:
    """Writes the function over tiles, and collects those that it calls."""

    def __init__(self, form: Form, name: str) -> None:
        self.form, self.grid, self.name = form, form.grid, name
        self.buffers = kernel_buffers(form.kernel)
        self.turns = prod(form.runs[:-1]) * self.grid.blocks
        calm = form.runs[-1] % self.grid.blocks == 0 and self.grid.stretch > 0  # time to ask for memory ahead
        self.asked = streams(form) if calm and self.turns == 1 else []
        self.rounds = self.rounds_ahead() if calm else 0
        self.fixed = fixed_values(form)
        self.pieces: dict[str, str] = {}
        self.metadata = 0
        v, lanes = f"<{self.grid.lanes} x {self._element}>", self.grid.lanes
        self.declared = {
            "declare i64 @llvm.smin.i64(i64, i64)",
            "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)",
        }
        if form.target.has_fma:
            e, bits = self._element, 8 * form.dtype.itemsize
            self.declared.add(f"declare {v} @llvm.fma.v{lanes}f{bits}({v}, {v}, {v})")
            self.declared.add(f"declare {e} @llvm.fma.f{bits}({e}, {e}, {e})")

    def rounds_ahead(self) -> int:
        """How often the blocks of a tile ask for as many rows of what is copied next, so that this is quick.

        0 where nothing follows that is known, or where its rows are read along memory anyway.
        """
        form, grid = self.form, self.grid
        follows = self.turns > 1 or (grid.panels > 1 and (not grid.rows_inside or grid.row_tiles == 1))
        if not (follows and grid.packed and form.b.line == 1):
            return 0
        rounds = -(-grid.depth // self.span)
        return rounds if rounds <= _ROUNDS else 0

    @property
    def span(self) -> int:
        """The rows of all blocks of a tile."""
        return -(-min(self.grid.tile_rows, self.form.m.extent) // self.grid.rows) * self.grid.rows

    @property
    def _element(self) -> str:
        return "float" if self.form.dtype.itemsize == 4 else "double"

    def text(self) -> str:
        walk = self.walk()
        return "\n".join([*sorted(self.declared), *self.pieces.values(), walk, ""])

    # ── parts ─────────────────────────────────────────────────────────────────────────────────────

    def panel(self, columns: int) -> _Panel:
        """The functions for panels of so many columns."""
        form, grid = self.form, self.grid
        whole, slim = columns == grid.columns, grid.narrow(columns, form.a.runs[-1])
        uses = uses_of(form, columns, self.fixed)
        self.include(emit_kernel(uses.kernel, form.target, f"uses_{columns}"))
        places = [strides(form, offset) for _, offset in self.asked]
        fetches = [place[2] for place in places if place is not None] + [form.b.runs[-1]] * self.rounds
        sums, copy = f"sums_{columns}", f"copy_{columns}"
        if slim:
            packed, b_row = form.b.runs[-1] != 1, grid.depth
            self.pieces[sums] = NarrowSums(form, columns, fetches, self.turns).text(sums)
            copying: Copy | NarrowCopy = NarrowCopy(form, columns)
        else:
            packed, b_row = grid.packed or not whole, grid.columns
            vectors = -(-columns // grid.lanes)
            self.pieces[sums] = Sums(form, vectors, fetches, self.turns).text(sums)
            copying = Copy(form, columns)
        if packed:
            self.pieces[copy] = copying.text(copy)
        else:
            b_row = form.b.line if slim else form.b.runs[-1]
        direct = whole and plain_store(form) is not None
        return _Panel(columns, packed, b_row, direct, uses, sums, copy, f"%arguments_{columns}")

    def include(self, text: str) -> None:
        """Another text: its declarations once, its functions for us alone, its metadata under new numbers."""
        shift = self.metadata
        text = _METADATA.sub(lambda found: f"!{int(found[1]) + shift}", text)
        self.metadata += text.count("\n!") + 1
        lines = text.splitlines()
        self.declared.update([line for line in lines if line.startswith("declare")])
        body = "\n".join([line for line in lines if not line.startswith("declare")])
        self.pieces[body] = body.replace("define void", "define internal void")

    # ── the walk ──────────────────────────────────────────────────────────────────────────────────

    def walk(self) -> str:
        form, grid = self.form, self.grid
        last = form.n.extent - (grid.panels - 1) * grid.columns
        widths = {last} if grid.panels == 1 else {grid.columns, last}
        panels = [self.panel(columns) for columns in sorted(widths, reverse=True)]
        self.w = w = Writer(form, f"void @{self.name}(ptr %args, i64 %lo, i64 %hi)")
        self.reserve(panels)
        some = w.get("icmp slt i64 %lo, %hi")
        with w.when(some), w.loop("%hi", "%lo") as number:
            tile = self.decode(number)
            if len(panels) == 1:
                self.tile(panels[0], tile)
            else:
                narrow = w.get(f"icmp eq i64 {tile.panel}, {grid.panels - 1}")
                with w.when(w.get(f"xor i1 {narrow}, true")):
                    self.tile(panels[0], tile)
                with w.when(narrow):
                    self.tile(panels[1], tile)
        return w.end()

    def reserve(self, panels: Sequence[_Panel]) -> None:
        """The stack's memory, and what does not change from tile to tile."""
        w, grid, form = self.w, self.grid, self.form
        blocks = grid.tile_rows // grid.rows if self.turns > 1 else 1
        if any(panel.packed for panel in panels):
            w.do(f"%packed = alloca [{grid.depth * grid.columns} x {w.element}], align 64")
        w.do(f"%blocks = alloca [{blocks * grid.rows * grid.columns} x {w.element}], align 64")
        w.do(f"%places = alloca [{2 + len(form.outer)} x i64], align 64")
        w.do("%held = alloca i64, align 8")
        w.do("store i64 -1, ptr %held, align 8")
        self.pointers: dict[Buffer, str] = {}
        for number, buffer in enumerate(self.buffers):
            p = w.pointer("%args", 1 + number, "ptr")
            self.pointers[buffer] = w.get(f"load ptr, ptr {p}, align 8")
        if self.fixed:
            w.do(f"%fixed = alloca [{len(self.fixed)} x i64], align 64")
            for number, buffer in enumerate(self.fixed.values()):
                self.pointers[buffer] = w.pointer("%fixed", number, "i64")
            kernel = fixing(self.fixed)
            self.include(emit_kernel(kernel, form.target, "fix"))
            self.arguments("%arguments", kernel, {})
            w.do("call void @fix(ptr %arguments, i64 0, i64 1)")
        for panel in panels:
            own = {panel.uses.block: "%blocks", panel.uses.places: "%places"}
            self.arguments(panel.arguments, panel.uses.kernel, own)

    def arguments(self, name: str, kernel: Kernel, own: dict[Buffer, str]) -> None:
        """The pointers that an inner kernel is called with."""
        w, pointers = self.w, self.pointers | own
        flag = w.get("load ptr, ptr %args, align 8")
        inside = [flag, *[pointers[buffer] for buffer in kernel_buffers(kernel)]]
        w.do(f"{name} = alloca [{len(inside)} x ptr], align 8")
        for number, pointer in enumerate(inside):
            w.do(f"store ptr {pointer}, ptr {w.pointer(name, number, 'ptr')}, align 8")

    def decode(self, number: str) -> _Tile:
        """Where the tile of this number lies."""
        w, grid, form = self.w, self.grid, self.form
        outer = [(f"o{i}", axis.extent) for i, axis in enumerate(form.outer)]
        panels, rows = ("panel", grid.panels), ("rows", grid.row_tiles)
        if grid.rows_inside:
            shared = sum([stride != 0 for stride in form.b.outer])
            order = [*outer[:shared], panels, *outer[shared:], rows]
        else:
            order = [*outer, rows, panels]
        found, rest, key = {}, number, number
        for name, extent in reversed(order):
            if name == "panel":
                key = rest
            if extent == 1:
                found[name] = "0"
                continue
            found[name] = w.get(f"urem i64 {rest}, {extent}")
            rest = w.get(f"udiv i64 {rest}, {extent}")
        column, first = w.mul(found["panel"], grid.columns), w.mul(found["rows"], grid.tile_rows)
        stop = w.least(w.add(first, str(grid.tile_rows)), form.m.extent)
        return _Tile(found["panel"], key, column, first, stop, [found[name] for name, _ in outer])

    def start(self, operand: Operand, tile: _Tile, *more: str) -> str:
        """The pointer to an operand's first element in a tile."""
        return self.address(self.pointers[operand.buffer], operand.constant, operand.outer, tile, *more)

    def address(self, base: str, constant: int, strides: Sequence[int], tile: _Tile, *more: str) -> str:
        """A pointer into a buffer, from the strides of the outer places and what else is to be added."""
        w = self.w
        terms = [w.mul(place, stride) for place, stride in zip(tile.outer, strides, strict=True)]
        return w.pointer(w.pointer(base, constant), w.add(*terms, *more))

    def tile(self, panel: _Panel, tile: _Tile) -> None:
        """One tile: its panel, then turn by turn and block by block."""
        w, grid, form = self.w, self.grid, self.form
        for number, place in enumerate([tile.column, "0", *tile.outer]):
            w.do(f"store i64 {place}, ptr {w.pointer('%places', number, 'i64')}, align 8")
        a = self.start(form.a, tile)
        b = self.start(form.b, tile, w.mul(tile.column, form.b.line))
        if self.turns == 1:
            if panel.packed:
                self.copy_once(panel, b, tile.key)
            self.blocks(panel, tile, (a, b), str(grid.depth), "0")
            return
        with w.loop(str(self.turns)) as turn:
            block, rest = w.get(f"urem i64 {turn}, {grid.blocks}"), w.get(f"udiv i64 {turn}, {grid.blocks}")
            k = w.mul(block, grid.depth)
            along_a, along_b = [w.mul(k, form.a.runs[-1])], [w.mul(k, form.b.runs[-1])]
            for number in reversed(range(len(form.runs) - 1)):
                place = w.get(f"urem i64 {rest}, {form.runs[number]}")
                rest = w.get(f"udiv i64 {rest}, {form.runs[number]}")
                along_a.append(w.mul(place, form.a.runs[number]))
                along_b.append(w.mul(place, form.b.runs[number]))
            depth = w.least(str(grid.depth), w.get(f"sub nsw i64 {form.runs[-1]}, {k}"))
            starts = w.pointer(a, w.add(*along_a)), w.pointer(b, w.add(*along_b))
            if panel.packed:
                w.do(f"call void @{panel.copy}(ptr {starts[1]}, ptr %packed, i64 {depth})")
            self.blocks(panel, tile, starts, depth, turn)

    def copy_once(self, panel: _Panel, b: str, key: str) -> None:
        """Copy a panel, unless the tile before has left it here."""
        w = self.w
        held = w.get("load i64, ptr %held, align 8")
        with w.when(w.get(f"icmp ne i64 {held}, {key}")):
            w.do(f"call void @{panel.copy}(ptr {b}, ptr %packed, i64 {self.grid.depth})")
            w.do(f"store i64 {key}, ptr %held, align 8")

    def blocks(self, panel: _Panel, tile: _Tile, starts: tuple[str, str], depth: str, turn: str) -> None:
        """The blocks of a tile.  The last one begins early enough to be whole, and uses its new rows only."""
        w, grid, form = self.w, self.grid, self.form
        more = w.get(f"sub nsw i64 {tile.stop}, {tile.first}")
        count = w.get(f"sdiv i64 {w.add(more, str(grid.rows - 1))}, {grid.rows}")
        with w.loop(count) as i:
            new = w.add(tile.first, w.mul(i, grid.rows))
            fits = form.m.extent % grid.rows == 0
            row = new if fits else w.least(new, form.m.extent - grid.rows)
            a = w.pointer(starts[0], w.mul(row, form.a.line))
            b = "%packed" if panel.packed else starts[1]
            block = w.pointer("%blocks", w.mul(i, grid.rows * grid.columns)) if self.turns > 1 else "%blocks"
            to, to_row = block, str(grid.columns)
            if panel.direct:
                to, to_row, new_only = self.destination(tile, row, new, block, fits)
            first_turn = w.get(f"icmp eq i64 {turn}, 0") if self.turns > 1 else "true"
            asked = [*self.ahead(tile, row), *self.next_copy(starts[1], i)]
            ahead = "".join([f", ptr {p}" for p in asked])
            sizes = f"i64 {depth}, i64 {panel.b_row}, i64 {to_row}, i1 {first_turn}"
            w.do(f"call void @{panel.sums}(ptr {a}, ptr {b}, ptr {to}, {sizes}{ahead})")
            if not panel.direct:
                self.finish(panel, turn, block, (row, new, tile.stop), [])
            elif not fits:
                self.finish(panel, turn, block, (row, new, tile.stop), [w.get(f"xor i1 {new_only}, true")])

    def finish(
        self, panel: _Panel, turn: str, block: str, rows: tuple[str, str, str], conditions: list[str]
    ) -> None:
        """Run the statements behind the sums, if the ``conditions`` hold and this is the last turn."""
        w = self.w
        if self.turns > 1:
            conditions.append(w.get(f"icmp eq i64 {turn}, {self.turns - 1}"))
        with ExitStack() as inside:
            for condition in conditions:
                inside.enter_context(w.when(condition))
            self.use(panel, block, *rows)

    def destination(self, tile: _Tile, row: str, new: str, block: str, fits: bool) -> tuple[str, str, str]:
        """Where a block's sums go when they are stored as they are, and whether all of its rows are new."""
        w, store = self.w, plain_store(self.form)
        assert store is not None, "only a plain store has a destination"
        place = strides(self.form, store.offset)
        assert place is not None, "a plain store has an affine offset"
        constant, outer, along, _ = place
        to = self.address(self.pointers[store.buffer], constant, outer, tile, w.mul(row, along), tile.column)
        if fits:
            return to, str(along), "true"
        whole = w.get(f"icmp eq i64 {row}, {new}")
        to = w.get(f"select i1 {whole}, ptr {to}, ptr {block}")
        return to, w.get(f"select i1 {whole}, i64 {along}, i64 {self.grid.columns}"), whole

    def ahead(self, tile: _Tile, row: str) -> list[str]:
        """Where the lines begin that the statements behind this block's sums will use."""
        pointers = []
        for buffer, offset in self.asked:
            place = strides(self.form, offset)
            assert place is not None, "streams have affine offsets"
            constant, outer, along, _ = place
            base, more = self.pointers[buffer], (self.w.mul(row, along), tile.column)
            pointers.append(self.address(base, constant, outer, tile, *more))
        return pointers

    def next_copy(self, b: str, block: str) -> list[str]:
        """Where the rows begin that this block asks for: of the next panel, or of the next turn's block."""
        w, row = self.w, self.form.b.runs[-1]
        further = self.grid.columns if self.turns == 1 else self.grid.depth * row
        start = w.pointer(b, w.add(w.mul(block, self.grid.rows * row), str(further)))
        return [w.pointer(start, number * self.span * row) for number in range(self.rounds)]

    def use(self, panel: _Panel, block: str, row: str, new: str, stop: str) -> None:
        """Run the statements behind the sums over the new rows of a block."""
        w, kernel = self.w, panel.uses.kernel
        w.do(f"store i64 {row}, ptr {w.pointer('%places', 1, 'i64')}, align 8")
        if self.turns > 1:
            number = 1 + kernel_buffers(kernel).index(panel.uses.block)
            w.do(f"store ptr {block}, ptr {w.pointer(panel.arguments, number, 'ptr')}, align 8")
        end = w.least(w.add(new, str(self.grid.rows)), stop)
        w.do(f"call void @uses_{panel.columns}(ptr {panel.arguments}, i64 {new}, i64 {end})")
