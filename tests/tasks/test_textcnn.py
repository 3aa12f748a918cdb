"""The text CNN as a task: what it learns from small files as real ones are, and what a run leaves behind."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.errors import ConfigurationError, DataError, RunFolderError
from chainrule.tasks import TextClassification
from chainrule.tasks.labelled_text import LabelledOptions, Texts
from chainrule.tasks.task import Report
from chainrule.tasks.text_classification import TextClassifier
from chainrule.train import RunFolder, Silent
from chainrule.train.configuration import resolve

from .conftest import timeless

TASK = TextClassification()
SMALL = (
    "model.width=8", "model.windows=[1,2]", "model.filters=6", "training.batch=10", "training.epochs=12",
    "training.patience=0", "optimizer.rule=adam", "optimizer.learning_rate=0.02", "model.dropout=0.2",
    "data.held_out=0.3",  # so many that the first epoch is not the best by chance
)  # fmt: skip

GOOD, BAD = ("truly fine", "a joy", "so moving"), ("a bore", "not fine", "dull stuff")


def reviews(count: int, seed: int) -> list[tuple[str, str]]:
    """Labels and sentences: some words that say nothing around two that decide."""
    chance = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        label = str(chance.choice(["pos", "neg"]))
        before, after = (
            " ".join(map(str, chance.choice(["the", "film", "it", "plot", "is", "and"], size)))
            for size in (2, 3)
        )
        found.append((label, f"{before} {chance.choice(GOOD if label == 'pos' else BAD)} {after}"))
    return found


@pytest.fixture(scope="module")
def polarity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file for each label, in latin-1 and with Windows line ends."""
    folder = tmp_path_factory.mktemp("polarity")
    for label in ("pos", "neg"):
        lines = [text for found, text in reviews(60, 0) if found == label]
        content = "".join(f"{line} caf\xe9\r\n" for line in lines)
        (folder / f"rt.{label}").write_bytes(content.encode("latin-1"))
    return folder


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts as TREC has them; the test part is short, and has a label and words that training has not."""
    folder = tmp_path_factory.mktemp("questions")
    names = {"pos": "POS:x", "neg": "NEG:y"}
    lines = [f"{names[label]} {text}" for label, text in reviews(80, 1)]
    (folder / "train.txt").write_text("\n".join([*lines, "POS:x"]) + "\n")
    test = [f"{names[label]} {text}" for label, text in reviews(11, 2)]
    (folder / "test.txt").write_text("\n".join([*test, "ODD:z an unheard zebra"]) + "\n")
    (folder / "README.source").write_text("about")
    return folder


def train(
    folder: Path,
    data: Path | str,
    *settings: str,
    resume: bool = False,
    reporter: Any = None,
    said: Any = None,
) -> Report:
    return TASK.train(
        resolve(TASK.Config, settings=[*SMALL, *settings]),
        str(data),
        RunFolder(folder),
        resume=resume,
        reporter=reporter or Silent(),
        say=(lambda line: None) if said is None else said.append,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, questions: Path) -> tuple[Path, Report]:
    folder = tmp_path_factory.mktemp("runs") / "textcnn"
    return folder, train(folder, questions)


@pytest.fixture(scope="module")
def system(run: tuple[Path, Report]) -> TextClassifier:
    return TASK.load(RunFolder(run[0]))


class Interrupting(Silent):
    """Ctrl-C after so many steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def step(self, epoch: int, loss: float, batches: int = 1) -> None:
        self.left -= batches
        if self.left <= 0:
            raise KeyboardInterrupt


# -- learning ----------------------------------------------------------------------------------------


def test_it_learns_what_decides(run: tuple[Path, Report], system: TextClassifier) -> None:
    report = run[1]
    assert report.scores["test_accuracy"] >= 10 / 12  # of which one has a label that it cannot know
    train = Texts(system.config.data).split(0).train
    answers = system.predict(train.texts)
    assert (
        np.mean([answer["label"] == label for answer, label in zip(answers, train.labels, strict=True)]) > 0.9
    )
    again = system.evaluate(None)
    for name in ("test_accuracy", "test_loss", "test_macro_f1"):
        assert again.scores[name] == report.scores[name]


def test_baselines_stand_beside_it(run: tuple[Path, Report], system: TextClassifier, questions: Path) -> None:
    gold = [line.split(":")[0] for line in (questions / "test.txt").read_text().splitlines()]
    scores, table = run[1].scores, run[1].tables[0]
    counts = Counter(Texts(system.config.data).split(0).train.labels)
    assert scores["test_most_frequent_accuracy"] == gold.count(counts.most_common(1)[0][0]) / 12
    assert scores["test_linear_accuracy"] >= 10 / 12
    assert [row[-1] for row in table.rows] == [
        scores["test_most_frequent_accuracy"], scores["test_linear_accuracy"], scores["test_accuracy"],
    ]  # fmt: skip


