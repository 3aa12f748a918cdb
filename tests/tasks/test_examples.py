"""The loss of one example: of every task, held against what the system itself says by another way."""

from __future__ import annotations

import tempfile
from functools import cache
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import tasks
from chainrule.data import Vocabulary
from chainrule.data.labelled import Labelled
from chainrule.errors import DataError
from chainrule.tasks import Differentiates
from chainrule.tasks.language_model import LanguageModel
from chainrule.tasks.ner import EntityTagger
from chainrule.tasks.pos import PosTagger
from chainrule.tasks.tagged_data import sentences_of
from chainrule.tasks.task import silent
from chainrule.tasks.text_classification import TextClassifier
from chainrule.tasks.word2vec import Word2Vec
from chainrule.train import RunFolder, Silent
from chainrule.train.configuration import resolve

WINDOW = ("features.channels=['word', 'suffix2', 'characters5']", "model.radius=1", "model.width=4",
          "model.hidden=[5]", "model.dropout=0.0", "model.input_dropout=0.0", "training.epochs=1",
          "training.engine=stepper", "linear_epochs=0", "data.tokens=spaces")  # fmt: skip
WORDS = [["Ann", "saw", "the", "sea"], ["they", "can", "see"]]
KINDS = [["NOUN", "VERB", "DET", "NOUN"], ["PRON", "AUX", "VERB"]]
SPANS = [["B-per", "O", "O", "B-loc"], ["O", "O", "O"]]


def stirred(system: Any, model: cr.nn.Module) -> Any:
    """The system with random weights, so that no score is another's equal."""
    rng = np.random.default_rng(5)
    for parameter in model.parameters():
        parameter.assign(rng.normal(size=parameter.shape) * 0.5)
    return system


def configured(task: str, *settings: str) -> Any:
    return resolve(tasks.TASKS[task].Config, settings=settings)


def trained(task: str, tags: list[list[str]], *settings: str) -> Any:
    """A tagger of a run on a few sentences."""
    with tempfile.TemporaryDirectory() as folder:
        words = [
            f"{word}\t{tag}\n"
            for sentence, own in zip(WORDS, tags, strict=True)
            for word, tag in [*zip(sentence, own, strict=True), ("", "")]
        ]
        for part in ("train", "dev", "test"):
            Path(folder, f"x.{part}.conll").write_text(
                "".join(words).replace("\n\t\n", "\n\n"), encoding="utf-8"
            )
        run = RunFolder(Path(folder, "run"))
        options = {"resume": False, "reporter": Silent(), "say": silent}
        tasks.TASKS[task].train(configured(task, *WINDOW, *settings), folder, run, **options)
        return tasks.TASKS[task].load(run)


@cache
def pos() -> PosTagger:
    system = trained("pos", KINDS)
    return stirred(system, system.scorer.model)


@cache
def ner(*settings: str) -> EntityTagger:
    system = trained("ner", SPANS, *settings)
    return stirred(system, system.scorer.model)


def textcnn() -> TextClassifier:
    config = configured(
        "textcnn", "model.width=6", "model.filters=3", "model.features=['suffix2']", "training.engine=stepper"
    )
    train = Labelled(["a good film", "a bad film", "so very very bad indeed"], ["yes", "no", "no"], "here")
    system = TextClassifier.begun(config, train)
    return stirred(system, system.model)


def lm() -> LanguageModel:
    config = configured(
        "lm", "model.width=5", "model.hidden=4", "training.engine=stepper", "data.tokens=spaces"
    )
    vocabulary = Vocabulary.build(["the", "cat", "sat", "</s>", "the", "dog"])
    system = LanguageModel.untrained(config, vocabulary)
    return stirred(system, system.model)


def digits() -> Any:
    config = configured("digits", "model.hidden=[6]", "model.activation=tanh", "training.engine=stepper")
    system = tasks.Digits()._system(config, (8, 8), 10, None)
    return stirred(system, system.model.network)


def word2vec(kind: str) -> Word2Vec:
    config = configured("word2vec", f"model.kind={kind}", "model.width=4", "model.negatives=3")
    words = Vocabulary(["a", "b", "c", "d"], padding="<pad>", unknown=None)
    system = Word2Vec.untrained(config, words, np.array([0, 9, 5, 2, 1]))
    return stirred(system, system.model)


PIXELS = " ".join(str(number % 17) for number in range(64))


def logsumexp(scores: np.ndarray) -> np.ndarray:
    return np.logaddexp.reduce(scores.astype(np.float64), axis=-1)


def loss_of(system: Any, text: str, gold: str | None = None) -> tuple[float, tasks.Example]:
    assert isinstance(system, Differentiates)
    example = system.loss_of(text, gold)
    trace = cr.step_through(example.loss, example.feed)
    parameters = [step for step in trace if isinstance(step.node, cr.graph.Variable)]
    assert parameters
    assert all(step.node.name for step in parameters)
    # None of an example's weights is cut off, and what is not asked for is no leaf of floats.
    assert all(step.gradient is not None for step in parameters)
    assert all(leaf.name for leaf in example.feed)
    return float(trace[trace.output].value), example


def test_the_loss_of_a_sentences_tags() -> None:
    system = pos()
    scores = system.scorer.scores(system.scorer.encode(sentences_of([WORDS[1]])))
    gold = ["NOUN", "AUX", "VERB"]
    right = scores[np.arange(3), system.scorer.gold([gold])]
    value, example = loss_of(system, "they can see", " ".join(gold))
    assert value == pytest.approx(np.mean(logsumexp(scores) - right), rel=1e-5, abs=2e-6)
    found = system.tag(sentences_of([WORDS[1]]))
    told = [
        f"{w}/{t}" + ("" if t == f else f" (found: {f})")
        for w, t, f in zip(WORDS[1], gold, found, strict=True)
    ]
    assert example.about == " ".join(told)
    assert example.title == "Loss of the tags of “they can see”"
    best, chosen = loss_of(system, "they can see")
    assert best == pytest.approx(np.mean(logsumexp(scores) - scores.max(axis=1)), rel=1e-5, abs=2e-6)
    assert chosen.about.endswith("— the tags are those that the network finds")


