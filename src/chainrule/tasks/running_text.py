"""Running text as sentences of words, for what is learned without labels and needs no test."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ..data import Ragged, python_docs, read_text, split_documents, split_sentences
from ..data.parts import by_part
from ..data.sources import located
from ..errors import DataError
from .corpus import PYTHON_DOCS, TextOptions, make_tokenizer, text_files
from .task import Say


@dataclass(frozen=True)
class RunningText:
    """A text to learn from, and one held out, which may be empty; read again at each walk over it."""

    name: str
    options: TextOptions
    learned: tuple[str, ...]
    """The documents to learn from."""
    held_out: tuple[str, ...]

    def sentences(self, documents: Iterable[str]) -> Iterator[list[str]]:
        """The words of each sentence (``data.tokens=words``) or line of the documents."""
        tokenizer = make_tokenizer(self.options)
        for document in documents:
            lines = split_sentences(document) if self.options.tokens == "words" else document.split("\n")
            yield from (found for line in lines if (found := tokenizer.tokenize(line)))


def read_running_text(options: TextOptions, say: Say) -> RunningText:
    """The text that ``options.source`` names: a file, a folder of files, a named source or ``python-docs``.

    Where names of files say so, one that is for training is learned from, one for validation held out, and
    others left alone.  Of ``python-docs`` a tenth of the documents is held out.  Else all is learned from.

    Raises ``DataError`` where there is nothing to read.
    """
    if options.source == PYTHON_DOCS:
        parts = [[d.text for d in part] for part in split_documents(python_docs(), seed=0)]
        train, validation, test = parts
        return RunningText(PYTHON_DOCS, options, tuple(train + test), tuple(validation))
    path = located(options.source, say)
    learned, held_out = [path], []
    if path.is_dir():
        groups = by_part(text_files(path))
        learned, held_out = groups["train"] or groups[None], groups["validation"]
    if not learned:
        names = ", ".join(file.name for file in text_files(path))
        raise DataError(f"the folder has {names}, and nothing to train on", path=path, mend="add train.txt")
    read = [tuple(read_text(file, options.encoding) for file in part) for part in (learned, held_out)]
    return RunningText(path.name, options, *read)


def encoded(sentences: Iterable[list[str]], index: dict[str, int]) -> Ragged:
    """Sentences as ids; words that are not in ``index`` are left out, as if they had not been written."""
    values, lengths = array("i"), array("q")
    for sentence in sentences:
        before = len(values)
        values.extend(index[word] for word in sentence if word in index)
        lengths.append(len(values) - before)
    return Ragged.from_flat(np.array(values, np.int32), np.array(lengths, np.int64))
