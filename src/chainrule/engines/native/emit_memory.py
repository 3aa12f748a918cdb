"""Indices, addresses, loads and stores: offsets split into what is known, what is one number, and lanes."""

from __future__ import annotations

from ...dtypes import bool_, int64
from ...loops import index
from ...loops.ir import Buffer, Scalar
from .emit_operations import lane_numbers, literal, type_of
from .emit_writer import Copy, Writer


class Memory(Writer):
    """Everything about offsets and memory; values are computed by what builds on it."""

    def value(self, root: Scalar, copy: Copy) -> str:
        raise NotImplementedError("values are computed by the class built on this one")

    def operand(self, s: Scalar, copy: Copy, lanes: int) -> str:
        raise NotImplementedError("operands are computed by the class built on this one")

    # ── indices ───────────────────────────────────────────────────────────────────────────────────

    def _terms(
        self, offset: Scalar, copy: Copy
    ) -> tuple[int, list[tuple[int, int, str]], list[tuple[int, Scalar]]]:
        """An index as a number, the (level, coefficient, name) of one-element terms, and vector terms.

        The lanes of an axis are not in it: their coefficient is :meth:`Facts.stride`.
        """
        total, coefficients = index.terms(offset)
        single: list[tuple[int, int, str]] = []
        wide: list[tuple[int, Scalar]] = []
        for term, c in coefficients.items():
            if term.op == "axis":
                place = self.places[term.payload]
                if place.dimension is not None:
                    total += c * copy[place.dimension] * self.dimensions[place.dimension].step
                if place.base.startswith("%"):
                    single.append((place.level, c, place.base))
                else:
                    total += c * int(place.base)
                continue
            info = self.info(term)
            if self.lanes_of(info.mask):
                wide.append((c, term))
            else:
                single.append((info.level, c, self.value(term, copy)))
        single.sort(key=lambda item: (item[0], item[2]))
        return total, single, wide

    def _single_index(self, constant: int, terms: list[tuple[int, int, str]]) -> tuple[str, int]:
        """The sum of one-element terms, and its level."""
        name, level = "0", 0
        for place, c, term in terms:
            level = max(level, place)
            product = term if c == 1 else self.once(("mul", term, c), place, f"mul i64 {term}, {c}")
            name = (
                product
                if name == "0"
                else self.once(("add", name, product), level, f"add i64 {name}, {product}")
            )
        if name == "0":
            return str(constant), level
        if constant:
            name = self.once(("add", name, constant), level, f"add i64 {name}, {constant}")
        return name, level

    def _index(self, s: Scalar, copy: Copy, lanes: int, level: int) -> str:
        """An axis or an affine sum as a value."""
        constant, single, wide = self._terms(s, copy)
        name, _ = self._single_index(constant, single)
        if not lanes:
            return name
        result = (
            literal(int(name), int64, lanes) if name.lstrip("-").isdigit() else self.splat(name, "i64", lanes)
        )
        for text in self._vector_terms(s, copy, lanes, level, wide):
            result = self.put(level, f"add <{lanes} x i64> {result}, {text}")
        return result

    def _vector_terms(
        self, s: Scalar, copy: Copy, lanes: int, level: int, wide: list[tuple[int, Scalar]]
    ) -> list[str]:
        dimension = self.lane_dimension()
        assert dimension is not None
        stride = self.facts.direct_stride(s, dimension.axis)
        found = [lane_numbers(lanes, stride)] if stride else []
        for c, term in wide:
            name = self.value(term, copy)
            found.append(name if c == 1 else self.put(level, f"mul <{lanes} x i64> {name}, splat (i64 {c})"))
        return found

    def _narrow_index(self, s: Scalar, copy: Copy, lanes: int, level: int) -> str | None:
        """An index along the lanes in 32 bits: narrowed before it becomes a vector, not after."""
        (source,) = s.args
        if source.op not in ("axis", "affine"):
            return None
        constant, single, wide = self._terms(source, copy)
        if wide:
            return None
        name, at = self._single_index(constant, single)
        (vector,) = self._vector_terms(source, copy, lanes, level, [])
        vector = vector.replace("i64", "i32")
        if name.lstrip("-").isdigit():
            base = f"splat (i32 {(int(name) + (1 << 31)) % (1 << 32) - (1 << 31)})"
        else:
            base = self.splat(self.once(("narrow", name), at, f"trunc i64 {name} to i32"), "i32", lanes)
        return self.put(level, f"add <{lanes} x i32> {base}, {vector}")

    # ── memory ────────────────────────────────────────────────────────────────────────────────────

    def pointer(self, buffer: Buffer, offset: Scalar, copy: Copy) -> str:
        """The address of an element; of the first lane's, without vector terms."""
        constant, single, _ = self._terms(offset, copy)
        size = buffer.dtype.itemsize
        name, level = self.buffers[buffer], 0
        for place, c, term in single:
            level = max(level, place)
            key = ("pointer", name, c * size, term)
            if c > 0:
                name = self.once(key, level, f"getelementptr [{c * size} x i8], ptr {name}, i64 {term}")
            else:
                moved = self.once(("mul", term, c * size), place, f"mul i64 {term}, {c * size}")
                name = self.once(key, level, f"getelementptr i8, ptr {name}, i64 {moved}")
        if constant:
            name = self.once(
                ("pointer", name, constant * size),
                level,
                f"getelementptr i8, ptr {name}, i64 {constant * size}",
            )
        return name

    def pointers(self, buffer: Buffer, offset: Scalar, copy: Copy, lanes: int, level: int) -> str:
        """The vector of the lanes' addresses."""
        first = self.pointer(buffer, offset, copy)
        size = buffer.dtype.itemsize
        wide = self._terms(offset, copy)[2]
        terms = self._vector_terms(offset, copy, lanes, level, wide)
        if not terms:
            return self.splat(first, "ptr", lanes)
        total = terms[0]
        for text in terms[1:]:
            total = self.put(level, f"add <{lanes} x i64> {total}, {text}")
        return self.put(level, f"getelementptr [{size} x i8], ptr {first}, <{lanes} x i64> {total}")

    def both(self, level: int, lanes: int, *masks: str | None) -> str | None:
        """All of the masks at once; None says everywhere."""
        found: str | None = None
        for mask in masks:
            if mask is not None:
                found = mask if found is None else self.put(level, f"and <{lanes} x i1> {found}, {mask}")
        return found

    def _load(self, s: Scalar, copy: Copy, lanes: int, level: int) -> str:
        buffer: Buffer = s.payload
        offset, where = s.args[0], s.args[1] if len(s.args) > 1 else None
        type = type_of(buffer.dtype, lanes)
        align = buffer.dtype.itemsize
        if not lanes:
            place = self.pointer(buffer, offset, copy)
            if where is None:
                return self._from_memory(
                    type.lanes,
                    self.put(level, f"load {type.memory}, ptr {place}, align {align}"),
                    buffer,
                    level,
                )
            condition = self.value(where, copy)
            nothing = self.derived.get(("nothing",)) or self.derived.setdefault(
                ("nothing",), self.allocate("i64", 1)
            )
            place = self.put(level, f"select i1 {condition}, ptr {place}, ptr {nothing}")
            found = self.put(level, f"load {type.memory}, ptr {place}, align {align}")
            found = self.put(
                level, f"select i1 {condition}, {type.memory} {found}, {type.memory} zeroinitializer"
            )
            return self._from_memory(0, found, buffer, level)
        guard = None if where is None else self.operand(where, copy, lanes)
        return self.read(
            buffer, offset, self.both(level, lanes, self.lane_mask(copy), guard), copy, lanes, level
        )

    def read(
        self,
        buffer: Buffer,
        offset: Scalar,
        mask: str | None,
        copy: Copy,
        lanes: int,
        level: int | None = None,
    ) -> str:
        """A vector from memory, 0 in the lanes that ``mask`` leaves out."""
        level = len(self.levels) - 1 if level is None else level
        dimension = self.lane_dimension()
        assert dimension is not None
        memory, flags = type_of(buffer.dtype, lanes).memory, f"<{lanes} x i1>"
        align = ("i32", str(buffer.dtype.itemsize))
        nothing = (memory, "zeroinitializer")
        if self.facts.stride(offset, dimension.axis) != 1:
            places = (f"<{lanes} x ptr>", self.pointers(buffer, offset, copy, lanes, level))
            lanes_on = (flags, mask or "splat (i1 true)")
            found = self._masked(level, "gather", memory, buffer, places, align, lanes_on, nothing)
        else:
            place = self.pointer(buffer, offset, copy)
            if mask is None:
                found = self.put(level, f"load {memory}, ptr {place}, align {align[1]}")
            else:
                found = self._masked(
                    level, "load", memory, buffer, ("ptr", place), align, (flags, mask), nothing
                )
        return self._from_memory(lanes, found, buffer, level)

    def _masked(self, level: int, what: str, result: str, buffer: Buffer, *operands: tuple[str, str]) -> str:
        name = f"llvm.masked.{what}.{self._memory_suffix(buffer, result, what)}"
        return self.operations.call(lambda text: self.put(level, text), name, result, *operands)

    def _memory_suffix(self, buffer: Buffer, text: str, what: str) -> str:
        lanes = int(text[1:].split()[0])
        suffix = "i8" if buffer.dtype is bool_ else type_of(buffer.dtype, 0).suffix
        return f"v{lanes}{suffix}." + (f"v{lanes}p0" if what in ("gather", "scatter") else "p0")

    def _from_memory(self, lanes: int, name: str, buffer: Buffer, level: int) -> str:
        if buffer.dtype is not bool_:
            return name
        memory = type_of(bool_, lanes).memory
        return self.put(level, f"icmp ne {memory} {name}, {'zeroinitializer' if lanes else '0'}")

    def store(
        self, buffer: Buffer, offset: Scalar, name: str, where: str | None, copy: Copy, lanes: int
    ) -> None:
        """Write one copy of a value, innermost; ``where`` is a flag for each lane, or one."""
        level = len(self.levels) - 1
        type, align = type_of(buffer.dtype, lanes), buffer.dtype.itemsize
        if buffer.dtype is bool_:
            name = self.here(f"zext {type.text} {name} to {type.memory}")
        if not lanes:
            place = self.pointer(buffer, offset, copy)
            if where is not None:
                number = self.fresh()
                self.do(f"br i1 {where}, label %w{number}, label %o{number}")
                self.begin_block(f"w{number}")
            self.do(f"store {type.memory} {name}, ptr {place}, align {align}")
            if where is not None:
                self.do(f"br label %o{number}")
                self.begin_block(f"o{number}")
            return
        dimension = self.lane_dimension()
        assert dimension is not None
        mask = self.both(level, lanes, self.lane_mask(copy), where)
        flags = f"<{lanes} x i1>"
        if self.facts.stride(offset, dimension.axis) == 1:
            place, kind, what = self.pointer(buffer, offset, copy), "ptr", "store"
            if mask is None:
                self.do(f"store {type.memory} {name}, ptr {place}, align {align}")
                return
        else:
            place, kind, what = (
                self.pointers(buffer, offset, copy, lanes, level),
                f"<{lanes} x ptr>",
                "scatter",
            )
        symbol = f"llvm.masked.{what}.{self._memory_suffix(buffer, type.memory, what)}"
        value, lanes_on = (type.memory, name), (flags, mask or "splat (i1 true)")
        self.operations.call(
            self._discard, symbol, "void", value, (kind, place), ("i32", str(align)), lanes_on
        )

    def _discard(self, text: str) -> str:
        self.do(text)
        return ""
