"""Which file of a folder is for training, which for validation, which for testing: told by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from chainrule.data.files import Pathish
from chainrule.errors import DataError

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")

# A word of a file's name and the part it stands for; testa and testb are those of CoNLL-2002 and 2003.
_SAYS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
    "dev": "validation",
    "development": "validation",
    "testa": "validation",
    "test": "test",
    "testing": "test",
    "testb": "test",
}
_ABOUT = (".", "readme", "license", "licence", "copying", "notice")
_LISTED = 12


class Parts(NamedTuple):
    """The files of a data set, ``None`` where it has none for a part."""

    train: Path | None
    validation: Path | None
    test: Path | None


def part_named(name: str) -> Part | None:
    """The part that a file's name says it is, or ``None`` if it says none, or several.

    Only whole words count; digits and punctuation part words.

    >>> [part_named(name) for name in ("wnut17train.conll", "en_ewt-ud-dev.conllu.gz", "latest.txt")]
    ['train', 'validation', None]
    """
    said = {_SAYS[word] for word in re.split("[^a-z]+", name.lower()) if word in _SAYS}
    return said.pop() if len(said) == 1 else None


def data_files(folder: Pathish, suffixes: Sequence[str] = ()) -> list[Path]:
    """The files of a folder in order of name, those that tell about it (README, LICENSE, hidden) aside.

    ``suffixes`` such as ``(".conllu", ".conll")`` are what names must end in, a ``.gz`` after it not
    counted; none lets all pass.  Of a file that lies there packed and unpacked as well, the unpacked is
    taken.

    Errors: DataError for a folder that is not there or may not be read.
    """
    endings = tuple(suffix.lower() for suffix in suffixes)
    found: dict[str, Path] = {}
    # In reverse, so that x.txt comes after x.txt.gz and takes its place.
    for file in sorted(_items(folder), key=_name, reverse=True):
        plain = _unpacked(file.name)
        wanted = plain.lower().endswith(endings) if endings else True
        if wanted and not file.name.lower().startswith(_ABOUT) and file.is_file():
            found[plain] = file
    return sorted(found.values(), key=_name)


def by_part(files: Iterable[Path]) -> dict[Part | None, list[Path]]:
    """The files that say they are for each part, and under ``None`` those that say nothing.

    >>> found = by_part([Path("a.train.txt"), Path("b.train.txt"), Path("notes.txt")])
    >>> [file.name for file in found["train"]], found["test"], [file.name for file in found[None]]
    (['a.train.txt', 'b.train.txt'], [], ['notes.txt'])
    """
    found: dict[Part | None, list[Path]] = {**{part: [] for part in PARTS}, None: []}
    for file in files:
        found[part_named(file.name)].append(file)
    return found


def parts_of(path: Pathish, suffixes: Sequence[str] = ()) -> Parts:
    """The files for training, validation and testing in a folder; a file by itself is for training.

    Names are read word by word: train, training; valid, validation, val, dev; test; a ``.gz`` after
    them is seen through, and files whose names say none of these are passed over.  A folder's only file
    needs no such name.  ``suffixes``: see :func:`data_files`.

    Errors: DataError, listing what is there, for a path that is not there, a folder in which no name
    says a part, or several say the same.

    >>> import tempfile
    >>> from chainrule.data import write_atomically
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("ptb.train.txt.gz", "ptb.valid.txt", "README.txt"):
    ...         write_atomically(f"{folder}/{name}", "")
    ...     [file and file.name for file in parts_of(folder)]
    ['ptb.train.txt.gz', 'ptb.valid.txt', None]
    """
    place = Path(path)
    if place.is_file():
        return Parts(place, None, None)
    files = data_files(place, suffixes)
    if not files:
        expected = f": expected *{', *'.join(suffixes)}, or those with .gz" if suffixes else ""
        raise DataError(
            f"the folder holds no data files; there are: {_listed(_items(place))}",
            path=path,
            mend=f"put the data there, or name a file{expected}",
        )
    groups = by_part(files)
    said = {part: groups[part] for part in PARTS}
    for part, several in said.items():
        if len(several) > 1:
            raise DataError(
                f"{len(several)} files say they are for {part}: {_listed(several)}",
                path=path,
                mend="keep one of them there, or name the file itself",
            )
    if not any(said.values()):
        if len(files) == 1:
            return Parts(files[0], None, None)
        raise DataError(
            f"no name says which file is for what; there are: {_listed(files)}",
            path=path,
            mend="put train, valid (or dev) and test into their names, or name one file",
        )
    return Parts(*(found[0] if found else None for found in said.values()))


def _items(folder: Pathish) -> list[Path]:
    place = Path(folder)
    try:
        return list(place.iterdir())
    except FileNotFoundError:
        raise DataError("no such file or folder", path=folder, mend="check the path") from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", path=folder) from error


def _name(file: Path) -> str:
    return file.name  # paths themselves are in another order on Windows


def _unpacked(name: str) -> str:
    return name[:-3] if name.lower().endswith(".gz") else name


def _listed(files: Iterable[Path]) -> str:
    names = sorted(file.name for file in files)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more if names else "none"
