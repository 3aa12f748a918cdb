"""A small language model, trained once, for all tests of the task."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chainrule.tasks import LanguageModeling
from chainrule.tasks.corpus import END
from chainrule.tasks.language_model import LanguageModel
from chainrule.train import RunFolder, Silent
from chainrule.train.configuration import resolve

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


@pytest.fixture(scope="package")
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


@pytest.fixture(scope="package")
def run(tmp_path_factory, text):
    """A trained run: its folder, and the report."""
    folder = tmp_path_factory.mktemp("runs") / "lm"
    return folder, train(folder, text)


@pytest.fixture(scope="package")
def system(run) -> LanguageModel:
    return TASK.load(RunFolder(run[0]))


def words_of(path: Path) -> list[str]:
    """Every token that is predicted, by hand."""
    return [token for line in path.read_text().splitlines() for token in (*line.split(), END)]
