"""The six workloads, and a large one: a network, a batch, an optimizer, random data of the stated shapes.

============ ===================================================================== =====  =================
mlp16        784-16-16-10, sigmoid, cross-entropy                                     32  SGD
mlp128       784-128-64-10, ReLU, cross-entropy                                       64  Adam
ner          20,000×50 embeddings, window 5, tanh 100, a score; max-margin of pairs   32  SGD
pos          20,000×64 embeddings, window 5, ReLU 128, 17 tags                        64  Adam
nlm          10,000×64 embeddings, 4 words, tanh 256, softmax over 10,000            256  Adam
cnn          20,000×300 embeddings, 56 words, widths 3/4/5 × 100, max over time,      50  Adadelta
             dropout 0.5, 2 classes
lm32k        32,000×1,024 embeddings, 8 words, tanh 1,024, softmax over 32,000       512  Adam
============ ===================================================================== =====  =================

The last is for machines with a GPU: parameters, gradients and the optimizer's state take 1.2 gigabytes.
All of them are float32, and every update is dense and exact: what an optimizer does to a row that no
example of the batch touched, it does.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import nn, optim
from ..errors import ArgumentError
from ..functions import cross_entropy, max_margin, max_over_time, relu
from ..graph import Array, Node
from ..models import MLP
from ..nn import Initialiser
from ..ops import concat, reshape, sigmoid, tanh
from ..train import Loss


class WindowNetwork(nn.Module):
    """Scores of windows of words: embeddings laid end to end, one hidden layer, one score a class.

    Input (…, window) ids, output (…, classes): ``f([E w₁; …; E wₙ] W + b) U + c``, ``c`` left out for a
    single score as in ``s = uᵀ f(Wx + b)``.
    """

    def __init__(
        self,
        words: int,
        width: int,
        window: int,
        hidden: int,
        classes: int,
        *,
        activation: Callable[[Node], Node],
        seed: int,
        initial: Initialiser | None = None,
    ) -> None:
        seeds = nn.Seeds(seed)
        self.embedding = nn.Embedding(words, width, seed=seeds, initial=initial)
        self.hidden = nn.Linear(window * width, hidden, seed=seeds, initial=initial)
        self.output = nn.Linear(hidden, classes, seed=seeds, bias=classes > 1, initial=initial)
        self.activation = activation

    def forward(self, words: Node) -> Node:
        x = reshape(self.embedding(words), (*words.shape[:-1], -1))
        scores: Node = self.output(self.activation(self.hidden(x)))
        return scores


class SentenceCNN(nn.Module):
    """Kim's text CNN: convolutions of several widths over words, max over time, dropout, classes."""

    def __init__(
        self,
        words: int,
        width: int,
        filters: int,
        sizes: tuple[int, ...],
        classes: int,
        *,
        dropout: float,
        seed: int,
        initial: Initialiser | None = None,
    ) -> None:
        seeds = nn.Seeds(seed)
        self.embedding = nn.Embedding(words, width, seed=seeds, initial=initial)
        self.convolutions = [nn.Conv1d(width, filters, size, seed=seeds, initial=initial) for size in sizes]
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(filters * len(sizes), classes, seed=seeds, initial=initial)

    def forward(self, words: Node, mode: nn.Mode = nn.EVALUATE) -> Node:
        x = self.embedding(words)
        features = concat([relu(max_over_time(layer(x))) for layer in self.convolutions], axis=1)
        scores: Node = self.output(self.dropout(features, mode=mode))
        return scores


