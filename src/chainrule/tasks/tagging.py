"""What taggers share: from sentences to scores of every word's tags, and the linear baseline.

``Scorer`` ends at the scores.  A task makes of them what it wants: ``pos`` takes the best tag of each word by
itself; others may choose among whole sequences, with a loss to match.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any, Literal, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..data import Channel, Channels, Encoded, Sentences, Vocabulary, WindowBatches
from ..data.features import VECTOR
from ..data.sources import located, recorded_source
from ..data.vector_files import read_vectors
from ..data.word_vectors import WordVectors
from ..errors import ArgumentError, ConfigurationError, DataError
from ..functions import ACTIVATIONS, cross_entropy
from ..graph import Node, placeholder
from ..models.window_tagger import LinearTagger, Lookup, WindowTagger
from ..nn import Mode
from ..ops import astype
from ..optim import Adagrad
from ..train import PerExample, RunFolder, Settings, accuracy, fit
from ..train.recorded import recorded_for_use
from ..train.tensors import load_tensors, save_tensors
from .further_columns import FurtherColumns
from .reporting import LINEAR
from .tagged_data import TaggedDataOptions
from .tagged_data import check_options as check_data_options
from .tagging_options import TaggerOptions, TaggingConfig
from .task import Say

Scores = NDArray[np.floating[Any]]
Ids = NDArray[np.int32]
C = TypeVar("C", bound=TaggingConfig)

UNKNOWN_TAG = -1
"""Stands for a gold tag that training never saw."""
_CHANNELS, _TAGS = "channels.json", "tags.txt"
_EVALUATION_BATCH = 1024
_SMALLEST_BATCH = 16
_LINEAR_BATCH = 256
_LINEAR_RATE = 0.2


@dataclass
class Scorer:
    """A score for every tag of every word: channels, windows of them, and a model over these."""

    channels: Channels
    tags: Vocabulary
    model: WindowTagger | LinearTagger
    radius: int
    engine: str
    further: FurtherColumns = field(default_factory=FurtherColumns, kw_only=True)
    """What is added to the sentences' columns."""

    def encode(self, sentences: Sentences) -> Encoded:
        """The sentences' words as ids; ``DataError`` where they lack a column that is read."""
        sentences = self.further.added(sentences)
        missing = [name for name in self.channels.columns if name not in sentences.columns]
        if missing:
            raise DataError(
                f"the tagger reads the column {' and '.join(missing)}, which is not there",
                path=sentences.path,
                mend=f"give data with the columns {', '.join(self.channels.columns)}",
            )
        return self.channels.encode(sentences.columns)

    def gold(self, tags: Sequence[Sequence[str]]) -> Ids:
        """The tags of all words, end to end; ``UNKNOWN_TAG`` for those that training never saw."""
        known = {tag: index for index, tag in enumerate(self.tags)}
        return np.array([known.get(tag, UNKNOWN_TAG) for tag in chain.from_iterable(tags)], np.int32)

    def scores(self, encoded: Encoded) -> Scores:
        """The scores of all words, end to end, (tokens, tags)."""
        if not encoded.tokens:
            return np.zeros((0, len(self.tags)), np.float32)
        return self._run(self._windows(encoded))[: encoded.tokens]

    def _windows(self, encoded: Encoded) -> Iterator[Any]:
        """The windows of all words, filled up to batches of few different sizes: each is compiled once."""
        size = min(max(_SMALLEST_BATCH, 1 << (encoded.tokens - 1).bit_length()), _EVALUATION_BATCH)
        batches = WindowBatches(encoded, self.radius, size, shuffle=False)
        for start in range(0, encoded.tokens, size):
            rows = np.minimum(np.arange(start, start + size), encoded.tokens - 1)
            yield batches.gather(batches.arrays, rows)

    @cached_property
    def _run(self) -> PerExample:
        return PerExample(self.model, engine=self.engine)

    def loss(self, *batch: Node, mode: Mode) -> Node:
        """Mean -log softmax of the right tags of a batch of windows, the tags last."""
        *windows, tags = batch
        return cross_entropy(self.model(*windows, mode=mode), astype(tags, "int64"))

    def measures(self, encoded: Encoded, gold: Ids) -> dict[str, float]:
        """Accuracy, and the mean -log probability of the right tags, those never trained aside."""
        scores = self.scores(encoded).astype(np.float64)
        known = gold != UNKNOWN_TAG
        right = scores[np.flatnonzero(known), gold[known]]
        losses = np.logaddexp.reduce(scores[known], axis=1) - right
        return {
            "accuracy": accuracy(scores.argmax(axis=1), gold),
            "loss": float(losses.mean()) if len(losses) else math.nan,
        }

    # -- on disk -----------------------------------------------------------------------------------

    def save(self, folder: RunFolder) -> None:
        """Write what belongs to the weights: channels, tags, and what further columns are made from."""
        self.further.save(folder)
        self.channels.save(folder.path / _CHANNELS)
        self.tags.save(folder.path / _TAGS)

    @classmethod
    def load(cls, config: TaggingConfig, folder: RunFolder) -> Scorer:
        """A scorer with the folder's channels and tags, not yet with its weights."""
        channels = Channels.load(folder.existing(_CHANNELS))
        tags = Vocabulary.load(folder.existing(_TAGS))
        found = cls.untrained(config, channels, tags)
        found.further = FurtherColumns.load(folder, config.data, _trained)
        return found

    @classmethod
    def untrained(
        cls,
        config: TaggingConfig,
        channels: Channels,
        tags: Vocabulary,
        vectors: WordVectors | None = None,
    ) -> Scorer:
        """As it starts out: weights from the configuration's seed."""
        model = network(config, channels, len(tags), vectors)
        return cls(channels, tags, model, config.model.radius, config.training.runs_on)


