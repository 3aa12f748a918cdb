"""Readers of text, tables and IDX arrays: every fault is a ``DataError`` that names file and place."""

from __future__ import annotations

import codecs
import csv
import difflib
import io
import json
import math
import struct
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.data.encodings import DETECT, MARKS, encoding_of
from chainrule.data.files import Pathish, open_bytes, read_bytes, read_exactly
from chainrule.data.ragged import Array
from chainrule.errors import ArgumentError, DataError


def read_text(path: Pathish, encoding: str = "utf-8") -> str:
    """A text file as one string: gzip unpacked, byte-order mark dropped, line ends turned into ``\\n``.

    ``encoding="detect"`` reads it in the encoding that :func:`chainrule.data.detect_encoding` finds; where
    that is a guess, a UnicodeWarning says so.

    Errors: DataError with line and byte offset for bytes that ``encoding`` does not have, or a mark of
    another encoding; ArgumentError for an encoding that does not exist.

    >>> import tempfile
    >>> from chainrule.data import write_atomically
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(f"{folder}/a.txt", b"caf\\xe9\\r\\n")
    ...     read_text(f"{folder}/a.txt", "latin-1")
    'café\\n'
    """
    name = encoding if encoding == DETECT else codec_of(encoding)  # before the file, which may be large
    return decode(read_bytes(path), name, path=path)


def decode(content: bytes, encoding: str = "utf-8", *, path: Pathish) -> str:
    """The text that ``content`` is, as :func:`read_text` gives it; errors name ``path``."""
    if encoding == DETECT:
        found = encoding_of(content, path=path)
        if not found.certain:
            warnings.warn(f"{path}: {found}", UnicodeWarning, stacklevel=3)
        encoding = found.name
    name = codec_of(encoding)
    mark, marked = next(((m, n) for m, n in MARKS if content.startswith(m)), (b"", ""))
    if not name.startswith(marked):
        raise DataError(f"begins with the mark of {marked}", path=path, offset=0, mend=f"encoding={marked!r}")
    skipped = len(mark) if name == "utf-8" else 0  # the codecs of utf-16 and utf-32 need to see theirs
    try:
        text = content[skipped:].decode(name)
    except UnicodeDecodeError as error:
        offset = skipped + error.start
        raise DataError(
            f"bytes {content[offset : offset + 4].hex(' ')} are not {name} ({error.reason})",
            path=path,
            line=content.count(b"\n", 0, offset) + 1,
            offset=offset,
            mend="name the encoding the file is in, for example encoding='latin-1'",
        ) from None
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def codec_of(encoding: str) -> str:
    """The codec's own name for ``encoding``."""
    try:
        name = codecs.lookup(encoding).name.removesuffix("-sig")
        b"text".decode(name, "replace")  # refuses codecs that do not decode to text, such as hex
    except (LookupError, UnicodeError):
        raise ArgumentError(
            f"no text encoding is called {encoding!r}", mend="for example utf-8 or latin-1"
        ) from None
    return name


def read_lines(path: Pathish, encoding: str = "utf-8") -> list[str]:
    """The lines of a text file without their ends; only ``\\n``, ``\\r\\n`` and ``\\r`` end a line.

    (``str.splitlines`` would also split at characters such as U+0085, the ellipsis of windows-1252
    read as latin-1.)

    Errors: as :func:`read_text`.

    >>> import tempfile
    >>> from chainrule.data import write_atomically
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(f"{folder}/a.txt", b"one\\r\\ntwo\\n")
    ...     read_lines(f"{folder}/a.txt")
    ['one', 'two']
    """
    return lines_of(read_text(path, encoding))


def lines_of(text: str) -> list[str]:
    """The lines of a text, without their ends, as :func:`read_text` and :func:`decode` give it."""
    return text.removesuffix("\n").split("\n") if text else []


_IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_AXES = 32
# Deflate cannot do better than 1032 : 1, so a larger claim is refused before anything is unpacked.
_DEFLATE_LIMIT = 1032