def test_a_label_that_only_the_test_part_has_is_an_error_with_a_name(run: tuple[Path, Report]) -> None:
    _, _, classes, confusion, *_ = run[1].tables
    assert [row[0] for row in classes.rows] == ["NEG", "POS", "ODD", "mean"]
    assert sum(map(sum, (row[1:] for row in confusion.rows))) == 12
    assert confusion.rows[2][3] == 0
    assert run[1].texts[0] == ("Labels that training did not have", "ODD: 1 texts, each counted as an error")


@pytest.mark.parametrize(
    "settings",
    [
        ("model.pooling=k-max", "model.k=2"),
        ("model.pooling=average", "model.activation=tanh", "training.epochs=30"),
        ("model.stride=2", "model.padding=2", "training.epochs=15"),
        ("model.channel=both",),
        ('model.features=["suffix3","capitals"]', "model.feature_width=3"),
        ("optimizer.rule=adadelta", "optimizer.learning_rate=1", "training.epochs=40"),
        ("training.engine=stepper",),
        ("data.min_count=2", "data.tokens=spaces", "data.lower=false", "model.max_norm=0"),
    ],
    ids=lambda settings: settings[0],
)
def test_every_kind_of_network_learns_it(tmp_path: Path, questions: Path, settings: tuple[str, ...]) -> None:
    report = train(tmp_path / "run", questions, *settings)
    assert report.scores["test_accuracy"] >= 10 / 12
    system = TASK.load(RunFolder(tmp_path / "run"))
    assert system.evaluate(None).scores["test_loss"] == report.scores["test_loss"]
    assert system.evaluate(str(questions)).scores["test_loss"] == report.scores["test_loss"]
    assert [len(answer["classes"]) for answer in system.predict(["", "zebra"])] == [2, 2]
    if system.config.model.max_norm:
        norms = np.sqrt(np.sum(system.model.output.weight.value**2, axis=0))
        assert (norms <= system.config.model.max_norm * (1 + 1e-6)).all()


# -- runs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 9])
def test_a_run_that_is_resumed_ends_in_the_same_bits(
    run: tuple[Path, Report], questions: Path, tmp_path: Path, steps: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", questions, reporter=Interrupting(steps))
    resumed = train(tmp_path / "run", questions, resume=True)
    for found, expected in zip(
        RunFolder(tmp_path / "run").load_state()[:2], RunFolder(run[0]).load_state()[:2], strict=True
    ):
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[name], expected[name]) for name in expected)
    assert timeless(resumed.scores) == timeless(run[1].scores)


def test_folds_are_disjoint_and_their_mean_is_reported(tmp_path: Path, polarity: Path) -> None:
    said: list[str] = []
    settings = ("data.folds=3", "training.epochs=8")
    report = train(tmp_path / "run", polarity, *settings, said=said)
    folds = [line for line in said if line.startswith("fold ")]
    assert len(folds) == len(report.tables[0].rows) == 3
    accuracies = [row[2] for row in report.tables[0].rows]
    sizes = [row[1] for row in report.tables[0].rows]
    assert sum(sizes) == 60
    assert report.scores["test_accuracy"] == pytest.approx(np.average(accuracies, weights=sizes))
    assert report.scores["test_accuracy"] > 0.8
    assert report.scores["test_accuracy_deviation"] == pytest.approx(np.std(accuracies, ddof=1))
    system = TASK.load(RunFolder(tmp_path / "run"))
    assert system.evaluate(None).scores.items() <= report.scores.items()
    assert system.evaluate(str(polarity)).title.startswith("60 texts of ")
    assert sum(system.about.counts) == 42  # what is left behind learned from all folds
    config = resolve(TASK.Config, settings=["data.folds=3"]).data
    texts = Texts(resolve(TASK.Config, settings=["data.folds=3", f"data.source={polarity}"]).data)
    assert config.folds == 3
    tests = [set(texts.split(0, fold).test.texts) for fold in range(3)]  # type: ignore[union-attr]
    for fold in range(3):
        split = texts.split(0, fold)
        assert not tests[fold] & (set(split.train.texts) | set(split.validation.texts))
    assert sum(len(texts.split(0, fold).test or ()) for fold in range(3)) == 60


