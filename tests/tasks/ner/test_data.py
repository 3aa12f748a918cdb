"""Data and settings that are odd: repaired and said, or refused."""

from __future__ import annotations

import pytest

from chainrule.errors import ConfigurationError, DataError, RunFolderError
from chainrule.train import RunFolder

from .conftest import TASK, train


def test_malformed_tags_are_repaired_and_said_or_refused(tmp_path, data):
    text = (data / "x.train.conll").read_bytes().replace(b"Oslo\tB-place", b"Oslo\tI-place")
    (tmp_path / "x.train.conll").write_bytes(text)
    for name in ("x.dev.conll", "x.test.annotated"):
        (tmp_path / name).write_bytes((data / name).read_bytes())
    said: list[str] = []
    report = train(tmp_path / "run", tmp_path, "training.epochs=12", "linear_epochs=0", "data.scheme=IOB2",
                   said=said)  # fmt: skip
    assert report.scores["test_f1"] > 0.8
    assert any("I-place after O" in line for line in said)
    assert sum("more such tags" in line for line in said) == 1
    with pytest.raises(DataError, match="no IOB2 in column 'tag'"):
        train(tmp_path / "other", tmp_path, "data.scheme=IOB2", "data.malformed=refuse")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("".join(f"w{i} O\n\n" for i in range(60)), "no word of the training sentences is in a span"),
        ("".join(f"w{i} NOUN\n\n" for i in range(60)), "mark no spans; one of them is 'NOUN'"),
    ],
)
def test_tags_without_spans_are_refused(tmp_path, text, message):
    (tmp_path / "x.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        train(tmp_path / "run", tmp_path / "x.txt")


def test_one_type_and_one_word_each(tmp_path):
    """Nothing but entities: there is nothing to make corrupted windows of, but all else is learned."""
    text = "".join(f"w{i} B-X\nv{i} B-X\n\n" for i in range(80))
    (tmp_path / "x.txt").write_text(text)
    report = train(tmp_path / "run", tmp_path / "x.txt", "training.epochs=4", "training.ignore=['one-class']")
    assert report.scores["test_f1"] == 1.0
    with pytest.raises(DataError, match="every word of the training sentences is S-X") as caught:
        train(tmp_path / "margin", tmp_path / "x.txt", "model.form=margin")
    assert "x.txt" in str(caught.value)
    assert not (tmp_path / "margin").exists()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model.form=hmm", "choose one of: logistic, softmax, margin, crf"),
        ("model.scheme=IOB", "did you mean IOB2 or IOB1"),
        ("data.scheme=IOB", "did you mean IOB2 or IOB1"),
        ("features.channels=['word', 'tag']", "'tag' is the column with the tags"),
    ],
)
def test_settings_that_cannot_be(tmp_path, data, setting, message):
    with pytest.raises(ConfigurationError, match=message):
        train(tmp_path / "run", data, setting)
    assert not (tmp_path / "run").exists()


def test_a_folder_without_settled_scheme_is_refused(tmp_path, run):
    for file in run[0].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = (tmp_path / "config.toml").read_text()
    assert 'scheme = "IOB2"' in config
    (tmp_path / "config.toml").write_text(config.replace('scheme = "IOB2"', 'scheme = "auto"'))
    with pytest.raises(RunFolderError, match="scheme is not settled"):
        TASK.load(RunFolder(tmp_path))
