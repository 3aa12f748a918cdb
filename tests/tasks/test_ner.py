"""Spans: a small language learned by every form to the last span, what a run leaves behind, and odd data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chainrule.data import Sentences, Vocabulary, spans_of
from chainrule.errors import ConfigurationError, DataError, RunFolderError
from chainrule.tasks import EntityRecognition
from chainrule.tasks.entity_scorer import Decoder, scheme_of
from chainrule.tasks.ner import EntityTagger
from chainrule.tasks.tagged_data import sentences_of
from chainrule.train import RunFolder, Silent
from chainrule.train.configuration import resolve

TASK = EntityRecognition()
SMALL = (
    "features.channels=['word', 'capitals']", "model.radius=1", "model.width=8", "model.hidden=[16]",
    "model.dropout=0.0", "model.input_dropout=0.0", "training.epochs=12", "training.batch=24",
    "optimizer.learning_rate=0.03", "linear_epochs=2", "model.forget=0.5",
)  # fmt: skip
FORMS = ("logistic", "softmax", "margin", "crf")

NAMES = [["Ann"], ["Bob", "Lee"], ["Washington"], ["Van", "der", "Meer"]]
PLACES = [["Oslo"], ["New", "York"], ["Washington"], ["Rio", "de", "Janeiro"]]


def sentences(count: int, seed: int, place: tuple[str, ...] = ()) -> list[list[tuple[str, str]]]:
    """``Ann saw Oslo .``: who sees is a person, what is seen a place; Washington is either."""
    chance = np.random.default_rng(seed)

    def one(phrases: list[list[str]], kind: str) -> list[tuple[str, str]]:
        words = phrases[chance.integers(len(phrases))]
        return [(word, f"{'I' if i else 'B'}-{kind}") for i, word in enumerate(words)]

    places = [*PLACES, list(place)] if place else PLACES
    return [[*one(NAMES, "person"), ("saw", "O"), *one(places, "place"), (".", "O")] for _ in range(count)]


def columns(parts: list[list[tuple[str, str]]], newline: str = "\n") -> bytes:
    lines = [f"{word}\t{tag}" for sentence in parts for word, tag in [*sentence, ("", "")]]
    return newline.join(line.strip("\t") for line in [*lines, ""]).encode()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Windows line ends, a byte-order mark, and in its test part a place never seen before."""
    folder = tmp_path_factory.mktemp("spans")
    (folder / "x.train.conll").write_bytes(b"\xef\xbb\xbf" + columns(sentences(40, 0), "\r\n"))
    (folder / "x.dev.conll").write_bytes(columns(sentences(12, 1)))
    (folder / "x.test.annotated").write_bytes(columns(sentences(20, 2, ("Los", "Altos"))))
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
def run(tmp_path_factory: pytest.TempPathFactory, data: Path):
    """A trained run of the chain: its folder, and the report."""
    folder = tmp_path_factory.mktemp("runs") / "ner"
    return folder, train(folder, data)


@pytest.fixture(scope="module")
def system(run) -> EntityTagger:
    return TASK.load(RunFolder(run[0]))


# -- what is learned -------------------------------------------------------------------------------


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
    encoded = scorer.encode(_sentences(sentences(5, 7)))
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
    predicted = system.tag(_sentences(test))
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
    (tags,) = system.tag(_sentences([[("Bob", ""), ("Lee", ""), ("saw", ""), ("Oslo", "")]]))
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


# -- the search ------------------------------------------------------------------------------------

TAGS = Vocabulary(["O", "B-X", "I-X", "B-Y"], padding=None, unknown=None)


def test_only_well_formed_sequences_are_found():
    decoder = Decoder(TAGS, "IOB2")
    scores = np.array([[0, 1, 5, 0], [0, 0, 5, 0], [0.0, 0, 3, 1]])
    assert decoder(scores, [3]) == [["B-X", "I-X", "I-X"]]
    assert decoder(scores, [1, 0, 2]) == [["B-X"], [], ["B-X", "I-X"]]


def test_learned_transitions_count():
    learned = (np.array([[0.0, 0, 0, 0], [0, 0, 0, 9], [0] * 4, [0] * 4]), np.zeros(4), np.zeros(4))
    assert Decoder(TAGS, "IOB2", learned)(np.array([[0, 1.0, 0, 0], [0, 0, 5, 0]]), [2]) == [["B-X", "B-Y"]]


def test_the_shift_is_the_best_on_the_sentences_it_is_chosen_on():
    scores = np.array([[1.2, 0, 0, 0], [3.0, 0, 0, 0], [0, 2.0, 0, 0]])
    decoder = Decoder(TAGS, "IOB2")
    gold = [["B-X"], ["O"], ["B-X"]]
    assert decoder.tune(scores, gold) == 1.0
    assert decoder.shifts == {
        "O": -1.25
    }  # -1.2 and below gives the first its span; -3 would give the second one
    assert decoder(scores, [1, 1, 1])[1:] == gold[1:]
    decoder.tune(scores, [["O"], ["O"], ["B-X"]])
    assert decoder.shifts == {"O": 0.0}  # nothing to gain


def test_types_are_shifted_where_another_text_has_them_more_often():
    """Y is everywhere held for X, by less and less; only with a shift of its own it is found."""
    scores = np.array([[-9.0, 1, -9, own] for own in (-0.2, 0.0, 0.2)] + [[-9, 2, -9, 0], [9, 0, -9, 0]])
    gold = [["B-Y"], ["B-Y"], ["B-Y"], ["B-X"], ["O"]]
    decoder, lengths = Decoder(TAGS, "IOB2"), [1] * 5
    assert decoder.tune(scores, gold) == 0.25
    assert decoder.shifts == {"O": 0.0}
    assert decoder.tune(scores, gold, types=True) == 1.0
    assert decoder.types == ["-X", "-Y"]
    assert decoder.shifts == {"O": 0.0, "-X": -1.5, "-Y": 0.0}
    assert decoder(scores, lengths) == gold


def test_a_type_may_be_called_o_and_there_may_be_none():
    own = Decoder(Vocabulary(["O", "B-O"], padding=None, unknown=None), "IOB2", shifts={"-O": 2.0})
    assert own(np.array([[1.0, 0.0]]), [1]) == [["B-O"]]
    bare = Decoder(Vocabulary(["O", "B", "I"], padding=None, unknown=None), "IOB2", shifts={"": 2.0})
    assert bare(np.array([[1.0, 0.0, 0.0]]), [1]) == [["B"]]
    assert (own.types, bare.types) == (["-O"], [""])


# -- runs ------------------------------------------------------------------------------------------


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


# -- odd data --------------------------------------------------------------------------------------


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


def test_the_run_folder_holds_plain_files(run):
    shifts = json.loads((run[0] / "decoder.json").read_text())
    assert set(shifts) == {"network", "linear"}
    assert set(shifts["network"]) == {"O"}


def _sentences(parts):
    return sentences_of([[word for word, _ in sentence] for sentence in parts])


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
