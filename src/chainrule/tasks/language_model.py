"""Language modeling: a feed-forward neural model beside Kneser–Ney, over the same words of the same text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import nn
from ..data import ContextBatches, Vocabulary, WordVectors, context_windows
from ..data.sources import recorded_source
from ..functions import cross_entropy, sampled_cross_entropy
from ..graph import Node, constant, placeholder
from ..models.language_model import FeedForwardLanguageModel
from ..models.ngram import KneserNey
from ..models.word2vec import NegativeSampler
from ..ops import astype
from ..train import Loss, Monitor, PerExample, Reporter, RunFolder, fit, perplexity
from ..train.configuration import (
    Options,
    make_optimizer,
    make_plateau,
    make_settings,
    to_mapping,
)
from ..train.recorded import recorded_for_use
from . import examples
from .corpus import (
    END,
    Corpus,
    check_options,
    detokenise,
    read_corpus,
    read_test,
    tokenise,
)
from .language_model_options import LanguageModelConfig
from .reporting import add_training
from .sampling import Sampling, sample_words
from .task import Example, Report, Say, Table

Ids = NDArray[np.int32]
Floats = NDArray[np.floating[Any]]

_VOCABULARY = "vocabulary.txt"
_EVALUATION_BATCH = 1024
_SAMPLES = 5


@dataclass
class LanguageModel:
    """A trained language model: evaluates, predicts, and writes text of its own."""

    config: LanguageModelConfig
    vocabulary: Vocabulary
    model: FeedForwardLanguageModel

    @classmethod
    def untrained(cls, config: LanguageModelConfig, vocabulary: Vocabulary) -> LanguageModel:
        """As it starts out: weights from the configuration's seed."""
        options = to_mapping(config.model)
        model = FeedForwardLanguageModel(
            len(vocabulary), **options, padding=vocabulary.index("<pad>"), seed=config.training.seed
        )
        return cls(config, vocabulary, model)

    def encode(self, documents: Sequence[Sequence[str]]) -> list[Ids]:
        """Documents of tokens as arrays of ids."""
        return [self.vocabulary.encode(tokens) for tokens in documents]

    def word_vectors(self) -> WordVectors:
        """The embeddings of all words, those of the padding aside."""
        rows = [row for row in range(len(self.vocabulary)) if row != self._padding]
        words = [self.vocabulary.token(row) for row in rows]
        return WordVectors(words, self.model.embedding.weight.copy()[rows])

    def batches(self, documents: Sequence[Ids], size: int, **options: Any) -> ContextBatches:
        """Contexts and next words of encoded documents."""
        return ContextBatches(documents, self.model.memory, size, padding=self._padding, **options)

    def loss(self, words: Node, following: Node, mode: nn.Mode = nn.EVALUATE) -> Node:
        """Mean negative log-likelihood of the next words, in nats."""
        return cross_entropy(self.model(words, mode=mode), astype(following, "int64"))

    def sampled_loss(self, counts: ArrayLike) -> Loss:
        """An estimate of :meth:`loss` from a few words, drawn anew for each batch by their ``counts``."""
        options = self.config.softmax
        # A word that training does not have must be drawn as well, or nothing would ever lower its score.
        sampler = NegativeSampler(np.maximum(counts, 1), options.power)
        log_q = constant(np.log(sampler.probabilities).astype(np.float32))

        def loss(words: Node, following: Node, mode: nn.Mode) -> Node:
            return sampled_cross_entropy(
                self.model.features(words, mode),
                self.model.table,
                astype(following, "int64"),
                sampler(mode.key_here(), options.negatives),
                log_q,
                bias=self.model.word_bias,
            )

        return loss

    def log_probabilities(self, documents: Sequence[Ids]) -> Floats:
        """log p of every token of the documents, in order."""
        return self._likelihood(self.batches(documents, _EVALUATION_BATCH, shuffle=False).epoch(0))

    def distribution(self, ids: Ids) -> NDArray[np.float64]:
        """p(• | ids), shape (vocabulary,)."""
        memory = self.model.memory
        words = np.full(memory, self._padding, np.int32)
        recent = ids[-memory:]
        words[memory - len(recent) :] = recent
        scores = self._scores([words[None, :]])[0].astype(np.float64)
        weights = np.exp(scores - scores.max())
        probabilities: NDArray[np.float64] = weights / weights.sum()
        return probabilities

    @property
    def _padding(self) -> int:
        return self.vocabulary.index("<pad>")

    @cached_property
    def _likelihood(self) -> PerExample:
        def log_likelihood(words: Node, following: Node) -> Node:
            return -cross_entropy(self.model(words), astype(following, "int64"), reduction="none")

        return PerExample(log_likelihood, engine=self.config.training.runs_on)

    @cached_property
    def _scores(self) -> PerExample:
        return PerExample(self.model, engine=self.config.training.runs_on)

    # -- what it is used for -----------------------------------------------------------------------

    def evaluate(self, data: str | None) -> Report:
        """Perplexities on the test text, or on the text that ``data`` names, beside the n-gram model's.

        The n-gram model is counted again, from the text that the run was trained on.
        """
        corpus = read_corpus(self.config.data)
        name, test = corpus.name, corpus.test
        if data is not None:
            name, test = read_test(msgspec.structs.replace(self.config.data, source=recorded_source(data)))
        return self.compare(corpus, test, f"Perplexity on {name}")

    def compare(self, corpus: Corpus, test: Sequence[Sequence[str]], title: str) -> Report:
        """The table: n-gram, neural, and the two interpolated, over the same tokens."""
        baseline = Baseline.chosen(self, corpus)
        parts = self.encode(corpus.validation), self.encode(test)
        neural = [self.log_probabilities(part) for part in parts]
        ngram = [baseline.log_probabilities(part) for part in parts]
        share = best_share(neural[0], ngram[0])
        mixed = [interpolate(p, q, share) for p, q in zip(neural, ngram, strict=True)]
        scores = {
            f"{part}_{who}perplexity": _perplexity(log_p)
            for who, both in (("", neural), ("ngram_", ngram), ("interpolated_", mixed))
            for part, log_p in zip(("validation", "test"), both, strict=True)
        }
        rows = [
            (label, scores[f"validation_{who}perplexity"], scores[f"test_{who}perplexity"])
            for label, who in (
                (baseline.describe(), "ngram_"),
                (self.describe(), ""),
                (f"interpolated, {share:.2f} neural", "interpolated_"),
            )
        ]
        tokens = np.concatenate(parts[1])
        unknown = np.mean(tokens == self.vocabulary.index("<unk>"))
        about = f"{len(tokens):,} test tokens, {len(self.vocabulary):,} words in the vocabulary"
        header = ("model", "validation perplexity", "test perplexity")
        table = Table(f"{title}: {about}, {unknown:.1%} unknown", header, tuple(rows))
        return Report(title, scores, [table])

    def describe(self) -> str:
        """What kind of model it is, for a table."""
        model = self.config.model
        text = f"feed-forward, {model.context} words"
        return f"{text} + history of {model.history}" if model.history else text

    def predict(self, lines: Sequence[str]) -> list[dict[str, Any]]:
        """For each line: the words most likely to follow it, and its perplexity if it holds any words."""
        answers = []
        for line in lines:
            ids = self._begun(line)
            following = self.distribution(ids)
            best = np.argsort(-following, kind="stable")[:5]
            answer: dict[str, Any] = {
                "text": line,
                "next": [[self.vocabulary.token(int(i)), round(float(following[i]), 4)] for i in best],
            }
            if len(ids) > 1:
                answer["perplexity"] = round(_perplexity(self.log_probabilities([ids])[1:]), 2)
            answers.append(answer)
        return answers

    def loss_of(self, text: str, gold: str | None = None) -> Example:
        """The mean negative log-likelihood of a text's words, each after those before it."""
        examples.refuse_gold(gold, "the words that are right are those of the text")
        ids = self._begun(text)[1:]
        examples.words_of(ids.tolist())
        contexts, following = next(iter(self.batches([ids], len(ids), shuffle=False).epoch(0)))
        words = self.vocabulary.decode(ids)
        return examples.example_of(
            {"contexts": contexts, "following": following},
            self.loss,
            f"Loss of “{text}”",
            f"each of {' '.join(words)} after the {self.model.memory} before it; perplexity "
            f"{_perplexity(self.log_probabilities([ids])):.4g}",
        )

    def generate(self, prompt: str = "", *, words: int = 60, sampling: Sampling | None = None) -> str:
        """Text that goes on from ``prompt``: ``words`` tokens drawn one after the other."""
        never = [self._padding, self.vocabulary.index("<unk>")]
        drawn = sample_words(
            self.distribution, self._begun(prompt), words, sampling or Sampling(), never=never
        )
        return detokenise([*self._tokens(prompt), *self.vocabulary.decode(drawn)], self.config.data)

    def _tokens(self, text: str) -> list[str]:
        """The tokens of a text that has not ended."""
        return tokenise(text, self.config.data)[:-1]

    def _begun(self, text: str) -> Ids:
        """The ids of a text, after the end of some other sentence."""
        return self.vocabulary.encode([END, *self._tokens(text)])


