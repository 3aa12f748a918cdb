"""Spans in source code, read off the syntax tree: what is called, its arguments, targets, whole annotations.

Where a span begins and ends is seldom plain from its tokens: ``os.path.join`` is called as a whole, but of
``f(x).close`` only ``close``; an argument of ``f(a, g(b, c))`` is ``g(b, c)``, and there g is no span.
"""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

Place = tuple[int, int]
"""Line from 1, and bytes of UTF-8 before it: what ``ast`` counts."""

KINDS = ("type", "exception", "base", "decorator", "module", "target", "default", "argument", "call")
"""Of spans at the same place, the kind that stands first here counts."""


class CodeSpan(NamedTuple):
    """From the place ``start`` up to, not including, ``end``."""

    start: Place
    end: Place
    kind: str


def code_spans(nodes: Iterable[ast.AST]) -> list[CodeSpan]:
    """The spans of a syntax tree's nodes, in order and apart: of nested ones the outermost.

    They are annotations (``type``); what is raised or caught (``exception``); ``base`` classes; the names of
    ``decorator``\\ s; ``module``\\ s that are imported; each ``target`` of an assignment, a loop or a with
    statement; ``default`` values of parameters; the dotted name of what is called (``call``), and each
    ``argument``, without its keyword.

    >>> tree = ast.parse("x, y = np.zeros(f(3))")
    >>> [(span.start[1], span.end[1], span.kind) for span in code_spans(ast.walk(tree))]
    [(0, 4, 'target'), (7, 15, 'call'), (16, 20, 'argument')]
    """
    found = [span for node in nodes for span in _spans(node)]
    found.sort(key=lambda span: (span.start, _reversed(span.end), KINDS.index(span.kind)))
    apart: list[CodeSpan] = []
    for span in found:
        if not apart or span.start >= apart[-1].end:
            apart.append(span)
    return apart


def span_tags(spans: Sequence[CodeSpan], places: Sequence[Place]) -> list[str]:
    """The IOB2 tag of the token at each place; ``places`` are in order, and so are ``spans``.

    >>> span_tags([CodeSpan((1, 0), (1, 3), "call")], [(1, 0), (1, 1), (1, 2), (1, 3)])
    ['B-call', 'I-call', 'I-call', 'O']
    """
    starts = [span.start for span in spans]
    tags: list[str] = []
    before = -1
    for place in places:
        at = bisect_right(starts, place) - 1
        inside = at >= 0 and place < spans[at].end
        tags.append(f"{'I' if at == before else 'B'}-{spans[at].kind}" if inside else "O")
        before = at if inside else -1
    return tags


def _reversed(place: Place) -> Place:
    """Orders the other way round: of spans that begin together, the longest first."""
    return -place[0], -place[1]


def _spans(node: ast.AST) -> Iterator[CodeSpan]:
    for kind, part in _parts(node):
        yield CodeSpan(_start(part), _end(part), kind)
    for kind, part in _names(node):
        name = _dotted(part)
        if name is not None:
            yield CodeSpan(*name, kind)
    if isinstance(node, ast.Import):
        for alias in node.names:
            width = len(alias.name.encode())
            yield CodeSpan(
                (alias.lineno, alias.col_offset), (alias.lineno, alias.col_offset + width), "module"
            )


def _parts(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Expressions that are spans as a whole."""
    match node:
        case ast.arg(annotation=ast.expr() as part):
            yield "type", part
        case ast.AnnAssign(target=target, annotation=part):
            yield "target", target
            yield "type", part
        case ast.Assign(targets=targets):
            yield from (("target", target) for target in targets)
        case (
            ast.AugAssign(target=target)
            | ast.For(target=target)
            | ast.AsyncFor(target=target)
            | ast.comprehension(target=target)
            | ast.NamedExpr(target=target)
            | ast.withitem(optional_vars=ast.expr() as target)
        ):
            yield "target", target
        case ast.ClassDef(bases=bases):
            yield from (("base", part) for part in bases)
        case ast.FunctionDef(returns=ast.expr() as part) | ast.AsyncFunctionDef(returns=ast.expr() as part):
            yield "type", part
        case ast.arguments(defaults=defaults, kw_defaults=others):
            yield from (("default", part) for part in [*defaults, *others] if part is not None)
        case ast.ExceptHandler(type=ast.expr() as part):
            yield "exception", part
        case ast.Call(args=args, keywords=keywords):
            yield from (("argument", part) for part in args)
            yield from (("argument", keyword.value) for keyword in keywords)


def _names(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Expressions of which the dotted name is a span."""
    match node:
        case ast.Call(func=part):
            yield "call", part
        case ast.Raise(exc=ast.expr() as part):
            yield "exception", _called(part)
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from (("decorator", _called(part)) for part in node.decorator_list)


def _dotted(node: ast.expr) -> tuple[Place, Place] | None:
    """Where the dotted name at the end of an expression begins and ends; None where there is none."""
    lowest = node
    while isinstance(lowest, ast.Attribute) and isinstance(lowest.value, ast.Attribute | ast.Name):
        lowest = lowest.value
    if isinstance(lowest, ast.Name):
        return _start(lowest), _end(node)
    if isinstance(lowest, ast.Attribute):  # of what is no name: its own name begins behind the dot
        line, column = _end(lowest)
        return (line, column - len(lowest.attr.encode())), _end(node)
    return None


def _called(node: ast.expr) -> ast.expr:
    return node.func if isinstance(node, ast.Call) else node


def _start(node: ast.expr) -> Place:
    return node.lineno, node.col_offset


def _end(node: ast.expr) -> Place:
    assert node.end_lineno is not None  # the parser sets both
    assert node.end_col_offset is not None
    return node.end_lineno, node.end_col_offset
