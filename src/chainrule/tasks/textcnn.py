"""The task ``textcnn``: train the text CNN, once or in a cross-validation, and compare it with baselines."""

from __future__ import annotations

import gc
from statistics import median
from typing import ClassVar

import msgspec

from ..data import read_text
from ..data.sources import recorded_source
from ..errors import RunFolderError
from ..graph import placeholder
from ..train import Monitor, Reporter, RunFolder
from ..train.configuration import Options, to_mapping
from ..train.recorded import recorded_for_use
from .labelled_text import Split, Texts, check_options
from .reporting import add_training
from .task import Report, Say
from .text_baselines import NgramRegression
from .text_classification import MONITOR, TextClassifier
from .text_classification_options import TextConfig
from .text_reports import Fold, folds_report

_FOLDS = "folds.json"


class TextClassification:
    """``chainrule train textcnn``."""

    name: ClassVar[str] = "textcnn"
    about: ClassVar[str] = "classify texts with convolutions over words, beside logistic regression"
    Config: ClassVar[type[Options]] = TextConfig
    monitor: ClassVar[Monitor] = MONITOR

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
        say("comparing with logistic regression")
        system.fit_linear(split)
        assert system.linear is not None
        system.linear.save(folder)
        if folds:
            report = Report(f"Text classification: {split.name}, {len(folds)} folds", *folds_report(folds))
        else:
            assert split.test is not None
            report = system.report(f"Text classification: {split.name}", split.test)
        example = [placeholder((config.training.batch, system.about.length), "int32")] * (
            1 + len(config.model.features)
        )
        learned = {"texts": len(split.train), "to validate": len(split.validation)}
        add_training(report, result, system.model, *example, learned=learned)
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
                f"n-grams {done[-1].linear_accuracy:.2%}"
            )
        return done

    def load(self, folder: RunFolder) -> TextClassifier:
        """The classifier that a run left behind.

        Raises ``RunFolderError`` or ``DataError`` for a folder that is incomplete or damaged.
        """
        system = TextClassifier.restored(recorded_for_use(TextConfig, folder), folder)
        system.model.load_state_dict(folder.load_model()[0])
        system.folds = _read_folds(folder)
        system.linear = NgramRegression.load(
            folder, len(system.about.classes), engine=system.config.training.engine
        )
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
    system.fit_linear(split)
    baselines = system.baselines(split.test)
    return Fold(
        number,
        len(split.test),
        scores["accuracy"],
        baselines["linear"],
        baselines["most_frequent"],
        result.best["validation_accuracy"],
        len(result.records),
        round(median(record["seconds"] for record in result.records), 3),
    )
