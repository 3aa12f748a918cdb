from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.data import Batches
from chainrule.errors import ConfigurationError, DataError, RunFolderError
from chainrule.train import RunFolder, Settings, fit
from chainrule.train.tensors import load_tensors, save_tensors

ARRAYS = {
    "w": np.arange(6, dtype=np.float32).reshape(2, 3),
    "step": np.array(7, np.int64),
    "empty": np.zeros((0, 4), np.float32),
    "turned": np.arange(6.0).reshape(2, 3).T,
}
NOTES = {"epoch": 3, "best": -1.5, "text": "größer"}


def test_tensors_come_back_as_they_were(tmp_path: Path) -> None:
    save_tensors(tmp_path / "a.safetensors", ARRAYS, NOTES)
    arrays, notes = load_tensors(tmp_path / "a.safetensors")
    assert notes == NOTES
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_the_same_tensors_are_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        save_tensors(tmp_path / name, dict(reversed(ARRAYS.items())) if name == "b" else ARRAYS, NOTES)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_flipped_byte_anywhere_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_tensors(path, ARRAYS, NOTES)
    whole = path.read_bytes()
    for place in range(len(whole)):
        for flip in (0x20,) if place % 2 else (0x01,):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
            try:
                arrays, notes = load_tensors(path)
            except RunFolderError as error:
                assert error.exit_code == 3  # noqa: PT017  # padding may change and say nothing
                continue
            assert notes == NOTES
            assert all(np.array_equal(arrays[name], array) for name, array in ARRAYS.items())


def test_a_file_cut_anywhere_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_tensors(path, ARRAYS, NOTES)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(RunFolderError, match=r"a\.safetensors"):
            load_tensors(path)


def test_tensors_that_somebody_else_wrote_are_refused(tmp_path: Path) -> None:
    from_elsewhere = b"\x02\0\0\0\0\0\0\0{}"
    (tmp_path / "a.safetensors").write_bytes(from_elsewhere)
    with pytest.raises(RunFolderError, match="does not say what was written to it"):
        load_tensors(tmp_path / "a.safetensors")


def test_a_folder_holds_one_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "deep" / "run")
    folder.create({"a": 1, "none": None, "inner": {"b": [1, 2]}})
    assert folder.config() == {"a": 1, "inner": {"b": [1, 2]}}
    with pytest.raises(ConfigurationError, match="there is a run in this folder already"):
        folder.create({})
    folder.create({"a": 2}, replace=True)
    assert folder.config() == {"a": 2}


def test_what_a_kill_left_half_written_is_taken_away(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.create({"a": 1})
    (tmp_path / ".model.safetensors.0badf00d.tmp").write_bytes(b"half")
    folder.create({"a": 1}, replace=True)
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


def test_a_place_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "here").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="the folder cannot be made"):
        RunFolder(tmp_path / "here").create({})


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("config.toml", b"a = [", "config.toml is damaged"),
        ("config.toml", b"\xff", "config.toml is damaged"),
        ("manifest.json", b'{"a": 1', "manifest.json is damaged"),
        ("manifest.json", b"3", "manifest.json is damaged"),
        ("metrics.jsonl", b'{"epoch": 1}\n{"epoch"', "metrics.jsonl is damaged"),
    ],
)
def test_damaged_records(tmp_path: Path, name: str, content: bytes, text: str) -> None:
    folder = RunFolder(tmp_path)
    folder.create({"a": 1})
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RunFolderError, match=text) as caught:
        {"config.toml": folder.config, "manifest.json": folder.manifest, "metrics.jsonl": folder.metrics}[
            name
        ]()
    assert str(tmp_path / name) in str(caught.value)
    if name == "metrics.jsonl":
        assert "line 2" in str(caught.value)


def test_what_is_not_there(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert (folder.metrics(), folder.manifest(), folder.has_state) == ([], {}, False)
    for call, name in (
        (folder.config, "config.toml"),
        (folder.load_model, "model"),
        (folder.load_state, "state"),
    ):
        with pytest.raises(RunFolderError, match=rf"{name}.* is missing"):
            call()


def test_the_manifest_names_versions_and_hashes(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.create({"a": 1})
    folder.save_model(ARRAYS, NOTES)
    folder.write_manifest({"epochs": 3, "versions": {"chainrule": "x"}})
    found = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert found["epochs"] == 3
    assert {"python", "numpy", "machine", "chainrule"} <= found["versions"].keys()
    assert found["sha256"].keys() == {"config.toml", "model.safetensors"}
    assert folder.manifest() == found


def test_state_is_told_apart(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.save_state({"w": ARRAYS["w"]}, {"step": ARRAYS["step"], "model.w.mean": ARRAYS["w"]}, NOTES)
    model, optimizer, progress = folder.load_state()
    assert (list(model), sorted(optimizer), progress) == (["w"], ["model.w.mean", "step"], NOTES)


def test_records_are_json_whatever_the_scores_are(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.create({"a": 1})
    records = [{"epoch": 1, "validation_loss": math.nan, "best": True}, {"epoch": 2, "loss": math.inf}]
    folder.write_metrics(records)
    folder.write_manifest({"best": records[0]})

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    for line in (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        json.loads(line, parse_constant=refuse)
    json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"), parse_constant=refuse)
    first, second = folder.metrics()
    assert math.isnan(first.pop("validation_loss"))
    assert math.isnan(second.pop("loss"))
    assert (first, second) == ({"epoch": 1, "best": True}, {"epoch": 2})
    assert folder.manifest()["best"]["validation_loss"] is None


def test_a_run_without_one_score_that_is_a_number_keeps_its_first_weights(tmp_path: Path) -> None:
    net = cr.nn.Linear(1, 1, seed=0)
    kept = []

    def validate() -> dict[str, float]:
        kept.append(net.weight.copy())
        return {"loss": math.nan}

    result = fit(
        net,
        lambda x: cr.mean(cr.square(net(x))),
        Batches(np.ones((8, 1), np.float32), 4),
        cr.optim.SGD(net.parameters(), 0.1),
        settings=Settings(epochs=9, patience=2),
        validate=validate,
        folder=RunFolder(tmp_path),
    )
    assert (result.stopped, [record["best"] for record in result.records]) == (
        "patience",
        [True, False, False],
    )
    np.testing.assert_array_equal(net.weight.value, kept[0])
    np.testing.assert_array_equal(RunFolder(tmp_path).load_model()[0]["weight"], kept[0])
