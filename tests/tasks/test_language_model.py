"""The language-model task: perplexities counted by hand, what a run leaves behind, and what it writes."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.data import Vocabulary
from chainrule.errors import ConfigurationError, DataError, RunFolderError
from chainrule.models.ngram import KneserNey
from chainrule.tasks import LanguageModeling
from chainrule.tasks.corpus import END, read_corpus
from chainrule.tasks.language_model import Baseline, LanguageModel, best_share, interpolate
from chainrule.tasks.sampling import Sampling
from chainrule.train import RunFolder, Silent
from chainrule.train.configuration import resolve

from .conftest import timeless

TASK = LanguageModeling()
SIZE = 15  # the grammar's twelve words, <pad>, <unk> and </s>
SMALL = (
    "model.context=2", "model.history=4", "model.width=6", "model.hidden=8", "data.min_count=1",
    "training.epochs=3", "training.batch=32", "optimizer.learning_rate=0.02", "ngram_order=3",
)  # fmt: skip


def sentences(count: int, seed: int) -> list[str]:
    """A little grammar: an animal, what it does, where."""
    chance = np.random.default_rng(seed)
    words = [["the", "a"], ["cat", "dog", "bird"], ["sat", "ran", "slept"], ["here", "there", "at home"]]
    return [" ".join(str(chance.choice(choices)) for choices in words) for _ in range(count)]


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    """A folder of text, split, with a word in the test part that training never saw, and with <unk>."""
    folder = tmp_path_factory.mktemp("text")
    (folder / "train.txt").write_text("\n".join([*sentences(150, 0), "the <unk> sat here"]) + "\n")
    (folder / "valid.txt").write_text("\n".join(sentences(20, 1)) + "\n")
    (folder / "test.txt").write_text("\n".join([*sentences(20, 2), "the zebra sat", "a <unk> ran"]) + "\n")
    return folder


def configured(*settings: str):
    return resolve(TASK.Config, settings=[*SMALL, "data.tokens=spaces", *settings])


def train(folder: Path, data: Path | str, *settings: str, resume=False, reporter=None, said=None):
    return TASK.train(
        configured(*settings),
        str(data),
        RunFolder(folder),
        resume=resume,
        reporter=reporter or Silent(),
        say=(lambda line: None) if said is None else said.append,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory, text):
    """A trained run: its folder, and the report."""
    folder = tmp_path_factory.mktemp("runs") / "lm"
    return folder, train(folder, text)


@pytest.fixture(scope="module")
def system(run) -> LanguageModel:
    return TASK.load(RunFolder(run[0]))


def words_of(path: Path) -> list[str]:
    """Every token that is predicted, by hand."""
    return [token for line in path.read_text().splitlines() for token in (*line.split(), END)]


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


# -- words and their ids ---------------------------------------------------------------------------


def test_the_texts_own_unknown_is_the_vocabularys(system):
    assert system.vocabulary.tokens[:2] == ("<pad>", "<unk>")
    assert len(system.vocabulary) == SIZE
    unknown = system.vocabulary.index("<unk>")
    assert system.encode([["<unk>", "zebra", END]])[0].tolist() == [
        unknown,
        unknown,
        system.vocabulary.index(END),
    ]


def test_rare_words_are_unknown(text, tmp_path):
    train(tmp_path / "run", text, "training.epochs=1", "data.min_count=60", "data.max_size=5")
    vocabulary = Vocabulary.load(tmp_path / "run" / "vocabulary.txt")
    assert len(vocabulary) == 5
    assert END in vocabulary


def test_the_distribution_is_that_of_the_last_words_whatever_came_before(system):
    chance = np.random.default_rng(0)
    ids = chance.integers(2, SIZE, 50).astype(np.int32)
    for length in (0, 1, 3, 4, 5, 50):
        p = system.distribution(ids[:length])
        assert p.shape == (SIZE,)
        assert p.sum() == pytest.approx(1)
        assert np.array_equal(p, system.distribution(ids[max(0, length - 4) : length]))
    log_p = system.log_probabilities([ids])
    assert log_p[20] == pytest.approx(math.log(system.distribution(ids[:20])[ids[20]]), rel=1e-4)


def test_where_a_text_has_not_begun_nothing_is_read(run):
    """Whatever training, on one long document, made of the padding's vector: short texts are full of it."""
    system = TASK.load(RunFolder(run[0]))
    before = system.distribution(np.array([5], np.int32))[1:]
    table = system.model.embedding.weight
    rows = table.value.copy()
    rows[0] = 3.0
    table.assign(rows)
    after = system.distribution(np.array([5], np.int32))[1:]
    assert np.allclose(after / after.sum(), before / before.sum(), rtol=1e-4)


