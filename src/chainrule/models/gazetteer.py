"""The baseline that an entity recogniser has to beat: names that training has shown are found again."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..data import Span, read_bytes, write_atomically
from ..data.files import Pathish
from ..errors import DataError

_FORMAT, _VERSION = "chainrule gazetteer", 1

Phrase = tuple[str, ...]


class Gazetteer:
    """Phrases with a type each; in a sentence they are found from left to right, the longest first.

    A phrase of the training sentences is taken in if it was a span at least half of the times that its words
    stood there, and has the type that it had most often; of types seen equally often, the first in the
    alphabet.

    >>> gazetteer = Gazetteer.fit([["New", "York", "won"], ["the", "new", "York"]],
    ...                           [[Span(0, 2, "place")], [Span(2, 3, "place")]])
    >>> gazetteer.spans(["in", "New", "York"])
    [Span(start=1, end=3, type='place')]
    """

    def __init__(self, types: Mapping[Phrase, str]) -> None:
        self.types = dict(types)
        self._longest = max(map(len, self.types), default=0)

    @classmethod
    def fit(cls, sentences: Sequence[Sequence[str]], spans: Sequence[Iterable[Span]]) -> Gazetteer:
        """Take in the spans of training sentences."""
        seen: dict[Phrase, Counter[str]] = defaultdict(Counter)
        for words, own in zip(sentences, spans, strict=True):
            for span in own:
                seen[tuple(words[span.start : span.end])][span.type] += 1
        longest = max(map(len, seen), default=0)
        times = Counter(p for words in sentences for p in _phrases(words, longest) if p in seen)
        return cls(
            {
                phrase: min(types, key=lambda name: (-types[name], name))
                for phrase, types in seen.items()
                if 2 * types.total() >= times[phrase]
            }
        )

    def __len__(self) -> int:
        return len(self.types)

    def __contains__(self, phrase: object) -> bool:
        return phrase in self.types

    def spans(self, words: Sequence[str]) -> list[Span]:
        """The phrases found in a sentence."""
        found: list[Span] = []
        place = 0
        while place < len(words):
            for end in range(min(place + self._longest, len(words)), place, -1):
                kind = self.types.get(tuple(words[place:end]))
                if kind is not None:
                    found.append(Span(place, end, kind))
                    place = end
                    break
            else:
                place += 1
        return found

    def save(self, path: Pathish) -> None:
        """Write the phrases as JSON, whole or not at all."""
        entries = [[list(phrase), kind] for phrase, kind in self.types.items()]
        write_atomically(
            path, json.dumps({"format": _FORMAT, "version": _VERSION, "phrases": entries}) + "\n"
        )

    @classmethod
    def load(cls, path: Pathish) -> Gazetteer:
        """Read what :meth:`save` wrote.  Raises ``DataError`` for anything else."""
        content = read_bytes(path)
        try:
            found = json.loads(content)
            if (found["format"], found["version"]) != (_FORMAT, _VERSION):
                raise ValueError(f"version {found['version']} of {found['format']!r}")
            types = {tuple(phrase): kind for phrase, kind in found["phrases"]}
            if not all(isinstance(word, str) for entry in types.items() for word in (*entry[0], entry[1])):
                raise ValueError("a phrase is not of words")
            return cls(types)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"this is no saved gazetteer: {error}", path=path, mend="restore the file, or train again"
            ) from None


def _phrases(words: Sequence[str], longest: int) -> Iterator[Phrase]:
    """All runs of up to ``longest`` words."""
    for start in range(len(words)):
        for end in range(start + 1, min(start + longest, len(words)) + 1):
            yield tuple(words[start:end])
