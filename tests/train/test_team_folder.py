"""Those who follow have a copy of the run folder, and write nothing to the one of the process that leads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chainrule.engines.xla import Team
from chainrule.train import RunFolder
from chainrule.train.team_folder import team_folder


class Follower(Team):
    """Hears the folder that another one leads with."""

    def __init__(self, *said: bytes) -> None:
        super().__init__(1, 2)
        self._said = list(said)

    def first_bytes(self, content: bytes) -> bytes:
        return self._said.pop(0)


@pytest.mark.parametrize("out", ["run", ".", "inner/..", "/"])
def test_a_follower_has_a_copy_wherever_the_run_is(
    out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    team = Follower(b'["config.toml", "tagger/config.toml"]', b'task = "pos"', b'task = "ner"')
    with team_folder(team, Path(out)) as folder:
        assert folder.task == "pos"
        assert RunFolder(folder.path / "tagger").task == "ner"
        folder.save_model({"w": np.zeros(1)}, {})
        folder.save_state({"w": np.zeros(1)}, {}, {})
        folder.write_metrics([{"epoch": 1}])
        folder.write_manifest({"stopped": "epochs"})
        assert not folder.has_state
        assert sorted(file.name for file in folder.path.iterdir()) == ["config.toml", "tagger"]
    assert not folder.path.exists()
    assert not list(tmp_path.iterdir())