@dataclass(frozen=True)
class Baseline:
    """The n-gram model: interpolated modified Kneser–Ney over documents."""

    model: KneserNey

    @classmethod
    def chosen(cls, system: LanguageModel, corpus: Corpus) -> Baseline:
        """Fit it on the training text, its order chosen on the validation text unless the options say."""
        size = len(system.vocabulary)
        train, validation = system.encode(corpus.train), system.encode(corpus.validation)
        order = system.config.ngram_order
        orders = [order] if order else range(2, 7)
        fitted = [KneserNey(n, size).fit(train, bos=size) for n in orders]
        return cls(min(fitted, key=lambda model: model.perplexity(validation)))

    def describe(self) -> str:
        """What kind of model it is, for a table."""
        return f"Kneser–Ney, order {self.model.order}"

    def log_probabilities(self, documents: Sequence[Ids]) -> Floats:
        """log q of every token of the documents, in order."""
        contexts, following = context_windows(documents, self.model.order - 1, padding=self.model.bos)
        return self.model.log_probabilities(contexts, following)


def interpolate(log_p: Floats, log_q: Floats, share: float) -> Floats:
    """log(share·p + (1 - share)·q), elementwise.

    >>> np.exp(interpolate(np.log([0.5]), np.log([0.1]), 0.25)).round(6)
    array([0.2])
    """
    with np.errstate(divide="ignore"):  # a share of 0 or 1 leaves one of them out
        mixed: Floats = np.logaddexp(np.log(share) + log_p, np.log1p(-share) + log_q)
    return mixed


