"""The tagging task: a small language learned to the last word, what a run leaves behind, and odd data."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from chainrule.errors import ConfigurationError, DataError, RunFolderError
from chainrule.tasks import PosTagging
from chainrule.tasks.pos import PosTagger
from chainrule.train import RunFolder, Silent
from chainrule.train.configuration import resolve

TASK = PosTagging()
SMALL = (
    "features.channels=['word', 'suffix2', 'capitals']", "model.radius=1", "model.width=8",
    "model.hidden=[16]", "model.dropout=0.0", "model.input_dropout=0.0", "training.epochs=15",
    "training.batch=16", "optimizer.learning_rate=0.03", "linear_epochs=2",
)  # fmt: skip

#: ``can`` is a verb behind a pronoun and a noun behind an article; the ending tells the words never seen.
LEXICON = {"the": "DET", "a": "DET", "we": "PRON", "they": "PRON", "can": "NOUN", "dogger": "NOUN",
           "runner": "NOUN", "barked": "VERB", "walked": "VERB"}  # fmt: skip


def sentences(count: int, seed: int, noun: str = "") -> list[list[tuple[str, str]]]:
    chance = np.random.default_rng(seed)

    def one_of(*words: str) -> tuple[str, str]:
        word = str(chance.choice(words))
        return word, LEXICON.get(word, "NOUN")

    found = []
    for _ in range(count):
        subject = [one_of("the", "a"), one_of("can", "dogger", noun or "runner")]
        if chance.random() < 0.4:
            subject = [one_of("we", "they"), ("can", "AUX")]
        found.append([*subject, one_of("barked", "walked")])
        found[-1][0] = (found[-1][0][0].title(), found[-1][0][1])
    return found


def conllu(parts: list[list[tuple[str, str]]], newline: str = "\n") -> bytes:
    lines = []
    for number, sentence in enumerate(parts):
        lines.append(f"# sent_id = {number}")
        for place, (word, tag) in enumerate(sentence, 1):
            if place == 2:
                lines.append("2-3\tboth" + "\t_" * 8)
            lines.append(f"{place}\t{word}\t{word}\t{tag}\t_\t_\t_\t_\t_\t_")
        lines.append("")
    return newline.join([*lines, ""]).encode()


def columns(parts: list[list[tuple[str, str]]]) -> str:
    return "\n".join("".join(f"{word} {tag}\n" for word, tag in sentence) for sentence in parts)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder with Windows line ends, a byte-order mark, and words in the test part never seen before."""
    folder = tmp_path_factory.mktemp("tagged")
    (folder / "xx-ud-train.conllu").write_bytes(b"\xef\xbb\xbf" + conllu(sentences(30, 0), "\r\n"))
    (folder / "xx-ud-dev.conllu").write_bytes(conllu(sentences(10, 1)))
    (folder / "xx-ud-test.conllu").write_bytes(conllu(sentences(20, 2, "baker")))
    return folder


def train(folder: Path, data: Path | str, *settings: str, resume: bool = False, said=None):
    return TASK.train(
        resolve(TASK.Config, settings=[*SMALL, *settings]),
        str(data),
        RunFolder(folder),
        resume=resume,
        reporter=Silent(),
        say=(lambda line: None) if said is None else said.append,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory, data):
    """A trained run: its folder, and the report."""
    folder = tmp_path_factory.mktemp("runs") / "pos"
    return folder, train(folder, data)


@pytest.fixture(scope="module")
def system(run) -> PosTagger:
    return TASK.load(RunFolder(run[0]))


# -- what is learned -------------------------------------------------------------------------------


def test_the_training_sentences_are_learned_to_the_last_word(run, system, data):
    report = system.evaluate(str(data / "xx-ud-train.conllu"))
    assert report.scores["test_accuracy"] == report.scores["test_sentence_accuracy"] == 1.0
    assert report.scores["test_dictionary_accuracy"] < 1.0  # can is two things
    assert math.isnan(report.scores["test_unknown_accuracy"])


def test_words_never_seen_are_told_by_their_ending_and_apart(run):
    scores = run[1].scores
    words = [pair for sentence in sentences(20, 2, "baker") for pair in sentence]
    unknown = sum(word.lower() == "baker" for word, _ in words)
    assert unknown > 3
    assert (scores["test_accuracy"], scores["test_unknown_accuracy"]) == (1.0, 1.0)
    # The dictionary says what it saw most often of a word, and of others what is most frequent.
    seen = [pair for sentence in sentences(30, 0) for pair in sentence]
    best = {word: max({t for _, t in seen}, key=lambda t: sum(p == (word, t) for p in seen)) for word, _ in
            seen}  # fmt: skip
    usual = max({t for _, t in seen}, key=lambda t: sum(tag == t for _, tag in seen))
    right = sum(best.get(word, usual) == tag for word, tag in words)
    assert scores["test_dictionary_accuracy"] == pytest.approx(right / len(words))
    assert scores["test_most_frequent_accuracy"] == pytest.approx(
        sum(t == usual for _, t in words) / len(words)
    )
    assert f"{len(words)} words, {unknown / len(words):.1%} of them not in training" in run[1].tables[0].title


