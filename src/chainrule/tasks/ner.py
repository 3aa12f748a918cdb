"""Names and other spans in sentences: a window network over words, and the best allowed sequence of tags.

Named entities, the chunks of a sentence, parts of source code: whatever tags such as B-PER, I-PER and O mark.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import msgspec

from ..data import Sentences, TagScheme, check_tags, convert, read_bytes, spans_of, tags_of, write_atomically
from ..data.features import FORM
from ..data.recut import pieces, recut
from ..errors import DataError, RunFolderError
from ..models import Gazetteer
from ..models.lexicon import Lexicon
from ..train import Monitor, Reporter, Result, RunFolder, SpanScores, fit
from ..train.configuration import (
    Options,
    make_optimizer,
    make_plateau,
    make_settings,
    to_mapping,
)
from ..train.recorded import recorded_for_use
from ..train.tensors import Arrays, load_tensors, save_tensors
from . import entity_reports, examples, tagging
from .entity_refit import refit
from .entity_scorer import Decoder, EntityConfig, EntityScorer, Tags, begin, in_scheme, scheme_of
from .reporting import add_missing, add_training
from .tagged_data import (
    PYTHON_CODE,
    SPAN,
    Tagged,
    cut,
    read_tagged,
    read_tagged_test,
    sentences_of,
    tag_column,
)
from .tagging import Scorer
from .task import Example, Report, Say

_LEXICON, _GAZETTEER, _DECODER = "lexicon.json", "gazetteer.json", "decoder.json"
_REFIT = "refit.safetensors"
_MOST_SAID = 3


@dataclass
class Baselines:
    """What a network is compared with: words and phrases as training has shown them, and a linear model."""

    lexicon: Lexicon
    """The words of the training sentences, and the tag that each had most often."""
    gazetteer: Gazetteer
    """The spans of the training sentences."""
    linear: Scorer | None = None
    """Logistic regression on one-hot features of the same windows."""
    shifts: dict[str, float] = field(default_factory=dict)
    """By how much its scores of no span and of the types are shifted."""


@dataclass
class EntityTagger:
    """A trained recogniser: evaluates and predicts."""

    config: EntityConfig
    scorer: EntityScorer
    baselines: Baselines

    @property
    def scheme(self) -> TagScheme:
        """The scheme of the data, in which tags are reported."""
        scheme = self.config.data.scheme
        assert scheme != "auto"  # training has settled it
        return scheme

    def tag(self, sentences: Sentences) -> Tags:
        """The tags of each sentence, in the data's own scheme."""
        found = self.scorer.tag(self.scorer.encode(sentences))
        return self._own(found)

    def evaluate(self, data: str | None) -> Report:
        """Scores of the test sentences' spans, or of those of the file or source that ``data`` names."""
        options = self.config.data
        if data is not None:
            options = msgspec.structs.replace(options, source=data)
        name, test = read_tagged_test(options, whole=data is not None)
        column = tag_column(test, options)
        checked, _ = check_tags(test, column, self.scheme, options.malformed)
        return self.report(name, checked, column)

    def report(self, name: str, test: Sentences, column: str) -> Report:
        """Precision, recall and F1 of spans beside the baselines', of each type, and kinds of mistakes."""
        words, gold, scheme = test[FORM], test[column], self.scheme
        found = self.tag(test)
        rows = [*self._baselines(test), ("network", _describe(self.config), found)]
        count = sum(len(spans_of(tags, scheme)) for tags in gold)
        title = f"{name}, {column}: {count:,} spans in {sum(test.sizes):,} words"
        table, spans, forms = entity_reports.comparison(
            title, [(label, tags) for _, label, tags in rows], gold, words, scheme
        )
        ours = spans[-1]
        scores = {
            "test_precision": ours.precision,
            "test_recall": ours.recall,
            "test_f1": ours.f1,
            "test_surface_f1": forms[-1].f1,
        }
        scores |= {f"test_{key}_f1": own.f1 for (key, _, _), own in zip(rows[:-1], spans[:-1], strict=True)}
        tables = [
            table,
            entity_reports.each_type(ours),
            entity_reports.mistakes(found, gold, words, scheme),
            entity_reports.recall_by_novelty(found, gold, words, scheme, self.baselines.gazetteer.types),
        ]
        report = Report(f"Spans of {name}", scores, tables)
        if self.baselines.linear is None and self.config.compares:
            add_missing(report)
        return report

    def _baselines(self, test: Sentences) -> list[tuple[str, str, Tags]]:
        """Key, name and tags of each."""
        own, words = self.baselines, test[FORM]
        rows: list[tuple[str, str, Tags]] = [
            ("most_frequent", "most frequent tag", [[own.lexicon.usual] * len(line) for line in words]),
            ("words", "most frequent tag of each word", [own.lexicon.tags(line) for line in words]),
            (
                "dictionary",
                "spans of the training sentences, the longest first",
                [tags_of(own.gazetteer.spans(line), len(line), self.scheme) for line in words],
            ),
        ]
        if own.linear is not None:
            decoder = Decoder(own.linear.tags, self.config.model.scheme, shifts=own.shifts)
            scores = own.linear.scores(own.linear.encode(test))
            rows.append(("linear", "logistic regression", self._own(decoder(scores, test.sizes))))
        return rows

    def _own(self, tags: Tags) -> Tags:
        return [convert(line, self.config.model.scheme, self.scheme) for line in tags]

    def _words(self, line: str) -> list[str]:
        """The words of a raw line, in the way of those that were trained on."""
        words = cut(line, self.config.data)
        return [piece for word in words for piece in pieces(word)] if self.config.data.recut else words

    def predict(self, lines: Sequence[str]) -> list[dict[str, Any]]:
        """Each line with its spans marked, and as values with their places in it."""
        words = [self._words(line) for line in lines]
        return [
            entity_reports.answer(line, own, spans_of(tags, self.scheme))
            for line, own, tags in zip(lines, words, self.tag(sentences_of(words)), strict=True)
        ]

    def loss_of(self, text: str, gold: str | None = None) -> Example:
        """The loss of a sentence's tags; ``gold`` holds a tag for each word, in the data's own scheme."""
        words = examples.words_of(self._words(text))
        sentences, learned = sentences_of([words]), self.config.model.scheme
        (found,) = self.tag(sentences)
        known = list(dict.fromkeys(examples.flat(self._own([[tag] for tag in self.scorer.tags.tokens]))))
        tags = examples.gold_tags(gold, words, found, known)
        encoded = self.scorer.encode(sentences)
        ids = self.scorer.gold([convert(tags, self.scheme, learned)])
        if (ids < 0).any():
            raise DataError("training never saw these tags in this order", mend="check where spans begin")
        batch = examples.first_batch(
            lambda: self.scorer.batches(encoded, ids, len(words), seed=0),
            "this form learns from words inside spans, and none of these is",
        )
        about = examples.tags_told(words, tags, found, given=gold is not None)
        title = f"Loss of the spans of “{text}”"
        return examples.batch_loss(batch, list(encoded.ids), self.scorer.loss, title, about)


