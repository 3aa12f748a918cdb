"""Word vectors in files: GloVe text, word2vec text and binary, read as a stream and never whole."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chainrule.data.files import Pathish, open_bytes, read_exactly, replacing
from chainrule.data.readers import codec_of
from chainrule.data.vector_cache import CacheEntry
from chainrule.data.word_vectors import WordVectors
from chainrule.errors import ArgumentError, DataError

FORMATS = ("glove", "word2vec", "word2vec-binary")
Floats = NDArray[np.float32]

_CHUNK = 1 << 20
_LONGEST = 1 << 24
"""A line or a word of more bytes is not one."""
_ELEMENTS = 1 << 17
"""Numbers that are parsed at once."""
SMALLEST_CACHED = 8 << 20
"""Files of fewer bytes are read again each time, which takes less than a second."""


def read_vectors(
    path: Pathish,
    only: Collection[str] | None = None,
    *,
    format: str | None = None,
    encoding: str = "utf-8",
    cache: bool = True,
) -> WordVectors:
    """The word vectors of a file, plain or gzip, as float32.

    =============== ==================================================================================
    format          content
    =============== ==================================================================================
    glove           a word and its D numbers a line, separated by blanks; the word may hold blanks
    word2vec        the same after a first line ``N D`` (fastText's .vec too)
    word2vec-binary a first line ``N D``, then N times a word, a blank and D little-endian float32
    =============== ==================================================================================

    ``format=None`` tells it by the content: a first line of two whole numbers is a header.  ``only`` keeps
    the words in it and skips the others unparsed.

    The file is read as a stream.  With ``only``, memory grows with what is kept.  Without, the vectors of a
    large file go to the cache folder (``CHAINRULE_CACHE_DIR``) on their way, and the matrix is mapped from
    there: it takes disk, not memory, and the next reading of the same file is immediate.  With
    ``cache=False``, or nowhere to write, the matrix is in memory.  Of a word that is there twice, the first
    counts.  A folder stands for the one file in it.

    Errors: DataError naming file and line (or byte) for a line with other than D numbers, a number that is
    none or not finite, a word in another encoding, a file that ends early or holds more than it promises;
    ArgumentError for an unknown format or an encoding that does not write a blank as ASCII does.
    Sources: Pennington, Socher and Manning 2014; the program of Mikolov et al. 2013.

    >>> import tempfile
    >>> from chainrule.data import write_atomically
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(f"{folder}/v.txt", "up 1 0\\ndown -1 0\\n")
    ...     read_vectors(f"{folder}/v.txt", only={"down"})["down"]
    array([-1.,  0.], dtype=float32)
    """
    if format is not None and format not in FORMATS:
        raise ArgumentError(f"no format of word vectors is called {format!r}", mend=", ".join(FORMATS))
    codec = codec_of(encoding)
    if " \n".encode(codec) != b" \n":
        raise ArgumentError(f"word vectors in {codec}", mend="the encoding must write a blank as ASCII does")
    if isinstance(only, str):
        raise ArgumentError("only is one string", mend="give a set of words")
    place = _the_file(Path(path))
    entry = CacheEntry.of(place, format, codec) if cache else None
    kept = entry.load() if entry else None
    if kept is not None:
        return kept if only is None else kept.select(only)
    reading = _Reading(place, format, codec, only)
    if entry and only is None and place.stat().st_size >= SMALLEST_CACHED:
        kept = entry.save(reading.blocks(), reading.index)
        if kept is not None:
            return kept
        reading = _Reading(place, format, codec, only)
    blocks = list(reading.blocks())
    matrix = np.empty((sum(map(len, blocks)), blocks[0].shape[1]), np.float32)
    at = 0
    while blocks:  # a block is given up as soon as it is copied
        block = blocks.pop(0)
        matrix[at : at + len(block)] = block
        at += len(block)
    return WordVectors(reading.index, matrix)


def write_vectors(path: Pathish, vectors: WordVectors, format: str = "glove") -> None:
    """Write word vectors, whole or not at all, so that :func:`read_vectors` gives the same words and bits.

    Numbers in text are the shortest that read back as the same float32.  A name that ends in .gz is packed.

    Raises: ArgumentError for an unknown format, and for an empty word or one with white space, which these
    formats cannot tell from the end of a word; DataError if the file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_vectors(f"{folder}/v.txt", WordVectors(["up"], np.array([[0.1, -2.0]])), "word2vec")
    ...     Path(f"{folder}/v.txt").read_text()
    '1 2\\nup 0.1 -2.0\\n'
    """
    if format not in FORMATS:
        raise ArgumentError(f"no format of word vectors is called {format!r}", mend=", ".join(FORMATS))
    for word in vectors.words:
        if not word or set(" \n\r\t") & set(word):
            raise ArgumentError(
                f"the word {word!r} cannot be written: it is empty or holds white space",
                mend="leave it out with select, or join its parts with _",
            )
    with replacing(path) as raw:
        if not str(path).endswith(".gz"):
            _write(raw, vectors, format)
            return
        with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:  # the same bytes at any time
            _write(packed, vectors, format)


def _write(stream: io.BufferedIOBase, vectors: WordVectors, format: str) -> None:
    if format != "glove":
        stream.write(f"{len(vectors)} {vectors.dimension}\n".encode())
    for word, row in zip(vectors.words, vectors.matrix, strict=True):
        values = row.astype("<f4")
        if format == "word2vec-binary":
            stream.write(word.encode() + b" " + values.tobytes() + b"\n")
        else:
            stream.write(" ".join([word, *map(str, values)]).encode() + b"\n")


def _the_file(path: Path) -> Path:
    """The file that ``path`` names, or the only one in the folder that it names."""
    if not path.is_dir():
        return path
    files = sorted(item for item in path.iterdir() if item.is_file() and not item.name.startswith("."))
    if len(files) != 1:
        there = ", ".join(item.name for item in files) or "nothing"
        raise DataError(f"a folder that holds {there}", path=path, mend="name one file of word vectors")
    return files[0]


# -- which format ------------------------------------------------------------------------------------


def _told(head: bytes, path: Path) -> str:
    """The format that a file beginning with ``head`` is in."""
    first, end, rest = head.removeprefix(codecs.BOM_UTF8).partition(b"\n")
    fields = first.split()
    if len(fields) == 2 and all(field.isdigit() for field in fields):
        second = rest.split(b"\n", 1)[0].split()
        text = not rest.strip() or _numbers_at_end(second) >= int(fields[1])
        return "word2vec" if text else "word2vec-binary"
    if end and _numbers_at_end(fields):
        return "glove"
    raise DataError(
        f"no word vectors: it begins with {first[:40]!r}; expected a word and its numbers, or the two "
        "numbers of a word2vec header",
        path=path,
        line=1,
    )


def _numbers_at_end(fields: list[bytes]) -> int:
    """How many of the fields, after the first, are numbers without a gap up to the last."""
    count = 0
    while count < len(fields) - 1 and _is_number(fields[-1 - count]):
        count += 1
    return count


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# -- reading -----------------------------------------------------------------------------------------


@dataclass
class _Reading:
    """One pass over a file; ``index`` gathers the words of the blocks that were given out."""

    path: Path
    format: str | None
    codec: str
    only: Collection[str] | None
    index: dict[str, int] = field(default_factory=dict)

    def blocks(self) -> Iterator[Floats]:
        """The vectors in blocks of (n, D); at least one block, though it may have no row."""
        stream, _, _ = open_bytes(self.path)
        with stream:
            head = read_exactly(stream, 1 << 16, self.path)
        if not head:
            raise DataError("the file is empty", path=self.path)
        kind = self.format or _told(head if len(head) == 1 << 16 else head + b"\n", self.path)
        # None is every word; words that cannot be written in the encoding cannot be in the file.
        wanted = None if self.only is None else {word.encode(self.codec, "replace") for word in self.only}
        stream, _, _ = open_bytes(self.path)
        with stream:
            if kind == "word2vec-binary":
                yield from self._binary(stream, wanted)
            else:
                yield from self._text(stream, wanted, header=kind == "word2vec")

    def _add(self, word: bytes, **place: int) -> bool:
        """Take up a word, unless it is there already."""
        try:
            text = word.decode(self.codec)
        except UnicodeDecodeError as error:
            raise DataError(
                f"the word {word[:40]!r} is not {self.codec} ({error.reason})",
                path=self.path,
                mend="convert the file to UTF-8, or read it with encoding='latin-1' or the like",
                **place,
            ) from None
        if text in self.index:
            return False
        self.index[text] = len(self.index)
        return True

    def _text(self, stream: io.BufferedIOBase, wanted: set[bytes] | None, header: bool) -> Iterator[Floats]:
        lines = enumerate(_lines(stream, self.path), start=1)
        promised, dimension, rows = None, 0, 0
        if header:
            promised, dimension = _header(next(lines)[1], self.path)
        tails: list[bytes] = []
        numbers: list[int] = []
        for number, raw in lines:
            line = raw.rstrip(b" \r")
            if not line:
                continue
            if not dimension:
                dimension = _numbers_at_end(line.split())
                if not dimension:
                    raise DataError("a word without numbers", path=self.path, line=number)
            word, _, tail = line.partition(b" ")
            if not word or not tail or tail.count(b" ") != dimension - 1:
                word, tail = self._split_oddly(line, dimension, number)
            rows += 1
            if (wanted is None or word in wanted) and self._add(word, line=number):
                tails.append(tail)
                numbers.append(number)
                if len(tails) * dimension >= _ELEMENTS:
                    yield self._parsed(tails, numbers, dimension)
                    tails, numbers = [], []
        if not rows:
            raise DataError("there are no vectors in it", path=self.path)
        if promised not in (None, rows):
            raise DataError(
                f"{rows:,} vectors where the first line promises {promised:,}",
                path=self.path,
                line=1,
                mend="fetch the file again",
            )
        yield self._parsed(tails, numbers, dimension)

    def _split_oddly(self, line: bytes, dimension: int, number: int) -> tuple[bytes, bytes]:
        """A line with tabs, more than one blank, or blanks in its word; anything else is a fault."""
        fields = line.split()
        fault = None
        if line[:1].isspace():
            fault = f"no word before {len(fields):,} numbers"
        elif len(fields) <= dimension or (len(fields) > dimension + 1 and _is_number(fields[-1 - dimension])):
            fault = f"{_numbers_at_end(fields):,} numbers after a word where {dimension:,} were expected"
        if fault:
            mend = "the file was cut or joined: fetch it again"
            raise DataError(fault, path=self.path, line=number, mend=mend)
        return b" ".join(fields[:-dimension]), b" ".join(fields[-dimension:])

    def _parsed(self, tails: list[bytes], numbers: list[int], dimension: int) -> Floats:
        with contextlib.suppress(ValueError):  # the line at fault is looked for below
            block = _floats(tails, dimension)
            if np.isfinite(block).all():
                return block
        for tail, number in zip(tails, numbers, strict=True):
            for text in tail.split():
                if not _is_number(text) or not np.isfinite(np.float32(text.decode())):
                    shown = text.decode(self.codec, "replace")
                    raise DataError(f"{shown!r} is no finite number", path=self.path, line=number)
        raise DataError(f"numbers that cannot be read, after line {numbers[0]}", path=self.path)

    def _binary(self, stream: io.BufferedIOBase, wanted: set[bytes] | None) -> Iterator[Floats]:
        line = stream.readline(100)
        promised, dimension = _header(line.rstrip(b"\r\n"), self.path)
        size = 4 * dimension
        data, at, offset = b"", 0, len(line)  # ``offset`` is the place of ``data`` in the file
        kept: list[bytes] = []
        for row in range(promised):
            while (blank := data.find(b" ", at)) < 0 or len(data) < blank + 1 + size:
                if blank < 0 and len(data) - at > _LONGEST:
                    raise DataError("a word without end", path=self.path, offset=offset + at)
                more = read_exactly(stream, max(_CHUNK, size), self.path)
                if not more:
                    raise DataError(
                        f"ends within vector {row + 1:,} of {promised:,}",
                        path=self.path,
                        offset=offset + len(data),
                        mend="fetch the file again",
                    )
                offset, data, at = offset + at, data[at:] + more, 0
            word = data[at:blank].lstrip(b"\n")
            if (wanted is None or word in wanted) and self._add(word, offset=offset + at):
                kept.append(data[blank + 1 : blank + 1 + size])
            at = blank + 1 + size
            if len(kept) * dimension >= _ELEMENTS:
                yield self._unpacked(kept, dimension)
                kept = []
        if (data[at:] + read_exactly(stream, 2, self.path)).strip(b"\r\n"):
            raise DataError(
                f"holds more than the {promised:,} vectors that it promises",
                path=self.path,
                offset=offset + at,
                mend="fetch the file again",
            )
        yield self._unpacked(kept, dimension)

    def _unpacked(self, kept: list[bytes], dimension: int) -> Floats:
        block = np.frombuffer(b"".join(kept), "<f4").astype(np.float32).reshape(-1, dimension)
        wrong = np.flatnonzero(~np.isfinite(block).all(axis=1))
        if wrong.size:
            word = list(self.index)[len(self.index) - len(kept) + int(wrong[0])]
            raise DataError(f"the vector of {word!r} is not finite", path=self.path)
        return block


def _lines(stream: io.BufferedIOBase, path: Path) -> Iterator[bytes]:
    """The lines of a stream, without their ends or a byte-order mark."""
    rest = b""
    first = True
    while block := read_exactly(stream, _CHUNK, path):
        *whole, rest = (rest + block).split(b"\n")
        if first and whole:
            whole[0], first = whole[0].removeprefix(codecs.BOM_UTF8), False
        yield from whole
        if len(rest) > _LONGEST:
            raise DataError(f"a line of more than {_LONGEST:,} bytes", path=path, mend="is it a text?")
    if rest:
        yield rest.removeprefix(codecs.BOM_UTF8) if first else rest


def _header(line: bytes, path: Path) -> tuple[int, int]:
    fields = line.split()
    if len(fields) != 2 or not all(field.isdigit() for field in fields) or int(fields[1]) == 0:
        raise DataError(
            f"the number of words and of dimensions was expected, not {line[:40]!r}", path=path, line=1
        )
    return int(fields[0]), int(fields[1])


def _floats(tails: list[bytes], dimension: int) -> Floats:
    """Lines of ``dimension`` numbers each.  Raises: ValueError."""
    if not tails:
        return np.empty((0, dimension), np.float32)
    text = io.BytesIO(b"\n".join(tails))
    block = np.loadtxt(text, dtype=np.float32, comments=None, delimiter=" ", ndmin=2)
    if block.shape != (len(tails), dimension):
        raise ValueError("ragged")
    return block
