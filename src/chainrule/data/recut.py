"""Words cut where letters, digits and signs meet, for a corpus whose parts were cut in different ways."""

from __future__ import annotations

import re

from chainrule.data.columns import Sentences
from chainrule.data.tags import Span, TagScheme, spans_of, tags_of

_ADDRESS = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_PIECE = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*|\d+|\S")
_SIGN = re.compile(r"[\W_]+")


def pieces(word: str) -> list[str]:
    """The runs of letters, the runs of digits, and the signs of a word, one by one.

    Hyphens between letters do not part them, and an address of the web stays whole.

    >>> pieces("@ann_7:"), pieces("I'm"), pieces("sci-fi"), pieces("http://a.b/7")
    (['@', 'ann', '_', '7', ':'], ['I', "'", 'm'], ['sci-fi'], ['http://a.b/7'])
    """
    return [word] if _ADDRESS.fullmatch(word) else _PIECE.findall(word)


def recut(sentences: Sentences, column: str, scheme: TagScheme = "IOB2") -> Sentences:
    """The sentences with their words cut into :func:`pieces`, and with the spans of ``column`` on these.

    A span loses the signs at its two ends, such as the # before a name, unless it is made of signs alone.
    The values of other columns are repeated for each piece.  Tags of words in no span stay as they are.

    >>> found = recut(Sentences({"form": [["#Oslo!", "wins"]], "ner": [["B-LOC", "O"]]}, [1], "a.txt"), "ner")
    >>> found["form"], found["ner"]
    ([['#', 'Oslo', '!', 'wins']], [['O', 'B-LOC', 'O', 'O']])
    """
    words = next(iter(sentences.columns))
    cut = [[pieces(word) for word in line] for line in sentences[words]]
    columns = {
        name: [
            [value for value, own in zip(line, parts, strict=True) for _ in own]
            for line, parts in zip(lines, cut, strict=True)
        ]
        for name, lines in sentences.columns.items()
    }
    columns[words] = [[piece for own in parts for piece in own] for parts in cut]
    columns[column] = [_tags(tags, parts, scheme) for tags, parts in zip(sentences[column], cut, strict=True)]
    return Sentences(columns, sentences.lines, sentences.path)


def _tags(tags: list[str], parts: list[list[str]], scheme: TagScheme) -> list[str]:
    """The tags of a sentence's pieces."""
    flat = [piece for own in parts for piece in own]
    starts = [0]
    for own in parts:
        starts.append(starts[-1] + len(own))
    spans = [
        _without_signs(Span(starts[span.start], starts[span.end], span.type), flat)
        for span in spans_of(tags, scheme)
    ]
    return tags_of(spans, len(flat), scheme)


def _without_signs(span: Span, words: list[str]) -> Span:
    inside = [place for place in range(span.start, span.end) if not _SIGN.fullmatch(words[place])]
    return Span(inside[0], inside[-1] + 1, span.type) if inside else span
