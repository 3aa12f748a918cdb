from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from chainrule.compile import DEFAULT_ENGINE
from chainrule.errors import MissingExtraError, RunFolderError
from chainrule.train import RunFolder
from chainrule.train.configuration import Options, TrainingOptions, resolve, to_mapping
from chainrule.train.recorded import recorded, recorded_for_use
from chainrule.version import __version__


class Model(Options):
    width: int = 4
    comparisons: Annotated[int, msgspec.Meta(ge=0, extra={"before": 0})] = 20


class Example(Options):
    name: str = "plain"
    layers: Annotated[int, msgspec.Meta(extra={"before": 1})] = 2
    model: Model = msgspec.field(default_factory=Model)
    training: TrainingOptions = msgspec.field(default_factory=TrainingOptions)


def run(path: Path, *settings: str, lacking: tuple[str, ...] = (), manifest: bool = True) -> RunFolder:
    """A run's folder, as a version that did not know the settings ``lacking`` would have written it."""
    tree: dict[str, Any] = {"task": "example", **to_mapping(resolve(Example, settings=settings))}
    for key in lacking:
        section, _, name = key.rpartition(".")
        del (tree[section] if section else tree)[name]
    folder = RunFolder(path / "run")
    folder.create(tree)
    if manifest:
        folder.write_manifest({})
    return folder


def test_what_was_recorded_comes_back(tmp_path: Path) -> None:
    folder = run(tmp_path, "layers=5", "model.width=9", "training.seed=3")
    assert recorded(Example, folder) == resolve(
        Example, settings=["layers=5", "model.width=9", "training.seed=3"]
    )


def test_settings_that_are_newer_than_the_run_are_as_runs_before_them_were(tmp_path: Path) -> None:
    older = run(tmp_path, "name=old", lacking=("layers", "model.comparisons", "training.ignore"))
    found = recorded(Example, older)
    assert (found.name, found.layers, found.model, found.training) == (
        "old", 1, Model(width=4, comparisons=0), TrainingOptions(),
    )  # fmt: skip
    assert resolve(Example, settings=["model.width=8"], begin=found).model == Model(width=8, comparisons=0)


def test_a_whole_section_may_be_newer(tmp_path: Path) -> None:
    folder = run(tmp_path, lacking=("model",))
    assert recorded(Example, folder).model == Model(width=4, comparisons=0)


@pytest.mark.parametrize("kept", range(0, 100, 5))
def test_a_file_cut_short_anywhere_is_no_older_one(tmp_path: Path, kept: int) -> None:
    folder = run(tmp_path)
    lines = folder.config_path.read_bytes().splitlines(keepends=True)
    folder.config_path.write_bytes(b"".join(lines[: len(lines) * kept // 100]))
    with pytest.raises(RunFolderError, match=r"config\.toml lacks "):
        recorded(Example, folder)


@pytest.mark.parametrize("manifest", ["none", "no hashes", "other hashes"])
def test_without_a_proof_nothing_is_filled_in(tmp_path: Path, manifest: str) -> None:
    folder = run(tmp_path, lacking=("layers",), manifest=manifest != "none")
    if manifest != "none":
        hashes = {"config.toml": "0" * 64} if manifest == "other hashes" else []
        (folder.path / "manifest.json").write_text(json.dumps({"sha256": hashes}), encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"config\.toml lacks layers\n") as caught:
        recorded(Example, folder)
    assert str(folder.config_path) in str(caught.value)


def test_a_whole_file_may_be_edited(tmp_path: Path) -> None:
    folder = run(tmp_path, manifest=False)
    text = folder.config_path.read_text(encoding="utf-8")
    folder.config_path.write_text(text.replace('"plain"', '"moved"'), encoding="utf-8")
    assert recorded(Example, folder).name == "moved"


def test_the_manifest_says_which_version_wrote(tmp_path: Path) -> None:
    assert run(tmp_path).manifest()["versions"]["chainrule"] == __version__


# -- used elsewhere --------------------------------------------------------------------------------


def _no_jax() -> None:
    raise MissingExtraError("jax", "xla", "the engine xla")


def test_an_engine_that_is_not_here_is_replaced_where_a_run_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["chainrule.compile"], "jax", _no_jax)
    folder = run(tmp_path, "training.engine=xla", "training.mesh=data=4", "training.seed=3")
    said: list[str] = []
    found = recorded_for_use(Example, folder, said.append)
    assert (found.training.engine, found.training.mesh, found.training.seed) == (DEFAULT_ENGINE, None, 3)
    assert said == [
        f"{folder.path}: the engine xla needs the package 'jax', which is not installed; "
        "here it is used with the engine native"
    ]
    assert recorded(Example, folder).training.engine == "xla"  # to go on with it, or not at all


@pytest.mark.parametrize("engine", ["native", "stepper", "xla"])
def test_an_engine_that_is_here_is_the_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.setattr(sys.modules["chainrule.compile"], "jax", lambda: None)
    said: list[str] = []
    folder = run(tmp_path, f"training.engine={engine}", "training.mesh=data=4")
    found = recorded_for_use(Example, folder, said.append)
    assert (found.training.engine, found.training.mesh, said) == (engine, None, [])
    assert recorded(Example, folder).training.mesh == "data=4"
