"""Text for language models: where it comes from, how it is cut into tokens, how it is split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..data import (
    CharacterTokenizer,
    Document,
    Tokenizer,
    WordTokenizer,
    python_docs,
    read_lines,
    split_documents,
    split_sentences,
)
from ..errors import ConfigurationError, DataError
from ..train.configuration import Options

END = "</s>"
"""Ends every sentence, and is predicted like a word."""
PYTHON_DOCS = "python-docs"

_ROLES = {"train": ("train",), "validation": ("valid", "dev"), "test": ("test",)}


class TextOptions(Options):
    """How text is read."""

    source: str = PYTHON_DOCS
    """``python-docs``, a text file, or a folder of them."""
    tokens: Literal["words", "spaces", "characters"] = "words"
    """``words`` separates punctuation; ``spaces`` takes a tokenised text as it is."""
    lower: bool = True
    numbers: bool = False
    """Keep numbers apart; otherwise all are one token."""
    encoding: str = "utf-8"
    min_count: int = 3
    """Words seen less often in training are unknown."""
    max_size: int = 0
    """The largest vocabulary; 0 sets no limit."""


@dataclass(frozen=True)
class Corpus:
    """Documents as lists of tokens, in three parts."""

    name: str
    train: list[list[str]]
    validation: list[list[str]]
    test: list[list[str]]


def make_tokenizer(options: TextOptions) -> Tokenizer:
    """The tokenizer that the options describe; ``spaces`` needs none."""
    if options.tokens == "characters":
        return CharacterTokenizer(lower=options.lower)
    return WordTokenizer(lower=options.lower, number=None if options.numbers else "<number>")


def tokenise(text: str, options: TextOptions) -> list[str]:
    """The tokens of one sentence or line, without its end."""
    return text.split() if options.tokens == "spaces" else make_tokenizer(options).tokenize(text)


def read_corpus(options: TextOptions) -> Corpus:
    """The corpus that ``options.source`` names, tokenised and split.

    A folder whose files' names say train, valid (or dev) and test is taken as split; otherwise each
    file is a document.  A single file is cut at blank lines.  Documents go to the three parts by a
    hash of their names, so the split is the same everywhere.

    Raises ``DataError`` where there is nothing to read, or too little to split.
    """
    if options.source == PYTHON_DOCS:
        return _split(PYTHON_DOCS, python_docs(), options)
    path = Path(options.source)
    if path.is_dir():
        return _read_folder(path, options)
    if not path.exists():
        raise DataError(
            "no such file, folder or named source", path=path, mend=f"name a text file, or {PYTHON_DOCS}"
        )
    return _split(path.name, _paragraphs(path, options), options)


def _read_folder(folder: Path, options: TextOptions) -> Corpus:
    files = sorted(item for item in folder.iterdir() if item.is_file() and _is_text(item))
    if not files:
        raise DataError(
            "the folder holds no text files", path=folder, mend="expected *.txt, *.tokens or *.txt.gz"
        )
    roles: dict[str, list[Path]] = {role: [] for role in _ROLES}
    for file in files:
        for role, words in _ROLES.items():
            if any(word in file.name.lower() for word in words):
                roles[role].append(file)
    if all(len(found) == 1 for found in roles.values()):
        parts = {
            role: [_line_tokens(read_lines(found[0], encoding=options.encoding), options)]
            for role, found in roles.items()
        }
        return Corpus(folder.name, **parts)
    documents = [
        Document(file.name, "\n".join(read_lines(file, encoding=options.encoding))) for file in files
    ]
    return _split(folder.name, documents, options)


def _is_text(path: Path) -> bool:
    name = path.name.lower().removesuffix(".gz")
    return name.endswith((".txt", ".tokens", ".text")) and not name.startswith((".", "readme", "license"))


def _paragraphs(path: Path, options: TextOptions) -> list[Document]:
    """The blocks between blank lines; a file without any is cut every twenty lines."""
    blocks: list[list[str]] = [[]]
    lines = list(read_lines(path, encoding=options.encoding))
    sparse = sum(not line.strip() for line in lines) < 10
    for number, line in enumerate(lines):
        if (sparse and number % 20 == 0) or (not sparse and not line.strip()):
            blocks.append([])
        if line.strip():
            blocks[-1].append(line)
    return [Document(f"{path.name}:{index}", "\n".join(block)) for index, block in enumerate(blocks) if block]


def _line_tokens(lines: Sequence[str], options: TextOptions) -> list[str]:
    return [token for line in lines for token in (*tokenise(line, options), END)]


def document_tokens(document: Document, options: TextOptions) -> list[str]:
    """A document's tokens, each sentence (or each line, where tokens stand apart) with its end."""
    if options.tokens == "words":
        return _line_tokens(split_sentences(document.text), options)
    return _line_tokens(document.text.splitlines(), options)


def _split(name: str, documents: Sequence[Document], options: TextOptions) -> Corpus:
    parts = [
        [tokens for document in part if (tokens := document_tokens(document, options))]
        for part in split_documents(documents, seed=0)
    ]
    if not all(parts):
        raise DataError(
            f"{len(documents)} piece(s) of text cannot be split into train, validation and test",
            path=name,
            mend="give a longer text, or a folder with files named train, valid and test",
        )
    return Corpus(name, *parts)


def check_options(options: TextOptions) -> None:
    """Raise for values that no type excludes."""
    if options.min_count < 1 or options.max_size < 0:
        raise ConfigurationError("data.min_count is at least 1 and data.max_size at least 0")
