"""Text for language models: where it comes from, how it is cut into tokens, how it is split."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..data import (
    DETECT,
    CharacterTokenizer,
    Document,
    Tokenizer,
    WordTokenizer,
    data_files,
    python_docs,
    read_text,
    split_documents,
    split_sentences,
)
from ..data.parts import PARTS, by_part
from ..data.sources import aloud, located
from ..errors import ConfigurationError, DataError
from ..train.configuration import Count, Options, Whole
from .task import Say

END = "</s>"
"""Ends every sentence (or line), and is predicted like a word."""
PYTHON_DOCS = "python-docs"

SUFFIXES = (".txt", ".tokens", ".text")
_ENOUGH = 30  # pieces that can be dealt out to three parts
_HELD_OUT = 20  # of a text that comes without a test part, one line in so many is held out
_LINES, _WORDS = 20, 400  # the length of a piece where nothing in the text says where to cut


class TextOptions(Options):
    """How text is read."""

    source: str = PYTHON_DOCS
    """``python-docs``, a text file, a folder of them, or a named source."""
    tokens: Literal["words", "spaces", "characters"] = "words"
    """``words`` finds sentences and separates punctuation; the others take each line as it is, split at
    ``spaces`` or into ``characters``."""
    lower: bool = True
    numbers: bool = False
    """Keep numbers apart; otherwise all are one token (among ``words``)."""
    encoding: str = "utf-8"
    """A name such as ``latin-1``, or ``detect``."""
    min_count: Count = 3
    """Words seen less often in training are unknown."""
    max_size: Whole = 0
    """The largest vocabulary; 0 sets no limit."""


@dataclass(frozen=True)
class Corpus:
    """Documents as lists of tokens, in three parts."""

    name: str
    train: list[list[str]]
    validation: list[list[str]]
    test: list[list[str]]
    note: str = ""
    """What to know of the split, if anything."""


@dataclass(frozen=True)
class SpaceTokenizer:
    """What stands between spaces is a token.

    >>> SpaceTokenizer(lower=True).tokenize("The <unk> isn't  N")
    ['the', '<unk>', "isn't", 'n']
    """

    lower: bool = False

    def tokenize(self, text: str) -> list[str]:
        return (text.lower() if self.lower else text).split()

    def detokenize(self, tokens: Iterable[str]) -> str:
        return " ".join(tokens)


def make_tokenizer(options: TextOptions) -> Tokenizer:
    """The tokenizer that the options describe."""
    if options.tokens == "characters":
        return CharacterTokenizer(lower=options.lower)
    if options.tokens == "spaces":
        return SpaceTokenizer(lower=options.lower)
    return WordTokenizer(lower=options.lower, number=None if options.numbers else "<number>")


def tokenise(text: str, options: TextOptions) -> list[str]:
    """The tokens of a text, each of its sentences (or lines) with its end.

    >>> tokenise("It rains. We stay\\nin.", TextOptions())
    ['it', 'rains', '.', '</s>', 'we', 'stay', 'in', '.', '</s>']
    >>> tokenise("It rains. We stay\\nin.", TextOptions(tokens="spaces", lower=False))
    ['It', 'rains.', 'We', 'stay', '</s>', 'in.', '</s>']
    """
    tokenizer = make_tokenizer(options)
    sentences = split_sentences(text) if options.tokens == "words" else text.split("\n")
    return [token for sentence in sentences for token in (*tokenizer.tokenize(sentence), END)]


def detokenise(tokens: Iterable[str], options: TextOptions) -> str:
    """A text that reads well and has these tokens; what :func:`tokenise` took apart, as far as it can be.

    >>> detokenise(["it", "rains", ".", "</s>", "we", "stay", "."], TextOptions())
    'it rains. we stay.'
    """
    sentences: list[list[str]] = [[]]
    for token in tokens:
        if token == END:
            sentences.append([])
        else:
            sentences[-1].append(token)
    tokenizer = make_tokenizer(options)
    if options.tokens == "words":
        return " ".join(tokenizer.detokenize(sentence) for sentence in sentences if sentence)
    return "\n".join(map(tokenizer.detokenize, sentences)).strip("\n")


def read_corpus(options: TextOptions, say: Say = aloud) -> Corpus:
    """The corpus that ``options.source`` names, tokenised and split.

    A folder whose files' names say train, valid (or validation, val, dev) and test is taken as split,
    other files aside.  Where none says test, that for validation is the test, and what is chosen is chosen
    on the last twentieth of the lines for training.  Otherwise each file is a document; fewer than thirty
    are cut at blank lines, or, where those are few, at every so many lines or words.  What is not split
    yet goes to the three parts by a hash of the documents' names, so the split is the same everywhere.

    Raises ``DataError`` where there is nothing to read, or too little to split.
    """
    source = _read(options, say)
    parts = source.parts or split_documents(source.documents, seed=0)
    tokens = [_token_lists(part, options) for part in parts]
    for name, found in zip(PARTS, tokens, strict=True):
        if not found:
            raise DataError(
                f"there is no text to {name if name != 'validation' else 'validate'} on"
                + ("" if source.parts else f": {len(source.documents)} piece(s) were dealt out"),
                path=source.path,
                mend="give a longer text, or a folder with files named train, valid and test",
            )
    train, validation, test = tokens
    return Corpus(source.name, train, validation, test, source.note)


def read_test(options: TextOptions, say: Say = aloud) -> tuple[str, list[list[str]]]:
    """The name and the documents of a text to be scored: its test part if it has one, or all of it.

    Raises ``DataError`` where there is nothing to read.
    """
    source = _read(options, say)
    tokens = _token_lists(source.parts[2] if source.parts else source.documents, options)
    if not tokens:
        raise DataError("there is no text in it", path=source.path)
    return source.name, tokens


def check_options(options: TextOptions) -> None:
    """Raise ``ConfigurationError`` for values that no type excludes."""
    check_encoding(options.encoding)


def check_encoding(name: str) -> None:
    """Raise ``ConfigurationError`` unless ``data.encoding`` may be ``name``."""
    try:
        if name != DETECT:
            codecs.lookup(name)
    except LookupError:
        raise ConfigurationError(
            f"data.encoding: no text encoding is called {name!r}", mend="for example utf-8 or latin-1"
        ) from None


# -- reading ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Source:
    """Documents, and the three parts where the source itself says which belongs to which."""

    name: str
    path: str
    documents: Sequence[Document]
    parts: Sequence[Sequence[Document]] | None = None
    note: str = ""


def _read(options: TextOptions, say: Say) -> _Source:
    if options.source == PYTHON_DOCS:
        documents = python_docs()
        return _Source(PYTHON_DOCS, PYTHON_DOCS, documents, split_documents(documents, seed=0))
    path = located(options.source, say)
    if path.is_dir():
        return _read_folder(path, options)
    text = read_text(path, options.encoding)
    return _Source(path.name, str(path), _pieces(Document(path.name, text)))


def text_files(folder: Path) -> list[Path]:
    """The texts in a folder; ``DataError`` where there is none."""
    files = data_files(folder, SUFFIXES)
    if not files:
        endings = ", ".join(f"*{ending}" for ending in SUFFIXES)
        raise DataError(
            "the folder holds no text files", path=folder, mend=f"expected {endings}, or with .gz"
        )
    return files


def _read_folder(folder: Path, options: TextOptions) -> _Source:
    files = text_files(folder)
    documents = {file: Document(file.name, read_text(file, options.encoding)) for file in files}
    groups = by_part(files)
    parts = [[documents[file] for file in groups[part]] for part in PARTS]
    if all(parts):
        return _Source(folder.name, str(folder), [], parts)
    if parts[0] and parts[1] and not parts[2]:
        kept, held_out = _without_end(parts[0])
        if held_out:
            note = (
                "there is no test part: that for validation is scored, and the last 5 % of training validates"
            )
            return _Source(folder.name, str(folder), [], [kept, held_out, parts[1]], note)
    if not groups[None]:
        missing = [name for name, part in zip(("train", "valid", "test"), parts, strict=True) if not part]
        present = ", ".join(file.name for file in files)
        raise DataError(
            f"the folder has {present}, and nothing named {' or '.join(missing)}",
            path=folder,
            mend="add it, or name a single file, which will be split",
        )
    whole = list(documents.values())
    if len(whole) < _ENOUGH:
        whole = [piece for document in whole for piece in _pieces(document)]
    return _Source(folder.name, str(folder), whole)


def _without_end(documents: Sequence[Document]) -> tuple[list[Document], list[Document]]:
    """The documents without their last lines, and those lines; nothing held out where there are few."""
    kept, held_out = [], []
    for document in documents:
        lines = document.text.removesuffix("\n").split("\n")
        count = len(lines) // _HELD_OUT
        kept.append(Document(document.name, "\n".join(lines[: len(lines) - count])))
        held_out.append(Document(document.name, "\n".join(lines[len(lines) - count :])))
    return kept, [document for document in held_out if document.text.strip()]


def _pieces(document: Document) -> list[Document]:
    """A document as several, cut where the text says so or else by length."""
    cuts: list[Callable[[str], list[str]]] = [_blocks, _line_pieces, _word_pieces]
    found: list[str] = []
    for cut in cuts:
        found = max(found, cut(document.text), key=len)
        if len(found) >= _ENOUGH:
            break
    return [Document(f"{document.name}:{index}", piece) for index, piece in enumerate(found)]


def _blocks(text: str) -> list[str]:
    return [block.strip("\n") for block in re.split(r"\n[^\S\n]*\n", text) if block.strip()]


def _line_pieces(text: str) -> list[str]:
    lines = [line for line in text.split("\n") if line.strip()]
    return ["\n".join(lines[start : start + _LINES]) for start in range(0, len(lines), _LINES)]


def _word_pieces(text: str) -> list[str]:
    words = text.split()
    return [" ".join(words[start : start + _WORDS]) for start in range(0, len(words), _WORDS)]


def _token_lists(documents: Sequence[Document], options: TextOptions) -> list[list[str]]:
    """The tokens of each document that holds any text."""
    return [
        tokenise(document.text.removesuffix("\n"), options) for document in documents if document.text.strip()
    ]