def best_share(log_p: Floats, log_q: Floats) -> float:
    """The share of p at which the mixture is most likely, to a hundredth."""
    shares = np.arange(1, 100) / 100
    return float(max(shares, key=lambda share: interpolate(log_p, log_q, share).mean()))


def _perplexity(log_p: Floats) -> float:
    return perplexity(-float(np.mean(log_p, dtype=np.float64)))


class LanguageModeling:
    """``chainrule train lm``."""

    name: ClassVar[str] = "lm"
    about: ClassVar[str] = "a feed-forward neural language model, beside an n-gram model"
    Config: ClassVar[type[Options]] = LanguageModelConfig
    monitor: ClassVar[Monitor] = Monitor("validation_loss")

    def train(
        self,
        config: LanguageModelConfig,
        data: str | None,
        folder: RunFolder,
        *,
        resume: bool,
        reporter: Reporter,
        say: Say,
    ) -> Report:
        """Train on the corpus, compare with the n-gram model on its test part, write samples."""
        source = recorded_source(config.data.source if data is None else data)
        config = msgspec.structs.replace(config, data=msgspec.structs.replace(config.data, source=source))
        check_options(config.data)
        say(f"reading {source}")
        corpus = read_corpus(config.data, say)
        if corpus.note:
            say(corpus.note)
        system = self._begin(config, corpus, folder, resume)
        train, held_out = system.encode(corpus.train), system.encode(corpus.validation)
        count = system.model.parameter_count()
        tokens = sum(map(len, train))
        say(f"{tokens:,} training tokens, {len(system.vocabulary):,} words, {count:,} parameters")
        options = config.training
        batches = system.batches(train, options.batch, seed=options.seed)
        optimizer = make_optimizer(config.optimizer, system.model.parameters(), len(batches), options.epochs)

        def validate() -> dict[str, float]:
            loss = -float(np.mean(system.log_probabilities(held_out), dtype=np.float64))
            return {"loss": loss, "perplexity": perplexity(loss)}

        loss: Loss = system.loss
        if config.softmax.negatives:
            loss = system.sampled_loss(np.bincount(np.concatenate(train), minlength=len(system.vocabulary)))
        result = fit(
            system.model,
            loss,
            batches,
            optimizer,
            settings=make_settings(options, monitor=self.monitor.score, higher=self.monitor.higher),
            validate=validate,
            plateau=make_plateau(options, optimizer, higher=self.monitor.higher),
            folder=folder,
            resume=resume,
            reporter=reporter,
        )
        say("comparing with the n-gram model")
        report = system.compare(corpus, corpus.test, f"Language models on {corpus.name}")
        example = placeholder((options.batch, system.model.memory), "int32")
        learned = {"documents": len(train), "tokens": tokens}
        add_training(report, result, system.model, example, learned=learned)
        samples = [
            system.generate(words=30, sampling=Sampling(temperature=0.8, seed=seed))
            for seed in range(_SAMPLES)
        ]
        report.texts.append(("Written by the network", "\n".join(f"· {sample}" for sample in samples)))
        return report

    def _begin(
        self, config: LanguageModelConfig, corpus: Corpus, folder: RunFolder, resume: bool
    ) -> LanguageModel:
        """The network as it starts out, its configuration and vocabulary in the run folder."""
        goes_on = resume and folder.has_state
        if goes_on:
            vocabulary = Vocabulary.load(folder.existing(_VOCABULARY))
        else:
            vocabulary = Vocabulary.build(
                [token for document in corpus.train for token in document],
                min_count=config.data.min_count,
                max_size=config.data.max_size or None,
            )
        folder.create({"task": self.name, **to_mapping(config)}, replace=resume)
        if not goes_on:
            vocabulary.save(folder.path / _VOCABULARY)
        return LanguageModel.untrained(config, vocabulary)

    def load(self, folder: RunFolder) -> LanguageModel:
        """The language model that a run left behind.

        Raises ``RunFolderError`` or ``DataError`` for a folder that is incomplete or damaged.
        """
        config = recorded_for_use(LanguageModelConfig, folder)
        system = LanguageModel.untrained(config, Vocabulary.load(folder.existing(_VOCABULARY)))
        system.model.load_state_dict(folder.load_model()[0])
        return system
