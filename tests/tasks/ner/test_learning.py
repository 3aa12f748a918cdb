"""A small language is learned by every form to the last span, and its scores are told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from chainrule.data import Sentences, spans_of
from chainrule.tasks.entity_scorer import scheme_of
from chainrule.tasks.tagged_data import sentences_of
from chainrule.train import RunFolder

from .conftest import FORMS, TASK, columns, sentences, train, without_tags


@pytest.mark.parametrize("form", FORMS)
def test_every_form_learns_the_training_sentences_to_the_last_span(tmp_path, data, form):
    settings = ("training.epochs=20", "linear_epochs=0", f"model.form={form}")
    report = train(tmp_path / "run", data, *settings)
    system = TASK.load(RunFolder(tmp_path / "run"))
    assert system.evaluate(str(data / "x.train.conll")).scores["test_f1"] == 1.0
    again = system.evaluate(None)
    assert again.scores.items() <= report.scores.items()
    assert again.scores["test_dictionary_f1"] < 1.0  # Washington is two things
    assert report.tables[0].rows[-1][0] == f"{form}, window of 3, 16 hidden units"


def test_the_linear_chain_alone(tmp_path, data):
    report = train(tmp_path / "run", data, "model.kind=linear", "training.epochs=30")
    system = TASK.load(RunFolder(tmp_path / "run"))
    assert system.evaluate(str(data / "x.train.conll")).scores["test_f1"] == 1.0
    assert [row[0] for row in report.tables[0].rows][-1] == "crf, window of 3, linear"


@pytest.mark.parametrize("form", ["softmax", "margin", "crf"])
def test_a_committee_has_the_mean_of_its_members_scores(tmp_path, data, form):
    settings = (f"model.form={form}", "model.members=2", "linear_epochs=0", "training.engine=stepper")
    report = train(tmp_path / "run", data, *settings, "training.epochs=2")
    assert report.tables[0].rows[-1][0].startswith(f"2 times {form}")
    scorer = TASK.load(RunFolder(tmp_path / "run")).scorer
    encoded = scorer.encode(without_tags(sentences(5, 7)))
    together = scorer.scores(encoded)
    one, other = (replace(scorer, model=member).scores(encoded) for member in scorer.members)
    assert not np.allclose(one, other)
    np.testing.assert_allclose(together, (one + other) / 2, rtol=1e-5, atol=1e-6)
    if form == "crf":
        first, second = (member.between.value for member in scorer.members)
        np.testing.assert_allclose(scorer.decoder.learned[0], (first + second) / 2, rtol=1e-6)


@pytest.mark.parametrize("corrupted", ["word", "window"])
def test_corrupted_windows_of_either_kind(tmp_path, data, corrupted):
    settings = ("model.form=margin", f"model.corrupted={corrupted}", "linear_epochs=0", "training.epochs=20")
    train(tmp_path / "run", data, *settings)
    found = TASK.load(RunFolder(tmp_path / "run")).evaluate(str(data / "x.train.conll"))
    assert found.scores["test_f1"] > 0.9


def test_scores_are_those_of_the_tags(run, system, data):
    """Precision, recall and F1, of spans and of surface forms, counted by hand."""
    test = sentences(20, 2, ("Los", "Altos"))
    found, gold = set(), set()
    predicted = system.tag(without_tags(test))
    for index, (tags, sentence) in enumerate(zip(predicted, test, strict=True)):
        assert {tag[0] for tag in tags} <= set("BIO")  # the scheme of the data, not that which is learned
        found |= {(index, span) for span in spans_of(tags)}
        gold |= {(index, span) for span in spans_of([tag for _, tag in sentence])}
    scores = run[1].scores
    right = len(found & gold)
    assert scores["test_precision"] == pytest.approx(right / len(found))
    assert scores["test_recall"] == pytest.approx(right / len(gold))
    assert scores["test_f1"] == pytest.approx(2 * right / (len(found) + len(gold)))

    def forms(spans):
        return {(tuple(w for w, _ in test[i][s.start : s.end]), s.type) for i, s in spans}

    both = forms(found) & forms(gold)
    assert scores["test_surface_f1"] == pytest.approx(2 * len(both) / (len(forms(found)) + len(forms(gold))))


def test_the_tables(run):
    compared, course, types, outcomes, novelty = run[1].tables
    assert [row[0] for row in compared.rows] == [
        "most frequent tag", "most frequent tag of each word",
        "spans of the training sentences, the longest first", "logistic regression",
        "crf, window of 3, 16 hidden units",
    ]  # fmt: skip
    assert compared.rows[-1][3] == run[1].scores["test_f1"]
    assert compared.rows[2][3] == run[1].scores["test_dictionary_f1"]
    assert course.rows[0][0] == 40
    assert [row[0] for row in types.rows] == ["person", "place", "all"]
    test = sentences(20, 2, ("Los", "Altos"))
    count = sum(tag[0] == "B" for sentence in test for _, tag in sentence)
    assert sum(row[1] for row in outcomes.rows[:4]) == types.rows[-1][4] == count
    new = sum(word == "Los" for sentence in test for word, _ in sentence)
    assert new > 1
    assert [(row[0], row[1]) for row in novelty.rows] == [("in it", count - new), ("new", new)]


def test_tags_of_any_scheme_are_read_and_answered_in_it(tmp_path):
    pairs = sentences(60, 0)
    lines = []
    for sentence in pairs:
        spans = spans_of([tag for _, tag in sentence])
        letters = {}
        for span in spans:
            inside = dict.fromkeys(range(span.start, span.end), "I")
            inside[span.start], inside[span.end - 1] = "B", "L"
            if span.end == span.start + 1:
                inside[span.start] = "U"
            letters |= {place: f"{letter}-{span.type}" for place, letter in inside.items()}
        lines += [f"{word} {letters.get(place, 'O')}" for place, (word, _) in enumerate(sentence)]
        lines.append("")
    (tmp_path / "all.txt").write_text("\n".join(lines))
    report = train(tmp_path / "run", tmp_path / "all.txt", "linear_epochs=0", "model.scheme=IOB2")
    assert report.scores["test_f1"] > 0.9
    system = TASK.load(RunFolder(tmp_path / "run"))
    assert system.scheme == "BILOU"
    (tags,) = system.tag(without_tags([[("Bob", ""), ("Lee", ""), ("saw", ""), ("Oslo", "")]]))
    assert tags == ["B-person", "L-person", "O", "U-place"]


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        (["B-X", "I-X", "O", "B-Y"], "IOB2"),
        (["I-X", "I-X", "O", "I-Y"], "IOB1"),
        (["I-X", "B-X", "I-X", "O"], "IOB1"),
        (["B-X", "E-X", "O", "S-Y"], "BIOES"),
        (["B-X", "L-X", "O", "U-Y"], "BILOU"),
        (["O", "O"], "IOB2"),
        (["B-X", "I-X", "O", "I-Y", "B-Y", "O", "B-X"], "IOB2"),  # a fault; other schemes have more
    ],
)
def test_the_scheme_is_found_by_the_tags(tags, scheme):
    sentences_ = Sentences({"form": [["w"] * len(tags)], "ner": [tags]}, [1], "x.txt")
    assert scheme_of(sentences_, "ner") == scheme


def test_training_words_are_cut_as_those_of_the_other_parts(tmp_path):
    """Trained on ``@Ann saw #Oslo!`` by the word: only cut apart it is what the other parts show."""
    people, places = ["Ann", "Bob", "Cy", "Di"], ["Oslo", "Rome", "Kiel", "Bern"]
    joined = [
        [(f"@{a}", "O"), ("saw", "O"), (f"#{b}!", "B-place")] for a in people for b in places for _ in "ab"
    ]
    apart = [
        [("@", "O"), (a, "O"), ("saw", "O"), ("#", "O"), (b, "B-place"), ("!", "O")]
        for a in people
        for b in places
    ]
    (tmp_path / "x.train.conll").write_bytes(columns(joined))
    (tmp_path / "x.dev.conll").write_bytes(columns(apart[::2]))
    (tmp_path / "x.test.conll").write_bytes(columns(apart))
    report = train(tmp_path / "run", tmp_path, "data.recut=true", "linear_epochs=0")
    assert report.scores["test_f1"] == report.scores["test_dictionary_f1"] == 1.0
    system = TASK.load(RunFolder(tmp_path / "run"))
    assert system.predict(["@Ann saw #Rome!"])[0]["marked"] == "@Ann saw #[Rome place]!"
    assert train(tmp_path / "as-it-is", tmp_path, "linear_epochs=0").scores["test_f1"] < 0.9


