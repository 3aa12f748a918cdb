"""The language-model task: perplexities counted by hand, what a run leaves behind, and what it writes."""

from __future__ import annotations

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.models.ngram import KneserNey
from chainrule.tasks.corpus import END, read_corpus
from chainrule.tasks.language_model import Baseline, LanguageModel, best_share, interpolate
from chainrule.train import RunFolder, Silent

from ..conftest import timeless
from .conftest import SIZE, TASK, configured, train, words_of

# -- perplexity ------------------------------------------------------------------------------------


def test_both_perplexities_are_over_the_same_tokens_and_agree_with_a_word_by_word_count(run, system, text):
    ids = [system.vocabulary.index(word) for word in words_of(text / "test.txt")]
    neural = ngram = 0.0
    training = [system.vocabulary.index(word) for word in words_of(text / "train.txt")]
    size = len(system.vocabulary)
    kneser_ney = KneserNey(3, size).fit([training], bos=size)
    for place, word in enumerate(ids):
        neural -= math.log(system.distribution(np.array(ids[:place], np.int32))[word])
        context = [size, size, *ids[:place]][-2:]
        ngram -= math.log(kneser_ney.distribution(context)[word])
    _, report = run
    assert report.scores["test_perplexity"] == pytest.approx(math.exp(neural / len(ids)), rel=1e-5)
    assert report.scores["test_ngram_perplexity"] == pytest.approx(math.exp(ngram / len(ids)), rel=1e-9)
    table = report.tables[0]
    assert table.title == (
        f"Language models on {text.name}: {len(ids)} test tokens, {size} words in the vocabulary, "
        f"{2 / len(ids):.1%} unknown"
    )
    assert [row[0] for row in table.rows[:2]] == [
        "Kneser–Ney, order 3", "feed-forward, 2 words + history of 4",
    ]  # fmt: skip
    assert table.rows[0][2] == report.scores["test_ngram_perplexity"]
    assert table.rows[1][1:] == (report.scores["validation_perplexity"], report.scores["test_perplexity"])


def test_a_model_that_knows_nothing_has_the_perplexity_of_the_vocabulary(system, text):
    config = configured("model.tied=false")
    blank = LanguageModel.untrained(config, system.vocabulary)
    for variable in blank.model.parameters():
        variable.assign(np.zeros(variable.shape))
    log_p = blank.log_probabilities(blank.encode([words_of(text / "test.txt")]))
    assert np.allclose(log_p, -math.log(len(system.vocabulary)))


def test_the_mixture_is_of_probabilities_and_its_share_chosen_on_the_validation_text(run, system, text):
    corpus = read_corpus(system.config.data)
    baseline = Baseline.chosen(system, corpus)
    p, q = (
        [np.exp(model.log_probabilities(system.encode(part))) for part in (corpus.validation, corpus.test)]
        for model in (system, baseline)
    )

    def perplexity(part, share):
        return math.exp(-np.mean(np.log(share * p[part] + (1 - share) * q[part])))

    share = min((number / 100 for number in range(1, 100)), key=lambda share: perplexity(0, share))
    scores = run[1].scores
    assert scores["test_interpolated_perplexity"] == pytest.approx(perplexity(1, share), rel=1e-5)
    assert scores["validation_interpolated_perplexity"] == pytest.approx(perplexity(0, share), rel=1e-5)
    assert run[1].tables[0].rows[2][0] == f"interpolated, {share:.2f} neural"


@pytest.mark.parametrize("best", [0.01, 0.3, 0.5, 0.77, 0.99])
def test_the_best_share_is_found(best):
    """Of words that are certain under p alone, or under q alone, the best mixture has the share."""
    from_p = np.arange(100) < round(100 * best)
    log_p, log_q = (np.where(mask, math.log(0.9), math.log(1e-9)) for mask in (from_p, ~from_p))
    assert best_share(log_p, log_q) == pytest.approx(best)


def test_a_share_of_all_or_nothing():
    p, q = np.log([0.2, 0.5]), np.log([0.4, 0.1])
    assert np.allclose(interpolate(p, q, 1.0), p)
    assert np.allclose(interpolate(p, q, 0.0), q)
    assert np.allclose(np.exp(interpolate(p, q, 0.5)), [0.3, 0.3])


def test_the_order_of_the_n_gram_model_is_chosen_on_the_validation_text(system):
    corpus = read_corpus(system.config.data)
    free = LanguageModel(configured("ngram_order=0"), system.vocabulary, system.model)
    size = len(system.vocabulary)
    train, validation = system.encode(corpus.train), system.encode(corpus.validation)
    scores = {n: KneserNey(n, size).fit(train, bos=size).perplexity(validation) for n in range(2, 7)}
    chosen = Baseline.chosen(free, corpus).model
    assert chosen.order == min(scores, key=scores.__getitem__)
    assert Baseline.chosen(system, corpus).model.order == 3


# -- a run -----------------------------------------------------------------------------------------


def test_the_network_learns(run):
    records = RunFolder(run[0]).metrics()
    assert records[-1]["loss"] < records[0]["loss"] - 0.3
    assert run[1].scores["test_perplexity"] < 6  # of 15 words; the grammar's own is about 2
    assert run[1].scores["validation_perplexity"] == pytest.approx(
        min(record["validation_perplexity"] for record in records), rel=1e-6
    )


def test_the_report_shows_the_network_and_what_it_writes(run):
    texts = dict(run[1].texts)
    assert list(texts) == ["Network", "Written by the network"]
    assert f"Embedding({SIZE} × 6)" in texts["Network"]
    assert texts["Network"].splitlines()[-1] == f"{SIZE * 6 + (18 * 8 + 8) + 8 * 6 + SIZE} parameters"
    assert texts["Written by the network"].count("· ") == 5


