"""Statements and loops: lanes, tiles of rows, and what is rolled up again to keep code small.

Inside a tile of rows only the sums that gain from it are written out for every row; the rest of the
body (an activation, an update, a softmax) becomes a loop over the rows of the tile, and values that
pass between the two kinds of code are put aside in arrays on the stack.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...loops.ir import (
    Accumulate,
    Axis,
    Buffer,
    Check,
    Let,
    Local,
    Loop,
    Reduce,
    Scalar,
    Statement,
    Store,
    roots,
    statements,
)
from .emit_ahead import LINE, rows_ahead
from .emit_checks import Checks
from .emit_facts import Facts, locals_named, locals_read, written
from .emit_operations import type_of
from .emit_plan import Plan
from .emit_writer import LocalValue
from .target import Target

LARGEST_COPIES = 64
"""Instructions that may be written out for all copies of a tile; more become a loop."""


class Nests(Checks):
    """The whole body of a kernel."""

    def __init__(self, target: Target, facts: Facts, buffers: Sequence[Buffer], plan: Plan) -> None:
        super().__init__(target, facts, buffers)
        self.plan = plan

    # ── statements ────────────────────────────────────────────────────────────────────────────────

    def body(self, body: Sequence[Statement]) -> None:
        """The statements in order; inside a tile, in stretches of one kind."""
        row = next((i for i, d in enumerate(self.dimensions) if not d.lanes and not d.rolled), None)
        if row is None:
            for statement in body:
                self.statement(statement)
            return
        axis = self.dimensions[row].axis
        at = 0
        while at < len(body):
            tiled = self._gains(body[at], axis)
            end = at + 1
            while end < len(body) and self._gains(body[end], axis) == tiled:
                end += 1
            stretch = body[at:end]
            if tiled or self._is_short(stretch):
                for statement in stretch:
                    self.statement(statement)
            else:
                self._roll(row, stretch, body[end:])
            at = end

    def _gains(self, statement: Statement, axis: Axis) -> bool:
        """Whether a sum within uses the rows of a tile along this axis."""
        within = statements(statement.body) if isinstance(statement, Loop) else [statement]
        return any(
            isinstance(s, Reduce) and any(loop.axis is axis for loop in self.plan.tiled.get(s, ()))
            for s in within
        )

    def _is_short(self, stretch: Sequence[Statement]) -> bool:
        if any(isinstance(s, Loop | Reduce) for s in stretch):
            return False
        size = sum(len(self.copies(self._mask_of_statement(s))) * self._size(s) for s in stretch)
        return size <= LARGEST_COPIES

    def _size(self, statement: Statement) -> int:
        return sum(
            sum(x.op not in ("constant", "axis", "affine", "local") for x in self.facts.order(v))
            for v in roots(statement)
        )

    def _mask_of_statement(self, statement: Statement) -> int:
        return self.mask_of(self.facts.axes_of_all(roots(statement)))

    def statement(self, statement: Statement) -> None:
        match statement:
            case Let():
                self._let(statement)
            case Store():
                self._store(statement)
            case Accumulate():
                self._accumulate(statement)
            case Check():
                self.check(statement.condition)
            case Reduce():
                self.reduce(statement)
            case Loop():
                self._loop(statement)

    def _let(self, let: Let) -> None:
        info = self.info(let.value)
        names = {self.key(info.mask, copy): self.value(let.value, copy) for copy in self.copies(info.mask)}
        self.locals[let.local] = LocalValue(info.level, info.mask, self.lanes_of(info.mask), names)

    def _store(self, store: Store) -> None:
        where = store.where
        mask = self._mask(store.offset, store.value, *([] if where is None else [where]))
        lanes = self.lanes_of(mask)
        for copy in self.copies(mask):
            value = self.operand(store.value, copy, lanes)
            flag = None if where is None else self.operand(where, copy, lanes)
            self.store(store.buffer, store.offset, value, flag, copy, lanes)
        self.forget_reads([store.buffer])

    def _mask(self, *values: Scalar) -> int:
        mask = 0
        for value in values:
            mask |= self.info(value).mask
        return mask

    def _accumulate(self, statement: Accumulate) -> None:
        """Copy after copy, since several may meet at one place; the lanes of one copy never do."""
        buffer, where = statement.buffer, statement.where
        mask = self._mask(statement.offset, statement.value, *([] if where is None else [where]))
        lanes = self.lanes_of(mask)
        type, align = type_of(buffer.dtype, lanes), buffer.dtype.itemsize
        for copy in self.copies(self.all_dimensions()):
            value = self.operand(statement.value, copy, lanes)
            flag = None if where is None else self.operand(where, copy, lanes)
            if lanes:
                flag = self.both(self.depth, lanes, self.lane_mask(copy), flag)
                old = self.read(buffer, statement.offset, flag, copy, lanes)
                total = self.operations.binary(self.here, "add", type, old, value)
                self.store(buffer, statement.offset, total, flag, copy, lanes)
                continue
            place, number = self.pointer(buffer, statement.offset, copy), self.fresh()
            if flag is not None:
                self.do(f"br i1 {flag}, label %w{number}, label %o{number}")
                self.begin_block(f"w{number}")
            old = self.here(f"load {type.memory}, ptr {place}, align {align}")
            total = self.operations.binary(self.here, "add", type, old, value)
            self.do(f"store {type.memory} {total}, ptr {place}, align {align}")
            if flag is not None:
                self.do(f"br label %o{number}")
                self.begin_block(f"o{number}")
        self.forget_reads([buffer])

    # ── loops ─────────────────────────────────────────────────────────────────────────────────────

    def _loop(self, loop: Loop) -> None:
        if loop.axis.extent:
            stop = self.limit(loop.axis)
            if stop is None:
                self.range(loop, "0", str(loop.axis.extent), loop.axis.extent)
            else:
                self.range(loop, "0", stop, None)

    def range(self, loop: Loop, start: str, stop: str, count: int | None) -> None:
        """A loop from ``start`` to ``stop``; ``count`` is their distance where it is known."""
        lanes = self.plan.lanes.get(loop, 0)
        if lanes and self.lane_dimension() is None:
            vectors = self.plan.vectors.get(loop, 1)
            (self._lanes_dynamic if count is None else self._lanes_static)(
                loop, start, stop, count or 0, lanes, vectors
            )
        elif loop in self.plan.rows and self.plan.rows[loop] > 1:
            (self._rows_dynamic if count is None else self._rows_static)(
                loop, start, stop, count or 0, self.plan.rows[loop]
            )
        else:
            self._serial(loop, start, stop, count)

    def _serial(self, loop: Loop, start: str, stop: str, count: int | None) -> None:
        writes = written(loop.body)
        if count == 1:
            self.open_scope(writes)
            self.place(loop.axis, start)
            self.body(loop.body)
            self.close_scope()
            return
        opened = self.open_loop(start, stop, writes=writes, guarded=count is None, unsure=count is None)
        self.place(loop.axis, opened.index)
        self._ask_ahead(loop, opened.index, stop)
        self.body(loop.body)
        self.close_loop(opened)

    def _ask_ahead(self, loop: Loop, here: str, stop: str) -> None:
        """Ask for the rows of large tables that a later place touches."""
        if self.dimensions:
            return
        axis, distance, rows = rows_ahead(loop)
        if not rows:
            return
        later, last = self.here(f"add i64 {here}, {distance}"), self.here(f"sub i64 {stop}, 1")
        place = self.operations.call(self.here, "llvm.smin.i64", "i64", ("i64", later), ("i64", last))
        self.place(axis, place)
        for row in rows:
            start = self.pointer(row.buffer, row.offset, ())
            for line in range(row.lines):
                at = self.here(f"getelementptr i8, ptr {start}, i64 {line * LINE}")
                self.operations.call(
                    self._discard, "llvm.prefetch.p0", "void", ("ptr", at), ("i32", str(int(row.write))),
                    ("i32", "3"), ("i32", "1"),
                )  # fmt: skip

    def _tile(self, loop: Loop, base: str, count: int, lanes: int = 0, tail: str | None = None) -> None:
        self.push(loop.axis, base, count, lanes, tail)
        self.body(loop.body)
        self.pop()

    def _tiles_static(self, loop: Loop, begin: int, turns: int, count: int, lanes: int) -> None:
        """So many whole tiles from a known place on."""
        if turns == 1:
            self.open_scope(written(loop.body))
            self._tile(loop, str(begin), count, lanes)
            self.close_scope()
        elif turns:
            size = count * (lanes or 1)
            opened = self.open_loop(str(begin), str(begin + turns * size), size, written(loop.body))
            self._tile(loop, opened.index, count, lanes)
            self.close_loop(opened)

    def _lanes_static(self, loop: Loop, start: str, stop: str, count: int, lanes: int, vectors: int) -> None:
        whole, rest = divmod(count, lanes)
        turns, left = divmod(whole, vectors)
        begin = turns * vectors * lanes
        masked = bool(rest) and self.target.masked
        if masked and turns and left + 1 == vectors and self._holds_loops(loop):
            size = vectors * lanes  # one body for all tiles: the last vector of each says where it ends
            opened = self.open_loop("0", str((turns + 1) * size), size, written(loop.body))
            rest_of = self.here(f"sub i64 {count - size + lanes}, {opened.index}")
            self._tile(loop, opened.index, vectors, lanes, self.tail_mask(lanes, rest_of))
            self.close_loop(opened)
            return
        self._tiles_static(loop, 0, turns, vectors, lanes)
        if left or masked:
            self.open_scope(written(loop.body))
            tail = self.tail_mask(lanes, rest) if masked else None
            self._tile(loop, str(begin), left + masked, lanes, tail)
            self.close_scope()
        if rest and not masked:
            self._narrower(loop, whole * lanes, rest, lanes // 2)

    def _holds_loops(self, loop: Loop) -> bool:
        """Whether most of a body is loops within it, which a mask does not slow down."""
        return any(isinstance(s, Reduce | Loop) for s in loop.body)

    def _narrower(self, loop: Loop, begin: int, rest: int, lanes: int) -> None:
        """The rest of an axis where vectors have no masks: half a vector, a quarter, …, one place."""
        while lanes > 1:
            if rest >= lanes:
                self._tiles_static(loop, begin, 1, 1, lanes)
                begin, rest = begin + lanes, rest - lanes
            lanes //= 2
        if rest:
            self._serial(loop, str(begin), str(begin + 1), 1)

    def _lanes_dynamic(self, loop: Loop, start: str, stop: str, count: int, lanes: int, vectors: int) -> None:
        writes = written(loop.body)
        for size in dict.fromkeys((vectors, 1)):
            middle = self._whole(start, stop, size * lanes)
            opened = self.open_loop(start, middle, size * lanes, writes, guarded=True, unsure=True)
            self._tile(loop, opened.index, size, lanes)
            self.close_loop(opened)
            start = middle
        if not self.target.masked:
            self._serial(loop, start, stop, None)
            return
        number = self.open_condition(self.here(f"icmp slt i64 {start}, {stop}"), writes)
        tail = self.tail_mask(lanes, self.here(f"sub i64 {stop}, {start}"))
        self._tile(loop, start, 1, lanes, tail)
        self.close_condition(number)

    def _whole(self, start: str, stop: str, size: int) -> str:
        """The end of the last whole block of ``size`` places."""
        count = self.here(f"sub i64 {stop}, {start}")
        if size & (size - 1):
            rest = self.here(f"srem i64 {count}, {size}")
        else:
            count = self.operations.call(self.here, "llvm.smax.i64", "i64", ("i64", count), ("i64", "0"))
            rest = self.here(f"and i64 {count}, {size - 1}")
        return self.here(f"sub i64 {stop}, {rest}")

    def _rows_static(self, loop: Loop, start: str, stop: str, count: int, rows: int) -> None:
        turns, rest = divmod(count, rows)
        self._tiles_static(loop, 0, turns, rows, 0)
        if rest == 1:
            self._serial(loop, str(turns * rows), stop, 1)
        elif rest:
            self.open_scope(written(loop.body))
            self._tile(loop, str(turns * rows), rest)
            self.close_scope()

    def _rows_dynamic(self, loop: Loop, start: str, stop: str, count: int, rows: int) -> None:
        middle = self._whole(start, stop, rows)
        opened = self.open_loop(start, middle, rows, written(loop.body), guarded=True, unsure=True)
        self._tile(loop, opened.index, rows)
        self.close_loop(opened)
        self.compact = True
        self._serial(loop, middle, stop, None)
        self.compact = False

    # ── rolling up ────────────────────────────────────────────────────────────────────────────────

    def _roll(self, row: int, stretch: Sequence[Statement], later: Sequence[Statement]) -> None:
        """Statements as a loop over the rows of the tile, instead of once for each."""
        dimension = self.dimensions[row]
        named = {name for s in statements(tuple(stretch)) for name in locals_named(s)}
        read = set[Local]().union(*[locals_read(s) for s in stretch]) - named
        for name in read:
            value = self.locals.get(name)
            if value is not None and value.mask >> row & 1 and value.array is None:
                self._put_aside(value, row)
        wanted = set[Local]().union(*[locals_read(s) for s in later]) if later else set[Local]()
        kept = [name for s in stretch for name in locals_named(s) if name in wanted]
        old = self.places[dimension.axis]
        around = self.rolled_number
        outer_depth = self.depth
        opened = self.open_loop("0", str(dimension.count), writes=written(stretch))
        dimension.rolled = True
        self.rolled_number = opened.index
        self.place(dimension.axis, self.offset_by(old.base, opened.index))
        self._forget_locals(read)
        for statement in stretch:
            self.statement(statement)
        arrays = [self._keep(name, row) for name in kept]
        self.close_loop(opened)
        dimension.rolled = False
        self.rolled_number = around
        for name, (array, counts, inner) in zip(kept, arrays, strict=True):
            mask = inner.mask | 1 << row
            self.locals[name] = LocalValue(outer_depth, mask, inner.lanes, {}, array, counts)

    def _forget_locals(self, names: set[Local]) -> None:
        """Rolled up, a local is read from its array: what was made of its copies does not hold inside."""
        stale = [s for s in self.infos if self.facts.reads_any(s, names)]
        self.forget(stale, wholly=True)

    def _local_text(self, value: LocalValue, name: Local) -> str:
        return type_of(self.facts.dtype_of(name), value.lanes).text

    def _put_aside(self, value: LocalValue, row: int) -> None:
        """All copies of a local into an array on the stack."""
        counts = tuple([d.count for i, d in enumerate(self.dimensions) if value.mask >> i & 1])
        name = next(name for name, v in self.locals.items() if v is value)
        text = self._local_text(value, name)
        total = 1
        for count in counts:
            total *= count
        value.array, value.counts = self.allocate(text, total), counts
        for number, copy in enumerate(self.copies(value.mask)):
            place = self.here(f"getelementptr {text}, ptr {value.array}, i64 {number}")
            self.do(f"store {text} {value.names[self.key(value.mask, copy)]}, ptr {place}")

    def _keep(self, name: Local, row: int) -> tuple[str, tuple[int, ...], LocalValue]:
        """A local of rolled up statements into an array, at the number of the row."""
        value = self.locals[name]
        text = self._local_text(value, name)
        bits = [i for i in range(len(self.dimensions)) if value.mask >> i & 1 or i == row]
        counts = tuple([self.dimensions[i].count for i in bits])
        total = 1
        for count in counts:
            total *= count
        array = self.allocate(text, total)
        after = 1
        for i, count in zip(bits, counts, strict=True):
            if i > row:
                after *= count
        for copy in self.copies(value.mask):
            number = 0
            for i, count in zip(bits, counts, strict=True):
                number = number * count + (0 if i == row else copy[i])
            moved = self.here(f"getelementptr [{after} x {text}], ptr {array}, i64 {self.rolled_number}")
            place = self.here(f"getelementptr {text}, ptr {moved}, i64 {number}")
            self.do(f"store {text} {value.names[self.key(value.mask, copy)]}, ptr {place}")
        return array, counts, value
