"""Spans in reports and answers: scores beside baselines, kinds of mistakes, texts with their spans marked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from ..data import Span, TagScheme, spans_of
from ..train import SpanScores
from .task import Table

Tags = Sequence[Sequence[str]]

_ELLIPSIS = "…"
"""Stands in a token of ``python-code`` for what is within quotes."""


def comparison(
    title: str, found: Sequence[tuple[str, Tags]], gold: Tags, words: Tags, scheme: TagScheme
) -> tuple[Table, list[SpanScores], list[SpanScores]]:
    """A row for each (name, tags), and the scores of its spans and of its surface forms."""
    spans = [SpanScores.of(tags, gold, scheme) for _, tags in found]
    forms = [SpanScores.of_forms(tags, gold, words, scheme) for _, tags in found]
    rows = tuple(
        (name, own.precision, own.recall, own.f1, surface.f1)
        for (name, _), own, surface in zip(found, spans, forms, strict=True)
    )
    return Table(title, ("model", "precision", "recall", "F1", "surface F1"), rows), spans, forms


def each_type(scores: SpanScores) -> Table:
    """Precision, recall and F1 of each type."""
    return Table("Each type", ("type", "precision", "recall", "F1", "spans"), tuple(scores.rows()))


def mistakes(found: Tags, gold: Tags, words: Tags, scheme: TagScheme) -> Table:
    """What became of the gold spans, and what was found where there is none, with an example of each."""
    kinds = ("right", "right words, another type", "other words", "missed", "invented")
    counts, examples = dict.fromkeys(kinds, 0), dict.fromkeys(kinds, "")
    for kind, text in _outcomes(found, gold, words, scheme):
        counts[kind] += 1
        examples[kind] = examples[kind] or text
    rows = tuple((kind, counts[kind], examples[kind]) for kind in kinds)
    return Table("What became of the spans", ("outcome", "spans", "such as"), rows)


def _outcomes(found: Tags, gold: Tags, words: Tags, scheme: TagScheme) -> Iterator[tuple[str, str]]:
    for ours, theirs, own in zip(found, gold, words, strict=True):
        predicted, wanted = spans_of(ours, scheme), spans_of(theirs, scheme)
        types = {(span.start, span.end): span.type for span in predicted}
        for span in wanted:
            text = f"{' '.join(own[span.start : span.end])} ({span.type})"
            given = types.get((span.start, span.end))
            if given is not None:
                yield (
                    ("right", text)
                    if given == span.type
                    else (
                        "right words, another type",
                        f"{text}: {given}",
                    )
                )
            elif near := next((other for other in predicted if _overlap(span, other)), None):
                yield "other words", f"{text}: {' '.join(own[near.start : near.end])} ({near.type})"
            else:
                yield "missed", text
        for span in predicted:
            if not any(_overlap(span, other) for other in wanted):
                yield "invented", f"{' '.join(own[span.start : span.end])} ({span.type})"


def _overlap(a: Span, b: Span) -> bool:
    return a.start < b.end and b.start < a.end


def recall_by_novelty(
    found: Tags, gold: Tags, words: Tags, scheme: TagScheme, known: Collection[tuple[str, ...]]
) -> Table:
    """How many of the gold spans were found, of those in the dictionary of training and of the others."""
    right, total = [0, 0], [0, 0]
    for ours, theirs, own in zip(found, gold, words, strict=True):
        predicted = set(spans_of(ours, scheme))
        for span in spans_of(theirs, scheme):
            new = tuple(own[span.start : span.end]) not in known
            total[new] += 1
            right[new] += span in predicted
    rows = tuple(
        (name, count, hits, hits / count if count else float("nan"))
        for name, count, hits in zip(("in it", "new"), total, right, strict=True)
    )
    return Table(
        "Spans in the dictionary, and new ones",
        ("spans", "number", "found", "recall"),
        rows,
    )


# -- answers ---------------------------------------------------------------------------------------


def answer(text: str, words: Sequence[str], spans: Sequence[Span]) -> dict[str, Any]:
    """The text with its spans in brackets, and the spans as values.

    ``start`` and ``end`` count characters of the text.  Where words do not lie in it in their order, they
    stand for the text, with blanks between.

    >>> answer("Obama left Paris.", ["Obama", "left", "Paris", "."], [Span(0, 1, "person")])["marked"]
    '[Obama person] left Paris.'
    """
    places = _places(text, words)
    if places is None:
        text = " ".join(words)
        places = _places(text, words) or []
    parts, at = [], 0
    values = []
    for span in spans:
        start, end = places[span.start][0], places[span.end - 1][1]
        values.append({"text": text[start:end], "type": span.type, "start": start, "end": end})
        parts += [text[at:start], f"[{text[start:end]} {span.type}]"]
        at = end
    return {"text": text, "marked": "".join([*parts, text[at:]]), "spans": values}


def _places(text: str, words: Sequence[str]) -> list[tuple[int, int]] | None:
    """Where each word begins and ends in the text; None if they do not lie there in this order."""
    found: list[tuple[int, int]] = []
    at = 0
    for word in words:
        before, left_out, after = word.partition(_ELLIPSIS) if word not in text else (word, "", "")
        start = text.find(before, at)
        end = start + len(before)
        if left_out and start >= 0:
            stop = text.find(after, end)
            end = stop + len(after) if stop >= 0 else -1
        if start < 0 or end < 0:
            return None
        found.append((start, end))
        at = end
    return found
