"""Text classification with convolutions over words (Kim, 2014), beside two baselines on the same texts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from .. import nn, optim
from ..compile import Program
from ..data import Batches, Ragged, Vocabulary, WordVectors, read_text
from ..data.features import Channels
from ..data.labelled import Labelled
from ..data.sources import located, recorded_source
from ..data.vector_files import read_vectors
from ..errors import ArgumentError, ConfigurationError, RunFolderError
from ..functions import cross_entropy
from ..graph import Node, constant, placeholder
from ..models.text_cnn import RISING, TextCNN
from ..train import Monitor, Reporter, Result, RunFolder, accuracy, fit
from ..train.configuration import (
    make_optimizer,
    make_plateau,
    make_settings,
    to_mapping,
)
from . import examples
from .filter_ngrams import Corpus, filter_tables
from .labelled_text import LabelledOptions, Split, Texts, make_tokenizer
from .reporting import add_missing
from .task import Example, Report, Say, silent
from .text_baselines import NgramRegression
from .text_classification_options import TextConfig
from .text_reports import Fold, add_classes, add_comparison, add_mistakes, folds_report
from .vector_reports import learned_vectors

Classes = NDArray[np.int64]
Ids = NDArray[np.int32]

MONITOR = Monitor("validation_accuracy", higher=True)
UNSEEN = -1
"""The class of a label that training never saw."""
_EVALUATION_BATCH = 100
_STEP = 32
_VOCABULARY, _CHANNELS, _ABOUT = "vocabulary.txt", "channels.json", "classes.json"


class About(msgspec.Struct, frozen=True):
    """What the network's shape depends on beside the configuration and the vocabularies."""

    classes: tuple[str, ...]
    counts: tuple[int, ...]
    """Texts of each class in training."""
    length: int
    """Words of the longest text in training, as far as they are read."""

    @classmethod
    def of(cls, train: Labelled, tokens: Sequence[Sequence[str]]) -> About:
        """Classes in order of their names."""
        counts = train.counts
        classes = tuple(sorted(counts))
        longest = max(map(len, tokens))
        return cls(classes, tuple(counts[name] for name in classes), max(longest, 1))