def test_a_loaded_run_evaluates_to_the_same_scores(run, system):
    assert system.evaluate(None).scores.items() <= run[1].scores.items()


def test_the_path_of_the_data_is_recorded_so_that_it_holds_anywhere(tmp_path, text, monkeypatch):
    monkeypatch.chdir(text.parent)
    report = train(tmp_path / "run", text.name, "training.epochs=1")
    config = RunFolder(tmp_path / "run").config()
    assert config["data"]["source"] == str(text)
    assert (config["task"], config["data"]["tokens"], config["training"]["epochs"]) == ("lm", "spaces", 1)
    monkeypatch.chdir(tmp_path)
    assert TASK.load(RunFolder(tmp_path / "run")).evaluate(None).scores.items() <= report.scores.items()


def test_another_text_can_be_scored(system, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("the cat sat here\nthe unicorn ran\n")
    report = system.evaluate(str(other))
    assert report.tables[0].title == (
        f"Perplexity on other.txt: 9 test tokens, {SIZE} words in the vocabulary, 11.1% unknown"
    )
    ids = system.encode([["the", "cat", "sat", "here", END, "the", "unicorn", "ran", END]])
    assert report.scores["test_perplexity"] == pytest.approx(math.exp(-system.log_probabilities(ids).mean()))


class Interrupting(Silent):
    """Ctrl-C after so many steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def step(self, epoch: int, loss: float, batches: int = 1) -> None:
        self.left -= batches
        if self.left <= 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("steps", [1, 30, 57])
def test_a_run_that_is_resumed_ends_in_the_same_bits(run, text, tmp_path, steps):
    folder, report = run
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", text, reporter=Interrupting(steps))
    resumed = train(tmp_path / "run", text, resume=True)
    for found, expected in zip(
        RunFolder(tmp_path / "run").load_state()[:2], RunFolder(folder).load_state()[:2], strict=True
    ):
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[name], expected[name]) for name in expected)
    assert timeless(resumed.scores) == timeless(report.scores)
    assert resumed.texts == report.texts


def test_a_run_killed_before_its_first_checkpoint_begins_again(run, text, tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create({"task": "lm"})  # the kill came between the configuration and the vocabulary
    report = train(folder.path, text, resume=True)
    assert timeless(report.scores) == timeless(run[1].scores)
    assert folder.config() == RunFolder(run[0]).config()


def test_the_seed_decides_the_run(run, text, tmp_path):
    again = train(tmp_path / "again", text)
    other = train(tmp_path / "other", text, "training.seed=1")
    assert timeless(again.scores) == timeless(run[1].scores)
    assert other.scores["test_perplexity"] != run[1].scores["test_perplexity"]


def test_what_is_going_on_is_said(text, tmp_path):
    said: list[str] = []
    train(tmp_path / "run", text, "training.epochs=1", "model.history=0", "model.tied=false", said=said)
    tokens = len(words_of(text / "train.txt"))
    count = SIZE * 6 + (12 * 8 + 8) + (8 * SIZE + SIZE)
    assert said == [
        f"reading {text}",
        f"{tokens:,} training tokens, {SIZE} words, {count} parameters",
        "comparing with the n-gram model",
    ]
    assert TASK.load(RunFolder(tmp_path / "run")).describe() == "feed-forward, 2 words"


@pytest.mark.parametrize("settings", [(), ("softmax.power=0",), ("model.tied=false", "model.direct=true")])
def test_a_softmax_over_some_words_learns_as_well(text, tmp_path, settings):
    """Five words drawn, of fifteen; what is reported is of all of them."""
    report = train(tmp_path / "run", text, "softmax.negatives=5", *settings)
    assert report.scores["test_perplexity"] < 5  # over all words the run came to 3
    system = TASK.load(RunFolder(tmp_path / "run"))
    assert system.distribution(np.array([5], np.int32)).sum() == pytest.approx(1)
    assert system.evaluate(None).scores.items() <= report.scores.items()


def test_the_sampled_loss_is_an_estimate_of_the_whole_one(system, text):
    config = configured("softmax.negatives=20000", "softmax.power=0.5", "model.dropout=0")
    sampled = LanguageModel.untrained(config, system.vocabulary)
    words = system.encode([words_of(text / "train.txt")])
    contexts, following = next(iter(system.batches(words, 64, shuffle=False).epoch(0)))
    arrays = cr.constant(contexts), cr.constant(following)
    counts = np.bincount(words[0], minlength=SIZE)
    estimate = float(sampled.sampled_loss(counts)(*arrays, mode=nn.training(cr.random.key(0))))
    assert estimate == pytest.approx(float(sampled.loss(*arrays)), abs=0.02)


def test_layers_and_direct_connections_are_settings(text, tmp_path):
    report = train(tmp_path / "run", text, "model.layers=2", "model.direct=true")
    assert report.scores["test_perplexity"] < 6
    assert TASK.load(RunFolder(tmp_path / "run")).evaluate(None).scores.items() <= report.scores.items()


def test_without_a_test_part_the_report_is_of_the_validation_part(text, tmp_path):
    (tmp_path / "text").mkdir()
    for part in ("train", "valid"):
        (tmp_path / "text" / f"{part}.txt").write_text((text / f"{part}.txt").read_text())
    said: list[str] = []
    report = train(tmp_path / "run", tmp_path / "text", "training.epochs=1", said=said)
    assert "there is no test part" in said[1]
    assert f"{len(words_of(text / 'valid.txt'))} test tokens" in report.tables[0].title
