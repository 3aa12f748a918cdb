"""Spans of source code, as a reader would mark them: the parts of a line in brackets, each with its kind."""

from __future__ import annotations

import pytest

from chainrule.data import OUTSIDE, faults, spans_of
from chainrule.data.python_code import python_code, tagged_code
from chainrule.data.python_spans import KINDS


def marked(source: str) -> str:
    lines = []
    for forms, tags in zip(*tagged_code(source)[1::2], strict=True):
        words = list(forms)
        for span in spans_of(tags):
            words[span.start] = f"[{span.type}: {words[span.start]}"
            words[span.end - 1] += "]"
        lines.append(" ".join(words))
    return " | ".join(lines)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import os.path as p, sys", "import [module: os . path] as p , [module: sys]"),
        ("from . import a", "from [module: .] import a"),
        ("from .a.b import c as d", "from [module: . a . b] import c as d"),
        ("x = y = a.b.c(z)", "[target: x] = [target: y] = [call: a . b . c] ( [argument: z] )"),
        ("self.a[i] += 1", "[target: self . a [ i ]] += 1"),
        ("(a, b), c = d", "[target: ( a , b ) , c] = d"),
        ("f(x).a.close(1)", "[call: f] ( [argument: x] ) . [call: a . close] ( [argument: 1] )"),
        ("f(g(x))(1)", "[call: f] ( [argument: g ( x )] ) ( [argument: 1] )"),
        ("f(a, g(b, c), *d, k=e + 1)", "[call: f] ( [argument: a] , [argument: g ( b , c )] , "
         "[argument: * d] , k = [argument: e + 1] )"),
        ("a[0].b()", "a [ 0 ] . [call: b] ( )"),
        ("'x'.join(y)", "'…' . [call: join] ( [argument: y] )"),
        ("f(x)[g(y)] = 1", "[target: f ( x ) [ g ( y ) ]] = 1"),
        ("def f(a: dict[str, int] | None = None, *, b=g(1)) -> x.y: pass",
         "def f ( a : [type: dict [ str , int ] | None] = [default: None] , * , b = [default: g ( 1 )] ) "
         "-> [type: x . y] : pass"),
        ("class A(B[T], c.D, metaclass=M): x: int", "class A ( [base: B [ T ]] , [base: c . D] , "
         "metaclass = M ) : [target: x] : [type: int]"),
        ("@a.b(1)\n@c\ndef f(): pass",
         "@ [decorator: a . b] ( [argument: 1] ) | @ [decorator: c] | def f ( ) : pass"),
        ("raise a.E(x) from y", "raise [exception: a . E] ( [argument: x] ) from y"),
        ("try: pass\nexcept (A, b.C) as e: pass",
         "try : pass | except [exception: ( A , b . C )] as e : pass"),
        ("for i, j in z.items(): pass", "for [target: i , j] in [call: z . items] ( ) : pass"),
        ("[i async for i in z]", "[ i async for [target: i] in z ]"),
        ("with a() as (b, c), d: pass", "with [call: a] ( ) as [target: ( b , c )] , d : pass"),
        ("if (x := y): pass", "if ( [target: x] := y ) : pass"),
        ("größe.ä(x).ö.ü()", "[call: größe . ä] ( [argument: x] ) . [call: ö . ü] ( )"),
        ("f'{a(b)}'", "f'…'"),
        ("x", "x"),
    ],
)  # fmt: skip
def test_spans(source: str, expected: str) -> None:
    assert marked(source) == expected


def test_the_standard_library_has_spans_of_all_kinds_well_formed_and_of_many_lengths() -> None:
    lines = [tags for code in python_code(most=30_000) for tags in code.spans]
    assert not any(faults(tags) for tags in lines)
    spans = [span for tags in lines for span in spans_of(tags)]
    assert {span.type for span in spans} >= set(KINDS) - {"type", "decorator"}
    assert 0.2 < sum(span.end - span.start > 1 for span in spans) / len(spans) < 0.8
    assert any(tag == OUTSIDE for tags in lines for tag in tags)