def _describe(config: EntityConfig) -> str:
    model = config.model
    layers = "-".join(map(str, model.hidden)) or "no"
    below = "linear" if model.kind == "linear" else f"{layers} hidden units"
    vectors = ", with word vectors" if config.data.vectors else ""
    several = f"{model.members} times " if model.members > 1 else ""
    return f"{several}{model.form}, window of {2 * model.radius + 1}, {below}{vectors}"


class EntityRecognition:
    """``chainrule train ner``."""

    name: ClassVar[str] = "ner"
    about: ClassVar[str] = "find names and other spans in sentences, by windows or as whole sentences"
    Config: ClassVar[type[Options]] = EntityConfig
    monitor: ClassVar[Monitor] = Monitor("validation_f1", higher=True)

    def train(
        self,
        config: EntityConfig,
        data: str | None,
        folder: RunFolder,
        *,
        resume: bool,
        reporter: Reporter,
        say: Say,
    ) -> Report:
        """Train on the sentences, compare with the baselines on the test part."""
        config = tagging.with_paths(config, data)
        say(f"reading {config.data.source}")
        config, tagged = _read(config, say)
        system = self._begin(config, tagged, folder, resume, say)
        model = system.scorer.model
        say(
            f"{sum(tagged.train.sizes):,} training words, {len(system.baselines.gazetteer):,} spans in the "
            f"dictionary, {len(system.scorer.tags)} tags, {model.parameter_count():,} parameters"
        )
        inner = _inner(tagged, config)
        result = self._fit(system, inner, folder, resume, reporter)
        best = result.best["validation_f1"]
        held_out, gold = inner.validation, inner.validation[tagged.tag]
        if config.model.tune_outside:
            scores = system.scorer.scores(system.scorer.encode(held_out))
            decoder = system.scorer.decoder
            best = decoder.tune(scores, gold, types=config.model.tune_types)
            system.scorer.shifts = decoder.shifts
        if config.model.refit:
            say("learning anew from the training and validation sentences together")
            weights = refit(system.scorer, config, inner, int(result.best["epoch"]), reporter)
            save_tensors(folder.path / _REFIT, weights, {})
        if config.compares:
            say("comparing with logistic regression")
            _add_linear(system, inner, folder)
        _save_shifts(system, folder)
        report = system.report(tagged.name, tagged.test, tagged.tag)
        report.scores["validation_f1"] = best
        add_training(report, result, model, *tagging.example(system.scorer), learned=tagged.learned)
        return report

    def _begin(
        self, config: EntityConfig, tagged: Tagged, folder: RunFolder, resume: bool, say: Say
    ) -> EntityTagger:
        """The tagger as it starts out; all that it needs but the weights in the run folder."""
        if resume and folder.has_state:
            folder.create({"task": self.name, **to_mapping(config)}, replace=True)
            return EntityTagger(config, _loaded(config, folder), _load_baselines(folder))
        given = tagging.Given.of(config.data, say)
        scorer = begin(config, _inner(tagged, config).train, tagged.tag, given)
        words, tags = tagged.train[FORM], tagged.train[tagged.tag]
        scheme = config.data.scheme
        assert scheme != "auto"
        lexicon = Lexicon.fit(words, tags)
        gazetteer = Gazetteer.fit(words, [spans_of(own, scheme) for own in tags])
        folder.create({"task": self.name, **to_mapping(config)}, replace=resume)
        scorer.save(folder)
        lexicon.save(folder.path / _LEXICON)
        gazetteer.save(folder.path / _GAZETTEER)
        system = EntityTagger(config, scorer, Baselines(lexicon, gazetteer))
        _save_shifts(system, folder)  # of a run that is interrupted there are none
        return system

    def _fit(
        self, system: EntityTagger, inner: Tagged, folder: RunFolder, resume: bool, reporter: Reporter
    ) -> Result:
        scorer, options = system.scorer, system.config.training
        batches = scorer.batches(
            scorer.encode(inner.train), scorer.gold(inner.train[inner.tag]), options.batch, options.seed
        )
        optimizer = make_optimizer(
            system.config.optimizer, scorer.model.parameters(), len(batches), options.epochs
        )
        held_out, gold = scorer.encode(inner.validation), inner.validation[inner.tag]

        def validate() -> dict[str, float]:
            scores = SpanScores.of(scorer.tag(held_out), gold, system.config.model.scheme)
            return {"precision": scores.precision, "recall": scores.recall, "f1": scores.f1}

        return fit(
            scorer.model,
            scorer.loss,
            batches,
            optimizer,
            settings=make_settings(options, monitor=self.monitor.score, higher=self.monitor.higher),
            validate=validate,
            plateau=make_plateau(options, optimizer, higher=self.monitor.higher),
            folder=folder,
            resume=resume,
            reporter=reporter,
        )

    def load(self, folder: RunFolder) -> EntityTagger:
        """The recogniser that a run left behind.

        Raises ``RunFolderError`` or ``DataError`` for a folder that is incomplete or damaged.
        """
        config = recorded_for_use(EntityConfig, folder)
        if config.data.scheme == "auto":
            raise RunFolderError(
                "config.toml: data.scheme is not settled", where=str(folder.config_path), mend="train again"
            )
        scorer = _loaded(config, folder)
        scorer.model.load_state_dict(_weights(config, folder))
        baselines = _load_baselines(folder)
        scorer.shifts, baselines.shifts = _load_shifts(folder)
        baselines.linear = tagging.load_linear(config, scorer, folder)
        return EntityTagger(config, scorer, baselines)


