"""Language modeling: a feed-forward neural model beside Kneser–Ney, over the same words of the same text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from .. import nn
from ..data import ContextBatches, Vocabulary, context_windows
from ..errors import ConfigurationError, DataError
from ..functions import ACTIVATIONS, cross_entropy
from ..graph import Node, placeholder
from ..models.language_model import FeedForwardLanguageModel
from ..models.ngram import KneserNey
from ..ops import astype
from ..train import PerExample, Reporter, RunFolder, Settings, fit
from ..train.configuration import (
    Count,
    OptimizerOptions,
    Options,
    Rate,
    TrainingOptions,
    Whole,
    from_mapping,
    make_optimizer,
    make_plateau,
    to_mapping,
)
from .corpus import END, Corpus, TextOptions, check_options, make_tokenizer, read_corpus, tokenise
from .sampling import Sampling, sample_words
from .task import Report, Say, Table

_EVALUATION_BATCH = 1024
_SAMPLES = 5


class ModelOptions(Options):
    """The neural network."""

    context: Count = 5
    """How many previous words are read one by one."""
    history: Whole = 60
    """How many previous words are read as a decaying average; 0 leaves the average out."""
    decay: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.95
    width: Count = 100
    """Numbers in an embedding."""
    hidden: Count = 256
    activation: str = "tanh"
    dropout: Rate = 0.3
    tied: bool = True
    """Whether a word's embedding also scores it."""


class LanguageModelConfig(Options):
    """Everything that a run depends on."""

    data: TextOptions = msgspec.field(default_factory=TextOptions)
    model: ModelOptions = msgspec.field(default_factory=ModelOptions)
    optimizer: OptimizerOptions = msgspec.field(
        default_factory=lambda: OptimizerOptions(rule="adam", learning_rate=0.003, schedule="linear")
    )
    training: TrainingOptions = msgspec.field(
        default_factory=lambda: TrainingOptions(epochs=5, batch=512, patience=2)
    )
    ngram_order: Annotated[int, msgspec.Meta(ge=0, le=10)] = 0
    """The order of the n-gram model; 0 takes the best of 2 to 6 on the validation text."""