def test_finished_folds_are_not_trained_again(tmp_path: Path, polarity: Path) -> None:
    settings = ("data.folds=3", "training.epochs=2")
    whole = train(tmp_path / "whole", polarity, *settings)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", polarity, *settings, reporter=Interrupting(8))  # in the second fold
    said: list[str] = []
    resumed = train(tmp_path / "run", polarity, *settings, resume=True, said=said)
    assert [line[:9] for line in said if line.startswith("fold ")] == ["fold 2 of", "fold 3 of"]
    assert timeless(resumed.scores) == timeless(whole.scores)


def test_a_damaged_run_says_what_is_damaged(run: tuple[Path, Report], tmp_path: Path) -> None:
    for name in ("classes.json", "folds.json"):
        folder = tmp_path / name
        folder.mkdir()
        for file in run[0].iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        (folder / name).write_text("{")
        with pytest.raises(RunFolderError, match=f"{name} is damaged"):
            TASK.load(RunFolder(folder))
    (tmp_path / "classes.json" / "classes.json").unlink()
    with pytest.raises(RunFolderError, match="is missing"):
        TASK.load(RunFolder(tmp_path / "classes.json"))


# -- word vectors ------------------------------------------------------------------------------------


def test_a_word_that_only_the_vectors_know_is_understood(tmp_path: Path, questions: Path) -> None:
    """``lovely`` is in no training text; its vector is that of the words that make a text good."""
    words = {word for line in (questions / "train.txt").read_text().splitlines() for word in line.split()[1:]}
    chance = np.random.default_rng(0)
    rows = {word: 0.1 * chance.normal(size=5) for word in sorted(words)}
    for word in ("joy", "moving", "truly", "lovely"):
        rows[word] = np.array([1.0, 0, 0, 0, 0])
    for word in ("bore", "not", "dull", "awful"):
        rows[word] = np.array([-1.0, 0, 0, 0, 0])
    path = tmp_path / "vectors.txt"
    path.write_text("".join(f"{word} {' '.join(f'{x:.4f}' for x in row)}\n" for word, row in rows.items()))
    said: list[str] = []
    settings = (f"data.vectors={path}", "model.channel=static", "training.epochs=15")
    train(tmp_path / "run", questions, *settings, said=said)
    assert any("words of the training texts have a vector" in line for line in said)
    path.unlink()  # a run needs the file no more
    system = TASK.load(RunFolder(tmp_path / "run"))
    assert system.config.model.width == 5
    np.testing.assert_allclose(
        system.model.embeddings[0].weight.value[system.vocabulary.index("lovely")], rows["lovely"], rtol=1e-6
    )
    answers = system.predict(["the film is lovely and it", "the film is awful and it", "Lovely"])
    assert [answer["label"] for answer in answers] == ["POS", "NEG", "POS"]


# -- explaining --------------------------------------------------------------------------------------


def test_explain_finds_the_ngrams_that_decide_and_counts_them(system: TextClassifier) -> None:
    report = system.explain()
    assert len(report.tables) == 12
    texts = Texts(system.config.data).split(0).train
    for table in report.tables:
        size = int(table.title.split(" of ")[1].split()[0])
        responses = [row[1] for row in table.rows]
        assert responses == sorted(responses, reverse=True)
        assert len({row[0] for row in table.rows}) == len(table.rows) <= 5
        for ngram, _, texts_of in table.rows:
            told = {name: int(count) for count, name in (part.split() for part in texts_of.split(", "))}
            for label in ("NEG", "POS"):
                holding = 0
                for text, found in zip(texts.texts, texts.labels, strict=True):
                    # As many dots as the widest window lets stand before, and any number behind.
                    words = ["·", *text.lower().split(), "·", "·", "·"]
                    words = words if text else ["·"] * 4
                    starts = range(len(words) - size + 1)
                    holding += found == label and any(" ".join(words[i : i + size]) == ngram for i in starts)
                assert holding == told.get(label, 0), (ngram, label)
    strongest = report.tables[0]
    favoured = strongest.title.split(": ")[1].split()[0]
    assert strongest.rows[0][2].split()[1:] == [favoured]  # it is of the class that it speaks for, alone


# -- what data may be like ---------------------------------------------------------------------------


def test_texts_of_any_length(system: TextClassifier) -> None:
    long = " ".join(["film"] * 9_998 + ["a joy"])
    answers = system.predict(["", "joy", "unheard of", long, "a joy"])
    assert [len(answer["classes"]) for answer in answers] == [2] * 5
    assert all(0 < answer["probability"] <= 1 for answer in answers)
    short = system.predict(["a joy"])[0]
    assert short["probability"] == pytest.approx(
        answers[4]["probability"], abs=2e-4
    )  # whatever stands beside it
    assert system.predict([]) == []


