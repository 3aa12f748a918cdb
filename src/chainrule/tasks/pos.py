"""Part-of-speech tagging: a window network over words and their features, each word tagged by itself.

Any other tags that words carry are learned in the same way: by default the roles of tokens in source code.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..data import Sentences, WindowBatches, WordVectors
from ..data.features import FORM
from ..models.lexicon import Lexicon
from ..models.window_tagger import LinearTagger
from ..train import ClassScores, Monitor, Reporter, Result, RunFolder, accuracy, confusion_matrix, fit
from ..train.configuration import (
    Options,
    make_optimizer,
    make_plateau,
    make_settings,
    to_mapping,
)
from ..train.recorded import recorded_for_use
from . import examples, tagging
from .reporting import add_confusion, add_missing, add_training
from .tagged_data import (
    Tagged,
    cut,
    read_tagged,
    read_tagged_test,
    sentences_of,
    tag_column,
)
from .tagging import Scorer
from .tagging_options import TaggingConfig
from .task import Example, Report, Say, Table
from .vector_reports import learned_vectors

_LEXICON = "lexicon.json"
_CONFUSIONS = 15
_EXAMPLES = 3

Bools = NDArray[np.bool_]


@dataclass
class PosTagger:
    """A trained tagger: evaluates and predicts."""

    config: TaggingConfig
    scorer: Scorer
    lexicon: Lexicon
    """The words of the training sentences, and the tag that each had most often."""
    linear: Scorer | None = None
    """The logistic regression that it is compared with."""

    def tag(self, sentences: Sentences) -> list[str]:
        """The best tag of every word, end to end."""
        return _best(self.scorer, sentences)

    def word_vectors(self) -> WordVectors | None:
        """The vectors of the words themselves, where the tagger has learned any."""
        if isinstance(self.scorer.model, LinearTagger):
            return None
        tables = zip(self.scorer.channels, self.scorer.model.embeddings.channels, strict=True)
        found = [(channel.vocabulary, own.table) for channel, own in tables if channel.name == "word"]
        return learned_vectors(found[0][0], found[0][1].weight.copy()) if found else None

    def evaluate(self, data: str | None) -> Report:
        """Accuracy on the test sentences, or on those of the file or source that ``data`` names."""
        options = self.config.data
        if data is not None:
            options = msgspec.structs.replace(options, source=data)
        name, test = read_tagged_test(options, whole=data is not None)
        return self.report(name, test, tag_column(test, options))

    def report(self, name: str, test: Sentences, column: str) -> Report:
        """Accuracy on these sentences beside the baselines', each tag's scores, and what is confused."""
        words = list(chain.from_iterable(test[FORM]))
        gold = list(chain.from_iterable(test[column]))
        known = np.array([word in self.lexicon for word in words], np.bool_)
        found = self.tag(test)
        rows = [
            ("most frequent tag", [self.lexicon.usual] * len(words)),
            ("most frequent tag of each word", self.lexicon.tags(words)),
        ]
        if self.linear is not None:
            rows.append(("logistic regression", _best(self.linear, test)))
        rows.append((_describe(self.config), found))
        compared = [(label, *_accuracies(tags, gold, known)) for label, tags in rows]
        names = ("test_accuracy", "test_known_accuracy", "test_unknown_accuracy")
        keys = ("most_frequent", "dictionary", *(["linear"] if self.linear is not None else []))
        scores = dict(zip(names, compared[-1][1:], strict=True))
        scores["test_sentence_accuracy"] = _whole_sentences(found, gold, test.sizes)
        scores |= {f"test_{key}_accuracy": row[1] for key, row in zip(keys, compared, strict=False)}
        title = f"{name}, {column}: {len(words):,} words, {1 - _share(known):.1%} of them not in training"
        header = ("model", "accuracy", "known words", "unknown words")
        tags, confusion = _confusion(found, gold, self.scorer.tags.tokens)
        tables = [
            Table(title, header, tuple(compared)),
            Table(
                "Each tag",
                ("tag", "precision", "recall", "F1", "words"),
                tuple(ClassScores.of(confusion, tags).rows()),
            ),
            Table(
                "Most frequent mistakes",
                ("tag", "tagged as", "times", "of all mistakes", "such as"),
                tuple(_confusions(words, found, gold)),
            ),
        ]
        report = Report(f"Tags of {name}", scores, tables)
        add_confusion(report, tags, confusion, "tag", most=0)
        if self.linear is None and self.config.compares:
            add_missing(report)
        return report

    def predict(self, lines: Sequence[str]) -> list[dict[str, Any]]:
        """For each line its words with their tags."""
        words = [cut(line, self.config.data) for line in lines]
        tags = iter(self.tag(sentences_of(words)))
        return [
            {"text": line, "tags": [[word, next(tags)] for word in sentence]}
            for line, sentence in zip(lines, words, strict=True)
        ]

    def loss_of(self, text: str, gold: str | None = None) -> Example:
        """The loss of a sentence's tags, one window a word; ``gold`` holds a tag for each word."""
        words = examples.words_of(cut(text, self.config.data))
        sentences = sentences_of([words])
        found = self.tag(sentences)
        tags = examples.gold_tags(gold, words, found, self.scorer.tags.tokens)
        return examples.windows_loss(
            self.scorer.encode(sentences),
            self.scorer.radius,
            self.scorer.gold([tags]),
            self.scorer.loss,
            f"Loss of the tags of “{text}”",
            examples.tags_told(words, tags, found, given=gold is not None),
        )


