"""Word vectors as a task: what is read, learned, asked, left behind and taken up again."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from chainrule.data import Document, WordVectors, read_vectors, write_vectors
from chainrule.errors import ArgumentError, ConfigurationError, DataError, RunFolderError
from chainrule.tasks import LanguageModeling, WordVectorLearning, running_text
from chainrule.tasks.corpus import TextOptions
from chainrule.tasks.running_text import encoded, read_running_text
from chainrule.tasks.vector_reports import asked_file, principal_components
from chainrule.tasks.word2vec import Word2Vec
from chainrule.train import RunFolder, Silent
from chainrule.train.configuration import resolve

TASK = WordVectorLearning()
CIRCLES = (("north", "south", "eastern", "western"), ("bread", "butter", "cheese", "honey"))
SMALL = (
    "data.tokens=spaces", "data.min_count=2", "data.subsample=0", "model.width=12", "model.window=2",
    "model.negatives=3", "training.epochs=6", "training.batch=32", "optimizer.learning_rate=0.15",
)  # fmt: skip


def lines(count: int, seed: int) -> list[str]:
    """Words that keep company with those of their own circle alone."""
    chance = np.random.default_rng(seed)
    return [" ".join(chance.choice(CIRCLES[line % 2], 8)) for line in range(count)]


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    """Training and validation text; empty lines, a rare word, Windows line ends, a byte-order mark."""
    folder = tmp_path_factory.mktemp("text")
    train = ["North south", "", "north once south", "  ", *lines(240, 0)]
    (folder / "train.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(train).encode())
    (folder / "valid.txt").write_text("\n".join([*lines(40, 1), "zebra bread"]))
    return folder


@pytest.fixture(scope="module")
def asked(tmp_path_factory) -> dict[str, str]:
    """Judged pairs and analogies about the two circles."""
    folder = tmp_path_factory.mktemp("asked")
    pairs = [
        (a, b, 9 if x == y else 1) for x in (0, 1) for y in (0, 1) for a in CIRCLES[x] for b in CIRCLES[y]
    ]
    rows = "".join(f"{a}\t{b}\t{s + 0.001 * n}\n" for n, (a, b, s) in enumerate(pairs) if a != b)
    (folder / "SimLex-999.txt").write_text(f"word1\tword2\tSimLex999\n{rows}zebra\tlion\t5\n")
    questions = (
        ": capital\nNorth south bread butter\nzebra lion bread butter\n: gram1\nhoney bread south north\n"
    )
    (folder / "questions-words.txt").write_text(questions)
    return {"similarities": str(folder / "SimLex-999.txt"), "analogies": str(folder / "questions-words.txt")}


def configured(*settings: str):
    return resolve(TASK.Config, settings=[*SMALL, *settings])


def train(folder: Path, data: Path | str | None, *settings: str, resume=False, said=None):
    return TASK.train(
        configured(*settings),
        None if data is None else str(data),
        RunFolder(folder),
        resume=resume,
        reporter=Silent(),
        say=(lambda line: None) if said is None else said.append,
    )


def asking(asked: dict[str, str]) -> list[str]:
    return [f"report.{name}={json.dumps(path)}" for name, path in asked.items()]


@pytest.fixture(scope="module", params=["skip-gram", "cbow"])
def run(request, tmp_path_factory, text, asked):
    """A trained run: its folder, and the report."""
    folder = tmp_path_factory.mktemp("runs") / "vectors"
    return folder, train(folder, text, f"model.kind={request.param}", *asking(asked))


@pytest.fixture(scope="module")
def system(run) -> Word2Vec:
    return TASK.load(RunFolder(run[0]))


# -- what is learned -------------------------------------------------------------------------------


def test_words_lie_with_the_company_they_keep(system):
    vectors = system.word_vectors()
    assert set(vectors.words) == {word for circle in CIRCLES for word in circle}  # "once" was seen once
    for circle in CIRCLES:
        for word in circle:
            assert {near for near, _ in vectors.nearest(word, 3)} == set(circle) - {word}


def test_the_report_holds_scores_baselines_neighbours_and_a_map(run, asked):
    folder, report = run
    scores = report.scores
    assert scores["validation_ranking"] > 0.65 > 0.55 > scores["validation_frequency_ranking"]
    assert scores["test_simlex"] > 0.6
    assert scores["test_counted_simlex"] > 0.6
    assert {
        "validation_loss",
        "words_per_second",
        "test_analogies",
        "test_counted_analogies",
    } <= scores.keys()
    titles = [table.title for table in report.tables]
    assert titles[1:] == [
        "Judged pairs and analogies", "Analogies by section", "Training",
        "Nearest neighbours, with the cosine of the angle",
    ]  # fmt: skip
    pairs = report.tables[1]
    assert pairs.header == ("vectors", "SimLex ρ", "pairs covered", "analogies", "questions covered")
    assert pairs.rows[0][2] == pytest.approx(56 / 57)
    assert pairs.rows[0][4] == pytest.approx(2 / 3)
    assert [row[0] for row in report.tables[2].rows] == ["capital", "gram1", "semantic", "syntactic", "all"]
    (found,) = report.maps
    assert set(found.labels) == {word for circle in CIRCLES for word in circle}
    places = dict(zip(found.labels, np.array(found.points), strict=True))
    centres = [np.mean([places[word] for word in circle], axis=0) for circle in CIRCLES]
    for circle, own, other in zip(CIRCLES, centres, centres[::-1], strict=True):
        for word in circle:
            assert np.linalg.norm(places[word] - own) < np.linalg.norm(places[word] - other)
    records = RunFolder(folder).metrics()
    assert len(records) == 6
    assert all(record["seconds"] > 0 for record in records)


def test_the_ranking_is_the_share_of_pairs_in_order(system, text):
    held_out = system.held_out(
        system.encode(read_running_text(system.config.data, print), ("bread honey " * 4,))
    )
    found = held_out()
    model = {name: value.astype(float) for name, value in system.model.state_dict().items()}
    right, total, loss = 0.0, 0, 0.0
    for given, (first, *rest) in zip(held_out.given, held_out.candidates, strict=True):
        rows = model["given.weight"][given]
        rows = rows if rows.ndim == 1 else rows[np.asarray(given) > 0].mean(axis=0)
        score = rows @ model["asked.weight"][first]
        loss += math.log1p(math.exp(-score))
        for word in rest:
            if word != first:
                other = rows @ model["asked.weight"][word]
                right += (score > other) + 0.5 * (score == other)
                total += 1
                loss += math.log1p(math.exp(other))
    assert found["ranking"] == pytest.approx(right / total)
    assert found["loss"] == pytest.approx(loss / len(held_out.given), rel=1e-4)


def test_evaluating_again_gives_the_same_and_files_are_told_by_their_content(run, system, asked):
    again = system.evaluate(None)
    assert {k: v for k, v in run[1].scores.items() if k in again.scores} == pytest.approx(again.scores)
    for name, score in (("similarities", "simlex"), ("analogies", "analogies")):
        alone = system.evaluate(asked[name])
        both = (f"test_{score}", f"test_counted_{score}")
        assert alone.scores == {key: pytest.approx(again.scores[key]) for key in both}


def test_predictions(system):
    one, two, three, unknown, many = system.predict(
        ["Cheese", "bread bread", "north south bread", "zebra lion", "a b c d"]
    )
    assert [word for word, _ in one["nearest"]][:3] != []
    assert {word for word, _ in one["nearest"][:3]} == {"bread", "butter", "honey"}
    assert two["similarity"] == 1.0
    assert three["analogy"][0][0] in CIRCLES[1]
    assert unknown["unknown"] == ["zebra", "lion"]
    assert "unknown" in many


def test_a_long_text_is_learned_in_stretches(tmp_path, text, system):
    said: list[str] = []
    kind = f"model.kind={system.config.model.kind}"
    report = train(tmp_path / "run", text, kind, "data.stretch=500", "baseline=false", said=said)
    assert "the text is taken in 4 stretches; each counts as an epoch" in said
    assert len(RunFolder(tmp_path / "run").metrics()) == 24
    assert report.scores["validation_ranking"] == pytest.approx(
        system.evaluate(None).scores["validation_ranking"], abs=0.02
    )


# -- taken up again --------------------------------------------------------------------------------


def test_a_run_that_goes_on_leaves_the_bits_of_one_that_never_stopped(tmp_path, text):
    train(tmp_path / "whole", text, "baseline=false")
    # The rate falls over all epochs, so the length is that of the whole run from the start.
    half = configured("baseline=false")
    folder = RunFolder(tmp_path / "half")

    class Stop(Silent):
        def epoch(self, record):
            if record["epoch"] == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        TASK.train(half, str(text), folder, resume=False, reporter=Stop(), say=lambda line: None)
    train(tmp_path / "half", text, "baseline=false", resume=True)
    for name in ("model.safetensors", "counts.json", "vocabulary.txt"):
        assert (tmp_path / "half" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("content", ["", "[1, 2", "[1, 2]", "{}", '["a"]'])
def test_damaged_counts_are_named(tmp_path, text, content):
    train(tmp_path / "run", text, "baseline=false", "training.epochs=1")
    (tmp_path / "run" / "counts.json").write_text(content)
    with pytest.raises(RunFolderError, match=r"counts\.json"):
        TASK.load(RunFolder(tmp_path / "run"))


# -- vectors made elsewhere ------------------------------------------------------------------------


def test_vectors_of_a_language_model_are_asked_the_same(tmp_path, text, asked):
    for part in ("train", "valid", "test"):
        (tmp_path / f"{part}.txt").write_text("\n".join(lines(60, 3)))
    lm = LanguageModeling()
    config = resolve(
        lm.Config,
        settings=[
            "data.tokens=spaces", "model.width=6", "model.hidden=6", "model.context=2", "model.history=0",
            "training.epochs=1", "ngram_order=2", "data.min_count=1",
        ],
    )  # fmt: skip
    folder = RunFolder(tmp_path / "lm")
    lm.train(config, str(tmp_path), folder, resume=False, reporter=Silent(), say=lambda line: None)
    expected = lm.load(folder).word_vectors()
    assert "<pad>" not in expected
    assert expected.dimension == 6
    said: list[str] = []
    report = train(
        tmp_path / "run", None, f"data.vectors_of={json.dumps(str(folder.path))}", *asking(asked), said=said
    )
    assert "6 numbers" in said[-1]
    assert "test_simlex" in report.scores
    found = TASK.load(RunFolder(tmp_path / "run"))
    assert found.word_vectors().words == expected.words
    np.testing.assert_array_equal(found.word_vectors().matrix, expected.matrix)
    assert found.evaluate(None).scores == pytest.approx(report.scores)


def test_vectors_of_a_file_and_of_a_run_of_vectors(tmp_path, system):
    write_vectors(tmp_path / "v.txt", system.word_vectors(), "word2vec")
    train(tmp_path / "one", None, f"data.vectors_of={json.dumps(str(tmp_path / 'v.txt'))}")
    train(tmp_path / "two", None, f"data.vectors_of={json.dumps(str(tmp_path / 'one'))}")
    found = TASK.load(RunFolder(tmp_path / "two")).word_vectors()
    np.testing.assert_array_equal(found.matrix, system.word_vectors().matrix)
    assert read_vectors(tmp_path / "v.txt").words == found.words


def test_vectors_and_a_text_are_one_too_many(tmp_path, text):
    with pytest.raises(ConfigurationError, match="--data"):
        train(tmp_path / "run", text, "data.vectors_of=v.txt")
    assert not (tmp_path / "run").exists()


# -- what is read ----------------------------------------------------------------------------------


def test_sentences_lines_and_parts(tmp_path, text):
    found = read_running_text(TextOptions(source=str(text), tokens="spaces"), print)
    assert next(found.sentences(found.learned)) == ["north", "south"]
    assert sum(1 for _ in found.sentences(found.learned)) == 242
    assert len(found.held_out) == 1
    (tmp_path / "one.txt").write_text("It rains. We\nstay in.")
    alone = read_running_text(TextOptions(source=str(tmp_path / "one.txt")), print)
    assert list(alone.sentences(alone.learned)) == [["it", "rains", "."], ["we", "stay", "in", "."]]
    assert alone.held_out == ()
    (tmp_path / "two.txt").write_text("More.")
    assert len(read_running_text(TextOptions(source=str(tmp_path)), print).learned) == 2
    (tmp_path / "test.txt").write_text("Unseen.")
    assert len(read_running_text(TextOptions(source=str(tmp_path)), print).learned) == 2


def test_the_built_in_text_holds_a_tenth_out(monkeypatch):
    documents = [Document(f"topic:{n}", f"Document {n}.") for n in range(300)]
    monkeypatch.setattr(running_text, "python_docs", lambda: documents)
    found = read_running_text(TextOptions(), lambda line: None)
    share = len(found.held_out) / len(found.learned + found.held_out)
    assert 0.05 < share < 0.15
    assert sorted(found.learned + found.held_out) == sorted(d.text for d in documents)


def test_words_that_are_not_known_close_up():
    found = encoded([["a", "x", "b"], [], ["x"], ["b"]], {"a": 1, "b": 2})
    assert [part.tolist() for part in found] == [[1, 2], [], [], [2]]


def test_a_sentence_of_ten_thousand_words_and_words_of_their_own(tmp_path):
    words = " ".join(np.random.default_rng(0).choice(CIRCLES[0], 10_000))
    (tmp_path / "long.txt").write_text(words + "\nalone\nalone\n")
    report = train(
        tmp_path / "run", tmp_path / "long.txt", "training.epochs=1", "report.words=['zebra','alone']"
    )
    assert "validation_ranking" not in report.scores  # nothing was held out
    table = report.tables[-1]
    assert table.rows[0] == ("zebra", "never seen often enough")
    assert TASK.load(RunFolder(tmp_path / "run")).evaluate(None).scores == {}


def test_a_validation_text_of_unknown_words_is_none(tmp_path, text):
    (tmp_path / "train.txt").write_bytes((text / "train.txt").read_bytes())
    (tmp_path / "valid.txt").write_text("zebra lion\n")
    assert (
        "validation_ranking"
        not in train(tmp_path / "run", tmp_path, "training.epochs=1", "baseline=false").scores
    )


@pytest.mark.parametrize(
    ("files", "settings", "message"),
    [
        ({}, [], "no text files"),
        ({"valid.txt": "a b", "test.txt": "a b"}, [], "nothing to train on"),
        ({"train.txt": ""}, [], "fewer than two words"),
        ({"train.txt": "one two three"}, [], "fewer than two words"),
        ({"train.txt": b"caf\xe9 caf\xe9"}, [], "UTF-8|utf-8"),
    ],
)
def test_texts_that_cannot_be_learned_from(tmp_path, files, settings, message):
    folder = tmp_path / "text"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=message):
        train(tmp_path / "run", folder, *settings)
    assert not (tmp_path / "run" / "config.toml").exists()


def test_one_word_a_line_has_no_pairs(tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo\none\ntwo\n")
    with pytest.raises(ArgumentError, match="no two words stand within a window"):
        train(tmp_path / "run", tmp_path / "a.txt")
    assert not (tmp_path / "run").exists()


def test_a_file_that_asks_nothing_is_refused_and_a_folder_may_hold_one(tmp_path, asked):
    (tmp_path / "x.txt").write_text("hello\n")
    with pytest.raises(DataError, match="neither analogy questions nor"):
        asked_file(str(tmp_path / "x.txt"), print)
    with pytest.raises(DataError, match="holds neither"):
        asked_file(str(tmp_path), print)
    (tmp_path / "questions-words.txt").write_bytes(Path(asked["analogies"]).read_bytes())
    assert asked_file(str(tmp_path), print)[0].analogies == str(tmp_path / "questions-words.txt")


def test_directions_are_those_of_the_covariance():
    matrix = np.random.default_rng(0).standard_normal((30, 5)) * [3, 1, 2, 0.5, 0.1]
    points, share = principal_components(matrix, 2)
    values, directions = np.linalg.eigh(np.cov(matrix.T))
    expected = (matrix - matrix.mean(axis=0)) @ directions[:, ::-1][:, :2]
    np.testing.assert_allclose(np.abs(points), np.abs(expected), atol=1e-10)
    assert share == pytest.approx(values[::-1][:2].sum() / values.sum())
    assert (points[np.abs(points).argmax(axis=0), [0, 1]] > 0).all()
    assert principal_components(np.ones((3, 1)), 2)[0].tolist() == [[0, 0]] * 3


def test_a_name_with_a_vector_of_zeros_has_no_neighbours_and_stops_nothing(tmp_path):
    write_vectors(
        tmp_path / "v.txt", WordVectors(["nothing", "something"], np.array([[0.0, 0.0], [1.0, 0.0]]))
    )
    report = train(
        tmp_path / "run",
        None,
        f"data.vectors_of={json.dumps(str(tmp_path / 'v.txt'))}",
        "report.words=['nothing']",
    )
    assert report.tables[-1].rows == (("nothing", "none"),)
