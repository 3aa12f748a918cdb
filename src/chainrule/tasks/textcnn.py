"""The task ``textcnn``: train the text CNN, once or in a cross-validation, and compare it with baselines."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
import numpy as np

from .. import nn
from ..data import read_text
from ..data.sources import recorded_source
from ..errors import RunFolderError
from ..graph import placeholder
from ..train import Reporter, Result, RunFolder, accuracy
from ..train.configuration import Options, recorded, to_mapping
from .labelled_text import Split, Texts, check_options, make_tokenizer
from .task import Report, Say, Table
from .text_baselines import NgramRegression, most_frequent
from .text_classification import TextClassifier, TextConfig
from .text_reports import Fold, folds_report

_FOLDS = "folds.json"


@dataclass(frozen=True)
class _Baselines:
    """The accuracies of what a network has to beat."""

    majority: float
    ngrams_validation: float
    ngrams: float


class TextClassification:
    """``chainrule train textcnn``."""

    name: ClassVar[str] = "textcnn"
    about: ClassVar[str] = "classify texts with convolutions over words, beside logistic regression"
    Config: ClassVar[type[Options]] = TextConfig

    def train(
        self,
        config: TextConfig,
        data: str | None,
        folder: RunFolder,
        *,
        resume: bool,
        reporter: Reporter,
        say: Say,
    ) -> Report:
        """Train on labelled texts and score the test part, or all texts in folds; compare with baselines.

        With folds each is trained from scratch and scored; what is left in ``folder`` is then trained on
        all texts.
        """
        config = _settled(config, data)
        say(f"reading {config.data.source}")
        texts = Texts(config.data, say)
        for part in filter(None, (texts.train, texts.validation, texts.test)):
            if part.encoding.lower() not in ("utf-8", ""):
                say(f"{part.path.name} is no UTF-8; it was read as {part.encoding}")
        split = texts.split(config.training.seed)
        system = self._begin(config, split, folder, resume, say)
        folds = self._folds(system.config, texts, folder, reporter, say) if texts.folds else []
        say(
            f"{len(split.train):,} training texts, {len(system.about.classes)} classes, "
            f"{len(system.vocabulary):,} words, {system.model.parameter_count():,} parameters"
        )
        result = system.fit(split, folder=folder, resume=resume, reporter=reporter)
        report = _folds_report(split.name, folds) if folds else _scored(system, split, result)
        example = [placeholder((config.training.batch, system.about.length), "int32")] * (
            1 + len(config.model.features)
        )
        report.texts.append(("Network", str(nn.summary(system.model, *example))))
        return report

    def _begin(
        self, config: TextConfig, split: Split, folder: RunFolder, resume: bool, say: Say
    ) -> TextClassifier:
        """The network as it starts out, all but its weights in the run folder."""
        if resume and folder.has_state:
            system = TextClassifier.restored(config, folder)
            folder.create({"task": self.name, **to_mapping(system.config)}, replace=True)
            return system
        system = TextClassifier.begun(config, split.train, say)
        folder.create({"task": self.name, **to_mapping(system.config)}, replace=resume)
        system.save_words(folder)
        return system

    def _folds(
        self, config: TextConfig, texts: Texts, folder: RunFolder, reporter: Reporter, say: Say
    ) -> list[Fold]:
        """Every fold, those aside that a run which was interrupted had finished."""
        done = _read_folds(folder)
        for number in range(len(done), texts.folds):
            split = texts.split(config.training.seed, number)
            done.append(_fold(config, split, number + 1, reporter))
            gc.collect()  # a network that was trained lies in cycles, and the collector counts no bytes
            folder.write_text(_FOLDS, msgspec.json.encode(done).decode() + "\n")
            say(
                f"fold {number + 1} of {texts.folds}: text CNN {done[-1].accuracy:.2%}, "
                f"n-grams {done[-1].ngram_accuracy:.2%}"
            )
        return done

    def load(self, folder: RunFolder) -> TextClassifier:
        """The classifier that a run left behind.

        Raises ``RunFolderError`` or ``DataError`` for a folder that is incomplete or damaged.
        """
        system = TextClassifier.restored(recorded(TextConfig, folder), folder)
        system.model.load_state_dict(folder.load_model()[0])
        system.folds = _read_folds(folder)
        return system


def _settled(config: TextConfig, data: str | None) -> TextConfig:
    """The configuration as a run records it: paths that are good from anywhere."""
    options = config.data
    source = recorded_source(options.source if data is None else data)
    options = msgspec.structs.replace(options, source=source, vectors=recorded_source(options.vectors))
    check_options(options)
    return msgspec.structs.replace(config, data=options)


def _read_folds(folder: RunFolder) -> list[Fold]:
    path = folder.path / _FOLDS
    if not path.is_file():
        return []
    try:
        return msgspec.json.decode(read_text(path), type=list[Fold])
    except msgspec.DecodeError as error:
        raise RunFolderError(f"{_FOLDS} is damaged: {error}", where=str(path), mend="train again") from None


def _fold(config: TextConfig, split: Split, number: int, reporter: Reporter) -> Fold:
    assert split.test is not None
    system = TextClassifier.begun(config, split.train)
    result = system.fit(split, reporter=reporter)
    gold = system.classes_of(split.test.labels)
    scores, _ = system.scores_of(system.encode(split.test.texts), gold)
    baselines = _baselines(system, split)
    return Fold(
        number,
        len(split.test),
        scores["accuracy"],
        baselines.ngrams,
        baselines.majority,
        result.best["validation_accuracy"],
        len(result.records),
        _seconds(result),
    )


def _seconds(result: Result) -> float:
    """Of an epoch, the median: the first one compiles."""
    return round(float(np.median([record["seconds"] for record in result.records])), 3)


def _baselines(system: TextClassifier, split: Split) -> _Baselines:
    """Both baselines on the parts that the network had."""
    assert split.test is not None
    tokenize = make_tokenizer(system.config.data)
    parts = (split.train, split.validation, split.test)
    train, validation, test = (
        [[word.lower() for word in tokenize(text)] for text in part.texts] for part in parts
    )
    gold, gold_validation, gold_test = (system.classes_of(part.labels) for part in parts)
    options = system.config.training
    regression = NgramRegression(train, gold, len(system.about.classes), engine=options.engine)
    regression.fit(validation, gold_validation, options.seed)
    return _Baselines(
        accuracy(np.full(len(gold_test), most_frequent(gold)), gold_test),
        accuracy(regression.predict(validation), gold_validation),
        accuracy(regression.predict(test), gold_test),
    )


def _scored(system: TextClassifier, split: Split, result: Result) -> Report:
    """The network and the baselines on the test part."""
    assert split.test is not None
    report = system.report(f"Text classification: {split.name}", split.test)
    baselines = _baselines(system, split)
    best = result.best
    report.scores |= {
        "ngram_accuracy": baselines.ngrams,
        "majority_accuracy": baselines.majority,
        "validation_accuracy": best["validation_accuracy"],
        "seconds_per_epoch": _seconds(result),
    }
    rows: tuple[tuple[Any, ...], ...] = (
        ("most frequent class", "", baselines.majority),
        ("logistic regression on words and pairs", baselines.ngrams_validation, baselines.ngrams),
        (
            f"text CNN, after {best['epoch']} of {len(result.records)} epochs",
            best["validation_accuracy"],
            report.scores["test_accuracy"],
        ),
    )
    sizes = f"{len(split.train):,} texts to train on, {len(split.validation):,} to validate"
    title = f"Accuracy: {sizes}, {len(split.test):,} to test"
    report.tables.insert(0, Table(title, ("classifier", "validation", "test"), rows))
    return report


def _folds_report(name: str, folds: list[Fold]) -> Report:
    scores, tables = folds_report(folds)
    return Report(f"Text classification: {name}, {len(folds)} folds", scores, tables)