def _best(scorer: Scorer, sentences: Sentences) -> list[str]:
    return scorer.tags.decode(scorer.scores(scorer.encode(sentences)).argmax(axis=1))


def _describe(config: TaggingConfig) -> str:
    model = config.model
    if model.kind == "linear":
        return f"logistic regression, window of {2 * model.radius + 1}"
    layers = "-".join(map(str, model.hidden)) or "no"
    vectors = ", with word vectors" if config.data.vectors else ""
    return f"network, window of {2 * model.radius + 1}, {layers} hidden units{vectors}"


# -- scores ----------------------------------------------------------------------------------------


def _accuracies(found: Sequence[str], gold: Sequence[str], known: Bools) -> tuple[float, float, float]:
    """Of all words, of those that training has seen, of the others; of none, NaN."""
    right = np.array(found, object) == np.array(gold, object)
    return _share(right), _share(right[known]), _share(right[~known])


def _share(flags: Bools) -> float:
    return accuracy(flags, np.ones(len(flags), np.bool_))


def _whole_sentences(found: Sequence[str], gold: Sequence[str], sizes: Sequence[int]) -> float:
    """The share of sentences without a mistake, empty ones aside."""
    ends = np.cumsum([0, *sizes])
    pairs = [(start, end) for start, end in pairwise(ends) if start < end]
    return float(np.mean([found[start:end] == gold[start:end] for start, end in pairs]))


def _confusion(
    found: Sequence[str], gold: Sequence[str], known: Sequence[str]
) -> tuple[list[str], NDArray[np.int64]]:
    """The tags that occur, those never trained last, and how often each was taken for each."""
    occurring = {*found, *gold}
    names = [tag for tag in known if tag in occurring] + sorted(occurring - set(known))
    places = {tag: place for place, tag in enumerate(names)}
    given, right = ([places[tag] for tag in tags] for tags in (found, gold))
    return names, confusion_matrix(given, right, len(names))


def _confusions(
    words: Sequence[str], found: Sequence[str], gold: Sequence[str]
) -> list[tuple[str, str, int, float, str]]:
    """The pairs of right and given tag that are confused most, and words that show it."""
    examples: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for word, tag, right in zip(words, found, gold, strict=True):
        if tag != right:
            examples[right, tag][word] += 1
    total = sum(seen.total() for seen in examples.values())
    order = sorted(examples, key=lambda pair: (-examples[pair].total(), pair))
    return [
        (*pair, seen.total(), seen.total() / total, " ".join(word for word, _ in seen.most_common(_EXAMPLES)))
        for pair in order[:_CONFUSIONS]
        for seen in [examples[pair]]
    ]


# -- the task --------------------------------------------------------------------------------------