@dataclass(frozen=True)
class Workload:
    """One row of the table: everything that it takes to train, and to count what training takes."""

    name: str
    about: str
    network: str
    """Which of the peers' networks it is: ``mlp``, ``window``, ``ranking`` or ``cnn``."""
    sizes: dict[str, Any]
    batch: int
    optimizer: str
    options: dict[str, float]
    """The optimizer's numbers by the names that this library has for them, ``learning_rate`` among them."""
    batches: int
    """Batches in an epoch."""
    seed: int = 0

    @property
    def examples(self) -> int:
        return self.batch * self.batches

    def model(self, parameters: Sequence[Array] | None = None) -> nn.Module:
        """A new network with the given parameters, or with initial ones that are the same at every call."""
        model = _MODELS[self.network](self, None if parameters is None else nn.initialisers.zeros)
        for variable, array in zip(model.parameters(), parameters or (), strict=parameters is not None):
            variable.assign(array)
        return model

    def parameter_count(self) -> int:
        """How many numbers are trained."""
        return _MODELS[self.network](self, nn.initialisers.zeros).parameter_count()

    def loss(self, model: nn.Module) -> Loss:
        """The loss of a batch, for a training step."""
        if self.network == "ranking":
            return lambda pairs: _ranking_loss(model(pairs))
        if self.network == "cnn":
            return lambda words, labels, mode: cross_entropy(model(words, mode=mode), labels)
        return lambda inputs, labels: cross_entropy(model(inputs), labels)

    def new_optimizer(self, model: nn.Module) -> optim.Optimizer:
        """The optimizer over all of ``model``'s parameters."""
        rule: type[optim.Optimizer] = {"sgd": optim.SGD, "adam": optim.Adam, "adadelta": optim.Adadelta}[
            self.optimizer
        ]
        return rule(model.parameters(), **self.options)  # type: ignore[arg-type]  # numbers by name

    def data(self) -> tuple[Array, ...]:
        """Random examples: the arrays that a batch is rows of."""
        rng = np.random.default_rng(self.seed)
        return _DATA[self.network](self.sizes, self.examples, rng)

    def order(self) -> Array:
        """An epoch's batches: (batches, batch) row numbers, every row once."""
        rng = np.random.default_rng(self.seed + 1)
        return rng.permutation(self.examples).reshape(self.batches, self.batch).astype(np.int32)


def _ranking_loss(scores: Node) -> Node:
    """Scores (pairs, 2, 1) of true windows and corrupted ones."""
    return max_margin(scores[:, 0, 0], scores[:, 1, 0])


_ACTIVATIONS: dict[str, Callable[[Node], Node]] = {"sigmoid": sigmoid, "relu": relu, "tanh": tanh}


def _mlp(work: Workload, initial: Initialiser | None) -> nn.Module:
    activation = _ACTIVATIONS[work.sizes["activation"]]
    return MLP(work.sizes["dimensions"], seed=work.seed, activation=activation, initial=initial)


def _window(work: Workload, initial: Initialiser | None) -> nn.Module:
    s = work.sizes
    return WindowNetwork(
        s["words"],
        s["width"],
        s["window"],
        s["hidden"],
        s["classes"],
        activation=_ACTIVATIONS[s["activation"]],
        seed=work.seed,
        initial=initial,
    )


def _cnn(work: Workload, initial: Initialiser | None) -> nn.Module:
    s = work.sizes
    return SentenceCNN(
        s["words"],
        s["width"],
        s["filters"],
        tuple(s["filter_sizes"]),
        s["classes"],
        dropout=s["dropout"],
        seed=work.seed,
        initial=initial,
    )


_MODELS = {"mlp": _mlp, "window": _window, "ranking": _window, "cnn": _cnn}


def _images(s: dict[str, Any], count: int, rng: np.random.Generator) -> tuple[Array, ...]:
    inputs, *_, classes = s["dimensions"]
    return rng.random((count, inputs), np.float32), rng.integers(classes, size=count, dtype=np.int32)


def _windows(s: dict[str, Any], count: int, rng: np.random.Generator) -> tuple[Array, ...]:
    words = rng.integers(s["words"], size=(count, s["window"]), dtype=np.int32)
    return words, rng.integers(s["classes"], size=count, dtype=np.int32)


