"""Within a kernel, a value that was just stored is not loaded again; what nobody reads is not computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...loops import index
from ...loops.ir import (
    Accumulate,
    Buffer,
    Call,
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
    Step,
    Store,
    roots,
    scalar,
    statements,
)
from .renaming import Renaming

# ── stored values go on to later loads ────────────────────────────────────────────────────────────


def forward(kernel: Kernel) -> Kernel:
    """``kernel`` in which a load of what the same place has stored before reads the stored value."""
    found = loads([root for s in statements(kernel.body) for root in roots(s)])
    stored = {s.buffer for s in statements(kernel.body) if isinstance(s, Store)}
    wanted = {
        (load.payload, load.args[0]): load for load in found if load.payload in stored and len(load.args) == 1
    }
    if not wanted:
        return kernel
    body = _forward(kernel.body, wanted, {})
    return Kernel(kernel.name, kernel.axis, body)


Key = tuple[Buffer, Scalar]


def _forward(
    body: Sequence[Statement], wanted: dict[Key, Scalar], known: dict[Key, Scalar]
) -> tuple[Statement, ...]:
    """``known`` holds, for what is in memory at this point, the value that was stored there."""
    out: list[Statement] = []
    renaming = _reading(wanted, known)
    for statement in body:
        if isinstance(statement, Loop):
            inside = {k: v for k, v in known.items() if k[0] not in _written(statement.body)}
            if len(inside) < len(known):
                known = inside
                renaming = _reading(wanted, known)
            inner = _forward(statement.body, wanted, dict(known))
            out.append(Loop(statement.axis, inner, statement.ordered))
            continue
        statement = renaming.statement(statement)
        if isinstance(statement, Store | Accumulate):
            key = (statement.buffer, statement.offset)
            gone = [k for k in known if k[0] is statement.buffer and not _distinct(k[1], statement.offset)]
            for k in gone:
                del known[k]
            if isinstance(statement, Store) and key in wanted and statement.where is None:
                value = statement.value
                if value.op not in ("local", "constant"):
                    local = Local(statement.buffer.name)
                    out.append(Let(local, value))
                    value = scalar("local", (), value.dtype, local)
                    statement = Store(statement.buffer, statement.offset, value)
                known[key] = value
            if gone or key in known:
                renaming = _reading(wanted, known)
        out.append(statement)
    return tuple(out)


def _reading(wanted: dict[Key, Scalar], known: dict[Key, Scalar]) -> Renaming:
    return Renaming({wanted[key]: value for key, value in known.items()})


def _written(body: Sequence[Statement]) -> set[Buffer]:
    return {s.buffer for s in statements(body) if isinstance(s, Store | Accumulate)}


def _distinct(a: Scalar, b: Scalar) -> bool:
    low, high = index.bounds(index.add(a, index.scale(b, -1)))
    return low > 0 or high < 0


# ── what nobody reads ─────────────────────────────────────────────────────────────────────────────


def eliminate(program: Program) -> Program:
    """``program`` without stores to scratch that is not read later, and without what only fed those."""
    need = _Need()
    steps: list[Step] = []
    for step in reversed(program.steps):
        if isinstance(step, Call):
            if need.of(step.output):
                need.buffers.update(step.inputs)
                steps.append(step)
            continue
        body = tuple(need.pruned(step.body))
        if body:
            steps.append(step if _same(body, step.body) else Kernel(step.name, step.axis, body))
    return Program(tuple(reversed(steps)))


class _Need:
    """What the statements further on read."""

    def __init__(self) -> None:
        self.buffers: set[Buffer] = set()
        self.locals: set[Local] = set()
        self._seen: set[Scalar] = set()

    def of(self, buffer: Buffer) -> bool:
        return buffer.role != "scratch" or buffer in self.buffers

    def read(self, values: Iterable[Scalar]) -> None:
        stack = list(values)
        while stack:
            top = stack.pop()
            if top in self._seen:
                continue
            self._seen.add(top)
            if top.op == "load":
                self.buffers.add(top.payload)
            elif top.op == "local":
                self.locals.add(top.payload)
            stack.extend(top.args)

    def pruned(self, body: Sequence[Statement]) -> list[Statement]:
        out: list[Statement] = []
        for statement in reversed(body):
            kept = self._pruned(statement)
            if kept is not None:
                self.read(roots(kept))
                out.append(kept)
        return out[::-1]

    def _pruned(self, statement: Statement) -> Statement | None:
        match statement:
            case Let(local=local):
                return statement if local in self.locals else None
            case Store(buffer=buffer) | Accumulate(buffer=buffer):
                return statement if self.of(buffer) else None
            case Reduce(axes=axes, parts=parts):
                used: list[Part] = [part for part in parts if part.local in self.locals]
                if len(used) == len(parts):
                    return statement
                return Reduce(axes, tuple(used)) if used else None
            case Loop(axis=axis, body=body, ordered=ordered):
                if ordered:  # a place may read what an earlier one stored
                    self.read([root for s in statements(body) for root in roots(s)])
                inner = self.pruned(body)
                if not inner:
                    return None
                return statement if _same(inner, body) else Loop(axis, tuple(inner), ordered)
            case Check():
                return statement


def _same(a: Sequence[Statement], b: Sequence[Statement]) -> bool:
    return len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))


def loads(values: Iterable[Scalar]) -> list[Scalar]:
    """The loads under ``values``, each once."""
    found: list[Scalar] = []
    seen: set[Scalar] = set()
    stack = list(values)
    while stack:
        top = stack.pop()
        if top in seen:
            continue
        seen.add(top)
        if top.op == "load":
            found.append(top)
        stack.extend(top.args)
    return found
