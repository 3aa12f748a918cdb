"""Rewriting scalars and statements under other axes and locals: what merging two loops needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...dtypes import DType, bool_, int64
from ...loops import index
from ...loops.ir import (
    INDEX,
    Accumulate,
    Axis,
    Buffer,
    Check,
    Kernel,
    Let,
    Local,
    Loop,
    Part,
    Program,
    Reduce,
    Scalar,
    Statement,
    Store,
    scalar,
    statements,
)


class Renaming:
    """What stands for each of some leaves (axes, locals, loads), and for all scalars made of them.

    ``buffers`` are read and written in place of others.  A renaming remembers what it has rewritten, so
    that scalars which statements share are rewritten once.
    """

    __slots__ = ("buffers", "leaves", "memory")

    def __init__(
        self, leaves: Mapping[Scalar, Scalar] | None = None, buffers: Mapping[Buffer, Buffer] | None = None
    ) -> None:
        self.leaves, self.buffers = dict(leaves or {}), dict(buffers or {})
        self.memory = dict(self.leaves)

    def __call__(self, value: Scalar) -> Scalar:
        if not self.leaves and not self.buffers:
            return value
        memory = self.memory
        if (found := memory.get(value)) is not None:
            return found
        stack = [value]
        while stack:
            top = stack[-1]
            new = []
            for argument in top.args:
                known = memory.get(argument)
                if known is None:
                    if argument.args:
                        stack.append(argument)
                        continue
                    known = memory[argument] = argument
                new.append(known)
            if top is stack[-1]:
                stack.pop()
                memory[top] = self.rebuilt(top, tuple(new))
        return memory[value]

    def rebuilt(self, value: Scalar, args: tuple[Scalar, ...]) -> Scalar:
        """``value`` over new operands."""
        if value.op == "load" and value.payload in self.buffers:
            return scalar("load", args, value.dtype, self.buffers[value.payload])
        return rebuild(value, args)

    def through(self, axis: Axis, value: Scalar) -> Renaming:
        """This renaming, after which ``value`` stands for ``axis``."""
        leaf = index.of(axis)
        if leaf is value:
            return self
        last = Renaming({leaf: value})
        return Renaming(
            {**{key: last(found) for key, found in self.leaves.items()}, leaf: value}, self.buffers
        )

    def also(self, leaf: Scalar, value: Scalar) -> Renaming:
        """This renaming, and ``value`` for a ``leaf`` that it knew nothing of."""
        return Renaming({**self.leaves, leaf: value}, self.buffers)

    def statement(self, statement: Statement) -> Statement:
        """``statement`` with all of its scalars renamed; the same object where nothing changes."""
        if not self.leaves and not self.buffers:
            return statement
        match statement:
            case Let(local=local, value=value):
                return Let(local, self(value))
            case Store(buffer=buffer, offset=offset, value=value, where=where):
                buffer = self.buffers.get(buffer, buffer)
                return Store(buffer, self(offset), self(value), None if where is None else self(where))
            case Accumulate(buffer=buffer, offset=offset, value=value, where=where):
                buffer = self.buffers.get(buffer, buffer)
                return Accumulate(buffer, self(offset), self(value), None if where is None else self(where))
            case Check(condition=condition):
                return Check(self(condition))
            case Reduce(axes=axes, parts=parts):
                inner, renamed = self, []
                for axis in axes:
                    new, inner = inner.bound(axis)
                    renamed.append(new)
                return Reduce(tuple(renamed), tuple([Part(p.kind, inner(p.value), p.local) for p in parts]))
            case Loop(axis=axis, body=body, ordered=ordered):
                new, inner = self.bound(axis)
                return Loop(new, tuple([inner.statement(s) for s in body]), ordered)

    def bound(self, axis: Axis) -> tuple[Axis, Renaming]:
        """The axis that a loop over ``axis`` has now, and the renaming for what is within."""
        if axis.limit is None or (limit := self(axis.limit)) is axis.limit:
            return axis, self
        new = Axis(axis.name, axis.extent, limit)
        return new, self.through(axis, index.of(new))


def rebuild(value: Scalar, args: tuple[Scalar, ...]) -> Scalar:
    """``value`` over new operands, in the normal form of indices."""
    if args == value.args:  # scalars are equal where they are the same
        return value
    if value.op == "affine":
        constant, coefficients = value.payload
        if any(a.op == "mod" for a in args):  # may meet its quotient
            parts = [index.scale(a, c) for a, c in zip(args, coefficients, strict=True)]
            return index.add(index.number(constant), *parts)
        total: dict[Scalar, int] = {}
        for argument, c in zip(args, coefficients, strict=True):
            more, inner = index.terms(argument)
            constant += more * c
            for term, k in inner.items():
                total[term] = total.get(term, 0) + k * c
        return index.from_terms(constant, total)
    if value.op in ("floordiv", "mod") and value.dtype == INDEX and args[1].op == "constant":
        n = int(args[1].payload)
        if n > 0:
            return index.floordiv(args[0], n) if value.op == "floordiv" else index.mod(args[0], n)
    return scalar(value.op, args, value.dtype, value.payload)


def part_dtype(part: Part) -> DType:
    """The type of a reduction's result."""
    if part.kind in ("argmax", "argmin"):
        return int64
    return bool_ if part.kind in ("any", "all") else part.value.dtype


