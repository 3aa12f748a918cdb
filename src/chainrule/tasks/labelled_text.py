"""Labelled texts for classifiers: where they come from, how they are cut into words, dealt out to parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from ..data import Tokenizer, WordTokenizer, data_files, part_named, parts_of, permutation
from ..data.labelled import FORMATS, Labelled, read_labelled
from ..data.python_docstrings import python_docstrings
from ..data.sources import aloud, located
from ..errors import ConfigurationError, DataError
from ..train.configuration import Count, Options, Rate, Whole
from .corpus import SpaceTokenizer, check_encoding
from .task import Say

PYTHON_DOCSTRINGS = "python-docstrings"


class LabelledOptions(Options):
    """How labelled texts are read."""

    source: str = PYTHON_DOCSTRINGS
    """``python-docstrings``, a named source, a file, or a folder: with files named train and test, or
    with a file for each label."""
    format: str = ""
    """Of the lines; empty where the files tell it themselves."""
    encoding: str = ""
    """Empty for UTF-8, or the one that the format was published in."""
    columns: tuple[str, str] = ("text", "label")
    """In tables and JSON lines: what the column of the texts is called, and that of the labels."""
    fine: bool = False
    """Of labels such as ``NUM:dist`` take the whole."""
    tokens: Literal["words", "spaces"] = "words"
    """``words`` separates punctuation and contractions; ``spaces`` splits at spaces alone."""
    lower: bool = True
    folds: Whole = 0
    """Where there is no test part: cross-validate with so many folds; 0 sets a tenth aside instead."""
    held_out: Rate = 0.1
    """The share of the training part that decides when to stop, where there is no validation part."""
    min_count: Count = 1
    """Words seen less often in training are unknown, those with a vector aside."""
    longest: Count = 100
    """Words of a text that are read at most."""
    vectors: str = ""
    """A file of word vectors to begin with, or a named source of them."""
    vector_words: Whole = 100_000
    """Of its words, so many from the top are known beside those of the training texts."""


@dataclass(frozen=True)
class Split:
    """Labelled texts in parts; ``test`` is None where there is none."""

    name: str
    train: Labelled
    validation: Labelled
    test: Labelled | None


def make_tokenizer(options: LabelledOptions) -> Callable[[str], list[str]]:
    """From a text to its words in their own case, at most ``longest`` of them."""
    tokenizer: Tokenizer = WordTokenizer() if options.tokens == "words" else SpaceTokenizer()
    return lambda text: tokenizer.tokenize(text)[: options.longest]


def check_options(options: LabelledOptions) -> None:
    """Raise ``ConfigurationError`` for values that no type excludes."""
    if options.encoding:
        check_encoding(options.encoding)
    if options.format and options.format not in FORMATS:
        raise ConfigurationError(
            f"data.format: there is no format {options.format!r}", mend=f"choose one of: {', '.join(FORMATS)}"
        )
    if options.folds == 1:
        raise ConfigurationError("data.folds: one fold leaves nothing to train on", mend="0, or 2 and more")


class Texts:
    """What a source holds: all of its texts, or its parts as they were published."""

    def __init__(self, options: LabelledOptions, say: Say = aloud) -> None:
        self.options = options
        self.path = options.source
        self.name = Path(options.source).name
        self.validation: Labelled | None = None
        self.test: Labelled | None = None
        if options.source == PYTHON_DOCSTRINGS:
            self.train = python_docstrings()
            return
        path = located(options.source, say)
        if path.is_dir() and any(part_named(file.name) for file in data_files(path)):
            self._read_parts(path)
        else:
            self.train = read_texts(path, options)

    def _read_parts(self, folder: Path) -> None:
        train, validation, test = parts_of(folder)
        if train is None:
            names = ", ".join(file.name for file in data_files(folder))
            raise DataError(
                f"there is nothing to train on: {names}", path=folder, mend="add a file named train"
            )
        self.train = read_texts(train, self.options)
        # A short file tells less about its format than the training part.
        alike = msgspec.structs.replace(self.options, format=self.train.format)
        self.validation = None if validation is None else read_texts(validation, alike)
        self.test = None if test is None else read_texts(test, alike)

    @property
    def folds(self) -> int:
        """How many folds are to be cross-validated; 0 where there is a test part."""
        return 0 if self.test is not None else self.options.folds

    def split(self, seed: int, fold: int | None = None) -> Split:
        """Training, validation and test part.

        Without a test part of its own, fold number ``fold`` is the test part, or a tenth if there are no
        folds.  With folds and ``fold=None`` there is none: everything is to be learned from.  What is not
        given is drawn by ``seed``.  Raises ``DataError`` where a part would be empty.
        """
        rest, test = self.train, self.test
        if test is None and not (self.options.folds and fold is None):
            parts = self.options.folds or 10
            rest, test = _dealt(self.train, seed, fold or 0, parts, self.path)
        if self.validation is not None:
            return Split(self.name, rest, self.validation, test)
        share = self.options.held_out
        if not share:
            raise DataError(
                "there is no validation part", path=self.path, mend="set data.held_out, for example to 0.1"
            )
        count = max(1, round(share * len(rest)))
        if count >= len(rest):
            raise DataError(
                f"{len(rest)} texts cannot be split into training and validation",
                path=self.path,
                mend="give more",
            )
        order = permutation(len(rest), seed, 1)
        return Split(self.name, rest.select(np.sort(order[count:])), rest.select(order[:count]), test)


def read_texts(path: Path, options: LabelledOptions) -> Labelled:
    """A file, or a folder with a file for each label, as the options describe it."""
    return read_labelled(
        path,
        format=options.format or None,
        encoding=options.encoding or None,
        columns=options.columns,
        fine=options.fine,
    )


def _dealt(found: Labelled, seed: int, fold: int, parts: int, path: str) -> tuple[Labelled, Labelled]:
    """All parts but one, and that one; texts are dealt out by a permutation."""
    if len(found) < max(parts, 2):
        raise DataError(
            f"{len(found)} texts for {parts} parts", path=path, mend="give more texts, or fewer folds"
        )
    part = np.empty(len(found), np.int64)
    part[permutation(len(found), seed, 0)] = np.arange(len(found)) % parts
    return found.select(np.flatnonzero(part != fold)), found.select(np.flatnonzero(part == fold))
