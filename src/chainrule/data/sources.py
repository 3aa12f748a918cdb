"""Named public data sets: fetched once, checked against pinned hashes, kept in the cache folder."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import logging
import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from chainrule.data.files import replacing
from chainrule.data.source_table import SOURCES, RemoteFile, Source
from chainrule.errors import DataError, MissingExtraError
from chainrule.places import CACHE_VARIABLE, cache_folder

OFFLINE_VARIABLE = "CHAINRULE_OFFLINE"
Say = Callable[[str], object]

_SECONDS = 30
"""Without an answer, or the next piece of one, for so long, a download is given up."""
_WORTH_SAYING = 20e6


def aloud(line: str) -> None:
    """Say it on the standard error: the standard output is for results."""
    print(line, file=sys.stderr)


def located(data: str, say: Say = aloud, offline: bool = False) -> Path:
    """The file or folder that ``data`` names: a path as it is, or a named source, fetched if need be.

    ``NAME/FILE`` is one file of a source, such as ``glove-6b/glove.6B.50d.txt``.  What exists as a path is
    taken as one.

    Raises: DataError if there is neither, with names that are near; else as :func:`fetch`.
    """
    path = Path(data)
    if os.path.exists(data):
        return path
    name, _, inside = data.replace(os.sep, "/").partition("/")
    if name not in SOURCES:
        near = difflib.get_close_matches(name, SOURCES, n=2)
        mend = f"did you mean {' or '.join(near)}?" if near else f"the named sources are {', '.join(SOURCES)}"
        raise DataError("no such file, folder or named source", path=data or None, mend=mend)
    names = [file.name for file in SOURCES[name].files]
    if inside and inside not in names:
        raise DataError(f"{name} has no file {inside!r}", mend=f"it has {', '.join(names)}")
    return fetch(name, say, offline) / inside


BUILT_IN = ("python-code", "python-docs", "python-docstrings", "sklearn-digits")
"""Sources that need no file; each task reads its own."""


def recorded_source(data: str) -> str:
    """``data`` as a run records it: a path that is there, from any working directory; a name stays.

    What is built in is meant by its name even where a file is called so.  What is neither stays as it is, for
    :func:`located` to name what is near.
    """
    found = data not in BUILT_IN and os.path.exists(data)  # false, too, for what is no possible name
    return str(Path(data).absolute()) if found else data


def fetch(source: str | Source, say: Say = aloud, offline: bool = False) -> Path:
    """The folder with the files of a source; what is not there yet is downloaded, and its licence said.

    The folder is ``sources/NAME`` within ``CHAINRULE_CACHE_DIR``, or else within the system's place for
    caches.  Each file comes into being whole and checked, or not at all.  With ``offline``, or where
    ``CHAINRULE_OFFLINE`` is set to anything but 0, nothing is downloaded.

    Raises: DataError if the name is unknown; if a file is missing and may not be downloaded; if it cannot
    be, or is not what it was when its hash was taken: the error says where to put it by hand.
    MissingExtraError if the package that downloads is not installed.
    """
    if isinstance(source, str):
        if source not in SOURCES:
            near = difflib.get_close_matches(source, SOURCES, n=2)
            mend = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(SOURCES)}"
            raise DataError(f"there is no source called {source!r}", mend=mend)
        source = SOURCES[source]
    folder = cache_folder("sources", source.name)
    if folder is None:
        raise DataError(
            f"there is no folder to keep {source.name} in", mend=f"set {CACHE_VARIABLE} to a folder"
        )
    missing = [file for file in source.files if not _is_there(file, folder)]
    if not missing:
        return folder
    if offline or os.environ.get(OFFLINE_VARIABLE, "0") not in ("", "0"):
        reason = "nothing may be downloaded" if offline else f"{OFFLINE_VARIABLE} is set"
        raise _by_hand(f"{source.name} is not complete, and {reason}", missing, folder)
    say(f"fetching {source.name} ({source.about}) to {folder}")
    say(f"licence of {source.name}: {source.licence}")
    _make(folder)
    for url in dict.fromkeys(file.url for file in missing):
        _download([file for file in missing if file.url == url], folder, say)
    return folder


def _is_there(file: RemoteFile, folder: Path) -> bool:
    """Whether a file lies there, and is the one whose hash is known."""
    try:
        with open(folder / file.name, "rb") as stream:
            return not file.sha256 or hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256
    except OSError:
        return False


def _by_hand(what: str, files: list[RemoteFile], folder: Path) -> DataError:
    lines = []
    for file in files:
        part = f" (in it {file.member})" if file.member else ""
        known = f", sha256 {file.sha256}" if file.sha256 else ""
        lines.append(f"{file.name} from {file.url}{part}{known}")
    return DataError(what, path=folder, mend="put there by hand: " + "; ".join(lines))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"the folder cannot be made: {error.strerror or error}",
            path=folder,
            mend=f"set {CACHE_VARIABLE} to a folder that can be written",
        ) from error


# -- downloading -------------------------------------------------------------------------------------


def _download(files: list[RemoteFile], folder: Path, say: Say) -> None:
    """Fetch one address: a file, or an archive that holds several."""
    first = files[0]
    archive = bool(first.member)
    name = first.url.rsplit("/", 1)[-1] if archive else first.name
    known = first.archive_sha256 if archive else first.sha256
    try:
        _retrieve(first.url, known, folder, name, say)
    except (OSError, ValueError) as error:
        # The package puts a hash mismatch in a ValueError; everything of the network is an OSError.
        problem = "is not the file it was" if isinstance(error, ValueError) else "cannot be downloaded"
        raise _by_hand(f"{first.url} {problem}: {error}", files, folder) from error
    if archive:
        for file in files:
            _extract(folder / name, file, folder)
        with contextlib.suppress(OSError):
            (folder / name).unlink()


def _retrieve(url: str, sha256: str, folder: Path, name: str, say: Say) -> None:
    try:
        import pooch
    except ImportError:
        raise MissingExtraError("pooch", "sources", f"downloading {name}") from None
    with _silenced(pooch.get_logger()):  # what it logs is said already
        pooch.retrieve(
            url,
            known_hash=f"sha256:{sha256}" if sha256 else None,
            fname=name,
            path=folder,
            downloader=pooch.HTTPDownloader(
                chunk_size=_Progress.step,
                timeout=_SECONDS,
                progressbar=_Progress(name, say),
                hooks={"response": _close_refusal},
            ),
        )


def _close_refusal(response: Any, **_: object) -> None:
    """Close the connection of an answer without content; the downloader raises and would leave it open."""
    if response.status_code >= 400:
        response.close()


@contextlib.contextmanager
def _silenced(logger: logging.Logger) -> Iterator[None]:
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


class _Progress:
    """Says each tenth of a large download; of the shape that the downloader expects of a progress bar."""

    step = 1 << 16

    def __init__(self, name: str, say: Say) -> None:
        self.name, self.say = name, say
        self.total = 0
        self._done = self._tenths = 0

    def update(self, count: int) -> None:
        self._done += count
        tenths = 10 * self._done // self.total if self.total > _WORTH_SAYING else 0
        if self._tenths < tenths <= 10:
            self._tenths = tenths
            self.say(f"{self.name}: {10 * tenths} % of {self.total / 1e6:,.0f} MB")

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        self.total = 0


def _extract(archive: Path, file: RemoteFile, folder: Path) -> None:
    """One member of a zip archive, checked before it gets its name."""
    digest = hashlib.sha256()
    try:
        with (
            zipfile.ZipFile(archive) as packed,
            packed.open(file.member) as inside,
            replacing(folder / file.name) as stream,
        ):
            while piece := inside.read(1 << 20):
                digest.update(piece)
                stream.write(piece)
            if file.sha256 and digest.hexdigest() != file.sha256:
                raise DataError(f"{file.member} has the sha256 {digest.hexdigest()}", path=archive)
    except (zipfile.BadZipFile, KeyError, EOFError, DataError, OSError) as error:
        archive.unlink(missing_ok=True)
        raise _by_hand(f"{file.url} is not the archive it was: {error}", [file], folder) from error
