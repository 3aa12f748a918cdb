"""How well vectors foretell a text that they were not learned from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data import Batches, WordPairs
from ..models import NegativeSampler
from ..nn import Module
from ..ops import random
from ..train import PerExample

_MOST = 50_000
_BATCH = 1024


@dataclass(frozen=True)
class HeldOut:
    """Pairs that were not learned from, each with negatives, and a model that scores them."""

    given: NDArray[np.int32]
    candidates: NDArray[np.int64]
    """The word found in the text, then the negatives."""
    scores: PerExample

    @classmethod
    def of(cls, pairs: WordPairs, sampler: NegativeSampler, negatives: int, model: Module) -> HeldOut:
        """Pairs of ``pairs``, spread over the text, each with so many negatives."""
        places = np.unique(np.linspace(0, pairs.examples - 1, _MOST).astype(np.int64))
        given, asked = (array[places] for array in pairs.arrays)
        drawn = sampler(random.key(0), (len(asked), negatives)).value
        candidates = np.concatenate([asked[:, None].astype(np.int64), drawn], axis=1)
        return cls(given, candidates, PerExample(model))

    def __call__(self) -> dict[str, float]:
        """The loss, and how often the word found in the text scores above one drawn at random."""
        rows = Batches((self.given, self.candidates), _BATCH, shuffle=False)
        scores = np.asarray(self.scores(rows.epoch(0)), np.float64)
        other = self.candidates[:, 1:] != self.candidates[:, :1]
        loss = np.logaddexp(0, -scores[:, 0]).sum() + np.logaddexp(0, scores[:, 1:])[other].sum()
        return {"loss": float(loss / len(scores)), "ranking": _ranking(scores, other)}

    def by_frequency(self, counts: NDArray[np.int64]) -> float:
        """The ranking where the more frequent word scores higher."""
        other = self.candidates[:, 1:] != self.candidates[:, :1]
        return _ranking(counts[self.candidates].astype(np.float64), other)


def _ranking(scores: NDArray[np.float64], other: NDArray[np.bool_]) -> float:
    """How often the first of a row is above the others, equal ones counting half."""
    if not other.any():
        return float("nan")
    first, rest = scores[:, :1], scores[:, 1:]
    return float(((first > rest) + 0.5 * (first == rest))[other].mean())