def test_the_tables(run):
    compared, course, each, mistakes = run[1].tables
    assert [row[0] for row in compared.rows] == [
        "most frequent tag", "most frequent tag of each word", "logistic regression",
        "network, window of 3, 16 hidden units",
    ]  # fmt: skip
    assert compared.rows[-1][1:] == tuple(
        run[1].scores[name] for name in ("test_accuracy", "test_known_accuracy", "test_unknown_accuracy")
    )
    assert course.rows[0][:3] == (30, 90, 15)
    assert {row[0] for row in each.rows} == {"DET", "PRON", "NOUN", "AUX", "VERB", "mean"}
    assert mistakes.rows == ()


def test_the_linear_model_alone(tmp_path, data):
    report = train(tmp_path / "run", data, "model.kind=linear", "training.epochs=20")
    assert [row[0] for row in report.tables[0].rows][2:] == ["logistic regression, window of 3"]
    assert report.scores["test_accuracy"] > 0.9
    assert (
        TASK.load(RunFolder(tmp_path / "run")).evaluate(None).scores["test_accuracy"]
        == report.scores["test_accuracy"]
    )


def test_characters_pieces_and_columns_are_channels_too(tmp_path):
    pairs = sentences(40, 0)
    text = "\n".join("".join(f"{w}\t{w[0]}\t{t}\n" for w, t in s) for s in pairs)
    (tmp_path / "all.tsv").write_text(text)
    names = "features.channels=['characters6', 'ngrams2', 'initial', 'word', 'shape', 'length']"
    settings = ("data.columns=['form', 'initial', 'tag']", names, "training.epochs=8")
    report = train(tmp_path / "run", tmp_path / "all.tsv", *settings)
    assert report.scores["test_accuracy"] > 0.9
    system = TASK.load(RunFolder(tmp_path / "run"))
    assert system.evaluate(None).scores["test_accuracy"] == report.scores["test_accuracy"]
    with pytest.raises(DataError, match="reads the column initial"):
        system.predict(["The can barked"])


def test_word_vectors_are_one_more_channel(tmp_path, data):
    words = ["the", "baker", "dogger", "walked"]
    lines = [f"{word} {i}.5 -1 0.25" for i, word in enumerate(words)]
    (tmp_path / "vectors.txt").write_text("\n".join(lines) + "\n")
    said: list[str] = []
    settings = (f"data.vectors={tmp_path / 'vectors.txt'}", "data.vector_words=3")
    report = train(tmp_path / "run", data, *settings, said=said)
    assert "of 4 vectors the first 3 are kept" in said
    assert report.tables[0].rows[-1][0].endswith("with word vectors")
    (tmp_path / "vectors.txt").unlink()
    system = TASK.load(RunFolder(tmp_path / "run"))
    channel = system.scorer.channels["vector"]
    table = system.scorer.model.embeddings.channels[-1].table.weight.array
    assert table[channel.vocabulary.index("dogger")].tolist() == [2.5, -1.0, 0.25]
    assert table[channel.vocabulary.index("walked")].tolist() == [0.0, 0.0, 0.0]  # not kept: unknown
    assert system.evaluate(None).scores["test_accuracy"] == report.scores["test_accuracy"]


def test_measures_by_hand(system, data):
    sentences_ = [[("The", "DET"), ("can", "NOUN"), ("can", "??")]]
    encoded = system.scorer.channels.encode({"form": [[word for word, _ in sentences_[0]]]})
    gold = system.scorer.gold([[tag for _, tag in sentences_[0]]])
    scores = system.scorer.scores(encoded).astype(float)
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    right = [p[i, system.scorer.tags.index(tag)] for i, tag in ((0, "DET"), (1, "NOUN"))]
    found = system.scorer.measures(encoded, gold)
    assert found["loss"] == pytest.approx(-np.log(right).mean(), rel=1e-5)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert math.isnan(system.scorer.measures(encoded, np.full(3, -1))["loss"])


# -- runs ------------------------------------------------------------------------------------------


def test_a_loaded_run_says_the_same(run, system):
    again = system.evaluate(None)
    assert again.scores.items() <= run[1].scores.items()
    assert again.tables == [table for table in run[1].tables if table.title != "Training"]