def test_validation_sentences_are_learned_from_once_all_is_chosen(tmp_path):
    """The weights are others, the shift that was chosen stays; a tag that training never saw is left out."""
    parts = {
        "train": [[("we", "O"), ("saw", "O"), (name, tag)] for name, tag in _NAMED * 12],
        "dev": [[("we", "O"), ("saw", "O"), (name, tag)] for name, tag in [*_NAMED, ("Ann", "B-odd")]],
        "test": [[("we", "O"), ("saw", "O"), (name, tag)] for name, tag in _NAMED],
    }
    for name, sentences_ in parts.items():
        (tmp_path / f"x.{name}.conll").write_bytes(columns(sentences_))
    settings = ("features.channels=['word']", "model.forget=0", "linear_epochs=0", "training.epochs=6")
    folders = [tmp_path / name for name in ("plain", "refit", "again")]
    reports = [
        train(folder, tmp_path, *settings, f"model.refit={own}")
        for folder, own in zip(folders, ("false", "true", "true"), strict=True)
    ]
    assert reports[0].scores["validation_f1"] == reports[1].scores["validation_f1"]
    for name in ("decoder.json", "model.safetensors"):
        assert len({(folder / name).read_bytes() for folder in folders}) == 1
    weights = [(folder / "refit.safetensors").read_bytes() for folder in folders[1:]]
    assert weights[0] == weights[1] != (folders[0] / "model.safetensors").read_bytes()
    resumed = train(folders[1], tmp_path, *settings, "model.refit=true", resume=True)
    assert (folders[1] / "refit.safetensors").read_bytes() == weights[0]
    assert resumed.scores["test_f1"] == reports[1].scores["test_f1"]
    one, other = (TASK.load(RunFolder(folder)).scorer for folder in folders[:2])
    words = sentences_of([["we", "saw", "Oslo"]])
    assert not np.allclose(one.scores(one.encode(words)), other.scores(other.encode(words)))


_NAMED = [("Oslo", "B-place"), ("Rome", "B-place"), ("it", "O"), ("them", "O")]