def network(
    config: TaggingConfig, channels: Channels, classes: int, vectors: WordVectors | None = None
) -> WindowTagger | LinearTagger:
    """An untrained model of so many scores, its weights from the configuration's seed."""
    options = config.model
    lookups = [_lookup(channel, options, vectors) for channel in channels]
    if options.kind == "linear":
        return LinearTagger(lookups, radius=options.radius, classes=classes)
    return WindowTagger(
        lookups,
        radius=options.radius,
        classes=classes,
        hidden=options.hidden,
        activation=ACTIVATIONS[options.activation],
        dropout=options.dropout,
        input_dropout=options.input_dropout,
        seed=config.training.seed,
    )


@dataclass(frozen=True)
class Given:
    """What a tagger is given that was made elsewhere: vectors of words, and further columns."""

    vectors: WordVectors | None = None
    further: FurtherColumns = field(default_factory=FurtherColumns)

    @classmethod
    def of(cls, options: TaggedDataOptions, say: Say) -> Given:
        """What the options name."""
        return cls(given_vectors(options, say), FurtherColumns.gathered(options, _trained, say))


def begin(config: TaggingConfig, train: Sentences, tag: str, given: Given) -> Scorer:
    """A scorer that knows the words and tags of the training sentences, and nothing about them yet."""
    channels = fit_channels(config, train, tag, given)
    counted = Vocabulary.build(chain.from_iterable(train[tag]), padding=None, unknown=None)
    found = Scorer.untrained(config, channels, counted, given.vectors)
    found.further = given.further
    return found


def _trained(folder: RunFolder) -> Scorer:
    """The scorer that a run of ``pos`` left behind."""
    scorer = Scorer.load(recorded_for_use(TaggingConfig, folder), folder)
    scorer.model.load_state_dict(folder.load_model()[0])
    return scorer


def fit_channels(config: TaggingConfig, train: Sentences, tag: str, given: Given) -> Channels:
    """The channels that the options name, with what the training sentences show of them."""
    features, vectors = config.features, given.vectors
    names = [*features.channels, *given.further.names, *([VECTOR] if vectors is not None else [])]
    try:
        channels = Channels.fit(
            given.further.added(train).columns,
            names,
            lower=features.lower,
            digits=features.digits,
            respell=features.respell,
            min_count=features.min_count,
            vectors=None if vectors is None else (vectors.words, vectors.dimension),
        )
    except ArgumentError as error:
        raise ConfigurationError(f"features.channels: {error.what}", mend=error.mend) from None
    if tag in channels.columns:
        raise ConfigurationError(
            f"features.channels: {tag!r} is the column with the tags that are to be found",
            mend="leave it out, or choose another data.tag",
        )
    return channels


def with_paths(config: C, source: str | None) -> C:
    """The configuration for data from ``source``, its paths good from any working directory.

    Raises ``ConfigurationError`` for values that no type excludes.
    """
    data = msgspec.structs.replace(
        config.data,
        source=recorded_source(config.data.source if source is None else source),
        vectors=recorded_source(config.data.vectors),
        lists=tuple(map(recorded_source, config.data.lists)),
        tagger=recorded_source(config.data.tagger),
    )
    check_data_options(data)
    return msgspec.structs.replace(config, data=data)


