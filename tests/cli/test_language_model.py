"""A language model from the command line: trained on a text of a few rules, then used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from chainrule.cli.main import main

from .conftest import Run

SETTINGS = ("data.min_count=1", "model.context=2", "model.history=0", "model.width=8", "model.hidden=16",
            "model.dropout=0.0", "training.epochs=3", "training.batch=64", "ngram_order=2")  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on sentences such as ``the cat sees a dog .``."""
    folder = tmp_path_factory.mktemp("lm")
    rng = np.random.default_rng(0)
    nouns, verbs = ["cat", "dog", "bird"], ["sees", "hears"]
    paragraphs = [
        " ".join(f"the {rng.choice(nouns)} {rng.choice(verbs)} a {rng.choice(nouns)}." for _ in range(6))
        for _ in range(120)
    ]
    (folder / "text.txt").write_text("\n\n".join(paragraphs), encoding="utf-8")
    arguments = ["train", "lm", "-q", "--data", str(folder / "text.txt"), "--out", str(folder / "run")]
    assert main([*arguments, *(word for setting in SETTINGS for word in ("--set", setting))]) == 0
    return folder / "run"


def test_evaluate_has_both_models_over_the_same_words(run: Run, trained: Path) -> None:
    ran = run("evaluate", str(trained), "--json")
    found = json.loads(ran.out)
    assert (ran.code, found["task"]) == (0, "lm")
    assert found["scores"]["test_perplexity"] > 1
    assert found["scores"]["test_ngram_perplexity"] > 1
    assert len(found["tables"][0]["rows"]) == 3


def test_generate_is_decided_by_its_seed(run: Run, trained: Path) -> None:
    one, two, other = (run("generate", str(trained), "--words", "30", "--seed", seed) for seed in "112")
    assert (one.code, one.err) == (0, "")
    assert one.out == two.out != other.out
    prompted = run("generate", str(trained), "--prompt", "the cat", "--words", "3", "--temperature", "0")
    assert prompted.out.lower().startswith("the cat ")
    found = json.loads(run("generate", str(trained), "--words", "30", "--seed", "1", "--json").out)
    assert found["text"] == one.out.rstrip("\n")


@pytest.mark.parametrize(
    "option",
    [("--temperature", "-1"), ("--top-p", "0"), ("--top-p", "1.5"), ("--top-k", "-1"), ("--words", "0")],
)
def test_options_out_of_range(run: Run, trained: Path, option: tuple[str, str]) -> None:
    ran = run("generate", str(trained), *option)
    assert (ran.code, ran.out) == (2, "")
    assert option[0] in ran.err
    assert "range" in ran.err


def test_predict_gives_a_line_for_each_line(run: Run, trained: Path) -> None:
    ran = run("predict", str(trained), "the cat sees a", "the dog")
    assert (ran.code, ran.err) == (0, "")
    assert [line.split("\t")[0] for line in ran.out.splitlines()] == ["the cat sees a", "the dog"]
    answers = json.loads(run("predict", str(trained), "the cat sees a", "--json").out)["predictions"]
    assert {word for word, _ in answers[0]["next"][:3]} == {"cat", "dog", "bird"}


def test_text_that_is_not_there(run: Run, tmp_path: Path) -> None:
    ran = run("train", "lm", "-q", "--data", "nowhere.txt")
    assert (ran.code, ran.out) == (3, "")
    assert "nowhere.txt" in ran.err
    assert list(tmp_path.iterdir()) == []
