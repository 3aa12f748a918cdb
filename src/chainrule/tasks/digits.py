"""Handwritten digits: the lecture's 784-16-16-10 network, any other MLP, or a small CNN.

The configuration's sections are ``model``, ``data``, ``optimizer`` and ``training``.  By default the
network is the lecture's: two hidden layers of 16 sigmoids.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from .. import nn
from ..data import Batches, Standardisation, standardise
from ..data.sources import aloud, located, recorded_source
from ..errors import DataError, RunFolderError
from ..functions import ACTIVATIONS, cross_entropy
from ..graph import Node, variable
from ..models.image_cnn import ImageCNN
from ..models.perceptron import MLP
from ..models.random_shift import RandomShift
from ..nn import EVALUATE, Mode, Module
from ..train import (
    ALARMS,
    ClassScores,
    Monitor,
    PerExample,
    Reporter,
    Result,
    RunFolder,
    Silent,
    accuracy,
    confusion_matrix,
    fit,
)
from ..train.configuration import (
    Options,
    make_optimizer,
    make_plateau,
    make_settings,
    to_mapping,
)
from ..train.recorded import recorded_for_use
from ..train.tensors import load_tensors, save_tensors
from . import examples
from .digits_data import SKLEARN_DIGITS, Images, Labels, Split, load_digits, load_test, read_images
from .digits_data import Digits as Data
from .digits_options import INITIALISERS, Configuration, ModelOptions
from .reporting import LINEAR, add_confusion, add_missing, add_training
from .task import Example, Pictures, Report, Say, Table

_EVALUATION_BATCH = 1000
_WORST = 12  # mistakes that are shown


class Classifier(Module):
    """Images in, logits out: the inputs brought to mean 0 and variance 1, then the network.

    ``mean`` and ``std`` are those of the training images; they are saved with the weights and not trained.
    In training images are first moved by up to ``shift`` pixels.
    """

    fixed = ("mean", "std")

    def __init__(self, network: Module, inputs: Standardisation, shift: int = 0) -> None:
        self.shift = RandomShift(shift)
        self.mean, self.std = variable(inputs.mean, name="mean"), variable(inputs.std, name="std")
        self.network = network

    def forward(self, images: Node, mode: Mode = EVALUATE) -> Node:
        moved = self.shift(images, mode=mode)
        return self.network((moved - self.mean) / self.std, mode=mode)  # type: ignore[no-any-return]  # a module may return anything


def build_network(options: ModelOptions, image: Sequence[int], classes: int, seed: int) -> Module:
    """The network that the options describe, for images of this shape; the activation by its name."""
    common: dict[str, Any] = {
        "seed": seed,
        "activation": ACTIVATIONS[options.activation],
        "dropout": options.dropout,
        "initial": INITIALISERS[options.initial],
    }
    if options.kind == "cnn":
        return ImageCNN(
            image, classes, filters=options.filters, window=options.window, hidden=options.hidden, **common
        )
    return MLP([int(np.prod(image)), *options.hidden, classes], **common)


class DigitRecogniser:
    """A trained network with what it takes to use it."""

    def __init__(
        self, model: Classifier, config: Configuration, image: tuple[int, ...], classes: int
    ) -> None:
        self.model, self.config, self.image, self.classes = model, config, image, classes
        self.usual = 0
        """The class that training has most often."""
        self.linear: DigitRecogniser | None = None
        """The logistic regression that it is compared with."""

    def probabilities(self, images: Images) -> NDArray[np.float32]:
        """P(class | image), (N, classes) for images (N, height, width)."""
        batches = Batches(images.astype(np.float32, copy=False), _EVALUATION_BATCH, shuffle=False)
        return self._probabilities(batches.epoch(0))

    @cached_property
    def _probabilities(self) -> PerExample:
        return PerExample(lambda images: nn.softmax(self.model(images)), engine=self.config.training.runs_on)

    def scores(self, split: Split) -> tuple[dict[str, float], Labels]:
        """Mean loss and accuracy over a split, and the predicted classes."""
        found = self.probabilities(split.images)
        with np.errstate(divide="ignore"):
            losses = -np.log(found[np.arange(len(split)), split.labels].astype(np.float64))
        predicted = found.argmax(axis=1)
        return {"loss": float(losses.mean()), "accuracy": accuracy(predicted, split.labels)}, predicted

    def evaluate(self, data: str | None) -> Report:
        """Accuracy, the confusion matrix, and precision, recall and F1 of each class, on the test images."""
        source, test = load_test(_folder(data or self.config.data.source))
        self._check_size(test.images, source)
        if test.labels.max() >= self.classes:
            raise DataError(
                f"class {test.labels.max()}; the network knows {self.classes} classes", path=source
            )
        return self.report(source, test)

    def report(self, source: str, test: Split) -> Report:
        """The outcome on these test images."""
        scores, predicted = self.scores(test)
        names = [str(digit) for digit in range(self.classes)]
        confusion = confusion_matrix(predicted, test.labels, self.classes)
        report = Report(
            title=f"digits: {len(test):,} test images of {Path(source).name}",
            scores={f"test_{name}": value for name, value in scores.items()},
        )
        self._compare(report, test)
        add_confusion(report, names, confusion, "digit")
        header = ("digit", "precision", "recall", "F1", "images")
        if len(wrong := np.flatnonzero(predicted != test.labels)):
            report.pictures.append(self._mistakes(test, wrong))
        report.tables.append(Table("Each digit", header, tuple(ClassScores.of(confusion, names).rows())))
        return report

    def _mistakes(self, test: Split, wrong: NDArray[np.int64]) -> Pictures:
        """The images that were taken for another digit with the greatest certainty."""
        found = self.probabilities(test.images[wrong])
        worst = np.argsort(-found.max(axis=1), kind="stable")[:_WORST]
        captions = tuple(
            f"{label} taken for {row.argmax()}\n{row.max():.0%}"
            for label, row in zip(test.labels[wrong[worst]], found[worst], strict=True)
        )
        return Pictures("The surest mistakes", test.images[wrong[worst]], captions)

    def _compare(self, report: Report, test: Split) -> None:
        """Add the accuracies of what it is compared with."""
        usual = np.full(len(test), self.usual)
        found = {"most_frequent": (f"most frequent digit, {self.usual}", accuracy(usual, test.labels))}
        if self.linear is not None:
            found["linear"] = "logistic regression on pixels", self.linear.scores(test)[0]["accuracy"]
        elif self.config.linear_epochs:
            add_missing(report)
        report.scores |= {f"test_{name}_accuracy": value for name, (_, value) in found.items()}
        rows = (*found.values(), ("network", report.scores["test_accuracy"]))
        report.tables.append(Table(f"Accuracy: {len(test):,} images to test", ("model", "accuracy"), rows))

    def predict(self, lines: Sequence[str]) -> list[dict[str, Any]]:
        """The digit and its probability for each line: pixel values, or the path of an IDX file of images.

        Pixel values stand row by row, between 0 and 255 as in IDX files (0 and 16 for 8×8 digits), with
        spaces or commas between them.
        """
        found: list[dict[str, Any]] = []
        for number, line in enumerate(lines, start=1):
            for image, probabilities in enumerate(self.probabilities(self._images(line, number)), start=1):
                digit = int(probabilities.argmax())
                answer: dict[str, Any] = {"digit": digit, "probability": float(probabilities[digit])}
                found.append(answer if _is_numbers(line) else {"image": image, **answer})
        return found

    def loss_of(self, text: str, gold: str | None = None) -> Example:
        """The loss of one image's digit: of pixels as :meth:`predict` takes them, or a file's first image."""
        image = self._images(text, 1)[:1]
        p = self.probabilities(image)[0]
        known = [str(digit) for digit in range(self.classes)]
        found = known[int(p.argmax())]
        right = examples.class_of(gold, found, known)
        return examples.example_of(
            {"image": image, "label": np.array([int(right)], np.int64)},
            lambda leaf, label: cross_entropy(self.model(leaf), label),
            f"Loss of an image of a {right}",
            examples.class_told(right, found, float(p.max()), given=gold is not None),
        )

    def _images(self, line: str, number: int) -> Images:
        if not _is_numbers(line):
            images = read_images(line.strip())
            self._check_size(images, line.strip())
            return images
        values = np.array([float(word) for word in line.replace(",", " ").split()])
        size = int(np.prod(self.image))
        by = "×".join(map(str, self.image))
        if values.size != size:
            raise DataError(
                f"line {number} has {values.size} numbers; an image of {by} has {size}",
                mend="give the pixels row by row, or the path of an IDX file",
            )
        most = 16 if self.image == (8, 8) else 255
        if not (values.min() >= 0 and values.max() <= most):
            raise DataError(
                f"line {number} has pixels from {values.min():g} to {values.max():g}; they lie in 0 … {most}"
            )
        return (values / most).astype(np.float32).reshape(1, *self.image)

    def _check_size(self, images: Images, source: str) -> None:
        if images.shape[1:] != self.image:
            given, taken = ("×".join(map(str, shape)) for shape in (images.shape[1:], self.image))
            raise DataError(f"images are {given}; the network takes {taken}", path=source)


def _is_numbers(line: str) -> bool:
    try:
        words = [float(word) for word in line.replace(",", " ").split()]
    except ValueError:
        return False
    return bool(words)


class Digits:
    """The task: read images, train the network, score it on the test images."""

    name: ClassVar[str] = "digits"
    about: ClassVar[str] = "recognise handwritten digits with an MLP or a small CNN"
    Config: ClassVar[type[Options]] = Configuration
    monitor: ClassVar[Monitor] = Monitor("validation_accuracy", higher=True)

    def train(
        self,
        config: Configuration,
        data: str | None,
        folder: RunFolder,
        *,
        resume: bool,
        reporter: Reporter,
        say: Say,
    ) -> Report:
        """Train from scratch, or on from the folder's state, and leave the finished run in ``folder``."""
        config = _settled(config)
        source = recorded_source(config.data.source if data is None else data)
        config = msgspec.structs.replace(config, data=msgspec.structs.replace(config.data, source=source))
        say(f"reading {source}")
        found = load_digits(_folder(source, say))
        system = self._system(config, found.image, found.classes, standardise(found.train.images, axis=None))
        if resume and folder.has_state:  # a misfit is told before anything is written
            system.model.load_state_dict(folder.load_state()[0])
        folder.create({"task": self.name, **to_mapping(config)}, replace=resume)
        system.usual = int(np.bincount(found.train.labels).argmax())
        shape = _Shape(found.image, found.classes, system.usual)
        folder.write_text("network.json", msgspec.json.encode(shape).decode())
        say(
            f"{len(found.train):,} images to train on, {len(found.validation):,} to validate, "
            f"{len(found.test):,} to test, from {found.source}"
        )
        say(f"{_shape_text(config.model, found)}: {system.model.parameter_count():,} parameters")
        result = self._fit(system, found, reporter, folder, resume)
        if config.linear_epochs:
            say("comparing with logistic regression")
            inputs = standardise(found.train.images, axis=None)
            system.linear = self._system(_linear(config), found.image, found.classes, inputs)
            self._fit(system.linear, found, Silent())
            save_tensors(folder.path / LINEAR, system.linear.model.state_dict(), {})
        report = system.report(found.source, found.test)
        report.title = "digits: " + _shape_text(config.model, found)
        learned = {"images": len(found.train)}
        add_training(report, result, system.model.network, (1, *found.image), learned=learned)
        return report

    def _system(
        self, config: Configuration, image: tuple[int, ...], classes: int, inputs: Standardisation | None
    ) -> DigitRecogniser:
        """An untrained recogniser; ``inputs`` the training images' figures, None where they are loaded."""
        inputs = inputs or standardise(np.zeros((1, *image), np.float32), axis=None)
        network = build_network(config.model, image, classes, config.training.seed)
        return DigitRecogniser(Classifier(network, inputs, config.data.shift), config, image, classes)

    def _fit(
        self,
        system: DigitRecogniser,
        data: Data,
        reporter: Reporter,
        folder: RunFolder | None = None,
        resume: bool = False,
    ) -> Result:
        options, model = system.config.training, system.model
        batches = Batches((data.train.images, data.train.labels), options.batch, seed=options.seed)
        optimizer = make_optimizer(system.config.optimizer, model.parameters(), len(batches), options.epochs)

        def loss(images: Node, labels: Node, mode: Mode) -> Node:
            return cross_entropy(model(images, mode=mode), labels)

        return fit(
            model,
            loss,
            batches,
            optimizer,
            settings=make_settings(options, monitor=self.monitor.score, higher=self.monitor.higher),
            validate=lambda: system.scores(data.validation)[0],
            plateau=make_plateau(options, optimizer, higher=self.monitor.higher),
            folder=folder,
            resume=resume,
            reporter=reporter,
        )

    def load(self, folder: RunFolder) -> DigitRecogniser:
        """The recogniser that a run left behind."""
        config = recorded_for_use(Configuration, folder)
        arrays, _ = folder.load_model()
        shape = _read_shape(folder)
        system = self._system(config, tuple(shape.image), shape.classes, None)
        system.model.load_state_dict(arrays)
        system.usual = shape.usual
        if (folder.path / LINEAR).is_file():
            system.linear = self._system(_linear(config), system.image, shape.classes, None)
            system.linear.model.load_state_dict(load_tensors(folder.path / LINEAR)[0])
        return system


