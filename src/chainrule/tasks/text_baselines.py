"""What a text classifier has to beat: the most frequent class, and logistic regression on n-grams."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from .. import optim
from ..data import Batches, Ragged, Vocabulary
from ..functions import cross_entropy
from ..graph import Node
from ..models.bag_of_ngrams import BagOfNgrams, distinct_ngrams
from ..train import PerExample, Settings, accuracy, fit

Tokens = Sequence[Sequence[str]]
Classes = NDArray[np.int64]

_LEARNING_RATE = 0.2
_EPOCHS, _PATIENCE = 30, 2
_BATCH, _EVALUATION_BATCH = 50, 250
_LEAST = 2


def most_frequent(gold: Classes) -> int:
    """The class that stands most often, of equals the first.

    >>> most_frequent(np.array([0, 2, 1, 2, 1]))
    1
    """
    return int(np.bincount(gold).argmax())


class NgramRegression:
    """Logistic regression on which words and pairs of words a text has, of those seen at least twice.

    Trained with Adagrad until the loss on validation texts rises.
    """

    def __init__(self, train: Tokens, gold: Classes, classes: int, *, engine: str) -> None:
        ngrams = [distinct_ngrams(tokens) for tokens in train]
        self.vocabulary = Vocabulary.build(chain.from_iterable(ngrams), min_count=_LEAST, unknown=None)
        self.model = BagOfNgrams(len(self.vocabulary), classes)
        self._train, self._gold, self._engine = train, gold, engine
        self._scores = PerExample(self.model, engine=engine)

    def fit(self, validation: Tokens, gold: Classes, seed: int) -> NgramRegression:
        """Train it; validation texts of classes that it does not know are passed over."""
        known = np.flatnonzero(gold >= 0)
        held_out, right = [validation[int(i)] for i in known], gold[known]
        batches = Batches((self._encoded(self._train), self._gold), _BATCH, seed=seed)

        def loss(ngrams: Node, labels: Node) -> Node:
            return cross_entropy(self.model(ngrams), labels)

        def validate() -> dict[str, float]:
            scores = self.scores(held_out).astype(np.float64)
            scores -= scores.max(axis=1, keepdims=True)
            log_p = scores[np.arange(len(right)), right] - np.log(np.exp(scores).sum(axis=1))
            return {"loss": -float(np.mean(log_p)), "accuracy": accuracy(scores.argmax(axis=1), right)}

        fit(
            self.model,
            loss,
            batches,
            optim.Adagrad(self.model.parameters(), _LEARNING_RATE),
            settings=Settings(
                epochs=_EPOCHS, seed=seed, patience=_PATIENCE if len(known) else None, engine=self._engine
            ),
            validate=validate if len(known) else None,
        )
        return self

    def scores(self, texts: Tokens) -> NDArray[np.float32]:
        """The scores of each class, (texts, classes)."""
        ids = self._encoded(texts)
        rows = -(-len(ids) // _EVALUATION_BATCH) * _EVALUATION_BATCH
        filled = np.pad(ids, [(0, rows - len(ids)), (0, 0)])  # whole batches: one program serves all
        return self._scores(Batches(filled, _EVALUATION_BATCH, shuffle=False).epoch(0))[: len(ids)]

    def predict(self, texts: Tokens) -> Classes:
        """The most likely class of each text."""
        found: Classes = self.scores(texts).argmax(axis=1)
        return found

    def _encoded(self, texts: Tokens) -> NDArray[np.int32]:
        known = self.vocabulary
        rows = [
            np.array([known.index(found) for found in distinct_ngrams(tokens) if found in known], np.int32)
            for tokens in texts
        ]
        longest = max((len(row) for row in rows), default=0)
        # A few lengths, so that few programs are compiled.
        return Ragged(rows).padded(length=max(32 * -(-longest // 32), 32))[0].astype(np.int32)
