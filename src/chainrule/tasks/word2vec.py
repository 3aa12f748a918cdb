"""Word vectors: skip-gram or CBOW with negative sampling, beside vectors made by counting.

The setting ``data.vectors_of`` takes the vectors of a language model's run, or of a file, in place of
training: they are asked the same, and can be exported in the same way.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from .. import nn, optim
from ..data import ContextPairs, Ragged, Vocabulary, WordPairs, WordVectors, read_vectors
from ..data.sources import aloud, located, recorded_source
from ..errors import ConfigurationError, DataError, RunFolderError
from ..graph import Node, constant, placeholder
from ..models import (
    CBOW,
    NegativeSampler,
    SkipGram,
    negative_sampling_loss,
    with_negatives,
)
from ..ops import random
from ..train import Monitor, Reporter, Result, RunFolder, fit
from ..train.configuration import (
    Options,
    make_plateau,
    make_settings,
    to_mapping,
)
from ..train.recorded import recorded_for_use
from . import examples
from .corpus import check_options
from .counted_vectors import COUNTED, counted, load_counted, save_counted
from .held_out_pairs import HeldOut
from .language_model import LanguageModeling
from .reporting import add_missing, add_training
from .running_text import RunningText, encoded, read_running_text
from .task import Example, Report, Say, Table
from .vector_reports import (
    asked_file,
    examine,
    frequent_words,
    neighbour_table,
    settled,
    word_map,
)
from .word2vec_options import Word2VecConfig

_VOCABULARY, _COUNTS = "vocabulary.txt", "counts.json"
_PADDING = "<pad>"


@dataclass
class Word2Vec:
    """Trained word vectors: evaluates, and answers with neighbours, similarities and analogies."""

    config: Word2VecConfig
    vocabulary: Vocabulary
    counts: NDArray[np.int64]
    """How often each word stands in the text learned from."""
    model: SkipGram
    counted: WordVectors | None = None
    """Vectors made by counting, that they are compared with."""

    @classmethod
    def untrained(cls, config: Word2VecConfig, vocabulary: Vocabulary, counts: NDArray[np.int64]) -> Word2Vec:
        """As it starts out: vectors from the configuration's seed."""
        options, seed = config.model, config.training.seed
        model = (
            SkipGram(len(vocabulary), options.width, seed=seed)
            if options.kind == "skip-gram"
            else CBOW(len(vocabulary), options.width, undivided=options.undivided, seed=seed)
        )
        return cls(config, vocabulary, counts, model)

    def word_vectors(self) -> WordVectors:
        """The vectors u of all words."""
        return WordVectors(self.vocabulary.tokens[1:], self.model.given.weight.copy()[1:])

    def encode(self, text: RunningText, documents: tuple[str, ...]) -> Ragged:
        """The sentences of documents as ids, unknown words left out."""
        index = {token: number for number, token in enumerate(self.vocabulary.tokens) if number}
        return encoded(text.sentences(documents), index)

    def batches(self, sentences: Ragged, size: int, seed: int) -> WordPairs:
        """Pairs for skip-gram, contexts for CBOW."""
        kind = WordPairs if self.config.model.kind == "skip-gram" else ContextPairs
        options = self.config
        return kind(
            sentences,
            self.counts,
            window=options.model.window,
            size=size,
            threshold=options.data.subsample,
            seed=seed,
            stretch=options.data.stretch,
        )

    @cached_property
    def sampler(self) -> NegativeSampler:
        """Draws words that a pair is told from."""
        return NegativeSampler(self.counts)

    def loss(self, given: Node, asked: Node, mode: nn.Mode = nn.EVALUATE) -> Node:
        """Mean J of the pairs, in nats, with negatives from the step's key."""
        candidates = with_negatives(asked, self.sampler, self.config.model.negatives, mode.key_here())
        return negative_sampling_loss(self.model(given, candidates), candidates)

    def a_batch(self) -> list[Node]:
        """A batch to show the network with."""
        options, size = self.config.model, self.config.training.batch
        context = (size,) if options.kind == "skip-gram" else (size, 2 * options.window)
        return [placeholder(context, "int32"), placeholder((size, 1 + options.negatives), "int64")]

    def held_out(self, sentences: Ragged) -> HeldOut | None:
        """Pairs of a text that is not learned from; None where it has none."""
        if not (sentences.lengths > 1).any():
            return None
        pairs = self.batches(sentences, 1, seed=0)
        return HeldOut.of(pairs, self.sampler, self.config.model.negatives, self.model)

    def evaluate(self, data: str | None) -> Report:
        """What the run was asked once more, or what the file ``data`` asks: judged pairs or analogies."""
        own = self.config.data
        options = self.config.report
        if data is not None:
            options, path = asked_file(data, aloud)
            report = Report(f"Word vectors on {path.name}")
        else:
            report = Report(f"Word vectors of {Path(own.vectors_of or own.source).name}")
            if not own.vectors_of:
                text = read_running_text(own, aloud)
                _add_held_out(report, self, self.held_out(self.encode(text, text.held_out)))
        examine(report, self.several(), options)
        if data is None:
            report.tables.append(neighbour_table(self.word_vectors(), options))
        if self.counted is None and self.config.baseline and not own.vectors_of:
            add_missing(report, "vectors made by counting", COUNTED)
        return report

    def several(self) -> dict[str, WordVectors]:
        """The vectors, and those that they are compared with, by what they are."""
        found = {self.describe(): self.word_vectors()}
        if self.counted is not None:
            found[f"counted, {self.counted.dimension} numbers"] = self.counted
        return found

    def describe(self) -> str:
        """What kind of vectors they are, for a table."""
        options = self.config.model
        if self.config.data.vectors_of:
            return f"given, {self.model.given.weight.shape[1]} numbers"
        return f"{options.kind}, {options.width} numbers"

    def predict(self, lines: Sequence[str]) -> list[dict[str, Any]]:
        """One word: its neighbours.  Two: their cosine.  Three, a b c: what is to c as b is to a."""
        vectors = self.word_vectors()
        return [{"text": line, **self._answer(vectors, line)} for line in lines]

    def loss_of(self, text: str, gold: str | None = None) -> Example:
        """The loss of a word given and one beside it, or of CBOW those around it; negatives drawn once."""
        examples.refuse_gold(gold, "the word that is right is the last of the text")
        words, cbow = text.split(), self.config.model.kind != "skip-gram"
        if len(words) < 2 or (len(words) > 2 and not cbow):
            mend = "the words around it, then the word" if cbow else "a word and one beside it"
            raise DataError(f"{len(words)} words", mend=f"give {mend}")
        index = {token: number for number, token in enumerate(self.vocabulary.tokens) if number}
        if missing := [word for word in words if word not in index]:
            raise DataError(f"not in the vocabulary: {', '.join(missing)}")
        *given, asked = [index[word] for word in words]
        drawn = with_negatives(
            constant(np.array([asked])), self.sampler, self.config.model.negatives, random.key(0)
        ).value
        tokens = ", ".join(self.vocabulary.decode(drawn[0, 1:]))
        return examples.example_of(
            {"given": np.array([given] if cbow else given, np.int32), "candidates": drawn},
            lambda leaf, candidates: negative_sampling_loss(self.model(leaf, candidates), candidates),
            f"Loss of “{words[-1]}” beside “{' '.join(words[:-1])}”",
            f"candidates: {words[-1]}, which is right, and drawn at random {tokens}",
        )

    def _answer(self, vectors: WordVectors, line: str) -> dict[str, Any]:
        words = line.split()
        places = [vectors.find(word) for word in words]
        if None in places or not 1 <= len(words) <= 3:
            missing = [word for word, place in zip(words, places, strict=True) if place is None]
            return {"unknown": missing} if missing else {"asked": f"{len(words)} words; give one to three"}
        found = [vectors.words[place] for place in places if place is not None]
        if len(found) == 1:
            return {"nearest": _rounded(vectors.nearest(found[0], 8))}
        if len(found) == 2:
            return {"similarity": round(vectors.similarity(found[0], found[1]), 4)}
        return {"analogy": _rounded(vectors.analogy(found[0], found[1], found[2], 5))}


