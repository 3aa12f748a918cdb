"""The built-in data of taggers: source code of the Python installation, each token with its role.

What a token is (a keyword, a number, a name) is often plain from its form, but what a name is, only the
syntax tree says: ``time`` is a module here, a parameter there, and an attribute or a method elsewhere.
"""

from __future__ import annotations

import ast
import hashlib
import io
import keyword
import os
import re
import sysconfig
import tokenize
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from chainrule.data.python_docs import python_sources
from chainrule.data.python_spans import Place, code_spans, span_tags
from chainrule.errors import DataError

_CONSTANTS = frozenset(["None", "True", "False"])
_SKIPPED = frozenset(
    (tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER)
)
_QUOTED = re.compile(r"""([A-Za-z]*)('''|\"\"\"|'|\")""")
_PUNCTUATION = frozenset("()[]{},:;.@") | {"->"}
# Longer lines are tables of data.
_MOST_TOKENS = 200
# From Python 3.12 on a formatted string comes in pieces.
_OPENS_STRING = {getattr(tokenize, name, -1) for name in ("FSTRING_START", "TSTRING_START")} - {-1}
_CLOSES_STRING = {getattr(tokenize, name, -1) for name in ("FSTRING_END", "TSTRING_END")} - {-1}


class Code(NamedTuple):
    """A module as sentences, its logical lines: the tokens' forms, their roles, and the spans' IOB2 tags."""

    name: str
    forms: list[list[str]]
    roles: list[list[str]]
    spans: list[list[str]]


def python_code(root: str | os.PathLike[str] | None = None, most: int = 200_000) -> list[Code]:
    """Modules of Python's standard library as tokens with their roles, about ``most`` tokens in all.

    Roles are keyword, constant, number, string, docstring, operator, assignment, unpacking, punctuation,
    and of names: module, imported, class, base, function, decorator, parameter, argument (the name before
    ``=`` in a call), type (in an annotation), exception, call, method, attribute, target (of an
    assignment) and variable.  Spans are those of :func:`chainrule.data.python_spans.code_spans`.  Comments
    are left out, and so is what stands in strings.  Modules are taken in the order of a hash of their names;
    nothing is imported or executed.  ``root`` is the folder of the standard library, by default that of the
    running Python.

    Errors: DataError if the installation has no readable source of its standard library.
    """
    folder = Path(sysconfig.get_path("stdlib") if root is None else root)
    mend = "pass --data with tagged sentences of your own"
    if not folder.is_dir():
        raise DataError("the standard library is not a folder of source files", path=folder, mend=mend)
    found: list[Code] = []
    tokens = 0
    for name, path in sorted(python_sources(folder), key=lambda item: _rank(item[0])):
        try:
            code = tagged_code(_source(path), name)
        except (SyntaxError, ValueError, OSError, RecursionError, tokenize.TokenError):
            continue  # a stray file that is no Python of this version
        if code.forms:
            found.append(code)
            tokens += sum(map(len, code.forms))
        if tokens >= most:
            break
    if not found:
        raise DataError("no source code in the standard library's folder", path=folder, mend=mend)
    return sorted(found)


