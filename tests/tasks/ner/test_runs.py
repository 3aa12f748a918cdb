"""What a run leaves behind, and how it is used and gone on with."""

from __future__ import annotations

import json

import numpy as np
import pytest

from chainrule.errors import DataError, RunFolderError
from chainrule.train import RunFolder, Silent
from chainrule.train.configuration import resolve

from .conftest import SMALL, TASK, columns, sentences, train


def test_predictions_mark_the_spans_in_the_text(system):
    first, second, empty = system.predict(["Bob Lee  saw New York.", "saw", ""])
    assert first == {
        "text": "Bob Lee  saw New York.",
        "marked": "[Bob Lee person]  saw [New York place].",
        "spans": [
            {"text": "Bob Lee", "type": "person", "start": 0, "end": 7},
            {"text": "New York", "type": "place", "start": 13, "end": 21},
        ],
    }
    assert second["spans"] == []
    assert empty == {"text": "", "marked": "", "spans": []}
    assert system.predict([]) == []


def test_a_sentence_of_ten_thousand_words(system):
    (long,) = system.predict(["Ann saw New York . " * 2000])
    assert len(long["spans"]) == 4000
    assert long["spans"][-1] == {"text": "New York", "type": "place", "start": 37989, "end": 37997}


def test_long_sentences_are_trained_on_in_pieces(tmp_path):
    words = [pair for sentence in sentences(60, 3) for pair in sentence]
    (tmp_path / "train.txt").write_bytes(columns([words, *sentences(10, 4)]))
    (tmp_path / "dev.txt").write_bytes(columns(sentences(10, 5)))
    (tmp_path / "test.txt").write_bytes(columns([words]))
    assert train(tmp_path / "run", tmp_path, "linear_epochs=0").scores["test_f1"] > 0.95


@pytest.mark.parametrize("form", ["crf", "margin"])
def test_resumed_training_leaves_the_same_bits(tmp_path, data, form):
    settings = ("linear_epochs=0", "optimizer.schedule=constant", f"model.form={form}", "model.dropout=0.2")
    train(tmp_path / "one", data, "training.epochs=4", *settings)
    train(tmp_path / "parts", data, "training.epochs=2", *settings)
    train(tmp_path / "parts", data, "training.epochs=4", *settings, resume=True)
    one, parts = (RunFolder(tmp_path / name).load_model()[0] for name in ("one", "parts"))
    assert all(np.array_equal(one[name], parts[name]) for name in one)


def test_what_an_interrupted_run_has_learned_can_be_used(tmp_path, data):
    class Interrupting(Silent):
        """Ctrl-C after the first epoch."""

        def epoch(self, record):
            raise KeyboardInterrupt

    folder = RunFolder(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        TASK.train(
            resolve(TASK.Config, settings=SMALL),
            str(data),
            folder,
            resume=False,
            reporter=Interrupting(),
            say=lambda line: None,
        )
    system = TASK.load(folder)
    assert system.scorer.shifts == {}
    assert system.predict(["we flew"])[0]["text"] == "we flew"


def test_the_test_part_decides_nothing(tmp_path, data):
    for name in ("x.train.conll", "x.dev.conll"):
        (tmp_path / name).write_bytes((data / name).read_bytes())
    (tmp_path / "x.test.conll").write_bytes(columns([[("Odd", "B-thing"), ("things", "I-thing")]]))
    report = train(tmp_path / "a", tmp_path, "training.epochs=2")
    train(tmp_path / "b", data, "training.epochs=2")
    for name in ("model.safetensors", "decoder.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert report.scores["test_recall"] == 0.0
    assert report.tables[2].rows[-2][0] == "thing"  # a type that only the test part has


@pytest.mark.parametrize(
    "name",
    ["channels.json", "tags.txt", "lexicon.json", "gazetteer.json", "decoder.json", "model.safetensors"],
)
def test_a_run_that_lacks_a_file(tmp_path, run, name):
    for file in run[0].iterdir():
        if file.name != name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises((RunFolderError, DataError)) as caught:
        TASK.load(RunFolder(tmp_path))
    assert name in str(caught.value)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"network": {"O": "x"}, "linear": {}}', '{"network": {"O": 0}}']
)
def test_a_damaged_decoder_is_refused(tmp_path, run, content):
    for file in run[0].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "decoder.json").write_text(content)
    with pytest.raises(RunFolderError, match=r"decoder\.json is damaged"):
        TASK.load(RunFolder(tmp_path))


def test_the_run_folder_holds_plain_files(run):
    shifts = json.loads((run[0] / "decoder.json").read_text())
    assert set(shifts) == {"network", "linear"}
    assert set(shifts["network"]) == {"O"}