def load_idx(path: Pathish) -> Array:
    """An IDX file, plain or gzip, as an array of its own shape and type in the machine's byte order.

    Header, big-endian: two zero bytes, a type code (8 uint8, 9 int8, 11 int16, 12 int32, 13 float32,
    14 float64), the number of axes, and a 4-byte length for each.  The lengths are checked against the
    size of the file before memory is asked for, and no more is unpacked than they promise.

    Errors: DataError for a header that is no IDX header or promises more or less than the file holds.
    Source: Y. LeCun, the format of the MNIST files.

    >>> import tempfile
    >>> from chainrule.data import write_atomically
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(f"{folder}/a.idx", bytes([0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 3, 7, 8, 9]))
    ...     load_idx(f"{folder}/a.idx")
    array([[7, 8, 9]], dtype=uint8)
    """
    stream, size, packed = open_bytes(path)
    with stream:
        head = read_exactly(stream, 4, path)
        if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _IDX_TYPES:
            raise DataError(
                f"no IDX file: it begins with {head.hex(' ') or 'nothing'}; expected 00 00, a type of "
                + ", ".join(f"{code:02x}" for code in _IDX_TYPES)
                + ", and the number of axes",
                path=path,
                offset=0,
            )
        axes = head[3]
        if not 1 <= axes <= _MOST_AXES:
            raise DataError(f"{axes} axes; 1 to {_MOST_AXES} are read", path=path, offset=3)
        lengths = read_exactly(stream, 4 * axes, path)
        if len(lengths) < 4 * axes:
            raise DataError(f"ends within the lengths of its {axes} axes", path=path, offset=4 + len(lengths))
        shape = struct.unpack(f">{axes}I", lengths)
        dtype = np.dtype(_IDX_TYPES[head[2]])
        promised = math.prod(shape) * dtype.itemsize
        header = 4 + 4 * axes
        most = _DEFLATE_LIMIT * size if packed else size - header
        content = read_exactly(stream, promised + 1, path) if promised <= most else None
    if content is None or len(content) != promised:
        found = "fewer" if content is None or len(content) < promised else "more"
        raise DataError(
            f"the header promises {' × '.join(map(str, shape))} of {dtype.itemsize} bytes, "
            f"{promised:,} in all; the file holds {found}",
            path=path,
            offset=header + (0 if content is None else min(len(content), promised)),
            mend="fetch the file again",
        )
    return np.frombuffer(content, dtype).astype(dtype.newbyteorder("=")).reshape(shape)


def read_csv(
    path: Pathish,
    columns: Sequence[str] | None = None,
    *,
    delimiter: str = ",",
    quote: str | None = '"',
    header: bool = True,
    encoding: str = "utf-8",
) -> dict[str, list[str]]:
    """Named columns of a delimited text file, as lists of strings of equal length.

    ``columns`` names those wanted, in the order wanted (default: all).  With ``header=False`` the file
    has no line of names, and ``columns`` names its columns from left to right.  ``delimiter="\\t"``
    reads TSV; ``quote=None`` where quotation marks are ordinary characters.  Blank lines are skipped.

    Errors: DataError with file and line for a row that is shorter or longer than the header, a name
    that is missing or there twice, or quoting that does not close.

    >>> import tempfile
    >>> from chainrule.data import write_atomically
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(f"{folder}/a.csv", 'label,text\\n1,"Well, yes."\\n')
    ...     read_csv(f"{folder}/a.csv", ["text", "label"])
    {'text': ['Well, yes.'], 'label': ['1']}
    """
    signs = [delimiter] if quote is None else [delimiter, quote]
    if any(len(s) != 1 or s in "\r\n" for s in signs) or len(set(signs)) < len(signs):
        raise ArgumentError(f"delimiter {delimiter!r} and quote {quote!r} must be two different characters")
    if not header and columns is None:
        raise ArgumentError("a file without a header needs names", mend="give columns=")
    rows = records_of(path, encoding, delimiter, quote)
    if header:
        line, names = rows.pop(0) if rows else (1, [])
        _require_distinct(names, path, line)
    else:
        line, names = 1, list(columns or ())
    wanted = list(names if columns is None else columns)
    for column in wanted:
        if column not in names:
            raise no_column(column, names, path, line)
    places = [names.index(column) for column in wanted]
    for line, row in rows:
        if len(row) != len(names):
            raise DataError(
                f"{len(row)} fields where {len(names)} were expected ({', '.join(names)})",
                path=path,
                line=line,
                mend="check the delimiter and the quoting",
            )
    return {column: [row[place] for _, row in rows] for column, place in zip(wanted, places, strict=True)}


