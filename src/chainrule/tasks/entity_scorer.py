"""From scores of words to spans: what each form of the model learns from, and the search among tags.

======== ================================================ ==============================================
form     loss                                             an example is
======== ================================================ ==============================================
logistic yes or no for each class                         a window
softmax  cross-entropy of the tags                        a window
margin   true windows above corrupted ones                a window of an entity's word, and a false one
crf      likelihood of the whole sequence of tags         a sentence
======== ================================================ ==============================================

All of them end in a score for every tag of every word, and in the same search (Viterbi) among the sequences
that the tag scheme allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..data import (
    OUTSIDE,
    Channels,
    CorruptedWindows,
    Encoded,
    SentenceBatches,
    Sentences,
    TagScheme,
    Vocabulary,
    WindowBatches,
    allowed_transitions,
    convert,
    faults,
)
from ..data.word_vectors import WordVectors
from ..errors import DataError
from ..functions import cross_entropy
from ..graph import Node
from ..models import ChainTagger, Committee, LinearTagger, WindowTagger, YesNoTagger, viterbi
from ..nn import Mode
from ..ops import astype
from ..train import Epochs, SpanScores
from ..train.configuration import Count, NonNegative, OptimizerOptions, Positive, Rate, TrainingOptions
from .tagged_data import TaggedDataOptions
from .tagging import Given, Ids, Scorer, Scores, fit_channels, network
from .tagging_options import FeatureOptions, TaggerOptions, TaggingConfig

Tags = list[list[str]]

_COARSE = np.arange(-3, 3.1, 0.5)
_FINE = np.array([-0.25, 0.25])
_OF_A_TYPE = np.arange(-1.5, 1.6, 0.5)
_ROUNDS = 2


class EntityDataOptions(TaggedDataOptions):
    """How sentences with spans are read."""

    scheme: Literal["auto", "IOB1", "IOB2", "BIOES", "BILOU"] = "auto"
    """How tags mark spans; auto is the scheme that the training tags follow."""
    malformed: Literal["repair", "keep", "refuse"] = "repair"
    """What is done about tags that may not stand where they do; evaluations read them as repaired ones."""
    recut: bool = False
    """Whether the words of the training sentences are cut where letters, digits and signs meet, ``@ann`` into
    two, for data whose other parts are cut so."""


class EntityTaggerOptions(TaggerOptions):
    """The network, and what it learns."""

    width: Count = 50
    feature_width: Count = 32
    hidden: tuple[Count, ...] = (512,)
    input_dropout: Rate = 0.3
    forget: NonNegative = 1.0
    form: Literal["logistic", "softmax", "margin", "crf"] = "crf"
    """A yes/no classifier for each class; a softmax over tags; true windows against corrupted ones; or a
    score for whole sentences with learned transitions."""
    scheme: TagScheme = "BIOES"
    """The tags that are learned, whatever those of the data are."""
    members: Count = 1
    """Networks that are trained side by side, from different first weights; their scores are averaged."""
    margin: Positive = 1.0
    """By how much a true window shall score more than a corrupted one."""
    corrupted: Literal["word", "window"] = "window"
    """A corrupted window has another word in its middle, or is another window."""
    pairs: Count = 8
    """Corrupted windows for each true one, in an epoch."""
    tune_outside: bool = True
    """Whether the score of no entity is shifted by what is best on the validation sentences."""
    tune_types: bool = False
    """Whether the score of each type is shifted so as well: texts differ in how frequent the types are."""
    refit: bool = False
    """Whether, once all is chosen, the network is trained anew, on the validation sentences as well."""


class EntityConfig(TaggingConfig):
    """What a run of ``ner`` depends on."""

    data: EntityDataOptions = msgspec.field(default_factory=EntityDataOptions)
    features: FeatureOptions = msgspec.field(
        default_factory=lambda: FeatureOptions(channels=("word", "prefix1", "suffix3", "shape", "capitals"))
    )
    model: EntityTaggerOptions = msgspec.field(default_factory=EntityTaggerOptions)
    optimizer: OptimizerOptions = msgspec.field(
        default_factory=lambda: OptimizerOptions(rule="adam", learning_rate=0.002, schedule="linear")
    )
    training: TrainingOptions = msgspec.field(
        default_factory=lambda: TrainingOptions(epochs=5, batch=256, patience=0)
    )


@dataclass
class Decoder:
    """The best of the allowed sequences of tags, by the words' scores and the transitions'.

    ``learned`` are transitions (K, K), start and end (K,); none are zeros.  ``shifts`` are added to the
    scores of ``O`` and of all tags of a type (``-person``): with that of O raised, fewer spans are found.
    """

    tags: Vocabulary
    scheme: TagScheme
    learned: tuple[NDArray[Any], ...] | None = None
    shifts: dict[str, float] = field(default_factory=dict)

    @property
    def types(self) -> list[str]:
        """The types of spans, as they stand behind the letters of the tags."""
        return list(dict.fromkeys(_kind(tag) for tag in self.tags.tokens if tag != OUTSIDE))

    def __call__(self, scores: Scores, lengths: Sequence[int]) -> Tags:
        """The tags of sentences of so many words; ``scores`` (words, K) lie end to end."""
        between, start, end = self._transitions
        shifted = scores + np.array([self.shifts.get(_kind(tag), 0.0) for tag in self.tags.tokens])
        found = iter(self.tags.decode(viterbi(shifted, lengths, between, start, end)))
        return [[next(found) for _ in range(length)] for length in lengths]

    @property
    def _transitions(self) -> tuple[NDArray[np.float64], ...]:
        allowed = allowed_transitions(self.tags.tokens, self.scheme)
        masks = [allowed.between, allowed.start, allowed.end]
        learned = self.learned or tuple(np.zeros(mask.shape) for mask in masks)
        return tuple(np.where(mask, own, -np.inf) for mask, own in zip(masks, learned, strict=True))

    def tune(self, scores: Scores, gold: Tags, *, types: bool = False) -> float:
        """Shift the score of O, or that of each type as well, by what gives these sentences the best F1.

        One shift after the other is set to the best of a grid, the others staying as they are: O first, then
        twice each type, and O again.  Returns the F1.
        """
        lengths = [len(tags) for tags in gold]
        seen: dict[tuple[tuple[str, float], ...], float] = {}

        def f1(shifts: dict[str, float]) -> float:
            key = tuple(sorted(shifts.items()))
            if key not in seen:
                self.shifts = shifts
                seen[key] = SpanScores.of(self(scores, lengths), gold, self.scheme).f1
            return seen[key]

        # Of equals the smallest shift.
        def best(name: str, grid: Sequence[float], own: dict[str, float]) -> dict[str, float]:
            return max((own | {name: shift} for shift in grid), key=lambda of: (f1(of), -abs(of[name])))

        def outside(own: dict[str, float]) -> dict[str, float]:
            about = best(OUTSIDE, _COARSE.tolist(), own)
            return best(OUTSIDE, [about[OUTSIDE], *(about[OUTSIDE] + _FINE).tolist()], about)

        found = outside({})
        for _ in range(_ROUNDS if types else 0):
            for name in self.types:
                found = best(name, _OF_A_TYPE.tolist(), found)
            found = outside(found)
        self.shifts = found
        return f1(found)


@dataclass
class EntityScorer(Scorer):
    """Scores of tags, and the sequences of tags that they make."""

    options: EntityTaggerOptions = field(default_factory=EntityTaggerOptions)
    shifts: dict[str, float] = field(default_factory=dict)

    @classmethod
    def untrained(
        cls,
        config: TaggingConfig,
        channels: Channels,
        tags: Vocabulary,
        vectors: WordVectors | None = None,
    ) -> EntityScorer:
        """As it starts out; the first of ``tags`` is O."""
        assert isinstance(config, EntityConfig)
        options, training = config.model, config.training
        members = []
        for member in range(options.members):
            seed = training.seed * options.members + member
            own = msgspec.structs.replace(config, training=msgspec.structs.replace(training, seed=seed))
            members.append(_member(own, channels, len(tags), vectors))
        model: Any = Committee(members) if options.members > 1 else members[0]
        return cls(channels, tags, model, options.radius, training.runs_on, options)

    @property
    def members(self) -> list[Any]:
        """The networks, of which there is usually one."""
        return self.model.members if isinstance(self.model, Committee) else [self.model]

    @property
    def decoder(self) -> Decoder:
        """The search, with what has been learned about transitions."""
        learned = None
        if self.options.form == "crf":
            parts = [[v.value for v in (m.between, m.start, m.end)] for m in self.members]
            learned = tuple(np.mean(own, axis=0) for own in zip(*parts, strict=True))
        return Decoder(self.tags, self.options.scheme, learned, self.shifts)

    def tag(self, encoded: Encoded) -> Tags:
        """The best allowed tags of each sentence, in the scheme that was learned."""
        return self.decoder(self.scores(encoded), encoded.lengths.tolist())

    def batches(self, encoded: Encoded, tags: Ids, size: int, seed: int) -> Epochs:
        """What the form learns from, in batches of about ``size`` words."""
        options = self.options
        if options.form == "crf":
            return SentenceBatches(encoded, self.radius, size, tags=tags, seed=seed)
        if options.form == "margin":
            return CorruptedWindows(
                encoded,
                self.radius,
                size,
                classes=tags,
                kind=options.corrupted,
                times=options.pairs,
                seed=seed,
            )
        return WindowBatches(encoded, self.radius, size, tags=tags, seed=seed)

    def loss(self, *batch: Node, mode: Mode) -> Node:
        """The loss of a batch of :meth:`batches`: the sum of the networks'."""
        losses = [_loss(model, self.options, batch, mode) for model in self.members]
        total = losses[0]
        for more in losses[1:]:
            total = total + more
        return total


