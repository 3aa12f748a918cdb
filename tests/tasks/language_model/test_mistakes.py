"""Settings, data and run folders that a language model cannot be made of."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from chainrule.errors import ConfigurationError, DataError, RunFolderError
from chainrule.train import RunFolder
from chainrule.train.configuration import resolve

from .conftest import TASK, configured, train

# -- mistakes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "what", "mend"),
    [
        ("model.contxt=3", "there is no setting 'model.contxt'", "did you mean model.context"),
        (
            "data.tokens=letters",
            "data.tokens: invalid enum value 'letters'",
            "choose one of: words, spaces, characters",
        ),
        ("data.min_count=0", "data.min_count: expected `int` >= 1", "--set data.min_count="),
        ("model.dropout=1.0", "model.dropout: expected `float` < 1.0", "--set model.dropout="),
        ("model.decay=0", "model.decay: expected `float` > 0.0", "--set model.decay="),
        ("model.layers=0", "model.layers: expected `int` >= 1", "--set model.layers="),
        ("softmax.negatives=-1", "softmax.negatives: expected `int` >= 0", "--set softmax.negatives="),
        ("softmax.power=2", "softmax.power: expected `float` <= 1.0", "--set softmax.power="),
        ("ngram_order=11", "ngram_order: expected `int` <= 10", "--set ngram_order="),
    ],
)
def test_settings_that_do_not_fit(setting, what, mend):
    with pytest.raises(ConfigurationError) as caught:
        configured(setting)
    assert caught.value.what == what
    assert mend in caught.value.mend


@pytest.mark.parametrize(
    ("data", "settings", "kind", "message"),
    [
        ("nowhere.txt", (), DataError, "no such file, folder or named source"),
        (
            None,
            ("model.activation=tahn",),
            ConfigurationError,
            "invalid enum value 'tahn'",
        ),
        (None, ("data.encoding=utf8000",), ConfigurationError, "no text encoding is called 'utf8000'"),
    ],
)
def test_a_run_that_cannot_begin_leaves_no_folder(tmp_path, text, data, settings, kind, message):
    with pytest.raises(kind, match=message):
        train(tmp_path / "run", data or text, *settings)
    assert not (tmp_path / "run").exists()


def test_a_run_is_not_overwritten(run, text):
    before = (run[0] / "model.safetensors").read_bytes()
    with pytest.raises(ConfigurationError, match="there is a run in this folder already"):
        train(run[0], text)
    assert (run[0] / "model.safetensors").read_bytes() == before


@pytest.fixture
def copied(run, tmp_path) -> Path:
    for path in run[0].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.mark.parametrize(
    ("name", "content", "kind", "message"),
    [
        ("vocabulary.txt", None, RunFolderError, "vocabulary.txt is missing"),
        ("vocabulary.txt", b"the\ncat\n", DataError, "not JSON"),
        ("config.toml", None, RunFolderError, "config.toml is missing"),
        ("config.toml", b"a = = 1", RunFolderError, "config.toml is damaged"),
        ("model.safetensors", None, RunFolderError, "model.safetensors is missing"),
        ("model.safetensors", b"\0" * 30, RunFolderError, "model.safetensors is damaged"),
    ],
)
def test_a_folder_that_is_incomplete_or_damaged(copied, name, content, kind, message):
    if content is None:
        (copied / name).unlink()
    else:
        (copied / name).write_bytes(content)
    with pytest.raises(kind, match=message) as caught:
        TASK.load(RunFolder(copied))
    assert str(copied) in caught.value.where
    assert caught.value.exit_code == 3


def test_weights_of_another_network_are_refused(copied):
    folder = RunFolder(copied)
    config = folder.config()
    config["model"]["hidden"] = 9
    folder.create(config, replace=True)
    with pytest.raises(RunFolderError) as caught:
        TASK.load(folder)
    assert str(caught.value) == (
        "the state does not fit FeedForwardLanguageModel:\n"
        "  hidden.weight: shape (18, 8) given, (18, 9) expected\n"
        "  hidden.bias: shape (8,) given, (9,) expected\n"
        "  output.weight: shape (8, 6) given, (9, 6) expected\n"
        "  mend:  build the model with the configuration it was saved with"
    )


def test_the_defaults_are_those_of_the_lecture_run():
    config = TASK.Config()
    assert msgspec.to_builtins(config)["data"]["source"] == "python-docs"
    assert resolve(TASK.Config) == config