def tagged_code(source: str, name: str = "") -> Code:
    """A source text's logical lines, each token with its role.

    Errors: SyntaxError, ValueError or tokenize.TokenError for what is no Python.

    >>> code = tagged_code("import time\\ndef wait(time: int):\\n    time.sleep(start)")
    >>> for line, roles in zip(code.forms, code.roles):
    ...     print(*(f"{form}/{role}" for form, role in zip(line, roles)))
    import/keyword time/module
    def/keyword wait/function (/punctuation time/parameter :/punctuation int/type )/punctuation :/punctuation
    time/variable ./punctuation sleep/method (/punctuation start/variable )/punctuation
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the parser says of escapes in others' strings is not news here
        tree = ast.parse(source)
    roles = _roles_of_names(tree)
    spans = code_spans(_nodes(tree))
    docstrings = _docstrings(tree)
    found = Code(name, [], [], [])
    for line in _logical_lines(source):
        if len(line) > _MOST_TOKENS:
            continue
        reader = _Roles(roles, docstrings)
        found.roles.append([reader.role(token) for token in line])
        found.forms.append([token.form for token in line])
        found.spans.append(_source_module(line) or span_tags(spans, [token.place for token in line]))
    return found


def code_tokens(line: str) -> list[str]:
    """The forms of the tokens of a line of Python, whole or not.

    >>> code_tokens("x = f('a b', 2)  # why")
    ['x', '=', 'f', '(', "'…'", ',', '2', ')']
    """
    found: list[str] = []
    try:
        tokens = (token.form for tokens in _logical_lines(line.strip()) for token in tokens)
        found += [form for form in tokens if form.strip()]
    except (SyntaxError, tokenize.TokenError, UnicodeError):  # not closed, or not even text
        found = re.findall(r"\w+|[^\w\s]", line)
    return found


# -- tokens ----------------------------------------------------------------------------------------


class _Token(NamedTuple):
    kind: int
    form: str
    place: Place


def _logical_lines(source: str) -> Iterator[list[_Token]]:
    """The tokens of each logical line; of a string only its quotes are kept."""
    line: list[_Token] = []
    inside = 0  # formatted strings that are open
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in _CLOSES_STRING:
            inside -= 1
        elif token.type in _OPENS_STRING:
            inside += 1
            if inside == 1:
                line.append(_Token(tokenize.STRING, _quoted(token.string), _place(token)))
        elif inside or token.type in _SKIPPED:
            continue
        elif token.type == tokenize.NEWLINE:
            if line:
                yield line
            line = []
        else:
            form = _quoted(token.string) if token.type == tokenize.STRING else token.string
            line.append(_Token(token.type, form, _place(token)))
    if line:
        yield line


def _source_module(line: list[_Token]) -> list[str] | None:
    """The tags of ``from module import …``, whose module has no place in the syntax tree; else None."""
    forms = [token.form for token in line]
    if forms[0] != "from" or "import" not in forms:
        return None
    count = forms.index("import") - 1
    return ["O", "B-module", *["I-module"] * (count - 1), *["O"] * (len(forms) - count - 1)]


def _quoted(text: str) -> str:
    match = _QUOTED.match(text)
    return f"{match[1]}{match[2]}…{match[2]}" if match else text


def _place(token: tokenize.TokenInfo) -> Place:
    row, column = token.start
    return row, column if token.line.isascii() else len(token.line[:column].encode())


class _Roles:
    """The roles of a logical line's tokens, one after the other."""

    def __init__(self, names: dict[Place, str], docstrings: set[Place]) -> None:
        self.names, self.docstrings = names, docstrings
        self.before = ""
        self.operand = False
        """Whether what stood before ends an operand, so that a * would multiply it."""
        self.statement = ""
        """``from`` or ``import`` within such a statement."""

    def role(self, token: _Token) -> str:
        form = token.form
        if self.before in ("", ";", ":") and form in ("from", "import"):
            self.statement = form
        elif form == "import" and self.statement == "from":
            self.statement = "from import"
        elif form == ";":
            self.statement = ""
        found = self._role(token)
        self.operand = form in (")", "]", "}") or found not in (
            "keyword", "operator", "assignment", "punctuation", "unpacking",
        )  # fmt: skip
        self.before = form
        return found

    def _role(self, token: _Token) -> str:
        if token.kind == tokenize.STRING:
            return "docstring" if token.place in self.docstrings else "string"
        if token.kind == tokenize.NUMBER:
            return "number"
        if token.kind == tokenize.NAME:
            return self._name(token)
        if token.form == "...":
            return "constant"
        if token.form in ("*", "**") and not self.operand:
            return "unpacking"
        if token.form in _PUNCTUATION and not (token.form == "@" and self.operand):
            return "punctuation"
        return "assignment" if _assigns(token.form) else "operator"

    def _name(self, token: _Token) -> str:
        form = token.form
        if form in _CONSTANTS:
            return "constant"
        if keyword.iskeyword(form):
            return "keyword"
        if self.before in ("def", "class"):
            return {"def": "function", "class": "class"}[self.before]
        if self.statement:
            return "target" if self.before == "as" else "imported" if " " in self.statement else "module"
        if token.place in self.names:
            return self.names[token.place]
        if keyword.issoftkeyword(form) and not self.before:
            return "keyword"
        return "target" if self.before == "as" else "variable"