# -- data ------------------------------------------------------------------------------------------


def _read(config: EntityConfig, say: Say) -> tuple[EntityConfig, Tagged]:
    """The sentences, their tags well formed, and the configuration with the scheme and the column settled."""
    options = config.data
    if options.source == PYTHON_CODE and options.tag == "auto":
        options = msgspec.structs.replace(options, tag=SPAN)
    tagged = read_tagged(options, say)
    for note in tagged.notes:
        say(note)
    scheme = options.scheme if options.scheme != "auto" else scheme_of(tagged.train, tagged.tag)
    parts = {}
    for name in ("train", "validation", "test"):
        parts[name], said = check_tags(getattr(tagged, name), tagged.tag, scheme, options.malformed)
        for line in said[:_MOST_SAID]:
            say(line)
        if len(said) > _MOST_SAID:
            say(f"… and {len(said) - _MOST_SAID:,} more such tags in the {name} sentences")
    if options.recut:
        parts["train"] = recut(parts["train"], tagged.tag, scheme)
    settled = msgspec.structs.replace(options, scheme=scheme)
    return (
        msgspec.structs.replace(config, data=settled),
        Tagged(tagged.name, tagged.tag, **parts, notes=tagged.notes),
    )


def _inner(tagged: Tagged, config: EntityConfig) -> Tagged:
    """The sentences with their tags in the scheme that is learned; the test sentences as they are."""
    scheme = config.data.scheme
    assert scheme != "auto"
    train, validation = (
        in_scheme(part, tagged.tag, scheme, config.model.scheme) for part in (tagged.train, tagged.validation)
    )
    return Tagged(tagged.name, tagged.tag, train, validation, tagged.test)