def test_the_loss_of_a_sentences_spans_is_that_of_all_its_tags_together() -> None:
    system = ner()
    scores = system.scorer.scores(system.scorer.encode(sentences_of([["Ann", "saw", "Oslo"]]))).astype(
        np.float64
    )
    m = system.scorer.model
    between, start, end = (v.value.astype(np.float64) for v in (m.between, m.start, m.end))

    def total(tags: tuple[int, ...]) -> float:
        steps = sum(between[a, b] for a, b in pairwise(tags))
        return scores[np.arange(3), list(tags)].sum() + steps + start[tags[0]] + end[tags[-1]]

    every = [total(tags) for tags in product(range(scores.shape[1]), repeat=3)]
    gold = tuple(system.scorer.gold([["S-per", "O", "S-loc"]]).tolist())
    value, _ = loss_of(system, "Ann saw Oslo", "B-per O B-loc")
    assert value == pytest.approx((logsumexp(np.array(every)) - total(gold)) / 3, rel=1e-5)


@pytest.mark.parametrize("form", ["softmax", "logistic", "margin"])
def test_the_other_forms_of_spans_have_a_loss_too(form: str) -> None:
    value, example = loss_of(ner(f"model.form={form}"), "Ann saw Oslo", "B-per O B-loc")
    assert value > 0
    assert "tags" in [leaf.name for leaf in example.feed]


def test_a_form_that_learns_from_spans_alone_needs_one() -> None:
    with pytest.raises(DataError, match="none of these is"):
        ner("model.form=margin").loss_of("they can see", "O O O")


@pytest.mark.parametrize("gold", ["yes", "no", None])
def test_the_loss_of_a_text(gold: str | None) -> None:
    system = textcnn()
    p = system.probabilities(["a very bad film"])[0]
    right = int(p.argmax()) if gold is None else system.about.classes.index(gold)
    value, example = loss_of(system, "a very bad film", gold)
    assert value == pytest.approx(-np.log(p[right]), rel=1e-4)
    found = f"the network says {system.about.classes[int(p.argmax())]} ({p.max():.1%})"
    assert example.about == (
        f"{found}, which is taken for right" if gold is None else f"right is {gold}; {found}"
    )
    assert [(leaf.name, leaf.shape) for leaf in example.feed] == [
        ("words", (1, 4)),
        ("suffix2", (1, 4)),
        ("label", (1,)),
    ]


def test_the_loss_of_a_language_model() -> None:
    system = lm()
    value, _ = loss_of(system, "the dog sat")
    ids = system.vocabulary.encode(["the", "dog", "sat"])
    assert value == pytest.approx(-np.mean(system.log_probabilities([ids])), rel=1e-5)


def test_the_loss_of_an_image() -> None:
    system = digits()
    pixels = np.array([float(pixel) for pixel in PIXELS.split()], np.float32).reshape(1, 8, 8) / 16
    p = system.probabilities(pixels)[0]
    assert loss_of(system, PIXELS, "7")[0] == pytest.approx(-np.log(p[7]), rel=1e-4)
    assert loss_of(system, PIXELS)[0] == pytest.approx(-np.log(p.max()), rel=1e-4)


@pytest.mark.parametrize(("kind", "text"), [("skip-gram", "a b"), ("cbow", "a c d b")])
def test_the_loss_of_a_word_beside_another(kind: str, text: str) -> None:
    system = word2vec(kind)
    value, example = loss_of(system, text)
    given, candidates = (array[0] for array in example.feed.values())
    u, v = system.model.given.weight.value, system.model.asked.weight.value
    hidden = np.mean(u[np.atleast_1d(given)], axis=0)
    scores = v[candidates] @ hidden
    counted = candidates[1:] != candidates[0]
    expected = np.logaddexp(0, -scores[0]) + np.logaddexp(0, scores[1:][counted]).sum()
    assert value == pytest.approx(expected, rel=1e-5)
    assert system.vocabulary.token(int(candidates[0])) == "b"
    assert system.loss_of(text).about == example.about  # the same negatives each time


@pytest.mark.parametrize(
    ("build", "text", "gold", "message"),
    [
        (pos, "", None, "the text has no word"),
        (pos, "they can see", "NOUN", "1 tags for 3 words"),
        (pos, "they can see", "NOUN X Y", "training never saw the tag X, Y"),
        (ner, "Ann saw Oslo", "B-per O B-org", "training never saw the tag B-org"),
        (textcnn, "a film", "maybe", "training never saw the class 'maybe'"),
        (lm, "the dog", "sat", "there is no use for 'sat'"),
        (lm, "", None, "the text has no word"),
        (digits, PIXELS, "11", "training never saw the class '11'"),
        (digits, "1 2 3", None, "line 1 has 3 numbers"),
        (lambda: word2vec("skip-gram"), "a", None, "1 words"),
        (lambda: word2vec("skip-gram"), "a b c", None, "3 words"),
        (lambda: word2vec("skip-gram"), "a zebra", None, "not in the vocabulary: zebra"),
        (lambda: word2vec("cbow"), "a b", "b", "there is no use for 'b'"),
    ],
)
def test_what_cannot_be_shown(build: Any, text: str, gold: str | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        build().loss_of(text, gold)