def test_predictions(system):
    first, second, empty = system.predict(["They can walked", "The can", ""])
    assert first == {
        "text": "They can walked",
        "tags": [["They", "PRON"], ["can", "AUX"], ["walked", "VERB"]],
    }
    assert second["tags"] == [["The", "DET"], ["can", "NOUN"]]
    assert empty == {"text": "", "tags": []}
    assert system.predict([]) == []
    assert system.predict(["", " "]) == [{"text": "", "tags": []}, {"text": " ", "tags": []}]


def test_a_sentence_of_ten_thousand_words_is_tagged_as_its_parts_are(system):
    (long,) = system.predict(["the dogger barked " * 3334])
    assert len(long["tags"]) == 10_002
    assert {tag for _, tag in long["tags"][1:-1:3]} == {"NOUN"}


def test_resumed_training_leaves_the_same_bits(tmp_path, data):
    train(tmp_path / "whole", data, "training.epochs=4", "linear_epochs=0")
    train(tmp_path / "parts", data, "training.epochs=2", "linear_epochs=0", "optimizer.schedule=constant")
    train(tmp_path / "one", data, "training.epochs=4", "linear_epochs=0", "optimizer.schedule=constant")
    train(tmp_path / "parts", data, "training.epochs=4", "linear_epochs=0", "optimizer.schedule=constant",
          resume=True)  # fmt: skip
    one, parts = (RunFolder(tmp_path / name).load_model()[0] for name in ("one", "parts"))
    assert all(np.array_equal(one[name], parts[name]) for name in one)
    again = train(tmp_path / "again", data, "training.epochs=4", "linear_epochs=0")
    whole = RunFolder(tmp_path / "whole").load_model()[0]
    assert all(np.array_equal(whole[k], v) for k, v in RunFolder(tmp_path / "again").load_model()[0].items())
    assert "test_linear_accuracy" not in again.scores


def test_the_test_part_decides_nothing(tmp_path, data):
    for part in ("train", "dev"):
        name = f"xx-ud-{part}.conllu"
        (tmp_path / name).write_bytes((data / name).read_bytes())
    (tmp_path / "xx-ud-test.conllu").write_bytes(conllu([[("Odd", "X"), ("things", "Y"), ("!", "X")]]))
    report = train(tmp_path / "a", tmp_path, "training.epochs=2")
    train(tmp_path / "b", data, "training.epochs=2")
    a, b = ((tmp_path / name / "model.safetensors").read_bytes() for name in "ab")
    assert a == b
    # Tags that only the test part has are never right, and are listed.
    assert report.scores["test_accuracy"] == 0.0
    assert {row[0] for row in report.tables[2].rows} >= {"X", "Y"}


@pytest.mark.parametrize("name", ["channels.json", "tags.txt", "lexicon.json", "model.safetensors"])
def test_a_run_that_lacks_a_file(tmp_path, run, name):
    for file in run[0].iterdir():
        if file.name != name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises((RunFolderError, DataError)) as caught:
        TASK.load(RunFolder(tmp_path))
    assert name in str(caught.value)


# -- odd data --------------------------------------------------------------------------------------


def test_one_class_is_learned(tmp_path):
    (tmp_path / "x.txt").write_text("\n".join(f"w{i} A\nv{i} A\n" for i in range(60)))
    report = train(tmp_path / "run", tmp_path / "x.txt", "training.epochs=1", "training.ignore=['one-class']")
    assert report.scores["test_accuracy"] == 1.0
    assert report.tables[-1].rows == ()


def test_unbalanced_classes_and_fewer_words_than_a_batch(tmp_path):
    text = "\n".join([*(f"w{i} A\n" for i in range(80)), "rare B\n"])
    for part in ("train", "valid", "test"):
        (tmp_path / f"{part}.txt").write_text(text)
    report = train(tmp_path / "run", tmp_path, "training.batch=1000", "training.epochs=60",
                   "model.forget=0")  # fmt: skip
    assert report.scores["test_accuracy"] == 1.0


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model.activation=rellu", "did you mean relu"),
        ("features.channels=['sufix3']", "no channel or column 'sufix3'"),
        ("features.channels=[]", "features.channels"),
        ("features.channels=['word', 'word']", "features.channels"),
        ("features.channels=['vector']", "no vectors"),
        ("features.channels=['word', 'upos']", "'upos' is the column with the tags"),
        ("data.columns=['word']", "no column 'form'"),
        ("data.encoding=utf-9", "no text encoding is called 'utf-9'"),
    ],
)
def test_settings_that_cannot_be(tmp_path, data, setting, message):
    with pytest.raises(ConfigurationError, match=message):
        train(tmp_path / "run", data, setting)
    assert not (tmp_path / "run").exists()


def test_vectors_that_are_not_there(tmp_path, data):
    with pytest.raises(DataError, match=r"nowhere\.txt"):
        train(tmp_path / "run", data, "data.vectors=nowhere.txt")
    assert not (tmp_path / "run").exists()