def test_one_long_text_does_not_blow_up_the_others(tmp_path: Path) -> None:
    path = tmp_path / "data.tsv"
    rows = [*reviews(40, 3), ("pos", "a joy " * 5_000)]
    path.write_text("label\ttext\n" + "".join(f"{label}\t{text}\n" for label, text in rows))
    train(tmp_path / "run", path, "training.epochs=1", "data.longest=30")
    assert TASK.load(RunFolder(tmp_path / "run")).about.length <= 30


def test_one_class_is_learned_too(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_text("".join(f"__label__only {text}\n" for _, text in reviews(30, 4)))
    report = train(tmp_path / "run", path, "training.epochs=1")
    assert report.scores["test_accuracy"] == report.scores["test_most_frequent_accuracy"] == 1


def test_validation_labels_that_training_lacks_decide_nothing(tmp_path: Path, questions: Path) -> None:
    for part in ("train.txt", "test.txt"):
        (tmp_path / part).write_bytes((questions / part).read_bytes())
    (tmp_path / "valid.txt").write_text("ODD:z what is it\nODD:z who is it\n")
    scores = train(tmp_path / "run", tmp_path, "training.epochs=1").scores
    assert scores["validation_accuracy"] == 0
    assert scores["test_linear_accuracy"] > scores["test_most_frequent_accuracy"]


def test_a_byte_order_mark_and_windows_lines_change_nothing(tmp_path: Path, questions: Path) -> None:
    (tmp_path / "train.txt").write_bytes(
        b"\xef\xbb\xbf" + (questions / "train.txt").read_bytes().replace(b"\n", b"\r\n")
    )
    (tmp_path / "test.txt").write_bytes((questions / "test.txt").read_bytes())
    plain = Texts(resolve(TASK.Config, settings=[f"data.source={questions}"]).data)
    marked = Texts(resolve(TASK.Config, settings=[f"data.source={tmp_path}"]).data)
    assert (plain.train.texts, plain.train.labels) == (marked.train.texts, marked.train.labels)


def test_parts_are_taken_as_they_are(tmp_path: Path) -> None:
    for name, count in (("train", 12), ("dev", 3), ("test", 4)):
        rows = reviews(count, count)
        (tmp_path / f"{name}.txt").write_text("".join(f"__label__{label} {text}\n" for label, text in rows))
    split = Texts(resolve(TASK.Config, settings=[f"data.source={tmp_path}", "data.folds=5"]).data).split(0)
    assert split.test is not None
    assert (len(split.train), len(split.validation), len(split.test)) == (12, 3, 4)


def options(**fields: Any) -> LabelledOptions:
    return LabelledOptions(**fields)


def test_what_cannot_be_read_or_split_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file, folder or named source"):
        Texts(options(source=str(tmp_path / "nowhere")))
    (tmp_path / "test.txt").write_text("__label__a one\n")
    with pytest.raises(DataError, match="nothing to train on"):
        Texts(options(source=str(tmp_path)))
    few = tmp_path / "few.txt"
    few.write_text("__label__a one\n__label__b two\n")
    with pytest.raises(DataError, match="2 texts for 10 parts"):
        Texts(options(source=str(few))).split(0)
    with pytest.raises(DataError, match="1 texts cannot be split"):
        Texts(options(source=str(few), folds=2)).split(0, 0)
    with pytest.raises(DataError, match=r"set data\.held_out"):
        Texts(options(source=str(few), folds=2, held_out=0.0)).split(0, 0)
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"__label__a one\n__label__b \xff\xfe\n")
    with pytest.raises(DataError, match="line 2") as caught:
        Texts(options(source=str(bad)))
    assert "bad.txt" in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.format=xls", "there is no format 'xls'"),
        ("data.folds=1", "one fold leaves nothing"),
        ('model.features=["characters8"]', "several ids a word"),
        ('model.features=["sufix3"]', "model.features: there is no channel or column 'sufix3'"),
        ("model.pooling=mean", "model.pooling"),
        ("model.windows=[]", "model.windows"),
        ("data.encoding=utf-88", "data.encoding: no text encoding"),
    ],
)
def test_settings_that_make_no_run(tmp_path: Path, questions: Path, setting: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        train(tmp_path / "run", questions, setting)
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_the_surest_mistakes_stand_in_the_report(run: tuple[Path, Report]) -> None:
    found = [table for table in run[1].tables if table.title == "The surest mistakes"]
    for label, taken, sure, _ in (row for table in found for row in table.rows):
        assert label != taken
        assert 0 < sure <= 1
    assert [row[2] for row in found[0].rows] == sorted((row[2] for row in found[0].rows), reverse=True)
