"""Finite or refused: every float that is given out, or that a variable takes on, is checked where it is made.

The check stands before the store, on the value in its register, and costs no pass over memory.  It does
not keep other values from being stored: whoever runs guarded kernels can undo what they did.

A value that is infinite or NaN makes every sum, difference and product that it goes into infinite or NaN.
So where one stored value goes into another like this, the other's check is enough: of the three that Adam
stores (m, v, and θ - r·m/(√v + ε)), m needs none, but v does: what is divided by it may become 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from ...dtypes import is_float
from ...loops import builder
from ...loops.ir import (
    Accumulate,
    Check,
    Kernel,
    Let,
    Local,
    Loop,
    Scalar,
    Statement,
    Step,
    Store,
    roots,
    walk,
)

_CHECKED = ("variable", "output")
_CARRIES = {"neg": 1, "abs": 1, "sqrt": 1, "cast": 1, "div": 1, "add": 2, "sub": 2, "mul": 2, "fma": 3}
"""So many first operands of an operation make its result infinite or NaN whenever they are."""


def guarded(step: Step) -> Step:
    """The same step, with a check of each float before it is stored for good; a call is left as it is."""
    return replace(step, body=_body(step.body)) if isinstance(step, Kernel) else step


def _body(body: Sequence[Statement]) -> tuple[Statement, ...]:
    result: list[Statement] = []
    together: list[Store] = []
    needless = _needless(body)

    def finish() -> None:
        result.extend(_checks([store for store in together if _is_checked(store) and store not in needless]))
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


def _needless(body: Sequence[Statement]) -> list[Store]:
    """Stores of values that are finite wherever another one is that is always stored beside them.

    Only of named values, which are the same wherever they are read.
    """
    named = {s.local: s.value for s in body if isinstance(s, Let)}
    stores = [s for s in body if isinstance(s, Store) and _is_checked(s)]
    carried = [(s.value, _carried(s.value, named)) for s in stores if s.where is None]
    found, seen = list[Store](), set[Scalar]()
    for store in stores:
        value = store.value
        shown = value in seen or any(value in parts for other, parts in carried if other is not value)
        if value.op == "local" and shown:
            found.append(store)
        elif store.where is None:
            seen.add(value)
    return found


def _carried(value: Scalar, named: dict[Local, Scalar]) -> set[Scalar]:
    """What a value is made of in such a way that it is finite only if all of them are."""
    found: set[Scalar] = set()
    ahead = [value]
    while ahead:
        s = ahead.pop()
        if s in found or not is_float(s.dtype):
            continue
        found.add(s)
        if s.op == "local" and s.payload in named:
            ahead.append(named[s.payload])
        ahead += s.args[: _CARRIES.get(s.op, 0)]
    return found


def _is_checked(statement: Store | Accumulate) -> bool:
    return statement.buffer.role in _CHECKED and is_float(statement.buffer.dtype)


def _checks(stores: Sequence[Store | Accumulate]) -> list[Check]:
    """One check for all values."""
    finite: list[Scalar] = []
    for statement in stores:
        value = statement.value
        if isinstance(statement, Accumulate):
            value = builder.add(builder.load(statement.buffer, statement.offset, statement.where), value)
        if statement.where is not None:
            value = builder.where(statement.where, value, builder.constant(0.0, value.dtype))
        finite.append(builder.isfinite(value))
    return [Check(reduce(builder.and_, finite))] if finite else []
