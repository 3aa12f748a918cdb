"""A small language of its own to rewrite: interned nodes over integers, and what they are worth."""

from __future__ import annotations

from typing import Any, NamedTuple

from chainrule.rewrite import Language


class Term(NamedTuple):
    """A node; interning below makes equal ones the same object."""

    op: str
    inputs: tuple[Any, ...]
    value: int | None = None

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


_terms: dict[Any, Term] = {}


def term(op: str, *inputs: Term, value: int | None = None) -> Term:
    key = (op, tuple(map(id, inputs)), value)
    return _terms.setdefault(key, Term(op, inputs, value))


def number(value: int) -> Term:
    return term("number", value=value)


def show(found: Term) -> str:
    if not found.inputs:
        return str(found.value) if found.op == "number" else found.op
    return f"{found.op}({', '.join(map(show, found.inputs))})"


TERMS: Language[Term] = Language(
    op=lambda found: found.op,
    inputs=lambda found: found.inputs,
    rebuild=lambda found, inputs: term(found.op, *inputs, value=found.value),
    text=show,
)


def worth(root: Term, names: dict[str, int]) -> int:
    """What an expression comes to, without recursion."""
    values: dict[Term, int] = {}
    stack = [root]
    while stack:
        found = stack[-1]
        missing = [child for child in found.inputs if child not in values]
        if missing:
            stack += missing
            continue
        stack.pop()
        parts = [values[child] for child in found.inputs]
        if found.op == "number":
            assert found.value is not None
            values[found] = found.value
        elif not found.inputs:
            values[found] = names[found.op]
        elif found.op == "neg":
            values[found] = -parts[0]
        elif found.op == "add":
            values[found] = parts[0] + parts[1]
        else:
            assert found.op == "mul"
            values[found] = parts[0] * parts[1]
    return values[root]
