"""Bytes in and out of files: gzip seen through, sizes bounded, and never half a file left behind."""

from __future__ import annotations

import contextlib
import errno
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from chainrule.errors import DataError

Pathish = str | PathLike[str]

GZIP_MAGIC = b"\x1f\x8b"
MOST_BYTES = 1 << 32
"""What a compressed file may unpack to unless the caller says otherwise: 4 GiB."""

_CHUNK = 1 << 20
_IMPOSSIBLE = {errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP}


def possible_path(path: Pathish) -> Path:
    """``path``, if a file can be called so; whether one is there is not asked.

    Raises: DataError for a zero byte or another character that no name has, and for a name that is too long.

    >>> possible_path("zero" + chr(0))
    Traceback (most recent call last):
      ...
    chainrule.errors.DataError: no file can be called so: it holds a zero byte
      where: zero\\x00
    """
    try:
        os.lstat(path)
    except ValueError as error:  # UnicodeEncodeError, too
        coded = isinstance(error, UnicodeEncodeError)
        reason = (
            "it holds a letter that files' names are not written with" if coded else "it holds a zero byte"
        )
        raise DataError(f"no file can be called so: {reason}", path=_brief(path)) from None
    except OSError as error:
        if error.errno in _IMPOSSIBLE:
            raise DataError(f"no file can be called so: {error.strerror}", path=_brief(path)) from None
    return Path(path)


def _brief(path: Pathish) -> str:
    """A name that is none, as it can be printed."""
    text = repr(os.fspath(path))[1:-1]
    return text if len(text) <= 100 else f"{text[:50]}…{text[-50:]}"


def open_bytes(path: Pathish) -> tuple[io.BufferedIOBase, int, bool]:
    """Open a file for reading: the stream (unpacked if gzip), the size on disk, and whether it is gzip.

    Gzip is known by its first two bytes, not by the file's name.

    Raises: DataError if the file is missing, is a folder, or may not be read.
    """
    possible_path(path)
    try:
        raw = open(path, "rb")  # noqa: SIM115 - the caller closes it
        size = os.fstat(raw.fileno()).st_size
    except FileNotFoundError:
        raise DataError("no such file", path=path, mend="check the path") from None
    except IsADirectoryError:
        raise DataError(
            "a folder where a file was expected", path=path, mend="name the file inside"
        ) from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", path=path) from error
    packed = raw.read(2) == GZIP_MAGIC
    raw.seek(0)
    if not packed:
        return raw, size, False
    raw.close()
    return gzip.GzipFile(path, "rb"), size, True


def read_exactly(stream: io.BufferedIOBase, count: int, path: Pathish) -> bytes:
    """Read up to ``count`` bytes, fewer only at the end of the file; a damaged gzip is a DataError.

    The bytes are gathered chunk by chunk, so that memory grows with what the file really holds.
    """
    chunks: list[bytes] = []
    missing = count
    try:
        while missing and (chunk := stream.read(min(missing, _CHUNK))):
            chunks.append(chunk)
            missing -= len(chunk)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"damaged gzip after {count - missing:,} unpacked bytes: {error}",
            path=path,
            mend="fetch or compress the file again",
        ) from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", path=path) from error
    return b"".join(chunks)


def read_bytes(path: Pathish, most: int = MOST_BYTES) -> bytes:
    """The whole content of a file, unpacked if it is gzip.

    Raises: DataError if it cannot be read, is a damaged gzip, or unpacks to more than ``most`` bytes.

    >>> import os, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> name = os.path.join(folder.name, "a.gz")
    >>> write_atomically(name, gzip.compress(b"seen through"))
    >>> read_bytes(name)
    b'seen through'
    >>> folder.cleanup()
    """
    stream, size, packed = open_bytes(path)
    with stream:
        if not packed:
            return read_exactly(stream, size, path)
        content = read_exactly(stream, most + 1, path)
    if len(content) > most:
        raise DataError(
            f"{size:,} compressed bytes unpack to more than {most:,}",
            path=path,
            mend="unpack it first if it is really that large",
        )
    return content


def write_atomically(path: Pathish, content: bytes | str) -> None:
    """Write a file whole or not at all, as :func:`replacing` does.

    A ``str`` is written as UTF-8 with its newlines unchanged.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    with replacing(path) as stream:
        stream.write(data)


@contextlib.contextmanager
def replacing(path: Pathish) -> Iterator[io.BufferedWriter]:
    """A stream to write a file whole or not at all: to a temporary name beside it, then renamed.

    The content is flushed to disk before the rename.  A failure at any moment, the caller's included,
    leaves the old file, if there was one, and no temporary file.

    Raises: DataError if the file cannot be written.
    """
    target = possible_path(path)
    if not target.name:
        raise DataError("a folder where a file was expected", path=path, mend="name the file inside")
    # Of a long name a part: with what is added it would be longer than names may be.
    temporary = target.with_name(f".{target.name[:50]}.{os.urandom(4).hex()}.tmp")
    try:
        with open(temporary, "xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise DataError(f"cannot be written: {error.strerror or error}", path=path) from error
        raise
