"""The run folder of a run of several processes: one of them reads and writes it, the others have a copy.

So no disk need be shared between hosts, and no file is written twice.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from ..engines.xla import Team
from .run_folder import RunFolder

_SUBFOLDERS_LEFT_OUT = {"logs"}


class Copy(RunFolder):
    """A folder whose owner trains beside the one that writes: weights, state and records are not written."""

    def save_model(self, arrays: Mapping[str, Any], notes: Mapping[str, Any]) -> None:
        """Nothing: the leading process does."""

    def save_state(
        self, model: Mapping[str, Any], optimizer: Mapping[str, Any], progress: Mapping[str, Any]
    ) -> None:
        """Nothing: the leading process does."""

    def write_metrics(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Nothing: the leading process does."""

    def write_layers(self, readings: Sequence[Mapping[str, Any]]) -> None:
        """Nothing: the leading process does."""

    def write_manifest(self, facts: Mapping[str, Any]) -> None:
        """Nothing: the leading process does."""


@contextmanager
def team_folder(team: Team, path: Path) -> Iterator[RunFolder]:
    """The folder at ``path`` for the process that leads; for each other one a copy, taken away in the end."""
    if team.count == 1:
        yield RunFolder(path)
        return
    names, contents = _files(path) if team.leads else ([], [])
    names = msgspec.json.decode(team.first_bytes(msgspec.json.encode(names)), type=list[str])
    copied = [team.first_bytes(contents[n] if team.leads else b"") for n in range(len(names))]
    if team.leads:
        yield RunFolder(path)
        return
    with tempfile.TemporaryDirectory(prefix="chainrule-") as scratch:
        folder = Path(scratch) / (path.resolve().name or "run")  # what it is called may be told
        folder.mkdir()
        for name, content in zip(names, copied, strict=True):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        yield Copy(folder)


def _files(path: Path) -> tuple[list[str], list[bytes]]:
    """What a run has left in its folder, its logs aside: names relative to it, and contents."""
    found = [
        file
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.relative_to(path).parts[0] not in _SUBFOLDERS_LEFT_OUT
    ]
    return [file.relative_to(path).as_posix() for file in found], [file.read_bytes() for file in found]
