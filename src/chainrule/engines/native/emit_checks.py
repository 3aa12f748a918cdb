"""Checks: a branch around the telling; what has to be finite is looked at together, at the end.

A mask that is tested makes some processors wait: behind a gathered load, 22 cycles a check on one.  So
loops carry the bits of x - x, which are 0, or those of a NaN where x is infinite or NaN; bits that are set
once stay set.
"""

from __future__ import annotations

from itertools import product

from ...dtypes import DType
from ...loops.ir import Scalar
from .emit_lanes import Reductions
from .emit_operations import type_of


class Checks(Reductions):
    """Conditions without which a run is refused."""

    def check(self, condition: Scalar) -> None:
        """Refuse the run unless the condition holds: by a branch, or with others at the end."""
        finite = _finite(condition)
        if finite:
            for dtype in dict.fromkeys([value.dtype for value in finite]):
                self._carry(dtype, [value for value in finite if value.dtype is dtype])
            return
        info = self.info(condition)
        lanes = self.lanes_of(info.mask)
        kind = f"<{lanes} x i1>" if lanes else "i1"
        failures: str | None = None
        for copy in self.copies(info.mask):
            flag = self.operand(condition, copy, lanes)
            failed = self.here(f"xor {kind} {flag}, {'splat (i1 true)' if lanes else 'true'}")
            if lanes:
                failed = self.both(self.depth, lanes, failed, self.lane_mask(copy)) or failed
            failures = failed if failures is None else self.here(f"or {kind} {failures}, {failed}")
        if failures is None:
            return
        if lanes:
            failures = self.operations.call(
                self.here, f"llvm.vector.reduce.or.v{lanes}i1", "i1", (kind, failures)
            )
        self._tell(failures)

    def _tell(self, failed: str) -> None:
        number = self.fresh()
        self.do(f"br i1 {failed}, label %w{number}, label %o{number}")
        self.begin_block(f"w{number}")
        self.declared["declare void @llvm.donothing()"] = None
        self.do("call void @llvm.donothing() cold")  # so this block stands out of the way
        self.do("store atomic i64 1, ptr %flag monotonic, align 8")
        self.do(f"br label %o{number}")
        self.begin_block(f"o{number}")

    def _carry(self, dtype: DType, values: list[Scalar]) -> None:
        """Keep, lane by lane, whether all of these have been finite."""
        mask = 0
        for value in values:
            mask |= self.info(value).mask
        lanes = self.lanes_of(mask)
        type, bits = type_of(dtype, lanes), _bits(dtype, lanes)
        found: list[str] = []
        for copy, value in product(self.copies(mask), values):
            name = self.operand(value, copy, lanes)
            inside = self.lane_mask(copy) if lanes else None
            if inside is not None:
                name = self.operations.select(
                    self.here, type, inside, name, self.operations.number(type, 0.0)
                )
            difference = self.here(f"fsub {type.text} {name}, {name}")
            found.append(self.here(f"bitcast {type.text} {difference} to {bits}"))
        while len(found) > 1:  # in pairs, so that only one waits for what was kept before
            pairs = list(zip(found[::2], found[1::2], strict=False))
            found = [*[self.here(f"or {bits} {a}, {b}") for a, b in pairs], *found[2 * len(pairs) :]]
        self.levels[-1].failed[bits] = self.here(f"or {bits} {self.failed(bits)}, {found[0]}")

    def report(self) -> None:
        """Tell of what has failed, when all is done."""
        found: str | None = None
        for bits, name in self.levels[0].failed.items():
            element = bits
            if bits[0] == "<":
                lanes, _, element = bits[1:-1].split()
                name = self.operations.call(
                    self.here, f"llvm.vector.reduce.or.v{lanes}{element}", element, (bits, name)
                )
            name = self.here(f"shl {element} {name}, 1")  # a zero may have a sign
            failed = self.here(f"icmp ne {element} {name}, 0")
            found = failed if found is None else self.here(f"or i1 {found}, {failed}")
        if found is not None:
            self._tell(found)


def _bits(dtype: DType, lanes: int) -> str:
    element = f"i{8 * dtype.itemsize}"
    return f"<{lanes} x {element}>" if lanes else element


def _finite(condition: Scalar) -> list[Scalar]:
    """What a condition asks to be finite, if that is all that it asks."""
    if condition.op == "isfinite":
        return list(condition.args)
    parts = [_finite(part) for part in condition.args] if condition.op == "and" else [[]]
    return [value for part in parts for value in part] if all(parts) else []
