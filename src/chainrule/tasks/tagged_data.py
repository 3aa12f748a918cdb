"""Sentences whose words carry tags: where they come from, in which format, how they are split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..data import (
    Document,
    Parts,
    Sentences,
    data_files,
    parts_of,
    read_columns,
    read_conllu,
    split_documents,
)
from ..data.features import FORM
from ..data.python_code import Code, code_tokens, python_code
from ..data.readers import read_lines
from ..data.sources import aloud, located
from ..data.tokenizers import WordTokenizer
from ..errors import ConfigurationError, DataError
from ..train.configuration import Count, Options
from .corpus import check_encoding
from .task import Say

PYTHON_CODE = "python-code"
ROLE = "role"
"""The column of ``python-code`` with the role of each token."""
SPAN = "span"
"""Its column with the IOB2 tags of spans."""

_CONLLU = (".conllu",)


class TaggedDataOptions(Options):
    """How tagged sentences are read."""

    source: str = PYTHON_CODE
    """``python-code``, a file, a folder of them, or a named source."""
    format: Literal["auto", "conllu", "columns"] = "auto"
    """auto is conllu for files called so, and else columns: a word a line, a blank line between sentences."""
    columns: tuple[str, ...] = ()
    """The names of the columns, from left to right, one of them form; ``_`` leaves one out.  None: form, then
    column2, column3, …, and tag for the last."""
    separator: Literal["auto", "tab", "blanks"] = "auto"
    """What parts columns; auto is a tab where the first line has one."""
    tag: str = "auto"
    """The column with the tags; auto is upos of CoNLL-U, role of python-code, and else the last."""
    tokens: Literal["auto", "words", "spaces", "python"] = "auto"
    """How a line given to predict is cut; auto is python for python-code, and else words."""
    encoding: str = "utf-8"
    """A name such as ``latin-1``, or ``detect``."""
    vectors: str = ""
    """A file of word vectors made elsewhere, or a named source of them; they become one more channel, and
    are not trained."""
    vector_words: Count = 100_000
    """Of those so many are kept, the first of the file; the run carries them with it."""
    lists: tuple[str, ...] = ()
    """Files of names, one a line; each becomes a channel that tells which words stand in such a name."""
    tagger: str = ""
    """The folder of a run of pos; the tags that it gives to the words become a channel."""


@dataclass(frozen=True)
class Tagged:
    """Tagged sentences in three parts; ``tag`` is the column with the tags."""

    name: str
    tag: str
    train: Sentences
    validation: Sentences
    test: Sentences
    notes: tuple[str, ...] = ()
    """What was decided about the data that the user should know."""

    @property
    def learned(self) -> dict[str, int]:
        """How much there is to learn from."""
        return {"sentences": len(self.train), "words": sum(self.train.sizes)}


def read_tagged(options: TaggedDataOptions, say: Say = aloud) -> Tagged:
    """The sentences that ``options.source`` names, in three parts.

    A folder's files say by their names what they are for.  A part that is missing is dealt out of the
    training sentences, a tenth of them, by a hash of their words: the split is the same everywhere, and
    equal sentences fall into the same part.  A named source is fetched once; ``say`` tells of it.

    Raises ``DataError`` where there is nothing to read or too little to split.
    """
    if options.source == PYTHON_CODE:
        return _python_code(options)
    parts = _files(options, say)
    if parts.train is None:
        raise DataError(
            "the folder has no file to train on", path=options.source, mend="put train into its name"
        )
    read = [None if file is None else _read(file, options) for file in parts]
    given, *others = read
    assert given is not None
    missing = [name for name, part in zip(("validation", "test"), others, strict=True) if part is None]
    dealt = _dealt(given, missing)
    train, validation, test = (
        part if part is not None else dealt[name]
        for name, part in zip(("train", "validation", "test"), [dealt["train"], *others], strict=True)
    )
    for name, part in (("train", train), ("validate", validation), ("test", test)):
        if not any(part.sizes):
            different = len({tuple(words) for words in given[FORM] if words})
            raise DataError(
                f"there is no word to {name} on"
                + (f": {different} different sentence(s) were dealt out" if missing else ""),
                path=part.path,
                mend="give more sentences",
            )
    notes = [f"a tenth of the training sentences is held out for {name}" for name in missing]
    for part in (validation, test):
        if list(part.columns) != list(train.columns):
            raise DataError(
                f"the columns are {', '.join(part.columns)}; those of the training sentences are "
                + ", ".join(train.columns),
                path=part.path,
                mend="put the same columns into all parts",
            )
    tag = tag_column(train, options)
    return Tagged(Path(options.source).name, tag, train, validation, test, tuple(notes))


def read_tagged_test(options: TaggedDataOptions, *, whole: bool = False) -> tuple[str, Sentences]:
    """The name and the sentences of the test part, or with ``whole`` all of what is a single file.

    Raises ``DataError`` where there is nothing to read.
    """
    if options.source == PYTHON_CODE:
        return PYTHON_CODE, _python_code(options).test
    parts = _files(options)
    if parts.test is not None:
        found = _read(parts.test, options)
    elif whole and parts.train is not None and parts.validation is None:
        found = _read(parts.train, options)
    else:
        found = read_tagged(options).test
    if not any(found.sizes):
        raise DataError("there is no word in it", path=found.path)
    return Path(options.source).name, found


def tag_column(sentences: Sentences, options: TaggedDataOptions) -> str:
    """The name of the column with the tags; ``DataError`` where the data has none of that name, or none."""
    if options.tag != "auto":
        sentences[options.tag]
        return options.tag
    found = next((name for name in ("upos", ROLE) if name in sentences.columns), list(sentences.columns)[-1])
    if found == FORM:
        raise DataError(
            "there are words alone, and no column with tags",
            path=sentences.path,
            mend="put the tag behind each word",
        )
    return found


def cut(line: str, options: TaggedDataOptions) -> list[str]:
    """The words of a raw line, in the way of the data that the tagger was trained on.

    >>> cut("It's 3 p.m.", TaggedDataOptions(tokens="words"))
    ['It', "'s", '3', 'p.m.']
    """
    how = options.tokens
    if how == "auto":
        how = "python" if options.source == PYTHON_CODE else "words"
    cuts: dict[str, Callable[[str], list[str]]] = {
        "words": WordTokenizer().tokenize,
        "spaces": str.split,
        "python": code_tokens,
    }
    return cuts[how](line)


def sentences_of(words: Sequence[Sequence[str]]) -> Sentences:
    """Sentences of words alone."""
    return Sentences({FORM: [list(sentence) for sentence in words]}, [1] * len(words), "the input")


def check_options(options: TaggedDataOptions) -> None:
    """Raise ``ConfigurationError`` for values that no type excludes."""
    check_encoding(options.encoding)
    if options.columns and FORM not in options.columns:
        raise ConfigurationError(
            f"data.columns: {', '.join(options.columns)} has no column 'form'",
            mend="give this name to the column with the words",
        )


# -- reading ---------------------------------------------------------------------------------------


def _files(options: TaggedDataOptions, say: Say = aloud) -> Parts:
    """The files of the parts: of a folder those of CoNLL-U where there are any."""
    path = located(options.source, say)
    if options.format != "columns" and path.is_dir() and data_files(path, _CONLLU):
        return parts_of(path, _CONLLU)
    return parts_of(path)


def _read(file: Path, options: TaggedDataOptions) -> Sentences:
    name = file.name.lower().removesuffix(".gz")
    if options.format == "conllu" or (options.format == "auto" and name.endswith(_CONLLU)):
        return read_conllu(file, options.encoding)
    first = next((line for line in read_lines(file, options.encoding) if line.strip(" \t")), "")
    tabs = options.separator == "tab" or (options.separator == "auto" and "\t" in first)
    names = options.columns or _unnamed(len(first.split("\t") if tabs else first.split()))
    return read_columns(file, names, "\t" if tabs else None, encoding=options.encoding)


def _unnamed(count: int) -> tuple[str, ...]:
    """Names for so many columns.

    >>> _unnamed(2), _unnamed(3)
    (('form', 'tag'), ('form', 'column2', 'tag'))
    """
    return (FORM, *(f"column{place}" for place in range(2, count)), *(["tag"] if count > 1 else []))


def _dealt(sentences: Sentences, missing: Sequence[str]) -> dict[str, Sentences]:
    """``sentences`` dealt out to train and to the parts that are missing, a tenth of the distinct to each."""
    texts = ["\n".join(words) for words in sentences[FORM]]
    distinct = sorted(set(texts), key=_digest)
    share = -(-len(distinct) // 10)
    part_of = {
        text: missing[place // share] if place < share * len(missing) else "train"
        for place, text in enumerate(distinct)
    }
    places: dict[str, list[int]] = {name: [] for name in ("train", *missing)}
    for place, text in enumerate(texts):
        places[part_of[text]].append(place)
    return {name: sentences.select(found) for name, found in places.items()}


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


def _python_code(options: TaggedDataOptions) -> Tagged:
    modules = {code.name: code for code in python_code()}
    dealt = split_documents([Document(name, "") for name in modules], seed=0)
    train, validation, test = (_of_modules([modules[document.name] for document in part]) for part in dealt)
    return Tagged(PYTHON_CODE, tag_column(train, options), train, validation, test)


def _of_modules(modules: Sequence[Code]) -> Sentences:
    columns = {
        FORM: [line for code in modules for line in code.forms],
        ROLE: [line for code in modules for line in code.roles],
        SPAN: [line for code in modules for line in code.spans],
    }
    return Sentences(columns, [1] * len(columns[FORM]), PYTHON_CODE)
