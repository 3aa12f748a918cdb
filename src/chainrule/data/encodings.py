"""The encoding of a text file: told by its mark or by being UTF-8, or else found, and then said."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

from chainrule.data.files import Pathish, read_bytes
from chainrule.errors import DataError, MissingExtraError

DETECT = "detect"
"""Given as an encoding: the one that the file is found to be in."""

# Longest first: the UTF-32 mark begins like the UTF-16 one.
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte-order marks and the encoding that a file with one at its beginning is in."""

# What files that are not UTF-8 are in, the commonest first: of those that fit equally well one is taken by
# this order, and no other is considered (those that share the 8-bit codes of MS-DOS or of mainframes make
# text out of anything).
_COMMON = (
    "cp1252", "cp1251", "gb18030", "cp932", "euc_jp", "cp949", "big5", "cp1250", "iso8859_2", "cp1254",
    "cp1256", "cp1253", "iso8859_7", "cp1255", "iso8859_8", "cp874", "cp1257", "cp1258", "koi8_r", "koi8_u",
    "iso8859_15", "iso8859_5", "iso8859_6", "iso8859_4", "iso8859_13", "iso8859_10", "iso8859_16",
    "mac_roman",
)  # fmt: skip
_ENOUGH = 1 << 18  # bytes of telling lines


class Encoding(NamedTuple):
    """An encoding that was found, whether that is certain, and which others fit as well."""

    name: str
    certain: bool = True
    others: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.certain:
            return f"read as {self.name}"
        also = f" ({', '.join(self.others)} would do as well)" if self.others else ""
        return f"not UTF-8; read as {self.name}, which seems likeliest{also}: name the encoding to be sure"


def detect_encoding(path: Pathish) -> Encoding:
    """The encoding of a text file: that of its byte-order mark, UTF-8 if its bytes are, or the likeliest.

    The last is looked for with the package charset-normalizer, on the lines that are not ASCII, among the
    encodings in common use; of those that fit equally well the commonest is taken.  It is a guess, and
    ``certain`` is false: show it to the user (its text says all there is to say).

    Errors: DataError if the file cannot be read, or is no text in any of them; MissingExtraError without
    the package, where it is needed.

    >>> import tempfile
    >>> from chainrule.data import write_atomically
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(f"{folder}/a.txt", "naïve")
    ...     print(detect_encoding(f"{folder}/a.txt"))
    read as utf-8
    """
    return encoding_of(read_bytes(path), path=path)


def encoding_of(content: bytes, *, path: Pathish) -> Encoding:
    """The encoding of ``content``, as :func:`detect_encoding` finds it; errors name ``path``."""
    marked = next((name for mark, name in MARKS if content.startswith(mark)), None)
    if marked:
        return Encoding(marked)
    if (zero := content.find(0)) >= 0:
        raise DataError(
            "holds zero bytes: either no text, or UTF-16 or UTF-32 without their mark",
            path=path,
            offset=zero,
            mend="name the encoding, for example encoding='utf-16-le'",
        )
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return _likeliest(content, path)
    return Encoding("utf-8")


def _likeliest(content: bytes, path: Pathish) -> Encoding:
    try:
        from charset_normalizer import from_bytes
    except ImportError:
        raise MissingExtraError(
            "charset-normalizer", "detect", f"finding the encoding of {path}, which is not UTF-8,"
        ) from None
    matches = from_bytes(_telling(content), cp_isolation=list(_COMMON))
    best = matches.best()
    # Encodings that make the same text of the sample are one match with several names.
    names = {
        name
        for match in matches
        if best and (match.chaos, match.coherence) == (best.chaos, best.coherence)
        for name in (match.encoding, *match.could_be_from_charset)
    }
    fitting = [name for name in _COMMON if name in names and _decodes(content, name)]
    if not fitting:
        raise DataError(
            "neither UTF-8 nor text in any other common encoding",
            path=path,
            mend="name the encoding, for example encoding='latin-1', if it is text",
        )
    return Encoding(fitting[0], certain=False, others=tuple(fitting[1:]))


def _telling(content: bytes) -> bytes:
    """The lines that are not ASCII, as many as are enough: the others drown what they say."""
    lines: list[bytes] = []
    size = 0
    for match in re.finditer(rb"[^\r\n]*[\x80-\xff][^\r\n]*", content):
        lines.append(match[0])
        size += len(match[0])
        if size > _ENOUGH:
            break
    return b"\n".join(lines)


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