def _rounded(found: list[tuple[str, float]]) -> list[list[Any]]:
    return [[word, round(cosine, 4)] for word, cosine in found]


class WordVectorLearning:
    """``chainrule train word2vec``."""

    name: ClassVar[str] = "word2vec"
    about: ClassVar[str] = "word vectors by skip-gram or CBOW: neighbours, analogies, a picture"
    Config: ClassVar[type[Options]] = Word2VecConfig
    monitor: ClassVar[Monitor] = Monitor("validation_ranking", higher=True)

    def train(
        self,
        config: Word2VecConfig,
        data: str | None,
        folder: RunFolder,
        *,
        resume: bool,
        reporter: Reporter,
        say: Say,
    ) -> Report:
        """Learn vectors from a text, ask them what the options say, draw them."""
        check_options(config.data)
        settings = settled(config.report, say)
        config = msgspec.structs.replace(config, report=settings)
        if config.data.vectors_of:
            return self._given(config, data, folder, resume, say)
        source = recorded_source(config.data.source if data is None else data)
        config = _with_source(config, source)
        say(f"reading {source}")
        text = read_running_text(config.data, say)
        system = self._begin(config, text, folder, resume)
        sentences = system.encode(text, text.learned)
        options = config.training
        batches = system.batches(sentences, options.batch, options.seed)
        say(
            f"{sentences.values.size:,} words, {len(system.vocabulary) - 1:,} different ones, "
            f"{batches.examples:,} {'pairs' if config.model.kind == 'skip-gram' else 'contexts'} an epoch"
        )
        if batches.stretches > 1:
            say(f"the text is taken in {batches.stretches} stretches; each counts as an epoch")
        held_out = system.held_out(system.encode(text, text.held_out))
        self._record(system, folder, resume)
        result = self._fit(system, batches, held_out, folder, resume, reporter)
        report = Report(f"Word vectors of {text.name}")
        _add_held_out(report, system, held_out)
        seconds = sum(record["seconds"] for record in result.records)
        passes = len(result.records) / batches.stretches
        report.scores["words_per_second"] = passes * sentences.values.size / max(seconds, 1e-9)
        if config.baseline:
            say("counting, for comparison")
            system.counted = counted(sentences, system.counts, system.vocabulary.tokens[1:], config)
            save_counted(system.counted, folder)
        report = _examined(report, system)
        learned = {"words": sentences.values.size, "different words": len(system.vocabulary) - 1}
        add_training(report, result, system.model, *system.a_batch(), learned=learned, at=-1)
        return report

    def _fit(
        self,
        system: Word2Vec,
        batches: WordPairs,
        held_out: HeldOut | None,
        folder: RunFolder,
        resume: bool,
        reporter: Reporter,
    ) -> Result:
        config = system.config
        options = msgspec.structs.replace(config.training, epochs=config.training.epochs * batches.stretches)
        # The loss is a mean over the batch, and the rate is meant for one pair.
        start, final = (rate * batches.size for rate in config.rates)
        schedule = optim.schedules.linear(start, len(batches) * options.epochs, final)
        optimizer = optim.SGD(system.model.parameters(), schedule)
        return fit(
            system.model,
            system.loss,
            batches,
            optimizer,
            settings=make_settings(options, monitor=self.monitor.score, higher=self.monitor.higher),
            validate=held_out,
            plateau=make_plateau(options, optimizer, higher=self.monitor.higher),
            folder=folder,
            resume=resume,
            reporter=reporter,
        )

    def _begin(self, config: Word2VecConfig, text: RunningText, folder: RunFolder, resume: bool) -> Word2Vec:
        """The vectors as they start out, for the words of the text, or of the run that goes on."""
        if resume and folder.has_state:
            return Word2Vec.untrained(config, *_recorded_words(folder))
        found = Counter(word for sentence in text.sentences(text.learned) for word in sentence)
        options = config.data
        vocabulary = Vocabulary.build(
            found,
            min_count=options.min_count,
            max_size=options.max_size or None,
            padding=_PADDING,
            unknown=None,
        )
        if len(vocabulary) < 3:
            raise DataError(
                f"fewer than two words stand in it {options.min_count} times",
                path=options.source,
                mend="give a longer text, or a smaller data.min_count",
            )
        counts = np.array([0, *(found[word] for word in vocabulary.tokens[1:])], np.int64)
        return Word2Vec.untrained(config, vocabulary, counts)

    def _record(self, system: Word2Vec, folder: RunFolder, resume: bool) -> None:
        """Configuration, vocabulary and counts in the run folder; nothing is written before all is read."""
        folder.create({"task": self.name, **to_mapping(system.config)}, replace=resume)
        system.vocabulary.save(folder.path / _VOCABULARY)
        folder.write_text(_COUNTS, json.dumps(system.counts.tolist()) + "\n")

    def _given(
        self, config: Word2VecConfig, data: str | None, folder: RunFolder, resume: bool, say: Say
    ) -> Report:
        """A run of vectors that were made elsewhere."""
        if data is not None:
            raise ConfigurationError(
                "data.vectors_of takes vectors in place of training, and there is --data as well",
                mend="leave out one of them",
            )
        given = recorded_source(config.data.vectors_of)
        origin = located(given, say)
        config = msgspec.structs.replace(config, data=msgspec.structs.replace(config.data, vectors_of=given))
        vectors = _vectors_of(origin, config.data.encoding)
        words = [word for word in vectors.words if word != _PADDING]
        vectors = vectors.select(words)
        vocabulary = Vocabulary(vectors.words, padding=_PADDING, unknown=None)
        config = msgspec.structs.replace(
            config, model=msgspec.structs.replace(config.model, kind="skip-gram", width=vectors.dimension)
        )
        system = Word2Vec.untrained(config, vocabulary, np.zeros(len(vocabulary), np.int64))
        matrix = np.asarray(vectors.matrix, np.float32)
        system.model.given.weight.assign(np.concatenate([np.zeros_like(matrix[:1]), matrix]))
        self._record(system, folder, resume)
        folder.save_model(system.model.state_dict(), {"vectors_of": given})
        folder.write_manifest({})
        say(f"{len(vectors):,} vectors of {vectors.dimension} numbers")
        return _examined(Report(f"Word vectors of {origin.name}"), system)

    def load(self, folder: RunFolder) -> Word2Vec:
        """The vectors that a run left behind.

        Raises ``RunFolderError`` or ``DataError`` for a folder that is incomplete or damaged.
        """
        config = recorded_for_use(Word2VecConfig, folder)
        system = Word2Vec.untrained(config, *_recorded_words(folder))
        system.model.load_state_dict(folder.load_model()[0])
        system.counted = load_counted(folder, system.vocabulary.tokens[1:])
        return system