class PosTagging:
    """``chainrule train pos``."""

    name: ClassVar[str] = "pos"
    about: ClassVar[str] = "tag every word with its part of speech, by a network over a window of words"
    Config: ClassVar[type[Options]] = TaggingConfig
    monitor: ClassVar[Monitor] = Monitor("validation_accuracy", higher=True)

    def train(
        self,
        config: TaggingConfig,
        data: str | None,
        folder: RunFolder,
        *,
        resume: bool,
        reporter: Reporter,
        say: Say,
    ) -> Report:
        """Train on the tagged sentences, compare with the baselines on the test part."""
        config = tagging.with_paths(config, data)
        say(f"reading {config.data.source}")
        tagged = read_tagged(config.data, say)
        for note in tagged.notes:
            say(note)
        system = self._begin(config, tagged, folder, resume, say)
        model = system.scorer.model
        say(
            f"{sum(tagged.train.sizes):,} training words, {len(system.lexicon):,} different ones, "
            f"{len(system.scorer.tags)} tags, {model.parameter_count():,} parameters"
        )
        result = self._fit(system, tagged, folder, resume, reporter)
        if config.compares:
            say("comparing with logistic regression")
            system.linear = tagging.linear_scorer(config, system.scorer)
            tagging.train_linear(
                system.linear,
                tagged.train,
                tagged.validation,
                tagged.tag,
                config.linear_epochs,
                config.training.seed,
            )
            tagging.save_linear(system.linear, folder)
        report = system.report(tagged.name, tagged.test, tagged.tag)
        add_training(report, result, model, *tagging.example(system.scorer), learned=tagged.learned)
        return report

    def _begin(
        self, config: TaggingConfig, tagged: Tagged, folder: RunFolder, resume: bool, say: Say
    ) -> PosTagger:
        """The tagger as it starts out; its configuration, channels, tags and words in the run folder."""
        if resume and folder.has_state:
            folder.create({"task": self.name, **to_mapping(config)}, replace=True)
            return PosTagger(config, Scorer.load(config, folder), Lexicon.load(folder.existing(_LEXICON)))
        scorer = tagging.begin(config, tagged.train, tagged.tag, tagging.Given.of(config.data, say))
        lexicon = Lexicon.fit(tagged.train[FORM], tagged.train[tagged.tag])
        folder.create({"task": self.name, **to_mapping(config)}, replace=resume)
        scorer.save(folder)
        lexicon.save(folder.path / _LEXICON)
        return PosTagger(config, scorer, lexicon)

    def _fit(
        self, system: PosTagger, tagged: Tagged, folder: RunFolder, resume: bool, reporter: Reporter
    ) -> Result:
        scorer, options = system.scorer, system.config.training
        batches = WindowBatches(
            scorer.encode(tagged.train),
            scorer.radius,
            options.batch,
            tags=scorer.gold(tagged.train[tagged.tag]),
            seed=options.seed,
        )
        optimizer = make_optimizer(
            system.config.optimizer, scorer.model.parameters(), len(batches), options.epochs
        )
        held_out = scorer.encode(tagged.validation)
        gold = scorer.gold(tagged.validation[tagged.tag])
        return fit(
            scorer.model,
            scorer.loss,
            batches,
            optimizer,
            settings=make_settings(options, monitor=self.monitor.score, higher=self.monitor.higher),
            validate=lambda: scorer.measures(held_out, gold),
            plateau=make_plateau(options, optimizer, higher=self.monitor.higher),
            folder=folder,
            resume=resume,
            reporter=reporter,
        )

    def load(self, folder: RunFolder) -> PosTagger:
        """The tagger that a run left behind.

        Raises ``RunFolderError`` or ``DataError`` for a folder that is incomplete or damaged.
        """
        config = recorded_for_use(TaggingConfig, folder)
        scorer = Scorer.load(config, folder)
        scorer.model.load_state_dict(folder.load_model()[0])
        lexicon = Lexicon.load(folder.existing(_LEXICON))
        return PosTagger(config, scorer, lexicon, tagging.load_linear(config, scorer, folder))
