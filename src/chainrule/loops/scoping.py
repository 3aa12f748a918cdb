"""What can be seen of a program without proofs: that its parts have types that fit, and are in scope."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..dtypes import DType, bool_, is_float, is_integer
from ..errors import LoopError
from .builder import DTYPES, reduced_dtype
from .ir import (
    BINARY,
    COMPARISONS,
    INDEX,
    UNARY,
    Accumulate,
    Axis,
    Buffer,
    Check,
    Kernel,
    Let,
    Local,
    Loop,
    Reduce,
    Scalar,
    Statement,
    Store,
    roots,
    walk,
)

# ── types ─────────────────────────────────────────────────────────────────────────────────────────


def type_faults(statement: Statement) -> Iterator[str]:
    """What is wrong with the dtypes of a statement and of the scalars that it evaluates."""
    for value in walk(roots(statement)):
        fault = scalar_fault(value)
        if fault is not None:
            yield f"{value.op} {fault}"
    match statement:
        case Store(buffer, offset, value, where) | Accumulate(buffer, offset, value, where):
            yield from _expect("the offset", offset, INDEX)
            yield from _expect("the value", value, buffer.dtype)
            if where is not None:
                yield from _expect("the guard", where, bool_)
            if isinstance(statement, Accumulate) and buffer.dtype is bool_:
                yield "booleans do not add up"
        case Reduce(axes, parts):
            if not axes:
                yield "a reduction needs an axis"
            for part in parts:
                try:
                    reduced_dtype(part.kind, part.value.dtype)
                except LoopError as error:
                    yield error.what
            yield from _limits(axes)
        case Loop(axis):
            yield from _limits([axis])
        case Check(condition):
            yield from _expect("the condition", condition, bool_)


def _expect(role: str, value: Scalar, dtype: DType) -> Iterator[str]:
    if value.dtype != dtype:
        yield f"{role} is a {value.dtype}, not a {dtype}"


def _limits(axes: Sequence[Axis]) -> Iterator[str]:
    for axis in axes:
        if axis.limit is not None:
            yield from _expect(f"the limit of {axis.name}", axis.limit, INDEX)
        if axis.extent < 0:
            yield f"{axis.name} has the extent {axis.extent}"


def scalar_fault(value: Scalar) -> str | None:
    """What is wrong with one scalar, given that its operands are right."""
    if value.dtype not in DTYPES:
        return f"has the dtype {value.dtype}"
    given = tuple([a.dtype for a in value.args])
    wanted = _SIGNATURES.get(value.op)
    if wanted is None:
        return "is no operation"
    right = wanted(value, given)
    return None if right else f"does not give {value.dtype} of ({', '.join(map(str, given))})"


def _constant(value: Scalar, given: tuple[DType, ...]) -> bool:
    kind = bool if value.dtype is bool_ else float if is_float(value.dtype) else int
    return not given and type(value.payload) is kind


def _axis(value: Scalar, given: tuple[DType, ...]) -> bool:
    return not given and value.dtype is INDEX and isinstance(value.payload, Axis)


def _affine(value: Scalar, given: tuple[DType, ...]) -> bool:
    constant, coefficients = value.payload
    opaque = all(a.op not in ("affine", "constant") for a in value.args)
    whole = type(constant) is int and all(type(c) is int and c for c in coefficients)
    fits = len(given) == len(coefficients) > 0 and {*given, value.dtype} == {INDEX}
    return opaque and whole and fits


def _within(value: Scalar, given: tuple[DType, ...]) -> bool:
    low, high = value.payload
    return given == (INDEX,) and value.dtype is INDEX and low < high


def _load(value: Scalar, given: tuple[DType, ...]) -> bool:
    fits = given in ((INDEX,), (INDEX, bool_))
    return fits and isinstance(value.payload, Buffer) and value.payload.dtype is value.dtype


def _bitcast(value: Scalar, given: tuple[DType, ...]) -> bool:
    (source,) = given
    return bool_ not in (source, value.dtype) and source.itemsize == value.dtype.itemsize


def _where(value: Scalar, given: tuple[DType, ...]) -> bool:
    return given == (bool_, value.dtype, value.dtype)


def _fma(value: Scalar, given: tuple[DType, ...]) -> bool:
    return is_float(value.dtype) and given == (value.dtype,) * 3


def _operation(value: Scalar, given: tuple[DType, ...]) -> bool:
    """Operands of one dtype that the operation takes; comparisons and tests give bool."""
    op, operand = value.op, given[0]
    gives = bool_ if op in COMPARISONS or op in ("isfinite", "isnan") else operand
    count = 2 if op in BINARY else 1
    return given == (operand,) * count and value.dtype is gives and _takes(op, operand)


def _takes(op: str, dtype: DType) -> bool:
    if dtype is bool_:
        return op in ("not", "and", "or", "xor", "eq", "ne")
    if is_integer(dtype):
        return op in _OF_INTEGERS
    return op not in ("not", "and", "or", "xor", "shl", "shr")


_OF_INTEGERS = COMPARISONS | {
    *("neg", "abs", "sign", "not", "add", "sub", "mul", "floordiv", "mod", "min", "max"),
    *("and", "or", "xor", "shl", "shr"),
}

_SIGNATURES = {
    **dict.fromkeys(UNARY | BINARY, _operation),
    "constant": _constant,
    "axis": _axis,
    "local": lambda value, given: not given and isinstance(value.payload, Local),
    "affine": _affine,
    "within": _within,
    "load": _load,
    "cast": lambda value, given: len(given) == 1,
    "bitcast": _bitcast,
    "where": _where,
    "fma": _fma,
}


# ── scopes ────────────────────────────────────────────────────────────────────────────────────────


def scope_faults(kernel: Kernel) -> Iterator[tuple[Statement, str]]:
    """Statements that use an axis or a local where it is not known, or make a local twice."""
    axes = frozenset() if kernel.axis is None else frozenset((kernel.axis,))
    yield from _Scope().body(kernel.body, axes, {})


class _Scope:
    """A walk through a body that carries what is known along."""

    def __init__(self) -> None:
        self.made: set[Local] = set()

    def body(
        self, body: Sequence[Statement], axes: frozenset[Axis], outer: dict[Local, DType]
    ) -> Iterator[tuple[Statement, str]]:
        locals_ = dict(outer)
        for statement in body:
            for why in self.statement(statement, axes, locals_):
                yield statement, why
            if isinstance(statement, Loop):
                yield from self.body(statement.body, axes | {statement.axis}, locals_)

    def statement(
        self, statement: Statement, axes: frozenset[Axis], locals_: dict[Local, DType]
    ) -> Iterator[str]:
        if isinstance(statement, Reduce):
            yield from self.reduce(statement, axes, locals_)
            return
        yield from _uses(roots(statement), axes, locals_)
        if isinstance(statement, Let):
            yield from self.make(statement.local, statement.value.dtype, locals_)
        elif isinstance(statement, Loop) and statement.axis in axes:
            yield f"a loop over {statement.axis.name} within another over the same axis"

    def reduce(self, statement: Reduce, axes: frozenset[Axis], locals_: dict[Local, DType]) -> Iterator[str]:
        for axis in statement.axes:
            if axis.limit is not None:
                yield from _uses([axis.limit], axes, locals_)
            if axis in axes:
                yield f"a reduction over {axis.name} within a loop over the same axis"
            axes = axes | {axis}
        yield from _uses([part.value for part in statement.parts], axes, locals_)
        for part in statement.parts:
            yield from self.make(part.local, reduced_dtype(part.kind, part.value.dtype), locals_)

    def make(self, local: Local, dtype: DType, locals_: dict[Local, DType]) -> Iterator[str]:
        if local in self.made:
            yield f"the local {local.name} is made a second time"
        self.made.add(local)
        locals_[local] = dtype


def _uses(values: Sequence[Scalar], axes: frozenset[Axis], locals_: dict[Local, DType]) -> Iterator[str]:
    for value in walk(values):
        if value.op == "axis" and value.payload not in axes:
            yield f"no loop around it runs over {value.payload.name}"
        elif value.op == "local" and value.payload not in locals_:
            yield f"the local {value.payload.name} is not known here"
        elif value.op == "local" and locals_[value.payload] != value.dtype:
            yield f"the local {value.payload.name} is a {locals_[value.payload]}, not a {value.dtype}"