def _kind(tag: str) -> str:
    """What is behind a tag's letter: ``-person``, or nothing where spans have no types; O is its own."""
    return tag if tag == OUTSIDE else tag[1:]


def _member(
    config: EntityConfig, channels: Channels, tags: int, vectors: WordVectors | None
) -> WindowTagger | LinearTagger | YesNoTagger | ChainTagger:
    """One network, and what its form puts on top."""
    form = config.model.form
    if form in ("logistic", "margin"):
        return YesNoTagger(network(config, channels, tags - 1, vectors))
    below = network(config, channels, tags, vectors)
    return ChainTagger(below) if form == "crf" else below


def _loss(model: Any, options: EntityTaggerOptions, batch: Sequence[Node], mode: Mode) -> Node:
    found: Node
    if options.form == "crf":
        *windows, tags, mask = batch
        found = model.loss(windows, tags, mask, mode)
        return found
    *windows, tags = batch
    if options.form == "margin":
        found = model.margin_loss(windows, astype(tags, "int64"), mode, options.margin)
    elif options.form == "logistic":
        found = model.logistic_loss(windows, tags, mode)
    else:
        found = cross_entropy(model(*windows, mode=mode), astype(tags, "int64"))
    return found


def begin(config: EntityConfig, train: Sentences, tag: str, given: Given) -> EntityScorer:
    """A scorer that knows the words and tags of the training sentences, and nothing about them yet."""
    channels = fit_channels(config, train, tag, given)
    counted = Vocabulary.build(chain.from_iterable(train[tag]), padding=None, unknown=None)
    found = [name for name in counted.tokens if name != OUTSIDE]
    if not found:
        raise DataError(
            f"no word of the training sentences is in a span, by column {tag!r}",
            path=train.path,
            mend="name the column with the spans: --set data.tag=NAME",
        )
    if config.model.form == "margin" and len(counted) == 1:
        raise DataError(
            f"every word of the training sentences is {found[0]}, and a margin needs others to be above",
            path=train.path,
            mend="give sentences with other words as well, or choose another --set model.form=softmax",
        )
    learned = Vocabulary([OUTSIDE, *found], padding=None, unknown=None)
    scorer = EntityScorer.untrained(config, channels, learned, given.vectors)
    scorer.further = given.further
    return scorer


def scheme_of(sentences: Sentences, column: str) -> TagScheme:
    """The scheme with the fewest faults in a column of tags; of equals, the first of the list.

    Raises ``DataError`` where no scheme has all of the tags.
    """
    found: dict[TagScheme, int] = {}
    for scheme in ("IOB2", "BIOES", "IOB1", "BILOU"):
        try:
            found[scheme] = sum(len(faults(tags, scheme)) for tags in sentences[column])
        except DataError:
            continue
    if not found:
        some = next(tag for tags in sentences[column] for tag in tags if tag != OUTSIDE)
        raise DataError(
            f"the tags of column {column!r} mark no spans; one of them is {some!r}",
            path=sentences.path,
            mend="name the column with tags such as B-PER and O: --set data.tag=NAME",
        )
    return min(found, key=lambda scheme: found[scheme])


def in_scheme(sentences: Sentences, column: str, source: TagScheme, target: TagScheme) -> Sentences:
    """The sentences with a column's tags in another scheme."""
    tags = [convert(own, source, target) for own in sentences[column]]
    return Sentences({**sentences.columns, column: tags}, sentences.lines, sentences.path)