def _assigns(form: str) -> bool:
    return form.endswith("=") and form not in ("==", "!=", "<=", ">=")


# -- the syntax tree -------------------------------------------------------------------------------


def _roles_of_names(tree: ast.Module) -> dict[Place, str]:
    """The role of each name, by its place: first what it is by itself, then what is made of it there."""
    nodes = list(_nodes(tree))
    roles: dict[Place, str] = {}
    for node in nodes:
        match node:
            case ast.Name(ctx=context):
                roles[_start(node)] = "variable" if isinstance(context, ast.Load) else "target"
            case ast.Attribute():
                roles[_name_place(node)] = "attribute"
            case ast.arg():
                roles[_start(node)] = "parameter"
            case ast.keyword(arg=str()):
                roles[_start(node)] = "argument"
    for node in nodes:
        match node:
            case ast.Call(func=ast.Name() as called):
                roles[_start(called)] = "call"
            case ast.Call(func=ast.Attribute() as called):
                roles[_name_place(called)] = "method"
    for node in nodes:
        for role, part in _parts(node):
            for name in ast.walk(part) if role == "type" else [part]:
                if isinstance(name, ast.Name | ast.Attribute):
                    roles[_name_place(name)] = role
    return roles


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those inside of formatted strings, which are one token here."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, ast.JoinedStr):
            yield node
            waiting.extend(ast.iter_child_nodes(node))


def _parts(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """What a statement makes of the expressions in it."""
    match node:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from (("decorator", _called(part)) for part in node.decorator_list)
    match node:
        case ast.ClassDef(bases=bases):
            yield from (("base", part) for part in bases)
        case ast.FunctionDef(returns=ast.expr() as part) | ast.AsyncFunctionDef(returns=ast.expr() as part):
            yield "type", part
        case ast.arg(annotation=ast.expr() as part) | ast.AnnAssign(annotation=part):
            yield "type", part
        case ast.Raise(exc=ast.expr() as part):
            yield "exception", _called(part)
        case ast.ExceptHandler(type=ast.Tuple(elts=parts)):
            yield from (("exception", part) for part in parts)
        case ast.ExceptHandler(type=ast.expr() as part):
            yield "exception", part


def _called(node: ast.expr) -> ast.expr:
    return node.func if isinstance(node, ast.Call) else node


def _start(node: ast.Name | ast.arg | ast.keyword) -> Place:
    return node.lineno, node.col_offset


def _name_place(node: ast.Name | ast.Attribute) -> Place:
    """Where the name itself begins, that of an attribute behind its dot."""
    if isinstance(node, ast.Name):
        return _start(node)
    assert node.end_lineno is not None  # the parser sets both
    assert node.end_col_offset is not None
    return node.end_lineno, node.end_col_offset - len(node.attr.encode())


def _docstrings(tree: ast.Module) -> set[Place]:
    """Where docstrings begin."""
    bodies: Iterable[list[ast.stmt]] = (
        node.body
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return {
        (body[0].lineno, body[0].col_offset)
        for body in bodies
        if body
        and isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Constant)
        and isinstance(body[0].value.value, str)
    }


def _source(path: Path) -> str:
    with tokenize.open(path) as stream:
        return stream.read()


def _rank(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=8).digest()