def given_vectors(options: TaggedDataOptions, say: Say) -> WordVectors | None:
    """The word vectors that the options name, the first of the file; None where they name none."""
    if not options.vectors:
        return None
    say(f"reading {options.vectors}")
    found = read_vectors(located(options.vectors, say))
    most = options.vector_words
    if len(found) > most:
        say(f"of {len(found):,} vectors the first {most:,} are kept")
        found = WordVectors(found.words[:most], found.matrix[:most])
    return found


def _lookup(channel: Channel, options: TaggerOptions, vectors: WordVectors | None) -> Lookup:
    """How a channel becomes numbers: words in full width, others the narrower the fewer symbols they have."""
    rows = len(channel)
    if channel.given:
        given = np.zeros((rows, channel.given), np.float32)
        if vectors is not None:  # of a run that is loaded they are among the weights
            given = vectors.matrix_for(channel.vocabulary, scale=0.0, lower=False)[0]
        return Lookup(rows, channel.given, given=given)
    if channel.size > 1:
        reading: Literal["convolution", "mean"] = (
            "convolution" if channel.name.startswith("characters") else "mean"
        )
        return Lookup(rows, 2 * options.feature_width, reading)
    width = min(options.feature_width, round(1.6 * rows**0.56))
    return Lookup(
        rows,
        options.width if channel.name == "word" else width,
        forgotten=_forgotten(channel, options.forget),
    )


def _forgotten(channel: Channel, forget: float) -> NDArray[np.float32] | None:
    """α/(α + n) for a symbol seen n times; padding, and what is unknown anyway, stay."""
    if not forget:
        return None
    counts = np.array(channel.counts, np.float64)
    shares = np.where(counts > 0, forget / (forget + counts), 0.0)
    return shares.astype(np.float32)


# -- around training -------------------------------------------------------------------------------


def example(scorer: Scorer) -> list[Any]:
    """Windows to show the network with."""
    window = 2 * scorer.radius + 1
    shapes = [(1, window) if channel.size == 1 else (1, window, channel.size) for channel in scorer.channels]
    return [placeholder(shape, "int32") for shape in shapes]


# -- the linear baseline ---------------------------------------------------------------------------


def linear_scorer(config: TaggingConfig, scorer: Scorer) -> Scorer:
    """An untrained logistic regression on the one-hot features of the same windows, vectors aside."""
    channels = [channel for channel in scorer.channels if not channel.given]
    some = Channels(channels, lower=scorer.channels.lower, digits=scorer.channels.digits)
    options = msgspec.structs.replace(config.model, kind="linear")
    found = Scorer.untrained(msgspec.structs.replace(config, model=options), some, scorer.tags)
    found.further = scorer.further
    return found


def train_linear(
    scorer: Scorer, train: Sentences, validation: Sentences, tag: str, epochs: int, seed: int
) -> None:
    """Fit a logistic regression; the epoch that is best on the validation sentences is kept."""
    batches = WindowBatches(
        scorer.encode(train), scorer.radius, _LINEAR_BATCH, tags=scorer.gold(train[tag]), seed=seed
    )
    held_out, gold = scorer.encode(validation), scorer.gold(validation[tag])

    fit(
        scorer.model,
        scorer.loss,
        batches,
        # Rows that a batch does not show stay as they are, and so does what Adagrad remembers of them.
        Adagrad(scorer.model.parameters(), _LINEAR_RATE),
        settings=Settings(
            epochs=epochs,
            seed=seed,
            monitor="validation_accuracy",
            higher_is_better=True,
            engine=scorer.engine,
            invariants=False,  # of a baseline nobody wants to hear what is odd
        ),
        validate=lambda: scorer.measures(held_out, gold),
    )


def save_linear(scorer: Scorer, folder: RunFolder) -> None:
    """Write the weights of the logistic regression beside those of the network."""
    save_tensors(folder.path / LINEAR, scorer.model.state_dict(), {})


def load_linear(config: TaggingConfig, scorer: Scorer, folder: RunFolder) -> Scorer | None:
    """The logistic regression that :func:`save_linear` wrote; None where the run has none."""
    path = folder.path / LINEAR
    if not path.is_file():
        return None
    found = linear_scorer(config, scorer)
    found.model.load_state_dict(load_tensors(path)[0])
    return found
