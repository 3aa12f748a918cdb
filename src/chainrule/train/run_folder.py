"""The folder of a run: configuration, weights, state, metrics; whole at any moment, even after a kill.

==================== ===========================================================================
``config.toml``      the resolved configuration
``model.safetensors`` the best weights so far, by the validation score
``state.safetensors`` the present weights and the optimizer's state, with the position in the data
``manifest.json``    versions, hashes, where the run stands
``metrics.jsonl``    one line an epoch
``layers.jsonl``     after some of the epochs: ``parameters``, by name the root mean squares of ``weight``
                     and ``gradient`` and the ``update`` of a step relative to the weight, and ``units``, by
                     layer their ``kind`` and the share of them that is ``idle`` (dead or saturated)
``curves.svg``, ``layers.svg``, ``report.html``  written at the end
==================== ===========================================================================

Every file is written to a temporary name, flushed and renamed, and carries what is needed to check it.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from numpy.typing import NDArray

from ..data import read_lines, read_text, write_atomically
from ..data.files import possible_path
from ..errors import ConfigurationError, DataError, RunFolderError
from ..version import __version__
from .json_text import json_text
from .tensors import Arrays, load_tensors, save_tensors

_PREFIXES = ("model.", "optimizer.")


class RunFolder:
    """A folder that a run writes to, or that one has been written to."""

    def __init__(self, path: str | Path) -> None:
        self.path = possible_path(path)

    def check_free(self) -> None:
        """Raise where a run is there already: it would be lost."""
        if self.config_path.exists():
            raise ConfigurationError(
                "there is a run in this folder already",
                where=str(self.path),
                mend="continue it with --resume, or choose another --out",
            )

    def create(self, config: Mapping[str, Any], *, replace: bool = False) -> None:
        """Make the folder and write the configuration; a run that is there already is an error."""
        if not replace:
            self.check_free()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for left_by_a_kill in self.path.glob(".*.tmp"):
                left_by_a_kill.unlink()
        except OSError as error:
            raise DataError(f"the folder cannot be made: {error.strerror or error}", path=self.path) from None
        write_atomically(self.config_path, to_toml(config))

    @property
    def config_path(self) -> Path:
        """Where the resolved configuration stands."""
        return self.path / "config.toml"

    def config(self) -> dict[str, Any]:
        """The configuration that the run was started with."""
        try:
            return tomllib.loads(self.config_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunFolderError(
                "this is no run folder: config.toml is missing",
                where=str(self.path),
                mend="name the folder of a run",
            ) from None
        except OSError as error:
            raise RunFolderError(
                f"config.toml cannot be read: {error.strerror or error}", where=str(self.config_path)
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise RunFolderError(f"config.toml is damaged: {error}", where=str(self.config_path)) from None

    @property
    def task(self) -> str:
        """The name of the task that the run is of."""
        name = self.config().get("task")
        if not isinstance(name, str):
            raise RunFolderError("config.toml does not name the run's task", where=str(self.config_path))
        return name

    def existing(self, name: str) -> Path:
        """A file that the task has left beside the weights; ``RunFolderError`` where there is none."""
        path = self.path / name
        if not path.exists():
            raise RunFolderError(
                f"{name} is missing", where=str(self.path), mend="restore it, or train again"
            )
        return path

    # -- weights and state -------------------------------------------------------------------------

    def save_model(self, arrays: Mapping[str, NDArray[Any]], notes: Mapping[str, Any]) -> None:
        """The weights to keep: the best so far."""
        save_tensors(self.path / "model.safetensors", arrays, notes)

    def load_model(self) -> tuple[Arrays, dict[str, Any]]:
        """The best weights, and the epoch and score they were saved at."""
        return load_tensors(self.path / "model.safetensors")

    def save_state(
        self, model: Mapping[str, Any], optimizer: Mapping[str, Any], progress: Mapping[str, Any]
    ) -> None:
        """Everything that continuing needs, in one file."""
        arrays = {f"model.{name}": array for name, array in model.items()}
        arrays |= {f"optimizer.{name}": array for name, array in optimizer.items()}
        save_tensors(self.path / "state.safetensors", arrays, progress)

    def load_state(self) -> tuple[Arrays, Arrays, dict[str, Any]]:
        """The model's arrays, the optimizer's arrays, and the progress."""
        arrays, progress = load_tensors(self.path / "state.safetensors")
        parts: tuple[Arrays, Arrays] = ({}, {})
        for name, array in arrays.items():
            for prefix, part in zip(_PREFIXES, parts, strict=True):
                if name.startswith(prefix):
                    part[name[len(prefix) :]] = array
        return parts[0], parts[1], progress

    @property
    def has_state(self) -> bool:
        """Whether training has left a state to go on from."""
        return (self.path / "state.safetensors").is_file()

    # -- records -----------------------------------------------------------------------------------

    def write_metrics(self, records: Sequence[Mapping[str, Any]]) -> None:
        """All epochs' records, one JSON object a line; a score that is no finite number is null."""
        write_atomically(self.path / "metrics.jsonl", "".join(json_text(record) + "\n" for record in records))

    def metrics(self) -> list[dict[str, Any]]:
        """The records written so far; what is null there is NaN."""
        records = self._lines("metrics.jsonl")
        return [{k: math.nan if v is None else v for k, v in record.items()} for record in records]

    def write_layers(self, readings: Sequence[Mapping[str, Any]]) -> None:
        """How the layers fared, one JSON object for each epoch after which they were looked at."""
        write_atomically(self.path / "layers.jsonl", "".join(json_text(r) + "\n" for r in readings))

    def layers(self) -> list[dict[str, Any]]:
        """The readings of layers written so far."""
        return self._lines("layers.jsonl")

    def _lines(self, name: str) -> list[dict[str, Any]]:
        path = self.path / name
        if not path.is_file():
            return []
        return [_json(path, line, number) for number, line in enumerate(read_lines(path), start=1)]

    def write_manifest(self, facts: Mapping[str, Any]) -> None:
        """What ran where, and the hashes of the files that matter."""
        hashes = {
            name: _hash(self.path / name)
            for name in ("config.toml", "model.safetensors", "state.safetensors")
            if (self.path / name).is_file()
        }
        versions = {
            "chainrule": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "machine": platform.machine(),
        }
        manifest = {**facts, "versions": {**versions, **facts.get("versions", {})}, "sha256": hashes}
        write_atomically(self.path / "manifest.json", json_text(manifest, indent=2) + "\n")

    def manifest(self) -> dict[str, Any]:
        """The manifest as written last; empty where there is none."""
        path = self.path / "manifest.json"
        if not path.is_file():
            return {}
        return _json(path, read_text(path))

    def is_as_written(self, name: str) -> bool:
        """Whether a file still holds what it did when the manifest was written; false where none says so."""
        hashes, path = self.manifest().get("sha256"), self.path / name
        known = hashes.get(name) if isinstance(hashes, dict) else None
        return known is not None and path.is_file() and known == _hash(path)

    def write_text(self, name: str, text: str) -> None:
        """One more file, such as a vocabulary or a report."""
        write_atomically(self.path / name, text)


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _json(path: Path, text: str, line: int | None = None) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        found = error
    if not isinstance(found, dict):
        where = str(path) if line is None else f"{path}, line {line}"
        raise RunFolderError(
            f"{path.name} is damaged: {found}", where=where, mend="restore it, or train again"
        )
    return found


def to_toml(config: Mapping[str, Any]) -> str:
    """A configuration as a TOML file has it; settings without a value are left out.

    >>> print(to_toml({"model": {"stride": 1, "padding": None}}), end="")
    [model]
    stride = 1
    """
    return tomli_w.dumps(_without_none(config))


def _without_none(value: Any) -> Any:
    """TOML has no null: a key without a value is left out."""
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_none(item) for item in value]
    return value