def _pairs(s: dict[str, Any], count: int, rng: np.random.Generator) -> tuple[Array, ...]:
    """Windows, and beside each the same with another word in the middle: (pairs, 2, window)."""
    words = rng.integers(s["words"], size=(count, 1, s["window"]), dtype=np.int32)
    pairs = np.repeat(words, 2, axis=1)
    pairs[:, 1, s["window"] // 2] = rng.integers(s["words"], size=count, dtype=np.int32)
    return (pairs,)


_DATA = {"mlp": _images, "window": _windows, "ranking": _pairs, "cnn": _windows}


_ADAM = {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}


def _table() -> dict[str, Workload]:
    adadelta = {"learning_rate": 1.0, "rho": 0.9, "epsilon": 1e-6}
    rows = (
        Workload(
            "mlp16",
            "784-16-16-10, sigmoid, cross-entropy",
            "mlp",
            {"dimensions": [784, 16, 16, 10], "activation": "sigmoid"},
            batch=32,
            optimizer="sgd",
            options={"learning_rate": 0.1},
            batches=256,
        ),
        Workload(
            "mlp128",
            "784-128-64-10, ReLU, cross-entropy",
            "mlp",
            {"dimensions": [784, 128, 64, 10], "activation": "relu"},
            batch=64,
            optimizer="adam",
            options=_ADAM,
            batches=128,
        ),
        Workload(
            "ner",
            "20,000×50 embeddings, window 5, tanh 100, score; max-margin against a corrupted window",
            "ranking",
            {
                "words": 20_000,
                "width": 50,
                "window": 5,
                "hidden": 100,
                "classes": 1,
                "activation": "tanh",
            },
            batch=32,
            optimizer="sgd",
            options={"learning_rate": 0.1},
            batches=256,
        ),
        Workload(
            "pos",
            "20,000×64 embeddings, window 5, ReLU 128, 17 tags",
            "window",
            {
                "words": 20_000,
                "width": 64,
                "window": 5,
                "hidden": 128,
                "classes": 17,
                "activation": "relu",
            },
            batch=64,
            optimizer="adam",
            options=_ADAM,
            batches=128,
        ),
        Workload(
            "nlm",
            "10,000×64 embeddings, 4 words, tanh 256, softmax over 10,000 words",
            "window",
            {
                "words": 10_000,
                "width": 64,
                "window": 4,
                "hidden": 256,
                "classes": 10_000,
                "activation": "tanh",
            },
            batch=256,
            optimizer="adam",
            options=_ADAM,
            batches=16,
        ),
        Workload(
            "cnn",
            "20,000×300 embeddings, 56 words, widths 3/4/5 × 100, max over time, dropout 0.5, 2 classes",
            "cnn",
            {
                "words": 20_000,
                "width": 300,
                "window": 56,
                "filters": 100,
                "filter_sizes": [3, 4, 5],
                "classes": 2,
                "dropout": 0.5,
            },
            batch=50,
            optimizer="adadelta",
            options=adadelta,
            batches=8,
        ),
    )
    return {row.name: row for row in rows}


WORKLOADS: dict[str, Workload] = _table()
"""By name, from the smallest step to the largest."""

LARGE: dict[str, Workload] = {
    "lm32k": Workload(
        "lm32k",
        "32,000×1,024 embeddings, 8 words, tanh 1,024, softmax over 32,000 words: 1.2 GB to train",
        "window",
        {
            "words": 32_000,
            "width": 1024,
            "window": 8,
            "hidden": 1024,
            "classes": 32_000,
            "activation": "tanh",
        },
        batch=512,
        optimizer="adam",
        options=_ADAM,
        batches=4,
    )
}
"""What is measured where it is asked for by name, or on a GPU."""

ON_GPU = ("nlm", "cnn", "lm32k")
"""The workloads that are large enough for one."""


def workload_named(name: str) -> Workload:
    """The workload called ``name``.

    Raises ``ArgumentError`` where there is none.

    >>> workload_named("mlp16").model().parameter_count()
    13002
    """
    known = WORKLOADS | LARGE
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    mend = f"did you mean {' or '.join(near)}?" if near else f"choose one of: {', '.join(known)}"
    raise ArgumentError(f"there is no workload {name!r}", mend=mend)
