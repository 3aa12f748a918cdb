"""Word vectors once read, kept on disk as a matrix that is mapped into memory, not loaded."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chainrule.data.word_vectors import WordVectors
from chainrule.places import cache_folder

_VERSION = 1


@dataclass(frozen=True)
class CacheEntry:
    """The place in the cache of one file as it is now: its path, size, time of change, and reading.

    A folder with the matrix (``matrix.npy``) and the words (``words.json``) comes into being by a rename,
    whole or not at all; one that is damaged counts as absent.  A file that has changed has another entry,
    and its old one is removed.
    """

    folder: Path
    file: str
    identity: str

    @staticmethod
    def of(path: Path, format: str | None, codec: str) -> CacheEntry | None:
        """The entry of a file, or None where there is no cache or no such file."""
        folder = cache_folder("vectors")
        try:
            state = path.stat()
        except OSError:
            return None
        if folder is None:
            return None
        reading = f"{_VERSION} {format} {codec} {state.st_size} {state.st_mtime_ns}"
        return CacheEntry(folder, _digest(str(path.resolve())), _digest(reading))

    @property
    def place(self) -> Path:
        return self.folder / f"{self.file}-{self.identity}"

    def load(self) -> WordVectors | None:
        """The vectors, their matrix mapped and read-only, if they are there and whole."""
        try:
            words = json.loads((self.place / "words.json").read_bytes())
            return WordVectors(words, np.load(self.place / "matrix.npy", mmap_mode="r"))
        except (OSError, EOFError, ValueError, TypeError):  # absent or damaged
            return None

    def save(self, blocks: Iterator[NDArray[np.float32]], index: dict[str, int]) -> WordVectors | None:
        """Write the blocks as they come, then the words in ``index``, which they fill and this empties.

        None if that cannot be done.
        """
        temporary = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=".", suffix=".tmp", dir=self.folder))
            with open(temporary / "matrix.npy", "xb") as stream:
                _write_matrix(stream, blocks)
                _settle(stream)
            with open(temporary / "words.json", "xb") as stream:
                stream.write(b"[")
                for place, word in enumerate(index):  # word by word: there may be millions
                    stream.write((",\n" * (place > 0) + json.dumps(word)).encode())
                stream.write(b"]\n")
                index.clear()  # they are read back from there, and need not be in memory twice
                _settle(stream)
            with contextlib.suppress(OSError):  # another process may have been first, or left a damaged one
                if self.load() is None:
                    shutil.rmtree(self.place, ignore_errors=True)
                    os.replace(temporary, self.place)
            self._remove_older()
        except OSError:  # no room, or no right to write: a folder that cannot be written is no cache
            return None
        finally:
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)
        return self.load()

    def _remove_older(self) -> None:
        for other in self.folder.glob(f"{self.file}-*"):
            if other != self.place:
                shutil.rmtree(other, ignore_errors=True)


def _write_matrix(stream: io.BufferedWriter, blocks: Iterator[NDArray[np.float32]]) -> None:
    """An .npy file of rows whose number is known at the end only: its header has room for any."""
    rows = dimension = 0
    for block in blocks:
        if not dimension:
            dimension = block.shape[1]
            stream.write(_npy_header(0, dimension))
        stream.write(np.ascontiguousarray(block, dtype="<f4").data)
        rows += len(block)
    stream.seek(0)
    stream.write(_npy_header(rows, dimension))


def _npy_header(rows: int, dimension: int) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (rows, dimension)}
    )
    return header.getvalue()


def _settle(stream: io.BufferedWriter) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
