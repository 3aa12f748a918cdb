"""What a run of ``digits`` can be told: the images, the network, the optimizer."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ..functions import ACTIVATIONS
from ..nn import initialisers
from ..nn.initialisers import Initialiser
from ..train.configuration import Count, OptimizerOptions, Options, Rate, TrainingOptions, Whole
from .digits_data import SKLEARN_DIGITS

INITIALISERS: dict[str, Initialiser] = {
    "xavier_uniform": initialisers.xavier_uniform(),
    "xavier_normal": initialisers.xavier_normal(),
    "kaiming_uniform": initialisers.kaiming_uniform(),
    "kaiming_normal": initialisers.kaiming_normal(),
    "uniform": initialisers.uniform(-0.1, 0.1),
    "normal": initialisers.normal(0.0, 0.01),
    "orthogonal": initialisers.orthogonal(),
}


class ModelOptions(Options):
    """The network."""

    kind: Literal["mlp", "cnn"] = "mlp"
    hidden: tuple[Count, ...] = (16, 16)
    """Units of each hidden layer; of a CNN, those behind its convolutions."""
    activation: Literal[("auto", *ACTIVATIONS)] = "auto"  # type: ignore[valid-type]  # read from the table
    """Between layers; auto is sigmoid for an MLP, as in the lecture, and relu for a CNN."""
    dropout: Rate = 0.0
    """Behind each hidden layer."""
    initial: Literal[tuple(INITIALISERS)] = "xavier_uniform"  # type: ignore[valid-type]  # read from the table
    """How weights begin."""
    filters: tuple[Count, ...] = (8, 16)
    """Of a CNN: filters of each stage of convolution and pooling."""
    window: Count = 5
    """Of a CNN: windows are so many pixels high and wide."""


class DataOptions(Options):
    """The images."""

    source: str = SKLEARN_DIGITS
    """``sklearn-digits``, which are scikit-learn's of 8×8 pixels, a folder with MNIST's IDX files, or a named
    source."""
    shift: Whole = 0
    """In training each image is moved at random by up to so many pixels each way."""


class Configuration(Options):
    """All that a run of ``digits`` can be told."""

    model: ModelOptions = msgspec.field(default_factory=ModelOptions)
    data: DataOptions = msgspec.field(default_factory=DataOptions)
    optimizer: OptimizerOptions = msgspec.field(
        default_factory=lambda: OptimizerOptions(
            rule="adam", learning_rate=0.006, schedule="linear", l2=0.0003
        )
    )
    training: TrainingOptions = msgspec.field(
        default_factory=lambda: TrainingOptions(epochs=30, batch=64, patience=0)
    )
    linear_epochs: Annotated[Whole, msgspec.Meta(extra={"before": 0})] = 20
    """Epochs of the logistic regression that the network is compared with; 0 leaves it out."""