def apart(program: Program) -> Program:
    """The same program, in which no two loops share an axis and no two statements define one local."""
    seen: set[Axis | Local] = set()
    steps = []
    for step in program.steps:
        if isinstance(step, Kernel):
            names = ([] if step.axis is None else [step.axis]) + _defined(step.body)
            before = len(seen)
            seen.update(names)
            if len(seen) - before < len(names):
                step = fresh(step)
        steps.append(step)
    return Program(tuple(steps))


def _defined(body: Sequence[Statement]) -> list[Axis | Local]:
    names: list[Axis | Local] = []
    for statement in statements(body):
        match statement:
            case Loop(axis=axis):
                names.append(axis)
            case Let(local=local):
                names.append(local)
            case Reduce(axes=axes, parts=parts):
                names.extend(axes)
                names.extend([part.local for part in parts])
    return names


def fresh(kernel: Kernel) -> Kernel:
    """``kernel`` with axes and locals of its own."""
    if kernel.axis is None:
        return Kernel(kernel.name, None, _fresh_body(kernel.body, Renaming()))
    axis, inner = _fresh_axis(kernel.axis, Renaming())
    return Kernel(kernel.name, axis, _fresh_body(kernel.body, inner))


def _fresh_axis(axis: Axis, renaming: Renaming) -> tuple[Axis, Renaming]:
    new = Axis(axis.name, axis.extent, None if axis.limit is None else renaming(axis.limit))
    return new, renaming.also(index.of(axis), index.of(new))


def _fresh_body(body: Sequence[Statement], renaming: Renaming) -> tuple[Statement, ...]:
    out: list[Statement] = []
    for statement in body:
        match statement:
            case Let(local=local, value=value):
                new = Local(local.name)
                out.append(Let(new, renaming(value)))
                renaming = renaming.also(_local(local, value.dtype), _local(new, value.dtype))
            case Reduce(axes=axes, parts=parts):
                inner, renamed = renaming, []
                for axis in axes:
                    own, inner = _fresh_axis(axis, inner)
                    renamed.append(own)
                new_parts = tuple([Part(p.kind, inner(p.value), Local(p.local.name)) for p in parts])
                out.append(Reduce(tuple(renamed), new_parts))
                for part, renewed in zip(parts, new_parts, strict=True):
                    dtype = part_dtype(part)
                    renaming = renaming.also(_local(part.local, dtype), _local(renewed.local, dtype))
            case Loop(axis=axis, body=inner_body, ordered=ordered):
                own, inner = _fresh_axis(axis, renaming)
                out.append(Loop(own, _fresh_body(inner_body, inner), ordered))
            case _:
                out.append(renaming.statement(statement))
    return tuple(out)


def _local(local: Local, dtype: DType) -> Scalar:
    return scalar("local", (), dtype, local)
