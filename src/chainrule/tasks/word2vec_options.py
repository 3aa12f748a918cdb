"""The settings of ``chainrule train word2vec``."""

from __future__ import annotations

from typing import Literal

import msgspec

from ..data.word_pairs import STRETCH
from ..train.configuration import Count, NonNegative, Options, TrainingOptions
from .corpus import TextOptions
from .vector_reports import ExaminationOptions

_RATES = {"skip-gram": 0.025, "cbow": 0.15}


class VectorTextOptions(TextOptions):
    """How text is read."""

    min_count: Count = 5
    """Words seen less often are left out of the text."""
    subsample: NonNegative = 1e-3
    """Words whose share of the text is larger are thinned out; 0 keeps all."""
    stretch: Count = STRETCH
    """Words that are taken at a time; of a longer text each such stretch counts as an epoch."""
    vectors_of: str = ""
    """Instead of training: the run folder of a language model, or a file of word vectors."""


class VectorOptions(Options):
    """The model."""

    kind: Literal["skip-gram", "cbow"] = "skip-gram"
    width: Count = 100
    """Numbers in a vector."""
    window: Count = 5
    """How far a neighbour may be; for each word a reach up to this is drawn."""
    negatives: Count = 5
    """Words drawn at random for each pair."""
    undivided: bool = False
    """CBOW as in the programs word2vec and gensim: a context's words get the gradient of their mean whole."""


class DescentOptions(Options):
    """Stochastic gradient descent, its rate falling on a straight line."""

    learning_rate: NonNegative = 0.0
    """For one pair, at the start; 0 takes 0.025 for skip-gram, 0.15 for CBOW."""
    final: NonNegative = 0.0001
    """The rate at the end."""


class Word2VecConfig(Options):
    """Everything that a run depends on."""

    data: VectorTextOptions = msgspec.field(default_factory=VectorTextOptions)
    model: VectorOptions = msgspec.field(default_factory=VectorOptions)
    optimizer: DescentOptions = msgspec.field(default_factory=DescentOptions)
    training: TrainingOptions = msgspec.field(
        default_factory=lambda: TrainingOptions(epochs=10, batch=128, patience=0)
    )
    report: ExaminationOptions = msgspec.field(default_factory=ExaminationOptions)
    baseline: bool = True
    """Whether vectors made by counting are asked the same."""

    @property
    def rates(self) -> tuple[float, float]:
        """What one pair moves its vectors by, at the start and at the end."""
        start = self.optimizer.learning_rate or _RATES[self.model.kind]
        return start, min(self.optimizer.final, start)
