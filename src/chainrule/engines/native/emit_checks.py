"""Checks: a branch around the telling; behind gathered loads, bits that are kept and told of at the end.

A gather is a program of its own on some processors, and a mask that is tested behind one waits for it
long (22 cycles a check on one).  That a vector is zero is then looked at in its own bits.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...dtypes import is_float
from ...loops.ir import Buffer, Scalar
from .emit_facts import Facts
from .emit_lanes import Reductions
from .emit_operations import type_of
from .target import Target

PLACES = 8
"""Where it is kept what has failed, of each type."""


class Checks(Reductions):
    """Conditions without which a run is refused."""

    def __init__(self, target: Target, facts: Facts, buffers: Sequence[Buffer]) -> None:
        super().__init__(target, facts, buffers)
        self.failures: dict[str, str] = {}
        self.turn = 0

    def check(self, condition: Scalar) -> None:
        """Refuse the run unless the condition holds: by a branch, or with others at the end."""
        found = _zero_test(condition)
        if found is not None and self.gathers and self.lanes_of(self.info(found).mask):
            self._check_zero(found)
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

    def _check_zero(self, value: Scalar) -> None:
        """That a vector is zero: but for their signs, the bits of zeros are 0."""
        info = self.info(value)
        lanes, width = self.lanes_of(info.mask), 8 * value.dtype.itemsize
        integers = f"<{lanes} x i{width}>"
        for copy in self.copies(info.mask):
            name = self.operand(value, copy, lanes)
            bits = self.here(f"bitcast {type_of(value.dtype, lanes).text} {name} to {integers}")
            rest = self.here(f"shl {integers} {bits}, splat (i{width} 1)")
            mask = self.lane_mask(copy)
            if mask is not None:
                rest = self.here(
                    f"select <{lanes} x i1> {mask}, {integers} {rest}, {integers} zeroinitializer"
                )
            self._fail(integers, rest)

    def _fail(self, type: str, bits: str) -> None:
        """Keep bits that are 0 where nothing has failed; neighbouring vectors do so in places of their own,

        or each would wait until the last one's had been stored."""
        place = self.failures.get(type)
        if place is None:
            place = self.failures[type] = self.allocate(type, PLACES)
            for number in range(PLACES):
                at = f"%s{self.fresh()}"
                self.allocations.append(f"{at} = getelementptr {type}, ptr {place}, i64 {number}")
                self.allocations.append(f"store {type} zeroinitializer, ptr {at}")
        dimension = self.lane_dimension() or next(iter(reversed(self.dimensions)), None)
        base = "0" if dimension is None else self.places[dimension.axis].base
        if not base.isdigit():
            assert dimension is not None
            turn = self.here(f"udiv i64 {base}, {dimension.step}")
            base = self.here(f"and i64 {self.here(f'add i64 {turn}, {self.turn}')}, {PLACES - 1}")
        else:
            base = str(self.turn)
        self.turn = (self.turn + 1) % PLACES
        at = self.here(f"getelementptr {type}, ptr {place}, i64 {base}")
        old = self.here(f"load {type}, ptr {at}")
        self.do(f"store {type} {self.here(f'or {type} {old}, {bits}')}, ptr {at}")

    def report(self) -> None:
        """Tell of what has failed, when all is done."""
        found: str | None = None
        for type, place, number in [(t, p, n) for t, p in self.failures.items() for n in range(PLACES)]:
            bits = self.here(
                f"load {type}, ptr {self.here(f'getelementptr {type}, ptr {place}, i64 {number}')}"
            )
            if type[0] == "<":
                lanes, _, element = type[1:-1].split()
                bits = self.operations.call(
                    self.here, f"llvm.vector.reduce.or.v{lanes}{element}", element, (type, bits)
                )
                type = element
            failed = self.here(f"icmp ne {type} {bits}, 0")
            found = failed if found is None else self.here(f"or i1 {found}, {failed}")
        if found is not None:
            self._tell(found)


def _zero_test(condition: Scalar) -> Scalar | None:
    """The float that a condition asks to be zero."""
    if condition.op != "eq" or condition.args[1].op != "constant" or not is_float(condition.args[0].dtype):
        return None
    value, zero = condition.args
    return None if zero.payload or value.op == "constant" else value
