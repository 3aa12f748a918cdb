"""Named arrays and a little JSON in one safetensors file, written whole or not at all, checked on reading."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ..data import write_atomically
from ..errors import RunFolderError

Arrays = dict[str, NDArray[Any]]
_ABOUT = "chainrule"
"""The key of the file's metadata."""


def digest(arrays: Mapping[str, NDArray[Any]], notes: str = "") -> str:
    """A SHA-256 over names, dtypes, shapes and bytes, and over the notes."""
    total = hashlib.sha256(notes.encode())
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        total.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def save_tensors(path: Path, arrays: Mapping[str, NDArray[Any]], notes: Mapping[str, Any]) -> None:
    """Write ``arrays`` and ``notes`` (JSON) to ``path``, through a temporary name."""
    plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}  # keeps 0-d arrays 0-d
    text = json.dumps(notes)
    # One entry, since several are written in an order that differs from process to process.
    about = json.dumps({"digest": digest(plain, text), "notes": text})
    write_atomically(path, save(plain, metadata={_ABOUT: about}))


def load_tensors(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and notes of a file that :func:`save_tensors` wrote.

    Raises ``RunFolderError`` if it is missing, cut short, or differs from what was written.
    """
    if not path.is_file():
        raise RunFolderError(
            f"{path.name} is missing", where=str(path.parent), mend="name a finished run's folder"
        )
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {})[_ABOUT])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
        text, written = about["notes"], about["digest"]
        notes = json.loads(text)
    except KeyError:
        raise RunFolderError(
            f"{path.name} does not say what was written to it",
            where=str(path),
            mend="restore it, or train again",
        ) from None
    except (SafetensorError, ValueError, TypeError, OSError) as error:
        raise RunFolderError(
            f"{path.name} is damaged: {error}", where=str(path), mend="restore it, or train again"
        ) from None
    if written != digest(arrays, text):
        raise RunFolderError(
            f"{path.name} does not hold what was written to it",
            where=str(path),
            mend="restore it, or train again",
        )
    return arrays, notes
