"""The baseline that a tagger has to beat: each word gets the tag that it had most often."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from ..data import read_bytes, write_atomically
from ..data.files import Pathish
from ..errors import ArgumentError, DataError

_FORMAT, _VERSION = "chainrule lexicon", 1


class Lexicon:
    """The most frequent tag of every word of a text; words not in it get the most frequent tag of all.

    Of tags seen equally often the one that is more frequent in the whole text counts, then the one that comes
    first in the alphabet.

    >>> lexicon = Lexicon.fit([["the", "can"], ["can", "the", "can"]], [["D", "N"], ["V", "D", "N"]])
    >>> lexicon.tags(["can", "fly"]), "fly" in lexicon
    (['N', 'D'], False)
    """

    def __init__(self, best: Mapping[str, str], usual: str) -> None:
        self.best, self.usual = dict(best), usual

    @classmethod
    def fit(cls, sentences: Iterable[Sequence[str]], tags: Iterable[Sequence[str]]) -> Lexicon:
        """Count the tags of each word.  Raises ``ArgumentError`` for a text without words."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        totals: Counter[str] = Counter()
        for word, tag in zip(chain.from_iterable(sentences), chain.from_iterable(tags), strict=True):
            counts[word][tag] += 1
            totals[tag] += 1
        if not totals:
            raise ArgumentError("there is no tagged word to count", mend="give at least one")
        order = sorted(totals, key=lambda tag: (-totals[tag], tag))
        rank = {tag: place for place, tag in enumerate(order)}
        best = {word: min(seen, key=lambda tag: (-seen[tag], rank[tag])) for word, seen in counts.items()}
        return cls(best, order[0])

    def __contains__(self, word: object) -> bool:
        return word in self.best

    def __len__(self) -> int:
        return len(self.best)

    def tags(self, words: Iterable[str]) -> list[str]:
        """The tag of each word."""
        return [self.best.get(word, self.usual) for word in words]

    def save(self, path: Pathish) -> None:
        """Write the lexicon as JSON, whole or not at all."""
        header = {"format": _FORMAT, "version": _VERSION, "usual": self.usual}
        write_atomically(path, json.dumps({**header, "best": self.best}) + "\n")

    @classmethod
    def load(cls, path: Pathish) -> Lexicon:
        """Read what :meth:`save` wrote.  Raises ``DataError`` for anything else."""
        content = read_bytes(path)
        try:
            found = json.loads(content)
            if (found["format"], found["version"]) != (_FORMAT, _VERSION):
                raise ValueError(f"version {found['version']} of {found['format']!r}")
            if not isinstance(found["best"], dict) or not isinstance(found["usual"], str):
                raise ValueError("words have no tags")
            return cls(found["best"], found["usual"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"this is no saved lexicon: {error}", path=path, mend="restore the file, or train again"
            ) from None
