"""What a run of ``lm`` can be told: the text, the network, the softmax, the optimizer."""

from __future__ import annotations

from typing import Annotated

import msgspec

from ..train.configuration import Activation, Count, OptimizerOptions, Options, Rate, TrainingOptions, Whole
from .corpus import TextOptions


class ModelOptions(Options):
    """The neural network."""

    context: Count = 5
    """How many previous words are read one by one."""
    history: Whole = 60
    """How many previous words are read as a decaying average; 0 leaves the average out."""
    decay: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.95
    width: Count = 100
    """Numbers in an embedding."""
    hidden: Count = 256
    layers: Count = 1
    """Hidden layers; each behind the first is added to what it reads."""
    activation: Activation = "tanh"
    dropout: Rate = 0.3
    tied: bool = True
    """Whether a word's embedding also scores it."""
    direct: bool = False
    """Whether embeddings reach the scores past the hidden layers as well."""


class SoftmaxOptions(Options):
    """What a training step scores; evaluation scores all words."""

    negatives: Whole = 0
    """So many words drawn at random for each batch, beside the right ones; 0 for all words."""
    power: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    """They are drawn by their counts to this power: 1 as they occur, 0 all alike."""


class LanguageModelConfig(Options):
    """Everything that a run depends on."""

    data: TextOptions = msgspec.field(default_factory=TextOptions)
    model: ModelOptions = msgspec.field(default_factory=ModelOptions)
    softmax: SoftmaxOptions = msgspec.field(default_factory=SoftmaxOptions)
    optimizer: OptimizerOptions = msgspec.field(
        default_factory=lambda: OptimizerOptions(rule="adam", learning_rate=0.003, schedule="linear")
    )
    training: TrainingOptions = msgspec.field(
        default_factory=lambda: TrainingOptions(epochs=4, batch=512, patience=2)
    )
    ngram_order: Annotated[int, msgspec.Meta(ge=0, le=10)] = 0
    """The order of the n-gram model; 0 takes the best of 2 to 6 on the validation text."""
