"""What a run of a tagger can be told: what is seen of a word, the network, the optimizer."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ..train.configuration import (
    Activation,
    Count,
    NonNegative,
    OptimizerOptions,
    Options,
    Rate,
    TrainingOptions,
    Whole,
)
from .tagged_data import TaggedDataOptions


class FeatureOptions(Options):
    """What is seen of each word: see ``chainrule.data.features`` for the channels there are."""

    channels: tuple[str, ...] = (
        "word", "prefix1", "prefix2", "prefix3", "suffix1", "suffix2", "suffix3", "suffix4",
        "shape", "capitals",
    )  # fmt: skip
    lower: bool = True
    """Whether the words, and their beginnings and ends, are read in lower case."""
    digits: bool = True
    """Whether every digit is read as 0."""
    respell: bool = False
    """Whether a word without a vector gets that of another spelling: ``#Cooool`` that of ``cool``."""
    min_count: Count = 1
    """Words, beginnings, ends, … seen less often in training are unknown."""


class TaggerOptions(Options):
    """The network."""

    kind: Literal["window", "linear"] = "window"
    """A window network, or logistic regression on one-hot features of the same window."""
    radius: Whole = 2
    """How many words are seen on either side."""
    width: Count = 100
    """Numbers in the vector of a word."""
    feature_width: Count = 32
    """Numbers in the vector of another channel's symbol, at most; channels of few symbols have fewer."""
    hidden: tuple[Count, ...] = (256,)
    activation: Activation = "relu"
    dropout: Rate = 0.5
    """Behind each hidden layer."""
    input_dropout: Rate = 0.5
    """On the vectors of the window."""
    forget: NonNegative = 0.5
    """In training, a symbol seen n times is taken for unknown with probability forget/(forget + n)."""


class TaggingConfig(Options):
    """What a tagger's run depends on."""

    data: TaggedDataOptions = msgspec.field(default_factory=TaggedDataOptions)
    features: FeatureOptions = msgspec.field(default_factory=FeatureOptions)
    model: TaggerOptions = msgspec.field(default_factory=TaggerOptions)
    optimizer: OptimizerOptions = msgspec.field(
        default_factory=lambda: OptimizerOptions(rule="adam", learning_rate=0.002, schedule="linear")
    )
    training: TrainingOptions = msgspec.field(
        default_factory=lambda: TrainingOptions(epochs=6, batch=128, patience=0)
    )
    linear_epochs: Annotated[int, msgspec.Meta(ge=0)] = 4
    """Epochs of the logistic regression that the tagger is compared with; 0 leaves it out."""

    @property
    def compares(self) -> bool:
        """Whether a logistic regression is trained beside the network."""
        return bool(self.linear_epochs) and self.model.kind != "linear"
