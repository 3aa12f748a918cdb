"""Precision, recall and F1 of spans (entities, chunks), as the CoNLL evaluations count them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..data import Span, TagScheme, spans_of
from ..errors import ShapeError
from .metrics import ClassScores, score_table

T = TypeVar("T")


@dataclass(frozen=True)
class SpanScores:
    """How many predicted spans are right: begin, end and type all as in the gold tags.

    With tp right, of p predicted and g gold spans, of a type or of all: precision tp/p, recall tp/g, F1
    their harmonic mean, 2 tp/(p + g); 0 where a denominator is 0.  ``precision``, ``recall`` and ``f1``
    count all spans together (micro-averaged, the figure that papers give); ``types`` has them apart.

    Source: E. F. Tjong Kim Sang and S. Buchholz, Introduction to the CoNLL-2000 shared task, 2000.

    >>> gold = [["B-PER", "I-PER", "O"], ["B-LOC", "O", "B-PER"]]
    >>> predicted = [["B-PER", "I-PER", "O"], ["B-LOC", "I-LOC", "O"]]
    >>> print(SpanScores.of(predicted, gold))
    type  precision  recall      F1  support
    LOC      0.0000  0.0000  0.0000        1
    PER      1.0000  0.5000  0.6667        2
    all      0.5000  0.3333  0.4000        3
    """

    names: tuple[str, ...]
    right: NDArray[np.int64]
    predicted: NDArray[np.int64]
    gold: NDArray[np.int64]

    @classmethod
    def of(
        cls, predicted: Sequence[Sequence[str]], gold: Sequence[Sequence[str]], scheme: TagScheme = "IOB2"
    ) -> SpanScores:
        """The scores of sentences' predicted tags, both read as :func:`chainrule.data.spans_of` reads them.

        Errors: ShapeError if sentences or words are not the same in number; DataError for a tag that is
        none of the scheme.
        """
        _check_sizes("predicted tags", predicted, gold)
        return cls._counted(
            set(_numbered(predicted, scheme)),
            set(_numbered(gold, scheme)),
            lambda item: item[1].type,
        )

    @classmethod
    def of_forms(
        cls,
        predicted: Sequence[Sequence[str]],
        gold: Sequence[Sequence[str]],
        words: Sequence[Sequence[str]],
        scheme: TagScheme = "IOB2",
    ) -> SpanScores:
        """The scores of distinct surface forms: each text with its type counts once, however often it stands.

        So a name that is everywhere, and easy, weighs no more than one that is met once.

        Source: L. Derczynski et al., Results of the WNUT2017 shared task on novel and emerging entity
        recognition, 2017.

        >>> words = [["Oslo", "beats", "Oslo"], ["Ann", "saw", "Oslo"]]
        >>> gold = [["B-ORG", "O", "B-LOC"], ["B-PER", "O", "B-LOC"]]
        >>> predicted = [["B-LOC", "O", "B-LOC"], ["B-PER", "O", "O"]]
        >>> scores = SpanScores.of_forms(predicted, gold, words)
        >>> scores.precision, round(scores.recall, 4)  # Oslo/LOC and Ann/PER are found, Oslo/ORG is not
        (1.0, 0.6667)
        """
        _check_sizes("predicted tags", predicted, gold)
        _check_sizes("words", words, gold)

        def forms(tags: Sequence[Sequence[str]]) -> set[tuple[tuple[str, ...], str]]:
            found = _numbered(tags, scheme)
            return {(tuple(words[index][span.start : span.end]), span.type) for index, span in found}

        return cls._counted(forms(predicted), forms(gold), lambda item: item[1])

    @classmethod
    def _counted(cls, found: set[T], wanted: set[T], type_of: Callable[[T], str]) -> SpanScores:
        counts = [Counter(map(type_of, some)) for some in (found & wanted, found, wanted)]
        names = sorted(counts[1] | counts[2])
        return cls(tuple(names), *(np.array([c[name] for name in names], np.int64) for c in counts))

    @property
    def types(self) -> ClassScores:
        """The scores of each type."""
        return ClassScores.of_counts(self.right, self.predicted, self.gold, self.names)

    @property
    def precision(self) -> float:
        """The share of predicted spans that are right."""
        return float(self._all.precision[0])

    @property
    def recall(self) -> float:
        """The share of gold spans that were found."""
        return float(self._all.recall[0])

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return float(self._all.f1[0])

    @property
    def macro_f1(self) -> float:
        """The mean of the types' F1, each counting the same; NaN without spans."""
        return self.types.macro_f1

    def rows(self) -> list[tuple[str, float, float, float, int]]:
        """One row a type (name, precision, recall, F1, gold spans), and one for all spans together."""
        own = self.types.rows()[: len(self.names)]
        return [*own, self._all.rows()[0]]

    def __str__(self) -> str:
        return score_table("type", self.rows())

    @property
    def _all(self) -> ClassScores:
        right, predicted, gold = (
            counts.sum(keepdims=True) for counts in (self.right, self.predicted, self.gold)
        )
        return ClassScores.of_counts(right, predicted, gold, ["all"])


def _numbered(tags: Sequence[Sequence[str]], scheme: TagScheme) -> Iterator[tuple[int, Span]]:
    """Each span, and the number of its sentence."""
    return ((index, span) for index, own in enumerate(tags) for span in spans_of(own, scheme))


def _check_sizes(what: str, some: Sequence[Sequence[str]], gold: Sequence[Sequence[str]]) -> None:
    if len(some) != len(gold):
        raise ShapeError(f"{what} of {len(some)} sentences, and gold ones of {len(gold)} sentences")
    for index, (ours, theirs) in enumerate(zip(some, gold, strict=True)):
        if len(ours) != len(theirs):
            raise ShapeError(f"sentence {index} has {len(ours)} {what} and {len(theirs)} gold ones")