def _with_source(config: Word2VecConfig, source: str) -> Word2VecConfig:
    return msgspec.structs.replace(config, data=msgspec.structs.replace(config.data, source=source))


def _add_held_out(report: Report, system: Word2Vec, held_out: HeldOut | None) -> None:
    if held_out is None:
        return
    found, frequency = held_out(), held_out.by_frequency(system.counts)
    report.scores |= {
        "validation_loss": found["loss"],
        "validation_ranking": found["ranking"],
        "validation_frequency_ranking": frequency,
    }
    rows = (("the more frequent word", frequency), (system.describe(), found["ranking"]))
    title = f"Held-out text: the word that stands there above one drawn, {len(held_out.given):,} pairs"
    report.tables.append(Table(title, ("by", "right"), rows))


def _examined(report: Report, system: Word2Vec) -> Report:
    options, vectors = system.config.report, system.word_vectors()
    examine(report, system.several(), options)
    report.tables.append(neighbour_table(vectors, options))
    words = [word for word in options.words if word in vectors]
    words = list(dict.fromkeys([*words, *frequent_words(vectors, options.map)]))[: options.map]
    if len(words) > 2:
        report.maps.append(word_map(vectors, words))
    return report


def _vectors_of(origin: Path, encoding: str) -> WordVectors:
    """The vectors of a run, or of a file."""
    if not RunFolder(origin).config_path.is_file():
        return read_vectors(origin, encoding=encoding)
    folder, language_modeling = RunFolder(origin), LanguageModeling()
    if folder.task == WordVectorLearning.name:
        return WordVectorLearning().load(folder).word_vectors()
    if folder.task != language_modeling.name:
        raise ConfigurationError(
            f"a run of {folder.task} leaves no word vectors that could be taken",
            where=str(origin),
            mend="name a run of lm, or a file of word vectors",
        )
    return language_modeling.load(folder).word_vectors()


def _recorded_words(folder: RunFolder) -> tuple[Vocabulary, NDArray[np.int64]]:
    """The vocabulary of a run, and how often its words occurred."""
    vocabulary = Vocabulary.load(folder.existing(_VOCABULARY))
    path = folder.existing(_COUNTS)
    try:
        counts = np.array(json.loads(path.read_text(encoding="utf-8")), np.int64)
    except (OSError, ValueError, TypeError, OverflowError) as error:
        raise RunFolderError(f"{_COUNTS} cannot be read: {error}", where=str(path)) from None
    if counts.shape != (len(vocabulary),):
        raise RunFolderError(
            f"{_COUNTS} is damaged: {counts.size:,} counts for {len(vocabulary):,} words", where=str(path)
        )
    return vocabulary, counts
