"""A small language of people and places, and a run on it, for all tests of the task."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chainrule.tasks import EntityRecognition
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


@pytest.fixture(scope="package")
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


@pytest.fixture(scope="package")
def run(tmp_path_factory: pytest.TempPathFactory, data: Path):
    """A trained run of the chain: its folder, and the report."""
    folder = tmp_path_factory.mktemp("runs") / "ner"
    return folder, train(folder, data)


@pytest.fixture(scope="package")
def system(run) -> EntityTagger:
    return TASK.load(RunFolder(run[0]))


def without_tags(parts):
    return sentences_of([[word for word, _ in sentence] for sentence in parts])
