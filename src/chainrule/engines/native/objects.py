"""Machine code on disk, by content: a folder of small files, none of which is ever trusted.

A file is a checksum and an object.  What is damaged, cut short or unreadable counts as absent; a folder
that cannot be written is no folder.  Files come into being by a rename, so writers may race, and the
folder is kept below a size by removing what was used longest ago.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from ...places import cache_folder

LARGEST = 64 << 20
"""Bytes that the folder may hold, give or take the few objects written since it was last looked through."""

_SUM = 16
_SELDOM = 16
"""Of 256 objects that are written, so many are followed by a look at the folder's size."""
_DAY = 86400.0


def default_folder() -> Path | None:
    """Where this user's machine code is kept; None: nowhere (see :func:`chainrule.places.cache_folder`)."""
    return cache_folder("code")


class ObjectCache:
    """The objects in a folder; ``folder`` None keeps nothing."""

    def __init__(self, folder: Path | None, largest: int = LARGEST) -> None:
        self.folder = folder
        self.largest = largest

    def load(self, key: str) -> bytes | None:
        """The object of a key, if it is there and whole."""
        if self.folder is None:
            return None
        path = self.folder / key
        try:
            with open(path, "rb") as file:
                age = time.time() - os.fstat(file.fileno()).st_mtime
                content = file.read()
        except OSError:
            return None
        body = content[_SUM:]
        if content[:_SUM] != _checksum(key, body) or not body:
            return None
        if age > _DAY:  # the time of its last use, more or less, is what pruning goes by
            with suppress(OSError):
                os.utime(path)
        return body

    def save(self, key: str, body: bytes) -> None:
        """Keep an object; where that cannot be done, nothing is kept.

        No flush to the disk: after a crash of the machine the checksum finds a file that was cut short.
        """
        if self.folder is None:
            return
        temporary = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=".new-", dir=self.folder)
            with os.fdopen(handle, "wb") as file:
                file.write(_checksum(key, body) + body)
            os.replace(temporary, self.folder / key)
        except OSError:
            if temporary is not None:
                with suppress(OSError):
                    os.unlink(temporary)
            return
        if _checksum(key, b"")[0] < _SELDOM:  # looking through the folder takes a while
            self.prune()

    def prune(self) -> None:
        """Remove what was used longest ago until the rest is well below the largest size."""
        if self.folder is None:
            return
        found = []
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    with suppress(OSError):  # another process prunes as well
                        status = entry.stat()
                        found.append((status.st_mtime, status.st_size, entry.path, entry.name))
        except OSError:
            return
        now, total = time.time(), sum(size for _, size, _, _ in found)
        for age, size, path, name in sorted(found):
            abandoned = name.startswith(".new-") and now - age > _DAY
            if abandoned or total > self.largest:
                with suppress(OSError):
                    os.unlink(path)
                    total -= size


def _checksum(key: str, body: bytes) -> bytes:
    """Of the name, too: a file under another's name is not taken for it."""
    return blake2b(body, key=key.encode()[:64], digest_size=_SUM).digest()