@dataclass
class TextClassifier:
    """A network with what it takes to use it."""

    config: TextConfig
    about: About
    vocabulary: Vocabulary
    channels: Channels | None
    model: TextCNN
    folds: list[Fold] = field(default_factory=list)
    """What cross-validation came to, where there was any."""
    linear: NgramRegression | None = None
    """The logistic regression that it is compared with."""
    _programs: dict[Any, Program] = field(default_factory=dict)

    # -- how it begins -----------------------------------------------------------------------------

    @classmethod
    def begun(cls, config: TextConfig, train: Labelled, say: Say = silent) -> TextClassifier:
        """As it starts out: classes, words and features from the training texts, weights from the seed."""
        options = config.data
        tokens = list(map(make_tokenizer(options), train.texts))
        words = [[_cased(word, options) for word in text] for text in tokens]
        vocabulary = Vocabulary.build((w for text in words for w in text), min_count=options.min_count)
        vectors = None
        if options.vectors:
            vocabulary, vectors = _with_vectors(config, vocabulary, say)
        channels = None
        if config.model.features:
            channels = _features(tokens, config.model.features)
        return cls.untrained(config, About.of(train, tokens), vocabulary, channels, vectors)

    @classmethod
    def untrained(
        cls,
        config: TextConfig,
        about: About,
        vocabulary: Vocabulary,
        channels: Channels | None,
        vectors: NDArray[np.float32] | None = None,
    ) -> TextClassifier:
        """The network that the configuration describes, over these classes and words."""
        options = to_mapping(config.model)
        for name in ("max_norm", "features", "feature_width"):
            del options[name]
        if vectors is not None:
            options["width"] = vectors.shape[1]
            config = msgspec.structs.replace(
                config, model=msgspec.structs.replace(config.model, width=vectors.shape[1])
            )
        features = [(len(channel), config.model.feature_width) for channel in channels or ()]
        model = TextCNN(
            len(vocabulary),
            classes=len(about.classes),
            seed=config.training.seed,
            vectors=vectors,
            features=features,
            **options,
        )
        return cls(config, about, vocabulary, channels, model)

    # -- on disk -----------------------------------------------------------------------------------

    def save_words(self, folder: RunFolder) -> None:
        """Write all that is not weights."""
        self.vocabulary.save(folder.path / _VOCABULARY)
        if self.channels is not None:
            self.channels.save(folder.path / _CHANNELS)
        folder.write_text(_ABOUT, json.dumps(msgspec.to_builtins(self.about), ensure_ascii=False) + "\n")

    @classmethod
    def restored(cls, config: TextConfig, folder: RunFolder) -> TextClassifier:
        """The network of a run, as yet without its weights.

        Raises ``RunFolderError`` or ``DataError`` for a folder that is incomplete or damaged.
        """
        path = folder.existing(_ABOUT)
        try:
            about = msgspec.json.decode(read_text(path), type=About)
        except msgspec.DecodeError as error:
            raise RunFolderError(f"{_ABOUT} is damaged: {error}", where=str(path)) from None
        channels = Channels.load(folder.existing(_CHANNELS)) if config.model.features else None
        return cls.untrained(config, about, Vocabulary.load(folder.existing(_VOCABULARY)), channels)

    # -- use ---------------------------------------------------------------------------------------

    def encode(self, texts: Sequence[str]) -> tuple[Ids, ...]:
        """The ids of the texts' words, and of each feature: each (N, words), 0 behind the last word.

        ``words`` is the length of the training texts, or where that is too little a multiple of 32.
        """
        tokens = list(map(make_tokenizer(self.config.data), texts))
        longest = max(map(len, tokens), default=0)
        length = self.about.length if longest <= self.about.length else _STEP * -(-longest // _STEP)
        words = [self.vocabulary.encode([_cased(w, self.config.data) for w in text]) for text in tokens]
        found = [Ragged(words)]
        if self.channels is not None:
            encoded = self.channels.encode({"form": tokens})
            found += [Ragged.from_flat(encoded.ids[name], encoded.lengths) for name in self.channels.names]
        return tuple(ids.padded(length=length)[0].astype(np.int32) for ids in found)

    def classes_of(self, labels: Sequence[str]) -> Classes:
        """The number of each label's class; ``UNSEEN`` for one that training did not have."""
        numbers = {name: number for number, name in enumerate(self.about.classes)}
        return np.array([numbers.get(label, UNSEEN) for label in labels], np.int64)

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """P(class | text), (N, classes)."""
        return self.probabilities_of(self.encode(texts))

    def probabilities_of(self, ids: tuple[Ids, ...]) -> NDArray[np.float32]:
        """P(class | text) of encoded texts."""
        (found,) = self.run("probabilities", ids)
        return found

    def run(self, what: Literal["probabilities", "strongest"], ids: tuple[Ids, ...]) -> list[NDArray[Any]]:
        """What the network says of encoded texts, in batches of one size, so that one program serves all."""
        count, length = ids[0].shape
        program = self._programs.get((what, length))
        if program is None:
            leaves = [placeholder((_EVALUATION_BATCH, length), "int32") for _ in ids]
            outputs = (
                [nn.softmax(self.model(*leaves))]
                if what == "probabilities"
                else list(self.model.strongest(*leaves))
            )
            program = Program(leaves, outputs, engine=self.config.training.runs_on)
            self._programs[what, length] = program
        rows = max(-(-count // _EVALUATION_BATCH), 1) * _EVALUATION_BATCH
        filled = tuple(np.pad(array, [(0, rows - count), (0, 0)]) for array in ids)
        batches = Batches(filled, _EVALUATION_BATCH, shuffle=False).epoch(0)
        parts = [program(*batch) for batch in batches]
        return [np.concatenate(outputs)[:count] for outputs in zip(*parts, strict=True)]

    def scores_of(self, ids: tuple[Ids, ...], gold: Classes) -> tuple[dict[str, float], Classes]:
        """Mean loss and accuracy, and the predicted classes; an unseen label is an error, and has no loss."""
        found = self.probabilities_of(ids)
        predicted = found.argmax(axis=1)
        seen = np.flatnonzero(gold != UNSEEN)
        with np.errstate(divide="ignore"):
            losses = -np.log(found[seen, gold[seen]].astype(np.float64))
        scores = {"loss": float(losses.mean())} if len(losses) else {}
        return {**scores, "accuracy": accuracy(predicted, gold)}, predicted

    def predict(self, lines: Sequence[str]) -> list[dict[str, Any]]:
        """For each line: its class, how likely that is, and the three likeliest classes."""
        answers = []
        for line, p in zip(lines, self.probabilities(lines), strict=True):
            best = [(self.about.classes[i], round(float(p[i]), 4)) for i in np.argsort(-p, kind="stable")[:3]]
            answers.append({"text": line, "label": best[0][0], "probability": best[0][1], "classes": best})
        return answers

    def loss_of(self, text: str, gold: str | None = None) -> Example:
        """The loss of one text's class; ``gold`` is the class that is right."""
        ids = self.encode([text])
        words = max(int(np.count_nonzero(ids[0])), 1)
        p = self.probabilities_of(ids)[0]
        found = self.about.classes[int(p.argmax())]
        right = examples.class_of(gold, found, self.about.classes)
        # Padding behind the text takes no part, and is left out of the picture.
        arrays = {name: array[:, :words] for name, array in zip(self._inputs(), ids, strict=True)}
        return examples.example_of(
            {**arrays, "label": self.classes_of([right])},
            lambda *leaves: cross_entropy(self.model(*leaves[:-1]), leaves[-1]),
            f"Loss of the class of “{text}”",
            examples.class_told(right, found, float(p.max()), given=gold is not None),
        )

    def _inputs(self) -> list[str]:
        """What the network reads of a text."""
        return ["words", *(self.channels.names if self.channels is not None else ())]

    def evaluate(self, data: str | None) -> Report:
        """Accuracy on the run's own test part, or on the texts that ``data`` names."""
        if data is None and self.folds:
            return Report(
                f"{Path(self.config.data.source).name}: {len(self.folds)} folds", *folds_report(self.folds)
            )
        options = self.config.data
        if data is not None:
            options = msgspec.structs.replace(options, source=recorded_source(data), folds=0)
        texts = Texts(options)
        # After a cross-validation everything was learned from: nothing of the source was set apart.
        own = not self.folds and options.source == self.config.data.source
        test = texts.split(self.config.training.seed).test if own else texts.test or texts.train
        assert test is not None  # there are no folds
        return self.report(f"{len(test):,} texts of {texts.name}", test)

    def report(self, title: str, test: Labelled) -> Report:
        """The outcome on these texts."""
        gold = self.classes_of(test.labels)
        scores, predicted = self.scores_of(self.encode(test.texts), gold)
        report = Report(title, {f"test_{name}": value for name, value in scores.items()})
        add_comparison(report, self.baselines(test), f"Accuracy: {len(test):,} texts to test")
        if self.linear is None:
            add_missing(report)
        add_classes(report, self.about.classes, test.labels, predicted)
        add_mistakes(report, self.about.classes, test, self.probabilities(test.texts))
        return report

    def baselines(self, test: Labelled) -> dict[str, float]:
        """The accuracies of what it is compared with on these texts, by name."""
        gold = self.classes_of(test.labels)
        found = {"most_frequent": accuracy(np.full(len(gold), np.argmax(self.about.counts)), gold)}
        if self.linear is not None:
            found["linear"] = accuracy(self.linear.predict(self._lower(test)), gold)
        return found

    def word_vectors(self) -> WordVectors:
        """The vectors of the words, as training has left them."""
        return learned_vectors(self.vocabulary, self.model.embeddings[0].weight.copy())

    def explain(self) -> Report:
        """For each filter the n-grams of the training texts that excite it most, with counts by class.

        The filters that weigh most in the decisions come first.
        """
        texts = Texts(self.config.data)
        train = texts.split(self.config.training.seed).train
        ids = self.encode(train.texts)
        values, places = self.run("strongest", ids)
        tables = filter_tables(
            values,
            places,
            RISING[self.model.activation](constant(values)).value,
            Corpus(ids[0], self.classes_of(train.labels), self.about.classes, self.vocabulary.tokens),
            windows=self.model.windows,
            padding=self.model.padding,
            weights=self._votes(),
        )
        return Report(f"{len(tables)} filters on {len(train):,} training texts of {texts.name}", {}, tables)

    def _votes(self) -> NDArray[np.float32]:
        """What each filter adds to each class's score for each unit of its response, (filters, classes)."""
        weight = self.model.output.weight.copy()
        if self.model.pooling != "k-max":
            return weight
        # Of each width k rows of filters, one for each place among the k.
        kept = weight.reshape(len(self.model.windows), self.model.k, -1, weight.shape[1])
        mean: NDArray[np.float32] = kept.mean(axis=1).reshape(-1, weight.shape[1])
        return mean

    # -- training ----------------------------------------------------------------------------------

    def fit(
        self,
        split: Split,
        *,
        folder: RunFolder | None = None,
        resume: bool = False,
        reporter: Reporter | None = None,
    ) -> Result:
        """Train on the split's training part until its validation part says stop."""
        options, model = self.config.training, self.model
        arrays: tuple[NDArray[Any], ...] = (
            *self.encode(split.train.texts),
            self.classes_of(split.train.labels),
        )
        batches = Batches(arrays, options.batch, seed=options.seed)
        held_out = self.encode(split.validation.texts), self.classes_of(split.validation.labels)
        optimizer = make_optimizer(self.config.optimizer, self._groups(), len(batches), options.epochs)

        def loss(*batch: Node, mode: nn.Mode) -> Node:
            *inputs, labels = batch
            return cross_entropy(model(*inputs, mode=mode), labels)

        return fit(
            model,
            loss,
            batches,
            optimizer,
            settings=make_settings(options, monitor=MONITOR.score, higher=MONITOR.higher),
            validate=lambda: self.scores_of(*held_out)[0],
            plateau=make_plateau(options, optimizer, higher=MONITOR.higher),
            folder=folder,
            resume=resume,
            reporter=reporter,
        )

    def fit_linear(self, split: Split) -> None:
        """Train the logistic regression on the same parts."""
        train, validation = (
            (self._lower(part), self.classes_of(part.labels)) for part in (split.train, split.validation)
        )
        options = self.config.training
        self.linear = NgramRegression.untrained(train[0], len(self.about.classes), engine=options.engine)
        self.linear.fit(train, validation, options.seed)

    def _lower(self, texts: Labelled) -> list[list[str]]:
        tokenize = make_tokenizer(self.config.data)
        return [[word.lower() for word in tokenize(text)] for text in texts.texts]

    def _groups(self) -> list[dict[str, Any]]:
        """The parameters, those of the output by themselves: only they are held to a norm."""
        last, limit = self.model.output.weight, self.config.model.max_norm
        rest = [parameter for parameter in self.model.parameters() if parameter is not last]
        held = {"constraint": optim.max_norm(limit)} if limit else {}
        return [{"parameters": rest}, {"parameters": [last], **held}]


def _cased(word: str, options: LabelledOptions) -> str:
    return word.lower() if options.lower else word


def _features(tokens: Sequence[Sequence[str]], names: Sequence[str]) -> Channels:
    """The further embeddings that the options name, with what the training texts show of them."""
    try:
        channels = Channels.fit({"form": tokens}, names, min_count=2)
    except ArgumentError as error:
        raise ConfigurationError(f"model.features: {error.what}", mend=error.mend) from None
    several = [channel.name for channel in channels if channel.size > 1]
    if several:
        raise ConfigurationError(
            f"model.features: {', '.join(several)} has several ids a word",
            mend="name such as have one: suffix3, prefix2, shape, capitals, length",
        )
    return channels


def _with_vectors(
    config: TextConfig, vocabulary: Vocabulary, say: Say
) -> tuple[Vocabulary, NDArray[np.float32]]:
    """The vocabulary with the words of the file of vectors added, and the table to begin with."""
    options = config.data
    vectors = read_vectors(located(options.vectors, say))
    trained = vocabulary.tokens[2:]
    found = sum(word in vectors for word in trained)
    say(f"{found:,} of {len(trained):,} words of the training texts have a vector")
    known = dict.fromkeys(trained)
    known.update(
        (word, None) for word in vectors.words[: options.vector_words] if word == _cased(word, options)
    )
    whole = Vocabulary([word for word in known if word not in vocabulary.tokens[:2]])
    return whole, vectors.matrix_for(whole, config.training.seed)[0]
