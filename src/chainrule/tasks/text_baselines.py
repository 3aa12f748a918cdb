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
from ..train import PerExample, RunFolder, Settings, accuracy, fit
from ..train.tensors import load_tensors, save_tensors
from .reporting import LINEAR

Tokens = Sequence[Sequence[str]]
Classes = NDArray[np.int64]
Texts = tuple[Tokens, Classes]

_LEARNING_RATE = 0.2
_EPOCHS, _PATIENCE = 30, 2
_BATCH, _EVALUATION_BATCH = 50, 250
_LEAST = 2
_NGRAMS = "ngrams.txt"


class NgramRegression:
    """Logistic regression on which words and pairs of words a text has, of those seen at least twice.

    Trained with Adagrad until the loss on validation texts rises.
    """

    def __init__(self, vocabulary: Vocabulary, classes: int, *, engine: str) -> None:
        self.vocabulary, self._engine = vocabulary, engine
        self.model = BagOfNgrams(len(vocabulary), classes)
        self._scores = PerExample(self.model, engine=engine)

    @classmethod
    def untrained(cls, train: Tokens, classes: int, *, engine: str) -> NgramRegression:
        """As it starts out, for the n-grams of the training texts."""
        ngrams = [distinct_ngrams(tokens) for tokens in train]
        vocabulary = Vocabulary.build(chain.from_iterable(ngrams), min_count=_LEAST, unknown=None)
        return cls(vocabulary, classes, engine=engine)

    def fit(self, train: Texts, validation: Texts, seed: int) -> NgramRegression:
        """Train it; validation texts of classes that it does not know are passed over."""
        tokens, gold = validation
        known = np.flatnonzero(gold >= 0)
        held_out, right = [tokens[int(i)] for i in known], gold[known]
        batches = Batches((self._encoded(train[0]), train[1]), _BATCH, seed=seed)

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
                epochs=_EPOCHS,
                seed=seed,
                patience=_PATIENCE if len(known) else None,
                engine=self._engine,
                invariants=False,  # of a baseline nobody wants to hear what is odd
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

    def save(self, folder: RunFolder) -> None:
        """Write its n-grams and weights to a run folder."""
        self.vocabulary.save(folder.path / _NGRAMS)
        save_tensors(folder.path / LINEAR, self.model.state_dict(), {})

    @classmethod
    def load(cls, folder: RunFolder, classes: int, *, engine: str) -> NgramRegression | None:
        """What :meth:`save` wrote; None where the run has none.

        Raises ``RunFolderError`` or ``DataError`` for files that are damaged.
        """
        if not (folder.path / LINEAR).is_file():
            return None
        found = cls(Vocabulary.load(folder.existing(_NGRAMS)), classes, engine=engine)
        found.model.load_state_dict(load_tensors(folder.path / LINEAR)[0])
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
