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


def digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """A SHA-256 over names, dtypes, shapes and bytes."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def save_tensors(path: Path, arrays: Mapping[str, NDArray[Any]], notes: Mapping[str, Any]) -> None:
    """Write ``arrays`` and ``notes`` (JSON) to ``path``, through a temporary name."""
    plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    metadata = {"format": "chainrule", "digest": digest(plain), "notes": json.dumps(notes)}
    write_atomically(path, save(plain, metadata=metadata))


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
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
        notes = json.loads(metadata.get("notes", "{}"))
    except (SafetensorError, ValueError, OSError) as error:
        raise RunFolderError(
            f"{path.name} is damaged: {error}", where=str(path), mend="restore it, or train again"
        ) from None
    if "digest" in metadata and metadata["digest"] != digest(arrays):
        raise RunFolderError(
            f"{path.name} does not hold what was written to it",
            where=str(path),
            mend="restore it, or train again",
        )
    return arrays, notes