@dataclass
class LanguageModel:
    """A trained language model: evaluates, predicts, and writes text of its own."""

    config: LanguageModelConfig
    vocabulary: Vocabulary
    model: FeedForwardLanguageModel

    def batches(self, documents: Sequence[NDArray[Any]], size: int, **options: Any) -> ContextBatches:
        """Contexts and next words of encoded documents."""
        padding = self.vocabulary.index("<pad>")
        return ContextBatches(documents, self.model.memory, size, padding=padding, **options)

    def encode(self, documents: Sequence[Sequence[str]]) -> list[NDArray[Any]]:
        return [self.vocabulary.encode(tokens) for tokens in documents]

    def loss(self, words: Node, following: Node, mode: nn.Mode = nn.EVALUATE) -> Node:
        """Mean negative log-likelihood of the next words, in nats."""
        return cross_entropy(self.model(words, mode=mode), astype(following, "int64"))

    def scorer(self) -> PerExample:
        """log p of each next word, over batches."""

        def log_likelihood(words: Node, following: Node) -> Node:
            return -cross_entropy(self.model(words), astype(following, "int64"), reduction="none")

        return PerExample(log_likelihood, engine=self.config.training.engine)

    def log_probabilities(self, documents: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """log p of every token of the documents, in order."""
        data = self.batches(documents, _EVALUATION_BATCH, shuffle=False)
        return self.scorer()(data.epoch(0))

    # -- what it is used for -----------------------------------------------------------------------

    def evaluate(self, data: str | None) -> Report:
        """Perplexities on the test text, or on the text that ``data`` names, beside the n-gram model's."""
        corpus = read_corpus(self.config.data)
        test = corpus.test
        name = corpus.name
        if data is not None:
            other = msgspec.structs.replace(self.config.data, source=data)
            found = read_corpus(other)
            test, name = [*found.train, *found.validation, *found.test], found.name
        return self.compare(corpus, test, f"Perplexity on {name}")

    def compare(self, corpus: Corpus, test: list[list[str]], title: str) -> Report:
        """The table: n-gram, neural, and the two interpolated, over the same tokens."""
        baseline = Baseline.chosen(self, corpus)
        validation, tokens = self.encode(corpus.validation), self.encode(test)
        log_p = {"validation": self.log_probabilities(validation), "test": self.log_probabilities(tokens)}
        log_q = {
            "validation": baseline.log_probabilities(validation),
            "test": baseline.log_probabilities(tokens),
        }
        share = best_share(log_p["validation"], log_q["validation"])
        rows = [
            (baseline.name, *(_perplexity(log_q[part]) for part in log_q)),
            (self.describe(), *(_perplexity(log_p[part]) for part in log_p)),
            (
                f"interpolated, {share:.2f} neural",
                *(_perplexity(interpolate(log_p[part], log_q[part], share)) for part in log_p),
            ),
        ]
        unknown = self.vocabulary.index("<unk>")
        counts = f"{sum(map(len, tokens)):,} test tokens, {len(self.vocabulary):,} words in the vocabulary"
        share_unknown = float(np.mean(np.concatenate(tokens) == unknown))
        scores = {
            "perplexity": float(rows[1][2]),
            "ngram_perplexity": float(rows[0][2]),
            "interpolated_perplexity": float(rows[2][2]),
            "validation_perplexity": float(rows[1][1]),
            "ngram_validation_perplexity": float(rows[0][1]),
        }
        table = Table(
            f"{title}: {counts}, {share_unknown:.1%} unknown",
            ("model", "validation perplexity", "test perplexity"),
            tuple(rows),
        )
        return Report(title, scores, [table])

    def describe(self) -> str:
        model = self.config.model
        text = f"feed-forward, {model.context} words"
        return f"{text} + history of {model.history}" if model.history else text

    def predict(self, lines: Sequence[str]) -> list[dict[str, Any]]:
        """For each line: its perplexity, and the words most likely to follow it."""
        answers = []
        for line in lines:
            tokens = tokenise(line, self.config.data)
            ids = self.vocabulary.encode([END, *tokens])
            following = self.distribution(ids)
            best = np.argsort(-following, kind="stable")[:5]
            answer: dict[str, Any] = {
                "text": line,
                "next": [[self.vocabulary.token(int(i)), round(float(following[i]), 4)] for i in best],
            }
            if tokens:
                answer["perplexity"] = round(_perplexity(self.log_probabilities([ids])[1:]), 2)
            answers.append(answer)
        return answers

    def distribution(self, ids: NDArray[Any]) -> NDArray[np.float64]:
        """p(• | ids), shape (vocabulary,)."""
        context, _ = next(self.batches([np.append(ids, 0)], len(ids) + 1, shuffle=False).epoch(0))
        scores = self._scores([(context[-1:],)])[0].astype(np.float64)
        weights = np.exp(scores - scores.max())
        return weights / weights.sum()

    @property
    def _scores(self) -> PerExample:
        scores = self.__dict__.get("_scores_program")
        if scores is None:
            scores = self.__dict__["_scores_program"] = PerExample(self.model)
        return scores

    def generate(self, prompt: str = "", *, words: int = 60, sampling: Sampling | None = None) -> str:
        """Text that goes on from ``prompt``: ``words`` tokens drawn one after the other."""
        tokens = [END, *tokenise(prompt, self.config.data)]
        never = [self.vocabulary.index(symbol) for symbol in ("<pad>", "<unk>")]
        drawn = sample_words(
            self.distribution, self.vocabulary.encode(tokens), words, sampling or Sampling(), never=never
        )
        found = [*tokens[1:], *self.vocabulary.decode(drawn)]
        if self.config.data.tokens == "spaces":
            return " ".join(found).replace(END, "\n")
        tokenizer = make_tokenizer(self.config.data)
        sentences = " ".join(found).split(END) if self.config.data.tokens == "words" else ["".join(found)]
        return " ".join(tokenizer.detokenize(sentence.split()) for sentence in sentences).strip()


@dataclass(frozen=True)
class Baseline:
    """The n-gram model: interpolated modified Kneser–Ney over documents."""

    model: KneserNey
    bos: int

    @classmethod
    def chosen(cls, system: LanguageModel, corpus: Corpus) -> Baseline:
        """Fit it on the training text, its order chosen on the validation text unless the options say."""
        size = len(system.vocabulary)
        train, validation = system.encode(corpus.train), system.encode(corpus.validation)
        order = system.config.ngram_order
        orders = [order] if order else range(2, 7)
        fitted = [KneserNey(n, size).fit(train, bos=size) for n in orders]
        return cls(min(fitted, key=lambda model: model.perplexity(validation)), size)

    @property
    def name(self) -> str:
        return f"Kneser–Ney, order {self.model.order}"

    def log_probabilities(self, documents: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """log q of every token of the documents, in order."""
        contexts, following = context_windows(documents, self.model.order - 1, padding=self.bos)
        return self.model.log_probabilities(contexts, following)


def interpolate(log_p: NDArray[Any], log_q: NDArray[Any], share: float) -> NDArray[Any]:
    """log(share·p + (1 - share)·q), elementwise."""
    with np.errstate(divide="ignore"):
        return np.logaddexp(np.log(share) + log_p, np.log1p(-share) + log_q)


def best_share(log_p: NDArray[Any], log_q: NDArray[Any]) -> float:
    """The share of p at which the mixture is most likely, to a hundredth."""
    shares = np.arange(1, 100) / 100
    return float(max(shares, key=lambda share: interpolate(log_p, log_q, share).mean()))


def _perplexity(log_p: NDArray[Any]) -> float:
    return math.exp(-float(np.mean(log_p, dtype=np.float64)))


class LanguageModeling:
    """``chainrule train lm``."""

    name: ClassVar[str] = "lm"
    about: ClassVar[str] = "a feed-forward neural language model, beside an n-gram model"
    Config: ClassVar[type[Options]] = LanguageModelConfig

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
        if data is not None:
            config = msgspec.structs.replace(config, data=msgspec.structs.replace(config.data, source=data))
        _check(config)
        say(f"reading {config.data.source}")
        corpus = read_corpus(config.data)
        system, train = self._begin(config, corpus, folder, resume)
        total = sum(map(len, train))
        count = system.model.parameter_count()
        say(f"{total:,} training tokens, {len(system.vocabulary):,} words, {count:,} parameters")
        options = config.training
        batches = system.batches(train, options.batch, seed=options.seed)
        optimizer = make_optimizer(config.optimizer, system.model.parameters(), len(batches), options.epochs)
        scorer = system.scorer()
        held_out = system.batches(system.encode(corpus.validation), _EVALUATION_BATCH, shuffle=False)

        def validate() -> dict[str, float]:
            log_p = scorer(held_out.epoch(0))
            return {"loss": -float(np.mean(log_p, dtype=np.float64)), "perplexity": _perplexity(log_p)}

        fit(
            system.model,
            system.loss,
            batches,
            optimizer,
            settings=Settings(
                epochs=options.epochs,
                seed=options.seed,
                patience=options.patience or None,
                max_seconds=options.max_seconds or None,
                engine=options.engine,
            ),
            validate=validate,
            plateau=make_plateau(options, optimizer),
            folder=folder,
            resume=resume,
            reporter=reporter,
        )
        say("comparing with the n-gram model")
        report = system.compare(corpus, corpus.test, f"Language models on {corpus.name}")
        report.texts.append(("Network", str(nn.summary(system.model, _example(system, options.batch)))))
        samples = [
            system.generate(words=30, sampling=Sampling(temperature=0.8, seed=seed))
            for seed in range(_SAMPLES)
        ]
        report.texts.append(("Written by the network", "\n".join(f"· {sample}" for sample in samples)))
        return report

    def _begin(
        self, config: LanguageModelConfig, corpus: Corpus, folder: RunFolder, resume: bool
    ) -> tuple[LanguageModel, list[NDArray[Any]]]:
        """The vocabulary, saved to the run folder, and the network as it starts out."""
        if resume:
            vocabulary = Vocabulary.load(folder.path / "vocabulary.txt")
        else:
            vocabulary = Vocabulary.build(
                [token for document in corpus.train for token in document],
                min_count=config.data.min_count,
                max_size=config.data.max_size or None,
            )
            folder.create({"task": self.name, **to_mapping(config)}, replace=True)
            vocabulary.save(folder.path / "vocabulary.txt")
        system = LanguageModel(config, vocabulary, _network(config, len(vocabulary)))
        return system, system.encode(corpus.train)

    def load(self, folder: RunFolder) -> LanguageModel:
        """The language model that a run left behind."""
        settings = {key: value for key, value in folder.config().items() if key != "task"}
        config = from_mapping(LanguageModelConfig, settings)
        try:
            vocabulary = Vocabulary.load(folder.path / "vocabulary.txt")
        except FileNotFoundError:
            raise DataError("the vocabulary is missing", path=folder.path / "vocabulary.txt") from None
        model = _network(config, len(vocabulary))
        model.load_state_dict(folder.load_model()[0])
        return LanguageModel(config, vocabulary, model)


def _network(config: LanguageModelConfig, size: int) -> FeedForwardLanguageModel:
    options = to_mapping(config.model)
    return FeedForwardLanguageModel(size, **options, seed=config.training.seed)


def _example(system: LanguageModel, batch: int) -> Node:
    return placeholder((batch, system.model.memory), "int32")


def _check(config: LanguageModelConfig) -> None:
    check_options(config.data)
    if config.model.activation not in ACTIVATIONS:
        raise ConfigurationError(
            f"there is no activation {config.model.activation!r}",
            mend=f"model.activation is one of: {', '.join(ACTIVATIONS)}",
        )
