"""The language model in use: its words, what it says and writes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chainrule.data import Vocabulary
from chainrule.tasks.corpus import END
from chainrule.tasks.sampling import Sampling
from chainrule.train import RunFolder

from .conftest import SIZE, TASK, sentences, train

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
