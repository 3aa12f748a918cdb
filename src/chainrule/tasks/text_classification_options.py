"""What a run of ``textcnn`` can be told: the texts, the network, the optimizer."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ..models.text_cnn import RISING
from ..train.configuration import (
    Count,
    NonNegative,
    OptimizerOptions,
    Options,
    Rate,
    TrainingOptions,
    Whole,
)
from .labelled_text import LabelledOptions


class ModelOptions(Options):
    """The network."""

    width: Count = 300
    """Numbers in a word vector; those of ``data.vectors`` decide where they are given."""
    windows: Annotated[tuple[Count, ...], msgspec.Meta(min_length=1)] = (3, 4, 5)
    """Filters read so many words at a time."""
    filters: Count = 100
    """Of each width."""
    stride: Count = 1
    padding: Whole | None = None
    """Empty words before and behind a text; as many as let each word stand everywhere in a window if not
    given."""
    activation: Literal[tuple(RISING)] = "relu"  # type: ignore[valid-type]  # read from the table
    pooling: Literal["max", "average", "k-max"] = "max"
    k: Count = 2
    """For k-max."""
    channel: Literal["tuned", "static", "both"] = "tuned"
    """Whether word vectors are trained, or not, or are there twice."""
    features: tuple[str, ...] = ()
    """Further embeddings of each word: suffix3, prefix2, shape, capitals, length."""
    feature_width: Count = 10
    input_dropout: Rate = 0.0
    """Of the numbers of the words' vectors."""
    dropout: Rate = 0.5
    """Of the features that the classes are scored by."""
    max_norm: NonNegative = 3.0
    """The longest that a class's weights may grow; 0 sets no limit."""


class TextConfig(Options):
    """Everything that a run depends on."""

    data: LabelledOptions = msgspec.field(default_factory=LabelledOptions)
    model: ModelOptions = msgspec.field(default_factory=ModelOptions)
    optimizer: OptimizerOptions = msgspec.field(
        default_factory=lambda: OptimizerOptions(rule="adam", learning_rate=0.001)
    )
    training: TrainingOptions = msgspec.field(
        default_factory=lambda: TrainingOptions(epochs=10, batch=50, patience=3)
    )