def records_of(
    path: Pathish, encoding: str, delimiter: str, quote: str | None
) -> list[tuple[int, list[str]]]:
    """The rows of a delimited file, each with the line it begins on; blank lines left out."""
    # newline="" keeps the line breaks inside quoted fields.
    reader = csv.reader(
        io.StringIO(read_text(path, encoding), newline=""),
        delimiter=delimiter,
        quotechar=quote,
        quoting=csv.QUOTE_NONE if quote is None else csv.QUOTE_MINIMAL,
        strict=True,
    )
    records: list[tuple[int, list[str]]] = []
    line = 1
    try:
        for row in reader:
            if row:
                records.append((line, row))
            line = reader.line_num + 1
    except csv.Error as error:
        mend = "quote=None if quotation marks are ordinary characters in this file"
        raise DataError(f"malformed: {error}", path=path, line=line, mend=mend) from None
    return records


def _require_distinct(names: list[str], path: Pathish, line: int) -> None:
    twice = [n for i, n in enumerate(names) if n in names[:i]]
    if twice:
        raise DataError(f"column {twice[0]!r} is in the header twice", path=path, line=line)


def no_column(column: str, names: Sequence[str], path: Pathish, line: int | None = None) -> DataError:
    """The error for a column that a file does not have."""
    near = difflib.get_close_matches(column, names, n=1)
    there = ", ".join(map(repr, names)) or "none"
    return DataError(
        f"no column {column!r}; there are: {there}",
        path=path,
        line=line,
        mend=f"did you mean {near[0]!r}?" if near else "check the delimiter and the names",
    )


def read_jsonl(
    path: Pathish, columns: Sequence[str] | None = None, *, encoding: str = "utf-8"
) -> dict[str, list[Any]]:
    """Named columns of a file with one JSON object a line, as lists of equal length.

    ``columns`` names those wanted (default: the keys of the first object, which all others must then
    have too, and no more).  Blank lines are skipped.

    Errors: DataError with file and line for a line that is no JSON object or lacks a column.

    >>> import tempfile
    >>> from chainrule.data import write_atomically
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(f"{folder}/a.jsonl", '{"n": 1, "s": "x"}\\n{"n": 2, "s": "y"}\\n')
    ...     read_jsonl(f"{folder}/a.jsonl", ["s"])
    {'s': ['x', 'y']}
    """
    table: dict[str, list[Any]] | None = None if columns is None else {c: [] for c in columns}
    for line, text in enumerate(read_lines(path, encoding), start=1):
        if not text.strip():
            continue
        try:
            row = json.loads(text, object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            raise DataError(f"not JSON: {error}", path=path, line=line) from None
        if not isinstance(row, dict):
            raise DataError(f"a JSON object was expected, not {text[:40]}", path=path, line=line)
        if table is None:
            table = {key: [] for key in row}
        for column, values in table.items():
            if column not in row:
                raise no_column(column, list(row), path, line)
            values.append(row[column])
        if columns is None and len(row) > len(table):
            extra = next(key for key in row if key not in table)
            raise DataError(
                f"{extra!r} is not in the first object",
                path=path,
                line=line,
                mend="name the columns you want",
            )
    return table or {}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object with each key once (``json`` would silently keep the last)."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [k for k, _ in pairs]
        raise ValueError(f"key {next(k for k in keys if keys.count(k) > 1)!r} stands twice in one object")
    return found