# -- what it says and writes -----------------------------------------------------------------------


def test_predictions(system):
    known, empty, unknown = system.predict(["the cat sat", "", "zebra xylophone"])
    assert known["text"] == "the cat sat"
    assert {"here", "there", "at"} == {word for word, _ in known["next"][:3]}
    chances = [chance for _, chance in known["next"]]
    assert len(chances) == 5
    assert chances == sorted(chances, reverse=True)
    ids = system.encode([[END, "the", "cat", "sat"]])
    assert known["perplexity"] == round(math.exp(-system.log_probabilities(ids)[1:].mean()), 2)
    assert "perplexity" not in empty
    assert {"the", "a"} == {word for word, _ in empty["next"][:2]}
    assert len(unknown["next"]) == 5
    assert unknown["perplexity"] > 0


def test_at_temperature_zero_the_likeliest_words_are_written(system):
    found = system.generate("the cat", words=6, sampling=Sampling(temperature=0))
    words = [END, "the", "cat"]
    for _ in range(6):
        p = system.distribution(system.vocabulary.encode(words))
        p[[0, 1]] = 0
        words.append(system.vocabulary.token(int(p.argmax())))
    assert found == "\n".join(line.strip() for line in " ".join(words[1:]).split(END)).strip("\n")


def test_text_is_written_in_lines_and_holds_no_symbols(system):
    found = system.generate(words=300, sampling=Sampling(temperature=1.5, seed=3))
    assert not set(found.split()) & {END, "<pad>", "<unk>"}
    assert set(found.split()) <= {*" ".join(sentences(150, 0)).split()}
    assert len(found.splitlines()) > 10
    assert all(line == line.strip() for line in found.splitlines())
    assert len(found.split()) + found.count("\n") in (299, 300)  # an end at the very end is not shown


@pytest.mark.parametrize(
    ("prompt", "begins"),
    [
        ("", ""),
        ("the cat", "the cat "),
        ("zebra xylophone", "zebra xylophone "),  # unknown to the model, shown as it was written
        ("the cat sat\nthe", "the cat sat\nthe "),
    ],
)
def test_prompts_are_gone_on_from(system, prompt, begins):
    one, same, other = (system.generate(prompt, words=20, sampling=Sampling(seed=seed)) for seed in (0, 0, 1))
    assert one.startswith(begins)
    assert one == same != other
    assert system.generate(prompt, words=0) == prompt


@pytest.mark.parametrize(
    ("tokens", "content", "prompt", "begins", "allowed"),
    [
        ("words", "The cat sat. It's (here). ", "The cat", "the cat", "the cat sat. it's (here)."),
        ("characters", "ab ba\n", "ab", "ab", "ab \n"),
        ("spaces", "Ab ba , ab .\n", "ab", "ab", "ab ba , .\n"),
    ],
)
def test_every_kind_of_token_is_written_readably(tmp_path, tokens, content, prompt, begins, allowed):
    (tmp_path / "text").mkdir()
    for part in ("train", "valid", "test"):
        (tmp_path / "text" / f"{part}.txt").write_text(content * 40)
    train(
        tmp_path / "run", tmp_path / "text", f"data.tokens={tokens}", "training.epochs=8", "training.batch=8"
    )
    found = TASK.load(RunFolder(tmp_path / "run")).generate(
        prompt, words=40, sampling=Sampling(temperature=0.2)
    )
    assert found.startswith(begins)
    assert set(found) <= set(allowed)
    if tokens == "words":
        assert "it's (here). the cat sat. it's" in found
    else:
        assert content.strip().lower() in found.splitlines()


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
        ("vocabulary.txt", None, DataError, "no such file"),
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
