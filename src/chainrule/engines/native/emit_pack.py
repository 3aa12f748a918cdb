"""Small matrices that a kernel reads across their rows are laid out anew on the stack, once a call.

In ``sum over k of d[m, k] · W[n, k]`` neighbouring n lie far apart in W, so the lanes could only be k, and
each sum would end by adding up the lanes of a vector.  Where many rows m use all of W, it is cheaper to
transpose W first, and to let the lanes be n.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil, prod

from ...loops import index
from ...loops.ir import Axis, Buffer, Loop, Part, Reduce, Scalar, Statement, Store, scalar
from .emit_facts import Facts, written
from .target import Target

LARGEST = 8192
"""Elements that may be laid out anew: they should stay in the cache next to the core."""
FEWEST = 4
"""Rows that must use the matrix."""
_ACROSS = 8
"""Instructions that add up the lanes of a vector."""


@dataclass(slots=True)
class Packing:
    """The statements that fill the new buffers, and the body that reads them."""

    fills: list[Statement] = field(default_factory=list)
    buffers: dict[tuple[Buffer, tuple[object, ...]], Buffer] = field(default_factory=dict)


def packed(
    body: Sequence[Statement], outer: Axis, target: Target
) -> tuple[list[Statement], tuple[Statement, ...], list[Buffer]]:
    """What to do before the loop over ``outer``, its new body, and the buffers on the stack."""
    packing = Packing()
    if outer.extent < FEWEST:
        return [], tuple(body), []
    facts, fixed = Facts(body), written(body)
    new = tuple([_statement(s, [], packing, facts, fixed, target) for s in body])
    return packing.fills, new, list(packing.buffers.values())


def _statement(
    statement: Statement,
    loops: list[Loop],
    packing: Packing,
    facts: Facts,
    fixed: frozenset[Buffer],
    target: Target,
) -> Statement:
    if isinstance(statement, Loop):
        inner = [*loops, statement]
        return replace(
            statement,
            body=tuple([_statement(s, inner, packing, facts, fixed, target) for s in statement.body]),
        )
    if not isinstance(statement, Reduce) or not loops or loops[-1].ordered:
        return statement
    if any(axis.limit is not None for axis in (*statement.axes, loops[-1].axis)):
        return statement
    parts = [
        _part(part, statement, loops[-1].axis, packing, facts, fixed, target) for part in statement.parts
    ]
    return replace(statement, parts=tuple(parts))


def _part(
    part: Part,
    reduction: Reduce,
    lane: Axis,
    packing: Packing,
    facts: Facts,
    fixed: frozenset[Buffer],
    target: Target,
) -> Part:
    value = part.value
    if part.kind != "sum" or value.op != "mul":
        return part
    for a, b in (value.args, value.args[::-1]):
        if _is_across(b, reduction, lane, facts, fixed, target) and lane not in facts.axes(a):
            copy = _copy(b, reduction, lane, packing, facts)
            arguments = (a, copy) if value.args[0] is a else (copy, a)
            return Part(part.kind, scalar("mul", arguments, value.dtype), part.local)
    return part


def _is_across(
    b: Scalar, reduction: Reduce, lane: Axis, facts: Facts, fixed: frozenset[Buffer], target: Target
) -> bool:
    """Whether ``b`` is a matrix of the lanes and the reduced axes alone, read across, and worth a copy."""
    if b.op != "load" or len(b.args) > 1 or b.payload in fixed or not facts.is_plain(b.args[0]):
        return False
    offset, inner = b.args[0], set(reduction.axes)
    axes = facts.axes(offset)
    if lane not in axes or not axes & inner or axes - inner - {lane} or facts.stride(offset, lane) == 1:
        return False
    depth, width = prod(axis.extent for axis in reduction.axes), target.lanes(b.dtype)
    if depth * lane.extent > LARGEST:
        return False  # a few of them fit a thread's stack with room to spare
    across = lane.extent * (
        2 * ceil(reduction.axes[-1].extent / width) * depth / reduction.axes[-1].extent + _ACROSS
    )
    return 1.2 * ceil(lane.extent / width) * depth < across


def _copy(b: Scalar, reduction: Reduce, lane: Axis, packing: Packing, facts: Facts) -> Scalar:
    """The element of the copy that stands for ``b``; the copy is made once for each way of reading."""
    used = [axis for axis in reduction.axes if axis in facts.axes(b.args[0])]
    shape = [*[axis.extent for axis in used], lane.extent]
    place = index.ravel([*[index.of(axis) for axis in used], index.of(lane)], shape)
    constant, coefficients = index.terms(b.args[0])
    strides = {term.payload: c for term, c in coefficients.items()}
    key = (b.payload, (constant, *shape, *[strides[axis] for axis in (*used, lane)]))
    buffer = packing.buffers.get(key)
    if buffer is None:
        buffer = packing.buffers[key] = Buffer(f"{b.payload.name} across", prod(shape), b.dtype, "scratch")
        axes = [Axis(axis.name, axis.extent) for axis in (*used, lane)]
        old = index.from_terms(
            constant, {index.of(n): strides[axis] for n, axis in zip(axes, (*used, lane), strict=True)}
        )
        at = index.ravel([index.of(axis) for axis in axes], shape)
        fill: Statement = Store(buffer, at, scalar("load", (old,), b.dtype, b.payload))
        for axis in reversed(axes):
            fill = Loop(axis, (fill,))
        packing.fills.append(fill)
    return scalar("load", (place,), b.dtype, buffer)