# -- baselines -------------------------------------------------------------------------------------


def _add_linear(system: EntityTagger, inner: Tagged, folder: RunFolder) -> None:
    """Train the logistic regression, with a shift chosen in the same way as the network's."""
    config, own = system.config, system.baselines
    own.linear = tagging.linear_scorer(config, system.scorer)
    tagging.train_linear(
        own.linear, inner.train, inner.validation, inner.tag, config.linear_epochs, config.training.seed
    )
    tagging.save_linear(own.linear, folder)
    if config.model.tune_outside:
        decoder = Decoder(own.linear.tags, config.model.scheme)
        held_out = own.linear.encode(inner.validation)
        scores = own.linear.scores(held_out)
        decoder.tune(scores, inner.validation[inner.tag], types=config.model.tune_types)
        own.shifts = decoder.shifts


# -- on disk ---------------------------------------------------------------------------------------


def _loaded(config: EntityConfig, folder: RunFolder) -> EntityScorer:
    scorer = EntityScorer.load(config, folder)
    assert isinstance(scorer, EntityScorer)
    return scorer


def _weights(config: EntityConfig, folder: RunFolder) -> Arrays:
    """Those of all sentences, where the run came so far; else the best by the validation sentences."""
    path = folder.path / _REFIT
    return load_tensors(path)[0] if config.model.refit and path.is_file() else folder.load_model()[0]


def _load_baselines(folder: RunFolder) -> Baselines:
    return Baselines(Lexicon.load(folder.existing(_LEXICON)), Gazetteer.load(folder.existing(_GAZETTEER)))


def _save_shifts(system: EntityTagger, folder: RunFolder) -> None:
    shifts = {"network": system.scorer.shifts, "linear": system.baselines.shifts}
    write_atomically(folder.path / _DECODER, json.dumps(shifts) + "\n")


def _load_shifts(folder: RunFolder) -> tuple[dict[str, float], dict[str, float]]:
    path = folder.existing(_DECODER)
    content = read_bytes(path)
    try:
        found = msgspec.json.decode(content, type=dict[Literal["network", "linear"], dict[str, float]])
        return found["network"], found["linear"]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError) as error:
        raise RunFolderError(
            f"decoder.json is damaged: {error}", where=str(path), mend="restore it, or train again"
        ) from None
