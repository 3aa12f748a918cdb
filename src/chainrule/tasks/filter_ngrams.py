"""What the filters of a text CNN look for: the n-grams that excite each most, and the classes they are in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .task import Table

_NGRAMS = 5
_EMPTY = "·"

Ngram = tuple[int, ...]


@dataclass(frozen=True)
class Corpus:
    """Texts as ids (N, words), 0 behind the last word, and what their numbers mean."""

    ids: NDArray[np.int32]
    gold: NDArray[np.int64]
    classes: Sequence[str]
    tokens: Sequence[str]

    def windows(self, size: int, padding: int) -> NDArray[np.int32]:
        """All windows, (N, places, size); ``padding`` empty words stand before and behind."""
        around = np.pad(self.ids, [(0, 0), (padding, padding + size)])
        return np.lib.stride_tricks.sliding_window_view(around, size, axis=1)

    def text(self, ngram: Ngram) -> str:
        """The words of an n-gram, a dot for each empty place."""
        return " ".join(self.tokens[number] if number else _EMPTY for number in ngram)


def filter_tables(
    values: NDArray[Any],
    places: NDArray[Any],
    features: NDArray[Any],
    corpus: Corpus,
    *,
    windows: Sequence[int],
    padding: int,
    weights: NDArray[Any],
) -> list[Table]:
    """A table for each filter: n-grams, responses, and how many texts of each class have the n-gram.

    ``values`` and ``places`` (N, filters) are the filters' largest responses in each text and the words
    at which their windows begin; filters of the first width stand first.  ``features`` (N, filters) are what
    the activation makes of them, and ``weights`` (filters, classes) what these add to each class's score.
    The order is that of influence: how far apart a filter puts the classes, times how much its feature
    varies among texts.  Of each text only the window counts that excites the filter most.
    """
    each = values.shape[1] // len(windows)
    influence = features.std(axis=0) * (weights.max(axis=1) - weights.min(axis=1))
    best: dict[int, list[tuple[Ngram, float]]] = {}
    counts: dict[Ngram, Counter[int]] = {}
    for number, size in enumerate(windows):
        view = corpus.windows(size, padding)
        for index in range(number * each, (number + 1) * each):
            best[index] = _most_exciting(values[:, index], places[:, index] + padding, view)
        wanted = {ngram for index in range(number * each, (number + 1) * each) for ngram, _ in best[index]}
        counts |= _counted(wanted, view, corpus.gold)
    tables = []
    for index in np.argsort(-influence, kind="stable").tolist():
        size, votes = windows[index // each], _votes(weights[index], corpus.classes)
        title = f"Filter {index % each + 1} of {size} words: {votes}"
        rows = tuple(
            (corpus.text(ngram), round(value, 3), _holders(counts[ngram], corpus.classes))
            for ngram, value in best[index]
        )
        tables.append(Table(title, ("n-gram", "response", "texts that have it"), rows))
    return tables


def _votes(weights: NDArray[Any], classes: Sequence[str]) -> str:
    """What a filter adds to the scores: of many classes the two that gain most and the two that lose most."""
    order = np.argsort(-weights, kind="stable").tolist()
    told = [f"{classes[number]} {weights[number]:+.2f}" for number in order]
    return ", ".join(told if len(told) <= 4 else [*told[:2], "…", *told[-2:]])


def _holders(counts: Counter[int], classes: Sequence[str]) -> str:
    """``3 neg, 1 pos``: the most frequent class first."""
    return ", ".join(f"{count} {classes[number]}" for number, count in counts.most_common())


def _most_exciting(
    values: NDArray[Any], places: NDArray[Any], windows: NDArray[np.int32]
) -> list[tuple[Ngram, float]]:
    """The n-grams with the largest responses, each once, the largest first."""
    found: dict[Ngram, float] = {}
    for text in np.argsort(-values, kind="stable"):
        ngram = tuple(windows[text, places[text]].tolist())
        found.setdefault(ngram, float(values[text]))
        if len(found) == _NGRAMS:
            break
    return list(found.items())


def _counted(
    wanted: set[Ngram], windows: NDArray[np.int32], gold: NDArray[np.int64]
) -> dict[Ngram, Counter[int]]:
    """In how many texts of each class each n-gram stands."""
    counts: dict[Ngram, Counter[int]] = {ngram: Counter() for ngram in wanted}
    for text, number in zip(windows, gold.tolist(), strict=True):
        for ngram in wanted.intersection(map(tuple, text.tolist())):
            counts[ngram][number] += 1
    return counts
