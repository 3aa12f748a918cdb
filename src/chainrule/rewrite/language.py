"""What the engine must know of the expressions it rewrites: five functions."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

N = TypeVar("N")


def _no_scope(node: Any, rule: str) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True)
class Language(Generic[N]):
    """Expressions of immutable, interned nodes: equal structure is the same object.

    - ``op(node)``: what kind of node it is, a string or any other key;
    - ``inputs(node)``: the nodes it is made of, in order;
    - ``rebuild(node, inputs)``: the same kind of node on other inputs;
    - ``text(node)``: a line that shows it to a person, for the journal;
    - ``scope(node, rule)``: entered while a rule builds what takes the place of ``node``.
    """

    op: Callable[[N], Hashable]
    inputs: Callable[[N], Sequence[N]]
    rebuild: Callable[[N, tuple[N, ...]], N]
    text: Callable[[N], str] = repr
    scope: Callable[[N, str], AbstractContextManager[Any]] = _no_scope
