"""Roles of tokens, as the syntax tree has them, in lines whose roles are plain to a reader."""

from __future__ import annotations

from collections import Counter

import pytest

from chainrule.data.python_code import Code, code_tokens, python_code, tagged_code
from chainrule.errors import DataError


def roles(source: str) -> dict[str, str]:
    """The role of each form, of the last one where it stands there several times."""
    code = tagged_code(source)
    return {
        form: role
        for line, of_line in zip(code.forms, code.roles, strict=True)
        for form, role in zip(line, of_line, strict=True)
    }


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import os.path as p, sys", {"os": "module", "path": "module", "p": "target", "sys": "module"}),
        ("from a.b import c as d, e", {"a": "module", "b": "module", "c": "imported", "d": "target",
                                       "e": "imported"}),
        ("x = f(y, key=z)", {"x": "target", "f": "call", "y": "variable", "key": "argument",
                             "z": "variable"}),
        ("a.b.c(d).e = 1", {"a": "variable", "b": "attribute", "c": "method", "e": "attribute"}),
        ("class A(B, c.D, metaclass=M): pass", {"A": "class", "B": "base", "c": "variable", "D": "base",
                                                "metaclass": "argument", "M": "variable"}),
        ("async def f(a, *b, c: int = 1, **d) -> e.F: pass", {"f": "function", "a": "parameter",
            "b": "parameter", "c": "parameter", "int": "type", "d": "parameter", "F": "type",
            "*": "unpacking", "**": "unpacking", "->": "punctuation"}),
        ("@a.b(1)\n@c\ndef f(): pass", {"a": "variable", "b": "decorator", "c": "decorator",
                                        "@": "punctuation"}),
        ("raise E(x) from y", {"E": "exception", "x": "variable", "y": "variable", "from": "keyword"}),
        ("try: pass\nexcept (A, b.C) as e: pass", {"A": "exception", "C": "exception", "e": "target"}),
        ("x: List[int] = y", {"x": "target", "List": "type", "int": "type", "y": "variable"}),
        ("for i in range(n): yield i", {"i": "variable", "range": "call", "in": "keyword"}),
        ("a = b @ c * d ** e", {"@": "operator", "*": "operator", "**": "operator"}),
        ("f(*a, **b)", {"*": "unpacking", "**": "unpacking"}),
        ("a @= b if c != d else -e", {"@=": "assignment", "!=": "operator", "-": "operator"}),
        ("(x := y) == ...", {":=": "assignment", "x": "target", "==": "operator", "...": "constant"}),
        ("x = None", {"None": "constant"}),
        ("match x:\n  case A(): pass", {"match": "keyword", "case": "keyword", "x": "variable"}),
        ("match = case(1)", {"match": "target", "case": "call"}),
        ("with open(p) as q: pass", {"open": "call", "q": "target"}),
        ("x = 1; import y", {"y": "module", "x": "target"}),
        ("größe.ähnlich(straße.öl)", {"größe": "variable", "ähnlich": "method", "straße": "variable",
                                      "öl": "attribute"}),
        ("f'{a!r:>{b}} {c}' 'd'", {"f'…'": "string", "'…'": "string"}),
        ("lambda a: a", {"a": "variable"}),
        ("print(1.5j)", {"1.5j": "number"}),
    ],
)  # fmt: skip
def test_roles(source, expected):
    found = roles(source)
    assert {form: found[form] for form in expected} == expected


def test_docstrings_are_told_from_other_strings():
    code = tagged_code('"""Of the module."""\ndef f():\n    r"""Of f."""\n    "not one"\n    return "a"')
    strings = [
        (form, role)
        for line, of_line in zip(code.forms, code.roles, strict=True)
        for form, role in zip(line, of_line, strict=True)
        if "…" in form
    ]
    assert strings == [
        ('"""…"""', "docstring"), ('r"""…"""', "docstring"), ('"…"', "string"), ('"…"', "string"),
    ]  # fmt: skip


def test_a_sentence_is_a_logical_line_without_its_comments():
    code = tagged_code("x = [1,  # one\n     2]\n\n# nothing\nif x:\n    pass\n")
    assert [" ".join(line) for line in code.forms] == ["x = [ 1 , 2 ]", "if x :", "pass"]


def test_tables_of_data_are_left_out():
    assert tagged_code(f"x = [{'1, ' * 500}]\ny = 2").forms == [["y", "=", "2"]]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x = f('a b', 2)  # why", ["x", "=", "f", "(", "'…'", ",", "2", ")"]),
        ("  indented", ["indented"]),
        ("f(a, b", ["f", "(", "a", ",", "b"]),
        ("it's open", ["it", "'", "s", "open"]),
        ("", []),
        ("   ", []),
        ("§ ?", ["§", "?"]),
        ("x\udcff = 1", ["x", "\udcff", "=", "1"]),  # bytes that are no text
    ],
)
def test_tokens_of_a_line(line, expected):
    assert code_tokens(line) == expected


def test_the_standard_library_has_them_all():
    modules = python_code(most=5_000)
    assert all(isinstance(module, Code) for module in modules)
    assert [module.name for module in modules] == sorted(module.name for module in modules)
    count = Counter(role for module in modules for line in module.roles for role in line)
    assert 5_000 <= count.total() < 40_000
    assert {"variable", "attribute", "method", "parameter", "keyword", "string", "docstring"} <= set(count)
    for module in modules:
        assert list(map(len, module.forms)) == list(map(len, module.roles))
        assert all(module.forms)
    assert python_code(most=5_000) == modules


def test_a_folder_of_modules_and_one_that_is_no_python(tmp_path):
    (tmp_path / "good.py").write_text("x = 1\n")
    (tmp_path / "bad.py").write_text("x = = 1\n")
    (tmp_path / "latin.py").write_bytes("# coding: latin-1\né = 1\n".encode("latin-1"))
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_x.py").write_text("y = 1\n")
    assert [(module.name, module.forms) for module in python_code(tmp_path)] == [
        ("good", [["x", "=", "1"]]),
        ("latin", [["é", "=", "1"]]),
    ]


def test_no_source_at_all(tmp_path):
    with pytest.raises(DataError, match="no source code"):
        python_code(tmp_path)
    with pytest.raises(DataError, match="not a folder"):
        python_code(tmp_path / "nowhere")
