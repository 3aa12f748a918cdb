from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import Document, python_docs, split_documents
from chainrule.errors import ArgumentError, DataError

LONG = "This is a paragraph about {} that goes on for long enough to be kept as a text. It has two sentences."


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A small standard library with everything that must and must not be read."""
    files = {
        "pydoc_data/topics.py": (
            f"import nonexistent_module\nother = {{'x': 1}}\n"
            f"topics = {{'plain': {LONG.format('plain words')!r},\n"
            f" 'joined': 'This is ' 'written in several pieces; ' + {LONG.format('joined things')!r},\n"
            f" 'raw': r'''{LONG.format('raw things')}''', 'called': str(1), **other, 5: 'five'}}\n"
        ),
        "alone.py": f'"""{LONG.format("a module")}"""\nraise SystemExit("executed")\n',
        "package/__init__.py": f'"""{LONG.format("a package")}"""\n',
        "package/inner.py": (
            f'class C:\n    """{LONG.format("a class")}"""\n'
            f'    async def m(self):\n        """{LONG.format("a method")}"""\n'
            f'        def hidden():\n            """{LONG.format("a hidden function")}"""\n'
            f'try:\n    pass\nexcept OSError:\n    def f():\n        """{LONG.format("a function")}"""\n'
        ),
        "twice.py": f'"""{LONG.format("A PACKAGE")}\n\n{LONG.format("something else")}"""\n',
        "latin.py": b'# -*- coding: latin-1 -*-\n"""' + LONG.format("caf\xe9").encode("latin-1") + b'"""\n',
        "escape.py": f'"""{LONG.format("escapes")} The mark is \\d of it."""\n',
        "short.py": '"""Too short to be a document."""\n',
        "broken.py": f'"""{LONG.format("broken syntax")}"""\nprint "old"\n',
        "null.py": b'"""x"""\0',
        "test/test_it.py": f'"""{LONG.format("a test")}"""\n',
        "site-packages/other.py": f'"""{LONG.format("a package of others")}"""\n',
        "config-3.11-x86/python-config.py": f'"""{LONG.format("a tool")}"""\n',
        "notes.txt": LONG.format("a text file"),
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return tmp_path


def test_reads_topics_and_docstrings_and_nothing_else(library: Path) -> None:
    documents = {d.name: d.text for d in python_docs(library)}
    assert list(documents) == [
        "module:alone",
        "module:escape",
        "module:latin",
        "module:package",
        "module:package.inner",
        "module:twice",
        "topic:joined",
        "topic:plain",
        "topic:raw",
    ]
    assert documents["topic:plain"] == LONG.format("plain words")
    assert documents["topic:joined"].startswith("This is written in several pieces; This")
    assert re.findall(r"about a (\w+)", documents["module:package.inner"]) == ["class", "method", "function"]
    assert "café" in documents["module:latin"]


def test_a_shared_paragraph_stays_in_the_shortest_document(library: Path) -> None:
    documents = {d.name: d.text for d in python_docs(library)}
    assert documents["module:package"] == LONG.format("a package")
    assert documents["module:twice"] == LONG.format("something else")


def test_the_running_installation() -> None:
    modules = set(sys.modules)
    documents = python_docs()
    assert "pydoc_data.topics" not in set(sys.modules) - modules
    names = [d.name for d in documents]
    assert names == sorted(set(names))
    assert {"module:argparse", "module:email.message", "module:json.decoder"} <= set(names)
    assert not any(part in ("test", "tests", "idlelib") for n in names for part in n.split(":")[1].split("."))
    text = "\n\n".join(d.text for d in documents)
    words = len(text.split())
    assert words > 100_000
    assert not re.search(r"^(>>>|\w+ *::=|-{3,}|={3,})", text, re.MULTILINE)
    # English: the commonest words of any English text are the commonest here.
    assert sum(w in {"the", "a", "of", "to", "is", "in", "and"} for w in text.lower().split()) > 0.15 * words
    paragraphs = [p.lower() for p in text.split("\n\n")]
    assert len(set(paragraphs)) == len(paragraphs)
    assert not any("\n" in p for p in paragraphs)
    assert python_docs() == documents


@pytest.mark.parametrize("there", ["nothing", "no sources", "a zip file"])
def test_an_installation_without_sources_says_what_to_do(tmp_path: Path, there: str) -> None:
    root = tmp_path / "python311.zip"
    if there == "no sources":
        root.mkdir()
        (root / "os.pyc").write_bytes(b"")
    elif there == "a zip file":
        root.write_bytes(b"PK")
    with pytest.raises(DataError, match="--data") as caught:
        python_docs(root)
    assert caught.value.path == root


NAMES = st.lists(st.text(max_size=6), unique=True, max_size=40)


@settings(deadline=None, max_examples=50)
@given(NAMES, st.integers(0, 5))
def test_every_document_falls_into_one_part_that_depends_on_its_name_alone(
    names: list[str], seed: int
) -> None:
    documents = [Document(n, "text") for n in names]
    parts = split_documents(documents, seed)
    assert sorted(d for p in parts for d in p) == sorted(documents)
    for i, part in enumerate(parts):
        for document in part:
            assert split_documents([document], seed)[i] == [document]


def test_shares_and_seeds() -> None:
    documents = [Document(f"module:m{i}", "") for i in range(20_000)]
    train, validation, test = split_documents(documents, seed=1, fractions=(0.7, 0.2, 0.1))
    assert [round(len(p) / 20_000, 2) for p in (train, validation, test)] == [0.7, 0.2, 0.1]
    assert split_documents(documents, seed=2)[0] != split_documents(documents, seed=1)[0]
    assert [len(p) for p in split_documents(documents, 0, (0, 1, 0))] == [0, 20_000, 0]


def test_the_split_is_the_same_on_every_platform() -> None:
    import hashlib

    for name in ("topic:lambda", "module:json"):
        digest = hashlib.blake2b(f"0:{name}".encode(), digest_size=8).hexdigest()
        expected = 0 if int(digest, 16) < 0.8 * 2**64 else 1 if int(digest, 16) < 0.9 * 2**64 else 2
        assert len(split_documents([Document(name, "")])[expected]) == 1


@pytest.mark.parametrize("fractions", [(), (0.5, 0.4), (1.2, -0.2)])
def test_fractions_that_are_no_shares(fractions: tuple[float, ...]) -> None:
    with pytest.raises(ArgumentError, match="not shares of 1"):
        split_documents([], 0, fractions)
