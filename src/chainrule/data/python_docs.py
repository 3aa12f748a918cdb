"""The built-in corpus: the English of the Python installation that runs this program."""

from __future__ import annotations

import ast
import hashlib
import itertools
import math
import os
import re
import sysconfig
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from chainrule.data.prose import prose
from chainrule.errors import ArgumentError, DataError

# Folders of the standard library that hold tests, other people's packages, or a program's own texts.
_LEFT_OUT = frozenset(
    str.split(
        "test tests idlelib idle_test site-packages dist-packages __pycache__ turtledemo _bundled pydoc_data"
    )
)
_MEND = "pass --data with a text file of your own"
_FEWEST_WORDS = 20


class Document(NamedTuple):
    """A named text; paragraphs are separated by a blank line, each on one line."""

    name: str
    text: str


def python_docs(root: str | os.PathLike[str] | None = None) -> list[Document]:
    """The documentation that comes with Python, as prose: a document for each topic and each module.

    Topics (``topic:lambda``) are those of ``pydoc``; a module's document (``module:json.decoder``) has
    the docstrings of the module, its classes, their methods and its functions.  Source files are parsed
    with ``ast``; nothing is imported or executed.  A paragraph that several documents share (but for
    case, digits and punctuation) stays in the shortest of them only, so that documents set apart for
    testing hold no text of the others.  Ordered by name.  ``root`` is the folder of the standard
    library, by default that of the running Python.

    Errors: DataError if the installation has no readable source of its standard library.
    """
    folder = Path(sysconfig.get_path("stdlib") if root is None else root)
    if not folder.is_dir():
        raise DataError("the standard library is not a folder of source files", path=folder, mend=_MEND)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the parser says of escapes in others' strings is not news here
        texts = dict(itertools.chain(_topics(folder / "pydoc_data" / "topics.py"), _modules(folder)))
    documents = _without_repeats({name: prose(text) for name, text in texts.items()})
    if not documents:
        raise DataError("no documentation in the standard library's sources", path=folder, mend=_MEND)
    return documents


def split_documents(
    documents: Sequence[Document], seed: int = 0, fractions: Sequence[float] = (0.8, 0.1, 0.1)
) -> tuple[list[Document], ...]:
    """Deal documents out to parts of about the given shares of their number, by a hash of seed and name.

    A name always falls into the same part, whatever other documents there are: the parts of two
    Python versions differ only where their texts do.

    Errors: ArgumentError for fractions that are negative or do not sum to 1.

    >>> train, validation, test = split_documents([Document(f"topic:{i}", "") for i in range(100)])
    >>> len(train) + len(validation) + len(test)
    100
    """
    if not fractions or min(fractions) < 0 or not math.isclose(sum(fractions), 1.0):
        raise ArgumentError(
            f"fractions {tuple(fractions)} are not shares of 1", mend="for example (0.8, 0.1, 0.1)"
        )
    bounds = list(itertools.accumulate(fractions))[:-1]
    parts: tuple[list[Document], ...] = tuple([] for _ in fractions)
    for document in documents:
        digest = hashlib.blake2b(f"{seed}:{document.name}".encode(), digest_size=8).digest()
        place = int.from_bytes(digest, "big") / 2**64
        parts[sum(place >= bound for bound in bounds)].append(document)
    return parts


def _topics(path: Path) -> Iterator[tuple[str, str]]:
    """The entries of the dictionary ``topics`` in pydoc's file, none if the installation lacks it."""
    if not path.is_file():
        return
    for statement in _parse(path).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="topics")], value=ast.Dict() as table):
                pass
            case ast.AnnAssign(target=ast.Name(id="topics"), value=ast.Dict() as table):
                pass
            case _:
                continue
        for key, value in zip(table.keys, table.values, strict=True):
            name, text = (None if node is None else _string(node) for node in (key, value))
            if name is not None and text is not None:
                yield f"topic:{name}", text


def _string(node: ast.expr) -> str | None:
    """The string that an expression of literals stands for: one, or several added up."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            first, second = _string(left), _string(right)
            return None if first is None or second is None else first + second
    return None


def python_sources(root: Path) -> Iterator[tuple[str, Path]]:
    """The dotted name and the file of every module below ``root``, tests and others' packages aside."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if f.isidentifier() and f not in _LEFT_OUT)
        package = Path(folder).relative_to(root).parts
        for file in sorted(files):
            stem, extension = os.path.splitext(file)
            if extension == ".py" and stem.isidentifier() and not stem.startswith("_sysconfigdata"):
                yield ".".join(package if stem == "__init__" else (*package, stem)), Path(folder, file)


def _modules(root: Path) -> Iterator[tuple[str, str]]:
    """The docstrings of every module below ``root``, those of one module joined."""
    for name, path in python_sources(root):
        try:
            tree = _parse(path)
        except DataError:
            continue  # a stray file that is no Python of this version has no docstrings to give
        yield f"module:{name}", "\n\n".join(_docstrings(tree))


def _docstrings(tree: ast.Module) -> Iterator[str]:
    """Docstrings in the order of the source; not those of functions within functions."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if text := ast.get_docstring(node):
                yield text
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
        inner = (getattr(node, field, ()) for field in ("body", "handlers", "orelse", "finalbody"))
        below = [n for part in inner for n in part if isinstance(n, ast.stmt | ast.excepthandler)]
        waiting.extend(reversed(below))


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError, OSError, RecursionError) as error:
        raise DataError(f"cannot be read as Python: {error}", path=path, mend=_MEND) from error


_NO_LETTERS = re.compile(r"[\W\d_]+")


def _without_repeats(paragraphs: dict[str, list[str]]) -> list[Document]:
    """Keep each paragraph once, in the shortest document that has it; drop documents with next to nothing."""
    seen: set[str] = set()
    kept: list[Document] = []
    for name in sorted(paragraphs, key=lambda n: (sum(map(len, paragraphs[n])), n)):
        own: list[str] = []
        for paragraph in paragraphs[name]:
            letters = _NO_LETTERS.sub(" ", paragraph.lower())
            if letters not in seen:
                seen.add(letters)
                own.append(paragraph)
        if sum(len(p.split()) for p in own) >= _FEWEST_WORDS:
            kept.append(Document(name, "\n\n".join(own)))
    return sorted(kept)