class _Shape(msgspec.Struct):
    """What the weights' shapes depend on beside the configuration."""

    image: tuple[int, ...]
    classes: int
    usual: int
    """The class that training has most often; what a network has to beat."""


def _read_shape(folder: RunFolder) -> _Shape:
    path = folder.existing("network.json")
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Shape)
    except OSError as error:
        raise RunFolderError(
            f"network.json cannot be read: {error.strerror or error}", where=str(path)
        ) from None
    except msgspec.DecodeError as error:
        raise RunFolderError(f"network.json is damaged: {error}", where=str(path)) from None


def _folder(source: str, say: Say = aloud) -> str | None:
    """The folder that a path or the name of a source stands for; none for scikit-learn's digits."""
    return None if source == SKLEARN_DIGITS else str(located(source, say))


def _settled(config: Configuration) -> Configuration:
    """The configuration with nothing left open."""
    if config.model.activation != "auto":
        return config
    name = "sigmoid" if config.model.kind == "mlp" else "relu"
    return msgspec.structs.replace(config, model=msgspec.structs.replace(config.model, activation=name))


def _linear(config: Configuration) -> Configuration:
    """The configuration of logistic regression on the same images: a network without hidden layers."""
    training = msgspec.structs.replace(
        config.training, epochs=config.linear_epochs, patience=0, plateau=0, ignore=tuple(ALARMS)
    )
    return _settled(Configuration(model=ModelOptions(hidden=()), training=training))


def _shape_text(options: ModelOptions, data: Data) -> str:
    """The network in a few words, such as ``784-16-16-10, sigmoid``."""
    layers = [int(np.prod(data.image)), *options.hidden, data.classes]
    if options.kind == "cnn":
        by = "×".join(map(str, data.image))
        return f"CNN {by}, filters {'-'.join(map(str, options.filters))}, {'-'.join(map(str, layers[1:]))}"
    return f"{'-'.join(map(str, layers))}, {options.activation}"
