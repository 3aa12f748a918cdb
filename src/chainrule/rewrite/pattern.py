"""Patterns: what a rule's left side looks like, as data.

A pattern says which op a node has, what its inputs look like, and a question asked of the node itself.
Names capture nodes; a name that stands twice means the same node twice.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .language import Language

Bindings = dict[str, Any]
Ops = frozenset[Hashable]


@dataclass(frozen=True)
class Pattern:
    """One node of a left side; see :func:`node` and :func:`anything`, which write it shorter."""

    ops: Ops | None = None
    """The ops it may have; None for any."""
    inputs: tuple[Pattern, ...] | None = None
    """What its inputs look like; None where they do not matter one by one."""
    name: str | None = None
    """What the node is called in the rule's right side."""
    when: Callable[[Any], bool] | None = None
    """What must hold of the node."""
    commutes: bool = False
    """Whether two inputs may also stand the other way round."""
    every: Ops | None = None
    """The ops that all inputs must be of, of which there is at least one."""
    some: Ops | None = None
    """The ops that at least one input must be of."""

    @cached_property
    def is_a_name(self) -> bool:
        """Whether it asks nothing of the node but which one it is."""
        return all(ask is None for ask in (self.ops, self.inputs, self.when, self.every, self.some))

    def admits(self, op: Hashable, inputs: Sequence[Hashable]) -> bool:
        """Whether a node of this op, on nodes of those ops, could match: what can be known so far."""
        if self.ops is not None and op not in self.ops:
            return False
        if self.every is not None and not (inputs and all(kind in self.every for kind in inputs)):
            return False
        if self.some is not None and not any(kind in self.some for kind in inputs):
            return False
        if self.inputs is None:
            return True
        if len(inputs) != len(self.inputs):
            return False
        wanted = [part.ops for part in self.inputs]
        orders = [list(inputs), list(inputs)[::-1]] if self.commutes else [list(inputs)]
        return any(
            all(ops is None or kind in ops for ops, kind in zip(wanted, order, strict=True))
            for order in orders
        )


def anything(
    name: str | None = None,
    when: Callable[[Any], bool] | None = None,
    *,
    every: Sequence[Hashable] | None = None,
    some: Sequence[Hashable] | None = None,
) -> Pattern:
    """Any node, captured under ``name``, of which ``when`` holds, and on inputs of these ops."""
    return Pattern(
        name=name,
        when=when,
        every=None if every is None else frozenset(every),
        some=None if some is None else frozenset(some),
    )


def node(
    ops: Hashable | Sequence[Hashable],
    *inputs: Pattern | str,
    name: str | None = None,
    when: Callable[[Any], bool] | None = None,
    commutes: bool = False,
) -> Pattern:
    """A node of one of ``ops`` with these inputs, in order; a plain string captures whatever stands there.

    Without inputs given, it may have any.

    >>> node("add", "x", node("neg", "y")).inputs[1].ops
    frozenset({'neg'})
    """
    parts = tuple([Pattern(name=part) if isinstance(part, str) else part for part in inputs])
    kinds = frozenset(ops if isinstance(ops, list | tuple) else [ops])
    return Pattern(kinds, parts or None, name, when, commutes)


def matches(
    pattern: Pattern, found: Any, language: Language[Any], bound: Bindings | None = None
) -> Iterator[Bindings]:
    """Every way in which ``pattern`` matches the node ``found``: what its names capture.

    The search is as deep as the pattern, never as the expression.
    """
    bound = {} if bound is None else bound
    if pattern.ops is not None and language.op(found) not in pattern.ops:
        return
    if pattern.name is not None:
        standing = bound.get(pattern.name)
        if standing is None:
            bound = {**bound, pattern.name: found}
        elif standing is not found:
            return
    if pattern.every is not None or pattern.some is not None:
        kinds = [language.op(child) for child in language.inputs(found)]
        if not pattern.admits(language.op(found), kinds):
            return
    if pattern.when is not None and not pattern.when(found):
        return
    if pattern.inputs is None:
        yield bound
        return
    inputs = tuple(language.inputs(found))
    if len(inputs) != len(pattern.inputs):
        return
    yield from _in_order(pattern.inputs, inputs, language, bound)
    if pattern.commutes and inputs[0] is not inputs[1]:
        yield from _in_order(pattern.inputs, inputs[::-1], language, bound)


def _in_order(
    patterns: tuple[Pattern, ...], inputs: tuple[Any, ...], language: Language[Any], bound: Bindings
) -> Iterator[Bindings]:
    if not patterns:
        yield bound
        return
    first, found = patterns[0], inputs[0]
    if first.is_a_name:
        standing = bound.get(first.name or "")
        if standing is None:
            bound = bound if first.name is None else {**bound, first.name: found}
        elif standing is not found:
            return
        yield from _in_order(patterns[1:], inputs[1:], language, bound)
        return
    for partial in matches(first, found, language, bound):
        yield from _in_order(patterns[1:], inputs[1:], language, partial)
