"""Scalars to instructions: each written once, as far out in the loops as its operands allow."""

from __future__ import annotations

from ...dtypes import int32, uint32
from ...loops.ir import UNARY, Scalar
from .emit_memory import Memory
from .emit_operations import literal, type_of
from .emit_writer import Copy, Info


class Values(Memory):
    """Values of scalars, and their names."""

    def _order(self, root: Scalar) -> list[Scalar]:
        """What ``root`` is computed from, operands first; an offset is no value, but part of an address."""
        found = self.orders.get(root)
        if found is None:
            seen: dict[Scalar, None] = {}
            stack = [(root, False)]
            while stack:
                s, done = stack.pop()
                if s in seen or s.op == "constant":
                    continue
                inner = s.args[1:] if s.op == "load" else () if s.op == "affine" else s.args
                if done or not inner:
                    seen[s] = None
                    continue
                stack.append((s, True))
                stack.extend((argument, False) for argument in reversed(inner))
            found = self.orders[root] = list(seen)
        return found

    def value(self, root: Scalar, copy: Copy) -> str:
        """The name of one copy of a scalar (a vector if it depends on the lanes); a constant's text."""
        if root.op == "constant":
            return literal(root.payload, root.dtype)
        info = self.infos.get(root)
        if info is not None and root in self.memo:
            found = self.memo[root].get(self.key(info.mask, copy))
            if found is not None:
                return found
        name = ""
        for s in self._order(root):
            info = self.infos.get(s) or self.info(s)
            names = self.memo.get(s)
            if names is None:
                names = self.memo[s] = {}
            key = self.key(info.mask, copy)
            found = names.get(key)
            if found is None:
                found = names[key] = self._compute(s, copy, info)
            name = found
        return name

    def operand(self, s: Scalar, copy: Copy, lanes: int) -> str:
        """A value as an operand of a vector of ``lanes``, or of one element."""
        if s.op == "constant":
            return literal(s.payload, s.dtype, lanes)
        name = self.value(s, copy)
        info = self.infos[s]
        if not lanes or self.lanes_of(info.mask):
            return name
        return self.splat(name, type_of(s.dtype, 0).element, lanes)

    def _compute(self, s: Scalar, copy: Copy, info: Info) -> str:
        level, op = info.level, s.op
        lanes = self.lanes_of(info.mask)
        if op in ("axis", "affine"):
            return self._index(s, copy, lanes, level)
        if op == "load":
            return self._load(s, copy, lanes, level)
        if op == "local":
            return self._local(s, copy, info)
        if op == "within":
            return self.operand(s.args[0], copy, lanes)

        def put(text: str) -> str:
            return self.put(level, text)

        if op == "cast" and lanes and s.dtype in (int32, uint32):
            narrow = self._narrow_index(s, copy, lanes, level)
            if narrow is not None:
                return narrow
        operands = [self.operand(argument, copy, lanes) for argument in s.args]
        type = type_of(s.args[0].dtype, lanes)
        if op == "cast":
            return self.operations.cast(put, type, type_of(s.dtype, lanes), *operands)
        if op == "bitcast":
            target = type_of(s.dtype, lanes)
            return (
                operands[0]
                if target.text == type.text
                else put(f"bitcast {type.text} {operands[0]} to {target.text}")
            )
        if op == "where":
            condition, then, otherwise = operands
            return self.operations.select(put, type_of(s.dtype, lanes), condition, then, otherwise)
        if op == "fma":
            return self.operations.fma(put, type, *operands)
        if op in UNARY:
            return self.operations.unary(put, op, type, *operands)
        return self.operations.binary(put, op, type, *operands)

    def _local(self, s: Scalar, copy: Copy, info: Info) -> str:
        value = self.locals[s.payload]
        if value.names and not any(d.rolled and value.mask >> i & 1 for i, d in enumerate(self.dimensions)):
            return value.names[self.key(value.mask, copy)]
        constant, stride, rolled = 0, 1, 0
        bits = [i for i in range(len(self.dimensions)) if value.mask >> i & 1]
        for i, count in zip(reversed(bits), reversed(value.counts), strict=True):
            if self.dimensions[i].rolled:
                rolled = stride
            else:
                constant += copy[i] * stride
            stride *= count
        text = type_of(s.dtype, value.lanes).text
        place = f"{value.array}"
        if rolled:
            place = self.put(
                info.level, f"getelementptr [{rolled} x {text}], ptr {place}, i64 {self.rolled_number}"
            )
        place = self.put(info.level, f"getelementptr {text}, ptr {place}, i64 {constant}")
        return self.put(info.level, f"load {text}, ptr {place}")
