"""What a task is: data + model + loss + metric + prediction, under one name.

A task trains a *system* (a model with all it needs to be used: vocabulary, configuration), saves it to
a run folder, and loads it from there.  Results come as a :class:`Report` of tables and texts, which
the faces show on a terminal, as JSON, or as a page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

from ..data import WordVectors
from ..graph import Array, Node
from ..train import Monitor, Reporter, RunFolder
from ..train.configuration import Options

Say = Callable[[str], None]
"""Tells the user what is going on, one line at a time."""


def silent(line: str) -> None:
    """For those who need not hear it."""


@dataclass(frozen=True)
class Table:
    """Rows under a header; numbers stay numbers, and the faces format them."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Map:
    """Things as points of a plane, each with its name: word vectors, seen from one side."""

    title: str
    labels: tuple[str, ...]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Pictures:
    """Grey images, (images, rows, columns), with a line of text for each."""

    title: str
    images: Array
    captions: tuple[str, ...]


@dataclass
class Report:
    """The outcome of training or evaluating: headline scores, tables, pieces of text, and pictures."""

    title: str
    scores: dict[str, float] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    """Heading and text: samples, a summary of the network."""
    maps: list[Map] = field(default_factory=list)
    pictures: list[Pictures] = field(default_factory=list)
    network: Node | None = None
    """What the network makes of an example, as graph."""
    files: dict[str, Table] = field(default_factory=dict)
    """What the run folder keeps whole, by the file's name, and the report shows in part."""


class System(Protocol):
    """A trained model, ready to be used."""

    def evaluate(self, data: str | None) -> Report:
        """Scores on the task's test data, or on the file or source that ``data`` names."""

    def predict(self, lines: Sequence[str]) -> list[dict[str, Any]]:
        """One answer for each line of input, as plain values."""


@dataclass(frozen=True)
class Example:
    """The loss of one example as graph, for the chain rule to be followed through it."""

    loss: Node
    feed: dict[Node, Array]
    title: str
    about: str
    """What the example is: its words, what is right for each, what the network says."""


@runtime_checkable
class Differentiates(Protocol):
    """A system that can show the loss of one example."""

    def loss_of(self, text: str, gold: str | None = None) -> Example:
        """The loss of ``text`` where ``gold`` is right, or what the system itself finds if it is None.

        What stands in ``gold`` is the system's affair: a class, or a tag for each word.  Dropout is off.
        Raises ``DataError`` for a text or a gold that cannot be read.
        """


@runtime_checkable
class HasWordVectors(Protocol):
    """A system with a vector for each word."""

    def word_vectors(self) -> WordVectors | None:
        """The words, the more frequent ones first, and their vectors; None where it was made without."""


@runtime_checkable
class Explains(Protocol):
    """A system that can say what it has learned to look at."""

    def explain(self) -> Report:
        """Tables, the most telling first."""


class Task(Protocol):
    """One of the things that ``chainrule train`` trains."""

    name: ClassVar[str]
    about: ClassVar[str]
    """One line for the list of tasks."""
    Config: ClassVar[type[Options]]
    monitor: ClassVar[Monitor]
    """The validation score that decides which epoch, and which configuration, is best."""

    def train(
        self,
        config: Any,
        data: str | None,
        folder: RunFolder,
        *,
        resume: bool,
        reporter: Reporter,
        say: Say,
    ) -> Report:
        """Train from scratch, or on from the folder's state, and leave the finished run in ``folder``."""

    def load(self, folder: RunFolder) -> System:
        """The system that a run left behind."""
