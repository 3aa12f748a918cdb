"""Finite or refused: every float that is given out, or that a variable takes on, is checked where it is made.

The check stands before the store, on the value in its register, and costs no pass over memory.  It does
not keep other values from being stored: whoever runs guarded kernels can undo what they did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...dtypes import DType, is_float
from ...loops import builder
from ...loops.ir import Accumulate, Check, Kernel, Loop, Scalar, Statement, Step, Store, roots, walk

_CHECKED = ("variable", "output")


def guarded(step: Step) -> Step:
    """The same step, with a check of each float before it is stored for good; a call is left as it is."""
    return replace(step, body=_body(step.body)) if isinstance(step, Kernel) else step


def _body(body: Sequence[Statement]) -> tuple[Statement, ...]:
    result: list[Statement] = []
    together: list[Store] = []

    def finish() -> None:
        result.extend(_checks([store for store in together if _is_checked(store)]))
        result.extend(together)
        together.clear()

    for statement in body:
        if isinstance(statement, Store) and not _reads(statement, together):
            together.append(statement)
            continue
        finish()
        if isinstance(statement, Store):
            together.append(statement)
            continue
        if isinstance(statement, Loop):
            statement = replace(statement, body=_body(statement.body))
        elif isinstance(statement, Accumulate) and _is_checked(statement):
            result.extend(_checks([statement]))
        result.append(statement)
    finish()
    return tuple(result)


def _reads(statement: Store, before: Sequence[Store]) -> bool:
    """Whether a store depends on one of those before it: then its check cannot stand before them."""
    written = {store.buffer for store in before}
    return any(s.op == "load" and s.payload in written for s in walk(roots(statement)))


def _is_checked(statement: Store | Accumulate) -> bool:
    return statement.buffer.role in _CHECKED and is_float(statement.buffer.dtype)


def _checks(stores: Sequence[Store | Accumulate]) -> list[Check]:
    """One check for all values of a dtype: 0·x is 0, or NaN where x is infinite or NaN, and so are sums."""
    sums: dict[DType, Scalar] = {}
    for statement in stores:
        value, dtype = statement.value, statement.buffer.dtype
        if isinstance(statement, Accumulate):
            value = builder.add(builder.load(statement.buffer, statement.offset, statement.where), value)
        zero = builder.constant(0.0, dtype)
        if statement.where is not None:
            value = builder.where(statement.where, value, zero)
        sums[dtype] = builder.fma(value, zero, sums[dtype]) if dtype in sums else builder.mul(value, zero)
    return [Check(builder.eq(total, builder.constant(0.0, dtype))) for dtype, total in sums.items()]
